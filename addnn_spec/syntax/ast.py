"""The syntax tree of a `.net` file: what was written, names unresolved.

Every node is frozen and carries the `Span` it was read from. Spans take no part in equality, so two
texts that differ in layout only have equal trees (the printer's round trip is tested with that).

Values and chains of layers share one expression grammar; a `Chain` is an expression.
"""

from __future__ import annotations

from typing import Literal

from addnn_spec.source import Span
from addnn_spec.syntax.node import Node

# --------------------------------------------------------------------------------------------------
# Expressions


class Name(Node):
    """A name that is read: `x`, `width`, `Conv2d`."""

    name: str
    span: Span


class Number(Node):
    """A number literal; integers have at most 18 digits."""

    value: int | float
    text: str
    span: Span


class Text(Node):
    """A string literal. `parts` are literal pieces and the `{expression}` holes between them."""

    parts: tuple[str | Expr, ...]
    span: Span


class Constant(Node):
    """`true`, `false` or `none`."""

    value: bool | None
    span: Span


class ListExpr(Node):
    """`[a, b, c]`."""

    items: tuple[Expr, ...]
    span: Span


class TupleExpr(Node):
    """`(a, b)` or `(a,)`: a list too; as the head of a chain, several inputs."""

    items: tuple[Expr, ...]
    span: Span


class Paren(Node):
    """`(expression)`, kept for the printer."""

    inner: Expr
    span: Span


class Clause(Node):
    """`for targets in iterable if condition` of a comprehension."""

    targets: Targets
    iterable: Expr
    condition: Expr | None
    span: Span


class Comprehension(Node):
    """`[item for a, (b, c) in list if condition for …]`."""

    item: Expr
    clauses: tuple[Clause, ...]
    span: Span


class Range(Node):
    """`a..b`, in the header of a `for` only: a, a + 1, … b - 1."""

    start: Expr
    stop: Expr
    span: Span


class Attribute(Node):
    """`value.name`."""

    value: Expr
    name: str
    span: Span
    name_span: Span


class Slice(Node):
    """`start:stop:step` in a subscript (each may be missing)."""

    start: Expr | None
    stop: Expr | None
    step: Expr | None
    span: Span


class Subscript(Node):
    """`value[a, b:c]`."""

    value: Expr
    items: tuple[Expr | Slice, ...]
    span: Span


class Argument(Node):
    """An argument of a call: positional, or `name = value`."""

    name: str | None
    value: Expr
    span: Span


class Call(Node):
    """`callee(arguments)`: a function, an operator or a block; `body` is a brace after it.

    `args` is None where no parentheses are written (`TimeDistributed { … }`).
    """

    callee: Expr
    args: tuple[Argument, ...] | None
    body: Body | None
    span: Span


class Unary(Node):
    """`-value` or `not value`."""

    op: Literal["-", "not"]
    value: Expr
    span: Span


class Binary(Node):
    """`left op right`; `op_span` is the operator's own place."""

    op: str  # + - * / // % ** @  == != < <= > >=  in  "not in"  and or
    left: Expr
    right: Expr
    span: Span
    op_span: Span


class Conditional(Node):
    """`if condition then a else b`."""

    condition: Expr
    then: Expr
    otherwise: Expr
    span: Span


class Chain(Node):
    """`head -> element -> element`: data flows left to right. At least one element."""

    head: Expr
    elements: tuple[Element, ...]
    span: Span


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


class Targets(Node):
    """The names a `for`, a comprehension or a binding gives: `a`, `i, (a, b)`. `_` discards."""

    items: tuple[Target | Targets, ...]
    span: Span


class Target(Node):
    """One name that is given."""

    name: str
    span: Span


# --------------------------------------------------------------------------------------------------
# Elements of a chain


class Layer(Node):
    """`Conv2d(64, 3)`, `ReLU`, `m`, `TimeDistributed { … }`: something applied to what flows in."""

    name: str
    args: tuple[Argument, ...] | None
    body: Body | None
    span: Span
    name_span: Span


class Repeat(Node):
    """`repeat count as index { … }`."""

    count: Expr
    index: Target | None
    body: Body
    span: Span


class If(Node):
    """`if condition { … } else { … }`: an element in a chain, a statement in a body."""

    condition: Expr
    then: Body
    otherwise: Body | If | None
    span: Span


class For(Node):
    """`for targets in iterable { … }`: an element in a chain, a statement in a body."""

    targets: Targets
    iterable: Expr
    body: Body
    span: Span


class Element(Node):
    """A core with an optional label (`conv1:`, `"layer{i}":`, `_:`)."""

    label: Text | None
    core: Core
    span: Span
    quoted: bool  # the label was written with quotes


class Body(Node):
    """What stands in braces: nothing, one chain of elements, or statements.

    A lone `if` or `for` is both a chain and a statement; it is kept as a `lone` body and told apart
    by where it stands.
    """

    kind: Literal["empty", "chain", "statements", "lone"]
    items: tuple[Element, ...] | tuple[Statement, ...]
    span: Span


Core = Layer | Repeat | If | For | Body


# --------------------------------------------------------------------------------------------------
# Statements


class Let(Node):
    """`let a, b = value`: compile-time values."""

    targets: Targets
    value: Expr
    span: Span


class Bind(Node):
    """`a, b = chain` or `a, b = b, chain`: names tensors."""

    targets: Targets
    values: tuple[Expr, ...]
    span: Span


class Dim(Node):
    """A size in a shape: an expression, or `NAME = default`."""

    value: Expr
    default: Expr | None
    span: Span


class Shape(Node):
    """`[N, 64, H = 224, W / 4]`."""

    dims: tuple[Dim, ...]
    span: Span


class Typed(Node):
    """`y: [N, 64] = chain`: the shape must be provably this."""

    target: Target
    shape: Shape
    value: Expr
    span: Span


class Return(Node):
    """`return a, b`."""

    values: tuple[Expr, ...]
    span: Span


class Input(Node):
    """`input x: float[N, 3, H = 224, W = 224] when training`."""

    target: Target
    dtype: Literal["float", "int", "bool"]
    shape: Shape
    training: bool
    span: Span


class Output(Node):
    """`output y: [N, 10] = chain when training`; shape and value may be missing."""

    target: Target
    shape: Shape | None
    value: Expr | None
    training: bool
    span: Span


class Module(Node):
    """`module m = "rpn.head": Layer(…)`: one set of weights, used by each `-> m`."""

    target: Target
    element: Element
    span: Span


class Parameter(Node):
    """`parameter pos = "encoder.pos": [1, width] = normal(0.02)`: a learned tensor. `label` is its
    key, and its name, too, where `target` gives no other."""

    target: Target | None
    label: Text
    shape: Shape
    value: Expr | None
    span: Span
    quoted: bool


class Buffer(Node):
    """`buffer index: int[n] = [… for …]`: a fixed tensor; as `Parameter`."""

    target: Target | None
    label: Text
    dtype: Literal["float", "int", "bool"]
    shape: Shape
    value: Expr
    span: Span
    quoted: bool


class Assert(Node):
    """`assert condition, "message"`."""

    condition: Expr
    message: Text | None
    span: Span


Statement = (
    Let | Bind | Typed | Return | Input | Output | Module | Parameter | Buffer | If | For | Assert
)


# --------------------------------------------------------------------------------------------------
# Items of a file


class ImportName(Node):
    """`Bottleneck as B`."""

    name: str
    alias: str | None
    span: Span


class Import(Node):
    """`from "resnet.net" import Bottleneck as B`."""

    path: str
    names: tuple[ImportName, ...]
    span: Span
    path_span: Span


class Param(Node):
    """A parameter of a function, block or network, or a named input of a block."""

    name: str
    default: Expr | None
    span: Span


class Fn(Node):
    """`fn name(a, b = 8) = expression`."""

    name: str
    params: tuple[Param, ...]
    value: Expr
    span: Span
    name_span: Span


class Block(Node):
    """`block Name(parameter, …)(input, …) { … }`; `inputs` is None where the one input is `x`."""

    name: str
    params: tuple[Param, ...]
    inputs: tuple[Param, ...] | None
    body: Body
    span: Span
    name_span: Span


class Network(Node):
    """`network Name(parameter, …) { … }`."""

    name: str
    params: tuple[Param, ...]
    body: Body
    span: Span
    name_span: Span


class Alias(Node):
    """`network ResNet18 = ResNet(Basic, [2, 2, 2, 2])`."""

    name: str
    value: Expr
    span: Span
    name_span: Span


Item = Import | Let | Fn | Block | Network | Alias


class Comment(Node):
    """A `#` comment; kept beside the tree for the printer."""

    text: str
    span: Span


class File(Node):
    """A whole `.net` file."""

    items: tuple[Item, ...]
    comments: tuple[Comment, ...]
    span: Span
