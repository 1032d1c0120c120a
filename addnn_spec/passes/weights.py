"""The `state_dict` of a network: every learned and fixed tensor with its key and shape."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from addnn_spec.graph import Buffer, Graph, ModuleDecl, Node, Parameter
from addnn_spec.ops.base import DType, Operator, TensorType
from addnn_spec.passes.unfold import input_types
from addnn_spec.sizes import Size


class Entry(NamedTuple):
    """A tensor of the `state_dict`."""

    shape: tuple[Size, ...]
    dtype: DType
    learned: bool


def weights_of(graph: Graph) -> dict[str, Entry]:
    """Every learned and fixed tensor of a graph by its `state_dict` key.

    A shared module's tensors stand once, where the module is declared. The order is the graph's,
    not torch's registration order.
    """
    return dict(_entries(graph, ""))


def _entries(graph: Graph, prefix: str) -> Iterator[tuple[str, Entry]]:
    for node in graph.nodes():
        for key, entry in node_weights(graph, node):
            for name in node.names():
                yield f"{prefix}{name}{key}", entry
        if node.module is None:
            yield from _inner(node, prefix)
    for module in graph.modules:
        yield from _module(module, prefix)


def _inner(node: Node, prefix: str) -> Iterator[tuple[str, Entry]]:
    for name in node.names():
        if node.calls is not None:
            yield from _entries(node.calls, f"{prefix}{name}.")
        for argument, graph in node.layers:
            yield from _entries(graph, f"{prefix}{name}.{argument}.")


def _module(module: ModuleDecl, prefix: str) -> Iterator[tuple[str, Entry]]:
    if isinstance(module.op, Graph):
        yield from _entries(module.op, f"{prefix}{module.name}.")
        return
    for key, entry in operator_weights(module.op, module.inputs):
        yield f"{prefix}{module.name}.{key}", entry
    for argument, graph in module.layers:
        yield from _entries(graph, f"{prefix}{module.name}.{argument}.")


def operator_weights(
    op: Operator, types: tuple[TensorType | None, ...]
) -> Iterator[tuple[str, Entry]]:
    """An operator's tensors by their names in its own `state_dict`."""
    given: tuple[Any, ...] = types  # its methods say which input may be None
    for name, weight in op.weights(*given).items():
        yield name, Entry(weight.shape, weight.dtype, True)
    for name, weight in op.buffers(*given).items():
        yield name, Entry(weight.shape, weight.dtype, False)


def node_weights(graph: Graph, node: Node) -> Iterator[tuple[str, Entry]]:
    """The tensors that one node owns, by what follows its path; without those of what it calls."""
    if node.module is not None:
        return
    if isinstance(node.op, Parameter | Buffer):
        type = node.outputs[0]
        yield "", Entry(type.shape, type.dtype, isinstance(node.op, Parameter))
    elif isinstance(node.op, Operator):
        for name, entry in operator_weights(node.op, input_types(graph, node)):
            yield f".{name}", entry
