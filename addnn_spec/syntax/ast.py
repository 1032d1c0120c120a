"""The syntax tree of a `.net` file: what was written, names unresolved.

Every node is frozen and carries the `Span` it was read from. Spans take no part in equality, so two
texts that differ in layout only have equal trees (the printer's round trip is tested with that).

Values and chains of layers share one expression grammar; a `Chain` is an expression.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from addnn_spec.source import Span

# --------------------------------------------------------------------------------------------------
# Expressions


@dataclass(frozen=True, slots=True)
class Name:
    """A name that is read: `x`, `width`, `Conv2d`."""

    name: str
    span: Span = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Number:
    """A number literal; integers have at most 18 digits."""

    value: int | float
    text: str
    span: Span = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Text:
    """A string literal. `parts` are literal pieces and the `{expression}` holes between them."""

    parts: tuple[str | Expr, ...]
    span: Span = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Constant:
    """`true`, `false` or `none`."""

    value: bool | None
    span: Span = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class ListExpr:
    """`[a, b, c]`."""

    items: tuple[Expr, ...]
    span: Span = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class TupleExpr:
    """`(a, b)` or `(a,)`: a list too; as the head of a chain, several inputs."""

    items: tuple[Expr, ...]
    span: Span = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Paren:
    """`(expression)`, kept for the printer."""

    inner: Expr
    span: Span = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Clause:
    """`for targets in iterable if condition` of a comprehension."""

    targets: Targets
    iterable: Expr
    condition: Expr | None
    span: Span = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Comprehension:
    """`[item for a, (b, c) in list if condition for …]`."""

    item: Expr
    clauses: tuple[Clause, ...]
    span: Span = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Range:
    """`a..b`, in the header of a `for` only: a, a + 1, … b - 1."""

    start: Expr
    stop: Expr
    span: Span = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Attribute:
    """`value.name`."""

    value: Expr
    name: str
    span: Span = field(compare=False, repr=False)
    name_span: Span = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Slice:
    """`start:stop:step` in a subscript (each may be missing)."""

    start: Expr | None
    stop: Expr | None
    step: Expr | None
    span: Span = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Subscript:
    """`value[a, b:c]`."""

    value: Expr
    items: tuple[Expr | Slice, ...]
    span: Span = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Argument:
    """An argument of a call: positional, or `name = value`."""

    name: str | None
    value: Expr
    span: Span = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Call:
    """`callee(arguments)`: a function, an operator or a block; `body` is a brace after it.

    `args` is None where no parentheses are written (`TimeDistributed { … }`).
    """

    callee: Expr
    args: tuple[Argument, ...] | None
    body: Body | None
    span: Span = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Unary:
    """`-value` or `not value`."""

    op: Literal["-", "not"]
    value: Expr
    span: Span = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Binary:
    """`left op right`; `op_span` is the operator's own place."""

    op: str  # + - * / // % ** @  == != < <= > >=  in  "not in"  and or
    left: Expr
    right: Expr
    span: Span = field(compare=False, repr=False)
    op_span: Span = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Conditional:
    """`if condition then a else b`."""

    condition: Expr
    then: Expr
    otherwise: Expr
    span: Span = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Chain:
    """`head -> element -> element`: data flows left to right. At least one element."""

    head: Expr
    elements: tuple[Element, ...]
    span: Span = field(compare=False, repr=False)


Expr = (
    Name
    | Number
    | Text
    | Constant
    | ListExpr
    | TupleExpr
    | Paren
    | Comprehension
    | Range
    | Attribute
    | Subscript
    | Call
    | Unary
    | Binary
    | Conditional
    | Chain
)


@dataclass(frozen=True, slots=True)
class Targets:
    """The names a `for`, a comprehension or a binding gives: `a`, `i, (a, b)`. `_` discards."""

    items: tuple[Target | Targets, ...]
    span: Span = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Target:
    """One name that is given."""

    name: str
    span: Span = field(compare=False, repr=False)


# --------------------------------------------------------------------------------------------------
# Elements of a chain


@dataclass(frozen=True, slots=True)
class Layer:
    """`Conv2d(64, 3)`, `ReLU`, `m`, `TimeDistributed { … }`: something applied to what flows in."""

    name: str
    args: tuple[Argument, ...] | None
    body: Body | None
    span: Span = field(compare=False, repr=False)
    name_span: Span = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Repeat:
    """`repeat count as index { … }`."""

    count: Expr
    index: Target | None
    body: Body
    span: Span = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class If:
    """`if condition { … } else { … }`: an element in a chain, a statement in a body."""

    condition: Expr
    then: Body
    otherwise: Body | If | None
    span: Span = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class For:
    """`for targets in iterable { … }`: an element in a chain, a statement in a body."""

    targets: Targets
    iterable: Expr
    body: Body
    span: Span = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Element:
    """A core with an optional label (`conv1:`, `"layer{i}":`, `_:`)."""

    label: Text | None
    core: Layer | Repeat | If | For | Body
    span: Span = field(compare=False, repr=False)
    quoted: bool = field(default=False, compare=False)  # the label was written with quotes


@dataclass(frozen=True, slots=True)
class Body:
    """What stands in braces: nothing, one chain of elements, or statements.

    A lone `if` or `for` is both a chain and a statement; it is kept as a `lone` body and told apart
    by where it stands.
    """

    kind: Literal["empty", "chain", "statements", "lone"]
    items: tuple[Element, ...] | tuple[Statement, ...]
    span: Span = field(compare=False, repr=False)


# --------------------------------------------------------------------------------------------------
# Statements


@dataclass(frozen=True, slots=True)
class Let:
    """`let a, b = value`: compile-time values."""

    targets: Targets
    value: Expr
    span: Span = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Bind:
    """`a, b = chain` or `a, b = b, chain`: names tensors."""

    targets: Targets
    values: tuple[Expr, ...]
    span: Span = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Dim:
    """A size in a shape: an expression, or `NAME = default`."""

    value: Expr
    default: Expr | None
    span: Span = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Shape:
    """`[N, 64, H = 224, W / 4]`."""

    dims: tuple[Dim, ...]
    span: Span = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Typed:
    """`y: [N, 64] = chain`: the shape must be provably this."""

    target: Target
    shape: Shape
    value: Expr
    span: Span = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Return:
    """`return a, b`."""

    values: tuple[Expr, ...]
    span: Span = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Input:
    """`input x: float[N, 3, H = 224, W = 224] when training`."""

    target: Target
    dtype: Literal["float", "int", "bool"]
    shape: Shape
    training: bool
    span: Span = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Output:
    """`output y: [N, 10] = chain when training`; shape and value may be missing."""

    target: Target
    shape: Shape | None
    value: Expr | None
    training: bool
    span: Span = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Module:
    """`module m = "rpn.head": Layer(…)`: one set of weights, used by each `-> m`."""

    target: Target
    element: Element
    span: Span = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Parameter:
    """`parameter pos = "encoder.pos": [1, width] = normal(0.02)`: a learned tensor. `label` is its
    key, and its name, too, where `target` gives no other."""

    target: Target | None
    label: Text
    shape: Shape
    value: Expr | None
    span: Span = field(compare=False, repr=False)
    quoted: bool = field(default=False, compare=False)


@dataclass(frozen=True, slots=True)
class Buffer:
    """`buffer index: int[n] = [… for …]`: a fixed tensor; as `Parameter`."""

    target: Target | None
    label: Text
    dtype: Literal["float", "int", "bool"]
    shape: Shape
    value: Expr
    span: Span = field(compare=False, repr=False)
    quoted: bool = field(default=False, compare=False)


@dataclass(frozen=True, slots=True)
class Assert:
    """`assert condition, "message"`."""

    condition: Expr
    message: Text | None
    span: Span = field(compare=False, repr=False)


Statement = (
    Let | Bind | Typed | Return | Input | Output | Module | Parameter | Buffer | If | For | Assert
)


# --------------------------------------------------------------------------------------------------
# Items of a file


@dataclass(frozen=True, slots=True)
class ImportName:
    """`Bottleneck as B`."""

    name: str
    alias: str | None
    span: Span = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Import:
    """`from "resnet.net" import Bottleneck as B`."""

    path: str
    names: tuple[ImportName, ...]
    span: Span = field(compare=False, repr=False)
    path_span: Span = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Param:
    """A parameter of a function, block or network, or a named input of a block."""

    name: str
    default: Expr | None
    span: Span = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Fn:
    """`fn name(a, b = 8) = expression`."""

    name: str
    params: tuple[Param, ...]
    value: Expr
    span: Span = field(compare=False, repr=False)
    name_span: Span = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Block:
    """`block Name(parameter, …)(input, …) { … }`; `inputs` is None where the one input is `x`."""

    name: str
    params: tuple[Param, ...]
    inputs: tuple[Param, ...] | None
    body: Body
    span: Span = field(compare=False, repr=False)
    name_span: Span = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Network:
    """`network Name(parameter, …) { … }`."""

    name: str
    params: tuple[Param, ...]
    body: Body
    span: Span = field(compare=False, repr=False)
    name_span: Span = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Alias:
    """`network ResNet18 = ResNet(Basic, [2, 2, 2, 2])`."""

    name: str
    value: Expr
    span: Span = field(compare=False, repr=False)
    name_span: Span = field(compare=False, repr=False)


Item = Import | Let | Fn | Block | Network | Alias


@dataclass(frozen=True, slots=True)
class Comment:
    """A `#` comment; kept beside the tree for the printer."""

    text: str
    span: Span = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class File:
    """A whole `.net` file."""

    items: tuple[Item, ...]
    comments: tuple[Comment, ...] = field(compare=False)
    span: Span = field(compare=False, repr=False)
