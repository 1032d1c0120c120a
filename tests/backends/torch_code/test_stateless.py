"""Blocks without weights and without state are functions of the file."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.backends.torch_code.emitted import built, check_style, classes, source_of
from tests.support import graph_of

ROWS = (
    "# Rows of `k`.\nblock Rows(k = 2, fill = 0.0) { let n, c, h, w = x.shape "
    "return x -> Reshape(n, c, h // k, k * w) -> Pad([0, 1], value = fill) } "
)
TWO = "block Two { return x -> MaxPool2d(2), x -> AvgPool2d(2) } "
NETWORK = "network Test { input x: float[N, 4, 8, 8] "


def test_it_is_given_its_tensors_and_then_its_parameters(tmp_path: Path) -> None:
    text = (
        ROWS + NETWORK + "output y = x -> Rows output z = x -> conv: Conv2d(4, 1) -> Rows(4, 1.0) }"
    )
    source = source_of(text)
    assert classes(source) == ["Test"]
    assert "def rows(x: Tensor, k: int = 2, fill: float = 0.0) -> Tensor:" in source
    assert '    """Rows of `k`."""\n    c, h, w = x.shape[1:]' in source
    assert [tuple(t.shape) for t in built(graph_of(text))(torch.zeros(3, 4, 8, 8))] == [
        (3, 4, 4, 17),
        (3, 4, 2, 33),
    ]
    check_style(tmp_path, source)


def test_it_calls_another_and_gives_several_tensors(tmp_path: Path) -> None:
    text = (
        TWO + "block Sum { a, b = x -> Two return a + b } "
        + NETWORK + "sums = x -> Sum output y = sums -> conv: Conv2d(2, 1) }"
    )  # fmt: skip
    source = source_of(text)
    assert "def two(x: Tensor) -> tuple[Tensor, Tensor]:" in source
    assert "a, b = two(x)" in source
    assert built(graph_of(text))(torch.zeros(3, 4, 8, 8)).shape == (3, 2, 4, 4)
    check_style(tmp_path, source)


@pytest.mark.slow
def test_its_types_are_checked(tmp_path: Path) -> None:
    uses = "output y = x -> Rows a, b = x -> Two output z = (a + b) -> Rows(4, 1.0)"
    check_style(tmp_path, source_of(f"{ROWS}{TWO}{NETWORK}{uses} }}"), types=True)


@pytest.mark.parametrize(
    "use",
    [
        "output y = x -> own: Rows",
        "output y = x -> stage: { conv: Conv2d(4, 1) -> Rows }",
        "output y = x -> Rows -> other: Rows(1)",
    ],
)  # fmt: skip
def test_a_block_that_is_somewhere_a_module_is_a_class(use: str) -> None:
    source = source_of(ROWS.replace("h // k, k * w", "h, w") + NETWORK + use + " }")
    assert "Rows" in classes(source)
    assert "def rows" not in source


def test_a_block_with_state_is_a_class() -> None:
    for layer in ("Dropout(0.5)", "BatchNorm2d", "Linear(8)"):
        text = f"block Own {{ return x -> {layer} }} {NETWORK} output y = x -> Own }}"
        assert "Own" in classes(source_of(text))


def test_no_variable_has_the_name_of_a_function() -> None:
    text = ROWS + NETWORK + "rows = x -> Rows output y = (rows -> Rows(1)) + 1 }"
    source = source_of(text)
    assert "def rows_2(" in source
    assert built(graph_of(text))(torch.zeros(3, 4, 8, 8)).shape == (3, 4, 4, 18)


def test_with_probes_it_is_a_class_whose_values_are_tapped() -> None:
    text = ROWS + NETWORK + "output y = x -> Rows }"
    assert "Rows" in classes(source_of(text, probes=True))
