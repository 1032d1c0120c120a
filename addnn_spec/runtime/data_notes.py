"""What must be told of data: samples and labels with which an index misleads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from addnn_spec.runtime.run_record import DataRecord, RunRecord
from addnn_spec.statistics.intervals import beyond

if TYPE_CHECKING:
    from addnn_spec.runtime.samples import SplitSamples

_UNLIKE = 0.01


def told(splits: Sequence[SplitSamples], data: DataRecord, *, apart: bool) -> list[str]:
    """Return what is to be noted of the drawn samples before anything runs."""
    notes = [*_other_classes(data), *_shared(splits), *_one_hot(splits[0])]
    if splits[0].groups is not None:
        counts = [len(np.unique(split.groups)) for split in splits if split.groups is not None]
        of = "samples" if min(counts) > 1 else "sample"
        among = "other samples'" if apart else "the own sample's, too"
        notes.append(
            f"labels are per position: neighbours are {among} positions; standard errors are of "
            f"{min(counts):,} {of}, not of {data.train.m:,} positions"
        )
    return notes


def _other_classes(data: DataRecord) -> list[str]:
    if data.test is None or data.task != "classification":
        return []
    pairs = list(zip(data.train.counts, data.test.counts, strict=True))
    missing = [name for name, (n, k) in zip(data.classes, pairs, strict=True) if k and not n]
    if not any(n and k for n, k in pairs):
        note = "train and test have no class in common: nothing across, or of test against train, "
        return [f"{note}says anything of the network; are the data sorted by class?"]
    if missing:
        shown = ", ".join(missing[:5]) + (" …" if len(missing) > 5 else "")
        word = "class" if len(missing) == 1 else "classes"
        return [f"train has no sample of {len(missing)} {word} of test: {shown}"]
    return []


def _shared(splits: Sequence[SplitSamples]) -> list[str]:
    notes = []
    for name, split in zip(("train", "test"), splits, strict=False):
        again = len(split.indices) - len(split.hashes)
        if again:
            notes.append(f"{name}: {again:,} of {len(split.indices):,} samples stand there twice")
    if len(splits) > 1:
        both = len(splits[0].hashes & splits[1].hashes)
        if both:
            notes.append(
                f"{both:,} of {len(splits[1].hashes):,} test samples stand in train, too: they are "
                "no test of it"
            )
    return notes


def _one_hot(split: SplitSamples) -> list[str]:
    labels = split.source.labels
    if split.positions is None or labels.ndim != 2 or labels.shape[1] < 2:
        return []
    if bool(((labels == 0) | (labels == 1)).all()) and bool((labels.sum(axis=1) == 1).all()):
        note = f"each sample's {labels.shape[1]} labels hold a single 1, and are taken for labels "
        return [f"{note}per position: one-hot ones are given as numbers of classes (y.argmax(1))"]
    return []


def small(data: DataRecord, order: int) -> list[str]:
    """Return what is to be told of classes that are too small for an order, or alone."""
    if len(data.classes) == 1:
        return ["there is one class: the Separation Index is 1 whatever the values"]
    notes = []
    for name, split in (("train", data.train), ("test", data.test)):
        short = sum(0 < count <= order for count in split.counts) if split is not None else 0
        many = f"are {order} samples or fewer" if order > 1 else "is one sample alone"
        neighbours = f"{order} neighbours" if order > 1 else "a neighbour"
        if short:
            notes.append(
                f"{name}: of {short} of {len(data.classes)} classes there {many}: none of these "
                f"has {neighbours} of its class"
            )
    return notes


def unlike(run: RunRecord) -> list[str]:
    """Return a note if train and test differ at the input already, beyond error (p < .01); the
    course takes them for alike."""
    notes = []
    for node in run.nodes:
        if node.kind != "input" or node.train is None or node.test is None:
            continue
        apart = node.test.value - node.train.value
        error = float(np.hypot(node.train.standard_error, node.test.standard_error))
        if error and beyond(apart, error, run.m - 1) < _UNLIKE:
            notes.append(
                f"train and test are unlike at {node.label} already: {node.train.value:.4f} and "
                f"{node.test.value:.4f}, {abs(apart) / error:.1f} standard errors apart; what "
                "differs behind it may be theirs"
            )
    return notes
