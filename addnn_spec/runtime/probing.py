"""The indices at every chosen node of a live network, within a budget of bytes."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TypeAlias

import torch
from pydantic import BaseModel, ConfigDict
from torch import Tensor, nn

from addnn_spec.diagnostics import Refusal
from addnn_spec.indices.errors import IndicesError
from addnn_spec.indices.geometry import Scratch
from addnn_spec.indices.query import CHECKED
from addnn_spec.indices.space import SketchFold, Space, Spread
from addnn_spec.runtime.cka import Between, gram_of
from addnn_spec.runtime.devices import Place, ahead
from addnn_spec.runtime.node_indices import Scorer, checked, drawn_to_check
from addnn_spec.runtime.other_measures import (
    Measure,
    Passed,
    Rows,
    check_task,
    measured,
    measures_named,
    wants_gram,
)
from addnn_spec.runtime.processes import Alone, Exchange
from addnn_spec.runtime.row_buffers import (
    Gauge,
    PartRows,
    Room,
    Running,
    Sketched,
    Whole,
    first_not_finite,
)
from addnn_spec.runtime.run_plan import (
    Hold,
    RowSize,
    RunPlan,
    SearchCost,
    batch_size,
    make_plan,
    owners,
)
from addnn_spec.runtime.run_record import CkaRecord, IndexRecord, MeasureRecord, Split
from addnn_spec.runtime.samples import Batch, Feed
from addnn_spec.runtime.sequence_steps import (
    Layout,
    NotRowsError,
    StepsError,
    at_positions,
    at_steps,
    channel_means,
)
from addnn_spec.runtime.settings import Settings
from addnn_spec.runtime.taps import Taps, names_taken, not_run, trial, untouched


@dataclass(frozen=True)
class Probe:
    """A node to measure.

    `key` and `call` are what its tap, or hook, is known by; `layout` tells where its steps and
    channels are, if it is a sequence; `samples` is the dimension that holds the samples.
    """

    label: str
    key: str
    call: int = 0
    layout: Layout | None = None
    samples: int = 0


class Measured(BaseModel):
    """What a node gave: its indices, or a note why there are none."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    label: str
    train: IndexRecord | None = None
    test: IndexRecord | None = None
    cross: IndexRecord | None = None
    measures: dict[str, MeasureRecord] = {}
    note: str = ""


class _Batch(BaseModel):
    items: list[Measured]


@dataclass(frozen=True)
class Found:
    """What a trial run saw of a node."""

    shape: tuple[int, ...]
    size: RowSize


Values: TypeAlias = tuple[Tensor, ...]
"""A network's inputs."""
Progress = Callable[[float, str], None]
"""Told the share of the work that is done, 0 to 1, and what is being done."""


class Prober:
    """A network, its nodes to measure, and the samples; tells the plan before it runs.

    Attributes:
        feed: the samples, in the batches of the plan.
        batch: how many samples a batch has.
        found: each probe's shape and size, by label.
        notes: of probes that give nothing to measure.
        plan: of this process.
        measures: what is taken of each node beside the indices; by default those the settings name.
        cka: linear CKA between the nodes, after a run that was asked for it; at process 0.
        passes: of all processes together.

    Raises:
        Refusal: E0614, E0616, E0617: no node, budget, or a network that does not run; E0607,
            options that do not go together.
    """

    def __init__(
        self,
        module: nn.Module,
        probes: Sequence[Probe],
        feed: Feed,
        settings: Settings | None = None,
        *,
        measures: Mapping[str, Measure] | None = None,
        exchange: Exchange | None = None,
    ) -> None:
        self.settings = settings or Settings()
        if measures is None:
            measures = measures_named(self.settings.measures)
        self.measures = measures
        if self.settings.sketch is not None and self.settings.metric != "euclidean":
            raise Refusal("E0607", "a sketch is of Euclidean distances, not of whitened ones")
        if feed.apart and self.settings.ties != "lowest":
            raise Refusal(
                "E0607",
                "ties of positions are counted among all neighbours",
                help="--neighbours all, or --ties lowest",
            )
        check_task(self.measures, feed.record.task)
        self.exchange = exchange or Alone()
        self.place = Place.of(self.settings.device, self.settings.precision)
        self.module = self.place.network(module)
        self.names = names_taken(self.module, feed.names)
        self.notes: list[str] = []
        self.found = self._trial(probes, feed)
        self.probes = [probe for probe in probes if probe.label in self.found]
        if not self.probes:
            raise Refusal("E0614", "no node can be measured", notes=tuple(self.notes))
        sizes = [self.found[probe.label].size for probe in self.probes]
        self.feed = feed.in_batches(self.settings.batch or batch_size(sizes, self.settings.budget))
        self.batch = self.feed.batch
        try:
            self.scorer = Scorer.of(self.feed, self.settings.order, self.settings.ties)
        except IndicesError as error:
            raise Refusal("E0612", str(error)) from error
        self._sizes = sizes
        self.scratch = Scratch()
        self.cka: CkaRecord | None = None
        self.between = Between()
        self.plan_for(())

    def plan_for(self, done: Collection[str]) -> RunPlan:
        """Plan the nodes that are not `done` yet (labels)."""
        left = [n for n, probe in enumerate(self.probes) if probe.label not in done]
        self._owner = owners(left, self._sizes, self.exchange.size)
        rows = [batch.rows for batch in self.feed.batches]
        settings, m = self.settings, self.scorer.rows[0]
        takes_grams = settings.cka or wants_gram(self.measures)
        try:
            self._plans = [
                make_plan(
                    self._sizes,
                    [n for n in left if self._owner[n] == rank],
                    rows,
                    self.scorer.rows,
                    settings.order,
                    settings.budget,
                    normalised=settings.normalize,
                    grams=8 * m * m if takes_grams else 0,
                    lasting=4 * m * m * (len(self.probes) + 6) if settings.cka else 0,
                    device=self.place.device.type,
                )
                for rank in range(self.exchange.size)
            ]
        except IndicesError as error:
            raise Refusal("E0616", f"the budget is too small: {error}") from error
        self.plan = self._plans[self.exchange.rank]
        self.passes = max(len(plan.passes) for plan in self._plans)
        return self.plan

    @property
    def cost(self) -> SearchCost:
        """The cost of all searches of all processes."""
        return sum((plan.cost for plan in self._plans), SearchCost())

    def forwards(self) -> int:
        """Return how many samples go through the network, over all passes."""
        return sum(
            sum(batch.stop - batch.start for batch in self.feed.batches[self._first(number) :])
            for number in range(self.passes)
        )

    def run(
        self, receive: Callable[[Measured], None], progress: Progress = lambda share, what: None
    ) -> None:
        """Run the plan; `receive` gets each node's results as soon as they are there.

        Raises `Refusal`: E0618, another value when a batch is computed again; E0622, a lost worker.
        """
        running: dict[int, Running] = {}
        room = Room(self.plan.room, self.place.device)
        for number in range(self.passes):
            room.clear()
            holds = self._pass(number, running, room, progress)
            done = []
            for place, (hold, rows) in enumerate(holds.items()):
                within = 0.5 + 0.5 * place / len(holds)
                progress(self._share(number, within), f"indices of {self.probes[hold.node].label}")
                result = self._finish(hold, rows)
                # Its bytes are the next pass's, and a result is all that is left of it.
                if isinstance(rows, Whole | Sketched):
                    rows.parts = ()
                if result is not None and self.exchange.size == 1:
                    receive(result)
                elif result is not None:
                    done.append(result)
            if self.exchange.size > 1:
                for text in self.exchange.share(_Batch(items=done).model_dump_json()):
                    for item in _Batch.model_validate_json(text).items:
                        receive(item)
        if self.settings.cka:
            owners = {probe.label: self._owner[n] for n, probe in enumerate(self.probes)}
            self.cka = self.between.record(owners, self.scorer.rows[0], self.exchange)

    def _share(self, number: int, within: float) -> float:
        """Return the share of the work done: half a pass is the network's, half the searches'."""
        return (number + within) / self.passes

    def _trial(self, probes: Sequence[Probe], feed: Feed) -> dict[str, Found]:
        inputs = feed.first()
        wanted = {(probe.key, probe.call): probe for probe in probes}
        count = len(feed.lifted(inputs[0]))
        batch = Batch(0, 0, count, 0, count)
        if feed.splits[0].positions is not None:
            batch = replace(batch, picks=torch.zeros(count, 2, dtype=torch.int64))
        mask = feed.mask(batch)
        unknown: list[str] = []
        sequences: list[str] = []
        found: dict[str, Found] = {}
        refused: dict[str, str] = {}

        def receive(key: str, call: int, value: Tensor) -> None:
            probe = wanted.get((key, call))
            if probe is None:
                return
            value = feed.lifted(value).movedim(probe.samples, 0)
            try:
                rows = self._rows(probe, value, batch, feed, mask)
            except NotRowsError as error:
                refused[probe.label] = str(error)
                return
            try:
                size = self._size(probe.label, rows, feed)
            except NotRowsError as error:
                refused[probe.label] = str(error)
                return
            found[probe.label] = Found(tuple(value.shape[1:]), size)
            if probe.samples or self._layout(probe, value) is not None:
                sequences.append(probe.label)
            elif value.ndim > 2 + feed.alone:
                unknown.append(probe.label)

        taps = Taps(self.module, receive, self.names, {probe.key for probe in probes})
        trial(taps, self.place.inputs(inputs), self.settings.mode)
        for probe in probes:
            if probe.label not in found:
                reason = refused.get(probe.label, "it is not computed in this mode")
                self.notes.append(f"{probe.label} is not measured: {reason}")
        if unknown and batch.picks is None and self.settings.sequence != "flatten":
            shown = ", ".join(unknown[:3]) + (" …" if len(unknown) > 3 else "")
            self.notes.append(
                f"{self.settings.sequence} is not taken of {len(unknown)} nodes whose steps are "
                f"not known, or that are no sequences: {shown}; all their values count"
            )
        elif not sequences and self.settings.sequence != "flatten":
            self.notes.append(f"{self.settings.sequence} is taken of no node: none has steps")
        return found

    def _layout(self, probe: Probe, value: Tensor) -> Layout | None:
        """Return where a node has its steps: as its layers tell, else as the user said."""
        steps = self.settings.steps
        if probe.layout is not None or steps is None or steps >= value.ndim:
            return probe.layout
        return Layout(steps - 1, 2 - steps if value.ndim == 3 else None)

    def _size(self, label: str, rows: Tensor, feed: Feed) -> RowSize:
        """Return what a node's rows take, where distances are taken as asked for.

        Raises `NotRowsError` where there is no value, and where whitening has no meaning: with as
        many values as samples all are equally far apart.
        """
        settings, m, d = self.settings, feed.record.train.m, rows.shape[1]
        if not d:
            raise NotRowsError("it has no values")
        plain = RowSize(label, d, rows.element_size())
        if settings.metric == "whiten":
            if d >= m - 1:
                raise NotRowsError(f"whitening {d:,} values takes more than {d + 1:,} samples")
            return replace(plain, copies=3)
        if settings.sketch is None or settings.sketch >= d:
            return plain
        share = settings.budget // 8 // (len(feed.splits) * plain.row_bytes)
        if min(m, share) < 2:
            raise NotRowsError(f"a sketch is checked on samples of {d:,} values: a larger budget")
        return replace(plain, width=settings.sketch, checked=min(CHECKED, m, share))

    def _first(self, number: int) -> int:
        """Return the first batch that a pass needs."""
        return min(
            (
                hold.first
                for plan in self._plans
                if number < len(plan.passes)
                for hold in plan.passes[number]
            ),
            default=0,
        )

    def _pass(
        self, number: int, running: dict[int, Running], room: Room, progress: Progress
    ) -> dict[Hold, _Held]:
        """One pass over the batches; what this process holds of its nodes."""
        # Only here are values seen: a pass is one run of the network over the batches.
        flow = _Flow(self, number, running, room)
        device = self.place.device
        with (
            untouched(self.module, self.settings.mode, device=device),
            flow.taps.installed(),
            flow.inputs() as inputs,
        ):
            for step, values in enumerate(inputs):
                told = f"pass {number + 1} of {self.passes}"
                progress(self._share(number, 0.5 * step / flow.steps), told)
                flow.step(step, values)
        return flow.held

    def _finish(self, hold: Hold, rows: _Held) -> Measured | None:
        """Return the results of a node after its last part."""
        label = self.probes[hold.node].label
        if hold.last < len(self.feed.batches):
            return None
        if isinstance(rows, _Broken):
            return Measured(label=label, note=f"{label} has no index: {rows.reason}")
        bad = self._first_not_finite(rows) if isinstance(rows, Whole) else None
        if bad is not None:
            return Measured(label=label, note=f"{label} has no index: {bad}")
        try:
            with torch.no_grad():
                return self._results(label, rows)
        except IndicesError as error:
            return Measured(label=label, note=f"{label} has no index: {error}")

    def _first_not_finite(self, rows: Whole) -> str | None:
        """Name the first sample whose values are not finite: asked once of all rows that are held,
        for a GPU waits at each question."""
        for split, part in enumerate(rows.parts):
            bad = first_not_finite(part)
            if bad is not None:
                return _not_finite(self.feed, split, bad)
        return None

    def _results(self, label: str, rows: Whole | PartRows | Sketched | Gauge) -> Measured:
        records = self._records(rows)
        others: dict[str, MeasureRecord] = {}
        note = ""
        if self.measures or self.settings.cka:
            others, note = self._others(label, rows)
        return Measured(
            label=label,
            train=records.get("train"),
            test=records.get("test"),
            cross=records.get("cross"),
            measures=others,
            note=note,
        )

    def _records(self, rows: Whole | PartRows | Sketched | Gauge) -> dict[Split, IndexRecord]:
        scorer, work, scratch = self.scorer, self.plan.work, self.scratch
        if isinstance(rows, PartRows):
            return {s: scorer.record(s, rows.running.result(s)) for s in scorer.splits}
        assert not isinstance(rows, Gauge)
        if isinstance(rows, Sketched):
            sides = scorer.sides(rows.parts, work, scratch=scratch)
            found = {s: scorer.record(s, scorer.search(s, sides)) for s in scorer.splits}
            return {s: checked(scorer, rows, s, index, work, scratch) for s, index in found.items()}
        parts, weight = rows.parts, None if rows.gauge is None else rows.gauge.weight()
        if self.settings.metric == "whiten":
            space = Space.of(parts[0], metric="whiten")  # scales of features change nothing there
            parts, weight = tuple(map(space.place, parts)), None
        sides = scorer.sides(parts, work, weight, scratch)
        return {
            split: scorer.record(
                split, scorer.search(split, sides), scorer.centre(split, sides, work)
            )
            for split in scorer.splits
        }

    def _others(
        self, label: str, rows: Whole | PartRows | Sketched | Gauge
    ) -> tuple[dict[str, MeasureRecord], str]:
        """Return the other measures of a node, and a note about those that it does not have."""
        values = self.scorer.values
        if isinstance(rows, Whole):
            if self.settings.cka:
                self.between.keep(label, gram_of(rows.parts[0]))
            test, labels = (rows.parts[1], values[1]) if len(values) > 1 else (None, None)
            seen = Rows(rows.parts[0], values[0], test, labels, label)
            return measured(self.measures, seen, label)
        if isinstance(rows, PartRows):
            gram = rows.running.gram
            if self.settings.cka and gram is not None:
                self.between.keep(label, gram)
            passed = Passed(gram, rows.running.result("train"), values[0])
            return measured(self.measures, passed, label)
        return {}, f"{label} has no other measures: its values are sketched"

    def _rows(
        self, probe: Probe, value: Tensor, batch: Batch, feed: Feed, mask: Tensor | None
    ) -> Tensor:
        """Return a node's value as rows (n, d); raises `NotRowsError` without a row a sample."""
        samples = batch.stop - batch.start
        if value.ndim == 0 or len(value) != samples:
            raise NotRowsError("its value does not depend on the sample")
        settings, layout = self.settings, self._layout(probe, value)
        if batch.picks is not None:
            if settings.sequence == "each" and layout is not None:
                value = value.movedim(layout.steps + 1, 1)
            elif settings.sequence == "each" and value.ndim < 3:
                raise NotRowsError("it has no steps")
            sizes = feed.splits[batch.split].sizes
            return at_positions(value, sizes)[tuple(batch.picks.to(value.device).T)]
        if layout is not None and settings.sequence != "flatten":
            try:
                value = at_steps(value, layout, settings.sequence, mask)
            except StepsError as error:
                raise NotRowsError(str(error)) from None
        elif layout is not None and layout.channels is not None and settings.reduction == "gap":
            try:
                value = channel_means(value, layout, mask)
            except StepsError as error:
                raise NotRowsError(str(error)) from None
        elif settings.reduction == "gap" and value.is_floating_point():
            first = 3 if feed.alone else 2  # of the positions, behind the channels
            if value.ndim > first:
                value = value.flatten(first).float().mean(dim=first)
        return value.reshape(samples, -1)


class _Flow:
    """One pass: batches in steps of one a process, each node's rows sent to their owner."""

    def __init__(
        self, prober: Prober, number: int, running: dict[int, Running], room: Room
    ) -> None:
        self.prober = prober
        self.first = prober._first(number)  # noqa: SLF001
        self.batches = prober.feed.batches
        self.size = prober.exchange.size
        self.steps = -(-(len(self.batches) - self.first) // self.size)
        self.running, self.room = running, room
        self.wanted: dict[tuple[str, int], tuple[int, int]] = {}
        self.holds: dict[int, Hold] = {}
        self.held: dict[Hold, _Held] = {}
        for rank, plan in enumerate(prober._plans):  # noqa: SLF001
            for hold in plan.passes[number] if number < len(plan.passes) else ():
                probe = prober.probes[hold.node]
                self.wanted[probe.key, probe.call] = (hold.node, rank)
                if rank == prober.exchange.rank:
                    self.holds[hold.node] = hold
        keys = {key for key, _ in self.wanted}
        self.taps = Taps(prober.module, self.receive, prober.names, keys)
        self.at = 0
        self.mask: Tensor | None = None
        self.mine = self.batches[self.first]

    def _batch(self, step: int) -> Batch:
        """Return this process's batch of a step; the last again, for nobody, if it has none."""
        place = self.first + step * self.size + self.prober.exchange.rank
        return self.batches[min(place, len(self.batches) - 1)]

    @contextmanager
    def inputs(self) -> Iterator[Iterator[Values]]:
        """Within it the inputs of each step; a GPU computes one while the next ones are read."""
        feed, place = self.prober.feed, self.prober.place
        batches = map(self._batch, range(self.steps))
        if place.device.type == "cpu":
            yield (place.inputs(feed.load(batch)) for batch in batches)
            return
        with ThreadPoolExecutor(1) as reader:
            yield map(place.inputs, ahead(reader, lambda b: place.pinned(feed.load(b)), batches))

    def step(self, step: int, values: Sequence[Tensor]) -> None:
        """Run the batch of a step on its inputs."""
        self.at = self.first + step * self.size
        self.mine = self._batch(step)
        self.mask = self.prober.feed.mask(self.mine)
        try:
            self.taps.run(*values)
        except Refusal:
            raise
        except Exception as error:  # a live module raises what it likes
            raise not_run(error) from error

    def receive(self, key: str, call: int, value: Tensor) -> None:
        known = self.wanted.get((key, call))
        if known is None:
            return
        node, owner = known
        prober = self.prober
        probe = prober.probes[node]
        value = prober.feed.lifted(value).movedim(probe.samples, 0)
        rows = prober._rows(probe, value, self.mine, prober.feed, self.mask)  # noqa: SLF001
        numbers = range(self.at, min(self.at + self.size, len(self.batches)))
        counts = [self.batches[n].rows for n in numbers] + [0] * (self.size - len(numbers))
        parts = prober.exchange.gather(rows.to(prober.place.device), counts, owner)
        for number, part in zip(numbers, parts, strict=False):
            self.take(node, number, part)

    def take(self, node: int, number: int, rows: Tensor) -> None:
        hold = self.holds[node]
        held = self.held.get(hold)
        if isinstance(held, _Broken):
            return
        batch = self.batches[number]
        later = isinstance(held, Whole) and held.gauge is None
        bad = None if later else first_not_finite(rows)
        if bad is not None:
            row = batch.first_row + bad
            self._break(hold, _not_finite(self.prober.feed, batch.split, row))
            return
        try:
            if held is None:
                held = self.held[hold] = self._begin(hold, rows)
            if not isinstance(held, _Broken):
                held.take(number, batch, rows)
        except IndicesError as error:
            self._break(hold, str(error))

    def _break(self, hold: Hold, reason: str) -> None:
        """Note that the node of a hold has no index."""
        self.held[hold] = _Broken(reason)
        if hold.node in self.running:
            self.running[hold.node].broken = reason

    def _begin(self, hold: Hold, rows: Tensor) -> _Held:
        prober = self.prober
        scorer, settings = prober.scorer, prober.settings
        size = prober._sizes[hold.node]  # noqa: SLF001
        if hold.whole and not size.sketched:
            gauge = Spread(rows.shape[1], rows.device) if settings.normalize else None
            return Whole(scorer.rows, rows, self.room, gauge)
        keeps = settings.cka or wants_gram(prober.measures)
        fresh = Running(scorer, prober.scratch, prober.plan.work, keeps_gram=keeps)
        running = self.running.setdefault(hold.node, fresh)
        if running.broken:
            return _Broken(running.broken)
        if hold.gauges:
            return Gauge(running)
        if size.sketched:
            fold = SketchFold(size.searched, settings.seed)
            picks = drawn_to_check(scorer.rows, size.checked, settings.seed)
            return Sketched(running, fold, scorer.rows, picks, rows, self.room)
        batches, work = prober.feed.batches, prober.plan.work
        return PartRows(running, batches, hold.first, hold.last, rows, self.room, work)


@dataclass(frozen=True)
class _Broken:
    """A node that cannot be measured, and why."""

    reason: str


_Held: TypeAlias = Whole | PartRows | Sketched | Gauge | _Broken


def _not_finite(feed: Feed, split: int, row: int) -> str:
    return f"{feed.sample(split, row)} gives NaN or an infinite value"
