"""The types of operators' attributes, with the ranges that torch accepts.

An attribute "per dimension" is one number for all of them, or a tuple with one for each:
`kernel_size: Positive2` takes `3` or `(3, 5)`. `spread` gives the tuple in either case.
A `.net` list arrives as a tuple. Booleans are no integers here: models are strict.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

PositiveInt = Annotated[int, Field(gt=0)]
NonNegativeInt = Annotated[int, Field(ge=0)]

Finite = Annotated[float, Field(allow_inf_nan=False)]
PositiveFloat = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegativeFloat = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Eps = Annotated[float, Field(ge=0, lt=1)]
"""What a variance gets added; below 1, for `BatchNorm2d(64)` is torch's count of channels."""
Probability = Annotated[float, Field(ge=0, le=1)]

Positive1 = PositiveInt | tuple[PositiveInt]
Positive2 = PositiveInt | tuple[PositiveInt, PositiveInt]
Positive3 = PositiveInt | tuple[PositiveInt, PositiveInt, PositiveInt]

NonNegative1 = NonNegativeInt | tuple[NonNegativeInt]
NonNegative2 = NonNegativeInt | tuple[NonNegativeInt, NonNegativeInt]
NonNegative3 = NonNegativeInt | tuple[NonNegativeInt, NonNegativeInt, NonNegativeInt]

PositiveFloat1 = PositiveFloat | tuple[PositiveFloat]
PositiveFloat2 = PositiveFloat | tuple[PositiveFloat, PositiveFloat]
PositiveFloat3 = PositiveFloat | tuple[PositiveFloat, PositiveFloat, PositiveFloat]

Dim = int
"""A dimension as torch counts: negative from the end."""
Dims = int | tuple[int, ...]
"""One dimension or several."""

PaddingMode = Literal["zeros", "reflect", "replicate", "circular"]


def spread(value: int | tuple[int, ...], dims: int) -> tuple[int, ...]:
    """Return one number for each of `dims` dimensions."""
    return value if isinstance(value, tuple) else (value,) * dims


__all__ = [
    "Dim",
    "Dims",
    "Eps",
    "Finite",
    "NonNegative1",
    "NonNegative2",
    "NonNegative3",
    "NonNegativeFloat",
    "NonNegativeInt",
    "PaddingMode",
    "Positive1",
    "Positive2",
    "Positive3",
    "PositiveFloat",
    "PositiveFloat1",
    "PositiveFloat2",
    "PositiveFloat3",
    "PositiveInt",
    "Probability",
    "spread",
]
