"""Activation memory: the peak of what must be held at once in evaluation, and the sum for training.

Every node's output counts, in source order, in evaluation mode, without training-only nodes; views
and what does nothing in evaluation share their input's memory. `float` has 4 bytes, `int` 8, `bool`
1.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import prod

from msgspec import Struct

from addnn_spec.graph import Buffer, Graph, Node, Parameter, WeightOf
from addnn_spec.ops.applied import Applied
from addnn_spec.ops.base import BYTES, HigherOperator, Operator, TensorType
from addnn_spec.passes.peak import peak_bytes
from addnn_spec.sizes import Size, defaults, evaluate, symbols


class Memory(Struct, frozen=True):
    """Bytes of activations: the peak in evaluation, and the sum of all that training keeps."""

    peak: int
    total: int


def activation_memory(graph: Graph, dims: Mapping[str, int] | None = None) -> Memory:
    """Return the activation memory of a network at its default sizes, or at `dims`."""

    def bytes_of(node: Node, port: int) -> int:
        return tensor_bytes(node.outputs[port], dims)

    return Memory(peak_bytes(graph, bytes_of, is_alias, _held), at(activation_sum(graph), dims))


def tensor_bytes(type: TensorType, dims: Mapping[str, int] | None = None) -> int:
    """Return the bytes of a tensor at its default sizes, or at `dims`."""
    return BYTES[type.dtype] * elements(type, dims)


def elements(type: TensorType, dims: Mapping[str, int] | None = None) -> int:
    """Return the number of elements of a tensor at its default sizes, or at `dims`."""
    return prod(at(size, dims) for size in type.shape)


def at(size: Size, dims: Mapping[str, int] | None) -> int:
    """Return a size as a number: at `dims` where they name its symbols, else at the defaults."""
    if isinstance(size, int):
        return size
    if not dims:
        return defaults(size)
    return evaluate(size, {s.name: dims.get(s.name, s.default) for s in symbols(size)})


def is_alias(node: Node) -> bool:
    """Return True if the output shares the memory of the first input in evaluation."""
    op = node.op
    return isinstance(op, Operator) and (op.view or op.identity_in_eval) and bool(node.inputs)


def _held(node: Node) -> bool:
    """Return True if a node's output is an activation: weights are counted as parameters."""
    return not isinstance(node.op, Parameter | Buffer | WeightOf)


def activation_sum(graph: Graph) -> Size:
    """Return the bytes of every output that is no alias, each run as often as it has turns."""
    known: dict[int, Size] = {}

    def total(inner: Graph, top: bool) -> Size:
        # The top counts its inputs, which inside belong to the caller: it is not taken from the
        # known.
        if id(inner) in known and not top:
            return known[id(inner)]
        result: Size = 0
        for node in inner.nodes():
            if node.training or (not top and node.id in inner.inputs):
                continue
            if node.calls is not None:
                result = result + node.times * total(node.calls, False)
            elif isinstance(node.op, HigherOperator):
                result = result + node.times * inside(node, node.op)
            elif _held(node) and not is_alias(node):
                result = result + node.times * _bytes(node)
        known[id(inner)] = result
        return result

    def inside(node: Node, op: HigherOperator) -> Size:
        """Return what the layer holds in all its turns, and, where these are stacked, the
        outputs."""
        turns = Applied(op, node.types).turns()
        # Outputs that are stacked over steps are copies; else the layer's last output is the
        # node's.
        result = _bytes(node) if op.has_states else 0
        for _, layer in node.layers:
            result = result + turns * total(layer, False)
        return result

    return total(graph, True)


def _bytes(node: Node) -> Size:
    result: Size = 0
    for type in node.outputs:
        result = result + BYTES[type.dtype] * type.numel
    return result
