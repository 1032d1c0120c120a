"""The parameters of a class, and the value that each of its uses gives for them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from addnn_spec.backends.torch_code.tree import (
    Factory,
    Origin,
    Tree,
    is_literal,
    same,
)
from addnn_spec.backends.torch_code.vectors import (
    ABSENT,
    Vector,
    annotation,
)
from addnn_spec.graph import Graph, WrittenOut
from addnn_spec.ops.base import TensorType


class Leaves(NamedTuple):
    """The leaves of all uses at one place."""

    vector: Vector
    hint: str
    """What a new parameter would be called."""
    word: str = ""
    """The argument that it is: torch's word."""
    origins: tuple[Origin, ...] = ()


class Arm(NamedTuple):
    """What only some uses have, for they take an arm of an `if`."""

    places: tuple[Origin, ...]
    """What stands in it."""
    values: tuple[bool, ...]
    """By use, whether it is taken."""


@dataclass(frozen=True, slots=True)
class Given:
    """What one use of a class brings with it: the block's arguments, and its inputs."""

    arguments: tuple[tuple[str, Any], ...]
    inputs: tuple[tuple[str, TensorType], ...]
    count: int = 1
    """How often the network has it."""
    lets: tuple[tuple[str, Any], ...] = ()
    """The values that the block's body has a name for."""
    given: frozenset[str] = frozenset()
    """The arguments that are written where it is used; the others are the block's defaults."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A value that a column may be: its text, and whose parameter it is made of."""

    tree: Tree
    vector: Vector
    parameter: str


NO_DEFAULT: Any = type("NoDefault", (), {"__repr__": lambda self: "NO_DEFAULT"})()

CALLED = "="
"""How the word for a size begins that is handed on to a class with a name for it."""

SIZE, TEXT, NEW, FLAG = range(4)
"""What a parameter is, in the order of the signature: an input's size, the block's own, another."""
OTHERS = 1_000
"""Where the parameters of blocks that are written out begin, behind the block's own."""


@dataclass(slots=True)
class ClassParameter:
    """A constructor parameter of the class, with its value in each use."""

    name: str
    vector: Vector
    rank: tuple[int, int]
    """Its place in the signature."""
    counts: tuple[int, ...]
    """How often the network has each use."""
    origin: Origin | None = None
    """Where its value comes from, as those that use the class see it."""
    default: Any = NO_DEFAULT
    """The default that the text gives."""
    resolved: Tree | None = None
    """What a default of None stands for: an expression over the other parameters."""
    omitted: tuple[bool, ...] = ()
    """The uses that leave it to `resolved`."""

    @property
    def annotation(self) -> str:
        """Its type: `int`, `int | None`."""
        default = () if self.default is NO_DEFAULT else (self.default,)
        return annotation((*self.vector, *default))

    origins: tuple[Origin | None, ...] = ()
    """Where each use says it, where that differs."""

    @property
    def is_size(self) -> bool:
        """It is the size of an input."""
        return self.rank[0] == SIZE

    def origin_of(self, use: int) -> Origin | None:
        """Return what it is to a use."""
        return self.origins[use] if self.origins else self.origin

    def argument(self, use: int) -> Any:
        """Return what a use gives for it."""
        return None if self.omitted and self.omitted[use] else self.vector[use]


def usual(column: ClassParameter) -> Any:
    """Return the value that most uses give a new parameter; a size has no default."""
    uses = list(zip(column.vector, column.counts, strict=True))
    most = _majority(uses)
    if isinstance(most, Factory) and most.module:
        return NO_DEFAULT  # one module for all who leave it out
    if isinstance(most, int) and most not in (0, 1):
        return NO_DEFAULT  # a size: a reader wants to see it
    # If any value has a majority, it is this one: whether it has one is still to be counted.
    count = sum(count for value, count in uses if same(value, most))
    return most if 2 * count > sum(column.counts) else NO_DEFAULT


def _majority(uses: Sequence[tuple[Any, int]]) -> Any:
    """Find the only value that more than half of the uses may have (R. Boyer, J Moore, 1981)."""
    most, lead = uses[0][0], 0
    for value, count in uses:
        lead += count if same(value, most) else -count
        if lead < 0:
            most, lead = value, -lead
    return most


@dataclass(slots=True)
class WrittenArgument:
    """What a written-out block is given for a parameter, in each use of the class."""

    name: str
    uses: int
    agrees: bool = True
    vector: list[Any] = field(init=False)
    origins: list[Origin | None] = field(init=False)

    def __post_init__(self) -> None:
        self.vector = [ABSENT] * self.uses
        self.origins = [None] * self.uses

    def add(self, use: int, value: Any, origin: Origin | None) -> None:
        """Note what a use gives, and where the text says that."""
        known = self.vector[use]
        self.agrees &= is_literal(value) and (known is ABSENT or same(known, value))
        self.vector[use], self.origins[use] = value, origin


def written_out(graph: Graph) -> Iterator[WrittenOut]:
    """Yield the uses of blocks whose nodes stand in a graph."""
    seen: set[int] = set()
    for node in graph.nodes():
        around = node.within
        while around is not None and id(around) not in seen:
            seen.add(id(around))
            if isinstance(around, WrittenOut):
                yield around
            around = around.outer
