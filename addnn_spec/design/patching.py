"""An edit said in the user's own text: what stands elsewhere, comments among it, stays as it is.

A number that becomes another is changed where the text gives it; an element that needs more is
written anew in its place. Where the text ties what the edit parts, the outermost element around it
is written out. What comes of that is not trusted: the plan elaborates it, and compares it with what
was planned; where it is not that, or nothing can be said so, the network is written out from its
graph instead.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from typing import NamedTuple

from addnn_spec.design.blocks import Taken, packaged_path
from addnn_spec.design.cuts import giver_of
from addnn_spec.design.edits import Edit
from addnn_spec.design.literals import Literals, Untraced
from addnn_spec.design.texts import label_text, value_text
from addnn_spec.design.writing import BlockUse, write_element
from addnn_spec.diagnostics import Collector
from addnn_spec.graph import Graph, Node, Placeholder
from addnn_spec.loading import ParsedFile
from addnn_spec.ops.base import Operator
from addnn_spec.passes.unfold import FlatNode, FlatTensor
from addnn_spec.passes.widths import Widths
from addnn_spec.source import Source, Span
from addnn_spec.syntax import ast
from addnn_spec.syntax.parser import parse
from addnn_spec.syntax.walk import names_read, walk
from addnn_spec.values import Definition

_FIGURES = " parameters, "


class Unpatched(Exception):
    """An edit that cannot be said by changing the text here and there."""


class _Patch(NamedTuple):
    """Other text in the place of some."""

    start: int
    end: int
    text: str


def patched_text(
    graph: Graph, widths: Widths, file: ParsedFile, edit: Edit, uses: BlockUse, taken: Taken
) -> str:
    """Return the file's text with the edit in it, and nothing that the network does not reach.

    Raises `Unpatched`; and whatever an element raises that cannot be written.
    """
    definition = graph.definition
    if (
        definition is None
        or definition.name != graph.name
        or definition.node.span.source is not file.source
    ):
        raise Unpatched
    patches = _Patches(graph, definition, widths, file.tree, edit, uses).all()
    return _File(file, definition, patches, taken).text()


class _Patches:
    """The patches of one edit."""

    def __init__(
        self,
        graph: Graph,
        definition: Definition,
        widths: Widths,
        tree: ast.File,
        edit: Edit,
        uses: BlockUse,
    ) -> None:
        self.graph = graph
        self.root = definition.node
        self.widths = widths
        self.tree = tree
        self.edit = edit
        self.uses = uses
        self.found: list[_Patch] = []
        self.rewritten: dict[str, Node] = {}
        """The elements that are written anew, by the name of their node in the network."""
        self.elements = {
            (one.core.span.start, one.core.span.end): one
            for one in walk(self.root.body)
            if isinstance(one, ast.Element)
        }

    def all(self) -> list[_Patch]:
        changes = self.edit.changes
        self._parameters()
        self._numbers()
        self._shapes()
        for path, turns in changes.turns.items():
            self._turn(path, turns)
        for path, text in changes.texts.items():
            self._element(path, lambda label, _, new=text: f"{label}: {new}")  # type: ignore[misc]
        for path, text in changes.inserted.items():
            self._element(path, lambda _, old, new=text: f"{old} -> {new}")  # type: ignore[misc]
        if changes.cut:
            self._cut(changes.cut)
        for name, node in self.rewritten.items():
            self._rewrite(name, node)
        return _outermost(self.found)

    # --------------------------------------------------------------------------------- parameters

    def _parameters(self) -> None:
        """Make what a network was given the defaults of its parameters."""
        values = dict(self.graph.arguments)
        for param in self.root.params:
            if param.name in self.graph.given:
                value = values[param.name]
                if value is not None and not isinstance(value, int | float | str):
                    raise Unpatched
                text = f"{param.name} = {value_text(value)}"
                self.found.append(_Patch(param.span.start, param.span.end, text))

    # ------------------------------------------------------------------------------------ numbers

    def _numbers(self) -> None:
        """Change the literals that new widths come from; what disagrees is written out."""
        operators = self.edit.changes.operators
        if not operators:
            return
        literals = Literals(self.graph, self.tree)
        asked: dict[Span, dict[int, list[str]]] = {}
        for item in self.widths.unfolded.nodes:
            if not isinstance(item.node.op, Operator):
                continue
            changed = item.path in operators
            try:
                for span, value in self._asked(item, literals):
                    asked.setdefault(span, {}).setdefault(value, []).append(item.path)
            except Untraced:
                if changed:
                    self._write_out(item.path)
        for span, values in asked.items():
            if len(values) == 1 and span.source is self.tree.span.source:
                (value,) = values
                if span.text != str(value):
                    self.found.append(_Patch(span.start, span.end, str(value)))
            else:
                for path in (one for paths in values.values() for one in paths):
                    if path in operators:
                        self._write_out(path)

    def _asked(self, item: FlatNode, literals: Literals) -> Iterator[tuple[Span, int]]:
        """Yield the literals that a layer's widths come from, with what each must be."""
        rule, old = self.widths.rules.get(item.index), item.node.op
        new = self.edit.changes.operators.get(item.path, old)
        fields = rule.fields if rule is not None and rule.does in ("makes", "keeps") else ()
        if new != old and not fields:
            raise Untraced
        for field in fields:
            found = literals.of_field(item.path, field)
            if found:
                yield _solved(found, getattr(old, field), getattr(new, field))

    def _shapes(self) -> None:
        """Change the sizes that the network's text states of its values."""
        narrowed = self.edit.narrowed
        if narrowed is None:
            return
        by_path = {item.path: item for item in self.widths.unfolded.nodes}
        by_span = {node.span: node for node in self.graph.nodes()}
        for item in self.root.body.items:
            if not isinstance(item, ast.Typed | ast.Output) or not item.shape or not item.value:
                continue
            value = item.value
            node = by_span.get(
                value.elements[-1].core.span if isinstance(value, ast.Chain) else value.span
            )
            if node is None or isinstance(node.op, Placeholder):
                continue
            giver = by_path[giver_of(node)]
            old = giver.node.outputs[0]
            new = narrowed.type(FlatTensor(giver.index, 0), old)
            for dim, was, now in zip(item.shape.dims, old.shape, new.shape, strict=True):
                if was != now and isinstance(dim.value, ast.Number):
                    span = dim.value.span
                    self.found.append(_Patch(span.start, span.end, str(now)))

    def _write_out(self, path: str) -> None:
        for node in self.graph.nodes():
            if path == node.name or path.startswith(f"{node.name}."):
                self.rewritten[node.name] = node
                return
        raise Unpatched  # one of a run

    def _rewrite(self, name: str, node: Node) -> None:
        element = self.elements.get((node.span.start, node.span.end))
        if element is None or node.times > 1 or self._used(node.span) > 1:
            raise Unpatched
        text = write_element(self.graph, node, self.edit.changes, self.uses)
        core = text.removeprefix(f"{label_text(name)}: ")
        if element.label is None and not core.startswith(("{", "repeat ")):
            text = core
        elif core == text:
            text = f"{label_text(name)}: {core}"
        self.found.append(_Patch(element.span.start, element.span.end, text))

    def _used(self, span: Span) -> int:
        """Return how many nodes of the network have a piece of the text as theirs."""
        return Counter(node.span for _, node in _nodes(self.graph, ""))[span]

    # ----------------------------------------------------------------------------------- elements

    def _own_element(self, path: str) -> tuple[Node, ast.Element] | None:
        """Return a node and its element, if the text has it for this node alone."""
        node = next((one for here, one in _nodes(self.graph, "") if here == path), None)
        if node is None:
            raise Unpatched
        element = self.elements.get((node.span.start, node.span.end))
        if element is None or self._used(node.span) > 1:
            return None
        return node, element

    def _turn(self, path: str, turns: int) -> None:
        found = self._own_element(path)
        if found is not None:
            core = found[1].core
            if isinstance(core, ast.Repeat) and isinstance(core.count, ast.Number):
                span = core.count.span
                self.found.append(_Patch(span.start, span.end, str(turns)))
                return
        self._write_out(path)

    def _element(self, path: str, said: Callable[[str, str], str]) -> None:
        """Put what is `said` of an element's label and text in its place."""
        found = self._own_element(path)
        if found is None:
            self._write_out(path)
            return
        node, element = found
        label = label_text(node.name) if element.label is None else element.label.span.text
        text = said(label, element.span.text)
        self.found.append(_Patch(element.span.start, element.span.end, text))

    # ---------------------------------------------------------------------------------------- cut

    def _cut(self, path: str) -> None:
        """End the network behind a node: its statement becomes the output's, what follows goes."""
        changes, body = self.edit.changes, self.root.body
        node = next(
            (n for n in self.graph.nodes() if path == n.name or path.startswith(f"{n.name}.")), None
        )
        if node is None or isinstance(node.op, Placeholder):
            raise Unpatched
        span = node.span
        statements = [one for one in body.items if not isinstance(one, ast.Element)]
        place = next((n for n, item in enumerate(statements) if _within(span, item.span)), None)
        if place is None:
            raise Unpatched
        statement = statements[place]
        if not isinstance(statement, ast.Bind | ast.Typed | ast.Output):
            raise Unpatched
        start, end, text = self._value(statement, span)
        if path != node.name:
            self.rewritten[node.name] = node
        self._drop_dead(statements[:place], node)
        name = next(o.name for o in self.graph.outputs if not o.training)
        head = self._head(end)
        opening = f"output {name} = "
        closing = f"{text} -> {head}\n"
        if changes.pick:
            value = _bound_name(statement) or "features"
            if value == name:
                value = "features"
            opening = f"{value} = "
            closing = f"{text}\noutput {name} = {value}{changes.pick} -> {head}\n"
        self.found.append(_Patch(statement.span.start, start, opening + ("(" if text else "")))
        self.found.append(_Patch(end, body.span.end - 1, closing))

    def _head(self, end: int) -> str:
        """Return the new head; a parameter that was read behind the cut alone, and has its number
        of classes, is read by it."""
        head = self.edit.changes.head
        before = {
            one.name
            for one in walk(self.root.body)
            if isinstance(one, ast.Name) and one.span.end <= end
        }
        for name, value in self.graph.arguments:
            if name not in before and type(value) is int and head.endswith(f"Linear({value})"):
                return head.removesuffix(f"{value})") + f"{name})"
        return head

    def _value(self, statement: ast.Statement, span: Span) -> tuple[int, int, str]:
        """Return where the expression begins and ends that gives a node's value, and what closes
        it."""
        for one in walk(statement):
            if isinstance(one, ast.Chain):
                for element in one.elements:
                    if element.core.span == span:
                        return one.head.span.start, element.span.end, ""
            elif isinstance(one, ast.Binary) and one.span == span:
                return span.start, span.end, ")"
        raise Unpatched

    def _drop_dead(self, statements: list[ast.Statement], last: Node) -> None:
        """Take out the statements of which nothing leads to a node."""
        live = _leading_to(self.graph, last)
        modules = {self.graph.node(id).module for id in live}
        used = {one.name for one in modules if one is not None}
        for statement in statements:
            if isinstance(statement, ast.Input | ast.Let | ast.Assert):
                continue
            inside = {
                node.id
                for node in self.graph.nodes()
                if not isinstance(node.op, Placeholder) and _within(node.span, statement.span)
            }
            if isinstance(statement, ast.Module):
                name = statement.target.name
                label = statement.element.label
                dead = name not in used and (label is None or label.span.text not in used)
            else:
                dead = not inside & live
                if inside - live and not dead:
                    raise Unpatched
            if dead:
                self.found.append(_whole_lines(statement.span))


# --------------------------------------------------------------------------------------- the file


class _File:
    """The file that comes out: the network with its patches, and the items that it reaches."""

    def __init__(
        self, file: ParsedFile, definition: Definition, patches: list[_Patch], taken: Taken
    ) -> None:
        self.file = file
        self.definition = definition
        self.patches = patches
        self.taken = taken
        self.packaged = packaged_path(file.source)

    def text(self) -> str:
        tree, text = self.file.tree, self.file.source.text
        network = self._network()
        reached = self._reached(network)
        patches = [*self.patches, *_head_figures(text), *self._parameters(network)]
        imported: list[str] = []
        files = iter(self.file.imports)
        for item in tree.items:
            if isinstance(item, ast.Import):
                patches += self._import(item, next(files), reached)
            elif item is self.definition.node or _names_of(item) & reached:
                if self.packaged is None or isinstance(item, ast.Let | ast.Network | ast.Alias):
                    continue
                if any(_holds(item.span, patch) for patch in self.patches):
                    said = f"# From {self.packaged} of addnn-spec, edited.\n"
                    patches.append(_Patch(item.span.start, item.span.start, said))
                else:
                    imported += sorted(_names_of(item))
                    patches.append(_whole_lines(item.span))
            else:
                patches.append(_whole_lines(item.span))
        body = _applied(text, patches)
        lines = self.taken.lines()
        if imported:
            lines.insert(0, f'from "{self.packaged}" import {", ".join(imported)}')
        return _below_head("\n".join([*lines, ""]) if lines else "", body)

    def _network(self) -> ast.Network:
        """Return the network as it is with its patches."""
        node = self.definition.node
        inside = [patch for patch in self.patches if _holds(node.span, patch)]
        collector = Collector()
        text = _applied(self.file.source.text, inside)
        new = parse(Source(self.file.source.name, text), collector)
        collector.raise_errors()
        return next(
            one for one in new.items if isinstance(one, ast.Network) and one.name == node.name
        )

    def _parameters(self, network: ast.Network) -> Iterator[_Patch]:
        """Leave out the parameters that nothing reads any more."""
        node, now = self.definition.node, names_read(network)
        params, before = node.params, names_read(node)
        kept = [one for one in params if one.name in now or one.name not in before]
        if not kept and params:
            end = node.span.source.text.index(")", params[-1].span.end) + 1
            yield _Patch(node.name_span.end, end, "")
        elif len(kept) < len(params):
            if any(_holds(one.span, patch) for one in params for patch in self.patches):
                return  # they have new defaults
            text = ", ".join(one.span.text for one in kept)
            yield _Patch(params[0].span.start, params[-1].span.end, text)

    def _reached(self, network: ast.Network) -> set[str]:
        """Return the names of the file that the network reads, itself or by others."""
        found: set[str] = set()
        waiting = set(names_read(network))
        by_name = {name: item for item in self.file.tree.items for name in sorted(_names_of(item))}
        copied = self._copied()
        while left := [name for name in by_name if name in waiting - found]:
            found.add(left[0])
            waiting |= names_read(by_name[left[0]])
            if left[0] in copied:
                bound = self.definition.env.find(left[0])
                if bound is None or self.taken.copy(left[0], bound.value) != left[0]:
                    raise Unpatched
                waiting |= self.taken.used
        return found

    def _copied(self) -> set[str]:
        """Return the names that are imported of files of the user's: what they stand for is
        copied."""
        imports = [item for item in self.file.tree.items if isinstance(item, ast.Import)]
        return {
            name
            for item, file in zip(imports, self.file.imports, strict=True)
            if file is not None and packaged_path(file.source) is None
            for name in _names_of(item)
        }

    def _import(
        self, item: ast.Import, file: ParsedFile | None, reached: set[str]
    ) -> Iterator[_Patch]:
        """Keep of an import what is reached; of a user's file nothing."""
        kept = [one for one in item.names if (one.alias or one.name) in reached]
        users = file is not None and packaged_path(file.source) is None
        if users or not kept:
            yield _whole_lines(item.span)
        elif len(kept) < len(item.names):
            names = ", ".join(one.span.text for one in kept)
            start, end = item.names[0].span.start, item.names[-1].span.end
            yield _Patch(start, end, names)


def _names_of(item: ast.Item) -> set[str]:
    """Return the names that an item of a file gives."""
    if isinstance(item, ast.Import):
        return {one.alias or one.name for one in item.names}
    if isinstance(item, ast.Let):
        return {one.name for one in walk(item.targets) if isinstance(one, ast.Target)}
    return {item.name}


def _head_figures(text: str) -> Iterator[_Patch]:
    """Take the figures out of the comment at the head of the file: they hold no longer."""
    start = 0
    rows = []
    for row in text.splitlines(keepends=True):
        if not row.startswith("#"):
            break
        rows.append((start, row))
        start += len(row)
    gone = {n for n, (_, row) in enumerate(rows) if _FIGURES in row}
    for number in reversed(range(len(rows))):
        if gone and number not in gone and rows[number][1].strip() != "#":
            break
        if gone:
            gone.add(number)
    for number in gone:
        begin, row = rows[number]
        yield _Patch(begin, begin + len(row), "")


def _below_head(lines: str, body: str) -> str:
    """Return a file with items put behind the comment at its head, or at its beginning."""
    head = re.match(r"(?:#[^\n]*\n)*\n+", body)
    if not lines or head is None:
        return lines + body
    return f"{head[0]}{lines}\n{body[head.end() :]}"


# ---------------------------------------------------------------------------------------- patches


def _solved(leaves: list[ast.Number], old: int, new: int) -> tuple[Span, int]:
    """Return the literal that makes a number another, and what it must be: of a product the
    largest factor. Raises `Untraced` where no whole number does."""
    leaf = max(leaves, key=lambda one: one.value)
    value = leaf.value
    if isinstance(value, int) and value > 0:
        if old % value == 0 and new % (old // value) == 0:
            return leaf.span, new // (old // value)
        if value % old == 0:
            return leaf.span, new * (value // old)
    raise Untraced


def _outermost(patches: list[_Patch]) -> list[_Patch]:
    """Return the patches without those that lie in others; an insertion is in none."""
    found: list[_Patch] = []
    for one in sorted(set(patches), key=lambda patch: (patch.start, -patch.end)):
        if found and one.start < found[-1].end:
            if one.end > found[-1].end:
                raise Unpatched
            continue
        found.append(one)
    return found


def _applied(text: str, patches: list[_Patch]) -> str:
    parts, place = [], 0
    for one in _outermost(patches):
        parts += [text[place : one.start], one.text]
        place = one.end
    return "".join([*parts, text[place:]])


def _whole_lines(span: Span) -> _Patch:
    """Return the patch that takes a statement or an item out, with the comment right before it and
    the one behind it."""
    source = span.source
    number, column = span.position
    if source.line(number)[: column - 1].strip():
        return _Patch(span.start, span.end, "")
    while number > 1 and source.line(number - 1).lstrip().startswith("#"):
        number -= 1
    start = source.line_starts[number - 1]
    rest = re.compile(r"[ \t]*(#[^\n]*)?\n?").match(source.text, span.end)
    return _Patch(start, span.end if rest is None else rest.end(), "")


def _within(inner: Span, outer: Span) -> bool:
    return inner.source is outer.source and outer.start <= inner.start and inner.end <= outer.end


def _holds(span: Span, patch: _Patch) -> bool:
    return span.start <= patch.start and patch.end <= span.end


def _bound_name(statement: ast.Statement) -> str:
    if isinstance(statement, ast.Typed):
        return statement.target.name
    if isinstance(statement, ast.Bind) and len(statement.targets.items) == 1:
        (target,) = statement.targets.items
        return target.name if isinstance(target, ast.Target) else ""
    return ""


def _nodes(graph: Graph, prefix: str) -> Iterator[tuple[str, Node]]:
    """Yield all nodes with their paths, each turn of a run."""
    for node in graph.nodes():
        if isinstance(node.op, Placeholder):
            continue
        for name in node.names():
            yield f"{prefix}{name}", node
            for between, inner in node.called:
                yield from _nodes(inner, f"{prefix}{name}.{between}")


def _leading_to(graph: Graph, last: Node) -> set[int]:
    found: set[int] = set()
    waiting = [last.id]
    while waiting:
        id = waiting.pop()
        if id not in found:
            found.add(id)
            waiting += [ref.node for ref in graph.node(id).inputs if ref is not None]
    return found


__all__ = ["Unpatched", "patched_text"]
