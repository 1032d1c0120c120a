"""Columns: what differs between the uses of a class, and where each value comes from.

The uses of a class have equal skeletons and each a list of leaves; the n-th leaves of all are a
column. A column is, first match: a constant · a block parameter or an item of it · an input's
size · k times or exactly 1/k of one of these, or half of it rounded down · a new
parameter, called as a `let` of the block that has these values, or `<node>_<attribute>`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from addnn_spec.backends.torch_code.names import Namespace, identifier
from addnn_spec.backends.torch_code.tree import Name, Tree, same
from addnn_spec.ops.base import TensorType
from addnn_spec.ops.code import Infix, Item, Seq
from addnn_spec.sizes import SymbolicSize

Vector = tuple[Any, ...]
"""A literal for each use of the class, or ABSENT where that use lacks the step."""


class _Absent:
    def __repr__(self) -> str:
        return "ABSENT"


ABSENT: Any = _Absent()


@dataclass(frozen=True, slots=True)
class Given:
    """What one use of a class brings with it: the block's arguments, and its inputs."""

    arguments: tuple[tuple[str, Any], ...]
    inputs: tuple[tuple[str, TensorType], ...]
    count: int = 1
    """How often the network has it."""
    lets: tuple[tuple[str, Any], ...] = ()
    """The values that the block's body has a name for."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A value that a column may be: its text, and whose parameter it is made of."""

    tree: Tree
    vector: Vector
    parameter: str


@dataclass(slots=True)
class Column:
    """A constructor parameter of the class, with its value in each use."""

    name: str
    vector: Vector
    rank: tuple[int, int]
    """Its place in the signature: inputs' sizes, block parameters, new ones."""
    counts: tuple[int, ...]
    """How often the network has each use."""


@dataclass
class Columns:
    """The constructor parameters of one class, found as its columns are resolved."""

    uses: Sequence[Given]
    reserved: Sequence[str] = ()
    parameters: dict[str, Column] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._names = Namespace(self.reserved)
        self._candidates: list[Candidate] = []
        self._known: dict[str, Column] = {}
        self._lets: dict[str, Vector] = {}
        self._counts = tuple(use.count for use in self.uses)
        if len(self.uses) > 1:
            self._candidates = [*self._block_parameters(), *self._sizes()]
            self._lets = dict(self._named_values())

    # --- candidates ------------------------------------------------------------------------------
    def _block_parameters(self) -> Iterator[Candidate]:
        given = [dict(use.arguments) for use in self.uses]
        for place, (name, _) in enumerate(self.uses[0].arguments):
            if not all(name in arguments for arguments in given):
                continue
            vector = tuple(arguments[name] for arguments in given)
            if not all(map(is_literal, vector)) or is_constant(vector):
                continue
            own = self._names.unique(name)
            self._known[own] = Column(own, vector, (1, place), self._counts)
            yield Candidate(Name(own), vector, own)
            if all(isinstance(value, tuple) for value in vector):
                for item in range(min(map(len, vector))):
                    yield Candidate(
                        Item(Name(own), (item,)), tuple(value[item] for value in vector), own
                    )

    def _sizes(self) -> Iterator[Candidate]:
        for slot, (input_name, first) in enumerate(self.uses[0].inputs):
            types = [use.inputs[slot][1] for use in self.uses]
            if any(type.rank != first.rank for type in types):
                continue
            for dim in sorted(range(1, first.rank), key=lambda d: (d != 1, -d)):
                vector = tuple(type.shape[dim] for type in types)
                if all(isinstance(size, int) for size in vector) and not is_constant(vector):
                    prefix = "in" if slot == 0 else identifier(input_name)
                    own = self._names.unique(f"{prefix}_{_dimension(dim, first.rank)}")
                    self._known[own] = Column(own, vector, (0, slot * 8 + dim), self._counts)
                    yield Candidate(Name(own), vector, own)

    def _named_values(self) -> Iterator[tuple[str, Vector]]:
        """What the block's body has a name for, where it differs between the uses."""
        lets = [dict(use.lets) for use in self.uses]
        for name in lets[0]:
            vector = tuple(use.get(name, ABSENT) for use in lets)
            if all(map(is_literal, vector)) and not is_constant(vector):
                yield identifier(name), vector

    # --- resolution ------------------------------------------------------------------------------
    def resolve(self, vector: Vector, hint: str) -> Tree:
        """The column as an expression over constructor parameters; `hint` names a new one."""
        if is_constant(vector):
            return some(vector)
        return self.find(vector) or self._items(vector, hint) or self.new(vector, hint)

    def find(self, vector: Vector, *, multiples: bool = True) -> Tree | None:
        """The column as an expression over the parameters that are known already, or None."""
        for candidate in self._candidates:
            if agree(candidate.vector, vector):
                return self._use(candidate, candidate.tree)
        if multiples and all(value is ABSENT or type(value) is int for value in vector):
            for candidate in self._candidates:
                related = multiple(candidate.tree, candidate.vector, vector)
                if related is not None:
                    return self._use(candidate, related)
            for candidate in self._candidates:
                if _is_half(candidate.vector, vector):
                    return self._use(candidate, Infix("//", candidate.tree, 2))
        return None

    def known(self, vector: Vector) -> Tree | None:
        """The column over the parameters that the class has, for a remark, or None."""
        used = [c for c in self._candidates if c.parameter in self.parameters]
        for candidate in used:
            if agree(candidate.vector, vector):
                return candidate.tree
        if not all(value is ABSENT or type(value) is int for value in vector):
            return None
        related = (multiple(c.tree, c.vector, vector) for c in used)
        return next((tree for tree in related if tree is not None), None)

    def _items(self, vector: Vector, hint: str) -> Tree | None:
        length = common_length(vector)
        if length is None:
            return None
        items = [
            tuple(ABSENT if value is ABSENT else value[i] for value in vector)
            for i in range(length)
        ]
        if length > 1 and len({repr(item) for item in items}) == 1:
            return None
        return Seq(tuple(self.resolve(item, hint) for item in items))

    def new(self, vector: Vector, hint: str) -> Tree:
        """A new parameter: called as the block's body calls its values, or after the hint."""
        lets = (name for name, values in self._lets.items() if agree(values, vector))
        name = self._names.unique(next(lets, hint))
        vector = tuple(some(vector) if value is ABSENT else value for value in vector)
        column = Column(name, vector, (2, len(self.parameters)), self._counts)
        self._known[name] = column
        candidate = Candidate(Name(name), vector, name)
        self._candidates.append(candidate)
        return self._use(candidate, candidate.tree)

    def flag(self, name: str, vector: Vector) -> str:
        """A keyword that says which arm of an `if` a use takes."""
        own = self._names.unique(name)
        self.parameters[own] = Column(own, vector, (3, len(self.parameters)), self._counts)
        return own

    def _use(self, candidate: Candidate, tree: Tree) -> Tree:
        self.parameters[candidate.parameter] = self._known[candidate.parameter]
        return tree

    def signature(self) -> list[Column]:
        """The parameters in order, those with a default last."""
        found = sorted(self.parameters.values(), key=lambda column: column.rank)
        return sorted(found, key=lambda column: default_of(column) is not NO_DEFAULT)


NO_DEFAULT: Any = type("NoDefault", (), {"__repr__": lambda self: "NO_DEFAULT"})()


def default_of(column: Column) -> Any:
    """The value that most uses give a parameter; an input's size has no default."""
    if column.rank[0] == 3:
        return False
    if column.rank[0] == 0:
        return NO_DEFAULT
    uses = list(zip(column.vector, column.counts, strict=True))
    most = _majority(uses)
    if isinstance(most, int) and most not in (0, 1):
        return NO_DEFAULT  # a size: a reader wants to see it
    count = sum(count for value, count in uses if same(value, most))
    return most if 2 * count > sum(column.counts) else NO_DEFAULT


def _majority(uses: Sequence[tuple[Any, int]]) -> Any:
    """The only value that more than half of the uses may have (R. Boyer, J Moore, 1981)."""
    most, lead = uses[0][0], 0
    for value, count in uses:
        lead += count if same(value, most) else -count
        if lead < 0:
            most, lead = value, -lead
    return most


def _dimension(dim: int, rank: int) -> str:
    if dim == 1 and rank != 3:
        return "features" if rank == 2 else "channels"
    if rank == 3:
        return "channels" if dim == 1 else "features"
    return {rank - 1: "width", rank - 2: "height"}.get(dim, f"size_{dim}")


def is_literal(value: Any) -> bool:
    """Whether a value can stand in a constructor: a number, a string, a tuple of such, …"""
    if isinstance(value, tuple):
        return all(map(is_literal, value))
    return value is None or isinstance(value, bool | int | float | str)


def some(vector: Vector) -> Any:
    """The first value that is there."""
    return next(value for value in vector if value is not ABSENT)


def is_constant(vector: Vector) -> bool:
    """Whether all uses have the same value."""
    first = some(vector)
    return all(value is ABSENT or same(first, value) for value in vector)


def agree(candidate: Vector, vector: Vector) -> bool:
    """Whether the candidate has the vector's values, wherever it has one."""
    return all(b is ABSENT or same(a, b) for a, b in zip(candidate, vector, strict=True))


def common_length(vector: Vector) -> int | None:
    """The length of the tuples, if all values are tuples of one length."""
    there = [value for value in vector if value is not ABSENT]
    lengths = {len(value) if isinstance(value, tuple) else None for value in there}
    return lengths.pop() if len(lengths) == 1 else None


def is_symbolic(value: Any) -> bool:
    """Whether a value holds a symbolic size."""
    if isinstance(value, tuple):
        return any(map(is_symbolic, value))
    return isinstance(value, SymbolicSize)


def multiple(tree: Tree, base: Vector, wanted: Vector) -> Tree | None:
    """`k * tree` or `tree // k` (only where exact) if that is the wanted vector."""
    pairs = [pair for pair in zip(base, wanted, strict=True) if pair[1] is not ABSENT]
    if not all(type(value) is int and value > 0 for pair in pairs for value in pair):
        return None
    if all(w % b == 0 for b, w in pairs):
        factors = {w // b for b, w in pairs}
        if len(factors) == 1:
            return Infix("*", factors.pop(), tree)
    if all(b % w == 0 for b, w in pairs):
        divisors = {b // w for b, w in pairs}
        if len(divisors) == 1:
            return Infix("//", tree, divisors.pop())
    return None


def _is_half(base: Vector, wanted: Vector) -> bool:
    """Whether `base // 2` is wanted: the padding of a kernel."""
    pairs = [pair for pair in zip(base, wanted, strict=True) if pair[1] is not ABSENT]
    return all(type(b) is int and b > 0 and b // 2 == w for b, w in pairs)


def annotation(vector: Vector) -> str:
    """The type of a parameter: `int`, `int | None`, `tuple[int, int]`."""
    kinds = list(dict.fromkeys(_kind(value) for value in vector))
    if "float" in kinds and "int" in kinds:
        kinds.remove("int")
    tuples = [value for value in vector if isinstance(value, tuple)]
    if tuples and common_length(tuple(tuples)) is None:
        inner = annotation(tuple(item for value in tuples for item in value))
        kinds = [kind for kind in kinds if not kind.startswith("tuple")] + [f"tuple[{inner}, ...]"]
    return " | ".join([k for k in kinds if k != "None"] + ["None"] * ("None" in kinds))


def _kind(value: Any) -> str:
    if isinstance(value, tuple):
        return f"tuple[{', '.join(_kind(item) for item in value)}]" if value else "tuple[()]"
    return "None" if value is None else type(value).__name__
