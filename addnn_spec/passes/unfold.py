"""The hierarchical graph written out: every node of every call, in the order in which it runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import zip_longest
from typing import Any, NamedTuple

from msgspec import Struct

from addnn_spec.diagnostics import Refusal
from addnn_spec.graph import Graph, ModuleRef, Node, Placeholder, Ref, WeightOf
from addnn_spec.ops.base import HigherOperator, Operator
from addnn_spec.passes.titles import op_title
from addnn_spec.sizes import Size

LIST_LESS = "raise the limit with --limit-listed"
MAX_FLAT_NODES = 20_000
"""What lists every node lists no more than this."""


class FlatTensor(NamedTuple):
    """A tensor of the unfolded graph: output `port` of the flat node `source`."""

    source: int
    port: int


class FlatNode(Struct, frozen=True):
    """A node with its whole path. `inputs` refer to the flat nodes before it.

    `use` counts the uses of a shared module: 0 for the first, or for weights of its own. `owner` is
    the path where the weights live. `steps` is how often it is computed: inside of a layer over
    steps, once a step. `written_out` tells that what its layer holds stands before it.
    """

    index: int
    path: str
    node: Node
    inputs: tuple[FlatTensor | None, ...]
    owner: str
    use: int = 0
    training: bool = False
    turn: int = 0
    steps: Size = 1
    written_out: bool = False


class _Unfolder:
    def __init__(self, max_turns: int | None, limit: int, *, layers: bool) -> None:
        self.max_turns = max_turns
        self.layers = layers
        self.steps: Size = 1
        self.limit = limit
        self.flat: list[FlatNode] = []
        self.uses: dict[str, int] = {}

    def run(
        self,
        graph: Graph,
        prefix: str,
        owner: str,
        given: list[FlatTensor | None],
        ports: dict[str, str],
        training: bool,
    ) -> list[FlatTensor]:
        """Write out a graph; `given` are the tensors for its placeholders. Returns its outputs."""
        values: dict[Ref, FlatTensor] = {}
        for id, value in zip(graph.inputs, given, strict=True):
            if value is not None:
                values[Ref(id)] = value
        for node in graph.nodes():
            if isinstance(node.op, Placeholder):
                # An input of the network is a node of its own; inside, it is what the caller gave.
                if Ref(node.id) not in values:
                    path, lives = f"{prefix}{node.name}", f"{owner}{node.name}"
                    only = training or node.training
                    values[Ref(node.id)] = self._append(node, path, lives, (), only)
                continue
            self._node(node, prefix, owner, values, ports, training)
        return [values[ref] for output in graph.outputs for ref in output.refs]

    def _node(
        self,
        node: Node,
        prefix: str,
        owner: str,
        values: dict[Ref, FlatTensor],
        ports: dict[str, str],
        training: bool,
    ) -> None:
        inputs = [None if ref is None else values[ref] for ref in node.inputs]
        training = training or node.training
        for turn, name in enumerate(node.names()):
            if self.max_turns is not None and turn >= self.max_turns:
                break
            path = f"{prefix}{name}"
            lives = weights_owner(node.module, f"{owner}{name}", owner, ports)
            outputs = self._outputs(node, path, lives, inputs, owner, ports, training, turn)
            # The next turn takes what this one gave.
            inputs = [*outputs, *inputs[len(outputs) :]]
        for port, value in enumerate(outputs):
            values[Ref(node.id, port)] = value

    def _outputs(
        self,
        node: Node,
        path: str,
        lives: str,
        inputs: list[FlatTensor | None],
        owner: str,
        ports: dict[str, str],
        training: bool,
        turn: int,
    ) -> list[FlatTensor]:
        inner = {
            name: weights_owner(ref, path, owner, ports)
            for name, ref in zip(ports_of(node), node.bound_modules, strict=True)
        }
        if node.calls is not None:
            return self.run(node.calls, f"{path}.", f"{lives}.", inputs, inner, training)
        written_out = self.layers and goes_over_steps(node)
        if written_out:
            inputs = [*self._over_steps(node, path, lives, inputs, inner, training)]
        value = self._append(node, path, lives, tuple(inputs), training, turn, written_out)
        return [FlatTensor(value.source, port) for port in range(len(node.outputs))]

    def _over_steps(
        self,
        node: Node,
        path: str,
        lives: str,
        inputs: list[FlatTensor | None],
        inner: dict[str, str],
        training: bool,
    ) -> list[FlatTensor]:
        """Write out what a layer over steps holds, as its first step: it reads the states with
        which the sequence begins."""
        ((argument, graph),) = node.layers
        assert node.applied is not None
        around = self.steps
        self.steps = around * node.applied.turns()
        prefix, owner = f"{path}.{argument}.", f"{lives}.{argument}."
        made = self.run(graph, prefix, owner, inputs, inner, training)
        self.steps = around
        return made

    def _append(
        self,
        node: Node,
        path: str,
        owner: str,
        inputs: tuple[FlatTensor | None, ...],
        training: bool,
        turn: int = 0,
        written_out: bool = False,
    ) -> FlatTensor:
        index = len(self.flat)
        if index >= self.limit:
            raise Refusal(
                "E0507",
                f"the network has more than {self.limit:,} nodes to list",
                help=LIST_LESS,
            )
        use = self.uses.get(owner, 0)
        if not isinstance(node.op, WeightOf):
            # Reading `m.weight` is no use that could come first: weights are counted where the
            # module runs.
            self.uses[owner] = use + 1
        self.flat.append(
            FlatNode(index, path, node, inputs, owner, use, training, turn, self.steps, written_out)
        )
        return FlatTensor(index, 0)


def weights_owner(module: ModuleRef | None, own: str, around: str, ports: Mapping[str, str]) -> str:
    """Return the path where a node's weights live: its `own`, or that of the module that it uses.

    `around` is where those of the graph around begin (`encoder.`), `ports` where the modules live
    that were handed in to it.
    """
    if module is None:
        return own
    return ports[module.name] if module.port else f"{around}{module.name}"


def port_names(node: Node) -> tuple[str, ...]:
    """Return a name for each output of a layer: the operator's own, else the text's, else its
    number."""
    own = node.op.output_names if isinstance(node.op, Operator) else ()
    if len(own) == len(node.outputs):
        return own
    numbers = [str(port) for port in range(len(node.outputs))]
    told = [name if name and name[0] != "_" else "" for name in node.value_names]
    return tuple(
        name if name and told.count(name) == 1 else number
        for name, number in zip_longest(told[: len(numbers)], numbers, fillvalue="")
    )


def goes_over_steps(node: Node) -> bool:
    """Return True if a node runs a layer over the steps of a sequence."""
    return isinstance(node.op, HigherOperator) and node.op.stepwise


def ports_of(node: Node) -> tuple[str, ...]:
    """Return the names of the modules that a node hands in to the graphs inside."""
    return tuple(port for _, graph in node.called for port in graph.module_ports)


class Unfolded(Struct, frozen=True):
    """All nodes, and the tensors that are the network's outputs, in order."""

    nodes: tuple[FlatNode, ...]
    outputs: tuple[FlatTensor, ...]


def unfold(
    graph: Graph,
    *,
    max_turns: int | None = None,
    limit: int = MAX_FLAT_NODES,
    layers: bool = False,
) -> Unfolded:
    """Return every node of a network, calls and runs written out, in topological order.

    With `max_turns` each run of equal turns is cut to so many. With `layers` the graphs of what
    runs over steps (`Scan`'s cell) are written out, too, before their operator, which reads their
    outputs then. Raises `Refusal` beyond `limit`.
    """
    unfolder = _Unfolder(max_turns, limit, layers=layers)
    outputs = unfolder.run(graph, "", "", [None] * len(graph.inputs), {}, training=False)
    return Unfolded(tuple(unfolder.flat), tuple(outputs))


def flatten(
    graph: Graph,
    attributes: Callable[[FlatNode], Mapping[str, object]] | None = None,
    *,
    limit: int = MAX_FLAT_NODES,
) -> Any:
    """Return one plain `networkx.MultiDiGraph` of a network, its vertices named by path.

    What runs over steps (`Scan`'s cell) is written out, too.

    Vertices carry `op` (the operator's name), `operator`, `output_shape` (a tuple of tuples),
    `dtype` (a tuple of names), `file`, `line`, `training` and what `attributes(flat_node)` gives;
    edges carry `port`, `slot` and `shape`. Raises `DiagnosticError` beyond `limit` nodes.
    """
    from networkx import MultiDiGraph  # slow to import, and not needed to read a spec

    unfolded = unfold(graph, limit=limit, layers=True)
    flat: MultiDiGraph[str] = MultiDiGraph(name=graph.name)
    for item in unfolded.nodes:
        extra = attributes(item) if attributes is not None else {}
        line = item.node.span.position[0]
        flat.add_node(
            item.path,
            op=op_title(item.node.op),
            operator=item.node.op,
            output_shape=tuple(output.shape for output in item.node.outputs),
            dtype=tuple(output.dtype for output in item.node.outputs),
            file=item.node.span.source.name,
            line=line,
            training=item.training,
            **extra,
        )
        for slot, value in enumerate(item.inputs):
            if value is not None:
                source = unfolded.nodes[value.source]
                shape = source.node.outputs[value.port].shape
                flat.add_edge(source.path, item.path, port=value.port, slot=slot, shape=shape)
    flat.graph["outputs"] = tuple(
        (unfolded.nodes[value.source].path, value.port) for value in unfolded.outputs
    )
    return flat


def giver_of(node: Node, prefix: str = "", name: str = "") -> str:
    """Return the path of the node whose value is that of `node`, of its last turn."""
    path = f"{prefix}{name or list(node.names())[-1]}"
    return path if node.calls is None else _giver(node.calls, f"{path}.")


def _giver(graph: Graph, prefix: str) -> str:
    node = graph.node(graph.outputs[0].refs[0].node)
    path = f"{prefix}{list(node.names())[-1]}"
    return path if node.calls is None else _giver(node.calls, f"{path}.")
