"""The layout of expressions, chains and elements; of statements and items, see `printer`."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from itertools import pairwise
from math import inf

from addnn_spec.syntax import ast
from addnn_spec.syntax.comments import Comments
from addnn_spec.syntax.layout import (
    HARD,
    INDENT,
    SOFT,
    SPACE,
    Doc,
    IfBroken,
    LineBreak,
    Suffix,
    breaks,
    concat,
    fill,
    group,
    indent,
    join,
    render,
)
from addnn_spec.syntax.node import SyntaxNode

_BLANK = re.compile(r"\n[ \t]*\n[ \t]*\Z")
_PRECEDENCE = {
    "or": 1, "and": 2, "+": 4, "-": 4, "*": 5, "/": 5, "//": 5, "%": 5, "@": 5,
}  # fmt: skip


class ExpressionPrinter(ABC):
    """Makes documents of expressions. A method's name is its node's, in lower case."""

    def __init__(self, file: ast.File) -> None:
        self._comments = Comments(file)
        self._source = file.span.source.text

    def doc(self, node: SyntaxNode) -> Doc:
        """Return the document of a node."""
        return getattr(self, f"_{type(node).__name__.lower()}")(node)  # type: ignore[no-any-return]

    @abstractmethod
    def body(self, body: ast.Body) -> Doc:
        """Lay out braces and what stands in them."""

    # ------------------------------------------------------------------------- comments and places

    def unit(self, node: SyntaxNode, doc: Doc) -> Doc:
        """Return a part of a container, with the comment at the end of its line."""
        return concat(doc, *self._suffixes(self._comments.trailing, node))

    def before(self, node: SyntaxNode) -> list[Doc]:
        """Return the comments in lines of their own before a part."""
        return [
            part for c in self._comments.leading.get(id(node), ()) for part in (_shown(c), HARD)
        ]

    def _suffixes(self, comments: dict[int, list[ast.Comment]], node: SyntaxNode) -> list[Doc]:
        return [Suffix(_shown(comment)) for comment in comments.get(id(node), ())]

    def _closing(self, node: SyntaxNode) -> list[Doc]:
        comments = self._comments.closing.get(id(node), ())
        return [part for c in comments for part in (HARD, _shown(c))]

    def breaks_before(self, previous: SyntaxNode, node: SyntaxNode) -> bool:
        """Return True if the writer began a new line between two parts."""
        return "\n" in self._source[previous.span.end : node.span.start]

    def blank_before(self, node: SyntaxNode) -> bool:
        """Return True if the writer left an empty line before a part or a comment."""
        start = node.span.start
        return _BLANK.search(self._source, max(start - 200, 0), start) is not None

    # ------------------------------------------------------------------------------------ brackets

    def _bracketed(
        self, opening: str, parts: Sequence[SyntaxNode], closing: str, node: SyntaxNode
    ) -> Doc:
        """Lay out `(a, b)`: in one line, or a part a line with a comma after the last."""
        # A comment before the closing bracket keeps the brackets open.
        ending = self._closing(node)
        opened = self._suffixes(self._comments.opening, node)
        if not parts and not ending and not opened:
            return f"{opening}{closing}"
        if len(parts) == 1 and not ending and not opened and self._hugs(parts[0]):
            return concat(opening, self.doc(parts[0]), closing)
        # `(a,)` without its comma would be `(a)`.
        one_tuple = isinstance(node, ast.TupleExpr) and len(parts) == 1
        last: Doc = "," if one_tuple else IfBroken(",")
        docs = [self._part(part, last if part is parts[-1] else ",") for part in parts]
        filled = parts and all(map(_is_plain, parts))
        inner = _filled(docs) if filled else concat(*join((SPACE,), docs))
        head = [SOFT, inner] if parts else []
        return group(opening, *opened, indent(*head, *ending), SOFT, closing)

    def _hugs(self, part: SyntaxNode) -> bool:
        """Return True if an only argument is a list: it opens and closes with the parentheses."""
        if not isinstance(part, ast.Argument) or part.name is not None:
            return False
        comments = id(part) in self._comments.leading or id(part) in self._comments.trailing
        return isinstance(part.value, ast.ListExpr | ast.Comprehension) and not comments

    def _part(self, part: SyntaxNode, separator: Doc) -> Doc:
        trailing = self._suffixes(self._comments.trailing, part)
        return concat(*self.before(part), self.doc(part), separator, *trailing)

    def arguments(self, node: ast.Call | ast.Layer) -> list[Doc]:
        """Lay out the parentheses and braces after a callee, as far as they were written."""
        docs: list[Doc] = []
        if node.args is not None:
            docs.append(self._bracketed("(", node.args, ")", node))
        if node.body is not None:
            docs += [" ", self.body(node.body)]
        return docs

    # ------------------------------------------------------------------------------------- strings

    def string(self, text: ast.Text) -> str:
        """Return a string literal, its braces doubled."""
        braces = {ord("{"): "{{", ord("}"): "}}"}
        return f'"{self._content(text, braces)}"'

    def label(self, text: ast.Text, quoted: bool) -> str:
        """Return a label, with quotes if it was written so."""
        return self.string(text) if quoted else self._content(text, {})

    def _content(self, text: ast.Text, replaced: dict[int, str]) -> str:
        return "".join(
            part.translate(replaced)
            if isinstance(part, str)
            else f"{{{render(self.doc(part), inf)}}}"
            for part in text.parts
        )

    # --------------------------------------------------------------------------------- expressions

    def _name(self, node: ast.Name) -> Doc:
        return node.name

    def _number(self, node: ast.Number) -> Doc:
        return node.text

    def _text(self, node: ast.Text) -> Doc:
        return self.string(node)

    def _constant(self, node: ast.Constant) -> Doc:
        return {True: "true", False: "false", None: "none"}[node.value]

    def _listexpr(self, node: ast.ListExpr) -> Doc:
        return self._bracketed("[", node.items, "]", node)

    def _tupleexpr(self, node: ast.TupleExpr) -> Doc:
        return self._bracketed("(", node.items, ")", node)

    def _paren(self, node: ast.Paren) -> Doc:
        inner = node.inner
        if isinstance(inner, ast.Chain):
            doc = self.links((inner.head, *inner.elements), 0)
        else:
            doc = self.doc(inner)
        return group("(", indent(SOFT, doc), SOFT, ")")

    def _comprehension(self, node: ast.Comprehension) -> Doc:
        parts = [node.item, *node.clauses]
        docs = [
            concat(
                *self.before(part),
                self.doc(part),
                *self._suffixes(self._comments.trailing, part),
            )
            for part in parts
        ]
        return group("[", indent(SOFT, *join((SPACE,), docs), *self._closing(node)), SOFT, "]")

    def _clause(self, node: ast.Clause) -> Doc:
        head = concat("for ", self.doc(node.targets), " in ", self.doc(node.iterable))
        if node.condition is None:
            return head
        return concat(head, " if ", self.doc(node.condition))

    def _range(self, node: ast.Range) -> Doc:
        return concat(self.doc(node.start), "..", self.doc(node.stop))

    def _attribute(self, node: ast.Attribute) -> Doc:
        return self._postfix(node)

    def _subscript(self, node: ast.Subscript) -> Doc:
        return self._postfix(node)

    def _call(self, node: ast.Call) -> Doc:
        return self._postfix(node)

    def _postfix(self, node: ast.Expr) -> Doc:
        """Lay out `a.b(c)[d]`: from the outside in, in a loop, for it may be long."""
        docs: list[Doc] = []
        while True:
            match node:
                case ast.Attribute():
                    docs.append(f".{node.name}")
                    node = node.value
                case ast.Subscript():
                    items = join((", ",), map(self.doc, node.items))
                    docs.append(concat("[", *items, "]"))
                    node = node.value
                case ast.Call():
                    docs += reversed(self.arguments(node))
                    node = node.callee
                case _:
                    return concat(self.doc(node), *reversed(docs))

    def _slice(self, node: ast.Slice) -> Doc:
        start, stop, step = (
            self.doc(part) if part else "" for part in (node.start, node.stop, node.step)
        )
        return concat(start, ":", stop, ":" if step else "", step)

    def _argument(self, node: ast.Argument) -> Doc:
        value = self.doc(node.value)
        return concat(f"{node.name} = ", value) if node.name else value

    def _unary(self, node: ast.Unary) -> Doc:
        return concat("not " if node.op == "not" else "-", self.doc(node.value))

    def _binary(self, node: ast.Binary) -> Doc:
        """Lay out operators of one level in a row, broken before any of them; in a loop, for they
        may be many."""
        level = _PRECEDENCE.get(node.op)
        links: list[tuple[LineBreak, Doc]] = []
        left: ast.Expr = node
        while isinstance(left, ast.Binary) and (
            left is node or (level is not None and _PRECEDENCE.get(left.op) == level)
        ):
            links.append((SPACE, concat(f"{left.op} ", self.doc(left.right))))
            left = left.left
        return fill(self.doc(left), reversed(links))

    def _conditional(self, node: ast.Conditional) -> Doc:
        then = concat("then ", self.doc(node.then))
        otherwise = concat("else ", self.doc(node.otherwise))
        return fill(concat("if ", self.doc(node.condition)), [(SPACE, then), (SPACE, otherwise)])

    def _targets(self, node: ast.Targets) -> Doc:
        return concat(*join((", ",), (self._one_target(item) for item in node.items)))

    def _one_target(self, item: ast.Target | ast.Targets) -> Doc:
        return item.name if isinstance(item, ast.Target) else concat("(", self.doc(item), ")")

    def _shape(self, node: ast.Shape) -> Doc:
        return self._bracketed("[", node.dims, "]", node)

    def _dim(self, node: ast.Dim) -> Doc:
        value = self.doc(node.value)
        return value if node.default is None else concat(value, " = ", self.doc(node.default))

    # -------------------------------------------------------------------------------------- chains

    def _chain(self, node: ast.Chain) -> Doc:
        return self.links((node.head, *node.elements))

    def links(self, parts: tuple[SyntaxNode, ...], further: int = INDENT) -> Doc:
        """Lay out `a -> b -> c`: broken where the writer broke it, and where it does not fit."""
        head, *elements = parts
        rest: list[tuple[LineBreak, Doc]] = []
        previous = head
        for element in elements:
            leading = self.before(element)
            must = bool(leading) or id(previous) in self._comments.trailing
            line = HARD if must or self.breaks_before(previous, element) else SPACE
            rest.append((line, self.unit(element, concat(*leading, "-> ", self.doc(element)))))
            previous = element
        return fill(self.unit(head, self.doc(head)), rest, further)

    def _element(self, node: ast.Element) -> Doc:
        core = self.doc(node.core)
        if node.label is None:
            return core
        return concat(f"{self.label(node.label, node.quoted)}: ", core)

    def _layer(self, node: ast.Layer) -> Doc:
        return concat(node.name, *self.arguments(node))

    def _body(self, node: ast.Body) -> Doc:
        return self.body(node)

    def _repeat(self, node: ast.Repeat) -> Doc:
        index = f" as {node.index.name}" if node.index else ""
        return concat("repeat ", self.doc(node.count), f"{index} ", self.body(node.body))

    def _if(self, node: ast.If) -> Doc:
        docs: list[Doc] = []
        arm: ast.Body | ast.If | None = node
        while isinstance(arm, ast.If):
            docs += ["if ", self.doc(arm.condition), " ", self.body(arm.then)]
            arm = arm.otherwise
            docs += [" else "] if arm is not None else []
        if arm is not None:
            docs.append(self.body(arm))
        return concat(*docs)

    def _for(self, node: ast.For) -> Doc:
        head = concat("for ", self.doc(node.targets), " in ", self.doc(node.iterable), " ")
        return concat(head, self.body(node.body))


def _shown(comment: ast.Comment) -> str:
    return comment.text.rstrip()


def _is_plain(part: SyntaxNode) -> bool:
    """Return a short value, of which several stand well in one line: a number, or a list of
    them."""
    while isinstance(part, ast.Unary):
        part = part.value
    if isinstance(part, ast.ListExpr | ast.TupleExpr):
        return all(isinstance(item, ast.Number | ast.Constant | ast.Unary) for item in part.items)
    return isinstance(part, ast.Number | ast.Constant)


def _filled(docs: Sequence[Doc]) -> Doc:
    pairs = pairwise(docs)
    rest = [(HARD if breaks(a) or breaks(b) else SPACE, b) for a, b in pairs]
    return fill(docs[0], rest, 0)
