"""The edit that keeps some channels of some classes, or copies them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from addnn_spec.design.edits import Edit, Rows, Shared, Slices, keys_of, scope_of_owner
from addnn_spec.design.validation import PlannedGraph, check, node_as_planned, origin, shapes_of
from addnn_spec.design.writing import TextChanges
from addnn_spec.diagnostics import Refusal
from addnn_spec.graph import Graph
from addnn_spec.ops.base import Operator, TensorType
from addnn_spec.passes.state_dict import operator_weights
from addnn_spec.passes.unfold import FlatNode, FlatTensor
from addnn_spec.passes.widths import ChannelClass, Lane, Segment, Widths


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
                # After a `Flatten` all places of a channel stay, or none.
                found += range(begin + channel * inner, begin + (channel + 1) * inner)
            begin += size * inner
        return tuple(found)

    def read(self, row: Iterable[Segment]) -> Rows | None:
        """Return the places of a row that weights read, in which copies share one weight."""
        found = self.rows(row)
        # A copied channel is read twice: each copy gets its part of the weight.
        return found if found is None or len(set(found)) == len(found) else Shared(found)

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
        """Return a `Pad`'s amounts for the channels that stay, with as many of its zeros beside
        them."""
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
        # `Chunk` says how many parts, all of one size: parts that differ need a `Split`.
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


def free_class(widths: Widths, number: int) -> ChannelClass:
    """Return the channel class of a name. Raises `Refusal` (E0620) if there is none, or if its
    width is fixed."""
    if not 0 <= number < len(widths.classes):
        raise Refusal("E0620", f"there is no channel class {number}")
    found = widths.classes[number]
    if found.frozen:
        raise Refusal("E0620", f"the width of {found.name} must stay: {found.frozen}")
    return found


def narrow_edit(graph: Graph, widths: Widths, keep: Mapping[int, Rows]) -> Edit:
    """Return the edit. Raises `Refusal` (E0620) for a class whose width must stay."""
    for number, rows in keep.items():
        found = free_class(widths, number)
        if not rows or not 0 <= min(rows) <= max(rows) < found.size:
            raise Refusal(
                "E0620", f"{found.name} has {found.size} channels: name one or more of them"
            )
    keep = {n: rows for n, rows in keep.items() if rows != tuple(range(widths.classes[n].size))}
    narrowed = Narrowed(widths, keep)
    facts, nodes = graph.facts, widths.unfolded.nodes
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
    held = partial(check, wanted=PlannedGraph(wanted, outputs))
    return Edit(TextChanges(operators), _slices(graph, narrowed), held, narrowed)


def _slices(graph: Graph, narrowed: Narrowed) -> Slices:
    """Return, for each key of the `state_dict`, which places of each axis stay."""
    widths = narrowed.widths
    found: dict[str, tuple[Rows | None, ...]] = dict.fromkeys(keys_of(graph), ())
    for item in widths.unfolded.nodes:
        rule, applied = widths.rules.get(item.index), item.node.applied
        if rule is None or not rule.tensors:
            continue
        lane = widths.read(item.index)
        rows = {
            None: None,
            "in": None if lane is None else narrowed.read(lane.segments),
            "out": narrowed.rows(widths.made(item.index)),
        }
        for name, entry in operator_weights(applied):
            sides = rule.tensors.get(name, (None,) * len(entry.shape))
            found[f"{scope_of_owner(item.owner)}{name}"] = tuple(rows[side] for side in sides)
    return found


__all__ = ["Narrowed", "free_class", "narrow_edit"]
