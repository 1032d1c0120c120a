"""Parameters, multiply-accumulates and other operations of every node and of the whole.

What is counted, and how, stands in docs/costs.md. All figures are exact, and polynomials in the
symbolic sizes; `evaluate` gives numbers. Each distinct sub-graph is counted once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from msgspec import Struct, field
from msgspec.structs import replace

from addnn_spec.graph import Graph, ModuleDecl, Node
from addnn_spec.ops.applied import Applied
from addnn_spec.ops.base import FlopClass, Operator
from addnn_spec.passes.state_dict import StateEntry, node_tensors, node_weights, operator_weights
from addnn_spec.sizes import Size


class Cost(Struct, frozen=True):
    """What something costs. `flops` holds the operations beside the MACs, by class.

    `params` are learned values, `buffers` fixed ones of the `state_dict`.
    """

    params: int = 0
    buffers: int = 0
    macs: Size = 0
    flops: Mapping[FlopClass, Size] = field(default_factory=dict)

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

    def at(self, number: Callable[[Size], int]) -> Cost:
        """Return the cost with numbers for polynomials."""
        flops = {name: number(count) for name, count in self.flops.items()}
        return replace(self, macs=number(self.macs), flops=flops)

    def times(self, turns: Size, *, shared: bool = False) -> Cost:
        """Return the cost of so many turns; `shared` ones have one set of weights."""
        if isinstance(turns, int) and turns == 1:
            return self
        # A symbolic number of turns is that of steps, which share one set of weights.
        sets = 1 if shared or not isinstance(turns, int) else turns
        return Cost(
            self.params * sets,
            self.buffers * sets,
            self.macs * turns,
            {name: count * turns for name, count in self.flops.items()},
        )


class GraphCosts(Struct, frozen=True):
    """The costs of one graph: of each node in one turn, with all that it calls, and in all.

    `training` is the part that only training outputs need; `total` is without it. `weights_at`
    tells at which node a module's weights are counted, its first use in evaluation; those of a
    module that the graph declares but only nodes inside of others use are in `modules`.
    """

    nodes: Mapping[int, Cost]
    total: Cost
    training: Cost
    weights_at: Mapping[str, int]
    modules: Mapping[str, Cost]


class Costs(Struct, frozen=True):
    """The costs of a network and of every graph that it calls."""

    graphs: Mapping[int, GraphCosts]
    main: GraphCosts

    def of(self, graph: Graph) -> GraphCosts:
        return self.graphs[id(graph)]

    def node(self, graph: Graph, node: Node) -> Cost:
        """Return the cost of one turn of a node, with what it calls. A module's weights count at
        its first use in the graph that declares it."""
        return self.of(graph).nodes[node.id]


def count_costs(graph: Graph) -> Costs:
    """Return the costs of a network."""
    found: dict[int, GraphCosts] = {}
    main = _graph(graph, found)
    return Costs(found, main)


def _graph(graph: Graph, found: dict[int, GraphCosts]) -> GraphCosts:
    known = found.get(id(graph))
    if known is not None:
        return known
    nodes: dict[int, Cost] = {}
    total, training = Cost(), Cost()
    weights_at = _first_uses(graph)
    for node in graph.nodes():
        cost = _node(node, found)
        if node.module is not None:
            # What the node calls has counted the weights, too: they are replaced, and not added.
            first = weights_at.get(node.module.name) == node.id
            weights = _module(_declared(graph, node.module.name), found) if first else Cost()
            cost = replace(cost, params=weights.params, buffers=weights.buffers)
        nodes[node.id] = cost
        run = cost.times(node.times, shared=node.module is not None)
        if node.training:
            training = training + run
        else:
            total = total + run
    modules = {}
    for decl in graph.modules:
        if decl.name not in weights_at:
            weights = _module(decl, found)
            modules[decl.name] = Cost(weights.params, weights.buffers)
            # They count where the module is declared, since no use in this graph shows them.
            total = total + modules[decl.name]
    result = GraphCosts(nodes, total, training, weights_at, modules)
    found[id(graph)] = result
    return result


def _first_uses(graph: Graph) -> dict[str, int]:
    """Return where each declared module is first applied; in evaluation if it is used there."""
    first: dict[str, int] = {}
    # A use in training comes last, though it may stand first: its weights are evaluation's, too.
    for wanted in (False, True):
        for node in graph.nodes():
            module = node.module
            if module and not module.port and isinstance(node.op, Operator | Graph):
                if node.training is wanted:
                    first.setdefault(module.name, node.id)
    return first


def _declared(graph: Graph, name: str) -> ModuleDecl:
    return next(module for module in graph.modules if module.name == name)


def _node(node: Node, found: dict[int, GraphCosts]) -> Cost:
    if node.calls is not None:
        return _graph(node.calls, found).total
    cost = _weights(entry for _, entry in node_weights(node))
    return cost + _operator(node.applied, node.layers, found)


def _operator(
    applied: Applied | None,
    layers: tuple[tuple[str, Graph], ...],
    found: dict[int, GraphCosts],
) -> Cost:
    """Return what an operator computes, with its layers; nothing where there is none."""
    if applied is None:
        return Cost()
    cost = Cost(macs=applied.macs(), flops=dict(applied.flops()))
    for _, inner in layers:
        # A recurrent cell runs once a step, always with the same weights.
        cost = cost + _graph(inner, found).total.times(applied.turns(), shared=True)
    return cost


def _weights(entries: Iterator[StateEntry]) -> Cost:
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
    cost = _weights(entry for _, entry in operator_weights(decl.applied))
    for _, inner in decl.layers:
        total = _graph(inner, found).total
        cost = cost + Cost(total.params, total.buffers)
    return cost


def operator_cost(node: Node, *, counted: bool = True) -> Cost:
    """Return what one node costs that calls no graph; without weights where they are counted
    elsewhere."""
    cost = _operator(node.applied, node.layers, {})
    if counted:
        return cost + _weights(entry for _, entry in node_tensors(node))
    return replace(cost, params=0, buffers=0)
