"""Channel classes: which axes of a network's tensors are one width.

A layer that makes channels (`Conv2d`, `Linear`) begins a class; what comes after it keeps the
class, joins it with others (`Concat`), takes it apart (`Split`), or makes it one with another
(`+`). All tensors of a class get narrower or wider together, channel by channel. What mixes the
channels of a tensor otherwise than by weights (a norm or a softmax over them, a reduction), and
what is not known, freezes their class, with the reason.

Where a sum meets tensors that were joined differently, classes are split until their borders agree:
a class is always whole in every tensor. Zeros that a `Pad` puts beside channels are channels of a
class, too, of which no weight tells.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from addnn_spec.graph import Graph, Placeholder, WeightOf
from addnn_spec.ops.applied import Applied
from addnn_spec.ops.base import Operator, TensorType
from addnn_spec.ops.channels import Channels
from addnn_spec.ops.reach import Reach
from addnn_spec.passes.titles import op_title
from addnn_spec.passes.unfold import MAX_FLAT_NODES, FlatNode, FlatTensor, Unfolded, unfold


class Segment(NamedTuple):
    """The channels of one class in a row, each of `inner` places: after a `Flatten` those of its
    map."""

    channels: int
    inner: int = 1


class Lane(NamedTuple):
    """The channels of a tensor: along which axis they lie, and of which classes they are."""

    axis: int
    segments: tuple[Segment, ...]


@dataclass(frozen=True, slots=True)
class ChannelClass:
    """Channels that are one width. `makers` give them, `readers` take them in by weights.

    `frozen` is why the width must stay; empty where it may change.
    """

    number: int
    size: int
    makers: tuple[str, ...]
    readers: tuple[str, ...]
    frozen: str = ""

    @property
    def name(self) -> str:
        """What the class is called by: its first maker."""
        return self.makers[0] if self.makers else "zeros"


@dataclass(frozen=True, slots=True)
class Widths:
    """The channel classes of a network, and where they lie.

    Nodes are those of `unfolded`, by index; segments hold numbers of `classes`.
    """

    unfolded: Unfolded
    classes: tuple[ChannelClass, ...]
    lanes: Mapping[FlatTensor, Lane]
    rules: Mapping[int, Channels]
    """The nodes whose attributes or weights count channels."""

    def made(self, index: int) -> tuple[Segment, ...]:
        """Return the channels that a node gives, in order."""
        lane = self.lanes.get(FlatTensor(index, 0))
        return () if lane is None else lane.segments

    def read(self, index: int) -> Lane | None:
        """Return the channels that flow into a node first."""
        value = next(iter(self.unfolded.nodes[index].inputs), None)
        return None if value is None else self.lanes.get(value)


def channel_classes(graph: Graph, *, limit: int = MAX_FLAT_NODES) -> Widths:
    """Return the channel classes of a network. Raises `Refusal` where it has too many nodes."""
    return _Finder(unfold(graph, limit=limit)).run()


@dataclass(slots=True)
class _Block:
    """Channels in a row that share one fate: they stay or go together. `same` and `parts` lead on
    to others."""

    size: int
    frozen: str = ""
    same: int | None = None
    parts: tuple[int, ...] = ()
    makers: list[int] = field(default_factory=list)
    readers: list[int] = field(default_factory=list)


_Row = tuple[Segment, ...]


class _Finder:
    def __init__(self, unfolded: Unfolded) -> None:
        self.unfolded = unfolded
        self.blocks: list[_Block] = []
        self.lanes: dict[FlatTensor, Lane] = {}
        self.rules: dict[int, Channels] = {}
        self.made_by: dict[str, _Row] = {}
        """By where the weights live: what they make."""
        self.read_by: dict[str, _Row] = {}

    def run(self) -> Widths:
        for item in self.unfolded.nodes:
            self._node(item)
        for value in self.unfolded.outputs:
            self._freeze(value, "it is an output of the network")
        return self._widths()

    # ------------------------------------------------------------------------------------- classes

    def _new(self, size: int, frozen: str = "", maker: int | None = None) -> Segment:
        self.blocks.append(_Block(size, frozen, makers=[] if maker is None else [maker]))
        return Segment(len(self.blocks) - 1)

    def _resolve(self, row: Iterable[Segment]) -> _Row:
        """Return the segments by their present classes."""
        found: list[Segment] = []
        waiting = list(row)[::-1]
        while waiting:
            number, inner = waiting.pop()
            block = self.blocks[number]
            if block.same is not None:
                waiting.append(Segment(block.same, inner))
            elif block.parts:
                waiting += [Segment(part, inner) for part in reversed(block.parts)]
            else:
                found.append(Segment(number, inner))
        return tuple(found)

    def _split(self, number: int, first: int) -> None:
        block = self.blocks[number]
        parts = []
        for size in (first, block.size - first):
            # Rows elsewhere still name the old block: they find its parts through `_resolve`.
            parts.append(len(self.blocks))
            self.blocks.append(
                _Block(size, block.frozen, makers=[*block.makers], readers=[*block.readers])
            )
        block.parts = tuple(parts)

    def _unify(self, a: _Row, b: _Row) -> None:
        """Make two rows of channels one, channel by channel."""
        while a and b:
            # Anew each time, since merging and splitting change what both rows are made of.
            a, b = self._resolve(a), self._resolve(b)
            (one, inner), (other, within) = a[0], b[0]
            sizes = self.blocks[one].size, self.blocks[other].size
            if inner != within:
                break
            if one == other:
                a, b = a[1:], b[1:]
            elif sizes[0] == sizes[1]:
                self._merge(one, other)
            else:
                self._split(one if sizes[0] > sizes[1] else other, min(sizes))
        if a or b:
            self._freeze_row((*a, *b), "it meets channels that lie otherwise")

    def _merge(self, one: int, other: int) -> None:
        # The older one is kept, so that classes are numbered in the order of the network.
        kept, lost = self.blocks[min(one, other)], self.blocks[max(one, other)]
        kept.frozen = kept.frozen or lost.frozen
        kept.makers += lost.makers
        kept.readers += lost.readers
        lost.same = min(one, other)

    def _freeze(self, value: FlatTensor | None, why: str) -> None:
        lane = None if value is None else self.lanes.get(value)
        if lane is not None:
            self._freeze_row(lane.segments, why)

    def _freeze_row(self, row: Iterable[Segment], why: str) -> None:
        for number, _ in self._resolve(row):
            self.blocks[number].frozen = self.blocks[number].frozen or why

    # --------------------------------------------------------------------------------------- nodes

    def _node(self, item: FlatNode) -> None:
        node, applied = item.node, item.node.applied
        if isinstance(node.op, Placeholder):
            self._input(item)
        elif isinstance(node.op, WeightOf):
            for rows in (self.made_by, self.read_by):
                self._freeze_row(rows.get(item.owner, ()), f"{item.path} shares its weights")
        elif applied is not None:
            # What a layer argument does with channels no rule of the operator tells.
            rule = None if node.layers else applied.channels()
            if rule is None or not self._by_rule(item, applied, rule):
                self._by_reach(item, applied)

    def _input(self, item: FlatNode) -> None:
        shape = item.node.outputs[0].shape
        if len(shape) > 1 and isinstance(shape[1], int) and item.node.outputs[0].dtype == "float":
            row = (self._new(shape[1], "it is an input of the network", item.index),)
            self.lanes[FlatTensor(item.index, 0)] = Lane(1, row)

    def _by_rule(self, item: FlatNode, applied: Applied, rule: Channels) -> bool:
        """Pass channels on by an operator's own rule; False where it does not hold here."""
        if rule.does == "joins":
            return self._joins(item, applied, rule.axis)
        lane = None if item.inputs[0] is None else self.lanes.get(item.inputs[0])
        if rule.does == "makes":
            return self._makes(item, rule, lane)
        if lane is None or lane.axis != rule.axis:
            return False
        out = FlatTensor(item.index, 0)
        if rule.does == "keeps":
            self.rules[item.index] = rule
            self._same_weights(self.made_by, item, lane.segments)
            self.lanes[out] = lane
        elif rule.does == "pads":
            zeros = [self._new(count) if count else None for count in rule.zeros]
            row = (zeros[0], *lane.segments, zeros[1])
            self.rules[item.index] = rule
            self.lanes[out] = Lane(lane.axis, tuple(one for one in row if one is not None))
        else:
            return self._parts(item, rule, lane)
        return True

    def _makes(self, item: FlatNode, rule: Channels, lane: Lane | None) -> bool:
        if lane is not None and lane.axis != rule.axis:
            return False
        self.rules[item.index] = rule
        if lane is not None:
            self._same_weights(self.read_by, item, lane.segments)
            for number, _ in self._resolve(lane.segments):
                self.blocks[number].readers.append(item.index)
        size = item.node.outputs[0].shape[rule.axis]
        assert isinstance(size, int)  # the attribute says it
        # A module's second use makes the same channels as its first: they share one set of weights.
        row = self.made_by.get(item.owner) or (self._new(size, "", item.index),)
        self.made_by[item.owner] = row
        self.lanes[FlatTensor(item.index, 0)] = Lane(rule.axis, row)
        return True

    def _same_weights(self, known: dict[str, _Row], item: FlatNode, row: _Row) -> None:
        """Require the same channels of all uses of one set of weights."""
        first = known.setdefault(item.owner, row)
        if first is not row:
            self._unify(first, row)

    def _joins(self, item: FlatNode, applied: Applied, axis: int) -> bool:
        found = [None if value is None else self.lanes.get(value) for value in item.inputs]
        # Joined along the sequence, say: then it is no rule for channels, and `reach` tells what
        # stays.
        if any(lane is not None and lane.axis != axis for lane in found):
            return False  # joined along another dimension
        if all(lane is None for lane in found):
            return True
        row: list[Segment] = []
        for lane, type in zip(found, applied.types, strict=True):
            size = None if type is None else type.shape[axis]
            if lane is not None:
                row += lane.segments
            elif isinstance(size, int):
                row.append(self._new(size, "it is joined from a tensor without classes"))
            else:
                return False
        self.rules[item.index] = Channels("joins", axis)
        self.lanes[FlatTensor(item.index, 0)] = Lane(axis, tuple(row))
        return True

    def _parts(self, item: FlatNode, rule: Channels, lane: Lane) -> bool:
        rest, rows = lane.segments, []
        for type in item.node.outputs:
            size, row = type.shape[rule.axis], []
            while isinstance(size, int) and size > 0:
                rest = self._resolve(rest)
                number, inner = rest[0]
                # After a `Flatten` a channel is as many places as its map had.
                places = self.blocks[number].size * inner
                if places <= size:
                    row.append(rest[0])
                    rest, size = rest[1:], size - places
                elif size % inner:
                    return False  # a channel would be torn
                else:
                    self._split(number, size // inner)
            rows.append(tuple(row))
        self.rules[item.index] = rule
        for port, one in enumerate(rows):
            self.lanes[FlatTensor(item.index, port)] = Lane(rule.axis, one)
        return True

    def _by_reach(self, item: FlatNode, applied: Applied) -> None:
        """Pass channels on if each stays in its place; else freeze them."""
        label = f"{item.path} ({op_title(item.node.op)})"
        outputs = item.node.outputs
        alone = not item.node.layers and len(outputs) == 1  # a pool's places have channels, too
        known = alone and not any(applied.tensors())
        passed: list[Lane] = []
        others: list[TensorType] = []
        for index, (value, type) in enumerate(zip(item.inputs, applied.types, strict=False)):
            lane = None if value is None else self.lanes.get(value)
            if lane is None or type is None:
                others += [] if type is None else [type]
                continue
            moved = self._through(lane, applied, index, type, outputs) if known else None
            if moved is None:
                self._freeze_row(lane.segments, f"{label} reads the channels as a whole")
            else:
                passed.append(moved)
        if not passed:
            return
        first = passed[0]
        if any(lane.axis != first.axis for lane in passed):
            for lane in passed:
                self._freeze_row(lane.segments, f"{label} joins them with another dimension")
            return
        for lane in passed[1:]:
            self._unify(first.segments, lane.segments)
        for type in others:
            # Broadcasting aligns dimensions from the last one.
            place = first.axis - outputs[0].rank
            if type.rank >= -place and type.shape[place] != 1:
                self._freeze_row(first.segments, f"{label} meets a tensor of this fixed size")
        self.lanes[FlatTensor(item.index, 0)] = Lane(first.axis, self._resolve(first.segments))

    def _through(
        self,
        lane: Lane,
        applied: Applied,
        index: int,
        type: TensorType,
        outputs: Sequence[TensorType],
    ) -> Lane | None:
        """Return where the channels lie in the output; None where they do not stay what they
        are."""
        if lane.axis >= type.rank:
            return None
        reaches = applied.reach(index, tuple(outputs))
        reach = None if reaches is None else reaches[lane.axis]
        out = outputs[0].shape
        if reach is None:
            moved = _flattened(lane, type, out) if applied.op.view else None
            return None if moved is None or _states(applied.op, out[moved.axis]) else moved
        # Only what sees one place at its own place leaves channels what they are.
        if reach != Reach(reach.to) or reach.to is None or reach.to >= len(out):
            return None
        if out[reach.to] != type.shape[lane.axis]:
            return None
        # `Reshape(64, -1)` says the width itself: it cannot change with the class.
        if applied.op.view and _states(applied.op, out[reach.to]):
            return None
        return Lane(reach.to, lane.segments)

    # -------------------------------------------------------------------------------------- result

    def _widths(self) -> Widths:
        lanes = {
            value: Lane(lane.axis, self._resolve(lane.segments))
            for value, lane in self.lanes.items()
        }
        numbers: dict[int, int] = {}
        for lane in lanes.values():
            for number, _ in lane.segments:
                numbers.setdefault(number, len(numbers))
        paths = [item.path for item in self.unfolded.nodes]
        classes = [
            ChannelClass(
                place,
                self.blocks[number].size,
                tuple(dict.fromkeys(paths[maker] for maker in self.blocks[number].makers)),
                tuple(dict.fromkeys(paths[reader] for reader in self.blocks[number].readers)),
                self.blocks[number].frozen,
            )
            for number, place in numbers.items()
        ]
        renumbered = {
            value: Lane(lane.axis, tuple(Segment(numbers[n], inner) for n, inner in lane.segments))
            for value, lane in lanes.items()
        }
        return Widths(self.unfolded, tuple(classes), renumbered, self.rules)


def _states(op: Operator, size: object) -> bool:
    """Return True if an attribute says the size: a `Reshape` to so many."""
    values = [
        v
        for given in op.given().values()
        for v in (given if isinstance(given, tuple) else (given,))
    ]
    return any(type(value) is int and value == size for value in values)


def _flattened(lane: Lane, type: TensorType, out: tuple[object, ...]) -> Lane | None:
    """Return where the channels lie after dimensions behind theirs are joined to them.

    That is what `Flatten` does with `[N, C, H, W]`: each channel becomes H*W places in a row.
    """
    axis, shape = lane.axis, type.shape
    if shape[:axis] != out[:axis] or len(out) <= axis:
        return None
    inner = 1
    for stop in range(axis + 1, len(shape) + 1):
        size = shape[axis]
        if isinstance(size, int) and out[axis] == size * inner and shape[stop:] == out[axis + 1 :]:
            row = tuple(Segment(n, within * inner) for n, within in lane.segments)
            return Lane(axis, row) if stop > axis + 1 else None
        further = shape[stop] if stop < len(shape) else None
        if not isinstance(further, int):
            return None
        inner *= further
    return None
