"""Random syntax trees, such as the parser makes them: with parentheses where they are needed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

from addnn_spec.source import Source, Span
from addnn_spec.syntax import ast
from addnn_spec.syntax.parse_table import load_table

NOWHERE = Span(Source("tree.net", ""), 0, 0)
_WORDS = ["x", "y", "width", "Conv2d", "ReLU", "_", "a_1", "int", "training", "LayerNorm"]
_TEXTS = ["", "a", ".b", "layer", "{", "}", "{{x}}", "#", "é", "-> ", "0"]
_NUMBERS = ["0", "7", "64", "123456789012345678", "0.5", "1e-6", "12.25", "1E5", "0.0", "2.5e+3"]
_BINARY = ["+", "*", "/", "//", "%", "@", "==", "<=", ">", "in", "not in", "and", "or"]
_LONG = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,30}", fullmatch=True).filter(
    lambda name: name not in load_table().keywords
)

_names = st.sampled_from(_WORDS) | _LONG
_texts = st.sampled_from(_TEXTS)
_numbers = st.sampled_from(_NUMBERS)
_dtypes = st.sampled_from(["float", "int", "bool"])
_booleans = st.booleans()


@st.composite
def files(draw: st.DrawFn) -> ast.File:
    """A whole file."""
    tree = _Tree(draw)
    return ast.File(tree.some(tree.item, 0), (), NOWHERE)


class _Tree:
    """Draws nodes. `left` is how much deeper they may still nest."""

    def __init__(self, draw: Any) -> None:
        self._draw = draw
        self._left = 7

    def some(self, make: Callable[[], Any], low: int = 1, high: int = 3) -> tuple[Any, ...]:
        return tuple(make() for _ in range(self._draw(st.integers(low, high))))

    def maybe(self, make: Callable[[], Any]) -> Any:
        return make() if self._draw(_booleans) else None

    def one(self, *makers: Callable[[], Any]) -> Any:
        """One of the nodes, one level deeper; the first where that is too deep."""
        if self._left == 0:
            return makers[0]()
        self._left -= 1
        made = makers[self._draw(st.integers(0, len(makers) - 1))]()
        self._left += 1
        return made

    # --------------------------------------------------------------------------------- expressions

    def word(self) -> str:
        return str(self._draw(_names))

    def name(self) -> ast.Name:
        return ast.Name(self.word(), NOWHERE)

    def number(self) -> ast.Number:
        text = self._draw(_numbers)
        return ast.Number(int(text) if text.isdigit() else float(text), text, NOWHERE)

    def constant(self) -> ast.Constant:
        return ast.Constant(self._draw(st.sampled_from([True, False, None])), NOWHERE)

    def text(self) -> ast.Text:
        """With holes; no two pieces of text side by side, none empty."""
        parts: list[Any] = []
        for part in self.some(lambda: self._draw(_texts) or self._hole(), 0, 4):
            if isinstance(part, str) and parts and isinstance(parts[-1], str):
                parts[-1] += part
            else:
                parts.append(part)
        return ast.Text(tuple(parts), NOWHERE)

    def _hole(self) -> ast.Expr:
        left, right = self.name(), self.number()
        argument = ast.Argument(None, right, NOWHERE)
        calls = ast.Call(left, (argument,), None, NOWHERE)
        binary = ast.Binary("+", left, right, NOWHERE, NOWHERE)
        return self._draw(st.sampled_from([left, right, calls, binary]))  # type: ignore[no-any-return]

    def chain(self) -> Any:
        """Anything that may stand where a value or a tensor is wanted."""
        return self.one(
            self.name, self.number, self.constant, self.text, self._arrows, self._arrows,
            self._braced, self._list, self._tuple, self._parenthesised, self._comprehension,
            self._attribute, self._subscript, self._call, self._unary, self._binary, self._power,
            self._sum, self._conditional,
        )  # fmt: skip

    def expr(self) -> Any:
        """No chain, and no layer with braces, without parentheses."""
        value = self.chain()
        braced = isinstance(value, ast.Call) and value.body is not None
        return ast.Paren(value, NOWHERE) if braced or isinstance(value, ast.Chain) else value

    def tight(self) -> Any:
        """No operators without parentheses."""
        value = self.expr()
        loose = isinstance(value, ast.Conditional | ast.Binary | ast.Unary)
        return ast.Paren(value, NOWHERE) if loose else value

    def args(self) -> tuple[ast.Argument, ...]:
        return self.some(lambda: ast.Argument(self.maybe(self.word), self.chain(), NOWHERE), 0)

    def _arrows(self) -> Any:
        head = self.chain()
        head = ast.Paren(head, NOWHERE) if isinstance(head, ast.Chain) else head
        return ast.Chain(head, self.some(self.element), NOWHERE)

    def _braced(self) -> Any:
        callee = self.tight()
        args = self.args() if not isinstance(callee, ast.Name) else self.maybe(self.args)
        return ast.Call(callee, args, self.body(), NOWHERE)

    def _list(self) -> Any:
        return ast.ListExpr(self.some(self.chain, 0), NOWHERE)

    def _tuple(self) -> Any:
        return ast.TupleExpr(self.some(self.chain), NOWHERE)

    def _parenthesised(self) -> Any:
        return ast.Paren(self.chain(), NOWHERE)

    def _comprehension(self) -> Any:
        return ast.Comprehension(self.chain(), self.some(self._clause, 1, 2), NOWHERE)

    def _clause(self) -> ast.Clause:
        return ast.Clause(self.targets(), self._iterable(), self.maybe(self.expr), NOWHERE)

    def _iterable(self) -> Any:
        return self.one(self.expr, lambda: ast.Range(self.expr(), self.expr(), NOWHERE))

    def _attribute(self) -> Any:
        return ast.Attribute(self.tight(), self.word(), NOWHERE, NOWHERE)

    def _subscript(self) -> Any:
        def slices() -> Any:
            start, stop, step = (self.maybe(self.expr) for _ in range(3))
            return ast.Slice(start, stop, step, NOWHERE)

        return ast.Subscript(self.tight(), self.some(lambda: self.one(self.expr, slices)), NOWHERE)

    def _call(self) -> Any:
        return ast.Call(self.tight(), self.args(), None, NOWHERE)

    def _unary(self) -> Any:
        return ast.Unary("-" if self._draw(_booleans) else "not", self.tight(), NOWHERE)

    def _binary(self) -> Any:
        op = self._draw(st.sampled_from(_BINARY))
        return ast.Binary(op, self.tight(), self.tight(), NOWHERE, NOWHERE)

    def _power(self) -> Any:
        return ast.Binary("**", self.tight(), self.tight(), NOWHERE, NOWHERE)

    def _sum(self) -> Any:
        first, *others = self.some(self.tight, 2, 5)
        for i, value in enumerate(others):
            first = ast.Binary("-" if i % 2 else "+", first, value, NOWHERE, NOWHERE)
        return first

    def _conditional(self) -> Any:
        return ast.Conditional(self.expr(), self.expr(), self.expr(), NOWHERE)

    def target(self) -> ast.Target:
        return ast.Target(self.word(), NOWHERE)

    def targets(self) -> ast.Targets:
        return ast.Targets(self.some(lambda: self.one(self.target, self.targets)), NOWHERE)

    def flat_targets(self) -> ast.Targets:
        return ast.Targets(self.some(self.target), NOWHERE)

    # -------------------------------------------------------------------------- elements and bodies

    def element(self) -> ast.Element:
        label, quoted = self.label() if self._draw(_booleans) else (None, False)
        core = self.one(self._layer, self._layer, self.body, self._repeat, self._if, self._for)
        return ast.Element(label, core, NOWHERE, quoted)

    def label(self) -> tuple[ast.Text, bool]:
        if self._draw(_booleans):
            return self.text(), True
        return ast.Text((self.word(),), NOWHERE), False

    def _layer(self) -> ast.Layer:
        args, body = (self.maybe(self.args), self.maybe(self.body)) if self._left else (None, None)
        return ast.Layer(self.word(), args, body, NOWHERE, NOWHERE)

    def _repeat(self) -> ast.Repeat:
        return ast.Repeat(self.expr(), self.maybe(self.target), self.body(), NOWHERE)

    def _if(self) -> ast.If:
        otherwise = self.one(self.body, lambda: None, self._if)
        return ast.If(self.expr(), self.body(), otherwise, NOWHERE)

    def _for(self) -> ast.For:
        return ast.For(self.targets(), self._iterable(), self.body(), NOWHERE)

    def body(self) -> ast.Body:
        empty = ast.Body("empty", (), NOWHERE)
        return self.one(lambda: empty, self._chain_body, self._statement_body)  # type: ignore[no-any-return]

    def _chain_body(self) -> ast.Body:
        items = self.some(self.element)
        if (
            len(items) == 1
            and items[0].label is None
            and isinstance(items[0].core, ast.If | ast.For)
        ):
            return ast.Body("lone", (items[0].core,), NOWHERE)
        return ast.Body("chain", items, NOWHERE)

    def _statement_body(self) -> ast.Body:
        items = self.some(self._statement)
        lone = len(items) == 1 and isinstance(items[0], ast.If | ast.For)
        return ast.Body("lone" if lone else "statements", items, NOWHERE)

    # ------------------------------------------------------------------------- statements and items

    def _statement(self) -> Any:
        return self.one(
            self._return, self._let, self._bind, self._typed, self._input, self._output,
            self._module, self._parameter, self._buffer, self._assert, self._if, self._for,
        )  # fmt: skip

    def _let(self) -> Any:
        return ast.Let(self.targets(), self.chain(), NOWHERE)

    def _bind(self) -> Any:
        return ast.Bind(self.flat_targets(), self.some(self.chain), NOWHERE)

    def _typed(self) -> Any:
        return ast.Typed(self.target(), self.shape(), self.chain(), NOWHERE)

    def _return(self) -> Any:
        return ast.Return(self.some(self.chain), NOWHERE)

    def _input(self) -> Any:
        dtype, training = self._draw(_dtypes), self._draw(_booleans)
        return ast.Input(self.target(), dtype, self.shape(), training, NOWHERE)

    def _output(self) -> Any:
        shape, value = self.maybe(self.shape), self.maybe(self.chain)
        return ast.Output(self.target(), shape, value, self._draw(_booleans), NOWHERE)

    def _module(self) -> Any:
        return ast.Module(self.target(), self.element(), NOWHERE)

    def _parameter(self) -> Any:
        label, quoted = self.label()
        target = self.maybe(self.target) if quoted else None
        return ast.Parameter(target, label, self.shape(), self.maybe(self.chain), NOWHERE, quoted)

    def _buffer(self) -> Any:
        label, quoted = self.label()
        target = self.maybe(self.target) if quoted else None
        dtype = self._draw(_dtypes)
        return ast.Buffer(target, label, dtype, self.shape(), self.chain(), NOWHERE, quoted)

    def _assert(self) -> Any:
        return ast.Assert(self.expr(), self.maybe(self.text), NOWHERE)

    def shape(self) -> ast.Shape:
        def symbolic() -> Any:
            return ast.Dim(self.name(), self.expr(), NOWHERE)

        def plain() -> Any:
            return ast.Dim(self.expr(), None, NOWHERE)

        return ast.Shape(self.some(lambda: self.one(plain, symbolic), 0), NOWHERE)

    def params(self) -> tuple[ast.Param, ...]:
        return self.some(lambda: ast.Param(self.word(), self.maybe(self.expr), NOWHERE), 0)

    def item(self) -> Any:
        return self.one(
            self._import, self._let, self._fn, self._block, self._block, self._network, self._alias
        )

    def _import(self) -> Any:
        def one() -> ast.ImportName:
            return ast.ImportName(self.word(), self.maybe(self.word), NOWHERE)

        return ast.Import(self._draw(_texts), self.some(one), NOWHERE, NOWHERE)

    def _fn(self) -> Any:
        return ast.Fn(self.word(), self.params(), self.expr(), NOWHERE, NOWHERE)

    def _block(self) -> Any:
        inputs = self.maybe(self.params)
        return ast.Block(self.word(), self.params(), inputs, self.body(), NOWHERE, NOWHERE)

    def _network(self) -> Any:
        return ast.Network(self.word(), self.params(), self.body(), NOWHERE, NOWHERE)

    def _alias(self) -> Any:
        return ast.Alias(self.word(), self.expr(), NOWHERE, NOWHERE)
