"""Widths that the text ties: classes of channels whose numbers stand at one place.

A literal that a `repeat` reads for all its turns, an argument of a block's use that several layers
read, also through `let` and in `4 * width`, a `let` of the file, and a parameter of the network are
each one place: who changes it changes all of them. Places that an `assert` says are equal are one,
and a size that the text states of values is one for all of these.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from addnn_spec.graph import Graph, Node, Placeholder, Turn
from addnn_spec.passes.unfold import FlatTensor, giver_of
from addnn_spec.passes.widths import Widths
from addnn_spec.source import Span
from addnn_spec.syntax import ast
from addnn_spec.syntax.walk import names_read, walk
from addnn_spec.values import Definition

_Place = tuple[object, ...]


def text_ties(graph: Graph, widths: Widths) -> tuple[tuple[int, ...], ...]:
    """Return the classes that the text ties, two or more each, by their numbers."""
    makes = {
        item.path: widths.rules[item.index].fields[0]
        for item in widths.unfolded.nodes
        if item.index in widths.rules and widths.rules[item.index].does == "makes"
    }
    numbers = {item.path: item.index for item in widths.unfolded.nodes}
    by_place: dict[_Place, set[int]] = {}
    for one in widths.classes:
        for path in one.makers:
            if path in makes:
                for place in _places(graph, path, makes[path]):
                    by_place.setdefault(place, set()).add(one.number)
    for path, stands, shape in stated_shapes(graph):
        lane = widths.lanes.get(FlatTensor(numbers.get(path, -1), 0))
        if lane is not None and len(lane.segments) == 1:
            for place in _places_in(shape.dims[lane.axis].value, stands):
                by_place.setdefault(place, set()).add(lane.segments[0][0])
    equal = [
        set().union(*(by_place.get(place, ()) for place in places)) for places in _asserted(graph)
    ]
    groups: list[set[int]] = []
    for tied in [*by_place.values(), *equal]:
        apart = [group for group in groups if not group & tied]
        groups = [*apart, tied.union(*(group for group in groups if group & tied))]
    return tuple(sorted(tuple(sorted(group)) for group in groups if len(group) > 1))


def _places_in(value: ast.Expr, stands: list[Stand]) -> Iterator[_Place]:
    """Yield the places of the text that an expression's value comes from."""
    names = names_read(value)
    if not names:
        yield "literal", value.span
    for name in names:
        yield from _places_of(name, stands)


class Stand(NamedTuple):
    """A node, and the graph that it stands in."""

    node: Node
    graph: Graph


def stated_shapes(graph: Graph) -> Iterator[tuple[str, list[Stand], ast.Shape]]:
    """Yield the shapes that the text states of values: the path of the node whose value it is, the
    nodes on the way to where it is stated, and the shape."""
    shapes: dict[Span, ast.Shape] = {}
    read: set[int] = set()
    for stands, path in _stands(graph):
        definition = stands[-1].graph.definition
        if definition is not None and id(definition.node) not in read:
            read.add(id(definition.node))
            for item in walk(definition.node):
                if isinstance(item, ast.Typed | ast.Output) and item.shape and item.value:
                    value = item.value
                    last = value.elements[-1].core if isinstance(value, ast.Chain) else value
                    shapes[last.span] = item.shape
        node = stands[-1].node
        shape = shapes.get(node.span)
        if shape is not None and len(node.outputs) == 1:
            prefix, dot, name = path.rpartition(".")
            yield giver_of(node, prefix + dot, name), stands, shape


def _stands(
    graph: Graph, around: tuple[Stand, ...] = (), prefix: str = ""
) -> Iterator[tuple[list[Stand], str]]:
    """Yield every node with those around it, and its path; each turn of a run."""
    for node in graph.nodes():
        if isinstance(node.op, Placeholder):
            continue
        for name in node.names():
            stands = (*around, Stand(node, graph))
            yield list(stands), f"{prefix}{name}"
            for between, inner in node.called:
                yield from _stands(inner, stands, f"{prefix}{name}.{between}")


def _places(graph: Graph, path: str, field: str) -> Iterator[_Place]:
    """Yield the places of the text that a layer's number of channels comes from."""
    stands = list(stands_of(graph, path))
    node = stands[-1].node
    span = dict(node.written).get(field)
    if span is None:
        return
    names = _names(span)
    if not names:
        yield "literal", span
    for name in names:
        yield from _places_of(name, stands)


def _asserted(graph: Graph, around: Sequence[Stand] = ()) -> Iterator[set[_Place]]:
    """Yield the places of the text whose numbers an `assert` says are equal."""
    inside = next((node for node in graph.nodes() if node.within is None), None)
    if inside is None:
        return
    if graph.definition is not None:
        stands = [*around, Stand(inside, graph)]
        for item in walk(graph.definition.node):
            if isinstance(item, ast.Assert):
                for one in walk(item.condition):
                    if isinstance(one, ast.Binary) and one.op == "==":
                        names = sorted(names_read(one))
                        yield {place for name in names for place in _places_of(name, stands)}
    for node in graph.nodes():
        if node.calls is not None:
            yield from _asserted(node.calls, [*around, Stand(node, graph)])


def stands_of(graph: Graph, path: str, prefix: str = "") -> Iterator[Stand]:
    """Yield the nodes on the way to a path, the outermost first."""
    for node in graph.nodes():
        for name in node.names():
            here = f"{prefix}{name}"
            if here == path or (node.calls is not None and path.startswith(f"{here}.")):
                yield Stand(node, graph)
                if node.calls is not None and here != path:
                    yield from stands_of(node.calls, path, f"{here}.")
                return


def _places_of(name: str, stands: list[Stand]) -> Iterator[_Place]:
    """Yield what a name comes from that is read where the innermost node stands."""
    for depth in range(len(stands) - 1, -1, -1):
        node, graph = stands[depth]
        turns = _turns(node, name)
        if turns:
            yield "turn", turns, name
            return
        definition = graph.definition
        if definition is None:
            continue
        lets = _lets(definition.node)
        if name in lets:
            for read in lets[name]:
                yield from _places_of(read, stands[: depth + 1])
        elif any(param.name == name for param in definition.node.params):
            if depth == 0 or isinstance(definition.node, ast.Network):
                yield "parameter", name
            else:
                yield from _places_of_use(stands[:depth], name)
        else:
            bound = definition.env.find(name)
            if bound is not None and isinstance(bound.value, int):  # a `let` of the file
                yield "file", definition.node.span.source, name
        return


def _turns(node: Node, name: str) -> _Place:
    """Return the loop that gives a name, with its turn and those of the loops around it; nothing
    where none does."""
    found: list[object] = []
    around = node.within
    while around is not None:
        if isinstance(around, Turn):
            head = around.loop.text.partition("{")[0].partition(" in ")[0]
            if found or name in _WORD.findall(head):
                found += [around.loop, around.number]
        around = around.outer
    return tuple(found)


def _places_of_use(stands: list[Stand], name: str) -> Iterator[_Place]:
    """Yield the places of what a use of a block is given for a parameter."""
    node = stands[-1].node
    used = None if node.calls is None else node.calls.definition
    given = None if used is None else _argument(node, stands, name, used)
    reads = frozenset() if given is None else names_read(given)
    if not reads:
        yield "use", node.span, name
    for read in reads:
        yield from _places_of(read, stands)


def _argument(node: Node, stands: list[Stand], name: str, used: Definition) -> ast.Expr | None:
    """Return the expression that a use of a block gives for a parameter; None for its default."""
    around = next((s.graph.definition for s in reversed(stands) if s.graph.definition), None)
    if around is None:
        return None
    layer = _layer(around.node, node.span)
    names = [param.name for param in used.node.params]
    for place, argument in enumerate(() if layer is None else layer.args or ()):
        if name in (argument.name, None if argument.name else names[place]):
            return argument.value
    return None


def _layer(block: ast.Block | ast.Network, span: Span) -> ast.Layer | None:
    """Return the layer that stands at a place of a block."""
    found = (item for item in walk(block) if isinstance(item, ast.Layer))
    return next((item for item in found if item.span == span), None)


def _names(span: Span) -> set[str]:
    """Return the words of a piece of the text."""
    return {word for word in _WORD.findall(span.text) if not word.isdigit()}


def _lets(block: ast.Block | ast.Network) -> Mapping[str, frozenset[str]]:
    """Return what each `let` of a block reads."""
    return {
        target.name: names_read(item.value)
        for item in walk(block)
        if isinstance(item, ast.Let)
        for target in walk(item.targets)
        if isinstance(target, ast.Target)
    }


_WORD = re.compile(r"[A-Za-z_]\w*")


__all__ = ["Stand", "stands_of", "stated_shapes", "text_ties"]
