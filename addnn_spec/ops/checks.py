"""Checks of inputs that several operators share. Each raises a `Refusal` in its words, or yields
what is needed of a size."""

from __future__ import annotations

from collections.abc import Iterator

from addnn_spec.diagnostics import Refusal
from addnn_spec.ops.base import DType, Need, Operator, TensorType
from addnn_spec.sizes import Facts, Size, source

SPATIAL = ("L", "H, W", "D, H, W")
"""The names of one, two and three spatial dimensions."""


def state_equal(a: Size, b: Size) -> str | None:
    """Return what to assert where two sizes may be equal; None where they never are."""
    if Facts().equal(a, b) is False:
        return None
    return f"if they are always equal, state it first: assert {source(a)} == {source(b)}"


def name_of(operator: Operator) -> str:
    return type(operator).__name__


def check_rank(operator: Operator, x: TensorType, layout: str, *, input: int = 0) -> None:
    """Check that the input has as many dimensions as `layout` names: "N, C, H, W"."""
    if x.rank != layout.count(",") + 1:
        raise Refusal(
            "E0302",
            f"{name_of(operator)} takes [{layout}], not a tensor of rank {x.rank}",
            input=input,
            note=f"this is {x}",
        )


def check_min_rank(operator: Operator, x: TensorType, rank: int, *, input: int = 0) -> None:
    """Check that the input has at least `rank` dimensions."""
    if x.rank < rank:
        raise Refusal(
            "E0302",
            f"{name_of(operator)} takes a tensor of rank {rank} or more, not of rank {x.rank}",
            input=input,
            note=f"this is {x}",
        )


def check_dtype(operator: Operator, x: TensorType, *dtypes: DType, input: int = 0) -> None:
    """Check that the input's elements are of one of these types."""
    if x.dtype not in dtypes:
        raise Refusal(
            "E0307",
            f"{name_of(operator)} takes {' or '.join(dtypes)} tensors, not {x.dtype}",
            input=input,
            note=f"this is {x.dtype}{x}",
        )


def check_equal(operator: Operator, what: str, got: Size, wanted: Size, *, input: int = 0) -> None:
    """Check that two sizes are the same; where they are symbolic, provably so."""
    if got != wanted:
        raise Refusal(
            "E0303",
            f"{name_of(operator)}'s {what} is {got}, where {wanted} is needed",
            input=input,
            help=state_equal(got, wanted),
        )


def check_divisible(
    operator: Operator, what: str, size: Size, by: int, argument: str | None = None
) -> None:
    """Check that `by` divides a size; a symbolic size must be known to be a multiple."""
    if isinstance(size, int):
        if size % by:
            raise Refusal(
                "E0305",
                f"{name_of(operator)}'s {what}, {size}, is not divisible by {by}",
                about=argument,
            )
    # By normal forms: only where facts make it whole are the two the same size.
    elif (size // by) * by != size:
        raise Refusal(
            "E0305",
            f"{name_of(operator)}'s {what}, {size}, is not known to be divisible by {by}",
            about=argument,
            help=f"if it always is, state it first: assert ({source(size)}) % {by} == 0",
        )


def wrap_dim(operator: Operator, dim: int, rank: int, argument: str = "dim") -> int:
    """Return the dimension counted from the start. Negative ones count from the end."""
    if not -rank <= dim < rank:
        raise Refusal(
            "E0306",
            f"{name_of(operator)}'s {argument} {dim} is out of range for rank {rank}",
            about=argument,
            help=f"dimensions are {-rank} … {rank - 1}" if rank else None,
        )
    return dim % rank


def window_size(
    operator: Operator,
    size: Size,
    kernel: int,
    stride: int,
    padding: tuple[int, int],
    dilation: int,
) -> Size:
    """Return how often a window fits: `floor((size + padding − dilation·(kernel − 1) − 1) / stride)
    + 1`.

    `padding` is what is added before and after.
    """
    reach = dilation * (kernel - 1) + 1
    padded = size + sum(padding)
    if isinstance(padded, int) and padded < reach:
        wide = f", {reach} wide with its dilation," if dilation > 1 else ""
        raise Refusal(
            "E0304",
            f"{name_of(operator)}'s kernel of {kernel}{wide} is larger than its padded input, "
            f"{padded} wide",
            about="kernel_size",
            input=0,
        )
    return (padded - reach) // stride + 1


__all__ = [
    "SPATIAL",
    "check_divisible",
    "check_dtype",
    "check_equal",
    "check_min_rank",
    "check_rank",
    "name_of",
    "state_equal",
    "window_size",
    "wrap_dim",
]


def side_needs(
    operator: Operator,
    x: TensorType,
    dim: int,
    sides: tuple[Size, Size],
    mode: str,
    argument: str,
) -> Iterator[Need]:
    """Yield what a mode asks of a dimension's size: to reflect 3 elements takes 4, to wrap them 3.

    A negative amount crops first: what is cropped cannot be wrapped to the other side. No mode
    but "replicate" crops more than there is and then pads.
    """
    size, name = x.shape[dim], name_of(operator)
    cropped = sum(-amount for amount in sides if isinstance(amount, int) and amount < 0)
    for amount in sides:
        if isinstance(amount, int) and amount < 0:
            if mode in ("constant", "zeros"):
                cut = f"{name} crops {-amount} elements of dimension {dim}, which has {size}"
                yield Need((size + amount,), 0, cut, argument)
        elif mode == "reflect" and amount != 0:
            more = f"more than {amount} elements in dimension {dim}, which has {size}"
            said = f"{name}'s reflection of {amount} needs {more}"
            yield Need((size - amount,), 1, said, argument)
        elif mode == "circular" and amount != 0:
            most = f"{amount + cropped} elements or more in dimension {dim}, which has {size}"
            said = f"{name}'s circular padding of {amount} needs {most}"
            yield Need((size - amount - cropped,), 0, said, argument)
