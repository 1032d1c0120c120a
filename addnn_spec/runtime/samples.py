"""From data to what the network is fed: drawn samples, prepared, in batches that never change."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any

import numpy as np
import torch
from torch import Tensor

from addnn_spec.diagnostics import Refusal
from addnn_spec.runtime.data import Array, SampleSource
from addnn_spec.runtime.data_notes import told
from addnn_spec.runtime.preparing import Expected, check_sizes, prepare, sizes, steps
from addnn_spec.runtime.run_record import DataRecord, SamplesRecord, pack_places
from addnn_spec.runtime.settings import Preparation, Task

IGNORED = -100
"""The label of positions that do not count, as in torch's `cross_entropy`."""
_SPLITS = ("train", "test")


# --- drawing --------------------------------------------------------------------------------------
def balanced(labels: Array, count: int, seed: int) -> Array:
    """Draw `count` places in `labels` (n,), ascending, without repetition.

    Each class is drawn as often as the others, as far as it has samples.
    """
    generator = np.random.default_rng(seed)
    _, codes = np.unique(labels, return_inverse=True)
    available = np.bincount(codes)
    share = np.zeros_like(available)
    # Small classes run out: what they leave is shared among the others, turn by turn. The order
    # within a turn is drawn, so that no class is favoured by its name.
    while int(share.sum()) < count:
        open_classes = generator.permutation(np.flatnonzero(share < available))
        left = count - int(share.sum())
        step = max(1, left // len(open_classes))
        for code in open_classes[:left]:
            share[code] = min(available[code], share[code] + step)
    drawn = [
        generator.permutation(np.flatnonzero(codes == code))[:number]
        for code, number in enumerate(share)
    ]
    return np.sort(np.concatenate(drawn))


def drawn(labels: Array, task: Task, count: int, seed: int) -> Array:
    """Draw `count` places, ascending: balanced by class, if there is one label a sample."""
    if task == "classification" and labels.ndim == 1:
        return balanced(labels, count, seed)
    generator = np.random.default_rng(seed)
    return np.sort(generator.permutation(len(labels))[:count])


def task_of(labels: Array, asked: Task | None = None) -> Task:
    """Tell whether labels are classes (integers, names) or targets (floats), unless `asked`.

    Raises `DiagnosticError` for classes that are not whole numbers.
    """
    if asked == "regression":
        if labels.dtype.kind not in "biuf":
            raise Refusal("E0612", "targets are numbers, and these labels are names")
        return "regression"
    if asked is None and labels.dtype.kind == "f":
        return "regression"
    if labels.dtype.kind == "f" and not bool((labels == np.floor(labels)).all()):
        raise Refusal("E0612", "labels are whole numbers or names, and these are fractions")
    return "classification"


@dataclass(frozen=True)
class SplitSamples:
    """The drawn samples of one part, with codes of classes or targets for every row.

    A row is a sample, or, with labels per position, one position of one: then `positions` (rows, 2)
    holds the place of the sample among the drawn and that of the position, ascending.
    """

    source: SampleSource
    indices: Array
    values: Array
    positions: Array | None
    record: SamplesRecord
    hashes: frozenset[bytes]
    """Of each drawn sample's values as stored."""
    sizes: tuple[int, ...] = ()
    """Of the positions of one sample."""

    @property
    def groups(self) -> Array | None:
        """Of each row the place of its sample among the drawn; None where rows are samples."""
        return None if self.positions is None else self.positions[:, 0]


@dataclass(frozen=True)
class Batch:
    """Some samples of a split, and the rows that they give."""

    split: int
    start: int
    stop: int
    first_row: int
    last_row: int
    picks: Tensor | None = None
    """(rows, 2): sample in this batch, position."""

    @property
    def rows(self) -> int:
        return self.last_row - self.first_row


class Feed:
    """Batches of the training samples, then of the test samples; the same in every pass.

    `alone` says that the network takes one sample at a time (a graph), and its inputs have no
    dimension for samples: batches are of one, given without that dimension; `lifted` puts it back.
    `apart` says that no position's neighbour is of its own sample. `notes` are what must be told of
    the data.
    """

    def __init__(
        self,
        splits: Sequence[SplitSamples],
        record: DataRecord,
        preparation: Preparation,
        expected: Sequence[Expected] | None,
        batch: int,
        *,
        alone: bool = False,
        apart: bool = False,
        notes: Sequence[str] = (),
        masks: Sequence[SampleSource] = (),
        whole: bool = False,
    ) -> None:
        self.masks, self.whole = tuple(masks), whole
        self.apart = apart
        self.notes = tuple(notes)
        self.splits = tuple(splits)
        self.record = record
        self.preparation = preparation
        self.expected = expected
        self.alone = alone
        batch = self.batch = 1 if alone else batch
        self.batches = tuple(
            _batch(number, split, start, min(start + batch, len(split.indices)))
            for number, split in enumerate(self.splits)
            for start in range(0, len(split.indices), batch)
        )

    def in_batches(self, batch: int) -> Feed:
        """Return the same samples in batches of another size, if the network takes more than
        one."""
        common = (self.splits, self.record, self.preparation, self.expected)
        return Feed(
            *common, batch, alone=self.alone, apart=self.apart, notes=self.notes, masks=self.masks,
            whole=self.whole,
        )  # fmt: skip

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the inputs, where there are such."""
        return self.splits[0].source.inputs

    def mask(self, batch: Batch) -> Tensor | None:
        """Return which steps count of the samples of a batch (n, T); None for all."""
        if not self.masks or batch.stop == batch.start:
            return None
        source = self.masks[batch.split]
        (values,) = source.read(self.splits[batch.split].indices[batch.start : batch.stop])
        return torch.from_numpy(values != 0)

    def load(self, batch: Batch) -> tuple[Tensor, ...]:
        """Return the network's inputs for a batch, on the CPU."""
        split = self.splits[batch.split]
        return self._given(split.source, split.indices[batch.start : batch.stop])

    def first(self) -> tuple[Tensor, ...]:
        """Return the inputs for the first samples, two or one: what a trial run takes."""
        split = self.splits[0]
        return self._given(split.source, split.indices[: 1 if self.alone else 2])

    def lifted(self, value: Tensor) -> Tensor:
        """Return a node's value, the samples its first dimension."""
        return value[None] if self.alone else value

    def sample(self, split: int, row: int) -> str:
        """Return the sample that gives a row, by its place in the source."""
        part = self.splits[split]
        place = row if part.positions is None else part.positions[row, 0]
        return f"{_SPLITS[split]} sample {part.indices[place]}"

    def _given(self, source: SampleSource, indices: Array) -> tuple[Tensor, ...]:
        values = self._prepared(source, indices)
        return tuple(part[0] for part in values) if self.alone else values

    def _prepared(self, source: SampleSource, indices: Array) -> tuple[Tensor, ...]:
        raw = source.read(indices)
        if self.expected is None:
            return tuple(
                torch.from_numpy(values.astype(np.int64))
                if self.whole and values.dtype.kind in "iu" and values.ndim < 3
                else prepare(self.preparation, values, None)
                for values in raw
            )
        images = any(wanted.image for wanted in self.expected)
        return tuple(
            prepare(self.preparation if wanted.image or not images else Preparation(), part, wanted)
            for part, wanted in zip(raw, self.expected, strict=True)
        )


def _batch(number: int, split: SplitSamples, start: int, stop: int) -> Batch:
    if split.positions is None:
        return Batch(number, start, stop, start, stop)
    first, last = np.searchsorted(split.positions[:, 0], (start, stop))
    # Places of samples become places in the batch.
    picks = torch.from_numpy(split.positions[first:last] - np.array([start, 0]))
    return Batch(number, start, stop, int(first), int(last), picks)


def make_feed(
    train: SampleSource,
    test: SampleSource | None,
    *,
    samples: int = 2000,
    seed: int = 0,
    task: Task | None = None,
    preparation: Preparation | None = None,
    expected: Sequence[Expected] | None = None,
    batch: int = 256,
    alone: bool = False,
    apart: bool = True,
    mask: str | None = None,
    whole: bool = False,
    each: bool = False,
) -> Feed:
    """Draw samples, the same number of train and test, and check them against the network's inputs.

    `alone`, `apart`: see `Feed`; positions of one single sample are never apart. `mask` names the
    array of the data that says which steps count. `whole`: whole numbers stay such, where the
    network does not say what it takes. `each`: every step of a sequence is a sample, with its
    label.

    Raises `DiagnosticError` (E0612) where the data do not fit the network, or each other.
    """
    preparation = preparation or Preparation()
    sources = [train] if test is None else [train, test]
    masks = [] if mask is None else [_mask_of(source, mask) for source in sources]
    if expected is not None:
        sources = [_ordered(source, expected, mask) for source in sources]
    elif mask is not None:
        sources = [_without(source, mask) for source in sources]
    kind = task_of(train.labels, task)
    if test is not None and task_of(test.labels, task) != kind:
        raise Refusal(
            "E0612",
            f"of {train.name} and {test.name} one has classes for labels, one has targets",
            help="--task says what they are",
        )
    # As many of test as of train: an index depends on the number of samples.
    m = min(samples, *(len(source) for source in sources))
    chosen = [drawn(source.labels, kind, m, seed) for source in sources]
    labels = [source.labels[places] for source, places in zip(sources, chosen, strict=True)]
    for number, (source, places) in enumerate(zip(sources, chosen, strict=True)):
        what = "target" if kind == "regression" else "label"
        _check_finite(source, number, places, labels[number], what)
    counts: list[Array | None] = [None] * len(sources)
    if each:
        counts = [
            part.read(places)[0] for part, places in zip(masks, chosen, strict=False)
        ] or counts
        lengths = [_steps(source) for source in sources]
        labels = [
            _at_each(part, length, kind) for part, length in zip(labels, lengths, strict=True)
        ]
    positions = _positions(labels, kind, samples, seed, counts)
    inner: list[tuple[int, ...]] = [() if positions is None else p.shape[1:] for p in labels]
    if positions is not None:
        labels = [part[tuple(rows.T)] for part, rows in zip(_flat(labels), positions, strict=True)]
    classes, values = _codes(labels, kind)
    picked: Sequence[Array | None] = positions or [None] * len(sources)
    splits = [
        replace(_split(source, number, indices, coded, rows, len(classes)), sizes=sizes)
        for number, (source, indices, coded, rows, sizes) in enumerate(
            zip(sources, chosen, values, picked, inner, strict=True)
        )
    ]
    words = steps(preparation, sources[0].read(chosen[0][:1])[0], _dtype(expected))
    record = DataRecord(
        task=kind,
        classes=classes,
        preprocessing=words,
        train=splits[0].record,
        test=splits[1].record if len(splits) > 1 else None,
    )
    groups = [split.groups for split in splits]
    apart = apart and all(part is not None and len(np.unique(part)) > 1 for part in groups)
    notes = told(splits, record, apart=apart)
    feed = Feed(
        splits, record, preparation, expected, batch, alone=alone, apart=apart, notes=notes,
        masks=masks, whole=whole,
    )  # fmt: skip
    _check(feed)
    return feed


def _dtype(expected: Sequence[Expected] | None) -> str:
    return expected[0].dtype if expected else "float"


def _mask_of(source: SampleSource, name: str) -> SampleSource:
    """Return the masks (n, T) of a source, from an array of masks, or of lengths (n,).

    Raises `DiagnosticError` (E0612) where it has no such array.
    """
    if name not in source.inputs:
        held = ", ".join(source.inputs) or "one array without a name"
        raise Refusal("E0612", f"{source.name} has no mask {name}: it holds {held}")
    place = source.inputs.index(name)
    read = source.read
    every = read(np.arange(len(source)))[place]
    if every.ndim not in (1, 2) or every.dtype.kind not in "biu":
        raise Refusal(
            "E0612", f"{name} is no mask (n x steps) and no lengths (n): {sizes(every.shape)}"
        )
    longest = int(every.max()) if every.ndim == 1 and len(every) else 0
    others = [part for number, part in enumerate(read(np.arange(1))) if number != place]
    steps = max([longest, *(part.shape[1] for part in others if part.ndim > 1)])

    def masks(indices: Array) -> tuple[Array, ...]:
        part = every[indices]
        return (part if part.ndim == 2 else np.arange(steps) < part[:, None],)

    return SampleSource(name, source.labels, masks)


def _without(source: SampleSource, name: str) -> SampleSource:
    """Return a source whose inputs leave out an array that is no input."""
    kept = [place for place, each in enumerate(source.inputs) if each != name]
    read = source.read

    def others(indices: Array) -> tuple[Array, ...]:
        values = read(indices)
        return tuple(values[place] for place in kept)

    names = tuple(source.inputs[place] for place in kept)
    return SampleSource(source.name, source.labels, others, names if len(names) > 1 else ())


def _ordered(
    source: SampleSource, expected: Sequence[Expected], mask: str | None = None
) -> SampleSource:
    """Return a source that gives the network's inputs in order, by their names where there are
    several; an array for the mask may stand beside them."""
    names = [wanted.name for wanted in expected]
    if mask is not None and mask not in names:
        source = _without(source, mask)
    given = source.inputs or names[:1]
    if sorted(given) != sorted(names):
        held = ", ".join(source.inputs) or "one input"
        arrays = ", ".join(f"{wanted.name} (n x {wanted.stored})" for wanted in expected)
        help = f"an .npz holds an array of each by its name: {arrays}, and y"
        spare = [name for name in given if name not in names]
        if len(given) - len(spare) == len(names):
            help = (
                "beside the inputs one array alone may stand, the mask that --mask names: "
                f"leave out {', '.join(spare)}"
            )
        raise Refusal(
            "E0612",
            f"the network takes {', '.join(names)}, and {source.name} holds {held}",
            help=help,
        )
    order = [list(given).index(name) for name in names]
    read = source.read

    def ordered(indices: Array) -> tuple[Array, ...]:
        values = read(indices)
        return tuple(values[place] for place in order)

    return SampleSource(source.name, source.labels, ordered, tuple(names))


def _flat(labels: Sequence[Array]) -> list[Array]:
    return [part.reshape(len(part), -1) for part in labels]


def _steps(source: SampleSource) -> int:
    """Return how many steps the samples of a source have: the first dimension of their first input.

    Raises `DiagnosticError` (E0612) where they have none.
    """
    shape = source.read(np.arange(1))[0].shape
    if len(shape) < 2 or source.read(np.arange(1))[0].dtype == object:
        raise Refusal("E0612", f"each takes the steps of sequences, and {source.name} has none")
    return int(shape[1])


def _at_each(labels: Array, steps: int, task: Task) -> Array:
    """Return labels (n,) as those of every step (n, steps).

    Raises `DiagnosticError` (E0607) for targets.
    """
    if task == "regression":
        raise Refusal("E0607", "each takes steps as samples of classes, and these have targets")
    return labels if labels.ndim > 1 else np.repeat(labels[:, None], steps, axis=1)


def _positions(
    labels: Sequence[Array],
    task: Task,
    count: int,
    seed: int,
    counts: Sequence[Array | None],
) -> list[Array] | None:
    """Draw the same number of positions of each split, where labels are per position; else None.

    Positions that are masked, by their label or by `counts` (n, T), are left out.
    """
    if task != "classification" or labels[0].ndim == 1 or labels[0].shape[1:] == (1,):
        return None
    counted = [
        np.argwhere((part != IGNORED) & (True if mask is None else mask))
        for part, mask in zip(_flat(labels), counts, strict=True)
    ]
    number = min(count, *(len(part) for part in counted))
    if number == 0:
        raise Refusal("E0612", f"every position's label is {IGNORED}: none counts")
    generator = np.random.default_rng(seed)
    return [part[np.sort(generator.permutation(len(part))[:number])] for part in counted]


def _codes(labels: Sequence[Array], task: Task) -> tuple[tuple[str, ...], list[Array]]:
    if task == "regression":
        return (), [part.reshape(len(part), -1).astype(np.float64) for part in labels]
    columns = [part.reshape(len(part)) for part in labels]
    if columns[0].dtype.kind == "f":
        columns = [part.astype(np.int64) for part in columns]
    # Over train and test together, so that a class has one code in both.
    classes, codes = np.unique(np.concatenate(columns), return_inverse=True)
    cuts = np.cumsum([len(part) for part in columns])[:-1]
    return tuple(str(name) for name in classes), np.split(codes.astype(np.int64), cuts)


def _split(
    source: SampleSource,
    split: int,
    indices: Array,
    values: Array,
    positions: Array | None,
    classes: int,
) -> SplitSamples:
    counts = tuple(np.bincount(values, minlength=classes).tolist()) if classes else ()
    digest, hashes = _digest(source, split, indices, values, positions)
    record = SamplesRecord(
        source=source.name,
        available=len(source),
        m=len(values),
        indices=tuple(indices.tolist()),
        sha256=digest,
        counts=counts,
        labels=pack_places(values) if classes else "",
        groups="" if positions is None else pack_places(positions[:, 0]),
    )
    return SplitSamples(source, indices, values, positions, record, hashes)


def _digest(
    source: SampleSource, split: int, indices: Array, values: Array, positions: Array | None
) -> tuple[str, frozenset[bytes]]:
    """Return the hash of a split's samples, and of each sample its own."""
    digest = sha256()
    # One for each sample, too: a sample that stands in train and test is told.
    each = [sha256() for _ in indices]
    for start in range(0, len(indices), 256):
        places = indices[start : start + 256]
        for number, raw in enumerate(source.read(places)):
            for part in raw if raw.dtype == object else (raw,):
                _add(digest, part)
            for one, sample in zip(each[start:], raw, strict=False):
                _add(one, sample)
            what = source.inputs[number] if source.inputs else ""
            _check_finite(source, split, places, raw, what)
    for part in (values,) if positions is None else (values, positions):
        _add(digest, part)
    return digest.hexdigest(), frozenset(one.digest() for one in each)


def _check_finite(
    source: SampleSource, split: int, places: Array, values: Array, what: str
) -> None:
    """Refuse values (k, …) of the samples `places` that are NaN, infinite, or too large for
    float32; `what` says which of their values they are."""
    if values.dtype == object:
        for place, image in zip(places, values, strict=True):
            _check_finite(source, split, np.array([place]), image[None], what)
    if values.dtype.kind != "f":
        return
    with np.errstate(over="ignore"):
        bad = ~np.isfinite(values.astype(np.float32, copy=False))
    if bool(bad.any()):
        first = np.argwhere(bad)[0]
        sample = f"{_SPLITS[split]} sample {places[first[0]]} of {source.name}"
        role = f" as its {what}" if what else ""
        raise Refusal(
            "E0612",
            f"{sample} holds {values[tuple(first)]:g}{role}",
            help="leave it out, or mend it: values are finite, and float32 holds them",
        )


def _add(digest: Any, values: Array) -> None:
    digest.update(f"{values.dtype.str}{values.shape}".encode())
    digest.update(np.ascontiguousarray(values).tobytes())


def _check(feed: Feed) -> None:
    """Check that the first samples have the sizes that the network takes, the same in train and
    test."""
    if feed.record.train.m < 2:
        raise Refusal("E0612", "an index needs two samples or more")
    ends = [feed._prepared(split.source, split.indices[:1]) for split in feed.splits]  # noqa: SLF001
    if len({tuple(tuple(part.shape) for part in end) for end in ends}) > 1:
        shapes = " and ".join(sizes(end[0].shape[1:]) for end in ends)
        raise Refusal("E0612", f"samples of train and test differ in size: {shapes}")
    for wanted, found in zip(feed.expected or (), ends[0], strict=False):
        check_sizes(wanted, found)
