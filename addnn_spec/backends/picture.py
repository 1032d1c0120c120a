"""The contents of a drawing, before there is any DOT: boxes, clusters of boxes, and arrows.

What is alike is folded: a run of equal turns is drawn once, ×n, and so are blocks in a row that
differ in the sizes of their tensors only. Unless a depth is asked for, each kind of block is open
where it first stands and a box afterwards, as papers do it, level by level while the picture stays
small.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import NamedTuple

from addnn_spec.backends.captions import caption, given_arguments, operator_title, shape_text
from addnn_spec.backends.scene import (
    Arrow,
    Box,
    Cluster,
    Mark,
    Picture,
    settled,
)
from addnn_spec.diagnostics import Refusal
from addnn_spec.graph import (
    Buffer,
    Graph,
    ModuleRef,
    Node,
    Parameter,
    Placeholder,
    Ref,
    WeightOf,
)
from addnn_spec.ops.base import Operator, TensorType
from addnn_spec.passes.costs import Costs, count_costs
from addnn_spec.passes.dims import trainable
from addnn_spec.passes.graph_equality import Alike, runs
from addnn_spec.passes.opened_paths import opened_paths
from addnn_spec.passes.titles import op_title

SMALL = 120
"""How many boxes a picture may have for further levels to be opened unasked."""
MAX_BOXES = 2_000
"""How many boxes are laid out: for so many an engine takes some seconds."""
_MAX_TURNS_NAMED = 1_000


@dataclass(frozen=True, slots=True)
class DrawOptions:
    """What to draw.

    `opened` are patterns of paths (`layer1`) whose nodes are shown with all that is inside; `depth`
    opens so many levels everywhere. `dims` are values of symbolic sizes. `direction` is where data
    flows to: "TB", down, or "LR", to the right. `limit` is how many boxes there may be.
    """

    opened: tuple[str, ...] = ()
    depth: int | None = None
    dims: Mapping[str, int] = field(default_factory=dict)
    direction: str = "TB"
    limit: int = MAX_BOXES
    marks: Mapping[str, Mark] = field(default_factory=dict)


class _Tap(NamedTuple):
    """Where a tensor comes from."""

    box: int
    port: int
    shape: str


class _Known(NamedTuple):
    """What does not depend on the depth that is drawn; `shapes` caches the texts of types."""

    costs: Costs
    alike: Alike
    trains: bool
    opened: frozenset[str]
    """The paths that the options' patterns open."""
    shapes: dict[TensorType, str]


def picture(graph: Graph, options: DrawOptions | None = None) -> Picture:
    """Return the picture of a network.

    Raises `DiagnosticError` where it has more boxes than the options' limit, and where one
    of the options' patterns names no node.
    """
    options = options or DrawOptions()
    shown = opened_paths(graph, options.opened)
    known = _Known(count_costs(graph), Alike(), trainable(graph, options.dims), shown, {})
    if options.depth is not None:
        return _Painter(graph, options, known, options.depth, once=False).paint()
    found = _Painter(graph, options, known, 0, once=True).paint()
    for depth in range(1, 101):
        try:
            deeper = _Painter(graph, options, known, depth, once=True).paint()
        except Refusal:
            break
        # One level more as long as the picture stays small, and shows more than before.
        if deeper.boxes > max(SMALL, found.boxes) or deeper.clusters == found.clusters:
            break
        found = deeper
    return found


class _Painter:
    """Walks the hierarchical graph once; `depth` levels are open, `once` each kind of block.

    What only training needs is left out at sizes that are too small for it.
    """

    def __init__(
        self,
        graph: Graph,
        options: DrawOptions,
        known: _Known,
        depth: int,
        *,
        once: bool,
    ) -> None:
        self.main = graph
        self.options = options
        self.costs, self.alike, self.trains, self.opened, self.shapes = known
        self.depth = depth
        self.shown: set[int] | None = set() if once else None
        self.shared = _shared_modules(graph)
        self.last_id = 0
        self.count = 0
        self.arrows: list[Arrow] = []
        self.junctions: set[int] = set()
        self.prefixes: dict[str, list[str]] = {"": [""]}
        """By the prefix of what is drawn: those of all turns that it is drawn for."""

    def paint(self) -> Picture:
        items: list[Box | Cluster] = []
        values: dict[Ref, _Tap] = {}
        for id in self.main.inputs:
            node = self.main.node(id)
            if self.trains or not node.training:
                self._input(self.main, node, "", items, values)
        self._nodes(self.main, "", items, values, 0, training=False)
        for output in self.main.outputs:
            if output.training and not self.trains:
                continue
            box = self._box("output", output.name, path=output.name, training=output.training)
            items.append(box)
            for ref in output.refs:
                self._arrow(values[ref], box.id, output.training)
        text = caption(self.main, self.costs.main.total, self.options.dims)
        return Picture(
            text,
            self.options.direction,
            tuple(items),
            tuple(settled(self.arrows, self.junctions)),
            self.count,
            self.last_id - self.count,
        )

    # --- boxes and arrows ------------------------------------------------------------------------
    def _id(self) -> int:
        self.last_id += 1
        return self.last_id

    def _box(
        self,
        kind: str,
        title: str = "",
        *,
        arguments: str = "",
        path: str = "",
        name: str = "",
        params: int = 0,
        times: int = 1,
        training: bool = False,
        shared_with: str = "",
        sign: bool = False,
        marks: tuple[Mark, ...] = (),
    ) -> Box:
        if self.count >= self.options.limit:
            limit = f"{self.options.limit:,}"
            raise Refusal(
                "E0507",
                f"the drawing would have more than {limit} boxes",
                help="open less of it: --depth, --open",
            )
        self.count += 1
        return Box(
            self._id(),
            kind,
            title,
            arguments,
            path,
            name,
            params,
            times,
            training,
            shared_with,
            sign,
            marks,
        )

    def _arrow(self, tap: _Tap, target: int, training: bool) -> None:
        self.arrows.append(Arrow(tap.box, target, tap.shape, training))

    def _input(
        self,
        graph: Graph,
        node: Node,
        prefix: str,
        items: list[Box | Cluster],
        values: dict[Ref, _Tap],
    ) -> None:
        # An input that only training reads belongs to it.
        readers = [graph.node(id) for id in graph.nx.successors(node.id)]
        training = bool(readers) and all(reader.training for reader in readers)
        box = self._box("input", node.name, path=f"{prefix}{node.name}", training=training)
        items.append(box)
        values[Ref(node.id)] = _Tap(box.id, 0, self._shape(node.outputs[0]))

    def _shape(self, type: TensorType) -> str:
        if type not in self.shapes:
            self.shapes[type] = shape_text(type, self.options.dims)
        return self.shapes[type]

    # --- graphs ----------------------------------------------------------------------------------
    def _nodes(
        self,
        graph: Graph,
        prefix: str,
        items: list[Box | Cluster],
        values: dict[Ref, _Tap],
        depth: int,
        *,
        training: bool,
    ) -> None:
        for run in runs(graph, self.alike):
            if self.trains or not run[0].training:
                self._run(graph, run, prefix, items, values, depth, training)

    def _run(
        self,
        graph: Graph,
        run: list[Node],
        prefix: str,
        items: list[Box | Cluster],
        values: dict[Ref, _Tap],
        depth: int,
        training: bool,
    ) -> None:
        """Draw nodes that are alike and in a row as their first one, ×n."""
        first, last = run[0], run[-1]
        times = sum(node.times for node in run)
        given = [None if ref is None else values[ref] for ref in first.inputs]
        training = training or first.training
        names = [*_names(run)]
        if self.options.marks:
            self.prefixes[f"{prefix}{first.name}."] = [
                f"{path}." for path in self._paths(prefix, names)
            ]
        if self._opens(run, prefix, depth):
            cluster = self._cluster(first, prefix, names, times, training)
            cluster.first_shown = first.outputs != last.outputs
            items.append(cluster)
            if first.calls is not None:
                taps = self._inside(first.calls, cluster, given, depth + 1, training)
            else:
                taps = self._cells(graph, first, cluster, given, prefix, training, depth)
        else:
            box = self._leaf(graph, run, prefix, names, times, training)
            items.append(box)
            taps = self._outputs(box, given, first, training)
        for port, tap in enumerate(taps):
            values[Ref(last.id, port)] = tap._replace(shape=self._shape(last.outputs[port]))

    def _outputs(
        self, box: Box, given: Sequence[_Tap | None], node: Node, training: bool
    ) -> list[_Tap]:
        for tap in given:
            if tap is not None:
                self._arrow(tap, box.id, training)
        return [_Tap(box.id, port, self._shape(type)) for port, type in enumerate(node.outputs)]

    def _opens(self, run: list[Node], prefix: str, depth: int) -> bool:
        node = run[0]
        inner = [node.calls] if node.calls is not None else [graph for _, graph in node.layers]
        if not any(len(graph.members) > len(graph.inputs) for graph in inner):
            return False
        if self.opened and any(f"{prefix}{name}" in self.opened for name in _names(run)):
            return True
        if depth >= self.depth:
            return False
        if self.shown is None or any(graph.kind != "block" for graph in inner):
            return True
        # By form, and not by exact content: stages that differ in their sizes are one kind to a
        # reader.
        kind = self.alike.form(inner[0])
        seen = kind in self.shown
        self.shown.add(kind)
        return not seen

    def _inside(
        self,
        graph: Graph,
        cluster: Cluster,
        given: Sequence[_Tap | None],
        depth: int,
        training: bool,
    ) -> list[_Tap]:
        """Draw what a node calls. A tensor that goes several ways inside gets a junction."""
        values: dict[Ref, _Tap] = {}
        returned = {ref for output in graph.outputs for ref in output.refs}
        for id, tap in zip(graph.inputs, given, strict=True):
            if tap is None:
                continue
            # Several arrows across a cluster's border would look like several tensors.
            if graph.nx.out_degree(id) + (Ref(id) in returned) > 1:
                junction = self._box("junction", training=training)
                cluster.items.append(junction)
                self._arrow(tap, junction.id, training)
                self.junctions.add(junction.id)
                tap = tap._replace(box=junction.id)
            values[Ref(id)] = tap
        for id in graph.inputs:
            if Ref(id) not in values:
                self._input(graph, graph.node(id), f"{cluster.path}.", cluster.items, values)
        self._nodes(graph, f"{cluster.path}.", cluster.items, values, depth, training=training)
        return [values[ref] for output in graph.outputs for ref in output.refs]

    def _cells(
        self,
        graph: Graph,
        node: Node,
        cluster: Cluster,
        given: Sequence[_Tap | None],
        prefix: str,
        training: bool,
        depth: int,
    ) -> list[_Tap]:
        """Draw an operator with the layers that it runs, which it feeds itself."""
        box = self._leaf(graph, [node], prefix, [node.name], 1, training)
        cluster.items.append(box)
        for argument, layer in node.layers:
            inner = Cluster(
                self._id(), "cell", argument, "", f"{cluster.path}.{argument}", "", 1, training
            )
            cluster.items.append(inner)
            values: dict[Ref, _Tap] = {}
            for id in layer.inputs:
                self._input(layer, layer.node(id), f"{inner.path}.", inner.items, values)
                self.arrows.append(Arrow(box.id, values[Ref(id)].box, "", training, kind="cell"))
            self._nodes(layer, f"{inner.path}.", inner.items, values, depth + 1, training=training)
            for number, output in enumerate(layer.outputs):
                title = output.name or ("out" if not number else f"out {number + 1}")
                out = self._box("output", title, path=inner.path, training=training)
                inner.items.append(out)
                for ref in output.refs:
                    self._arrow(values[ref], out.id, training)
        return self._outputs(box, given, node, training)

    # --- nodes -----------------------------------------------------------------------------------
    def _leaf(
        self,
        graph: Graph,
        run: list[Node],
        prefix: str,
        names: list[str],
        times: int,
        training: bool,
    ) -> Box:
        node = run[0]
        title, arguments = self._title(node)
        return self._box(
            _kind(node),
            title,
            arguments=arguments,
            path=f"{prefix}{node.name}",
            name=_shown_name(node, names),
            params=sum(self._params(graph, each) for each in run),
            times=times,
            training=training,
            shared_with=self._shared_with(graph, node),
            sign=isinstance(node.op, Operator) and title == node.op.symbol,
            marks=tuple(dict.fromkeys(self._marks(prefix, names))),
        )

    def _paths(self, prefix: str, names: list[str]) -> list[str]:
        """Return the paths that are drawn as one box: those of all turns of a run that is drawn
        once."""
        around = self.prefixes.get(prefix, [prefix])
        return [f"{before}{name}" for before in around for name in names][:_MAX_TURNS_NAMED]

    def _marks(self, prefix: str, names: list[str]) -> Iterator[Mark]:
        """Yield the marks of the node that a box stands for, and of the nodes inside it."""
        marks = self.options.marks
        for path in self._paths(prefix, names) if marks else ():
            if path in marks:
                yield marks[path]
            else:
                yield from (mark for key, mark in marks.items() if key.startswith(f"{path}."))

    def _cluster(
        self, node: Node, prefix: str, names: list[str], times: int, training: bool
    ) -> Cluster:
        title, arguments = self._title(node)
        kind = node.calls.kind if node.calls is not None else "cell"
        return Cluster(
            self._id(),
            kind,
            title if kind in ("block", "network", "cell") else "",
            arguments,
            f"{prefix}{node.name}",
            _shown_name(node, names),
            times,
            training,
            self._shared_with(None, node),
        )

    def _title(self, node: Node) -> tuple[str, str]:
        if isinstance(node.op, Operator):
            return operator_title(node.op, self.options.dims)
        if node.calls is not None:
            return op_title(node.op), given_arguments(node.calls)
        if isinstance(node.op, WeightOf):
            module = node.module.name if node.module else ""
            return f"{module}.{node.op.weight}", ""
        return node.name, ""

    def _params(self, graph: Graph, node: Node) -> int:
        """Return the learned values of all turns, as far as they count here."""
        cost = (
            self.costs.graphs[id(graph)].nodes[node.id] if id(graph) in self.costs.graphs else None
        )
        return cost.times(node.times, shared=node.module is not None).params if cost else 0

    def _shared_with(self, graph: Graph | None, node: Node) -> str:
        module = node.module
        if module is None or isinstance(node.op, WeightOf):
            return ""
        return module.name if module.port or module.name in self.shared else ""


def _names(run: list[Node]) -> Iterator[str]:
    for node in run:
        yield from islice(node.names(), _MAX_TURNS_NAMED)


def _shown_name(node: Node, names: list[str]) -> str:
    """Return the last part of the path, of a run the first and the last; operators' own names are
    not repeated."""
    if not node.named and node.module is None:
        return ""
    first = names[0].rsplit(".", 1)[-1]
    return first if len(names) == 1 else f"{first} … {names[-1].rsplit('.', 1)[-1]}"


def _kind(node: Node) -> str:
    if isinstance(node.op, Operator):
        return node.op.family
    if isinstance(node.op, Parameter | WeightOf):
        return "parameter"
    if isinstance(node.op, Buffer):
        return "buffer"
    assert not isinstance(node.op, Placeholder)
    return "block"


def _shared_modules(graph: Graph) -> set[str]:
    """Return the network's modules that more than one node uses."""
    uses: dict[str, int] = defaultdict(int)
    for node in graph.nodes():
        refs: list[ModuleRef] = [*node.bound_modules, *([node.module] if node.module else [])]
        for ref in refs:
            uses[ref.name] += node.times
    return {name for name, count in uses.items() if count > 1}
