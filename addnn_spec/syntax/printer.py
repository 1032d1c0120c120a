"""The canonical layout of a spec: what `addnn fmt` writes.

The tree decides all but three things, which are the writer's: where a chain that takes several
lines is broken, whether braces that would fit in one line are opened, and single empty lines.
Comments stay at what they stand at. Printing and parsing again gives the same tree.
"""

from __future__ import annotations

from addnn_spec.deep_recursion import deep_recursion
from addnn_spec.diagnostics import Collector
from addnn_spec.source import Source
from addnn_spec.syntax import ast
from addnn_spec.syntax.layout import (
    HARD,
    SOFT,
    SPACE,
    Doc,
    IfBroken,
    LineBreak,
    concat,
    fill,
    group,
    indent,
    join,
    render,
)
from addnn_spec.syntax.parser import parse
from addnn_spec.syntax.print_expressions import ExpressionPrinter

WIDTH = 100
_BLANK = LineBreak(hard=True, blank=True)


def format_source(source: Source) -> str:
    """Return the text in canonical layout; raises `DiagnosticError` if it has syntax errors."""
    collector = Collector()
    with deep_recursion():
        file = parse(source, collector)
        collector.raise_errors()
        return format_file(file)


def format_file(file: ast.File) -> str:
    """Return a tree as text, in canonical layout."""
    text = render(_Printer(file).file(file), WIDTH)
    return f"{text}\n" if text else ""


class _Printer(ExpressionPrinter):
    """Items, bodies and statements."""

    def file(self, file: ast.File) -> Doc:
        docs: list[Doc] = []
        previous: ast.Item | None = None
        for item in file.items:
            apart = _has_body(item) or (previous is not None and _has_body(previous))
            docs += self._row(item, first=previous is None, apart=apart)
            previous = item
        return concat(*docs, *self._tail(file, first=previous is None))

    def _row(self, node: ast.Item | ast.Statement, first: bool, apart: bool = False) -> list[Doc]:
        """Return a statement or item, on a new line, after its comments; `apart`: after an empty
        line."""
        docs: list[Doc] = []
        for part in (*self._comments.leading.get(id(node), ()), node):
            blank = (apart and not docs) or self.blank_before(part)
            if docs or not first:
                docs.append(_BLANK if blank else HARD)
            docs.append(
                part.text.rstrip()
                if isinstance(part, ast.Comment)
                else self.unit(part, self.doc(part))
            )
        return docs

    def _tail(self, node: ast.File | ast.Body, first: bool) -> list[Doc]:
        """Return the comments before the end."""
        docs: list[Doc] = []
        for comment in self._comments.closing.get(id(node), ()):
            if docs or not first:
                docs.append(_BLANK if self.blank_before(comment) else HARD)
            docs.append(comment.text.rstrip())
        return docs

    # -------------------------------------------------------------------------------------- bodies

    def body(self, body: ast.Body) -> Doc:
        opened = self._suffixes(self._comments.opening, body)
        tail = self._tail(body, first=not body.items)
        if not body.items and not opened and not tail:
            return "{}"
        rows: list[Doc] = []
        if body.kind == "chain":
            first = self.before(body.items[0])
            rows = [*first, self.links(body.items, 0)]
        else:
            for statement in body.items:
                rows += self._row(statement, first=statement is body.items[0])  # type: ignore[arg-type]
        line = HARD if self._opens(body) else SPACE
        return group("{", *opened, indent(line, *rows, *tail), line, "}", brace=True)

    def _opens(self, body: ast.Body) -> bool:
        """Return True if the writer began a new line after the `{`."""
        if not body.items:
            return True
        start = body.span.start
        first = body.items[0].span.start
        return "\n" in self._source[start:first] or (
            body.kind == "statements" and len(body.items) > 1
        )

    # ---------------------------------------------------------------------------------- statements

    def _let(self, node: ast.Let) -> Doc:
        return concat("let ", self.doc(node.targets), " = ", self.doc(node.value))

    def _bind(self, node: ast.Bind) -> Doc:
        return concat(self.doc(node.targets), " = ", self._values(node.values))

    def _values(self, values: tuple[ast.Expr, ...]) -> Doc:
        """Lay out `a, b -> c`, broken after commas."""
        if len(values) == 1:
            return self.doc(values[0])
        docs = [concat(self.doc(v), "" if v is values[-1] else ",") for v in values]
        return fill(docs[0], [(SPACE, doc) for doc in docs[1:]])

    def _typed(self, node: ast.Typed) -> Doc:
        return concat(f"{node.target.name}: ", self.doc(node.shape), " = ", self.doc(node.value))

    def _return(self, node: ast.Return) -> Doc:
        return concat("return ", self._values(node.values))

    def _input(self, node: ast.Input) -> Doc:
        return concat(
            f"input {node.target.name}: {node.dtype}", self.doc(node.shape), _when(node.training)
        )

    def _output(self, node: ast.Output) -> Doc:
        shape: list[Doc] = [": ", self.doc(node.shape)] if node.shape else []
        value: list[Doc] = [" = ", self.doc(node.value)] if node.value else []
        return concat(f"output {node.target.name}", *shape, *value, _when(node.training))

    def _module(self, node: ast.Module) -> Doc:
        return concat(f"module {node.target.name} = ", self.doc(node.element))

    def _parameter(self, node: ast.Parameter) -> Doc:
        value: list[Doc] = [" = ", self.doc(node.value)] if node.value else []
        return concat(f"parameter {self._key(node)}: ", self.doc(node.shape), *value)

    def _buffer(self, node: ast.Buffer) -> Doc:
        head = f"buffer {self._key(node)}: {node.dtype}"
        return concat(head, self.doc(node.shape), " = ", self.doc(node.value))

    def _key(self, node: ast.Parameter | ast.Buffer) -> str:
        label = self.label(node.label, node.quoted)
        return label if node.target is None else f"{node.target.name} = {label}"

    def _assert(self, node: ast.Assert) -> Doc:
        message = f", {self.string(node.message)}" if node.message else ""
        return concat("assert ", self.doc(node.condition), message)

    # --------------------------------------------------------------------------------------- items

    def _import(self, node: ast.Import) -> Doc:
        names = [f"{n.name} as {n.alias}" if n.alias else n.name for n in node.names]
        docs: list[Doc] = [*(f"{name}," for name in names[:-1]), names[-1]]
        head = concat(f'from "{node.path}" import ', docs[0])
        return fill(head, [(SPACE, doc) for doc in docs[1:]])

    def _fn(self, node: ast.Fn) -> Doc:
        return concat(f"fn {node.name}", self._params(node.params), " = ", self.doc(node.value))

    def _block(self, node: ast.Block) -> Doc:
        named = node.inputs is not None
        params = [self._params(node.params)] if node.params or named else []
        inputs = [self._params(node.inputs)] if node.inputs is not None else []
        return concat(f"block {node.name}", *params, *inputs, " ", self.body(node.body))

    def _network(self, node: ast.Network) -> Doc:
        params = [self._params(node.params)] if node.params else []
        return concat(f"network {node.name}", *params, " ", self.body(node.body))

    def _alias(self, node: ast.Alias) -> Doc:
        return concat(f"network {node.name} = ", self.doc(node.value))

    def _params(self, params: tuple[ast.Param, ...]) -> Doc:
        if not params:
            return "()"
        docs = [self._part(p, IfBroken(",") if p is params[-1] else ",") for p in params]
        return group("(", indent(SOFT, *join((SPACE,), docs)), SOFT, ")")

    def _param(self, node: ast.Param) -> Doc:
        return (
            node.name if node.default is None else concat(node.name, " = ", self.doc(node.default))
        )


def _has_body(item: ast.Item) -> bool:
    return isinstance(item, ast.Block | ast.Network)


def _when(training: bool) -> str:
    return " when training" if training else ""
