"""Where elaboration stands, and the values that it handles.

The modules of elaboration are functions over a `Frame`. They build on one another in this order:
`terms` (names, literals, operators), `parts` (attributes, items), `expressions` (names for values),
`arguments` (what layers are given), `calls`, `operators`, `blocks`, `chains` (elements, braces),
`loops`, `declarations` (weights), `statements` (bodies), `layers` (all that can be applied). What
one of them needs of a later one it asks of `Rules`, the table that `rules` fills.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias, TypeGuard

from msgspec import Struct

from addnn_spec.elaborate.builder import Builder, ModuleValue, Naming, Tensor
from addnn_spec.elaborate.context import Context
from addnn_spec.elaborate.scope import Env, Origin
from addnn_spec.ops.base import TensorType
from addnn_spec.ops.init import Init
from addnn_spec.sizes import SymbolicSize
from addnn_spec.source import Span
from addnn_spec.syntax import ast
from addnn_spec.values import Brace, Builtin, Definition, Function, LayerValue

if TYPE_CHECKING:
    from addnn_spec.ops.indexing import IndexSlice

Value: TypeAlias = (
    "bool | int | float | str | SymbolicSize | Init | IndexSlice | LayerValue | Function"
    " | Builtin | Tensor | ModuleValue | Poison | tuple[Value, ...] | None"
)
"""What an expression can give: a compile-time value, a tensor, a module, or a list of these."""

Flow = Tensor | tuple["Flow", ...]
"""What flows along an arrow: a tensor, or a list of such."""

Structure = int | tuple["Structure", ...]
"""The shape of a value made of tensors: an index into a flat list, or a list of such."""


class GivenOutput(Struct, frozen=True):
    """An output of a network as its statements gave it."""

    name: str
    value: Value
    training: bool
    span: Span


class Interface:
    """The inputs and outputs of the network whose statements run.

    `given` holds the values for its inputs where it stands as a block; None at the top, where an
    input makes a placeholder.
    """

    def __init__(self, given: list[Value] | None) -> None:
        self.given = given
        self.taken = 0
        self.inputs: dict[str, Span] = {}
        self.outputs: list[GivenOutput] = []
        self.complete = True
        """Whether every statement that may give an output could be read."""


class Frame(Struct):
    """Where elaboration stands: the graph that nodes go to (none at file level), and the names."""

    ctx: Context
    builder: Builder | None
    env: Env
    interface: Interface | None = None
    """The inputs and outputs of the network, where its statements run."""
    repeated: bool = False
    """It is a turn of a loop that is written out in the graph."""

    def bind(self, name: str, value: Value, span: Span, origin: Origin) -> None:
        """Give a name to a value, at a place of the text."""
        self.env.bind(name, value, span, origin)
        if self.ctx.watch is not None:
            self.ctx.watch.see(span, value)

    def inner(self, *, repeated: bool = False) -> Frame:
        """Return a frame of the same graph with a scope of its own; it is not one of a network's
        statements."""
        return Frame(self.ctx, self.builder, Env(self.env), None, self.repeated or repeated)


class Site(Struct, frozen=True):
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
    """Return True if something was wrong with an argument of a layer."""
    return any(isinstance(value, Poison) for _, value in layer.given)


class Rules(Struct, frozen=True):
    """What a module asks of one that builds on it: the only calls that go up."""

    expressions: Mapping[type[ast.Expr], Callable[[Any, Frame], Value]]
    """How each kind of expression is evaluated."""
    apply: Callable[[LayerValue, Value, Site], Value]
    """Applies a layer of any kind to what flows in."""
    run_loop: Callable[[ast.Repeat | ast.For, Value, Site], Value]
    """Runs the turns of a loop between arrows."""
    run_definition: Callable[[Definition, dict[str, Value], Frame], Value]
    """Runs the body of a block or network, in a frame that has its parameters."""
    run_statements: Callable[[ast.Body, Frame], Value]
    """Runs the statements of a chain's brace; gives the value of their `return`."""


def positional_names(layer: LayerValue) -> list[str]:
    """Return the names of the arguments that a layer takes by position."""
    if isinstance(layer.target, Brace):
        return []
    if isinstance(layer.target, Definition):
        return [param.name for param in layer.target.node.params]
    return list(layer.target.positional_fields())


def input_names(layer: LayerValue) -> tuple[str, ...]:
    """Return the names of the tensors that flow into a layer, where it names them."""
    if isinstance(layer.target, Brace):
        return ()
    if isinstance(layer.target, Definition):
        node = layer.target.node
        inputs = node.inputs if isinstance(node, ast.Block) else None
        return tuple(param.name for param in inputs or ())
    return layer.target.input_names


def flatten(value: Value) -> Iterator[Tensor]:
    """Yield the tensors of a value, in order."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, tuple):
        for item in value:
            yield from flatten(item)


def structure(value: Value, first: int = 0) -> Structure:
    """Return how the tensors of `flatten(value)` are nested."""
    if not isinstance(value, tuple):
        return first
    parts: list[Structure] = []
    for item in value:
        parts.append(structure(item, first))
        first += sum(1 for _ in flatten(item))
    return tuple(parts)


def rebuild(shape: Structure, tensors: tuple[Tensor, ...]) -> Value:
    """Return a value nested as `shape` says, made of `tensors`."""
    if isinstance(shape, int):
        return tensors[shape]
    return tuple(rebuild(part, tensors) for part in shape)


def types_of(value: Value) -> tuple[TensorType, ...]:
    """Return the types of the tensors of a value, in order."""
    return tuple(tensor.type for tensor in flatten(value))


def is_flow(value: Value) -> TypeGuard[Flow]:
    """Return True if a value is a tensor, or a list of such."""
    if isinstance(value, tuple):
        return all(is_flow(item) for item in value)
    return isinstance(value, Tensor)
