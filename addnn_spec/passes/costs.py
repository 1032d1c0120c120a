"""Parameters, multiply-accumulates and other operations of every node and of the whole.

What is counted, and how, stands in docs/costs.md. All figures are exact, and polynomials in the
symbolic sizes; `evaluate` gives numbers. Each distinct sub-graph is counted once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from addnn_spec.graph import Buffer, Graph, ModuleDecl, Node, Parameter
from addnn_spec.ops.base import HigherOperator, Operator, TensorType
from addnn_spec.passes.unfold import input_types
from addnn_spec.passes.weights import Entry, node_weights, operator_weights
from addnn_spec.sizes import Size


@dataclass(frozen=True, slots=True)
class Cost:
    """What something costs. `flops` holds the operations beside the MACs, by class.

    `params` are learned values, `buffers` fixed ones of the `state_dict`.
    """

    params: int = 0
    buffers: int = 0
    macs: Size = 0
    flops: Mapping[str, Size] = field(default_factory=dict)

    @property
    def total_flops(self) -> Size:
        """Twice the MACs, and all other classes."""
        total: Size = 2 * self.macs
        for count in self.flops.values():
            total = total + count
        return total

    def __add__(self, other: Cost) -> Cost:
        flops = dict(self.flops)
        for name, count in other.flops.items():
            flops[name] = flops.get(name, 0) + count
        return Cost(
            self.params + other.params,
            self.buffers + other.buffers,
            self.macs + other.macs,
            flops,
        )

    def times(self, turns: Size, *, shared: bool = False) -> Cost:
        """So many turns; `shared` ones have one set of weights."""
        if isinstance(turns, int) and turns == 1:
            return self
        sets = 1 if shared or not isinstance(turns, int) else turns
        return Cost(
            self.params * sets,
            self.buffers * sets,
            self.macs * turns,
            {name: count * turns for name, count in self.flops.items()},
        )


@dataclass(frozen=True, slots=True)
class GraphCosts:
    """The costs of one graph: of each node in one turn, with all that it calls, and in all.

    `training` is the part that only training outputs need; `total` is without it.
    """

    nodes: Mapping[int, Cost]
    total: Cost
    training: Cost


@dataclass(frozen=True, slots=True)
class Costs:
    """The costs of a network and of every graph that it calls."""

    graphs: Mapping[int, GraphCosts]
    main: GraphCosts

    def of(self, graph: Graph) -> GraphCosts:
        return self.graphs[id(graph)]

    def node(self, graph: Graph, node: Node) -> Cost:
        """The cost of one turn of a node, with what it calls. A module's weights count at its
        first use in the graph that declares it."""
        return self.of(graph).nodes[node.id]


def count_costs(graph: Graph) -> Costs:
    """The costs of a network."""
    found: dict[int, GraphCosts] = {}
    main = _graph(graph, found)
    return Costs(found, main)


def _graph(graph: Graph, found: dict[int, GraphCosts]) -> GraphCosts:
    known = found.get(id(graph))
    if known is not None:
        return known
    nodes: dict[int, Cost] = {}
    total, training = Cost(), Cost()
    unseen = {module.name: module for module in graph.modules}
    for node in graph.nodes():
        cost = _node(graph, node, found)
        if node.module is not None:
            decl = None if node.module.port else unseen.pop(node.module.name, None)
            weights = _module(decl, found) if decl is not None else Cost()
            cost = replace(cost, params=weights.params, buffers=weights.buffers)
        nodes[node.id] = cost
        if node.training:
            training = training + cost.times(node.times)
        else:
            total = total + cost.times(node.times)
    for decl in unseen.values():
        weights = _module(decl, found)
        total = total + Cost(weights.params, weights.buffers)
    result = GraphCosts(nodes, total, training)
    found[id(graph)] = result
    return result


def _node(graph: Graph, node: Node, found: dict[int, GraphCosts]) -> Cost:
    if node.calls is not None:
        return _graph(node.calls, found).total
    cost = _weights(entry for _, entry in node_weights(graph, node))
    if isinstance(node.op, Operator):
        cost = cost + _operator(node.op, input_types(graph, node), node.layers, found)
    return cost


def _operator(
    op: Operator,
    types: tuple[TensorType | None, ...],
    layers: tuple[tuple[str, Graph], ...],
    found: dict[int, GraphCosts],
) -> Cost:
    given: tuple[TensorType, ...] = types  # type: ignore[assignment]
    cost = Cost(macs=op.macs(*given), flops=dict(op.flops(*given)))
    turns = op.turns(*given) if isinstance(op, HigherOperator) else 1
    for _, inner in layers:
        cost = cost + _graph(inner, found).total.times(turns, shared=True)
    return cost


def _weights(entries: Iterator[Entry]) -> Cost:
    params = buffers = 0
    for entry in entries:
        count = 1
        for size in entry.shape:
            assert isinstance(size, int)  # elaboration refuses weights of a symbolic size
            count *= size
        if entry.learned:
            params += count
        else:
            buffers += count
    return Cost(params, buffers)


def _module(decl: ModuleDecl, found: dict[int, GraphCosts]) -> Cost:
    if isinstance(decl.op, Graph):
        return _graph(decl.op, found).total
    cost = _weights(entry for _, entry in operator_weights(decl.op, decl.inputs))
    for _, inner in decl.layers:
        total = _graph(inner, found).total
        cost = cost + Cost(total.params, total.buffers)
    return cost


def operator_cost(
    node: Node, types: tuple[TensorType | None, ...], *, counted: bool = True
) -> Cost:
    """What one node costs that calls no graph; without weights where they are counted elsewhere."""
    if not isinstance(node.op, Operator):
        if isinstance(node.op, Parameter | Buffer) and counted:
            type = node.outputs[0]
            entry = Entry(type.shape, type.dtype, isinstance(node.op, Parameter))
            return _weights(iter((entry,)))
        return Cost()
    cost = _operator(node.op, types, node.layers, {})
    if counted:
        cost = cost + _weights(entry for _, entry in operator_weights(node.op, types))
    else:
        cost = replace(cost, params=0, buffers=0)
    return cost
