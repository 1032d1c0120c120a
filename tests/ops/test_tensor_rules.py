"""Shapes of arithmetic, indexing, reshaping and joining, held against torch on its meta device.

Random cases: what torch accepts has torch's shape and element type, what torch refuses is an
`Refusal`. Where we refuse more than torch, the test says so.
"""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from addnn_spec.diagnostics import Refusal
from addnn_spec.ops import Operator, find
from addnn_spec.ops.arithmetic import MatMul
from addnn_spec.ops.base import DType, Example, TensorType
from addnn_spec.ops.indexing import GetItem, IndexSlice
from addnn_spec.ops.merge import Chunk, Split
from addnn_spec.ops.misc import Einsum
from addnn_spec.ops.reshape import Expand, Movedim, Permute, Reshape, Roll, Squeeze, Unflatten
from tests.ops.harness import DTYPES, counted_macs, outputs_of, run, tensor_of
from tests.support import examples

SIZES = st.integers(1, 5)
SHAPES = st.lists(SIZES, max_size=4).map(tuple)
KINDS = st.sampled_from(["float", "int", "bool"])
BINARY = [
    "Add", "Sub", "Mul", "Div", "FloorDiv", "Mod", "Pow", "Equal", "NotEqual", "Less", "LessEqual",
    "Greater", "GreaterEqual", "Minimum", "Maximum",
]  # fmt: skip

WHOLE_DIVISION = ["FloorDiv", "Mod"]
"""By a boolean they are refused here: torch fails where it is false."""

many = settings(max_examples=examples(100), deadline=None)


def floats(*shape: int) -> TensorType:
    return TensorType("float", shape)


def torch_result(operator: Operator, *inputs: TensorType, device: str = "meta") -> Any:
    """The outputs' types by torch, or None where it refuses. Nothing is inferred."""
    tensors = [tensor_of(x, device) for x in inputs]
    try:
        outputs = run(operator, inputs, tensors, None)
    except (RuntimeError, IndexError, ValueError, TypeError):
        return None
    return [(output.dtype, tuple(output.shape)) for output in outputs]


def our_result(operator: Operator, *inputs: TensorType) -> Any:
    try:
        outputs = outputs_of(operator, inputs)
    except Refusal:
        return None
    return [(DTYPES[output.dtype], output.shape) for output in outputs]


@st.composite
def broadcastable(draw: st.DrawFn) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Two shapes that usually broadcast: each keeps, or has 1 for, the sizes of a third."""
    common = draw(SHAPES)
    shapes = []
    for _ in range(2):
        kept = [draw(st.sampled_from([size, size, 1])) for size in common]
        shapes.append(tuple(kept[draw(st.integers(0, len(kept))) :]))
    return shapes[0], shapes[1]


@many
@given(st.sampled_from(BINARY), st.one_of(broadcastable(), st.tuples(SHAPES, SHAPES)), KINDS, KINDS)
def test_two_tensors(name: str, shapes: Any, first: DType, second: DType) -> None:
    kind = find(name)
    assert kind is not None
    inputs = TensorType(first, shapes[0]), TensorType(second, shapes[1])
    assume(not (name in WHOLE_DIVISION and second == "bool"))
    # booleans are tried on the CPU: meta tensors accept `%` and `**` of them, the CPU does not
    assert our_result(kind(), *inputs) == torch_result(kind(), *inputs, device="cpu")


@many
@given(st.sampled_from(BINARY), SHAPES, KINDS, st.sampled_from([2, -3, 0.5, 1]), st.booleans())
def test_tensor_and_number(
    name: str, shape: tuple[int, ...], kind: DType, number: float, left: bool
) -> None:
    found = find(name)
    assert found is not None
    x = TensorType(kind, shape)
    assume(not (name in WHOLE_DIVISION and left and kind == "bool"))
    operator = found.model_validate({"left" if left else "right": number})
    assert our_result(operator, x) == torch_result(operator, x, device="cpu")


@many
@given(st.data())
def test_matmul(data: st.DataObject) -> None:
    leading = data.draw(broadcastable())
    n, k, m, other = (data.draw(SIZES) for _ in range(4))
    rows = k if data.draw(st.integers(0, 4)) else other
    a = data.draw(st.sampled_from([floats(*leading[0], n, k), floats(k)]))
    b = data.draw(st.sampled_from([floats(*leading[1], rows, m), floats(rows)]))
    assert our_result(MatMul(), a, b) == torch_result(MatMul(), a, b)


def test_matmul_of_a_vector_counts_each_product() -> None:
    """A matrix by a vector: rows times columns; torch's counter does not count `mv`."""
    assert MatMul().macs(floats(3, 4), floats(4)) == 12
    assert MatMul().macs(floats(4), floats(4)) == 4


@st.composite
def places(draw: st.DrawFn) -> tuple[tuple[int, ...], GetItem]:
    bound = st.one_of(st.none(), st.integers(-7, 7))
    slices = st.builds(IndexSlice, bound, bound, st.integers(1, 4))
    item = st.one_of(st.integers(-6, 5), slices)
    return draw(SHAPES), GetItem(index=tuple(draw(st.lists(item, max_size=4))))


@many
@given(places())
def test_indexing(case: tuple[tuple[int, ...], GetItem]) -> None:
    shape, operator = case
    theirs = torch_result(operator, floats(*shape))
    if theirs is not None and 0 in theirs[0][1]:
        theirs = None  # an empty tensor is an error here
    assert our_result(operator, floats(*shape)) == theirs


@many
@given(SHAPES, st.lists(st.integers(1, 6), max_size=4), st.integers(0, 6))
def test_reshape(shape: tuple[int, ...], sizes: list[int], hole: int) -> None:
    if hole < len(sizes):
        sizes[hole] = -1
    operator = Reshape(shape=tuple(sizes))
    assert our_result(operator, floats(*shape)) == torch_result(operator, floats(*shape))


@many
@given(st.permutations([2, 2, 3, 5]), st.integers(1, 3), st.booleans())
def test_reshape_of_the_same_elements(factors: list[int], cut: int, hole: bool) -> None:
    product = 1
    for factor in factors[cut:]:
        product *= factor
    operator = Reshape(shape=(*factors[:cut], -1 if hole else product))
    assert our_result(operator, floats(4, 15)) == torch_result(operator, floats(4, 15))
    operator = Reshape(shape=tuple(factors))
    assert our_result(operator, floats(4, 15)) == torch_result(operator, floats(4, 15)) is not None


@many
@given(
    SHAPES, st.integers(-5, 4), st.lists(st.sampled_from([1, 2, 3, 4, -1]), min_size=1, max_size=3)
)
def test_unflatten(shape: tuple[int, ...], dim: int, sizes: list[int]) -> None:
    operator = Unflatten(dim=dim, unflattened_size=tuple(sizes))
    assert our_result(operator, floats(*shape)) == torch_result(operator, floats(*shape))


@many
@given(SHAPES, st.lists(st.integers(-4, 3), max_size=4))
def test_permute(shape: tuple[int, ...], dims: list[int]) -> None:
    operator = Permute(dims=tuple(dims))
    assert our_result(operator, floats(*shape)) == torch_result(operator, floats(*shape))


@many
@given(SHAPES.flatmap(lambda shape: st.tuples(st.just(shape), st.permutations(range(len(shape))))))
def test_permute_in_any_order(case: tuple[tuple[int, ...], list[int]]) -> None:
    shape, dims = case
    operator = Permute(dims=tuple(dims))
    ours = our_result(operator, floats(*shape))
    assert ours is not None
    assert ours == torch_result(operator, floats(*shape))


@many
@given(
    SHAPES,
    st.lists(st.integers(-6, 6), min_size=1, max_size=3),
    st.one_of(st.none(), st.lists(st.integers(-4, 3), min_size=1, max_size=3)),
)
def test_roll(shape: tuple[int, ...], shifts: list[int], dims: list[int] | None) -> None:
    assume(dims is None or len({dim % max(len(shape), 1) for dim in dims}) == len(dims))
    operator = Roll(shifts=tuple(shifts), dims=None if dims is None else tuple(dims))
    x = floats(*shape)
    assert our_result(operator, x) == torch_result(operator, x, device="cpu")


@many
@given(SHAPES, st.lists(st.sampled_from([1, 2, 3, 4, 5, -1]), max_size=5))
def test_expand(shape: tuple[int, ...], sizes: list[int]) -> None:
    operator = Expand(sizes=tuple(sizes))
    ours = our_result(operator, floats(*shape))
    try:
        theirs = tuple(torch.empty(shape, device="meta").expand(sizes).shape)
    except RuntimeError:
        assert ours is None
    else:
        assert ours == [(torch.float64, theirs)] == torch_result(operator, floats(*shape))


@many
@given(SHAPES, st.one_of(st.none(), st.lists(st.integers(-4, 3), min_size=1, max_size=3)))
def test_squeeze(shape: tuple[int, ...], dims: list[int] | None) -> None:
    operator = Squeeze(dim=None if dims is None else tuple(dims))
    assume(shape)
    assert our_result(operator, floats(*shape)) == torch_result(operator, floats(*shape))


@many
@given(
    SHAPES,
    st.lists(st.integers(-4, 3), min_size=1, max_size=3),
    st.lists(st.integers(-4, 3), min_size=1, max_size=3),
)
def test_movedim(shape: tuple[int, ...], source: list[int], destination: list[int]) -> None:
    operator = Movedim(source=tuple(source), destination=tuple(destination))
    assume(shape)
    assert our_result(operator, floats(*shape)) == torch_result(operator, floats(*shape))


@many
@given(st.integers(1, 12), st.integers(1, 12))
def test_split(size: int, part: int) -> None:
    operator = Split(split_size_or_sections=part)
    x = floats(2, size)
    assert our_result(operator, x) == torch_result(operator, x)


@many
@given(st.integers(1, 20), st.integers(1, 8))
def test_chunk(size: int, chunks: int) -> None:
    operator = Chunk(chunks=chunks)
    theirs = torch_result(operator, floats(2, size))
    if len(theirs) < chunks:
        theirs = None  # torch makes fewer chunks in silence
    assert our_result(operator, floats(2, size)) == theirs


@many
@given(st.data())
def test_einsum(data: st.DataObject) -> None:
    sizes = dict(zip("abcde", (2, 3, 1, 4, 5), strict=True))
    terms = data.draw(
        st.lists(st.lists(st.sampled_from("abcde"), unique=True), min_size=1, max_size=3)
    )
    known = sorted({label for term in terms for label in term})
    output = data.draw(st.lists(st.sampled_from(known), unique=True)) if known else []
    left = ",".join("".join(term) for term in terms)
    arrow = data.draw(st.booleans())
    operator = Einsum(equation=f"{left}->{''.join(output)}" if arrow else left)
    inputs = [floats(*(sizes[label] for label in term)) for term in terms]
    assert our_result(operator, *inputs) == torch_result(operator, *inputs)
    assert operator.macs(*inputs) == counted_macs(Example(operator, tuple(inputs)))


@pytest.mark.parametrize(
    ("equation", "shapes"),
    [
        ("...ij,...jk->...ik", [(2, 3, 4), (5, 1, 4, 6)]),
        ("...i->...", [(2, 3)]),
        ("b...,b...->...b", [(2, 3, 4), (2, 3, 4)]),
        ("ii->i", [(3, 3)]),
    ],
)
def test_einsum_with_dots(equation: str, shapes: list[tuple[int, ...]]) -> None:
    inputs = [floats(*shape) for shape in shapes]
    operator = Einsum(equation=equation)
    assert our_result(operator, *inputs) == torch_result(operator, *inputs) is not None
