"""What a look through the tree of an item tells of its names, before anything is elaborated."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cached_property

from addnn_spec.source import Span
from addnn_spec.syntax import ast
from addnn_spec.syntax.node import SyntaxNode
from addnn_spec.syntax.walk import names_given, walk

_READING = (ast.Name, ast.Layer)  # most nodes of a text are asked: a union takes longer


class Survey:
    """An item's names. Each is looked for once: a text of a megabyte has many nodes."""

    def __init__(self, item: ast.Item) -> None:
        self.item = item

    @cached_property
    def nodes(self) -> tuple[SyntaxNode, ...]:
        return tuple(walk(self.item))

    @cached_property
    def read(self) -> frozenset[str]:
        return frozenset(node.name for node in self.nodes if isinstance(node, _READING))

    @cached_property
    def given(self) -> tuple[tuple[str, Span, str], ...]:
        return tuple(_given(self.item, self.nodes))

    @cached_property
    def names(self) -> frozenset[str]:
        """The names that it gives."""
        return frozenset(name for name, _, _ in self.given)

    @cached_property
    def local(self) -> frozenset[str]:
        """The names that can be read inside it, beside the file's."""
        if isinstance(self.item, ast.Network):
            return self.names | self.sizes
        if isinstance(self.item, ast.Fn | ast.Block):
            return self.names
        return frozenset(name for name, _, kind in self.given if kind == "loop")

    @cached_property
    def sizes(self) -> frozenset[str]:
        """The symbolic sizes that the inputs of a network declare."""
        return frozenset(
            dim.value.name
            for node in self.nodes
            if isinstance(node, ast.Input)
            for dim in node.shape.dims
            if isinstance(dim.value, ast.Name)
        )


def _given(item: ast.Item, nodes: Iterable[SyntaxNode]) -> Iterator[tuple[str, Span, str]]:
    """Yield the names that a definition gives anywhere, with their place and kind."""
    if isinstance(item, ast.Fn | ast.Block | ast.Network):
        yield from ((param.name, param.span, "parameter") for param in item.params)
    if isinstance(item, ast.Block) and item.inputs:
        yield from ((param.name, param.span, "input") for param in item.inputs)
    for found in nodes:
        if type(found) not in _KINDS:  # most nodes of a text
            continue
        kind = _KINDS[type(found)]
        if isinstance(found, ast.Bind) and len(found.targets.items) == 1:
            # What makes a node is warned about where no output needs the node.
            kind = "tensor" if isinstance(found.values[0], ast.Name) else "node"
        yield from ((name, span, kind) for name, span in names_given(found))


_KINDS: dict[type, str] = {
    ast.Let: "value", ast.Bind: "tensor", ast.For: "loop", ast.Clause: "loop",
    ast.Typed: "tensor", ast.Module: "module", ast.Input: "network input", ast.Output: "output",
    ast.Repeat: "loop", ast.Parameter: "weight", ast.Buffer: "weight",
}  # fmt: skip
