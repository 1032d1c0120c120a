"""Tensor types for generated networks: sizes are numbers, or opaque symbolic ones with a value.

Two symbolic sizes are taken for equal only when the same operators made them of the same input, so
whatever is generated is well typed; what the sizes really are is the compiler's and torch's matter.
"""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Sym:
    """A symbolic size: where it comes from, and its value at the defaults."""

    origin: str
    value: int


Dim = int | Sym


@dataclass(frozen=True)
class Type:
    shape: tuple[Dim, ...]
    dtype: str = "float"

    @property
    def rank(self) -> int:
        return len(self.shape)

    @property
    def known(self) -> bool:
        """Every size but the batch is a number."""
        return all(isinstance(dim, int) for dim in self.shape[1:])

    @property
    def numel(self) -> int:
        return math.prod(value(dim) for dim in self.shape)

    def at(self, place: int, dim: Dim) -> Type:
        shape = list(self.shape)
        shape[place] = dim
        return Type(tuple(shape), self.dtype)


def value(dim: Dim) -> int:
    return dim if isinstance(dim, int) else dim.value


def derived(dim: Dim, origin: str, found: int) -> Dim:
    """What an operator makes of a size: a number of a number, symbolic of a symbolic one."""
    return found if isinstance(dim, int) else Sym(f"{origin}({dim.origin})", found)


def window(
    dim: Dim, kernel: int, stride: int = 1, padding: int = 0, dilation: int = 1, ceil: bool = False
) -> Dim:
    """How many places a sliding window has (torch's formula, its last-window rule included)."""
    span = value(dim) + 2 * padding - dilation * (kernel - 1) - 1
    if stride == 1 and 2 * padding == dilation * (kernel - 1):
        return dim
    count = (-(-span // stride) if ceil else span // stride) + 1
    if ceil and (count - 1) * stride >= value(dim) + padding:
        count -= 1
    return derived(dim, f"w{kernel},{stride},{padding},{dilation},{ceil}", count)


def product(*dims: Dim) -> Dim:
    found = math.prod(value(dim) for dim in dims)
    if all(isinstance(dim, int) for dim in dims):
        return found
    return Sym("*".join(str(d) if isinstance(d, int) else d.origin for d in dims), found)
