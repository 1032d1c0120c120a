"""The backend's own expressions, beside those of `ops/code.py`, and how trees are taken apart.

A tree is changed by `rewrite`; `split` takes the literals out of it, so that two uses of a block
can be compared: equal skeletons are one class, the literals its columns.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from operator import is_
from typing import TypeAlias, TypeGuard, cast

from addnn_spec.ops.code import (
    Arg,
    BackendNode,
    Call,
    Code,
    In,
    Invoke,
    Item,
    Literal,
    Method,
    Slice,
)
from addnn_spec.sizes import SymbolicSize
from addnn_spec.source import Span
from addnn_spec.values import Definition


@dataclass(frozen=True, slots=True)
class Name(BackendNode):
    """An identifier, or a dotted name: a parameter, a local variable, `self.heads`."""

    text: str


@dataclass(frozen=True, slots=True)
class Key(BackendNode):
    """A string that is part of the structure: the name of a child."""

    text: str


@dataclass(frozen=True, slots=True)
class Value(BackendNode):
    """A tensor of a body: the `index`-th that its inputs and steps produce."""

    index: int


@dataclass(frozen=True, slots=True)
class Dimension(BackendNode):
    """`value.shape[dim]`."""

    value: Tree
    dim: int


@dataclass(frozen=True, slots=True)
class Attribute(BackendNode):
    """`value.name`: a tensor's device."""

    value: Tree
    name: str


@dataclass(frozen=True, slots=True)
class Choice(BackendNode):
    """`then if condition else orelse`."""

    then: Tree
    condition: Tree
    orelse: Tree


@dataclass(slots=True, unsafe_hash=True)
class Factory(BackendNode):
    """What makes a layer that a block is given: `nn.SiLU`, `lambda: nn.LeakyReLU(0.2)`."""

    key: str
    """What only equal layers have in common."""
    call: Tree = field(default=None, compare=False, repr=False)
    """The call that makes it, for its sizes as variables; a block's is known when its class is."""
    sizes: tuple[str, ...] = ()
    """What it is made for: torch's names."""
    module: bool = False
    """It is made where it is given."""


@dataclass(frozen=True, slots=True)
class Made(BackendNode):
    """A layer by what makes it, for sizes: `act()`, `norm(width)`; a module is there: `below`."""

    factory: Tree
    args: tuple[Arg, ...] = ()
    module: bool = False


@dataclass(frozen=True, slots=True)
class SizeOf:
    """The size of an input of the class, by the input's name."""

    input: str
    dim: int


@dataclass(frozen=True, slots=True)
class ParameterOf:
    """A parameter of a block that is called here, by its name in the text."""

    name: str


@dataclass(frozen=True, slots=True)
class MadeBy:
    """A size that a given layer makes, by the block's parameter for that layer."""

    name: str


@dataclass(frozen=True, slots=True, eq=False)
class Use:
    """A use of a block that is written out in the text: what the block's text says can be said
    there."""

    definition: Definition
    written: tuple[tuple[str, Span], ...]
    span: Span
    outer: Around
    """What this one is written out in: the use whose text it stands in, or a turn of a loop."""
    sizes: Callable[[str, int], tuple[Origin, ...]]
    """Where the sizes of its inputs come from, in the graph that uses it."""


@dataclass(frozen=True, slots=True)
class Within:
    """Something that the text of another block says, in a use of that block."""

    origin: Origin
    use: Use


@dataclass(frozen=True, slots=True)
class InTurn:
    """Something that the text says in a turn of a loop: the `number`-th from 0."""

    origin: Origin
    loop: Span
    number: int
    turns: int = field(compare=False)
    """How many there are: uses may have more or fewer."""


@dataclass(frozen=True, slots=True, eq=False)
class TurnOf:
    """A turn of a loop whose nodes stand in the graph around it."""

    loop: Span
    number: int
    turns: int
    outer: Around


Around = Use | TurnOf | None
"""What a place of the text is written out in, the innermost first."""


def put(origin: Origin, around: Around) -> Origin:
    """Return an origin as it is seen from the text of the class."""
    if isinstance(around, Use):
        return Within(origin, around)
    if isinstance(around, TurnOf):
        return put(InTurn(origin, around.loop, around.number, around.turns), around.outer)
    return origin


@dataclass(frozen=True, slots=True)
class ItemOf:
    """An item of a list that the text gives, or of what it writes out: `Reshape(n, h * w, c)`."""

    origin: Origin
    place: int


@dataclass(frozen=True, slots=True)
class ArgumentOf:
    """An argument of the initialiser that the text gives: the `std` of `normal(0.02)`."""

    origin: Origin
    name: str


@dataclass(frozen=True, slots=True)
class Combined:
    """A size made of sizes: the sum of what `Concat` joins, the part that `Chunk` gives.

    Each part has several likely origins, or is a number.
    """

    op: str
    parts: tuple[tuple[Origin, ...] | int, ...]


Origin = Span | SizeOf | MadeBy | ParameterOf | Within | InTurn | ItemOf | ArgumentOf | Combined
"""Where a value comes from: an expression of the text, an input's size, what a called block is
given; in a use of a block, in a turn of a loop; an item or argument of it; or what is made of
several sizes."""


@dataclass(frozen=True, slots=True)
class Leaf(BackendNode):
    """A literal that may differ between uses; `hint` names the argument that it is.

    `origins` say where it may come from, the likeliest first.
    """

    value: Literal | Factory
    hint: str
    origins: tuple[Origin, ...] = field(default=(), compare=False)
    size: bool = field(default=False, compare=False)
    """It is a size that a called class has a name for: `hint`."""


@dataclass(frozen=True, slots=True)
class Column(BackendNode):
    """Where a leaf was: its place in the list of leaves."""

    index: int


@dataclass(frozen=True, slots=True)
class Star(BackendNode):
    """`*value`."""

    value: Tree


@dataclass(frozen=True, slots=True)
class Each(BackendNode):
    """`element for targets in iterable`, a generator expression without its parentheses."""

    iterable: Tree
    element: Tree
    targets: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Turning(BackendNode):
    """A literal of what a loop of the text makes: in the first turn, and in all of them."""

    first: Tree
    turns: Tree


@dataclass(frozen=True, slots=True)
class TextLoop(BackendNode):
    """What a loop of the text makes in a Sequential: `elements` in each of its `count` turns."""

    count: Tree
    elements: tuple[Tree, ...]


@dataclass(frozen=True, slots=True)
class Variable(BackendNode):
    """A name that a loop within the expression gives: no parameter of the class."""

    text: str


@dataclass(frozen=True, slots=True)
class Listing(BackendNode):
    """`tuple(element for target in iterable if condition …)`; True where no condition is.

    With `brackets` it is a list, which is no tuple: it is never equal to one, nor joined to one.
    """

    element: Tree
    targets: tuple[str, ...]
    iterables: tuple[Tree, ...]
    conditions: tuple[Tree, ...]
    brackets: bool = False


@dataclass(frozen=True, slots=True)
class Display(BackendNode):
    """`{"key": item, …}`."""

    keys: tuple[str, ...]
    items: tuple[Tree, ...]


@dataclass(frozen=True, slots=True)
class Lambda(BackendNode):
    """`lambda parameter: value`."""

    parameter: str
    value: Tree


@dataclass(frozen=True, slots=True)
class Template(BackendNode):
    """An f-string `f"{head}{variable}"`."""

    head: str
    variable: str


@dataclass(frozen=True, slots=True)
class Formula(BackendNode):
    """A size as text, with `formula_part(i)` where the i-th part stands."""

    text: str
    parts: tuple[Tree, ...]


def formula_part(index: int) -> str:
    """Return the mark in a `Formula`'s text that its part replaces."""
    return f"<{index}>"


@dataclass(frozen=True, slots=True)
class Spanned(BackendNode):
    """A tree with the place in the spec that it comes from: for the line map."""

    value: Tree
    span: Span
    place: Origin | None = field(default=None, compare=False)
    """The place, where it is another block's text."""


@dataclass(frozen=True, slots=True)
class When(BackendNode):
    """An element of a Sequential that is there only if the `flag`-th flag is `present`."""

    flag: int
    present: bool
    value: Tree


@dataclass(frozen=True, slots=True)
class Submodule(BackendNode):
    """A child of this class by its path, or a tensor of it: `self.encoder["layer"].weight`."""

    path: str
    tensor: str = ""


@dataclass(frozen=True, slots=True)
class Child(BackendNode):
    """A child of this class, called with arguments."""

    path: str
    args: tuple[Arg, ...]


NONE = Name("None")
"""None as a tree, where None itself means that there is no tree."""

Tree: TypeAlias = Code
"""An expression: a literal, or a node of `ops/code.py` or of this module."""

Change = Callable[[Tree], Tree | None]

LITERALS = (bool, int, float, str, type(None), tuple, SymbolicSize, Factory)

_ONE = frozenset({"Tree", "Code", "Code | None"})
_MANY = frozenset(f"tuple[{one}, ...]" for one in ("Tree", "Code", "Arg"))
"""How the parts of a node that are trees are annotated, one or a tuple of them."""
_ATOMS = frozenset({*LITERALS, Leaf, Value, Column, In, Name, Variable, Key})


_Fields = tuple[tuple[str, bool], ...]
_FIELDS: dict[type, tuple[_Fields, tuple[str, ...]]] = {}


def _fields(kind: type) -> tuple[_Fields, tuple[str, ...]]:
    """List the fields of a node that are trees, in order: is it a tuple of them. And all fields."""
    # Read off the annotations once for each class: trees are walked very often.
    found = _FIELDS.get(kind)
    if found is None:
        declared: dict[str, str] = kind.__annotations__
        parts = tuple((f, type in _MANY) for f, type in declared.items() if type in _ONE | _MANY)
        found = _FIELDS[kind] = (parts, tuple(declared))
    return found


def rewrite(tree: Tree, change: Change) -> Tree:
    """Return the tree where each node that `change` gives a replacement for, from the top, has it.

    An `Arg` is part of its call, not a node: its value is asked for.
    """
    replaced = change(tree)
    if replaced is not None:
        return replaced
    kind = type(tree)
    if kind in _ATOMS:
        return tree
    parts, names = _FIELDS.get(kind) or _fields(kind)
    made: dict[str, Tree | tuple[Tree | Arg, ...]] = {}
    for name, many in parts:
        part = getattr(tree, name)
        if many:
            new = tuple(
                [
                    _argument(item, change) if type(item) is Arg else rewrite(item, change)
                    for item in part
                ]
            )
            # What does not change stays the same object: trees are large, and changes few.
            if not all(map(is_, new, part)):
                made[name] = new
        elif part is not None:
            one = rewrite(part, change)
            if one is not part:
                made[name] = one
    if not made:
        return tree
    values = [made[name] if name in made else getattr(tree, name) for name in names]
    return cast("Callable[..., Tree]", kind)(*values)


def _argument(arg: Arg, change: Change) -> Arg:
    value = rewrite(arg.value, change)
    return arg if value is arg.value else Arg(value, arg.name, arg.default)


def walk(tree: Tree) -> Iterator[Tree]:
    """Yield all nodes of the tree, each before its parts, in the order of evaluation."""
    waiting: list[Tree | Arg] = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, Arg):
            waiting.append(node.value)
            continue
        yield node
        kind = type(node)
        if kind in _ATOMS:
            continue
        parts = _FIELDS.get(kind) or _fields(kind)
        # Pushed backwards, so that they are taken in order.
        for name, many in reversed(parts[0]):
            part = getattr(node, name)
            if many:
                waiting += reversed(part)
            elif part is not None:
                waiting.append(part)


def split(tree: Tree, leaves: list[Leaf]) -> Tree:
    """Return the tree with each leaf replaced by its `Column`; append the leaves to the list."""

    def take(node: Tree) -> Tree | None:
        if isinstance(node, Leaf):
            leaves.append(node)
            return Column(len(leaves) - 1)
        return None

    return rewrite(tree, take)


def identity(tree: Tree) -> tuple[Tree, str]:
    """Return what only equal trees have in common: 1, True and 1.0 are not equal."""
    leaves: list[Leaf] = []
    skeleton = split(tree, leaves)
    return skeleton, repr([leaf.value for leaf in leaves])


_SLICE = Slice.__struct_fields__


UNNAMED = "value"
"""What a literal is called that no argument's name and no place tells."""


def with_leaves(tree: Tree, hint: str = UNNAMED, positional: tuple[str, ...] = ()) -> Tree:
    """Return the tree with its literals as leaves, each called after the argument that holds it.

    `positional` names the positional arguments of the innermost first call.
    """

    def change(node: Tree) -> Tree | None:
        if isinstance(node, Call | Method | Invoke | Child):
            args = tuple(_argument(arg, place) for place, arg in enumerate(node.args))
            if isinstance(node, Method):
                return Method(rewrite(node.value, change), node.name, args)
            return Invoke(args) if isinstance(node, Invoke) else type(node)(_callee(node), args)
        if isinstance(node, Slice):
            return Slice(*(_bound(getattr(node, name), name) for name in _SLICE))
        if isinstance(node, Item) and isinstance(node.value, Name):  # of a table: `rates[i]`
            return Item(node.value, tuple(with_leaves(part, "i") for part in node.index))
        return Leaf(node, hint) if isinstance(node, LITERALS) else None

    def _bound(part: Tree | None, name: str) -> Tree | None:
        return None if part is None else with_leaves(part, name)

    def _argument(arg: Arg, place: int) -> Arg:
        name = arg.name or (positional[place] if place < len(positional) else hint)
        value = arg.value
        inner = positional if isinstance(value, Call) else ()
        return Arg(with_leaves(value, name, inner), arg.name, arg.default)

    return rewrite(tree, change)


def _callee(node: Call | Child) -> str:
    return node.fn if isinstance(node, Call) else node.path


def bare(tree: Tree) -> Tree:
    """Return the tree without its places in the spec, its leaves as the literals that they are."""

    def change(node: Tree) -> Tree | None:
        if isinstance(node, Spanned):
            return bare(node.value)
        if isinstance(node, Leaf):
            return NONE if node.value is None else node.value
        return None

    return rewrite(tree, change)


def without_defaults(tree: Tree) -> Tree:
    """Drop the arguments that equal the callee's default from the tree, as far as these can go."""

    def change(node: Tree) -> Tree | None:
        if not isinstance(node, Call | Method | Invoke | Child):
            return None
        args = _needed(
            [
                a if type(a.value) in _ATOMS else Arg(without_defaults(a.value), a.name, a.default)
                for a in node.args
            ]
        )
        if isinstance(node, Method):
            return Method(without_defaults(node.value), node.name, args)
        return Invoke(args) if isinstance(node, Invoke) else type(node)(_callee(node), args)

    return rewrite(tree, change)


def _needed(args: list[Arg]) -> tuple[Arg, ...]:
    positional = [arg for arg in args if arg.name is None]
    # An argument by position can be left out only if all behind it are.
    while positional and _is_default(positional[-1]):
        positional.pop()
    return (*positional, *(arg for arg in args if arg.name is not None and not _is_default(arg)))


def _is_default(arg: Arg) -> bool:
    # In a tree None is a name, as a default it is the value.
    return same(None if arg.value == NONE else arg.value, arg.default)


def is_literal(value: object) -> TypeGuard[Literal | Factory]:
    """Return True if a value can stand in a constructor: a number, a string, a tuple of such, …"""
    if isinstance(value, tuple):
        return all(map(is_literal, value))
    return value is None or isinstance(value, bool | int | float | str | Factory)


def same(a: object, b: object) -> bool:
    """Return True if two literals mean the same: 1, True and 1.0 do not, nor do 0.0 and -0.0."""
    if type(a) is not type(b):
        return False
    if isinstance(a, tuple):
        return isinstance(b, tuple) and len(a) == len(b) and all(map(same, a, b))
    return repr(a) == repr(b) if isinstance(a, float) else bool(a == b)
