"""The nodes that can be probed, in the order of computing: of a graph, or of a live module."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from math import prod

from addnn_spec.diagnostics import Refusal
from addnn_spec.graph import Buffer, Graph, Node, Parameter, Placeholder, Ref, WeightOf
from addnn_spec.ops.base import HigherOperator, Operator
from addnn_spec.ops.reshape import Transpose
from addnn_spec.passes.costs import operator_cost
from addnn_spec.passes.memory import at
from addnn_spec.passes.titles import op_title
from addnn_spec.passes.unfold import (
    MAX_FLAT_NODES,
    goes_over_steps,
    port_names,
    ports_of,
    weights_owner,
)
from addnn_spec.patterns import suggestion
from addnn_spec.probes import layouts
from addnn_spec.runtime.run_record import Kind
from addnn_spec.runtime.sequence_steps import Layout

SETS = ("layers", "blocks", "all")
ENDS = ("features", "output")
NAMES = (*SETS, "inputs", *ENDS)
_VALUELESS = (Parameter, Buffer, WeightOf)
_NORMS = ("normalization",)
_HEAD = ("activation", "normalization", "dropout")


@dataclass(frozen=True)
class ProbeNode:
    """A node whose value can be read.

    Attributes:
        path, call: its name in the network; the use of a shared block, from 0.
        key, key_call: what the tap, or hook, calls it.
        feeds: labels of the nodes whose values it reads.
        root: the label of the node whose values these are; its own, unless merely passed on.
        exact_root: the same where a node counts that changes the shape of a sample.
        shape: of one sample; empty where only a run can tell.
        samples: the dimension of the value that holds the samples.
        port: which output of its layer it is.
        layout: where its steps and channels are, if it is known to be a sequence.
        dense: in the fully connected zone.
        end: "output", the main output's node, "features", what the last run of fully connected
            layers reads (Algorithm 2's feature node), or both.
    """

    path: str
    call: int
    key: str
    key_call: int
    kind: Kind
    operator: str
    depth: int
    block: str
    feeds: tuple[str, ...] = ()
    root: str = ""
    exact_root: str = ""
    shape: tuple[int, ...] = ()
    samples: int = 0
    port: int = 0
    parameters: int = 0
    macs: int | None = None
    layout: Layout | None = None
    dense: bool = False
    family: str = ""
    end: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        return self.path if self.call == 0 else f"{self.path}#{self.call + 1}"


class _Walk:
    """A graph written out, blocks after what is inside of them: the order in which taps are called.

    Paths and keys differ where a block of a shared module is used: the path is that of the use, the
    key that of the module. What a layer over steps holds is written out, too: `steps` are how many
    there are around, the outermost first, and `turns` how often a node of there is computed.
    """

    def __init__(self, dims: Mapping[str, int], mode: str) -> None:
        self.dims, self.mode = dims, mode
        self.steps: tuple[int, ...] = ()
        self.turns = 1
        self.nodes: list[ProbeNode] = []
        self.labels: Counter[str] = Counter()
        self.keys: Counter[str] = Counter()
        self.counted: set[str] = set()

    def run(
        self,
        graph: Graph,
        prefix: str,
        owner: str,
        given: Sequence[ProbeNode | None],
        ports: Mapping[str, str],
    ) -> list[ProbeNode | None]:
        """Return the producers of the graph's outputs; `given` are those of its inputs."""
        values: dict[Ref, ProbeNode | None] = {
            Ref(id): value for id, value in zip(graph.inputs, given, strict=True)
        }
        for node in graph.nodes():
            if isinstance(node.op, Placeholder):
                if not prefix and not node.training:
                    values[Ref(node.id)] = self._add(node, node.name, owner, (), ports)
            elif not isinstance(node.op, _VALUELESS) and not node.training:
                self._uses(graph, node, prefix, owner, values, ports)
        return [values.get(ref) for output in graph.outputs for ref in output.refs]

    def _uses(
        self,
        graph: Graph,
        node: Node,
        prefix: str,
        owner: str,
        values: dict[Ref, ProbeNode | None],
        ports: Mapping[str, str],
    ) -> None:
        inputs = [None if ref is None else values.get(ref) for ref in node.inputs]
        outputs: list[ProbeNode | None] = []
        for name in node.names():
            path = f"{prefix}{name}"
            lives = weights_owner(node.module, f"{owner}{name}", owner, ports)
            bound = {
                port: weights_owner(ref, path, owner, ports)
                for port, ref in zip(ports_of(node), node.bound_modules, strict=True)
            }
            if node.calls is not None:
                outputs = self.run(node.calls, f"{path}.", f"{lives}.", inputs, bound)
                self._add(node, path, owner, outputs[:1], ports)
            elif goes_over_steps(node):
                inside = self._over_steps(node, path, lives, inputs, bound)
                outputs = self._all_of(node, self._add(node, path, owner, inside[:1], ports))
            else:
                outputs = self._all_of(node, self._add(node, path, owner, inputs, ports))
            # The next turn of a run reads what this one made, and else the same.
            inputs = [*outputs, *inputs[len(outputs) :]]
        for port, value in enumerate(outputs):
            values[Ref(node.id, port)] = value

    def _over_steps(
        self,
        node: Node,
        path: str,
        lives: str,
        inputs: Sequence[ProbeNode | None],
        bound: Mapping[str, str],
    ) -> list[ProbeNode | None]:
        """Write out what a layer over steps holds; return the producers of its outputs.

        A state has other values than those it begins with, so none of them is passed on; nor is
        what is the same at every step.
        """
        ((argument, inner),) = node.layers
        around = self.steps, self.turns
        self._told(inputs[0] if inputs else None, node)
        given = [value and replace(value, root="") for value in inputs]
        assert isinstance(node.op, HigherOperator) and node.applied is not None
        if node.op.has_states:
            count = at(node.applied.turns(), self.dims)
            self.steps, self.turns = (*self.steps, count), self.turns * count
        else:
            given[:1] = inputs[:1]
            self.steps = *self.steps, at(node.outputs[0].shape[1], self.dims)
        outputs = self.run(inner, f"{path}.{argument}.", f"{lives}.{argument}.", given, bound)
        self.steps, self.turns = around
        return outputs

    def _told(self, sequence: ProbeNode | None, node: Node) -> None:
        """Record which dimension holds the steps of what flows into a layer over steps, if that is
        not known yet."""
        op = node.op
        if sequence is None or sequence.layout is not None or getattr(op, "steps", None):
            return
        at = getattr(op, "dim", 1)
        steps = at % (len(sequence.shape) + 1) - 1
        if steps == 0 and not self.steps:
            channels = 1 if len(sequence.shape) > 1 else None
            told = replace(self.nodes[sequence.depth], layout=Layout(0, channels))
            self.nodes[sequence.depth] = told

    def _all_of(self, node: Node, made: ProbeNode) -> list[ProbeNode | None]:
        """Return the nodes of all outputs of a layer, of which the first is `made`."""
        found: list[ProbeNode | None] = [made]
        for port, name in enumerate(port_names(node)[1:], 1):
            samples = 1 if made.family == "recurrent" and len(node.outputs[port].shape) == 3 else 0
            if (samples and self.steps) or len(node.outputs[port].shape) <= samples:
                found.append(None)
                continue
            shape = [at(size, self.dims) for size in node.outputs[port].shape]
            del shape[samples]
            label = f"{made.path}:{name}"
            other = replace(
                made,
                path=label,
                key=f"{made.key}:{port}",
                kind="operator",
                depth=len(self.nodes),
                feeds=(made.label,),
                root=f"{label}#{made.call + 1}" if made.call else label,
                shape=(*self.steps, *shape),
                samples=samples,
                port=port,
                parameters=0,
                macs=None,
                layout=None if samples else self._layout(node, port, [made]),
            )
            other = replace(other, exact_root=other.root)
            self.nodes.append(other)
            found.append(other)
        return found

    def _layout(self, node: Node, port: int, feeds: Sequence[ProbeNode]) -> Layout | None:
        """Return where a value has its steps and channels: the outermost steps, inside of such."""
        shape = tuple(at(size, self.dims) for size in node.outputs[port].shape[1:])
        operator = type(node.op).__name__ if node.calls is None else ""
        swapped = _swapped(node)
        if not self.steps:
            known = [(value.layout, value.shape) for value in feeds]
            return layouts.made(operator, _family(node), shape, known, swapped)
        own = layouts.made(operator, _family(node), shape, [], swapped)
        channels = 0 if own is None or own.channels is None else own.channels
        return Layout(0, len(self.steps) + channels if shape else None)

    def _add(
        self,
        node: Node,
        path: str,
        owner: str,
        inputs: Sequence[ProbeNode | None],
        ports: Mapping[str, str],
    ) -> ProbeNode:
        name = _last(path, node)
        key = f"{owner}{name}"
        feeds = [value for value in inputs if value is not None]
        holds = node.calls is not None or goes_over_steps(node)
        cost = None if holds else operator_cost(node)
        weights = weights_owner(node.module, key, owner, ports)
        parameters = cost.params if cost is not None else 0
        shape = tuple(at(size, self.dims) for size in node.outputs[0].shape[1:])
        made = ProbeNode(
            path=path,
            call=self.labels[path],
            key=key,
            key_call=self.keys[key],
            kind="block" if holds else _kind(node, parameters, feeds),
            operator=op_title(node.op),
            depth=len(self.nodes),
            block=path[: -len(name)].removesuffix("."),
            feeds=tuple(dict.fromkeys(value.label for value in feeds)),
            shape=(*self.steps, *shape),
            # Weights that several uses share are counted at the first.
            parameters=0 if weights in self.counted else parameters,
            macs=self.turns * at(cost.macs, {**self.dims}) if cost is not None else None,
            layout=self._layout(node, 0, feeds),
            family=_family(node),
        )
        if parameters:
            self.counted.add(weights)
        self.labels[path] += 1
        self.keys[key] += 1
        root, exact_root = _roots(node, made, feeds, self.mode)
        made = replace(made, root=root, exact_root=exact_root)
        self.nodes.append(made)
        return made


def _last(path: str, node: Node) -> str:
    """Return a node's own name at the end of its path; of a run, the name of this turn."""
    if path == node.name or path.endswith(f".{node.name}"):
        return node.name
    return next(n for n in node.names() if path == n or path.endswith(f".{n}"))


def _swapped(node: Node) -> tuple[int, int] | None:
    """Return the dimensions of a sample that a Transpose swaps."""
    if not isinstance(node.op, Transpose):
        return None
    rank = len(node.outputs[0].shape)
    first, second = (dim % rank - 1 for dim in (node.op.dim0, node.op.dim1))
    return (first, second) if min(first, second) >= 0 else None


def _family(node: Node) -> str:
    return node.op.family if isinstance(node.op, Operator) else ""


def _kind(node: Node, parameters: int, feeds: Sequence[ProbeNode]) -> Kind:
    if isinstance(node.op, Placeholder):
        return "input"
    if parameters:
        return "layer"
    return "merge" if len({value.label for value in feeds}) > 1 else "operator"


def _roots(node: Node, made: ProbeNode, feeds: Sequence[ProbeNode], mode: str) -> tuple[str, str]:
    """Return the labels of the nodes whose values a node has. A block has its last node's; a
    reshaped or dropped-out tensor its input's, as long as no value is lost or repeated."""
    own = made.label, made.label
    if not feeds or not feeds[0].root:
        return own
    source = feeds[0]
    op = node.op
    if node.calls is not None or goes_over_steps(node):
        in_place = getattr(op, "dim", 1) == 1  # the steps stand where they are seen inside
        return source.root, source.exact_root if in_place else made.label
    if not isinstance(op, Operator) or len(feeds) != 1 or made.parameters:
        return own
    if op.identity_in_eval and mode == "eval":
        return source.root, source.exact_root
    if op.reshapes and prod(source.shape) == prod(made.shape):
        return source.root, made.label
    return own


def graph_nodes(graph: Graph, dims: Mapping[str, int], mode: str = "eval") -> list[ProbeNode]:
    """Return all nodes of a network in the order in which they are computed in evaluation.

    `dims` give the symbolic sizes; the batch's should be 1. Raises `DiagnosticError` (E0614) for
    more nodes than can be listed.
    """
    if graph.instances > MAX_FLAT_NODES:
        message = f"{graph.name} has more than {MAX_FLAT_NODES:,} nodes to probe"
        raise Refusal("E0614", message)
    walk = _Walk(dims, mode)
    made = iter(walk.run(graph, "", "", [None] * len(graph.inputs), {}))
    outputs = [(output, next(made)) for output in graph.outputs for _ in output.refs]
    main = next((n for output, n in outputs if n is not None and not output.training), None)
    return with_places(walk.nodes, walk.nodes[-1].label if main is None else main.label)


def with_places(nodes: Sequence[ProbeNode], output: str) -> list[ProbeNode]:
    """Return the nodes with the fully connected zone and the ends marked; `output` is the main
    output's."""
    nodes = layouts.with_readers(_ending(nodes))
    features = _features(nodes, output)
    return [
        replace(
            n, end=tuple(e for e, at in zip(ENDS, (features, output), strict=True) if at == n.label)
        )
        for n in _with_dense_zone(nodes)
    ]


def _ending(nodes: Sequence[ProbeNode]) -> list[ProbeNode]:
    """Return the nodes with the other outputs of the last layer before its first output, so that
    this one stays the last of all."""
    last = max((n.depth for n in nodes if not n.port), default=0)
    main, others = nodes[last : last + 1], nodes[last + 1 :]
    if not others:
        return list(nodes)
    beside = [replace(n, depth=n.depth - 1, feeds=main[0].feeds) for n in others]
    return [*nodes[:last], *beside, replace(main[0], depth=len(nodes) - 1)]


def _features(nodes: Sequence[ProbeNode], output: str) -> str:
    """Return the input of the last run of Linear, activation, norm and dropout before the main
    output.

    A block counts as its last node, where that is known. Where the output is no such layer's, the
    output itself.
    """
    by_label = {node.label: node for node in nodes}
    label = output
    while label and (node := by_label[label]).feeds:
        is_block = node.kind == "block"
        linear = node.operator == "Linear" and not is_block
        head = len(node.feeds) == 1 and (linear or node.family in _HEAD)
        if not head and not (is_block and node.root != label):
            break
        label = node.feeds[0]
    return label


def _with_dense_zone(nodes: Sequence[ProbeNode]) -> list[ProbeNode]:
    """Return the fully connected zone: from the first Linear behind the last other layer with
    weights."""
    first: int | None = None
    for node in nodes:
        if node.kind == "layer" and node.operator == "Linear":
            first = node.depth if first is None else first
        elif node.kind == "layer" and node.family not in _NORMS:
            first = None
    return [replace(n, dense=first is not None and n.depth >= first) for n in nodes]


def select(nodes: Sequence[ProbeNode], patterns: Iterable[str]) -> list[ProbeNode]:
    """Return the nodes that patterns choose, in order: `layers` (with weights, and merges, with the
    input and the last), `blocks`, `all`, `inputs`, `features` and `output` (see `ProbeNode.end`), a
    path, or a pattern of paths (`*` matches dots, too).

    Raises `DiagnosticError` (E0614) for a pattern that chooses none.
    """
    chosen: set[str] = set()
    for pattern in patterns:
        found = {node.label for node in nodes if _matches(node, pattern)}
        if not found:
            help = suggestion(pattern, [*NAMES, *(node.label for node in nodes)])
            raise Refusal("E0614", f"no node is like {pattern}", help=help)
        chosen |= found
        if pattern in SETS and nodes:
            chosen |= {node.label for node in nodes if node.kind == "input"} | {nodes[-1].label}
    return [node for node in nodes if node.label in chosen]


def _matches(node: ProbeNode, pattern: str) -> bool:
    if pattern == "layers":
        return node.kind in ("layer", "merge")
    if pattern == "blocks":
        return node.kind == "block"
    if pattern == "inputs":
        return node.kind == "input"
    if pattern in node.end:
        return True
    return pattern == "all" or any(
        n == pattern or fnmatchcase(n, pattern) for n in (node.path, node.label)
    )


def sources(chosen: Sequence[ProbeNode], *, exact: bool) -> dict[str, str]:
    """Return the chosen nodes whose values are another chosen node's, with the label of that.
    `exact`: only if a sample has the same shape, too, as reductions need it."""
    first: dict[str, str] = {}
    above: dict[str, str] = {}
    for node in chosen:
        root = node.exact_root if exact else node.root
        known = first.setdefault(root, node.label)
        if known != node.label:
            above[node.label] = known
    return above


def nearest(nodes: Sequence[ProbeNode], chosen: Collection[str]) -> dict[str, tuple[str, ...]]:
    """Return for each node the nearest chosen nodes that feed it."""
    found: dict[str, tuple[str, ...]] = {}
    for node in nodes:
        above: dict[str, None] = {}
        for label in node.feeds:
            above.update(dict.fromkeys([label] if label in chosen else found.get(label, ())))
        found[node.label] = tuple(above)
    return found
