"""Finds for each comment the part of the tree that it belongs to, to be printed there."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator
from typing import NamedTuple

from addnn_spec.syntax import ast
from addnn_spec.syntax.node import SyntaxNode

# Between a part and a comment that trails it: nothing but separators.
_TRAILS = re.compile(r"[ \t,]*(?:->)?[ \t]*")
_CONTAINERS = (
    ast.File, ast.Body, ast.Chain, ast.ListExpr, ast.TupleExpr, ast.Comprehension,
    ast.Shape, ast.Call, ast.Layer,
)  # fmt: skip


class _Parts(NamedTuple):
    """A node's nodes, or a container's parts, in the order of the text."""

    nodes: tuple[SyntaxNode, ...]
    starts: list[int]

    def around(self, offset: int) -> tuple[SyntaxNode | None, SyntaxNode | None]:
        """Return the last node that starts at or before an offset, and the first that starts after
        it."""
        index = bisect_right(self.starts, offset)
        before = self.nodes[index - 1] if index else None
        return before, self.nodes[index] if index < len(self.nodes) else None


class Comments:
    """Comments by the identity of what they stand at.

    `leading`: in lines of their own before a part. `trailing`: at the end of a part's line.
    `opening`: after the bracket that opens a container. `closing`: in lines of their own before it
    closes.
    """

    def __init__(self, file: ast.File) -> None:
        self.leading: dict[int, list[ast.Comment]] = defaultdict(list)
        self.trailing: dict[int, list[ast.Comment]] = defaultdict(list)
        self.opening: dict[int, list[ast.Comment]] = defaultdict(list)
        self.closing: dict[int, list[ast.Comment]] = defaultdict(list)
        self._parts: dict[tuple[int, bool], _Parts] = {}
        self._text = file.span.source.text
        for comment in file.comments:
            self._attach(file, comment)

    def _attach(self, file: ast.File, comment: ast.Comment) -> None:
        node, unit = self._enclosing(file, comment)
        before, after = self._of(node, inner=False).around(comment.span.start)
        own_line = self._is_own_line(comment)
        if before is not None and not own_line and self._trails(before, comment):
            self.trailing[id(before)].append(comment)
        elif after is not None and (own_line or before is None):
            # `{  # so`: it stands in the line of the bracket, and so is the bracket's.
            opens = isinstance(node, ast.Body | ast.ListExpr | ast.TupleExpr) and not own_line
            (self.opening if opens else self.leading)[id(node if opens else after)].append(comment)
        elif after is None and self._closes(node, before):
            opens = before is None and not own_line
            (self.opening if opens else self.closing)[id(node)].append(comment)
        else:
            self.leading[id(unit if after is None else after)].append(comment)

    def _enclosing(self, file: ast.File, comment: ast.Comment) -> tuple[SyntaxNode, SyntaxNode]:
        """Return the innermost node around a comment, and the innermost part of a container around
        it."""
        node: SyntaxNode = file
        unit: SyntaxNode = file
        while True:
            inner, _ = self._of(node, inner=True).around(comment.span.start)
            if inner is None or inner.span.end < comment.span.end:
                return node, unit
            is_head = isinstance(node, ast.Chain) and inner is node.head
            # The head of a chain is printed with the chain, which is the part.
            if not is_head and self._of(node, inner=False).around(inner.span.start)[0] is inner:
                unit = inner
            node = inner

    def _of(self, node: SyntaxNode, inner: bool) -> _Parts:
        """Return the nodes directly below a node, or only those that are its parts as a container.

        They are kept, sorted, so that a text with many comments costs a search for each.
        """
        found = self._parts.get((id(node), inner))
        if found is None:
            nodes = sorted(_nodes(node) if inner else _units(node), key=lambda n: n.span.start)
            found = _Parts(tuple(nodes), [part.span.start for part in nodes])
            self._parts[id(node), inner] = found
        return found

    def _closes(self, node: SyntaxNode, before: SyntaxNode | None) -> bool:
        """Return True if a comment after the last part of `node` stands before its closing
        bracket."""
        if isinstance(node, ast.Call | ast.Layer):
            return before is not None and node.body is None
        return isinstance(node, _CONTAINERS) and not isinstance(node, ast.Chain)

    def _trails(self, part: SyntaxNode, comment: ast.Comment) -> bool:
        between = self._text[part.span.end : comment.span.start]
        return _TRAILS.fullmatch(between) is not None

    def _is_own_line(self, comment: ast.Comment) -> bool:
        start = self._text.rfind("\n", 0, comment.span.start) + 1
        return not self._text[start : comment.span.start].strip()


def _nodes(node: SyntaxNode) -> Iterator[SyntaxNode]:
    """Yield the nodes directly below a node; strings' holes hold no comments."""
    for field in type(node).fields:
        value = getattr(node, field)
        for item in value if isinstance(value, tuple) else (value,):
            if isinstance(item, SyntaxNode) and not isinstance(item, ast.Comment):
                yield item


def _units(node: SyntaxNode) -> tuple[SyntaxNode, ...]:
    """Return the parts of a container, in order; () if it is none."""
    match node:
        case ast.File() | ast.Body() | ast.ListExpr() | ast.TupleExpr():
            return node.items
        case ast.Chain():
            return (node.head, *node.elements)
        case ast.Comprehension():
            return (node.item, *node.clauses)
        case ast.Shape():
            return node.dims
        case ast.Call() | ast.Layer():
            return node.args or ()
        case ast.Fn() | ast.Network():
            return node.params
        case ast.Block():
            return (*node.params, *(node.inputs or ()))
    return ()
