"""The nodes that can be probed, in the order of computing: of a graph, or of a live module."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from math import prod

from addnn_spec.diagnostics import Refusal
from addnn_spec.graph import Buffer, Graph, Node, Parameter, Placeholder, Ref, WeightOf
from addnn_spec.ops.base import Operator
from addnn_spec.ops.reshape import Transpose
from addnn_spec.passes.costs import operator_cost
from addnn_spec.passes.memory import at
from addnn_spec.passes.titles import op_title
from addnn_spec.passes.unfold import MAX_FLAT_NODES, weights_owner
from addnn_spec.patterns import suggestion
from addnn_spec.probes import layouts
from addnn_spec.runtime.run_record import Kind
from addnn_spec.runtime.steps import Layout

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
    key that of the module.
    """

    def __init__(self, dims: Mapping[str, int], mode: str) -> None:
        self.dims, self.mode = dims, mode
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
            if node.calls is None:
                made = self._add(node, path, owner, inputs, ports)
                outputs = [made, *[replace(made, root="") for _ in node.outputs[1:]]]
            else:
                lives = weights_owner(node.module, f"{owner}{name}", owner, ports)
                names = node.calls.module_ports
                bound = {
                    port: weights_owner(ref, path, owner, ports)
                    for port, ref in zip(names, node.bound_modules, strict=True)
                }
                outputs = self.run(node.calls, f"{path}.", f"{lives}.", inputs, bound)
                self._add(node, path, owner, outputs[:1], ports)
            inputs = [*outputs, *inputs[len(outputs) :]]
        for port, value in enumerate(outputs):
            values[Ref(node.id, port)] = value

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
        cost = operator_cost(node) if node.calls is None else None
        weights = weights_owner(node.module, key, owner, ports)
        parameters = cost.params if cost is not None else 0
        shape = tuple(at(size, self.dims) for size in node.outputs[0].shape[1:])
        made = ProbeNode(
            path=path,
            call=self.labels[path],
            key=key,
            key_call=self.keys[key],
            kind=_kind(node, parameters, feeds),
            operator=op_title(node.op),
            depth=len(self.nodes),
            block=path[: -len(name)].removesuffix("."),
            feeds=tuple(dict.fromkeys(value.label for value in feeds)),
            shape=shape,
            parameters=0 if weights in self.counted else parameters,
            macs=at(cost.macs, {**self.dims}) if cost is not None else None,
            layout=layouts.made(
                type(node.op).__name__ if node.calls is None else "",
                _family(node),
                shape,
                [(value.layout, value.shape) for value in feeds],
                _swapped(node),
            ),
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
    if node.calls is not None:
        return "block"
    if parameters:
        return "layer"
    return "merge" if len({value.label for value in feeds}) > 1 else "operator"


def _roots(node: Node, made: ProbeNode, feeds: Sequence[ProbeNode], mode: str) -> tuple[str, str]:
    """Whose values a node's are: a block's are its last node's; a reshaped or dropped-out tensor's
    are its input's, as long as no value is lost or repeated."""
    own = made.label, made.label
    if not feeds or not feeds[0].root:
        return own
    source = feeds[0]
    if node.calls is not None:
        return source.root, source.exact_root
    op = node.op
    if not isinstance(op, Operator) or len(feeds) != 1 or made.parameters:
        return own
    if op.identity_in_eval and mode == "eval":
        return source.root, source.exact_root
    if op.reshapes and prod(source.shape) == prod(made.shape):
        return source.root, made.label
    return own


def graph_nodes(graph: Graph, dims: Mapping[str, int], mode: str = "eval") -> list[ProbeNode]:
    """All nodes of a network in the order in which they are computed in evaluation.

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
    """Nodes with the fully connected zone and the ends marked; `output` is the main output's."""
    nodes = layouts.with_readers(nodes)
    features = _features(nodes, output)
    return [
        replace(
            n, end=tuple(e for e, at in zip(ENDS, (features, output), strict=True) if at == n.label)
        )
        for n in _with_dense_zone(nodes)
    ]


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
    """For nodes whose values are another chosen node's: the label of that. `exact`: only where the
    shape of a sample is the same too, as reductions need it."""
    first: dict[str, str] = {}
    above: dict[str, str] = {}
    for node in chosen:
        root = node.exact_root if exact else node.root
        known = first.setdefault(root, node.label)
        if known != node.label:
            above[node.label] = known
    return above


def nearest(nodes: Sequence[ProbeNode], chosen: Collection[str]) -> dict[str, tuple[str, ...]]:
    """For each node the nearest chosen nodes that feed it."""
    found: dict[str, tuple[str, ...]] = {}
    for node in nodes:
        above: dict[str, None] = {}
        for label in node.feeds:
            above.update(dict.fromkeys([label] if label in chosen else found.get(label, ())))
        found[node.label] = tuple(above)
    return found
