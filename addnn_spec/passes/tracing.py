"""Where the text gives what a node reads: the frames around the node, and the names in them.

A node stands in a block or network, in turns of its loops, and these in uses of other blocks. A
name that is read there is given by a `let`, by a loop's turn, or by a parameter, and so by a use.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from addnn_spec.graph import Graph, Node, Turn
from addnn_spec.source import Span
from addnn_spec.syntax import ast
from addnn_spec.syntax.bindings import Binding, Bindings
from addnn_spec.syntax.node import SyntaxNode as SyntaxNode
from addnn_spec.syntax.walk import walk
from addnn_spec.values import Definition


class Stand(NamedTuple):
    """A node, and the graph that it stands in."""

    node: Node
    graph: Graph


class Enclosing(NamedTuple):
    """What is around a place of the text: a turn of a loop; or a block or network, with where the
    text gives its arguments, and where it is used."""

    turn: Turn | None = None
    body: Definition | None = None
    given: Mapping[str, Span] = {}
    use: Span | None = None


Frames = tuple[Enclosing, ...]
"""The innermost first; none is the file."""


def frames_of(stands: Sequence[Stand]) -> Frames:
    """Return what is around the innermost node, in the text."""
    found: list[Enclosing] = []
    for depth in range(len(stands) - 1, -1, -1):
        node, graph = stands[depth]
        around = node.within
        # From the inside out: turns and blocks that are written out here, then the graph's own
        # block.
        while around is not None:
            if isinstance(around, Turn):
                found.append(Enclosing(turn=around))
            else:
                written = dict(around.written)
                found.append(Enclosing(body=around.definition, given=written, use=around.span))
            around = around.outer
        if graph.definition is not None:
            user = stands[depth - 1].node if depth else None
            written = {} if user is None else dict(user.written)
            use = None if user is None else user.span
            found.append(Enclosing(body=graph.definition, given=written, use=use))
    return tuple(found)


class Traced(NamedTuple):
    """The statement that gives a name, and the frames around it; for a loop its turn is the
    first."""

    by: Binding
    frames: Frames


class Names:
    """The names of definitions, each looked through once."""

    def __init__(self) -> None:
        self._bindings: dict[int, Bindings] = {}
        self._trees: dict[int, dict[tuple[int, int], SyntaxNode]] = {}

    def traced(self, name: str, offset: int, frames: Frames) -> list[Traced]:
        """Return what gives a name that is read at a character of the innermost block or network:
        nothing if the file does, several if it depends on what runs."""
        place = next((k for k, frame in enumerate(frames) if frame.body is not None), None)
        if place is None:
            return []
        body = frames[place].body
        assert body is not None
        bindings = self._bindings.get(id(body.node))
        if bindings is None:
            bindings = self._bindings[id(body.node)] = Bindings(body.node)
        turns = frames[:place]
        return [
            Traced(by, (*_around(turns, by.span), *frames[place:]))
            for by in bindings.at(name, offset)
        ]

    def expression(self, span: Span, frames: Frames) -> SyntaxNode | None:
        """Return the expression at a place of the innermost block or network; None if nothing is
        there."""
        body = next((frame.body for frame in frames if frame.body is not None), None)
        if body is None or span.source is not body.node.span.source:
            return None
        tree = self._trees.get(id(body.node))
        if tree is None:
            tree = self._trees[id(body.node)] = {
                (one.span.start, one.span.end): one for one in walk(body.node)
            }
        found = tree.get((span.start, span.end))
        return found.core if isinstance(found, ast.Element) else found


def _around(turns: Frames, span: Span) -> Frames:
    """Return the turns of the loops that something of the text is, or stands in."""
    for place, frame in enumerate(turns):
        loop = frame.turn.loop if frame.turn is not None else None
        if loop is not None and loop.start <= span.start and span.end <= loop.end:
            return turns[place:]
    return ()
