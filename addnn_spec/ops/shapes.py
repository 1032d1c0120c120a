"""Rules of shapes and element types that several families share; types of size attributes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, InstanceOf

from addnn_spec.diagnostics import Refusal
from addnn_spec.ops.base import DType, Operator
from addnn_spec.ops.checks import name_of, state_equal, wrap_dim
from addnn_spec.ops.fields import Dims, Finite
from addnn_spec.sizes import Size, SymbolicSize

Int64 = Annotated[int, Field(ge=-(2**63), lt=2**63)]
AnySize = Int64 | InstanceOf[SymbolicSize]
"""A size as an attribute: a whole number, or an expression over symbolic sizes."""
Scalar = Int64 | Finite | InstanceOf[SymbolicSize]
"""A number that stands where a tensor might: it is no tensor in the emitted code."""


def _listed(value: Any) -> Any:
    return value if isinstance(value, tuple) else (value,)


Listed = BeforeValidator(_listed)
"""One number stands for a list of it: `Flip(1)`, `Zeros(4)`."""
Sizes = Annotated[tuple[AnySize, ...], Listed]

_CATEGORY: dict[DType, int] = {"bool": 0, "int": 1, "float": 2}


def product(sizes: Iterable[Size]) -> Size:
    """Return the product of sizes; 1 of none."""
    total: Size = 1
    for size in sizes:
        total = total * size
    return total


def show(shape: Iterable[Size]) -> str:
    """Return a shape as users read it: `[N, 64]`."""
    return f"[{', '.join(str(size) for size in shape)}]"


def promote(*dtypes: DType) -> DType:
    """Return the element type of a result of several: bool, then int, then float."""
    return max(dtypes, key=_CATEGORY.__getitem__)


def dtype_of(value: Scalar) -> DType:
    """Return the element type that a number counts as."""
    return "float" if isinstance(value, float) else "int"


def broadcast(operator: Operator, *shapes: tuple[Size, ...]) -> tuple[Size, ...]:
    """Return the shape that all broadcast to, as torch does: aligned at the last dimension, 1
    stretches.

    Raises E0303 where two sizes differ, or are not known to be equal, and neither is 1.
    """
    rank = max(map(len, shapes))
    result: list[Size] = [1] * rank
    for number, shape in enumerate(shapes):
        for place, size in enumerate(shape, rank - len(shape)):
            if result[place] == 1:
                result[place] = size
            elif size not in (1, result[place]):
                raise _not_broadcastable(operator, shapes, number, place - rank)
    return tuple(result)


def _not_broadcastable(
    operator: Operator, shapes: tuple[tuple[Size, ...], ...], number: int, place: int
) -> Refusal:
    shape = shapes[number]
    # The first shape that disagrees there, counted from the last dimension.
    other = next(s for s in shapes if len(s) >= -place and s[place] not in (1, shape[place]))
    return Refusal(
        "E0303",
        f"{name_of(operator)} cannot broadcast {show(other)} and {show(shape)}: "
        f"{other[place]} and {shape[place]} at dimension {place}",
        input=number,
        note=f"this is {show(shape)}",
        help=state_equal(other[place], shape[place]),
    )


def wrap_dims(
    operator: Operator, dims: Dims | None, rank: int, argument: str = "dim"
) -> tuple[int, ...]:
    """Dimensions counted from the start; None is all. E0306 out of range, E0201 if one is twice."""
    if dims is None:
        return tuple(range(rank))
    given = dims if isinstance(dims, tuple) else (dims,)
    wrapped = tuple(wrap_dim(operator, dim, rank, argument) for dim in given)
    if not wrapped or len(set(wrapped)) < len(wrapped):
        raise Refusal(
            "E0201",
            f"{name_of(operator)}'s {argument} is empty"
            if not wrapped
            else f"{name_of(operator)}'s {argument} names one dimension twice: {show(given)}",
            about=argument,
        )
    return wrapped


def check_positive(operator: Operator, what: str, size: Size, argument: str | None = None) -> None:
    """E0304 if a size is known to be below 1."""
    if isinstance(size, int) and size < 1:
        raise Refusal("E0304", f"{name_of(operator)}'s {what} is {size}, below 1", about=argument)


__all__ = [
    "AnySize",
    "Int64",
    "Listed",
    "Scalar",
    "Sizes",
    "broadcast",
    "check_positive",
    "dtype_of",
    "product",
    "promote",
    "show",
    "wrap_dims",
]
