"""The summary of a network: one row a node, runs and blocks folded, and the totals."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any

from msgspec import structs

from addnn_spec.graph import Graph, ModuleDecl, Node, Placeholder, run_name
from addnn_spec.ops.base import TensorType
from addnn_spec.passes.costs import Cost, Costs, count_costs, operator_cost
from addnn_spec.passes.depth import depth
from addnn_spec.passes.dims import check_dims, trainable
from addnn_spec.passes.frozen import NOTHING_FROZEN, Frozen, frozen_parameters, own_keys
from addnn_spec.passes.graph_equality import Alike
from addnn_spec.passes.memory import Memory, activation_memory, at, elements, tensor_bytes
from addnn_spec.passes.minimum import Smallest, smallest_sizes
from addnn_spec.passes.titles import op_title
from addnn_spec.passes.unfold import MAX_FLAT_NODES, FlatNode, unfold
from addnn_spec.sizes import Size

PARAMETER_BYTES = {"float64": 8, "float32": 4, "bfloat16": 2, "float16": 2, "int8": 1}
"""Of one parameter, in torch's types."""


@dataclass(frozen=True, slots=True)
class _Figures:
    """The costs of every node, the sizes that they are told at, None for polynomials, and which
    parameters are frozen."""

    costs: Costs
    dims: Mapping[str, int] | None
    frozen: Frozen

    def cost(self, cost: Cost) -> Cost:
        return cost if self.dims is None else cost.at(self.number)

    def type(self, output: TensorType) -> TensorType:
        if self.dims is None:
            return output
        return output.with_shape(*map(self.number, output.shape))

    def number(self, size: Size) -> int:
        return at(size, self.dims)


@dataclass(frozen=True, slots=True)
class Row:
    """A node, or `times` equal ones in a row.

    `cost` is of one turn, with all inside. `shared_with` names the module whose weights it uses
    where they are counted elsewhere: at the module's first use, or, if that is inside of another
    node, in a row of its own, which has no outputs.
    """

    path: str
    op: str
    times: int
    depth: int
    outputs: tuple[TensorType, ...]
    cost: Cost
    file: str
    line: int
    training: bool = False
    shared_with: str | None = None
    one_module: bool = False
    """All turns use the weights of one module."""
    node: Node | None = field(default=None, repr=False)
    """The node, or that of the first turn; None for a module that is used elsewhere."""
    _graphs: tuple[tuple[str, Graph], ...] = field(default=(), repr=False)
    """What is inside, with what its paths begin with."""
    _figures: _Figures | None = field(default=None, repr=False)
    _owner: str = field(default="", repr=False)
    """The path where its weights live, or those of the first turn."""
    _own: tuple[str, ...] = field(default=(), repr=False)
    """The keys of its weights where it is its graph's own layer."""
    _each: tuple[Row, ...] = field(default=(), repr=False)
    """The rows of which this is one, where several nodes are its turns."""

    @property
    def total(self) -> Cost:
        """The cost of all turns."""
        return self.cost.times(self.times, shared=self.one_module)

    @property
    def trainable(self) -> int:
        """How many of the parameters of all turns are not frozen."""
        assert self._figures is not None
        params, frozen = self.total.params, self._figures.frozen
        return params and params - sum(frozen.at(path) for path in self._own or self.owners())

    def owners(self) -> Iterator[str]:
        """Name where the weights of each turn live."""
        if self._each:
            for row in self._each:
                yield from row.owners()
            return
        yield self._owner
        if self.times > 1 and not self.one_module:
            head, first = run_name(self._owner)
            yield from (f"{head}{number}" for number in range(first + 1, first + self.times))

    @property
    def has_rows(self) -> bool:
        """True if there are nodes inside."""
        return any(len(graph.members) > len(graph.inputs) for _, graph in self._graphs)

    def rows(self) -> Iterator[Row]:
        """Yield the nodes inside: made when asked for, since there can be very many."""
        assert self._figures is not None
        for prefix, graph in self._graphs:
            inner = (f"{self.path}.{prefix}", f"{self._owner}.{prefix}")
            for row in _rows(graph, *inner, self.depth + 1, self._figures):
                yield row.as_shared(self.shared_with) if self.shared_with else row

    def as_shared(self, module: str) -> Row:
        """Return the row with its weights, if it has any, counted as those of `module`."""
        if not self.cost.params + self.cost.buffers:
            return self
        free = structs.replace(self.cost, params=0, buffers=0)
        each = tuple(row.as_shared(module) for row in self._each)
        return replace(self, cost=free, shared_with=module, _each=each)

    def turns(self) -> Iterator[Row]:
        """Yield the run's nodes one by one."""
        if self._each:
            for row in self._each:
                yield from row.turns()
            return
        yield replace(self, times=1)
        head, first = run_name(self.path)
        owners = islice(self.owners(), 1, None)
        for number in range(first + 1, first + self.times):
            # One module's turns have a single owner.
            owner = next(owners, self._owner)
            yield replace(self, times=1, path=f"{head}{number}", _owner=owner)


@dataclass(frozen=True, slots=True)
class Summary:
    """The figures of a network: numbers at its sizes `dims`, those left out at their defaults; or,
    where `symbolic` was asked for, `total` and the rows have polynomials in the symbolic sizes."""

    network: str
    rows: tuple[Row, ...]
    total: Cost
    training: Cost
    depth: int
    """Layers with weights on the longest path."""
    memory: Memory
    dims: Mapping[str, int]
    smallest: Smallest
    """The smallest symbolic sizes at which torch runs the network in evaluation."""
    training_smallest: Smallest
    """The same, in training, too."""
    frozen: int = 0
    """Learned values that are kept as they are."""


def summarize(
    graph: Graph,
    dims: Mapping[str, int] | None = None,
    freeze: str = "",
    *,
    symbolic: bool = False,
) -> Summary:
    """Return the summary of a network at its default sizes, or at `dims`; `symbolic` as in
    `Summary`.

    Where the sizes are too small for what only training needs, its weights alone are counted, and
    it has no rows. `freeze` is a pattern of paths (`layer[1-3].*`) whose parameters are counted as
    frozen. Raises `DiagnosticError` where the network cannot have these sizes.
    """
    check_dims(graph, dims or {})
    costs = count_costs(graph)
    trains = trainable(graph, dims or {})
    frozen = frozen_parameters(graph, freeze) if freeze else NOTHING_FROZEN
    figures = _Figures(costs, None if symbolic else dims or {}, frozen)
    return Summary(
        graph.name,
        tuple(_rows(graph, "", "", 0, figures, trains=trains)),
        figures.cost(costs.main.total),
        figures.cost(_training(costs, trains)),
        depth(graph),
        activation_memory(graph, dims),
        dict(dims or {}),
        *smallest_sizes(graph),
        frozen.total,
    )


def _training(costs: Costs, trains: bool) -> Cost:
    """Return the costs that training adds. At sizes that it cannot run at only weights are told,
    which all sizes share."""
    extra = costs.main.training
    return extra if trains else Cost(extra.params, extra.buffers)


def _rows(
    graph: Graph, prefix: str, owner: str, depth: int, figures: _Figures, *, trains: bool = True
) -> Iterator[Row]:
    """Yield the rows of a graph whose paths begin with `prefix`, and whose weights with `owner`."""
    known = figures.costs.of(graph)
    alike = Alike()

    def equal(before: Node, node: Node) -> bool:
        """Return True for the next turn of something written out: named by counting, and otherwise
        equal."""
        return (
            _counts_on(before, node)
            and before.outputs == node.outputs
            # Equal nodes may still cost differently: of a shared module only the first use has
            # weights.
            and known.nodes[before.id] == known.nodes[node.id]
            and alike.node(before) == alike.node(node)
        )

    for run in graph.runs(equal):
        first = run[0]
        if (isinstance(first.op, Placeholder) and depth) or (first.training and not trains):
            continue
        rows = []
        for node in run:
            row = _row(node, prefix, depth, figures, known.nodes[node.id], known.weights_at)
            named = node.name if node.module is None else node.module.name
            rows.append(replace(row, _owner=f"{owner}{named}", _own=own_keys(node, owner)))
        times = sum(row.times for row in rows)
        yield rows[0] if len(rows) == 1 else replace(rows[0], times=times, _each=tuple(rows))
    for module in graph.modules:
        if module.name not in known.weights_at:
            row = _module_row(module, prefix, depth, known.modules[module.name], figures)
            yield replace(row, _owner=f"{owner}{module.name}")


def _counts_on(before: Node, node: Node) -> bool:
    """Return True if a node's name continues the count of the run before it: `2` after `0` and
    `1`."""
    head, first = run_name(before.name)
    return node.name == f"{head}{first + before.times}"


def _row(
    node: Node, prefix: str, depth: int, figures: _Figures, cost: Cost, first: Mapping[str, int]
) -> Row:
    shared = None
    if node.module is not None and first.get(node.module.name) != node.id:
        shared = node.module.name
    return Row(
        f"{prefix}{node.name}",
        op_title(node.op),
        node.times,
        depth,
        tuple(map(figures.type, node.outputs)),
        figures.cost(cost),
        node.span.source.name,
        node.span.position[0],
        node.training,
        shared,
        node.module is not None,
        node,
        tuple(node.called),
        figures,
    )


def _module_row(module: ModuleDecl, prefix: str, depth: int, cost: Cost, figures: _Figures) -> Row:
    op, line = op_title(module.op), module.span.position[0]
    path, file = f"{prefix}{module.name}", module.span.source.name
    return Row(path, op, 1, depth, (), figures.cost(cost), file, line, _figures=figures)


def to_json(
    graph: Graph,
    dims: Mapping[str, int] | None = None,
    freeze: str = "",
    *,
    dtype: str = "float32",
    limit: int = MAX_FLAT_NODES,
) -> dict[str, Any]:
    """Return the summary as plain data, every node listed; of training as `summarize` has it.

    The bytes of the parameters are those in `dtype`, a name of `PARAMETER_BYTES`.

    Raises `DiagnosticError` where the network has more than `limit` nodes, `DiagnosticError`
    where it cannot have these sizes.
    """
    check_dims(graph, dims or {})
    costs = count_costs(graph)
    unfolded = unfold(graph, limit=limit)
    memory = activation_memory(graph, dims)
    trains = trainable(graph, dims or {})
    shown = [item for item in unfolded.nodes if trains or not item.training]
    frozen = frozen_parameters(graph, freeze) if freeze else NOTHING_FROZEN
    nodes = [_node_json(item, unfolded.nodes, dims, frozen) for item in shown]
    total, training = costs.main.total, _training(costs, trains)
    least, least_training = smallest_sizes(graph)
    return {
        "network": graph.name,
        "nodes": nodes,
        "total_params": total.params,
        "params_bytes": total.params * PARAMETER_BYTES[dtype],
        "frozen_params": frozen.total,
        "total_macs": at(total.macs, dims),
        "total_flops": at(total.total_flops, dims),
        "training_params": training.params,
        "training_macs": at(training.macs, dims),
        "depth": depth(graph),
        "activation_bytes": memory.peak,
        "activation_bytes_sum": memory.total,
        "minimum_sizes": dict(least.sizes),
        "size_conditions": [str(condition) for condition in least.conditions],
        "training_minimum_sizes": dict(least_training.sizes),
        "training_size_conditions": [str(condition) for condition in least_training.conditions],
    }


def _node_json(
    item: FlatNode, nodes: tuple[FlatNode, ...], dims: Mapping[str, int] | None, frozen: Frozen
) -> dict[str, Any]:
    cost = flat_cost(item)
    first = item.node.outputs[0]
    return {
        "path": item.path,
        "op": op_title(item.node.op),
        "file": item.node.span.source.name,
        "line": item.node.span.position[0],
        "inputs": [nodes[value.source].path for value in item.inputs if value is not None],
        "output_shape": [at(size, dims) for size in first.shape],
        "output_shapes": [[at(s, dims) for s in t.shape] for t in item.node.outputs],
        "activation_size": sum(elements(t, dims) for t in item.node.outputs),
        "activation_bytes": sum(tensor_bytes(t, dims) for t in item.node.outputs),
        "params": cost.params,
        "trainable_params": cost.params and cost.params - frozen.of(item.node, item.owner),
        "macs": at(cost.macs, dims),
        "flops": at(cost.total_flops, dims),
        "training": item.training,
    }


def flat_cost(item: FlatNode) -> Cost:
    """Return the cost of one node of the unfolded graph, over all steps. A module's weights count
    at its first use, those of a layer that is written out at its nodes."""
    if item.written_out:
        return Cost()
    return operator_cost(item.node, counted=item.use == 0).times(item.steps, shared=True)
