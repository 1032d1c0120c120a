"""Which name of a text is which: where each is given, and where it is read.

Names are resolved from the text alone, as elaboration resolves them: a body is one scope, a brace
of a chain another one inside of it, and `if` and `for` statements open none.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Literal

from addnn_spec.source import Source, Span
from addnn_spec.syntax import ast
from addnn_spec.syntax.node import SyntaxNode
from addnn_spec.syntax.walk import children, targets_of

Kind = Literal[
    "import", "let", "fn", "block", "network", "parameter", "input", "size", "tensor", "output",
    "module", "weight", "loop", "flow", "label",
]  # fmt: skip


@dataclass(eq=False)
class NamedSymbol:
    """One name: the places that give it, and those that read it. `item` is the file's item that a
    name of the file is of, `body` the block, network or function that a local one is in."""

    name: str
    kind: Kind
    given: list[Span] = field(default_factory=list)
    read: list[Span] = field(default_factory=list)
    item: ast.Item | None = None
    body: ast.Item | None = None
    text: ast.Text | None = None
    """Of a label: as it is written."""
    subject: ast.Element | ast.Module | ast.Parameter | ast.Buffer | None = None
    """Of a label: what bears it."""

    @property
    def places(self) -> list[Span]:
        return sorted({*self.given, *self.read}, key=lambda span: span.start)


@dataclass(frozen=True, slots=True)
class ArgumentName:
    """The name of an argument, `padding` in `Conv2d(8, 3, padding = 1)`."""

    name: str
    span: Span
    callee: str


class _Scope:
    """Names of a body or a brace."""

    def __init__(self, around: _Scope | None = None) -> None:
        self.around = around
        self.names: dict[str, NamedSymbol] = {}

    def find(self, name: str) -> NamedSymbol | None:
        scope: _Scope | None = self
        while scope is not None:
            if name in scope.names:
                return scope.names[name]
            scope = scope.around
        return None


class NameTable:
    """All names of a file."""

    def __init__(self, tree: ast.File) -> None:
        self.symbols: list[NamedSymbol] = []
        self.arguments: list[ArgumentName] = []
        self.free: dict[Span, str] = {}
        """What is read and given nowhere in the file: operators, functions of the language."""
        self.imported: dict[Span, tuple[ast.Import, str]] = {}
        """The names that imports take of other files, where they are written."""
        self._source: Source = tree.span.source
        self._body: ast.Item | None = None
        self.top = _Scope()
        # All names first: a block may be used above its definition.
        for item in tree.items:
            self._declare(item)
        for item in tree.items:
            self._item(item)
        spans = [(span, symbol) for symbol in self.symbols for span in symbol.places]
        self._spans = sorted(spans, key=lambda entry: (entry[0].start, entry[0].end))
        self._starts = [span.start for span, _ in self._spans]

    def at(self, offset: int) -> tuple[NamedSymbol, Span] | None:
        """Return the name that is written at a character, or ends right before it."""
        index = bisect_right(self._starts, offset)
        for span, symbol in reversed(self._spans[max(index - 3, 0) : index]):
            if span.start <= offset <= span.end:
                return symbol, span
        return None

    def free_at(self, offset: int) -> tuple[str, Span] | None:
        """Return the name at a character that the file reads but does not give."""
        for span, name in self.free.items():
            if span.start <= offset <= span.end:
                return name, span
        return None

    def argument_at(self, offset: int) -> ArgumentName | None:
        """Return the argument's name that is written at a character."""
        for given in self.arguments:
            if given.span.start <= offset <= given.span.end:
                return given
        return None

    def visible(self, offset: int) -> list[NamedSymbol]:
        """Return the names that are given before a character in its body, and those of the file."""
        return [
            symbol
            for symbol in self.symbols
            if symbol.kind not in ("label", "flow")
            and (
                symbol.body is None
                or (
                    symbol.body.span.start <= offset <= symbol.body.span.end
                    and any(self._is_known(symbol, span, offset) for span in symbol.given)
                )
            )
        ]

    def _is_known(self, symbol: NamedSymbol, span: Span, offset: int) -> bool:
        """Return True if a name is given before a character; not by the statement in its line."""
        # `y = y` reads another y than it gives: a name counts from the next line on.
        if symbol.kind in ("let", "tensor", "output"):
            return "\n" in self._source.text[span.end : offset]
        return span.end < offset

    # --- giving and reading ---------------------------------------------------------------------
    def _part(self, start: int, length: int) -> Span:
        return Span(self._source, start, start + length)

    def _give(self, name: str, span: Span, kind: Kind, scope: _Scope) -> NamedSymbol:
        symbol = scope.names.get(name)
        if symbol is None or name == "_":
            symbol = NamedSymbol(name, kind, body=self._body)
            scope.names[name] = symbol
            self.symbols.append(symbol)
        if name != "_":
            symbol.given.append(span)
        return symbol

    def _read(self, name: str, span: Span, scope: _Scope) -> None:
        symbol = scope.find(name)
        if symbol is None:
            self.free[span] = name
        else:
            symbol.read.append(span)

    # --- items ----------------------------------------------------------------------------------
    def _declare(self, item: ast.Item) -> None:
        if isinstance(item, ast.Import):
            for each in item.names:
                self._import(item, each)
        elif isinstance(item, ast.Let):
            for target in targets_of(item.targets):
                self._give(target.name, target.span, "let", self.top).item = item
        else:
            kind: Kind = (
                "fn" if isinstance(item, ast.Fn)
                else "block" if isinstance(item, ast.Block) else "network"
            )  # fmt: skip
            self._give(item.name, item.name_span, kind, self.top).item = item

    def _import(self, item: ast.Import, each: ast.ImportName) -> None:
        name = self._part(each.span.start, len(each.name))
        self.imported[name] = item, each.name
        where = name
        if each.alias is not None:
            where = Span(self._source, each.span.end - len(each.alias), each.span.end)
        self._give(each.alias or each.name, where, "import", self.top).item = item

    def _item(self, item: ast.Item) -> None:
        self._body = item if isinstance(item, ast.Fn | ast.Block | ast.Network) else None
        if isinstance(item, ast.Let | ast.Alias):
            self._expr(item.value, self.top)
        elif isinstance(item, ast.Fn):
            scope = _Scope(self.top)
            self._params(item.params, "parameter", scope)
            self._expr(item.value, scope)
        elif isinstance(item, ast.Block | ast.Network):
            scope = _Scope(self.top)
            self._params(item.params, "parameter", scope)
            if isinstance(item, ast.Block):
                self._params(item.inputs or (), "input", scope)
                if item.inputs is None:
                    self._flow(scope)
            self._statements(item.body, scope)
        self._body = None

    def _params(self, params: Iterable[ast.Param], kind: Kind, scope: _Scope) -> None:
        for param in params:
            if param.default is not None:
                self._expr(param.default, scope)
            self._give(param.name, self._part(param.span.start, len(param.name)), kind, scope)

    def _flow(self, scope: _Scope) -> None:
        """Give the `x` that flows into a brace or a block."""
        scope.names["x"] = NamedSymbol("x", "flow", body=self._body)
        self.symbols.append(scope.names["x"])

    # --- bodies ---------------------------------------------------------------------------------
    def _statements(self, body: ast.Body, scope: _Scope) -> None:
        for item in body.items:
            if isinstance(item, ast.Element):
                self._element(item, scope)
            else:
                self._statement(item, scope)

    def _brace(self, body: ast.Body, around: _Scope) -> None:
        """Visit a brace of a chain: a scope of its own, where `x` is what flows in."""
        scope = _Scope(around)
        self._flow(scope)
        for item in body.items:
            if isinstance(item, ast.Element):
                self._element(item, scope)
            elif body.kind == "lone" and isinstance(item, ast.If | ast.For):
                self._core(item, scope)
            else:
                self._statement(item, scope)

    def _statement(self, statement: ast.Statement, scope: _Scope) -> None:
        match statement:
            case ast.Let():
                self._expr(statement.value, scope)
                self._targets(statement.targets, "let", scope)
            case ast.Bind():
                for value in statement.values:
                    self._expr(value, scope)
                self._targets(statement.targets, "tensor", scope)
            case ast.Typed():
                self._expr(statement.value, scope)
                self._nodes(statement.shape, scope)
                self._give(statement.target.name, statement.target.span, "tensor", scope)
            case ast.Input():
                self._input(statement, scope)
            case ast.Output():
                self._output(statement, scope)
            case ast.Module():
                self._element(statement.element, scope, statement)
                self._give(statement.target.name, statement.target.span, "module", scope)
            case ast.Parameter() | ast.Buffer():
                self._weight(statement, scope)
            case ast.If():
                self._if(statement, scope, self._statements)
            case ast.For():
                self._expr(statement.iterable, scope)
                self._targets(statement.targets, "loop", scope)
                self._statements(statement.body, scope)
            case _:
                self._nodes(statement, scope)

    def _input(self, statement: ast.Input, scope: _Scope) -> None:
        for dim in statement.shape.dims:
            if dim.default is not None:
                self._expr(dim.default, scope)
            # The first input that names a size gives it; a block's or function's name may be a
            # size, too.
            name = dim.value.name if isinstance(dim.value, ast.Name) else ""
            known = scope.find(name)
            if name and (known is None or known.kind in ("block", "network", "fn")):
                self._give(name, dim.value.span, "size", scope)
            else:
                self._expr(dim.value, scope)
        self._give(statement.target.name, statement.target.span, "input", scope)

    def _output(self, statement: ast.Output, scope: _Scope) -> None:
        if statement.shape is not None:
            self._nodes(statement.shape, scope)
        target = statement.target
        if statement.value is None:
            self._read(target.name, target.span, scope)
        else:
            self._expr(statement.value, scope)
            self._give(target.name, target.span, "output", scope)

    def _weight(self, statement: ast.Parameter | ast.Buffer, scope: _Scope) -> None:
        self._nodes(statement.shape, scope)
        if statement.value is not None:
            self._expr(statement.value, scope)
        if statement.target is not None:
            self._give(statement.target.name, statement.target.span, "weight", scope)
        if statement.target is not None or statement.quoted:
            self._label(statement.label, statement, scope)
        else:
            self._give(statement.label.span.text, statement.label.span, "weight", scope)

    def _targets(self, targets: ast.Targets, kind: Kind, scope: _Scope) -> None:
        for target in targets_of(targets):
            self._give(target.name, target.span, kind, scope)

    # --- elements -------------------------------------------------------------------------------
    def _label(
        self,
        text: ast.Text,
        subject: ast.Element | ast.Module | ast.Parameter | ast.Buffer,
        scope: _Scope,
    ) -> None:
        self._nodes(text, scope)
        name = text.span.text.strip('"')
        symbol = NamedSymbol(
            name, "label", [text.span], body=self._body, text=text, subject=subject
        )
        self.symbols.append(symbol)

    def _element(
        self, element: ast.Element, scope: _Scope, module: ast.Module | None = None
    ) -> None:
        if element.label is not None:
            self._label(element.label, module or element, scope)
        self._core(element.core, scope)

    def _core(self, core: ast.Core, scope: _Scope) -> None:
        match core:
            case ast.Layer():
                self._read(core.name, core.name_span, scope)
                self._arguments(core.name, core.args or (), scope)
                if core.body is not None:
                    self._brace(core.body, scope)
            case ast.Body():
                self._brace(core, scope)
            case ast.Repeat():
                self._expr(core.count, scope)
                inner = _Scope(scope)
                if core.index is not None:
                    self._give(core.index.name, core.index.span, "loop", inner)
                self._brace(core.body, inner)
            case ast.If():
                self._if(core, scope, self._brace)
            case ast.For():
                self._expr(core.iterable, scope)
                inner = _Scope(scope)
                self._targets(core.targets, "loop", inner)
                self._brace(core.body, inner)

    def _if(
        self, statement: ast.If, scope: _Scope, arm: Callable[[ast.Body, _Scope], None]
    ) -> None:
        chosen: ast.If | ast.Body | None = statement
        while isinstance(chosen, ast.If):
            self._expr(chosen.condition, scope)
            arm(chosen.then, scope)
            chosen = chosen.otherwise
        if chosen is not None:
            arm(chosen, scope)

    def _arguments(self, callee: str, args: Iterable[ast.Argument], scope: _Scope) -> None:
        for arg in args:
            if arg.name is not None:
                span = self._part(arg.span.start, len(arg.name))
                self.arguments.append(ArgumentName(arg.name, span, callee))
            self._expr(arg.value, scope)

    # --- expressions ----------------------------------------------------------------------------
    def _expr(self, expr: SyntaxNode, scope: _Scope) -> None:
        match expr:
            case ast.Name():
                self._read(expr.name, expr.span, scope)
            case ast.Chain():
                self._expr(expr.head, scope)
                for element in expr.elements:
                    self._element(element, scope)
            case ast.Call():
                self._expr(expr.callee, scope)
                callee = expr.callee.name if isinstance(expr.callee, ast.Name) else ""
                self._arguments(callee, expr.args or (), scope)
                if expr.body is not None:
                    self._brace(expr.body, scope)
            case ast.Comprehension():
                inner = scope
                for clause in expr.clauses:
                    self._expr(clause.iterable, inner)
                    inner = _Scope(inner)
                    self._targets(clause.targets, "loop", inner)
                    if clause.condition is not None:
                        self._expr(clause.condition, inner)
                self._expr(expr.item, inner)
            case _:
                self._nodes(expr, scope)

    def _nodes(self, node: object, scope: _Scope) -> None:
        """Visit the children of a node that gives no names of its own."""
        for child in reversed(children(node)):
            if isinstance(child, tuple | ast.Slice | ast.Dim):
                self._nodes(child, scope)
            elif isinstance(child, SyntaxNode):
                self._expr(child, scope)
