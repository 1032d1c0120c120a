"""Shapes as remarks: a size that all uses share as a number, else a name that the class knows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from addnn_spec.backends.torch_code.columns import Columns
from addnn_spec.backends.torch_code.text import flat
from addnn_spec.backends.torch_code.vectors import ABSENT, is_constant, some
from addnn_spec.ops.base import TensorType
from addnn_spec.sizes import Size


class Remarks:
    """Writes shapes: `[N, 4 * width, H, W]`. One text stands for one size throughout a class."""

    def __init__(
        self, columns: Columns, types: Mapping[int, Sequence[TensorType | None]], inputs: int
    ) -> None:
        self._columns = columns
        self._types = types
        self._taken = set(columns.parameters)
        self._known: list[tuple[tuple[object, ...], str]] = []
        self._texts: dict[int, str] = {}
        for value in sorted(types):
            if any(types[value]):
                self._texts[value] = self._shape(types[value])

    def of(self, value: int) -> str:
        """Return the shape of a value; nothing where that differs from turn to turn of a loop."""
        return self._texts.get(value, "")

    def _shape(self, types: Sequence[TensorType | None]) -> str:
        rank = next(type.rank for type in types if type is not None)
        if any(type is not None and type.rank != rank for type in types):
            return ""
        sizes = []
        for dim in range(rank):
            vector = tuple(ABSENT if type is None else type.shape[dim] for type in types)
            sizes.append(self._size(vector, dim, rank))
        return f"[{', '.join(sizes)}]"

    def _size(self, vector: tuple[Size, ...], dim: int, rank: int) -> str:
        if is_constant(vector):
            return str(some(vector))
        for known, text in self._known:
            if all(b is ABSENT or a == b for a, b in zip(known, vector, strict=True)):
                return text
        tree = self._columns.known(vector)
        if tree is None:
            text = self._new(_letter(dim, rank))
        else:
            text = flat(tree)
        self._known.append((vector, text))
        return text

    def _new(self, letter: str) -> str:
        """Return H, and for other sizes H', H'', …"""
        while letter in self._taken:
            letter += "'"
        self._taken.add(letter)
        return letter


def _letter(dim: int, rank: int) -> str:
    """Name a size that differs between uses, by its place."""
    if dim == 0:
        return "N"
    if rank >= 4 and dim >= rank - 2:
        return "H" if dim == rank - 2 else "W"
    if rank == 3 and dim == 1:
        return "T"
    return "C" if dim == 1 else "D"
