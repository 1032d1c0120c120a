"""A symbolic size is written from the dimensions of tensors in scope."""

from __future__ import annotations

import pytest

from addnn_spec.backends.torch_code.code_text import flat
from addnn_spec.backends.torch_code.runtime_sizes import dims_of, find_size
from addnn_spec.backends.torch_code.tree import Name, Value, rewrite
from addnn_spec.ops.base import TensorType
from addnn_spec.sizes import Facts, Size
from tests.support import graph_of


def symbols() -> tuple[Size, Size]:
    """H and W of a network's input."""
    graph = graph_of("network Test { input x: float[1, 3, H, W] output y = x -> ReLU }")
    _, _, height, width = graph.node(graph.inputs[0]).outputs[0].shape
    return height, width


H, W = symbols()


def found(wanted: tuple[Size, ...], *shapes: tuple[Size, ...]) -> str | None:
    """How a size is written that the uses want, of a value 0 that has these shapes in them."""
    dims = dims_of(0, [TensorType("float", shape) for shape in shapes])
    tree = find_size(wanted, dims, Facts())
    if tree is None:
        return None
    return flat(rewrite(tree, lambda t: Name("x") if isinstance(t, Value) else None))


@pytest.mark.parametrize(
    ("wanted", "text"),
    [
        (W, "x.shape[3]"),
        (H * 3, "3 * x.shape[2]"),
        (H + 2, "x.shape[2] + 2"),
        (W - 1, "x.shape[3] - 1"),
        (H // 2, "x.shape[2] // 2"),
        ((W + 1) // 2, "(x.shape[3] + 1) // 2"),
        (H * W, "x.shape[2] * x.shape[3]"),
    ],
)
def test_the_simplest_expression_is_taken(wanted: Size, text: str) -> None:
    assert found((wanted,), (1, 3, H, W)) == text


def test_an_exact_part_of_a_dimension_is_a_quotient() -> None:
    assert found((H,), (1, 4 * H)) == "x.shape[1] // 4"


def test_it_holds_in_every_use() -> None:
    shapes = (1, 3, H, W), (1, 3, W, W)
    assert found((H, W), *shapes) == "x.shape[2]"
    assert found((H + 1, W + 1), *shapes) == "x.shape[2] + 1"
    assert found((H + 1, W + 2), *shapes) is None
    assert found((3 * H, 3 * W), *shapes) == "3 * x.shape[2]"
    assert found((3 * H, 2 * W), *shapes) is None
    assert found(((H + 1) // 2, (W + 1) // 2), *shapes) == "(x.shape[2] + 1) // 2"


def test_what_no_dimension_tells_is_not_found() -> None:
    assert found((W,), (1, 3, H)) is None
