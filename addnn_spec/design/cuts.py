"""The edit that ends a network behind a node, with a new head."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from addnn_spec.design.edits import Edit, Slices, keys_of, no_node, scope_of_owner
from addnn_spec.design.texts import index_text, operator_text
from addnn_spec.design.validation import Planned, PlannedGraph, check, planned
from addnn_spec.design.writing import TextChanges
from addnn_spec.diagnostics import Refusal
from addnn_spec.graph import Graph, Placeholder
from addnn_spec.ops.base import TensorType
from addnn_spec.ops.indexing import GetItem
from addnn_spec.ops.reduction import Mean
from addnn_spec.passes.unfold import FlatNode, FlatTensor, giver_of
from addnn_spec.passes.widths import Widths
from addnn_spec.sizes import Size

_MOST_FLAT = 4096
"""A head reads a flattened map of no more values than this."""


@dataclass(frozen=True, slots=True)
class HeadInput:
    """How a head reads a value as rows [N, C]: tokens as the old head does, anything else
    flattened."""

    elements: tuple[str, ...] = ()
    """What stands before the head in its chain."""
    op: GetItem | Mean | None = None
    """What the old head read tokens by: a place, or their mean."""

    @property
    def pick(self) -> str:
        """Return what is written behind the value's name: `[:, 0]`."""
        if not isinstance(self.op, GetItem):
            return ""
        return f"[{', '.join(map(index_text, self.op.index))}]"

    @property
    def averages(self) -> bool:
        """True if maps are averaged over space."""
        return len(self.elements) > 1


@dataclass(frozen=True, slots=True)
class Cut:
    """A network up to one node, which all ways to its one main output pass."""

    path: str
    """The outermost block whose value it is, or the node itself."""
    item: FlatNode
    live: tuple[int, ...]
    """The nodes that lead to it, itself among them, in order."""
    nodes: Mapping[str, Planned]
    """The same by path, as they stay."""
    slices: Slices
    output: tuple[Size, ...]
    """The shape of what is the network's output now."""
    reading: HeadInput

    @property
    def type(self) -> TensorType:
        return self.item.node.outputs[0]


def cut_edit(graph: Graph, widths: Widths, path: str, head: str, classes: int | None) -> Edit:
    """Return the edit. Raises `Refusal` (E0620) where there is no place for a cut."""
    cut = cut_at(graph, widths, path)
    labels = {path.partition(".")[0] for path in cut.nodes}
    layers = head_text(head, classes or width_of(cut.output), labels)
    text = " -> ".join([*cut.reading.elements, layers])
    held = partial(check, wanted=PlannedGraph(cut.nodes, ()), added=cut.path)
    return Edit(TextChanges(cut=cut.path, head=text, pick=cut.reading.pick), cut.slices, held)


def cut_at(graph: Graph, widths: Widths, path: str) -> Cut:
    """Return a network up to a node. Raises `Refusal` (E0620) where there is no place for a cut."""
    unfolded = widths.unfolded
    nodes = unfolded.nodes
    paths = {item.path: item for item in nodes}
    givers = dict(_givers(graph, ""))
    item = paths.get(givers.get(path, path))
    if item is None:
        raise no_node(path, {**paths, **givers})
    # A cut inside a block whose value this is would take the block apart for nothing.
    for block, giver in givers.items():  # the outermost block whose value it is
        if giver == item.path:
            path = block
            break
    outputs = [o for o in graph.outputs if not o.training]
    if len(outputs) != 1 or len(outputs[0].refs) != 1 or outputs[0].listed:
        raise Refusal("E0620", f"{graph.name} has no one main output: a cut needs one")
    main = unfolded.outputs[_first_main(graph)]
    _check_cut(nodes, item, main)
    live = tuple(sorted(_before(nodes, item.index)))
    now = planned(unfolded, graph.facts).nodes
    # What a training output needed alone may now be needed by the main one.
    kept = {nodes[i].path: now[nodes[i].path]._replace(training=False) for i in live}
    owners = tuple({scope_of_owner(nodes[index].owner) for index in live})
    own = {nodes[index].owner for index in live}
    slices: Slices = {key: () for key in keys_of(graph) if key.startswith(owners) or key in own}
    shape = nodes[main.source].node.outputs[main.port].shape
    return Cut(path, item, live, kept, slices, shape, _reading(nodes, item, main))


def _reading(nodes: Sequence[FlatNode], item: FlatNode, main: FlatTensor) -> HeadInput:
    """Return how a head reads a value: tokens, whose channels come last, as the old head does."""
    type = item.node.outputs[0]
    if type.rank > 2:
        for index in sorted(_before(nodes, main.source)):
            node = nodes[index].node
            if index <= item.index or not isinstance(node.op, GetItem | Mean):
                continue
            given, made = node.types[0], node.outputs[0]
            if given is None or (given.rank, made.rank) != (type.rank, 2):
                continue
            if made.shape[1] == given.shape[-1]:
                mean = (operator_text(node.op, []),) if isinstance(node.op, Mean) else ()
                return HeadInput(mean, node.op)
    return HeadInput(tuple(_flat_elements(type)))


def width_of(output: tuple[Size, ...]) -> int:
    """Return how many values an output [N, classes] has."""
    if len(output) != 2 or not isinstance(output[1], int):
        raise Refusal("E0620", "a new head needs an output [N, classes], or the number of classes")
    return output[1]


def _givers(graph: Graph, prefix: str) -> Iterator[tuple[str, str]]:
    """Yield each block and brace that has one output, outer ones first, with the node that makes
    it."""
    for node in graph.nodes():
        if node.calls is None:
            continue
        for name in node.names():
            path = f"{prefix}{name}"
            if len(node.outputs) == 1:
                yield path, giver_of(node, prefix, name)
            yield from _givers(node.calls, f"{path}.")


def head_text(head: str, classes: int, taken: Iterable[str]) -> str:
    """Return a head as elements of a chain; its layers have labels that are not `taken`."""
    kind, _, number = head.partition(":")
    if kind not in ("linear", "mlp") or (kind == "mlp") != number.isdigit():
        raise Refusal("E0620", f"there is no head {head}", help="linear, or mlp:128")
    parts = []
    label = _free("head", taken)
    if kind == "mlp":
        parts += [f"{_free('hidden', taken)}: Linear({number})", "ReLU"]
    parts.append(f"{label}: Linear({classes})")
    return " -> ".join(parts)


def _flat_elements(type: TensorType) -> list[str]:
    """Return the elements that make rows of a tensor: maps of many values, or of unknown size, are
    averaged first."""
    parts: list[str] = []
    if type.rank > 2:
        flat = 1
        for size in type.shape[1:]:
            flat = flat * size if isinstance(size, int) else _MOST_FLAT + 1
        space = type.rank - 2
        if flat > _MOST_FLAT and space <= 3:
            parts.append(f"AdaptiveAvgPool{space}d(1)")
        if flat > _MOST_FLAT and (space > 3 or not isinstance(type.shape[1], int)):
            raise Refusal("E0620", f"a head cannot read {type}")
        parts.append("Flatten")
    return parts


def _free(label: str, taken: Iterable[str]) -> str:
    taken, number, found = set(taken), 1, label
    while found in taken:
        number += 1
        found = f"{label}_{number}"
    return found


def _first_main(graph: Graph) -> int:
    place = 0
    for output in graph.outputs:
        if not output.training:
            return place
        place += len(output.refs)
    raise Refusal("E0620", f"{graph.name} has no output of evaluation")


def _before(nodes: Sequence[FlatNode], index: int, without: int = -1) -> set[int]:
    """Return a node and all nodes that lead to it, but for ways through `without`."""
    found: set[int] = set()
    waiting = [index]
    while waiting:
        one = waiting.pop()
        if one not in found and one != without:
            found.add(one)
            waiting += [value.source for value in nodes[one].inputs if value is not None]
    return found


def _check_cut(nodes: Sequence[FlatNode], item: FlatNode, main: FlatTensor) -> None:
    # If an input is still reached without this node, the rest of the network is not its value
    # alone.
    around = _before(nodes, main.source, without=item.index)
    past = [nodes[i].path for i in around if isinstance(nodes[i].node.op, Placeholder)]
    if item.index not in _before(nodes, main.source):
        raise Refusal("E0620", f"{item.path} does not lead to the network's main output")
    if past and not isinstance(item.node.op, Placeholder):
        raise Refusal(
            "E0620",
            f"{item.path} is no place for a cut: there is a way from {past[0]} to the output past "
            "it",
            help="cut behind the sum or the block that it belongs to",
        )
    if len(item.node.outputs) != 1:
        raise Refusal("E0620", f"{item.path} has several outputs: cut behind what reads them")
