"""What the parts of the elaborator share. The parts build on one another in this order:

`Terms` (names, literals, operators) → `Parts` (attributes, items) → `Expressions` (lists, calls)
→ `Arguments` (what layers are given) → `Operators` → `Blocks` (and modules) → `Chains` (elements,
braces, loops) → `Declarations` (weights) → `Statements` (bodies) → `Higher` (operators with a layer
for an argument).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

from addnn_spec.elaborate.builder import Builder, ModuleValue, Naming, Tensor
from addnn_spec.elaborate.context import Context, Failed
from addnn_spec.elaborate.scope import Env
from addnn_spec.ops.base import TensorType
from addnn_spec.source import Span
from addnn_spec.syntax import ast
from addnn_spec.values import Brace, Definition, LayerValue

Value = Any
"""A compile-time value, a `Tensor`, a `ModuleValue`, or a tuple of these."""

Structure = int | tuple["Structure", ...]
"""The shape of a value made of tensors: an index into a flat list, or a list of such."""


@dataclass(slots=True)
class Frame:
    """Where elaboration stands: the graph that nodes go to (none at file level), and the names."""

    builder: Builder | None
    env: Env
    repeated: bool = False
    """It is a turn of a loop that is written out in the graph."""

    def inner(self, *, repeated: bool = False) -> Frame:
        """The same graph, with a scope of its own."""
        return Frame(self.builder, Env(self.env), self.repeated or repeated)


@dataclass(frozen=True, slots=True)
class Site:
    """Where a layer is applied: in which frame, as a node of what name, at which place of the text.

    `module` owns the weights; where there is none, the node has its own.
    """

    frame: Frame
    naming: Naming
    span: Span
    module: ModuleValue | None = None


class Poison:
    """What a name stands for when its value could not be made: reading it fails in silence."""

    kind: ClassVar[str] = "unknown"


POISON = Poison()


def is_partial(layer: LayerValue) -> bool:
    """Whether something was wrong with an argument of a layer."""
    return any(isinstance(value, Poison) for _, value in layer.given)


class Elaborator(ABC):
    """The common ground: the shared context, and what a part needs of a later one."""

    def __init__(self, ctx: Context) -> None:
        self.ctx = ctx

    @abstractmethod
    def evaluate(self, expr: ast.Expr, frame: Frame) -> Value: ...

    @abstractmethod
    def run_chain(self, chain: ast.Chain, frame: Frame) -> Value: ...

    @abstractmethod
    def give(
        self,
        layer: LayerValue,
        args: tuple[ast.Argument, ...],
        body: ast.Body | None,
        frame: Frame,
    ) -> LayerValue:
        """A layer with more of its arguments given."""

    @abstractmethod
    def apply(self, layer: LayerValue, flow: Value, site: Site) -> Value: ...

    @abstractmethod
    def apply_higher(self, layer: LayerValue, flow: Value, site: Site) -> Value:
        """Apply an operator that has a layer for an argument."""

    @abstractmethod
    def apply_brace_value(self, brace: Brace, flow: Value, site: Site) -> Value:
        """Apply a brace that was given as a layer."""

    @abstractmethod
    def run_definition(self, target: Definition, given: dict[str, Value], frame: Frame) -> Value:
        """Elaborate the body of a block or network in a frame that has its parameters."""

    @abstractmethod
    def run_brace_statements(self, body: ast.Body, frame: Frame) -> Value:
        """Elaborate the statements of a chain's brace; the value of their `return`."""


def flatten(value: Value) -> Iterator[Tensor]:
    """The tensors of a value, in order."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, tuple):
        for item in value:
            yield from flatten(item)


def structure(value: Value, first: int = 0) -> Structure:
    """How the tensors of `flatten(value)` are nested."""
    if not isinstance(value, tuple):
        return first
    parts: list[Structure] = []
    for item in value:
        parts.append(structure(item, first))
        first += sum(1 for _ in flatten(item))
    return tuple(parts)


def rebuild(shape: Structure, tensors: tuple[Tensor, ...]) -> Value:
    """A value nested as `shape` says, made of `tensors`."""
    if isinstance(shape, int):
        return tensors[shape]
    return tuple(rebuild(part, tensors) for part in shape)


def types_of(value: Value) -> tuple[TensorType, ...]:
    return tuple(tensor.type for tensor in flatten(value))


def is_flow(value: Value) -> bool:
    """Whether a value is a tensor, or a list of such."""
    if isinstance(value, tuple):
        return all(is_flow(item) for item in value)
    return isinstance(value, Tensor)


__all__ = [
    "POISON",
    "Elaborator",
    "Failed",
    "Frame",
    "Poison",
    "Site",
    "Structure",
    "Value",
    "flatten",
    "is_flow",
    "is_partial",
    "rebuild",
    "structure",
    "types_of",
]
