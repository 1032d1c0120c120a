"""Builds the syntax tree while the text is parsed: one method for each rule of the grammar.

A method gets the span of what was read, then the rule's children: tokens that the grammar names,
what other methods returned, None for an optional part that is missing. None of them recurses.
"""

from __future__ import annotations

from collections.abc import Callable
from math import isfinite
from typing import Literal, NamedTuple, cast

from addnn_spec.diagnostics import DiagnosticCode
from addnn_spec.source import Span
from addnn_spec.syntax import ast
from addnn_spec.syntax.lexer import Token
from addnn_spec.syntax.strings import Strings
from addnn_spec.syntax.syntax_errors import MAX_TERMS, Findings

_DTYPES = ("float", "int", "bool")
_MAX_DIGITS = 18
_Dtype = Literal["float", "int", "bool"]
_Core = ast.Layer | ast.Repeat | ast.If | ast.For | ast.Body


class _Trailer(NamedTuple):
    """What follows a value: makes the whole, given the value and the whole's span."""

    apply: Callable[[ast.Expr, Span], ast.Expr]
    end: int


class TreeBuilder:
    """The grammar's actions. `strings` reads the holes of string literals."""

    def __init__(self, findings: Findings, strings: Strings) -> None:
        self._findings = findings
        self._strings = strings

    # ------------------------------------------------------------------------------------- helpers

    def _error(
        self, code: DiagnosticCode, message: str, span: Span, help: str | None = None
    ) -> None:
        self._findings.error(code, message, span.start, span.end, help=help)

    def _span(self, token: Token) -> Span:
        return self._findings.span(token.start, token.end)

    def _target(self, token: Token) -> ast.Target:
        return ast.Target(token.text, self._span(token))

    def _label(self, token: Token) -> ast.Text:
        if token.kind == "NAME":
            return ast.Text((token.text,), self._span(token))
        return self._strings.template(token)

    def _dtype(self, token: Token | None) -> _Dtype:
        if token is None:
            return "float"
        if token.text not in _DTYPES:
            message = f"`{token.text}` is no type of element"
            self._error("E0003", message, self._span(token), "it is float, int or bool")
            return "float"
        return cast(_Dtype, token.text)

    def _check_terms(self, count: int, span: Span) -> None:
        if count > MAX_TERMS:
            message = f"one expression with {count:,} terms: {MAX_TERMS} are the most"
            self._error("E0502", message, span, "split it, with `let`, or use sum([…])")

    # --------------------------------------------------------------------------------------- files

    def file(self, span: Span, *items: ast.Item) -> tuple[ast.Item, ...]:
        """Return the items. One whose name could not be read was read for its mistakes only."""
        return tuple(item for item in items if isinstance(item, ast.Import | ast.Let) or item.name)

    def import_(self, span: Span, path: Token, *names: ast.ImportName) -> ast.Import:
        return ast.Import(path.text[1:-1], names, span, self._span(path))

    def import_name(self, span: Span, name: Token, alias: Token | None) -> ast.ImportName:
        return ast.ImportName(name.text, alias.text if alias else None, span)

    def fn(self, span: Span, name: Token, params: tuple[ast.Param, ...], value: ast.Expr) -> ast.Fn:
        return ast.Fn(name.text, params, value, span, self._span(name))

    def block(
        self,
        span: Span,
        name: Token,
        params: tuple[ast.Param, ...] | None,
        inputs: tuple[ast.Param, ...] | None,
        body: ast.Body,
    ) -> ast.Block:
        return ast.Block(name.text, params or (), inputs, body, span, self._span(name))

    def network(
        self, span: Span, name: Token, params: tuple[ast.Param, ...] | None, body: ast.Body
    ) -> ast.Network:
        return ast.Network(name.text, params or (), body, span, self._span(name))

    def alias(self, span: Span, name: Token, value: ast.Expr) -> ast.Alias:
        return ast.Alias(name.text, value, span, self._span(name))

    def params(self, span: Span, *params: ast.Param) -> tuple[ast.Param, ...]:
        return params

    def param(self, span: Span, name: Token, default: ast.Expr | None) -> ast.Param:
        return ast.Param(name.text, default, span)

    # -------------------------------------------------------------------------------------- bodies

    def empty_body(self, span: Span) -> ast.Body:
        return ast.Body("empty", (), span)

    def chain_body(self, span: Span, elements: tuple[ast.Element, ...]) -> ast.Body:
        return ast.Body("chain", elements, span)

    def statement_body(self, span: Span, *statements: ast.Statement) -> ast.Body:
        # Whether it is an element or a statement, the place where the brace stands decides.
        lone = len(statements) == 1 and isinstance(statements[0], (ast.If, ast.For))
        return ast.Body("lone" if lone else "statements", statements, span)

    def sequence(self, span: Span, *elements: ast.Element) -> tuple[ast.Element, ...]:
        return elements

    def control_first(self, span: Span, core: ast.If | ast.For) -> ast.Element:
        return ast.Element(None, core, span, False)

    # ---------------------------------------------------------------------------------- statements

    def let(self, span: Span, targets: ast.Targets, value: ast.Expr) -> ast.Let:
        return ast.Let(targets, value, span)

    def bind(self, span: Span, targets: ast.Targets, *values: ast.Expr) -> ast.Bind:
        return ast.Bind(targets, values, span)

    def typed(self, span: Span, name: Token, shape: ast.Shape, value: ast.Expr) -> ast.Typed:
        return ast.Typed(self._target(name), shape, value, span)

    def return_(self, span: Span, *values: ast.Expr) -> ast.Return:
        return ast.Return(values, span)

    def input_(
        self, span: Span, name: Token, dtype: Token, shape: ast.Shape, when: bool | None
    ) -> ast.Input:
        return ast.Input(self._target(name), self._dtype(dtype), shape, bool(when), span)

    def output(
        self,
        span: Span,
        name: Token,
        shape: ast.Shape | None,
        value: ast.Expr | None,
        when: bool | None,
    ) -> ast.Output:
        return ast.Output(self._target(name), shape, value, bool(when), span)

    def when(self, span: Span, word: Token) -> bool:
        if word.text != "training":
            message = f"`when {word.text}` has no meaning"
            self._error("E0003", message, self._span(word), "write `when training`")
        return True

    def module(self, span: Span, name: Token, element: ast.Element) -> ast.Module:
        return ast.Module(self._target(name), element, span)

    def parameter(
        self,
        span: Span,
        name: Token | None,
        label: Token,
        shape: ast.Shape,
        value: ast.Expr | None,
    ) -> ast.Parameter:
        target = None if name is None else self._target(name)
        quoted = label.kind == "STRING"
        return ast.Parameter(target, self._label(label), shape, value, span, quoted)

    def buffer(
        self,
        span: Span,
        name: Token | None,
        label: Token,
        dtype: Token | None,
        shape: ast.Shape,
        value: ast.Expr,
    ) -> ast.Buffer:
        target = None if name is None else self._target(name)
        text, quoted = self._label(label), label.kind == "STRING"
        return ast.Buffer(target, text, self._dtype(dtype), shape, value, span, quoted)

    def assert_(self, span: Span, condition: ast.Expr, message: Token | None) -> ast.Assert:
        text = self._strings.template(message) if message else None
        return ast.Assert(condition, text, span)

    def if_(
        self, span: Span, condition: ast.Expr, then: ast.Body, otherwise: ast.Body | None
    ) -> ast.If:
        return ast.If(condition, then, otherwise, span)

    def else_if(self, span: Span, condition: ast.Expr, then: ast.Body, otherwise: ast.If) -> ast.If:
        return ast.If(condition, then, otherwise, span)

    def for_(self, span: Span, targets: ast.Targets, iterable: ast.Expr, body: ast.Body) -> ast.For:
        return ast.For(targets, iterable, body, span)

    def names(self, span: Span, *names: Token) -> ast.Targets:
        return ast.Targets(tuple(self._target(name) for name in names), span)

    def targets(self, span: Span, *items: Token | ast.Targets) -> ast.Targets:
        found = (item if isinstance(item, ast.Targets) else self._target(item) for item in items)
        return ast.Targets(tuple(found), span)

    def range_(self, span: Span, start: ast.Expr, stop: ast.Expr) -> ast.Range:
        return ast.Range(start, stop, span)

    def label(self, span: Span, token: Token) -> Token:
        return token

    def shape(self, span: Span, *dims: ast.Dim) -> ast.Shape:
        return ast.Shape(dims, span)

    def dim(self, span: Span, value: ast.Expr) -> ast.Dim:
        return ast.Dim(value, None, span)

    def symbolic_dim(self, span: Span, name: Token, default: ast.Expr) -> ast.Dim:
        return ast.Dim(ast.Name(name.text, self._span(name)), default, span)

    # -------------------------------------------------------------------------------------- chains

    def chain(self, span: Span, head: ast.Expr, *elements: ast.Element) -> ast.Chain:
        return ast.Chain(head, elements, span)

    def element(self, span: Span, core: _Core) -> ast.Element:
        return ast.Element(None, core, span, False)

    def labelled(self, span: Span, label: Token, core: _Core) -> ast.Element:
        return ast.Element(self._label(label), core, span, label.kind == "STRING")

    def layer(
        self,
        span: Span,
        name: Token,
        args: tuple[ast.Argument, ...] | None,
        body: ast.Body | None,
    ) -> ast.Layer:
        return ast.Layer(name.text, args, body, span, self._span(name))

    def repeat(
        self, span: Span, count: ast.Expr, index: Token | None, body: ast.Body
    ) -> ast.Repeat:
        return ast.Repeat(count, self._target(index) if index else None, body, span)

    def braced(self, span: Span, value: ast.Expr, body: ast.Body) -> ast.Expr:
        if isinstance(value, ast.Call):
            return ast.Call(value.callee, value.args, body, span)
        if not isinstance(value, ast.Name):
            message = "only a layer takes a part in braces"
            note = "write `->` between two elements"
            self._error("E0008", message, body.span, note)
        return ast.Call(value, None, body, span)

    def args(self, span: Span, *args: ast.Argument) -> tuple[ast.Argument, ...]:
        return args

    def arg(self, span: Span, name: Token | None, value: ast.Expr) -> ast.Argument:
        return ast.Argument(name.text if name else None, value, span)

    # --------------------------------------------------------------------------------- expressions

    def conditional(
        self, span: Span, condition: ast.Expr, then: ast.Expr, otherwise: ast.Expr
    ) -> ast.Conditional:
        return ast.Conditional(condition, then, otherwise, span)

    def operators(self, span: Span, first: ast.Expr, *rest: Token | ast.Expr) -> ast.Expr:
        """Return a flat `a + b - c …`, grouped to the left."""
        self._check_terms(len(rest) // 2 + 1, span)
        value = first
        for i in range(0, len(rest), 2):
            operator, right = cast(Token, rest[i]), cast(ast.Expr, rest[i + 1])
            whole = self._findings.span(span.start, right.span.end)
            value = ast.Binary(operator.text, value, right, whole, self._span(operator))
        return value

    def not_in(
        self, span: Span, left: ast.Expr, not_: Token, in_: Token, right: ast.Expr
    ) -> ast.Binary:
        place = self._findings.span(not_.start, in_.end)
        return ast.Binary("not in", left, right, span, place)

    def not_(self, span: Span, value: ast.Expr) -> ast.Unary:
        return ast.Unary("not", value, span)

    def negative(self, span: Span, value: ast.Expr) -> ast.Unary:
        return ast.Unary("-", value, span)

    def power(self, span: Span, left: ast.Expr, operator: Token, right: ast.Expr) -> ast.Binary:
        return ast.Binary("**", left, right, span, self._span(operator))

    def postfix(self, span: Span, value: ast.Expr, *trailers: _Trailer) -> ast.Expr:
        self._check_terms(len(trailers), span)
        for trailer in trailers:
            value = trailer.apply(value, self._findings.span(span.start, trailer.end))
        return value

    def attribute(self, span: Span, name: Token) -> _Trailer:
        def apply(value: ast.Expr, whole: Span) -> ast.Expr:
            return ast.Attribute(value, name.text, whole, self._span(name))

        return _Trailer(apply, span.end)

    def call(self, span: Span, args: tuple[ast.Argument, ...]) -> _Trailer:
        return _Trailer(lambda value, whole: ast.Call(value, args, None, whole), span.end)

    def subscripts(self, span: Span, *items: ast.Expr | ast.Slice) -> _Trailer:
        return _Trailer(lambda value, whole: ast.Subscript(value, items, whole), span.end)

    def slice_(
        self,
        span: Span,
        start: ast.Expr | None,
        stop: ast.Expr | None,
        step: ast.Expr | None,
    ) -> ast.Slice:
        return ast.Slice(start, stop, step, span)

    def name(self, span: Span, token: Token) -> ast.Name:
        return ast.Name(token.text, span)

    def number(self, span: Span, token: Token) -> ast.Number:
        text = token.text
        if not text.isdigit():
            value = float(text)
            if not isfinite(value):
                self._error("E0006", "this number is too large for a float", span)
                value = 0.0
            return ast.Number(value, text, span)
        if len(text) > _MAX_DIGITS:
            message = f"an integer of {len(text):,} digits: {_MAX_DIGITS} are the most"
            self._error("E0006", message, span)
            return ast.Number(0, "0", span)
        if text[0] == "0" and len(text) > 1:
            note = f"write {int(text)}"
            self._error("E0006", "an integer does not begin with 0", span, note)
        return ast.Number(int(text), text, span)

    def string(self, span: Span, token: Token) -> ast.Text:
        return self._strings.template(token)

    def true(self, span: Span) -> ast.Constant:
        return ast.Constant(True, span)

    def false(self, span: Span) -> ast.Constant:
        return ast.Constant(False, span)

    def none(self, span: Span) -> ast.Constant:
        return ast.Constant(None, span)

    def list_(self, span: Span, *items: ast.Expr) -> ast.ListExpr:
        return ast.ListExpr(items, span)

    def tuple_(self, span: Span, *items: ast.Expr) -> ast.TupleExpr:
        return ast.TupleExpr(items, span)

    def paren(self, span: Span, inner: ast.Expr) -> ast.Paren:
        return ast.Paren(inner, span)

    def comprehension(self, span: Span, item: ast.Expr, *clauses: ast.Clause) -> ast.Comprehension:
        return ast.Comprehension(item, clauses, span)

    def clause(
        self, span: Span, targets: ast.Targets, iterable: ast.Expr, condition: ast.Expr | None
    ) -> ast.Clause:
        return ast.Clause(targets, iterable, condition, span)

    def hole(self, span: Span, value: ast.Expr) -> ast.Expr:
        return value
