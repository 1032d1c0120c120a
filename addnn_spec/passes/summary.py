"""What a summary shows: one row a node, runs and blocks folded, and the totals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from addnn_spec.graph import Graph, Node, Placeholder
from addnn_spec.ops.base import TensorType
from addnn_spec.passes.costs import Cost, Costs, count_costs, operator_cost
from addnn_spec.passes.memory import BYTES, Memory, activation_memory, at
from addnn_spec.passes.minimum import minimum_sizes
from addnn_spec.passes.unfold import FlatNode, op_name, unfold
from addnn_spec.passes.weights import weights_of


@dataclass(frozen=True, slots=True)
class Row:
    """A node, or `times` equal ones in a row; `rows` are the nodes inside.

    `params`, `macs` and `flops` are of one turn, with all inside. `shared_with` names the module
    whose weights it uses, counted elsewhere.
    """

    path: str
    op: str
    times: int
    depth: int
    outputs: tuple[TensorType, ...]
    cost: Cost
    file: str
    line: int
    training: bool
    shared_with: str | None
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Summary:
    """The figures of a network."""

    network: str
    rows: tuple[Row, ...]
    total: Cost
    training: Cost
    memory: Memory
    dims: Mapping[str, int]
    minimum: Mapping[str, int]
    """The smallest value of each symbolic size at which every size in the network is 1 or more."""
    frozen: int = 0
    """Learned values that are kept as they are."""


def summarize(graph: Graph, dims: Mapping[str, int] | None = None, freeze: str = "") -> Summary:
    """The summary of a network at its default sizes, or at `dims`.

    `freeze` is a pattern of paths (`layer[1-3].*`) whose parameters are counted as frozen.
    """
    costs = count_costs(graph)
    rows = tuple(_rows(graph, "", 0, costs, set()))
    return Summary(
        graph.name,
        rows,
        costs.main.total,
        costs.main.training,
        activation_memory(graph, dims),
        dict(dims or {}),
        minimum_sizes(graph),
        frozen_parameters(graph, freeze) if freeze else 0,
    )


def frozen_parameters(graph: Graph, pattern: str) -> int:
    """How many learned values have a key that matches a pattern of paths."""
    total = 0
    for name, entry in weights_of(graph).items():
        if entry.learned and fnmatchcase(name, pattern):
            count = 1
            for size in entry.shape:
                count *= at(size, None)
            total += count
    return total


def _rows(graph: Graph, prefix: str, depth: int, costs: Costs, used: set[str]) -> list[Row]:
    rows = []
    for node in graph.nodes():
        if isinstance(node.op, Placeholder) and depth:
            continue
        rows.append(_row(graph, node, prefix, depth, costs, used))
    return rows


def _row(graph: Graph, node: Node, prefix: str, depth: int, costs: Costs, used: set[str]) -> Row:
    path = f"{prefix}{node.name}"
    inner: list[Row] = []
    if node.calls is not None:
        inner = _rows(node.calls, f"{path}.", depth + 1, costs, used)
    for argument, layer in node.layers:
        inner += _rows(layer, f"{path}.{argument}.", depth + 1, costs, used)
    shared = None
    if node.module is not None:
        name = node.module.name
        shared = name if node.module.port or f"{prefix}{name}" in used else None
        used.add(f"{prefix}{name}")
    line = node.span.position[0]
    return Row(
        path,
        op_name(node),
        node.times,
        depth,
        node.outputs,
        costs.node(graph, node),
        node.span.source.name,
        line,
        node.training,
        shared,
        tuple(inner),
    )


def to_json(graph: Graph, dims: Mapping[str, int] | None = None) -> dict[str, Any]:
    """The summary as plain data, every node listed.

    Raises `TooManyNodesError` where the network has too many nodes to list.
    """
    costs = count_costs(graph)
    memory = activation_memory(graph, dims)
    unfolded = unfold(graph)
    nodes = [_node_json(item, unfolded.nodes, dims) for item in unfolded.nodes]
    total, training = costs.main.total, costs.main.training
    return {
        "network": graph.name,
        "nodes": nodes,
        "total_params": total.params,
        "total_macs": at(total.macs, dims),
        "total_flops": at(total.total_flops, dims),
        "training_params": training.params,
        "training_macs": at(training.macs, dims),
        "activation_bytes": memory.peak,
        "activation_bytes_sum": memory.total,
        "minimum_sizes": minimum_sizes(graph),
    }


def _node_json(
    item: FlatNode, nodes: tuple[FlatNode, ...], dims: Mapping[str, int] | None
) -> dict[str, Any]:
    cost = flat_cost(item)
    first = item.node.outputs[0]
    return {
        "path": item.path,
        "op": op_name(item.node),
        "file": item.node.span.source.name,
        "line": item.node.span.position[0],
        "inputs": [nodes[value.source].path for value in item.inputs if value is not None],
        "output_shape": [at(size, dims) for size in first.shape],
        "output_shapes": [[at(s, dims) for s in t.shape] for t in item.node.outputs],
        "activation_size": sum(at(t.numel, dims) for t in item.node.outputs),
        "activation_bytes": sum(BYTES[t.dtype] * at(t.numel, dims) for t in item.node.outputs),
        "params": cost.params,
        "macs": at(cost.macs, dims),
        "flops": at(cost.total_flops, dims),
        "training": item.training,
    }


def flat_cost(item: FlatNode) -> Cost:
    """What one node of the unfolded graph costs; a module's weights count at its first use."""
    return operator_cost(item.node, item.input_types, counted=item.use == 0)
