"""Where a size comes from: the node that made it, through blocks and braces, for messages."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from addnn_spec.elaborate.builder import Entry, Tensor
from addnn_spec.graph import Graph, Node, Placeholder, Ref
from addnn_spec.ops.base import TensorType
from addnn_spec.sizes import Size
from addnn_spec.source import Span


class Origin(NamedTuple):
    """What made a size: an operator, and the types it was given; or an input of the network."""

    name: str
    span: Span
    inputs: tuple[TensorType, ...]

    @property
    def declared(self) -> bool:
        return not self.inputs


def size_origin(tensor: Tensor, size: Size) -> Origin | None:
    """Return what made `size` of a tensor's shape; None where an operator hands it to its layer."""
    while tensor.ref.node >= 0:
        builder = tensor.builder
        ref = _first_with(size, tensor.ref, builder.entries.__getitem__)
        entry = builder.entries[ref.node]
        if not isinstance(entry.op, Placeholder):
            return _made(size, ref, builder.entries.__getitem__)
        if ref not in builder.around:
            return Origin(entry.base, entry.span, ())
        tensor = builder.around[ref]
    return None


_At = Callable[[int], Entry] | Callable[[int], Node]


def _first_with(size: Size, ref: Ref, at: _At) -> Ref:
    """Return the tensor of a graph, going against the flow, where this size appears first."""
    while True:
        before = (given for given in at(ref.node).inputs if given is not None)
        # A size that stands in what was read was handed on; where it is not, this node made it.
        found = next((r for r in before if size in at(r.node).outputs[r.port].shape), None)
        if found is None:
            return ref
        ref = found


def _made(size: Size, ref: Ref, at: _At) -> Origin:
    """Return the operator that made a tensor, also inside a block or brace."""
    node = at(ref.node)
    if isinstance(node.op, Graph):
        graph = node.op
        inner = _first_with(size, graph.outputs[ref.port].refs[0], graph.node)
        return _made(size, inner, graph.node)
    given = (at(r.node).outputs[r.port] for r in node.inputs if r is not None)
    return Origin(type(node.op).__name__, node.span, tuple(given))


__all__ = ["Origin", "size_origin"]
