"""Plans: a network with edits, each of which gives a new text and says what becomes of the weights.

A plan is a value. `cut`, `narrow` and `replace` return the plan of the edited network, checked: the
new text has been elaborated, and is what was planned. Nothing here imports torch.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import islice, product
from pathlib import Path
from typing import Any

from addnn_spec.compiler import Session
from addnn_spec.design.blocks import Taken
from addnn_spec.design.validation import (
    Planned,
    PlannedGraph,
    check,
    node_as_planned,
    origin,
    planned,
    shapes_of,
)
from addnn_spec.design.writing import Changes, Uses, write_body
from addnn_spec.diagnostics import DiagnosticError, Refusal, near
from addnn_spec.graph import OWN, Graph, Node, Placeholder
from addnn_spec.network import Network, load
from addnn_spec.ops.base import Operator, TensorType
from addnn_spec.passes.memory import at
from addnn_spec.passes.state_dict import operator_weights, weights_of
from addnn_spec.passes.unfold import FlatNode, FlatTensor, unfold
from addnn_spec.passes.widths import ChannelClass, Lane, Segment, Widths, channel_classes
from addnn_spec.source import Source
from addnn_spec.syntax.printer import format_source
from addnn_spec.values import Definition, LayerValue

Rows = tuple[int, ...]
"""Places of an axis, in the old tensor."""
Slices = Mapping[str, tuple[Rows | None, ...]]
"""By key of the new `state_dict`: for each axis of the old tensor, which places stay; None: all."""


@dataclass(frozen=True)
class Plan:
    """A network as it shall be, and how its weights come from those of the first one."""

    network: Network
    slices: tuple[Slices, ...] = ()
    """For each edit, in order: what becomes of the tensors of the network before it."""
    notes: tuple[str, ...] = ()
    folder: Path | None = field(default=None, repr=False)
    """Where the imports of a user's file are looked up."""

    @property
    def graph(self) -> Graph:
        return self.network.graph

    @property
    def text(self) -> str:
        """The new spec, whole: one file."""
        return self.network.session.source.text

    @cached_property
    def widths(self) -> Widths:
        """The channel classes of the network as it is now."""
        return channel_classes(self.graph)

    # --------------------------------------------------------------------------------------- edits

    def cut(self, path: str, head: str = "linear", classes: int | None = None) -> Plan:
        """Return the plan of the network up to a node, and a new head behind it.

        `head` is `linear` (maps are averaged where the flattened map has over 4,096 values or a
        size that is not known), or `mlp:128`, one hidden layer more. Raises `Refusal` (E0620).
        """
        return _cut(self, path, head, classes)

    def narrow(self, keep: Mapping[int, Sequence[int]]) -> Plan:
        """Return the plan with fewer channels: of each class that is named, those that stay.

        Classes are numbered as `widths` has them. Raises `Refusal` (E0620) for one that is frozen.
        """
        return _narrow(self, {number: tuple(sorted(rows)) for number, rows in keep.items()})

    def repeated(self, path: str, turns: int) -> Plan:
        """Return the plan with another number of turns of a labelled repeat.

        Turns that are added are like the last one, which must give what it takes; their weights are
        new. Raises `Refusal` (E0620).
        """
        return _repeated(self, path, turns)

    def replaced(self, operators: Mapping[str, Operator]) -> Plan:
        """Return the plan with other operators at some paths; what they make has to fit."""
        known = {item.path for item in self.widths.unfolded.nodes}
        for path in operators:
            if path not in known:
                raise _no_node(path, known)
        return _written(self, Changes(dict(operators)), None, None, {})

    # ------------------------------------------------------------------------------------- weights

    def apply(self, weights: Mapping[str, Any]) -> dict[str, Any]:
        """Return the new network's tensors, of those of the network that the plan began with.

        Tensors of torch or numpy. A new head's are not among them.
        """
        found: dict[str, Any] = dict(weights)
        for step in self.slices:
            kept = {}
            for key, rows in step.items():
                if key in found:
                    kept[key] = _sliced(found[key], rows)
            found = kept
        return found


def start(network: Network | str | Path) -> Plan:
    """Return the plan of a network in which nothing is changed yet: `start("ResNet18")`."""
    if not isinstance(network, Network):
        network = load(network)
    return Plan(network)


def _sliced(tensor: Any, rows: tuple[Rows | None, ...]) -> Any:
    for axis, kept in enumerate(rows):
        if kept is not None:
            tensor = tensor[(slice(None),) * axis + (list(kept),)]
    return tensor


# ---------------------------------------------------------------------------------------- narrowing


@dataclass(frozen=True)
class Narrowed:
    """The sizes of a network whose classes keep some of their channels."""

    widths: Widths
    keep: Mapping[int, Rows]

    def size(self, row: Iterable[Segment], *, old: bool = False) -> int:
        classes = self.widths.classes
        return sum(
            (len(self.keep[n]) if n in self.keep and not old else classes[n].size) * inner
            for n, inner in row
        )

    def rows(self, row: Iterable[Segment]) -> Rows | None:
        """Return which places of a row of channels stay; None: all."""
        row = tuple(row)
        if not any(number in self.keep for number, _ in row):
            return None
        found: list[int] = []
        begin = 0
        for number, inner in row:
            size = self.widths.classes[number].size
            for channel in self.keep.get(number, range(size)):
                found += range(begin + channel * inner, begin + (channel + 1) * inner)
            begin += size * inner
        return tuple(found)

    def operator(self, item: FlatNode) -> Operator | None:
        """Return a node's operator with its new numbers; None where none is new."""
        rule, op = self.widths.rules.get(item.index), item.node.op
        if rule is None or not isinstance(op, Operator):
            return None
        given: dict[str, Any] = {}
        if rule.does in ("makes", "keeps"):
            size = self.size(self.widths.made(item.index))
            given = dict.fromkeys(rule.fields, size)
        elif rule.does == "pads":
            given = {rule.fields[0]: self._pads(item, rule.zeros)}
        elif rule.does == "parts":
            return self._parts(item, op)
        changed = {name: value for name, value in given.items() if getattr(op, name) != value}
        return op.model_copy(update=changed) if changed else None

    def _pads(self, item: FlatNode, zeros: tuple[int, int]) -> tuple[int, ...]:
        """Return a `Pad`'s amounts, with as many zeros beside the channels as stay."""
        sides, row = [], list(self.widths.made(item.index))
        for count, place in zip(zeros, (0, -1), strict=True):
            left, kept = count, 0
            while left > 0:
                one = row.pop(place)
                left -= self.size([one], old=True)
                kept += self.size([one])
            sides.append(kept)
        pad: tuple[int, ...] = getattr(item.node.op, "pad")  # noqa: B009 - only `Pad` has the rule
        at = 2 * (item.node.outputs[0].rank - 2)
        return (*pad[:at], *sides, *pad[at + 2 :])

    def _parts(self, item: FlatNode, op: Operator) -> Operator | None:
        from addnn_spec.ops.merge import Split

        dim: int = getattr(op, "dim")  # noqa: B009
        parts = range(len(item.node.outputs))
        lanes = [self.widths.lanes.get(FlatTensor(item.index, part)) for part in parts]
        sizes = tuple(self.size(lane.segments) if lane else 0 for lane in lanes)
        old = tuple(self.size(lane.segments, old=True) if lane else 0 for lane in lanes)
        if sizes == old or (not isinstance(op, Split) and len(set(sizes)) == 1):
            return None
        return Split(split_size_or_sections=sizes, dim=dim)

    def type(self, value: FlatTensor, type: TensorType) -> TensorType:
        """Return a tensor's type with its new number of channels."""
        lane = self.widths.lanes.get(value)
        return type if lane is None else self.in_lane(lane, type)

    def in_lane(self, lane: Lane, type: TensorType) -> TensorType:
        size = self.size(lane.segments)
        return type.with_shape(*type.shape[: lane.axis], size, *type.shape[lane.axis + 1 :])


def _narrow(plan: Plan, keep: Mapping[int, Rows]) -> Plan:
    widths = plan.widths
    for number, rows in keep.items():
        if not 0 <= number < len(widths.classes):
            raise Refusal("E0620", f"there is no channel class {number}")
        found = widths.classes[number]
        if found.frozen:
            raise Refusal("E0620", f"the width of {found.name} must stay: {found.frozen}")
        if not rows or len(set(rows)) != len(rows) or not 0 <= min(rows) <= max(rows) < found.size:
            raise Refusal(
                "E0620", f"{found.name} has {found.size} channels: name one or more of them, once"
            )
    keep = {n: rows for n, rows in keep.items() if len(rows) < widths.classes[n].size}
    narrowed = Narrowed(widths, keep)
    facts, nodes = plan.graph.facts, widths.unfolded.nodes
    operators: dict[str, Operator] = {}
    wanted: dict[str, Any] = {}
    for item in nodes:
        op = narrowed.operator(item)
        if op is not None:
            operators[item.path] = op
        shown = tuple(
            narrowed.type(FlatTensor(item.index, port), type)
            for port, type in enumerate(item.node.outputs)
        )
        wanted[item.path] = node_as_planned(
            item, nodes, op or item.node.op, shapes_of(shown, facts), facts
        )
    outputs = tuple(origin(nodes, value) for value in widths.unfolded.outputs)
    graph = PlannedGraph(wanted, outputs)
    return _written(plan, Changes(operators), graph, narrowed, _slices(plan, narrowed))


def _slices(plan: Plan, narrowed: Narrowed) -> Slices:
    """Return, for each key of the `state_dict`, which places of each axis stay."""
    widths = narrowed.widths
    found: dict[str, tuple[Rows | None, ...]] = dict.fromkeys(_keys(plan.graph), ())
    for item in widths.unfolded.nodes:
        rule, applied = widths.rules.get(item.index), item.node.applied
        if rule is None or not rule.tensors:
            continue
        lane = widths.read(item.index)
        rows = {
            None: None,
            "in": None if lane is None else narrowed.rows(lane.segments),
            "out": narrowed.rows(widths.made(item.index)),
        }
        for name, entry in operator_weights(applied):
            sides = rule.tensors.get(name, (None,) * len(entry.shape))
            found[f"{_scope(item.owner)}{name}"] = tuple(rows[side] for side in sides)
    return found


def _scope(owner: str) -> str:
    """Return what the keys of a node's weights begin with."""
    return owner[: -len(OWN)] if owner == OWN or owner.endswith(f".{OWN}") else f"{owner}."


def _keys(graph: Graph) -> list[str]:
    return list(weights_of(graph))


# ------------------------------------------------------------------------------------------ cutting

_MOST_FLAT = 4096
"""A head reads a flattened map of no more values than this."""


def _cut(plan: Plan, path: str, head: str, classes: int | None) -> Plan:
    unfolded = plan.widths.unfolded
    nodes = unfolded.nodes
    paths = {item.path: item for item in nodes}
    givers = dict(_givers(plan.graph, ""))
    item = paths.get(givers.get(path, path))
    if item is None:
        raise _no_node(path, {**paths, **givers})
    for block, giver in givers.items():  # the outermost block whose value it is
        if giver == item.path:
            path = block
            break
    outputs = [o for o in plan.graph.outputs if not o.training]
    if len(outputs) != 1 or len(outputs[0].refs) != 1 or outputs[0].listed:
        raise Refusal("E0620", f"{plan.graph.name} has no one main output: a cut needs one")
    main = unfolded.outputs[_first_main(plan.graph)]
    _check_cut(nodes, item, main)
    shape = nodes[main.source].node.outputs[main.port].shape
    wide = classes or shape[-1]
    if not isinstance(wide, int) or (classes is None and len(shape) != 2):
        raise Refusal("E0620", "a new head needs an output [N, classes], or the number of classes")
    live = _before(nodes, item.index)
    kept = {nodes[index].path for index in live}
    labels = {path.partition(".")[0] for path in kept}
    text = head_text(item.node.outputs[0], head, wide, labels)
    now = planned(unfolded, plan.graph.facts).nodes
    wanted = {nodes[index].path: now[nodes[index].path] for index in sorted(live)}
    wanted = {name: node._replace(training=False) for name, node in wanted.items()}
    graph = PlannedGraph(wanted, ())
    owners = tuple({_scope(nodes[index].owner) for index in live})
    own = {nodes[index].owner for index in live}
    slices: Slices = {key: () for key in _keys(plan.graph) if key.startswith(owners) or key in own}
    return _written(plan, Changes(cut=path, head=text), graph, None, slices)


def _givers(graph: Graph, prefix: str) -> Iterator[tuple[str, str]]:
    """Yield each block and brace of one output, outer ones first, with the node that gives it."""
    for node in graph.nodes():
        if node.calls is None:
            continue
        for name in node.names():
            path = f"{prefix}{name}"
            if len(node.outputs) == 1:
                yield path, _giver(node.calls, f"{path}.")
            yield from _givers(node.calls, f"{path}.")


def _giver(graph: Graph, prefix: str) -> str:
    node = graph.node(graph.outputs[0].refs[0].node)
    path = f"{prefix}{list(node.names())[-1]}"
    return path if node.calls is None else _giver(node.calls, f"{path}.")


def giver_of(node: Node, prefix: str = "", name: str = "") -> str:
    """Return the path of the node whose value is that of `node`, of its last turn."""
    path = f"{prefix}{name or list(node.names())[-1]}"
    return path if node.calls is None else _giver(node.calls, f"{path}.")


def _no_node(path: str, known: Iterable[str]) -> Refusal:
    close = near(path, list(known))
    return Refusal(
        "E0620", f"there is no node {path}", help=f"did you mean {close[0]}?" if close else None
    )


def head_text(type: TensorType, head: str, classes: int, taken: Iterable[str]) -> str:
    """Return a head as elements of a chain; its layers have labels that are not `taken`."""
    kind, _, number = head.partition(":")
    if kind not in ("linear", "mlp") or (kind == "mlp") != number.isdigit():
        raise Refusal("E0620", f"there is no head {head}", help="linear, or mlp:128")
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
    label = _free("head", taken)
    if kind == "mlp":
        parts += [f"{_free('hidden', taken)}: Linear({number})", "ReLU"]
    parts.append(f"{label}: Linear({classes})")
    return " -> ".join(parts)


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
    """Return the nodes that lead to one, itself among them; not through `without`."""
    found: set[int] = set()
    waiting = [index]
    while waiting:
        one = waiting.pop()
        if one not in found and one != without:
            found.add(one)
            waiting += [value.source for value in nodes[one].inputs if value is not None]
    return found


def _check_cut(nodes: Sequence[FlatNode], item: FlatNode, main: FlatTensor) -> None:
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


# ------------------------------------------------------------------------------------------- turns


def turns_of(graph: Graph, path: str) -> tuple[int, bool]:
    """Return how many turns a labelled repeat has, and whether the last gives what it takes.

    Raises `Refusal` (E0620) where there is no such repeat.
    """
    found = next((inner for name, inner in _scopes(graph, "") if name == path), None)
    if found is None:
        raise _no_node(path, [name for name, _ in _scopes(graph, "")])
    nodes = [node for node in found.nodes() if not isinstance(node.op, Placeholder)]
    names = [name for node in nodes for name in node.names()]
    last = nodes[-1] if nodes else None
    one = last is not None and [ref is not None for ref in last.inputs] == [True]
    if last is None or not one or names != [str(n) for n in range(len(names))]:
        raise Refusal("E0620", f"{path} is no repeat whose turns each read the one before")
    given = found.type_of(last.inputs[0]) if last.inputs[0] is not None else None
    return len(names), last.times > 1 or (given,) == last.outputs


def _scopes(graph: Graph, prefix: str) -> Iterator[tuple[str, Graph]]:
    for node in graph.nodes():
        if node.calls is not None:
            for name in node.names():
                yield f"{prefix}{name}", node.calls
                yield from _scopes(node.calls, f"{prefix}{name}.")


def _repeated(plan: Plan, path: str, turns: int) -> Plan:
    count, keeps = turns_of(plan.graph, path)
    if turns < 1 or (turns > count and not keeps):
        raise Refusal(
            "E0620",
            f"{path} cannot have {turns} turns",
            help="a turn that is added must give what it takes, and one stays",
        )
    before = {item.path for item in plan.widths.unfolded.nodes}
    gone = [f"{path}.{turn}" for turn in range(turns, count)]
    kept = {one for one in before if not _is_of(one, gone)}
    slices: Slices = {key: () for key in _keys(plan.graph) if not _is_of(key, gone)}
    edited = _written(plan, Changes(turns={path: turns}), None, None, slices)
    _check_turns(plan, edited, path, (count, turns), kept)
    return edited


def _is_of(path: str, scopes: Iterable[str]) -> bool:
    return any(path == scope or path.startswith(f"{scope}.") for scope in scopes)


def _check_turns(
    plan: Plan, edited: Plan, path: str, turns: tuple[int, int], kept: set[str]
) -> None:
    """Hold the new text to what was asked: what stays is as it was but for the one tensor that
    comes out of the last turn, and turns that are added are the last one again."""
    count, now = turns
    old = planned(plan.widths.unfolded, plan.graph.facts).nodes
    new = planned(edited.widths.unfolded, edited.graph.facts).nodes
    last, end = f"{path}.{count - 1}", f"{path}.{now - 1}"
    like = {name: node for name, node in old.items() if _is_of(name, [last])}

    def moved(node: Planned) -> Planned:
        """Return a node that reads the new last turn where it read the old one."""
        return node._replace(
            inputs=tuple(
                (one[0].replace(last, end, 1), one[1])
                if one is not None and _is_of(one[0], [last])
                else one
                for one in node.inputs
            )
        )

    wanted = {name: old[name] if _is_of(name, [path]) else moved(old[name]) for name in kept}
    for turn in range(count, now):
        here = f"{path}.{turn}"
        for name, node in like.items():
            owner = node.owner.replace(last, here, 1)
            wanted[name.replace(last, here, 1)] = node._replace(inputs=(), owner=owner)
    added = [f"{path}.{turn}" for turn in range(count, now)]
    found = {
        name: node._replace(inputs=()) if _is_of(name, added) else node
        for name, node in new.items()
    }
    if found != wanted:
        raise Refusal("E0621", "the text that was written is not what was planned: other turns")


# ------------------------------------------------------------------------------------------ writing


def _written(
    plan: Plan,
    changes: Changes,
    wanted: PlannedGraph | None,
    narrowed: Narrowed | None,
    slices: Slices,
) -> Plan:
    """Return the plan of the text that says the changes, once it has been checked."""
    graph = plan.graph
    taken = Taken()
    uses = _UsesOf(plan, taken, changes, narrowed)
    try:
        lines = write_body(graph, changes, uses)
        body = "\n".join(lines)
        text = "\n".join([*taken.lines(), "", f"network {graph.name} {{\n{body}\n}}", ""])
        name = plan.network.session.source.name
        text = _head_comment(plan) + format_source(Source(name, text))
        network = Network(Session(Source(name, text), folder=plan.folder), graph.name)
    except DiagnosticError as error:
        if error.diagnostics[0].code == "E0620":
            raise
        said = error.diagnostics[0].message
        raise Refusal("E0621", f"the text that was written has an error: {said}") from error
    if wanted is not None:
        check(network.graph, unfold(network.graph), wanted, changes.cut)
    return replace(plan, network=network, slices=(*plan.slices, slices))


def _head_comment(plan: Plan) -> str:
    """Return the comment at the head of the file, its figures left out: they hold no longer."""
    rows = []
    for row in plan.text.splitlines():
        if not row.startswith("#"):
            break
        rows.append(row)
    kept = [row for row in rows if " parameters, " not in row]
    while kept and kept[-1].strip() == "#":
        kept.pop()
    return "\n".join([*kept, "", ""]) if kept else ""


class _UsesOf:
    """How uses of blocks are written: as they were, or with other numbers, where that gives what
    was planned; else not at all."""

    def __init__(
        self, plan: Plan, taken: Taken, changes: Changes, narrowed: Narrowed | None
    ) -> None:
        self.taken = taken
        self.changes = changes
        self.narrowed = narrowed
        self.nodes = plan.widths.unfolded.nodes
        self.below: dict[str, list[FlatNode]] = {}
        for item in self.nodes:
            for place, letter in enumerate(item.path):
                if letter == ".":
                    self.below.setdefault(item.path[:place], []).append(item)
        self.sessions: dict[tuple[str, int], Session] = {}
        self.tried: dict[object, dict[str, Operator]] = {}

    def __call__(self, graph: Graph, path: str) -> Uses | None:
        definition, inside = graph.definition, self.below.get(path, [])
        if definition is None or graph.kind != "block":
            return None
        if not any(self._moves(item) for item in inside):
            return self.taken.call(definition, graph.arguments)
        flowing = self._flowing(inside)
        if self.narrowed is None or flowing is None or len(graph.outputs) != 1:
            return None
        wanted = {
            item.path[len(path) + 1 :]: self.changes.operators.get(item.path, item.node.op)
            for item in inside
        }
        for arguments in self._candidates(graph, inside):
            if self._made(definition, arguments, flowing) == wanted:
                return self.taken.call(definition, arguments)
        return None

    def _moves(self, item: FlatNode) -> bool:
        """Return True if a node's operator is another, or what it reads or makes has another
        size."""
        if item.path in self.changes.operators:
            return True
        values = [value for value in item.inputs if value is not None]
        values += [FlatTensor(item.index, port) for port in range(len(item.node.outputs))]
        return any(self._type(value) != self._type(value, old=True) for value in values)

    def _type(self, value: FlatTensor, *, old: bool = False) -> TensorType:
        type = self.nodes[value.source].node.outputs[value.port]
        return type if old or self.narrowed is None else self.narrowed.type(value, type)

    def _flowing(self, inside: list[FlatNode]) -> TensorType | None:
        """Return the type of the one tensor that flows into a block; None where there are more."""
        own = {item.index for item in inside}
        values = {value for item in inside for value in item.inputs if value is not None}
        around = [value for value in values if value.source not in own]
        return self._type(around[0]) if len(around) == 1 else None

    def _candidates(
        self, graph: Graph, inside: list[FlatNode]
    ) -> Iterator[tuple[tuple[str, Any], ...]]:
        """Yield a block's arguments, as they are and with the new widths in them."""
        sizes: dict[int, set[int]] = {}
        for item in inside:
            values = [FlatTensor(item.index, port) for port in range(len(item.node.outputs))]
            for value in values:
                lane = None if self.narrowed is None else self.narrowed.widths.lanes.get(value)
                if lane is not None:
                    old, new = (self._type(value, old=o).shape[lane.axis] for o in (True, False))
                    if isinstance(old, int) and isinstance(new, int):
                        sizes.setdefault(old, set()).add(new)
        for factor in (2, 4):
            for old, news in list(sizes.items()):
                if old % factor == 0:
                    found = {new // factor for new in news if new % factor == 0}
                    sizes.setdefault(old // factor, set()).update(found)
        yield graph.arguments
        options = [list(_options(value, sizes)) for _, value in graph.arguments]
        names = [name for name, _ in graph.arguments]
        for chosen in islice(product(*options), 1, _MOST_TRIED):
            yield tuple(zip(names, chosen, strict=True))

    def _made(
        self, definition: Definition, arguments: tuple[tuple[str, Any], ...], flowing: TensorType
    ) -> dict[str, Operator]:
        """Return the operators that a use of a block comes to, by path."""
        key = (id(definition.node), repr(arguments), str(flowing))
        if key not in self.tried:
            self.tried[key] = self._elaborated(definition, arguments, flowing)
        return self.tried[key]

    def _elaborated(
        self, definition: Definition, arguments: tuple[tuple[str, Any], ...], flowing: TensorType
    ) -> dict[str, Operator]:
        sizes = {f"size{place}": at(size, None) for place, size in enumerate(flowing.shape)}
        session = self._session(flowing.dtype, len(sizes))
        graph = session.graph("Tried", {"layer": LayerValue(definition, arguments), **sizes})
        if graph is None or session.collector.has_errors:
            self.sessions.clear()  # its findings stay with it
            return {}
        found = unfold(graph).nodes
        return {n.path[2:]: n.node.op for n in found if n.path.startswith("b.")}  # type: ignore[misc]

    def _session(self, dtype: str, rank: int) -> Session:
        """Return a text with a network of one layer, for tensors of this rank."""
        if (dtype, rank) not in self.sessions:
            names = ", ".join(f"size{place}" for place in range(rank))
            body = f"input given: {dtype}[{names}] output made = given -> b: layer"
            text = f"network Tried(layer, {names}) {{ {body} }}"
            self.sessions[dtype, rank] = Session(Source("tried", text))
        return self.sessions[dtype, rank]


_MOST_TRIED = 32


def _options(value: Any, sizes: Mapping[int, set[int]]) -> Iterator[Any]:
    """Yield what an argument may be now: what it was, and with new widths in the place of old."""
    yield value
    if type(value) is int:
        yield from sorted(sizes.get(value, set()) - {value}, reverse=True)
    elif isinstance(value, tuple) and all(type(item) is int for item in value):
        new = tuple(max(sizes.get(item, {item})) for item in value)
        if new != value:
            yield new


__all__ = ["ChannelClass", "Plan", "Slices", "head_text", "start"]
