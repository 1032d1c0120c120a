"""What operators on plain tensors refuse, in which words; and what they make of symbolic sizes."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from addnn_spec.diagnostics import Refusal
from addnn_spec.ops import Operator
from addnn_spec.ops.arithmetic import Add, And, Div, MatMul, Mod, Pow, Sub, Where
from addnn_spec.ops.base import TensorType
from addnn_spec.ops.creation import Arange, Full, Zeros
from addnn_spec.ops.fourier import FFT2
from addnn_spec.ops.indexing import Gather, GetItem, IndexSelect, IndexSlice, Narrow, Select, Slice
from addnn_spec.ops.merge import Chunk, Concat, Split, Stack, Unbind
from addnn_spec.ops.misc import Cdist, Einsum, MaskedFill
from addnn_spec.ops.reduction import Argmax, Mean, Sum, TopK
from addnn_spec.ops.reshape import (
    Expand,
    Flatten,
    Flip,
    Permute,
    Reshape,
    Roll,
    Squeeze,
    Tile,
    Unflatten,
)
from addnn_spec.sizes import Size, Symbol, SymbolicSize

N = SymbolicSize.of(Symbol("N", 2))
T = SymbolicSize.of(Symbol("T", 6))


def floats(*shape: Size) -> TensorType:
    return TensorType("float", shape)


def ints(*shape: Size) -> TensorType:
    return TensorType("int", shape)


def mask(*shape: Size) -> TensorType:
    return TensorType("bool", shape)


@pytest.mark.parametrize(
    ("operator", "inputs", "code", "words"),
    [
        (Add(), (floats(2, 3), floats(2, 4)), "E0303", "[2, 3] and [2, 4]"),
        (Add(), (floats(2, 3), floats(2, 4)), "E0303", "3 and 4 at dimension -1"),
        (Add(), (floats(5, 1, 3), floats(4, 2, 3)), "E0303", "5 and 4 at dimension -3"),
        (Add(), (floats(N, 3), floats(4, 3)), "E0303", "N and 4 at dimension -2"),
        (Add(), (floats(2),), "E0202", "two tensors, or a tensor and a number"),
        (Add(right=1), (floats(2), floats(2)), "E0201", "not all three"),
        (Add(left=1, right=1), (floats(2),), "E0201", "on one side only"),
        (Sub(left=1), (mask(2),), "E0307", "Sub does not take int and bool"),
        (Mod(), (ints(2), mask(2)), "E0307", "Mod does not take int and bool"),
        (Div(right=0), (floats(2),), "E0201", "by 0"),
        (Mod(right=0.0), (floats(2),), "E0201", "by 0"),
        (Pow(right=-1), (ints(2),), "E0201", "no integers to the power of -1"),
        (And(), (mask(2), floats(2)), "E0307", "And takes bool tensors, not float"),
        (Where(), (floats(2), floats(2), floats(2)), "E0307", "Where takes bool"),
        (MatMul(), (floats(2, 3), floats(4, 5)), "E0303", "3 columns and 4 rows"),
        (MatMul(), (floats(2, 3), ints(3, 5)), "E0307", "float and int"),
        (MatMul(), (floats(), floats(3)), "E0302", "rank 1 or more"),
        (GetItem(index=(3,)), (floats(3, 2),), "E0306", "place 3 of a dimension of size 3"),
        (GetItem(index=(0, 0)), (floats(3),), "E0302", "2 indices"),
        (GetItem(index=(IndexSlice(2, 2),)), (floats(3),), "E0304", "nothing of a dimension"),
        (Select(dim=2, index=0), (floats(2, 3),), "E0306", "dim 2 is out of range"),
        (Slice(dim=0, start=4), (floats(3),), "E0304", "nothing of a dimension of size 3"),
        (Narrow(dim=0, start=1, length=3), (floats(3),), "E0306", "up to 4"),
        (Narrow(dim=0, start=1, length=0), (floats(3),), "E0304", "0 places"),
        (IndexSelect(dim=0), (floats(3, 2), floats(4)), "E0307", "int tensors, not float"),
        (IndexSelect(dim=0), (floats(3, 2), ints(4, 1)), "E0302", "[n]"),
        (Gather(dim=0), (floats(3, 2), ints(4, 3)), "E0303", "at dimension 1"),
        (Gather(dim=0), (floats(3, 2), ints(4)), "E0302", "rank, 2, not of rank 1"),
        (Flatten(start_dim=2, end_dim=1), (floats(1, 2, 3),), "E0306", "comes after"),
        (Flatten(), (floats(4),), "E0306", "start_dim 1 is out of range for rank 1"),
        (Unflatten(dim=-1, unflattened_size=(5, 2)), (floats(2, 12),), "E0303", "its input has 12"),
        (Unflatten(dim=-1, unflattened_size=(5, -1)), (floats(2, 12),), "E0305", "what -1 is"),
        (Reshape(shape=(-1, -1)), (floats(4),), "E0201", "one size -1"),
        (Reshape(shape=(0, 4)), (floats(4),), "E0201", "not 0"),
        (Reshape(shape=(3, 2)), (floats(4),), "E0303", "hold 6 elements, and its input has 4"),
        (Reshape(shape=(3, -1)), (floats(N, 4),), "E0305", "not known to be divisible"),
        (Permute(dims=(0, 1)), (floats(1, 2, 3),), "E0302", "orders 2 dimensions"),
        (Permute(dims=(0, 0)), (floats(1, 2),), "E0201", "twice"),
        (Expand(sizes=(2, 4)), (floats(2, 3),), "E0303", "stretch 3 to 4"),
        (Expand(sizes=(4,)), (floats(2, 3),), "E0302", "1 sizes for 2 dimensions"),
        (Expand(sizes=(0, 3)), (floats(1, 3),), "E0201", "not 0"),
        (Roll(shifts=(1, 2), dims=1), (floats(2, 3),), "E0201", "2 shifts for 1 dimensions"),
        (Flip(dims=(2,)), (floats(2, 3),), "E0306", "dims 2 is out of range"),
        (Squeeze(), (floats(N, 1),), "E0308", "whether the size N is 1"),
        (Concat(), (floats(2, 3, 4), floats(2, 3, 5)), "E0303", "4 and 5 at dimension 2"),
        (Concat(), (floats(2, 3), floats(2, 3, 1)), "E0302", "of one rank"),
        (Concat(), (), "E0202", "one tensor or more"),
        (Concat(dim=2), (floats(2, 3),), "E0306", "dim 2 is out of range"),
        (Stack(), (floats(N, 3), floats(T, 3)), "E0303", "N and T at dimension 0"),
        (Split(split_size_or_sections=(1, 3)), (floats(2, 5),), "E0303", "sum to 4, not to 5"),
        (Split(split_size_or_sections=0), (floats(2, 5),), "E0304", "not 0"),
        (Split(split_size_or_sections=2), (floats(2, T),), "E0308", "how many parts"),
        (Split(split_size_or_sections=1), (floats(2, 20_000),), "E0201", "10000 are the most"),
        (Chunk(chunks=4), (floats(2, 5),), "E0305", "4 parts of 5"),
        (Chunk(chunks=4), (floats(2, T),), "E0305", "that 4 divides T"),
        (Unbind(), (floats(N, 2),), "E0308", "the size is N"),
        (Mean(dim=2), (floats(2, 3),), "E0306", "dim 2"),
        (Mean(), (ints(2),), "E0307", "Mean takes float tensors, not int"),
        (Sum(dim=(1, -1)), (floats(2, 3),), "E0201", "one dimension twice"),
        (Sum(dim=()), (floats(2, 3),), "E0201", "empty"),
        (Argmax(), (mask(2),), "E0307", "float or int"),
        (TopK(k=4), (floats(2, 3),), "E0306", "4 of 3 elements"),
        (Zeros(size=(0,)), (), "E0304", "size is 0"),
        (Arange(end=2, start=2), (), "E0304", "size is 0"),
        (Einsum(equation="ij,jk"), (floats(2, 3),), "E0201", "2 operands, and 1 tensors"),
        (Einsum(equation="ij,jk"), (floats(2, 3), floats(4, 5)), "E0303", "size of j"),
        (Einsum(equation="ij->k"), (floats(2, 3),), "E0201", "in no operand"),
        (Einsum(equation="i;j"), (floats(2, 3),), "E0201", "is no equation"),
        (Einsum(equation="i.j"), (floats(2, 3),), "E0201", "is no equation"),
        (Einsum(equation="...i->i"), (floats(2, 3),), "E0201", 'names no "..."'),
        (Einsum(equation="i"), (floats(2, 3),), "E0302", "does not name the dimensions"),
        (FFT2(), (floats(2, T, 4), None), "E0308", "one is T"),
        (Cdist(), (floats(2, 3), floats(2, 4)), "E0303", "number of columns"),
        (MaskedFill(value=0.5), (ints(2), mask(2)), "E0307", "among ints"),
        (MaskedFill(value=0.5), (floats(2), floats(2)), "E0307", "not float"),
    ],
)
def test_refusals(
    operator: Operator, inputs: tuple[TensorType, ...], code: str, words: str
) -> None:
    with pytest.raises(Refusal) as caught:
        operator.infer(*inputs)
    assert caught.value.code == code
    assert words in caught.value.message + caught.value.note


def test_help_names_the_assert_that_settles_it() -> None:
    with pytest.raises(Refusal) as caught:
        Add().infer(floats(N, 3), floats(4, 3))
    assert caught.value.help == "if they are always equal, state it first: assert N == 4"


@pytest.mark.parametrize(
    "make",
    [
        lambda: Add(right=True),
        lambda: Add(right=float("nan")),
        lambda: Full(size=(2**64,), fill_value=0),
        lambda: Full(size=(2,), fill_value=float("inf")),
        lambda: Tile(dims=(0,)),
        lambda: Chunk(chunks=0),
        lambda: TopK(k=0),
        lambda: Permute(dims=(True, 0)),
        lambda: Reshape(shape=(2.0,)),  # type: ignore[arg-type]
        lambda: Slice(dim=0, step=0),
    ],
)
def test_attributes_of_wrong_types_or_ranges(make: object) -> None:
    assert callable(make)
    with pytest.raises(ValidationError):
        make()


def test_one_number_is_a_list_of_it() -> None:
    assert Flip(dims=1).dims == (1,)  # type: ignore[arg-type]
    assert Zeros(size=4).size == (4,)  # type: ignore[arg-type]
    assert Reshape(shape=-1).shape == (-1,)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("operator", "inputs", "shape"),
    [
        (Add(), (floats(N, 1, 3), floats(T, 1)), (N, T, 3)),
        (MatMul(), (floats(N, 4, T), floats(T, 5)), (N, 4, 5)),
        (Reshape(shape=(-1, 49, 8)), (floats(N, 7, 7, 16),), (2 * N, 49, 8)),
        (Reshape(shape=(N, -1)), (floats(N, T, 4),), (N, 4 * T)),
        (Reshape(shape=(N, 1, 28, 28)), (floats(N, 784),), (N, 1, 28, 28)),
        (Unflatten(dim=1, unflattened_size=(-1, 3)), (floats(N, 6 * T),), (N, 2 * T, 3)),
        (Flatten(start_dim=1), (floats(N, T, 4),), (N, 4 * T)),
        (Concat(), (floats(N, T), floats(N, 3)), (N, T + 3)),
        (Expand(sizes=(N, 1, 8)), (floats(1, 1, 8),), (N, 1, 8)),
        (GetItem(index=(IndexSlice(None, T),)), (floats(512, 8),), (T, 8)),
        (GetItem(index=(IndexSlice(1, -1), 0)), (floats(T, N, 8),), (T - 2, 8)),
        (GetItem(index=(IndexSlice(1, -1, 3), 0)), (floats(T, N, 8),), (T // 3, 8)),
        (Slice(dim=0, start=0, step=2), (floats(T),), ((T + 1) // 2,)),
        (Zeros(size=(N, 4)), (), (N, 4)),
        (Arange(end=T), (), (T,)),
        (Tile(dims=(2, 1)), (floats(N, T),), (2 * N, T)),
    ],
)
def test_symbolic_shapes(
    operator: Operator, inputs: tuple[TensorType, ...], shape: tuple[Size, ...]
) -> None:
    inferred = operator.infer(*inputs)
    assert isinstance(inferred, TensorType)
    assert inferred.shape == shape


@pytest.mark.parametrize(
    ("operator", "x", "needed"),
    [
        (GetItem(index=(IndexSlice(None, T),)), floats(512, 8), ((T, 512),)),
        (GetItem(index=(IndexSlice(None, 5),)), floats(T), ((5, T),)),
        (GetItem(index=(IndexSlice(-3),)), floats(T), ((0, T - 3),)),
        (GetItem(index=(IndexSlice(),)), floats(T), ()),
        (GetItem(index=(2, -2)), floats(T, N), ((3, T), (2, N))),
        (Select(dim=0, index=T - 1), floats(T), ((0, T - 1),)),
        (Narrow(dim=0, start=2, length=3), floats(T), ((3, T), (5, T))),
        (TopK(k=3), floats(2, T), ((3, T),)),
    ],
)
def test_what_must_hold_of_symbolic_sizes(
    operator: Operator, x: TensorType, needed: tuple[tuple[Size, Size], ...]
) -> None:
    """Pairs (a, b) where a ≤ b must hold, for the range to be what `infer` takes it for."""
    operator.infer(x)
    assert operator.requires(x) == needed


def test_matmul_counts_batch_rows_inner_and_columns() -> None:
    assert MatMul().macs(floats(N, 3, 4), floats(4, 5)) == 60 * N
    assert MatMul().macs(floats(2, 1, 3, 4), floats(7, 4, 5)) == 2 * 7 * 3 * 4 * 5
