"""An edit said in the user's own text: what stands elsewhere, comments among it, stays as it is.

A number that becomes another is changed where the text gives it; an element that needs more is
written anew in its place. Where the text ties what the edit parts, the outermost element around it
is written out. What comes of that is not trusted: the plan elaborates it, and compares it with what
was planned; where it is not that, or nothing can be said so, the network is written out from its
graph instead.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from fractions import Fraction

from addnn_spec.design.copied_blocks import Taken
from addnn_spec.design.edits import Edit
from addnn_spec.design.literals import Literals, NumberInText, Untraced
from addnn_spec.design.patched_file import PatchedFile
from addnn_spec.design.patches import (
    Patch,
    Unpatched,
    applied,
    outermost,
    whole_lines,
    within,
)
from addnn_spec.design.texts import label_text, value_text
from addnn_spec.design.writing import BlockUse, write_element
from addnn_spec.diagnostics import Collector, Diagnostic
from addnn_spec.graph import Graph, Node, Placeholder
from addnn_spec.loading import ParsedFile
from addnn_spec.ops.base import Operator
from addnn_spec.passes.ties import stated_shapes
from addnn_spec.passes.unfold import FlatNode, FlatTensor
from addnn_spec.passes.widths import Widths
from addnn_spec.source import Span
from addnn_spec.syntax import ast
from addnn_spec.syntax.parser import parse
from addnn_spec.syntax.walk import walk
from addnn_spec.values import Definition


def patched_text(
    graph: Graph,
    widths: Widths,
    file: ParsedFile,
    edit: Edit,
    uses: BlockUse,
    taken: Taken,
    *,
    follow: bool,
) -> str:
    """Return the file's text with the edit in it, and nothing that the network does not reach.

    With `follow`, numbers that read the size of a tensor are taken to follow it; without, what has
    them is written anew where they change.

    Raises `Unpatched`; and whatever an element raises that cannot be written.
    """
    definition = graph.definition
    if (
        definition is None
        or definition.name != graph.name
        or definition.node.span.source is not file.source
    ):
        raise Unpatched
    literals = Literals(graph, file.tree, follow=follow)
    patches = _Patches(graph, definition, widths, literals, edit, uses).all()
    return PatchedFile(file, definition, patches, taken).text()


def without_asserts(findings: Sequence[Diagnostic]) -> tuple[str, list[str]]:
    """Return a text without its `assert`s that the diagnostics say do not hold, and those that were
    removed.

    Raises `Unpatched` where anything else is wrong.
    """
    labels = [one.primary for one in findings if one.code == "E0212"]
    if not labels or any(one.code != "E0212" and one.severity == "error" for one in findings):
        raise Unpatched
    spans = [label.span for label in labels if label is not None]
    source = spans[0].source
    asserts = [one.span for one in walk(parse(source, Collector())) if isinstance(one, ast.Assert)]
    gone = [place for place in asserts if any(within(span, place) for span in spans)]
    said = [" ".join(span.text.split()) for span in gone]
    return applied(source.text, [whole_lines(span) for span in gone]), said


class _Patches:
    """The patches of one edit."""

    def __init__(
        self,
        graph: Graph,
        definition: Definition,
        widths: Widths,
        literals: Literals,
        edit: Edit,
        uses: BlockUse,
    ) -> None:
        self.graph = graph
        self.root = definition.node
        self.widths = widths
        self.edit = edit
        self.uses = uses
        self.literals = literals
        self.found: list[Patch] = []
        self.rewritten: dict[str, Node] = {}
        """The elements that are written anew, by the name of their node in the network."""
        self.elements = {
            (one.core.span.start, one.core.span.end): one
            for one in walk(self.root.body)
            if isinstance(one, ast.Element)
        }

    def all(self) -> list[Patch]:
        changes = self.edit.changes
        self._parameters()
        self._numbers()
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
        return outermost(self.found)

    # --------------------------------------------------------------------------------- parameters

    def _parameters(self) -> None:
        """Set the defaults of the network's parameters to the values that it was given."""
        values = dict(self.graph.arguments)
        for param in self.root.params:
            if param.name in self.graph.given:
                value = values[param.name]
                if value is not None and not isinstance(value, int | float | str):
                    raise Unpatched
                text = f"{param.name} = {value_text(value)}"
                self.found.append(Patch(param.span.start, param.span.end, text))

    # ------------------------------------------------------------------------------------ numbers

    def _numbers(self) -> None:
        """Change the literals that new widths come from, also in stated shapes and asserts; a layer
        whose literals disagree is written out."""
        operators = self.edit.changes.operators
        if not operators:
            return
        asked: dict[NumberInText, dict[int, set[str]]] = {}
        for path, leaf, value in [*self._made(), *self._stated()]:
            asked.setdefault(leaf, {}).setdefault(value, set()).add(path)
        changed: dict[NumberInText, int] = {}
        for leaf, values in asked.items():
            # All who read this literal ask for one number, and it stands in the user's own file.
            if len(values) == 1 and leaf.span.source is self.root.span.source:
                (changed[leaf],) = values
            else:
                # The text ties what the edit parts: those that change are written out, and the
                # others keep it.
                for path in sorted(set().union(*values.values()) & operators.keys()):
                    self._write_out(path)
        for leaf, value in (changed | self._asserted(changed)).items():
            if leaf.value != value:
                self.found.append(Patch(leaf.span.start, leaf.span.end, str(value)))

    def _made(self) -> Iterator[tuple[str, NumberInText, int]]:
        """Yield the literals that the layers' widths come from, each with the layer's path and its
        new value. A layer whose new width comes from no literal is written out."""
        for item in self.widths.unfolded.nodes:
            if isinstance(item.node.op, Operator):
                try:
                    yield from [(item.path, *one) for one in self._asked(item)]
                except Untraced:
                    if item.path in self.edit.changes.operators:
                        self._write_out(item.path)

    def _asked(self, item: FlatNode) -> Iterator[tuple[NumberInText, int]]:
        """Yield the literals that a layer's widths come from, with what each must be."""
        rule, old = self.widths.rules.get(item.index), item.node.op
        new = self.edit.changes.operators.get(item.path, old)
        fields = rule.fields if rule is not None and rule.does in ("makes", "keeps") else ()
        if new != old and not fields:
            raise Untraced
        for field in fields:
            found = self.literals.of_field(item.path, field)
            if found:
                yield _solved(found, getattr(old, field), getattr(new, field))

    def _stated(self) -> Iterator[tuple[str, NumberInText, int]]:
        """Yield the literals behind the sizes that the text states of values, each with the value's
        path and its new number."""
        narrowed = self.edit.narrowed
        if narrowed is None:
            return
        by_path = {item.path: item for item in self.widths.unfolded.nodes}
        for path, stands, shape in stated_shapes(self.graph):
            if path not in by_path:  # what flows in is given back
                continue
            giver = by_path[path]
            old = giver.node.outputs[0]
            new = narrowed.type(FlatTensor(giver.index, 0), old)
            for dim, was, now in zip(shape.dims, old.shape, new.shape, strict=True):
                if isinstance(was, int) and isinstance(now, int):
                    with suppress(Untraced):
                        yield path, *_solved(self.literals.of(dim.value, stands), was, now)

    def _asserted(self, changed: Mapping[NumberInText, int]) -> dict[NumberInText, int]:
        """Return the new values of literals that the network's asserts equate with changed
        numbers."""
        found: dict[NumberInText, int] = {}
        for item in walk(self.root):
            if not isinstance(item, ast.Assert):
                continue
            for one in walk(item.condition):
                if isinstance(one, ast.Binary) and one.op == "==":
                    for number, other in ((one.left, one.right), (one.right, one.left)):
                        if isinstance(number, ast.Number) and isinstance(number.value, int):
                            leaf = NumberInText(number.span, number.value)
                            found[leaf] = self._followed(number.value, other, changed)
        return found

    def _followed(self, value: int, other: ast.Expr, changed: Mapping[NumberInText, int]) -> int:
        """Return the new value of a number that equals an expression whose factors have changed."""
        try:
            leaves = self.literals.of_body(other)
        except Untraced:
            return value
        size = Fraction(value)
        for leaf in leaves:
            if leaf in changed and leaf.value:
                size = size * changed[leaf] / leaf.value
        return int(size) if size.denominator == 1 else value

    def _write_out(self, path: str) -> None:
        for node in self.graph.nodes():
            if path == node.name or path.startswith(f"{node.name}."):
                self.rewritten[node.name] = node
                return
        raise Unpatched  # one of a run

    def _rewrite(self, name: str, node: Node) -> None:
        element = self.elements.get((node.span.start, node.span.end))
        if element is None or node.times > 1 or node.module or self._used(node.span) > 1:
            raise Unpatched
        text = write_element(self.graph, node, self.edit.changes, self.uses)
        core = text.removeprefix(f"{label_text(name)}: ")
        if element.label is None and not core.startswith(("{", "repeat ")):
            text = core
        elif core == text:
            text = f"{label_text(name)}: {core}"
        self.found.append(Patch(element.span.start, element.span.end, text))

    def _used(self, span: Span) -> int:
        """Count the nodes of the network that come from a piece of the text."""
        return Counter(node.span for _, node in _nodes(self.graph, ""))[span]

    # ----------------------------------------------------------------------------------- elements

    def _own_element(self, path: str) -> tuple[Node, ast.Element] | None:
        """Return a node and its element, if this node alone comes from that text."""
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
                self.found.append(Patch(span.start, span.end, str(turns)))
                return
        self._write_out(path)

    def _element(self, path: str, said: Callable[[str, str], str]) -> None:
        """Replace the given parts of an element's label and text."""
        found = self._own_element(path)
        if found is None:
            self._write_out(path)
            return
        node, element = found
        label = label_text(node.name) if element.label is None else element.label.span.text
        text = said(label, element.span.text)
        self.found.append(Patch(element.span.start, element.span.end, text))

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
        place = next((n for n, item in enumerate(statements) if within(span, item.span)), None)
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
        # The statement of the node becomes the output's: what stood before its value is replaced.
        opening = f"output {name} = "
        closing = f"{text} -> {head}\n"
        if changes.pick:
            value = _bound_name(statement) or "features"
            if value == name:
                value = "features"
            opening = f"{value} = "
            closing = f"{text}\noutput {name} = {value}{changes.pick} -> {head}\n"
        self.found.append(Patch(statement.span.start, start, opening + ("(" if text else "")))
        self.found.append(Patch(end, body.span.end - 1, closing))

    def _head(self, end: int) -> str:
        """Return the new head. It reads a parameter for its number of classes, if one was read
        behind the cut alone and has that value."""
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
        """Return where the expression for a node's value begins and ends, and what closes it."""
        for one in walk(statement):
            if isinstance(one, ast.Chain):
                for element in one.elements:
                    if element.core.span == span:
                        return one.head.span.start, element.span.end, ""
            elif isinstance(one, ast.Binary) and one.span == span:
                return span.start, span.end, ")"
        raise Unpatched

    def _drop_dead(self, statements: list[ast.Statement], last: Node) -> None:
        """Remove the statements that lead to no node."""
        live = _leading_to(self.graph, last)
        modules = {self.graph.node(id).module for id in live}
        used = {one.name for one in modules if one is not None}
        for statement in statements:
            if isinstance(statement, ast.Input | ast.Let | ast.Assert):
                continue
            inside = {
                node.id
                for node in self.graph.nodes()
                if not isinstance(node.op, Placeholder) and within(node.span, statement.span)
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
                self.found.append(whole_lines(statement.span))


def _solved(leaves: list[NumberInText], old: int, new: int) -> tuple[NumberInText, int]:
    """Return the literal to change so that a number becomes another, and its new value; of a
    product the largest factor. Raises `Untraced` if no whole number does."""
    # Of `2 * 64` the 64 is the width, and the 2 is how it is meant.
    leaf = max(leaves, key=lambda one: one.value, default=None)
    value = 0 if leaf is None else leaf.value
    if leaf is not None and value > 0:
        if old % value == 0 and new % (old // value) == 0:
            return leaf, new // (old // value)
        if value % old == 0:
            return leaf, new * (value // old)
    raise Untraced


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


__all__ = ["patched_text"]
