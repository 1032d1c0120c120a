"""Widths that the text ties: classes of channels whose numbers stand at one place.

A literal that a `repeat` reads for all its turns, an argument of a block's use that several layers
read, also through `let` and in `4 * width`, a `let`'s own literal, and a parameter of the network
are each one place: who changes it changes all of them. Places that an `assert` says are equal are
one, and a size that the text states of values is one for all of these.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from addnn_spec.graph import Graph, Placeholder
from addnn_spec.passes.tracing import Frames, Names, Stand, frames_of
from addnn_spec.passes.unfold import FlatTensor, giver_of
from addnn_spec.passes.widths import Widths
from addnn_spec.source import Span
from addnn_spec.syntax import ast
from addnn_spec.syntax.bindings import Binding
from addnn_spec.syntax.node import SyntaxNode
from addnn_spec.syntax.walk import walk

_Place = tuple[object, ...]


def text_ties(graph: Graph, widths: Widths) -> tuple[tuple[int, ...], ...]:
    """Return the classes that the text ties, two or more each, by their numbers."""
    makes = {
        item.path: widths.rules[item.index].fields[0]
        for item in widths.unfolded.nodes
        if item.index in widths.rules and widths.rules[item.index].does == "makes"
    }
    numbers = {item.path: item.index for item in widths.unfolded.nodes}
    places, by_place = _Places(), dict[_Place, set[int]]()
    for one in widths.classes:
        for path in one.makers:
            if path in makes:
                for place in places.of_width(graph, path, makes[path]):
                    by_place.setdefault(place, set()).add(one.number)
    for path, stands, shape in stated_shapes(graph):
        lane = widths.lanes.get(FlatTensor(numbers.get(path, -1), 0))
        if lane is not None and len(lane.segments) == 1:
            value = shape.dims[lane.axis].value
            for place in places.of(value, frames_of(stands), ("literal", value.span)):
                by_place.setdefault(place, set()).add(lane.segments[0][0])
    equal = [
        set().union(*(by_place.get(place, ()) for place in found))
        for found in _asserted(graph, places)
    ]
    # A place may tie classes of several groups, which become one.
    groups: list[set[int]] = []
    for tied in [*by_place.values(), *equal]:
        apart = [group for group in groups if not group & tied]
        groups = [*apart, tied.union(*(group for group in groups if group & tied))]
    return tuple(sorted(tuple(sorted(group)) for group in groups if len(group) > 1))


class _Places:
    """The places of the text that numbers come from."""

    def __init__(self) -> None:
        self.names = Names()

    def of_width(self, graph: Graph, path: str, field: str) -> Iterator[_Place]:
        """Yield the places that a layer's number of channels comes from."""
        stands = list(stands_of(graph, path))
        span = dict(stands[-1].node.written).get(field)
        if span is not None:
            frames = frames_of(stands)
            yield from self.of(self.names.expression(span, frames), frames, ("literal", span))

    def of(
        self, value: SyntaxNode | None, frames: Frames, literal: _Place = ()
    ) -> Iterator[_Place]:
        """Yield the places that an expression's value comes from; with `literal` its own, if it
        reads no name."""
        yield from self._of(value, frames, literal, frozenset())

    def _of(
        self, value: SyntaxNode | None, frames: Frames, literal: _Place, seen: frozenset[int]
    ) -> Iterator[_Place]:
        reads = [one for one in walk(value) if isinstance(one, ast.Name | ast.Layer)]
        if not reads and literal:
            yield literal
        for read in reads:
            found = self.names.traced(read.name, read.span.start, frames)
            for by, around in found:
                if id(by) not in seen:  # a `let` may read itself, of the turn before
                    yield from self._given(read.name, by, around, seen | {id(by)})
            if not found:
                yield from _of_file(read.name, frames)

    def _given(
        self, name: str, by: Binding, around: Frames, seen: frozenset[int]
    ) -> Iterator[_Place]:
        """Yield the places of what gives a name."""
        frame = around[0]
        if isinstance(by, ast.Let):
            yield from self._of(by.value, around, ("let", by.span, name), seen)
        elif frame.turn is not None:
            yield "turn", *_turns(around), name
        elif isinstance(by, ast.Param) and frame.body is not None:
            if frame.use is None or isinstance(frame.body.node, ast.Network):
                yield "parameter", name
            else:
                use: _Place = ("use", frame.use, name)
                span, outside = frame.given.get(name), around[1:]
                value = None if span is None else self.names.expression(span, outside)
                yield from self._of(value, outside, use, seen)


def _of_file(name: str, frames: Frames) -> Iterator[_Place]:
    """Yield the place of a `let` of the file."""
    body = next((frame.body for frame in frames if frame.body is not None), None)
    bound = None if body is None else body.env.find(name)
    if body is not None and bound is not None and isinstance(bound.value, int):
        yield "file", body.node.span.source, name


def _turns(frames: Frames) -> Iterator[object]:
    """Yield the loops that begin the frames, each with its turn."""
    for frame in frames:
        if frame.turn is None:
            return
        yield frame.turn.loop
        yield frame.turn.number


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
                    # A chain's value is that of its last element, which is the node.
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


def _asserted(graph: Graph, places: _Places, around: Sequence[Stand] = ()) -> Iterator[set[_Place]]:
    """Yield the places of the text whose numbers an `assert` says are equal."""
    inside = next((node for node in graph.nodes() if node.within is None), None)
    if inside is None:
        return
    if graph.definition is not None:
        frames = frames_of([*around, Stand(inside, graph)])
        for item in walk(graph.definition.node):
            if isinstance(item, ast.Assert):
                for one in walk(item.condition):
                    if isinstance(one, ast.Binary) and one.op == "==":
                        yield set(places.of(one, frames))
    for node in graph.nodes():
        if node.calls is not None:
            yield from _asserted(node.calls, places, [*around, Stand(node, graph)])


def stands_of(graph: Graph, path: str, prefix: str = "") -> Iterator[Stand]:
    """Yield the nodes on the way to a path, the outermost first."""
    for node in graph.nodes():
        # All turns of a run, since a class's maker is one of them.
        for name in node.names():
            here = f"{prefix}{name}"
            if here == path or (node.calls is not None and path.startswith(f"{here}.")):
                yield Stand(node, graph)
                if node.calls is not None and here != path:
                    yield from stands_of(node.calls, path, f"{here}.")
                return


__all__ = ["stands_of", "stated_shapes", "text_ties"]
