"""Equality of graphs and nodes, so that a drawing or a table can show one of them for all."""

from __future__ import annotations

from collections.abc import Iterator

from addnn_spec.graph import Graph, Node
from addnn_spec.ops.base import Operator
from addnn_spec.values import show


class Alike:
    """Numbers graphs so that equal graphs have equal numbers.

    Numbers stand for the graphs inside, too, so that the work grows with the distinct graphs only.
    """

    def __init__(self) -> None:
        self._numbers: dict[object, int] = {}
        self._known: dict[tuple[int, bool], int] = {}
        self._kept: list[Graph] = []

    def form(self, graph: Graph) -> int:
        """Return a number that graphs of the same nodes share, whatever their attributes and
        sizes."""
        return self._number(graph, exact=False)

    def content(self, graph: Graph) -> int:
        """Return a number that graphs of the same nodes and attributes share, whatever their
        sizes."""
        return self._number(graph, exact=True)

    def _number(self, graph: Graph, *, exact: bool) -> int:
        known = self._known.get((id(graph), exact))
        if known is None:
            key = (
                exact,
                graph.kind,
                graph.name,
                tuple(self._node(node, exact) for node in graph.nodes()),
                tuple((output.name, output.refs) for output in graph.outputs),
            )
            known = self._numbers.setdefault(key, len(self._numbers))
            self._known[id(graph), exact] = known
            # An id is that of another graph once this one is gone.
            self._kept.append(graph)
        return known

    def _node(self, node: Node, exact: bool) -> object:
        return (self.node(node) if exact else self._form(node), node.inputs, node.times)

    def node(self, node: Node) -> object:
        """Return a key that nodes share which do the same, wherever they stand."""
        what: object
        if node.calls is not None:
            what = self.content(node.calls)
        elif isinstance(node.op, Operator):
            given = node.op.given()
            what = (type(node.op), *((name, show(value)) for name, value in given.items()))
        else:
            what = type(node.op)
        layers = tuple((name, self.content(graph)) for name, graph in node.layers)
        return (what, layers, node.training, node.bound_modules)

    def _form(self, node: Node) -> object:
        what: object = self.form(node.calls) if node.calls is not None else type(node.op)
        return (what, tuple((name, self.form(graph)) for name, graph in node.layers))


def runs(graph: Graph, alike: Alike) -> Iterator[list[Node]]:
    """Yield a graph's nodes but its inputs, in order; those in a row that are alike together."""
    for run in graph.runs(lambda before, node: alike.node(node) == alike.node(before)):
        if run[0].id not in graph.inputs:
            yield run
