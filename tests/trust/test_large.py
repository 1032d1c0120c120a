"""Tensors that torch cannot make are told, at torch's own bounds."""

from __future__ import annotations

import pytest
import torch

from addnn_spec.compiler import check_text
from tests.trust.texts import net

TYPES = {"float": torch.float32, "int": torch.int64, "bool": torch.bool}


def codes(text: str) -> list[str]:
    return [found.code for found in check_text(text)]


def torch_makes(dtype: str, *shape: int) -> bool:
    try:
        torch.empty(shape, dtype=TYPES[dtype], device="meta")
    except RuntimeError:  # "Storage size calculation overflowed"
        return False
    return True


@pytest.mark.parametrize(
    ("dtype", "shape"),
    [("float", (2**61 - 1,)), ("float", (2**61,)), ("float", (2**30, 2**31)), ("int", (2**60,)),
     ("int", (2**60 - 1,)), ("bool", (2**63 - 1,)), ("bool", (2**31, 2**32)),
     ("float", (10**9,) * 63)],
)  # fmt: skip
def test_a_tensor_is_too_large_where_torch_says_so(dtype: str, shape: tuple[int, ...]) -> None:
    sizes = ", ".join(f"{size // 2**20} * 2**20 + {size % 2**20}" for size in shape)
    text = f"network Net {{ input x: {dtype}[{sizes}] output y = x -> Identity }}"
    assert (codes(text) == []) is torch_makes(dtype, *shape)


def test_it_is_told_once_and_where_it_begins() -> None:
    text = net(
        "output y = x -> Expand([65536, 65536, 65536, 16384]) -> ReLU -> Tanh", "[1, 1, 1, 1]"
    )
    (found,) = check_text(text)
    assert found.code == "W0109" and found.primary is not None
    assert found.primary.span.text.startswith("Expand")


@pytest.mark.parametrize(("width", "code"), [(2**31 - 1, []), (2**31, ["W0109"])])
def test_a_weight_can_be_too_large_where_no_tensor_is(width: int, code: list[str]) -> None:
    assert codes(net(f"output y = x -> Linear({width}, bias = false)", f"[N, {2**30}]")) == code
    assert torch_makes("float", 2**30, width) is not bool(code)


@pytest.mark.parametrize(
    "body", ["y = x", "y = x -> Reshape([1] * {n})", "parameter p: [{ones}]\ny = p"]
)
@pytest.mark.parametrize("rank", [64, 65, 20_000])
def test_rank(body: str, rank: int) -> None:
    """torch's reductions take 64 dimensions."""
    shape = "[1]"
    if body == "y = x":
        shape = f"[{', '.join('1' * rank)}]"
    text = net(body.format(n=rank, ones=", ".join("1" * rank)) + "\noutput z = y", shape)
    errors = [code for code in codes(text) if code.startswith("E")]
    assert errors == ([] if rank == 64 else ["E0302"])


def test_torch_reduces_64_dimensions_and_no_more() -> None:
    assert torch.ones([1] * 64).sum(0).dim() == 63
    with pytest.raises(RuntimeError, match="64 dims"):
        torch.ones([1] * 65).sum(0)
