"""The syntax tree of a `.net` file: what was written, names unresolved.

Every node is frozen and carries the `Span` it was read from. Spans take no part in equality, so two
texts that differ in layout only have equal trees (the printer's round trip is tested with that).

Values and chains of layers share one expression grammar; a `Chain` is an expression.
"""

from __future__ import annotations

from typing import Literal

from addnn_spec.source import Span
from addnn_spec.syntax.node import SyntaxNode

# --------------------------------------------------------------------------------------------------
# Expressions


class Name(SyntaxNode):
    """A name that is read: `x`, `width`, `Conv2d`."""

    name: str
    span: Span


class Number(SyntaxNode):
    """A number literal; integers have at most 18 digits."""

    value: int | float
    text: str
    span: Span


class Text(SyntaxNode):
    """A string literal. `parts` are literal pieces and the `{expression}` holes between them."""

    parts: tuple[str | Expr, ...]
    span: Span


class Constant(SyntaxNode):
    """`true`, `false` or `none`."""

    value: bool | None
    span: Span


class ListExpr(SyntaxNode):
    """`[a, b, c]`."""

    items: tuple[Expr, ...]
    span: Span


class TupleExpr(SyntaxNode):
    """`(a, b)` or `(a,)`: a list too; as the head of a chain, several inputs."""

    items: tuple[Expr, ...]
    span: Span


class Paren(SyntaxNode):
    """`(expression)`, kept for the printer."""

    inner: Expr
    span: Span


class Clause(SyntaxNode):
    """`for targets in iterable if condition` of a comprehension."""

    targets: Targets
    iterable: Expr
    condition: Expr | None
    span: Span


class Comprehension(SyntaxNode):
    """`[item for a, (b, c) in list if condition for …]`."""

    item: Expr
    clauses: tuple[Clause, ...]
    span: Span


class Range(SyntaxNode):
    """`a..b`, in the header of a `for` only: a, a + 1, … b - 1."""

    start: Expr
    stop: Expr
    span: Span


class Attribute(SyntaxNode):
    """`value.name`."""

    value: Expr
    name: str
    span: Span
    name_span: Span


class Slice(SyntaxNode):
    """`start:stop:step` in a subscript (each may be missing)."""

    start: Expr | None
    stop: Expr | None
    step: Expr | None
    span: Span


class Subscript(SyntaxNode):
    """`value[a, b:c]`."""

    value: Expr
    items: tuple[Expr | Slice, ...]
    span: Span


class Argument(SyntaxNode):
    """An argument of a call: positional, or `name = value`."""

    name: str | None
    value: Expr
    span: Span


class Call(SyntaxNode):
    """`callee(arguments)`: a function, an operator or a block; `body` is a brace after it.

    `args` is None where no parentheses are written (`TimeDistributed { … }`).
    """

    callee: Expr
    args: tuple[Argument, ...] | None
    body: Body | None
    span: Span


class Unary(SyntaxNode):
    """`-value` or `not value`."""

    op: Literal["-", "not"]
    value: Expr
    span: Span


class Binary(SyntaxNode):
    """`left op right`; `op_span` is the operator's own place."""

    op: str  # + - * / // % ** @  == != < <= > >=  in  "not in"  and or
    left: Expr
    right: Expr
    span: Span
    op_span: Span


class Conditional(SyntaxNode):
    """`if condition then a else b`."""

    condition: Expr
    then: Expr
    otherwise: Expr
    span: Span


class Chain(SyntaxNode):
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


class Targets(SyntaxNode):
    """The names a `for`, a comprehension or a binding gives: `a`, `i, (a, b)`. `_` discards."""

    items: tuple[Target | Targets, ...]
    span: Span


class Target(SyntaxNode):
    """One name that is given."""

    name: str
    span: Span


# --------------------------------------------------------------------------------------------------
# Elements of a chain


class Layer(SyntaxNode):
    """`Conv2d(64, 3)`, `ReLU`, `m`, `TimeDistributed { … }`: something applied to what flows in."""

    name: str
    args: tuple[Argument, ...] | None
    body: Body | None
    span: Span
    name_span: Span


class Repeat(SyntaxNode):
    """`repeat count as index { … }`."""

    count: Expr
    index: Target | None
    body: Body
    span: Span


class If(SyntaxNode):
    """`if condition { … } else { … }`: an element in a chain, a statement in a body."""

    condition: Expr
    then: Body
    otherwise: Body | If | None
    span: Span


class For(SyntaxNode):
    """`for targets in iterable { … }`: an element in a chain, a statement in a body."""

    targets: Targets
    iterable: Expr
    body: Body
    span: Span


class Element(SyntaxNode):
    """A core with an optional label (`conv1:`, `"layer{i}":`, `_:`)."""

    label: Text | None
    core: Core
    span: Span
    quoted: bool  # the label was written with quotes


class Body(SyntaxNode):
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


class Let(SyntaxNode):
    """`let a, b = value`: compile-time values."""

    targets: Targets
    value: Expr
    span: Span


class Bind(SyntaxNode):
    """`a, b = chain` or `a, b = b, chain`: names tensors."""

    targets: Targets
    values: tuple[Expr, ...]
    span: Span


class Dim(SyntaxNode):
    """A size in a shape: an expression, or `NAME = default`."""

    value: Expr
    default: Expr | None
    span: Span


class Shape(SyntaxNode):
    """`[N, 64, H = 224, W / 4]`."""

    dims: tuple[Dim, ...]
    span: Span


class Typed(SyntaxNode):
    """`y: [N, 64] = chain`: the shape must be provably this."""

    target: Target
    shape: Shape
    value: Expr
    span: Span


class Return(SyntaxNode):
    """`return a, b`."""

    values: tuple[Expr, ...]
    span: Span


class Input(SyntaxNode):
    """`input x: float[N, 3, H = 224, W = 224] when training`."""

    target: Target
    dtype: Literal["float", "int", "bool"]
    shape: Shape
    training: bool
    span: Span


class Output(SyntaxNode):
    """`output y: [N, 10] = chain when training`; shape and value may be missing."""

    target: Target
    shape: Shape | None
    value: Expr | None
    training: bool
    span: Span


class Module(SyntaxNode):
    """`module m = "rpn.head": Layer(…)`: one set of weights, used by each `-> m`."""

    target: Target
    element: Element
    span: Span


class Parameter(SyntaxNode):
    """`parameter pos = "encoder.pos": [1, width] = normal(0.02)`: a learned tensor. `label` is its
    key, and its name, too, where `target` gives no other."""

    target: Target | None
    label: Text
    shape: Shape
    value: Expr | None
    span: Span
    quoted: bool


class Buffer(SyntaxNode):
    """`buffer index: int[n] = [… for …]`: a fixed tensor; as `Parameter`."""

    target: Target | None
    label: Text
    dtype: Literal["float", "int", "bool"]
    shape: Shape
    value: Expr
    span: Span
    quoted: bool


class Assert(SyntaxNode):
    """`assert condition, "message"`."""

    condition: Expr
    message: Text | None
    span: Span


Statement = (
    Let | Bind | Typed | Return | Input | Output | Module | Parameter | Buffer | If | For | Assert
)


# --------------------------------------------------------------------------------------------------
# Items of a file


class ImportName(SyntaxNode):
    """`Bottleneck as B`."""

    name: str
    alias: str | None
    span: Span


class Import(SyntaxNode):
    """`from "resnet.net" import Bottleneck as B`."""

    path: str
    names: tuple[ImportName, ...]
    span: Span
    path_span: Span


class Param(SyntaxNode):
    """A parameter of a function, block or network, or a named input of a block."""

    name: str
    default: Expr | None
    span: Span


class Fn(SyntaxNode):
    """`fn name(a, b = 8) = expression`."""

    name: str
    params: tuple[Param, ...]
    value: Expr
    span: Span
    name_span: Span


class Block(SyntaxNode):
    """`block Name(parameter, …)(input, …) { … }`; `inputs` is None where the one input is `x`."""

    name: str
    params: tuple[Param, ...]
    inputs: tuple[Param, ...] | None
    body: Body
    span: Span
    name_span: Span


class Network(SyntaxNode):
    """`network Name(parameter, …) { … }`."""

    name: str
    params: tuple[Param, ...]
    body: Body
    span: Span
    name_span: Span


class Alias(SyntaxNode):
    """`network ResNet18 = ResNet(Basic, [2, 2, 2, 2])`."""

    name: str
    value: Expr
    span: Span
    name_span: Span


Item = Import | Let | Fn | Block | Network | Alias


class Comment(SyntaxNode):
    """A `#` comment; kept beside the tree for the printer."""

    text: str
    span: Span


class File(SyntaxNode):
    """A whole `.net` file."""

    items: tuple[Item, ...]
    comments: tuple[Comment, ...]
    span: Span
