"""What made a node's sizes: the places of the text that it stands in, and those that its sizes come
from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from addnn_spec.aligned_text import aligned
from addnn_spec.backends.captions import given_arguments, operator_title
from addnn_spec.diagnostics import Refusal
from addnn_spec.graph import Graph, Node, Placeholder
from addnn_spec.ops.base import Operator
from addnn_spec.passes.titles import op_title
from addnn_spec.passes.unfold import FlatNode, unfold
from addnn_spec.patterns import suggestion
from addnn_spec.source import Span


@dataclass(frozen=True, slots=True)
class TraceStep:
    """One place in a trace: a node that gave sizes, or a block around it."""

    path: str
    what: str
    """The operator or block with what it was given: `Conv2d(64, 7, stride=2)`."""
    shape: str
    """That of its outputs, in the symbolic sizes."""
    span: Span

    @property
    def place(self) -> str:
        """`resnet.net:35:8`"""
        line, column = self.span.position
        return f"{self.span.source.name}:{line}:{column}"


@dataclass(frozen=True, slots=True, repr=False)
class Trace:
    """How a node came to its sizes; shown as a table of places.

    `flow` leads from an input of the network to the node, along first inputs, over what changes the
    sizes; `within` from the network to the block or brace that the node stands in.
    """

    flow: tuple[TraceStep, ...]
    within: tuple[TraceStep, ...]

    def __repr__(self) -> str:
        steps = [*self.flow, *self.within]
        cells = [(f"  {s.path}", s.what, s.shape, s.place, _line(s.span)) for s in steps]
        rows = aligned(cells, range(5))
        parts = ["sizes come from", *rows[: len(self.flow)]]
        if self.within:
            parts += ["it stands in", *rows[len(self.flow) :]]
        return "\n".join(parts)


def trace(graph: Graph, path: str) -> Trace:
    """Return how the node of a path came to its sizes; of a block, its last node.

    Raises `DiagnosticError` (E0607) where there is no such node, and as `unfold`.
    """
    nodes = unfold(graph).nodes
    found = [item for item in nodes if item.path == path or item.path.startswith(f"{path}.")]
    if not found:
        help = suggestion(path, [item.path for item in nodes])
        raise Refusal("E0607", f"{graph.name} has no node {path}", help=help)
    last = found[-1]
    flow = tuple(_step(item.path, item.node) for item in _flow(nodes, last))
    return Trace(flow, tuple(_within(graph, last.path)))


def _flow(nodes: tuple[FlatNode, ...], last: FlatNode) -> list[FlatNode]:
    """Return the nodes, from the network's input on, whose outputs have other sizes than their
    inputs."""
    found = [last]
    item = last
    while True:
        given = next((value for value in item.inputs if value is not None), None)
        if given is None:
            break
        before = nodes[given.source]
        # What keeps its input's shape has no part in how the sizes came about.
        if item is not last and before.node.outputs[given.port] != item.node.outputs[0]:
            found.append(item)
        item = before
    if item is not last:
        found.append(item)
    return found[::-1]


def _within(graph: Graph, path: str) -> Iterator[TraceStep]:
    """Yield the blocks and braces that a node stands in, outermost first."""
    prefix = ""
    inside: Graph | None = graph
    while inside is not None:
        below = path.removeprefix(prefix)
        holder = _holder(inside, below)
        if holder is None:
            return
        name, node = holder
        prefix, inside = f"{prefix}{name}.", node.calls
        yield _step(prefix.removesuffix("."), node)


def _holder(graph: Graph, below: str) -> tuple[str, Node] | None:
    """Return the node that calls the graph in which a path goes on, with its name there."""
    for node in graph.nodes():
        if node.calls is not None:
            for name in node.names():
                if below.startswith(f"{name}."):
                    return name, node
    return None


def _step(path: str, node: Node) -> TraceStep:
    shape = ", ".join(str(output) for output in node.outputs)
    return TraceStep(path, _what(node), shape, node.span)


def _what(node: Node) -> str:
    if isinstance(node.op, Operator):
        title, arguments = operator_title(node.op, {})
    elif isinstance(node.op, Graph):
        title, arguments = op_title(node.op), given_arguments(node.op)
    else:
        title, arguments = ("Input" if isinstance(node.op, Placeholder) else op_title(node.op)), ""
    return f"{title}({arguments})" if arguments else title


def _line(span: Span) -> str:
    line, _ = span.position
    return span.source.line(line).strip()
