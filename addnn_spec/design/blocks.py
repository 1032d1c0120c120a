"""What a written network takes along of the files that its blocks stand in.

A packaged file stays an import; what stands in a file of the user's is copied, with all that it
reads, since one file comes out. Where two things of one name would be needed, the block is written
out instead.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

from addnn_spec.design.texts import value_text
from addnn_spec.design.writing import Uses
from addnn_spec.diagnostics import Refusal
from addnn_spec.elaborate.scope import Env
from addnn_spec.graph import Graph
from addnn_spec.ops.base import Operator
from addnn_spec.resources import find_spec
from addnn_spec.source import Source
from addnn_spec.syntax import ast
from addnn_spec.syntax.walk import names_read
from addnn_spec.values import Brace, Definition, Function, LayerValue


class Taken:
    """Imports and copies for one text."""

    def __init__(self) -> None:
        self.imports: dict[str, dict[str, None]] = {}
        """By the path of a packaged file, the names that are imported."""
        self.copies: dict[str, str] = {}
        """By name, the text of an item; what an item reads stands before it."""
        self._by_name: dict[str, object] = {}

    def use(self, graph: Graph, path: str) -> Uses | None:
        """Return how a use of a block is written, its definition taken along; None where it must
        be written out."""
        if graph.definition is None or graph.kind != "block":
            return None
        return self.call(graph.definition, graph.arguments)

    def call(self, definition: Definition, arguments: tuple[tuple[str, Any], ...]) -> Uses | None:
        """Return a use of a definition with these arguments; None where it cannot be written."""
        node = definition.node
        if isinstance(node, ast.Network):
            return None
        try:
            texts = _arguments(node, dict(arguments), self)
            self.take(definition.name, definition)
        except Unwritable:
            return None
        flows = ("x",) if node.inputs is None else tuple(one.name for one in node.inputs)
        text = f"{definition.name}({', '.join(texts)})" if texts else definition.name
        return Uses(text, flows)

    def lines(self, without: Collection[str] = ()) -> list[str]:
        """Return the items of the file, imports first, but for those that are there already."""
        heads = []
        for path, names in self.imports.items():
            kept = [name for name in names if name not in without]
            if kept:
                heads.append(f'from "{path}" import {", ".join(kept)}')
        return [*heads, *(text for name, text in self.copies.items() if name not in without)]

    def names(self) -> list[str]:
        """Return the names of all that is taken along."""
        return list(self._by_name)

    def has(self, name: str, identity: object) -> bool:
        """Return True if a name stands for this item, or for this value."""
        known = self._by_name[name]
        return known is identity or known == identity

    def layer(self, value: LayerValue) -> str:
        """Return a layer as a value of the text, its definition taken along."""
        target = value.target
        if isinstance(target, Brace):
            raise Unwritable
        if isinstance(target, Definition):
            self.take(target.name, target)
        given = ", ".join(f"{name} = {_text(item, self)}" for name, item in value.given)
        return f"{value.name}({given})" if given else value.name

    # --------------------------------------------------------------------------------- definitions

    def take(self, name: str, value: object) -> None:
        """Take along what a name stands for."""
        value = item_of(value)
        identity = value.node if isinstance(value, Definition | Function) else value
        known = self._by_name.get(name)
        if known is not None:
            if known is not identity and known != identity:
                self._take_again(known, value)
            return
        if isinstance(value, Definition | Function):
            self._take_item(name, value)
        elif isinstance(value, type) and issubclass(value, Operator):
            return
        else:
            self._by_name[name] = identity
            self.copies[name] = f"let {name} = {_text(value, self)}"

    def _take_again(self, known: object, value: object) -> None:
        """Let one item stand for two of different files whose texts, and what they read, are the
        same."""
        if not isinstance(known, ast.Block | ast.Fn) or not isinstance(
            value, Definition | Function
        ):
            raise Unwritable
        if _with_comment(known) != _with_comment(value.node):
            raise Unwritable
        self._take_reads(value)

    def _take_item(self, name: str, value: Definition | Function) -> None:
        item = value.node
        if item.name != name:  # imported under another name
            raise Unwritable
        self._by_name[name] = item
        packaged = packaged_path(item.span.source)
        if packaged is not None:
            self.imports.setdefault(packaged, {})[name] = None
            return
        self._take_reads(value)
        self.copies[name] = _with_comment(item)

    def _take_reads(self, value: Definition | Function) -> None:
        for read in sorted(names_read(value.node)):
            bound = _of_file(value.env, read)
            if bound is not None and not isinstance(bound, type):
                self.take(read, bound)


def item_of(value: object) -> object:
    """Return the definition that a name of a file stands for, if it is one with nothing given."""
    if isinstance(value, LayerValue) and not value.given and isinstance(value.target, Definition):
        return value.target
    return value


class Unwritable(Exception):
    """A value that no text stands for here."""


def _of_file(env: Env, name: str) -> object | None:
    """Return what a name of a file stands for; None for an operator, or a name inside."""
    found = env.find(name)
    return None if found is None else found.value


def _arguments(node: ast.Block, given: dict[str, Any], taken: Taken) -> list[str]:
    texts: list[str] = []
    by_name = False
    for param in node.params:
        value = given[param.name]
        if param.default is not None and _is_default(param.default, value):
            by_name = True
            continue
        text = _text(value, taken)
        by_name = by_name or len(texts) >= 2 or param.default is not None
        texts.append(f"{param.name} = {text}" if by_name else text)
    return texts


def _is_default(default: ast.Expr, value: object) -> bool:
    if isinstance(default, ast.Number | ast.Constant):
        return type(default.value) is type(value) and default.value == value
    return False


def _text(value: Any, taken: Taken) -> str:
    if isinstance(value, LayerValue):
        return taken.layer(value)
    if isinstance(value, tuple):
        return "[" + ", ".join(_text(item, taken) for item in value) + "]"
    try:
        return value_text(value)
    except Refusal:
        raise Unwritable from None


def packaged_path(source: Source) -> str | None:
    """Return the path by which a file of the standard library is imported."""
    name = Path(source.name).name
    path = find_spec(name)
    if path is not None and path.read_text(encoding="utf-8") == source.text:
        return name
    return None


def _with_comment(item: ast.Block | ast.Fn | ast.Network) -> str:
    """Return an item's text, the comment right before it included."""
    source, span = item.span.source, item.span
    number, _ = span.position
    rows: list[str] = []
    while number > 1 and (row := source.line(number - 1)).startswith("#"):
        number -= 1
        rows.insert(0, row)
    return "\n".join([*rows, source.text[span.start : span.end]])


__all__ = ["Taken", "Unwritable", "item_of", "packaged_path"]
