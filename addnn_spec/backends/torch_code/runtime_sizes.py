"""Sizes in `forward`: a symbolic size is written from a dimension of a tensor in scope."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from addnn_spec.backends.torch_code.tree import Dimension, Formula, Tree, Value, formula_part
from addnn_spec.backends.torch_code.vectors import Vector
from addnn_spec.ops.base import TensorType
from addnn_spec.ops.code import Infix
from addnn_spec.sizes import Facts, Size, SymbolicSize, source


class TensorDim(NamedTuple):
    """A dimension of a tensor in scope, with its size in each use of the class."""

    tree: Dimension
    vector: tuple[Size, ...]


def dims_of(value: int, types: Sequence[TensorType]) -> list[TensorDim]:
    """Return the dimensions of a value: one type for each use."""
    rank = min(type.rank for type in types)
    return [
        TensorDim(Dimension(Value(value), dim), tuple(type.shape[dim] for type in types))
        for dim in range(rank)
    ]


def find_size(wanted: Vector, dims: Iterable[TensorDim], facts: Facts) -> Tree | None:
    """Return an expression over the dimensions that is the wanted size in every use, or None.

    Sizes that are equal by the facts are one. Tried in order: a dimension · k times one, or
    1/k · one plus or minus a constant, rounded or not · a product of two · a polynomial over the
    symbols, where each is a dimension itself.
    """
    known = [dim for dim in dims if any(isinstance(size, SymbolicSize) for size in dim.vector)]
    wanted = tuple(map(facts.normal, wanted))
    known = [TensorDim(dim.tree, tuple(map(facts.normal, dim.vector))) for dim in known]
    return (
        _exact(wanted, known)
        or _scaled(wanted, known)
        or _shifted(wanted, known)
        or _product(wanted, known)
        or _polynomial(wanted, known)
    )


def _exact(wanted: Vector, dims: Sequence[TensorDim]) -> Tree | None:
    return next((dim.tree for dim in dims if dim.vector == wanted), None)


def _scaled(wanted: Vector, dims: Sequence[TensorDim]) -> Tree | None:
    for dim in dims:
        k = _factor(wanted[0], dim.vector[0])
        if k and tuple(size * k for size in dim.vector) == wanted:
            return Infix("*", k, dim.tree)
        # Exact in every use, so `//` loses nothing.
        k = _factor(dim.vector[0], wanted[0])
        if k and tuple(size * k for size in wanted) == dim.vector:
            return Infix("//", dim.tree, k)
    return None


def _factor(a: Size, b: Size) -> int:
    """Return the k > 1 for which a = k·b may hold, by their leading terms; 0 if there is none."""
    if not isinstance(a, SymbolicSize) or not isinstance(b, SymbolicSize):
        return 0
    k, rest = divmod(a.terms[0][1], b.terms[0][1])
    return k if rest == 0 and k > 1 else 0


def _shifted(wanted: Vector, dims: Sequence[TensorDim]) -> Tree | None:
    for dim in dims:
        difference = wanted[0] - dim.vector[0]
        if isinstance(difference, int) and all(
            w - size == difference for w, size in zip(wanted, dim.vector, strict=True)
        ):
            op, amount = ("+", difference) if difference > 0 else ("-", -difference)
            return Infix(op, dim.tree, amount)
    for dim in dims:
        # What strides leave: rounded down, rounded up, or with a padding of one. Larger strides are
        # not tried, so that the search stays short.
        for divisor in range(2, 65):
            for extra in (0, divisor - 1, 1):
                if all(
                    (size + extra) // divisor == w
                    for w, size in zip(wanted, dim.vector, strict=True)
                ):
                    shifted = Infix("+", dim.tree, extra) if extra else dim.tree
                    return Infix("//", shifted, divisor)
    return None


def _product(wanted: Vector, dims: Sequence[TensorDim]) -> Tree | None:
    for place, left in enumerate(dims):
        for right in dims[place:]:
            pairs = zip(left.vector, right.vector, strict=True)
            if tuple(a * b for a, b in pairs) == wanted:
                return Infix("*", left.tree, right.tree)
    return None


def _polynomial(wanted: Vector, dims: Sequence[TensorDim]) -> Tree | None:
    size = wanted[0]
    if not isinstance(size, SymbolicSize) or any(other != size for other in wanted):
        return None
    parts: list[Tree] = []
    names: dict[str, str] = {}
    for symbol in sorted(size.symbols, key=lambda symbol: symbol.name):
        # A symbol may be a part of the size that the user names, as of an H that is a multiple of
        # 32.
        whole = SymbolicSize.of(symbol) * symbol.divisor + symbol.offset
        found = next((dim.tree for dim in dims if all(s == whole for s in dim.vector)), None)
        if found is None:
            return None
        names[symbol.user.name] = formula_part(len(parts))
        parts.append(found)
    return Formula(source(size, names), tuple(parts))
