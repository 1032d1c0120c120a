"""How much a compile-time value holds. Parts that values share count as often as they are seen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from addnn_spec.values import LayerValue

if TYPE_CHECKING:
    from addnn_spec.elaborate.frame import Value


class Extent(NamedTuple):
    """How many elements and arguments a value has in all, and how deep they are nested."""

    size: int
    depth: int


_ATOM = Extent(1, 0)


class Extents:
    """The extents of lists and layers, each found once.

    Sixty lines `let a2 = [a1, a1]` make a list of 2⁶⁰ elements out of 120: who goes through it
    never ends. So what a value holds is known from what its parts hold.
    """

    def __init__(self) -> None:
        self._known: dict[int, tuple[Value, Extent]] = {}  # with the value: an id lives as long

    def of(self, value: Value) -> Extent:
        """Return the extent of a value; an atom has one element and no depth."""
        if type(value) is tuple:
            parts: Sequence[Value] = value
        elif type(value) is LayerValue:
            parts = [part for _, part in value.given]
        else:
            return _ATOM
        known = self._known.get(id(value))
        if known is not None:
            return known[1]
        size, depth = 1, 0
        for part in parts:
            if type(part) is tuple or type(part) is LayerValue:
                inner = self.of(part)
                size, depth = size + inner.size, max(depth, inner.depth)
            else:
                size += 1
        found = Extent(size, depth + 1)
        self._known[id(value)] = value, found
        return found
