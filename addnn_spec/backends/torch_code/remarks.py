"""Shapes as remarks: a size that all uses share as a number, else a name that the class knows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from addnn_spec.backends.torch_code.code_text import flat
from addnn_spec.backends.torch_code.literal_columns import Columns
from addnn_spec.backends.torch_code.parameters import SIZE, Candidate
from addnn_spec.backends.torch_code.tree import Choice, Dimension, Name, Tree, rewrite, walk
from addnn_spec.backends.torch_code.vectors import ABSENT, Vector, agree, is_constant, some
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
        self._named = dict(self._names())
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
            # A value that only some uses have is called as one that agrees with it in these.
            if all(b is ABSENT or a == b for a, b in zip(known, vector, strict=True)):
                return text
        tree = self._said(vector)
        if tree is None:
            text = self._new(_letter(dim, rank))
        else:
            text = flat(tree)
        # So that the same text means the same size throughout the class, and another H is H'.
        self._known.append((vector, text))
        return text

    def _names(self) -> Iterator[tuple[str, str]]:
        """Yield what each parameter and size of an input is called; nothing for one without a
        name."""
        columns, sizes = self._columns, self._columns.scope.sizes
        for raw, column in columns.scope.known.items():
            size = column.name not in columns.parameters and raw in sizes
            yield raw, columns.sizes.get(columns.dimension(raw), "") if size else column.name

    def _said(self, vector: Vector) -> Tree | None:
        """Return a size as a name or a formula that the class has for it, or None."""
        columns = self._columns
        there = {*columns.parameters, *columns.locals, *columns.derived, *columns.sizes.values()}

        def change(node: Tree) -> Tree | None:
            name = self._named.get(node.text) if isinstance(node, Name) else None
            return None if name is None else Name(name)

        for candidate in columns.scope.candidates:
            called = self._named.get(candidate.parameter, candidate.parameter)
            if called in there and not self._is_extent(candidate):
                if agree(candidate.vector, vector):
                    return rewrite(candidate.tree, change)
        said = [tree for values, tree in columns.said if agree(values, vector)]
        if any(isinstance(node, Choice) for tree in said for node in walk(tree)):
            return None  # where a condition decides, a formula holds in these uses by chance
        return next(filter(_is_formula, map(columns.with_variables, said)), None)

    def _is_extent(self, candidate: Candidate) -> bool:
        """Return True for a height or width: in remarks these are H and W."""
        column = self._columns.scope.known.get(candidate.parameter)
        # The rank of a size is eight times its input's place, plus its dimension (`Scope`).
        return column is not None and column.rank[0] == SIZE and column.rank[1] % 8 > 1

    def _new(self, letter: str) -> str:
        """Return H, and for other sizes H', H'', …"""
        while letter in self._taken:
            letter += "'"
        self._taken.add(letter)
        return letter


def _is_formula(tree: Tree) -> bool:
    """Return True for what a remark can say: names and numbers, no tensor's shape."""
    return not any(isinstance(node, Dimension) for node in walk(tree))


def _letter(dim: int, rank: int) -> str:
    """Name a size that differs between uses, by its place."""
    if dim == 0:
        return "N"
    if rank >= 4 and dim >= rank - 2:
        return "H" if dim == rank - 2 else "W"
    if rank == 3 and dim == 1:
        return "T"
    return "C" if dim == 1 else "D"
