"""What a written network takes along of the files that its blocks stand in.

A packaged file stays an import; what stands in a file of the user's is copied, with all that it
reads, since one file comes out. Where two things of one name are needed, the second has another
name in it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from addnn_spec.design.texts import value_text
from addnn_spec.design.writing import Uses
from addnn_spec.diagnostics import Refusal
from addnn_spec.elaborate.module_names import auto_base
from addnn_spec.elaborate.scope import Env
from addnn_spec.graph import Graph
from addnn_spec.ops.base import Operator
from addnn_spec.resources import find_spec
from addnn_spec.source import Source, Span
from addnn_spec.syntax import ast
from addnn_spec.syntax.walk import names_read, walk
from addnn_spec.values import Brace, Definition, Function, LayerValue


class Taken:
    """The imports and copied items of one text; each has a name of its own there."""

    def __init__(self, own: Mapping[str, object] | None = None) -> None:
        """Begin with what the names of the text's file stand for, which is not taken again."""
        self.imports: dict[str, dict[str, str]] = {}
        """By the path of a packaged file, the names that are imported, and what each is called."""
        self.copies: dict[str, str] = {}
        """By name, the text of an item; what an item reads stands before it."""
        self.used: set[str] = set()
        """The file's own names that are read."""
        self._own = {name: identity_of(value) for name, value in (own or {}).items()}
        self._by_name: dict[str, object] = {}

    def use(self, graph: Graph, path: str) -> Uses | None:
        """Return how a use of a block is written, with its definition copied; None if it must be
        written out."""
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
            name = self.take(definition.name, definition)
        except Unwritable:
            return None
        flows = ("x",) if node.inputs is None else tuple(one.name for one in node.inputs)
        return Uses(f"{name}({', '.join(texts)})" if texts else name, flows)

    def lines(self) -> list[str]:
        """Return the items of the file, imports first."""
        heads = []
        for path, names in self.imports.items():
            said = [old if old == new else f"{old} as {new}" for old, new in names.items()]
            heads.append(f'from "{path}" import {", ".join(said)}')
        return [*heads, *self.copies.values()]

    def layer(self, value: LayerValue) -> str:
        """Return a layer as a value of the text; its definition is copied."""
        target = value.target
        if isinstance(target, Brace):
            raise Unwritable
        name = self.take(target.name, target) if isinstance(target, Definition) else value.name
        given = ", ".join(f"{name} = {_text(item, self)}" for name, item in value.given)
        return f"{name}({given})" if given else name

    # --------------------------------------------------------------------------------- definitions

    def take(self, name: str, value: object) -> str:
        """Copy what a name stands for into the new text; return its name there."""
        value = item_of(value)
        identity = identity_of(value)
        # The file has it under some name already. Numbers and strings are one thing only under one
        # name.
        for known, one in self._own.items():
            if one is identity or (known == name and one == identity):
                self.used.add(known)
                return known
        return self.copy(name, value)

    def copy(self, name: str, value: object) -> str:
        """Take along what a name stands for, also where the file has it by an import."""
        value = item_of(value)
        if isinstance(value, type) and issubclass(value, Operator):
            return name
        if isinstance(value, Definition | Function):
            return self._copied_item(name, value)
        if self._by_name.get(name) == value and name in self._by_name:
            return name
        called = self._free(name)
        self._by_name[called] = value
        self.copies[called] = f"let {called} = {_text(value, self)}"
        return called

    def _copied_item(self, name: str, value: Definition | Function) -> str:
        item = value.node
        for known, one in self._by_name.items():
            if one is item:
                return known
        packaged = packaged_path(item.span.source)
        if packaged is not None:
            names = self.imports.setdefault(packaged, {})
            if item.name in names:  # of a network that was read apart
                return names[item.name]
            called = names[item.name] = self._free(name)
        else:
            # What the item reads comes along first, and may have another name here.
            renamed = {}
            for read in sorted(names_read(item)):
                bound = _of_file(value.env, read)
                if bound is not None and not isinstance(bound, type):
                    renamed[read] = self.take(read, bound)
            if self.copies.get(name) == _text_of(item, name, renamed):
                return name  # the same text in two files, of the same things
            called = self._free(name)
            self.copies[called] = _text_of(item, called, renamed)
        self._by_name[called] = item
        return called

    def _free(self, name: str) -> str:
        """Return a name near this one that nothing else has."""
        found, number = name, 1
        while found in self._by_name or (found in self._own and found != name):
            number += 1
            found = f"{name}{number}"
        return found


def item_of(value: object) -> object:
    """Return the definition that a name of a file stands for, if it is one with nothing given."""
    if isinstance(value, LayerValue) and not value.given and isinstance(value.target, Definition):
        return value.target
    return value


def identity_of(value: object) -> object:
    """Return what tells values apart: the node of a definition or function, else the value."""
    value = item_of(value)
    return value.node if isinstance(value, Definition | Function) else value


class Unwritable(Exception):
    """A value that cannot be written as text here."""


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
            # A default is left out, so from here on places no longer tell which parameter is meant.
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
    # A user's file may have a packaged one's name: only the same text is imported as such.
    if path is not None and path.read_text(encoding="utf-8") == source.text:
        return name
    return None


def _text_of(item: ast.Block | ast.Fn | ast.Network, name: str, renamed: Mapping[str, str]) -> str:
    """Return an item's text, the comment right before it included, with other names in it.

    Raises `Unwritable` where a name that is another now is given again inside.
    """
    source, span = item.span.source, item.span
    changed = {old: new for old, new in renamed.items() if old != new}
    if changed and changed.keys() & {
        one.name for one in walk(item) if isinstance(one, ast.Param | ast.Target)
    }:
        raise Unwritable
    places = [(item.name_span, name)]
    labels = _labels(item, changed)
    for one in walk(item):
        if isinstance(one, ast.Name | ast.Layer) and one.name in changed:
            place = one.name_span if isinstance(one, ast.Layer) else one.span
            places.append((place, labels.get(place, "") + changed[one.name]))
    parts, at = [], span.start
    for place, new in sorted(places, key=lambda pair: pair[0].start):
        parts += [source.text[at : place.start], new]
        at = place.end
    number, _ = span.position
    rows: list[str] = []
    # The comment right before an item is its description, and becomes a docstring in the code.
    while number > 1 and (row := source.line(number - 1)).startswith("#"):
        number -= 1
        rows.insert(0, row)
    return "\n".join([*rows, "".join([*parts, source.text[at : span.end]])])


def _labels(item: ast.Block | ast.Fn | ast.Network, changed: Collection[str]) -> dict[Span, str]:
    """Return, by place, the labels that unlabelled uses in an item need to keep their names, which
    were made of a name that has changed.

    Raises `Unwritable` where that depends on more than the use.
    """
    found: dict[Span, str] = {}
    if not changed or isinstance(item, ast.Fn):
        return found
    unlabelled = [
        one.core
        for one in walk(item)
        if isinstance(one, ast.Element) and one.label is None and isinstance(one.core, ast.Layer)
    ]
    for core in unlabelled:
        if core.name in changed:
            # An element without a label is called after its block. Under a new name its weights
            # would have new keys, so it gets its old name as a label.
            label = f"{auto_base(core.name)}: "
            if label in found.values():
                raise Unwritable  # they are counted
            found[core.name_span] = label
    braces = (one for one in walk(item.body) if isinstance(one, ast.Body) and one is not item.body)
    nested = {one.name_span for body in braces for one in walk(body) if isinstance(one, ast.Layer)}
    if nested & found.keys():
        raise Unwritable  # they are numbered, or counted
    return found


__all__ = ["Taken", "Unwritable", "identity_of", "item_of", "packaged_path"]
