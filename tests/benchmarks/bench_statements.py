"""Whether what is printed around the indices is true, and what it takes to see a rise.

Run ``python -m tests.benchmarks.bench_statements [runs [part ...]]``, 300 runs unless told, or
those from one seed to another (``100:160``). Data are Gaussian classes, drawn anew in each run;
intervals and statements are those that a record and a report print.

* ``intervals``: how often the 95 % interval holds the mean over all draws (of cross: the mean
  given the training samples, from 4,000 test samples), also near 0 and 1;
* ``statements``: reports with a false statement on chains of 20 nodes of equal information, each
  the data and noise of its own;
* ``power``: the same where the first ten have more noise: how often the rise behind them is seen,
  by the rise that the report says is seen in 80 % of runs;
* ``memorises``: maps that improve train and test equally;
* ``positions``: sequences of one random label each.
"""

from __future__ import annotations

import os
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from statistics import mean
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from addnn_spec.report.verdicts import Verdict, statements
from addnn_spec.runtime.node_indices import Scorer
from addnn_spec.runtime.run_record import IndexRecord, RunRecord, pack_places
from tests.report.runs import node, run

Array = NDArray[Any]
SETTINGS = (
    # classes, dimensions, m, distance of the classes
    *((2, 1, 300, 1.2), (2, 2, 300, 0.8), (3, 5, 300, 0.6), (5, 20, 300, 0.5), (10, 2, 300, 2.0)),
    *((10, 10, 300, 0.5), (10, 50, 300, 0.35), (2, 100, 300, 0.12), (4, 100, 600, 0.25)),
    (2, 10, 100, 0.5),
)
NEAR_ONE = ((2, 10, 300, 1.35), (5, 20, 300, 1.2), (10, 2, 300, 12.0))
CHAINS = (
    *((2, 2, 300, 0.8, 0.5), (3, 5, 300, 0.8, 0.7), (10, 20, 300, 0.6, 0.6)),
    *((5, 3, 300, 1.2, 0.3), (2, 50, 300, 0.25, 1.0)),
)
RISES = (
    # and the noise of the first ten nodes
    *(((2, 2, 300, 1.2, 0.3), noise) for noise in (1.2, 1.5, 2.0)),
    *(((10, 20, 300, 0.8, 0.3), noise) for noise in (0.7, 0.85, 1.0)),
    *(((2, 50, 300, 0.4, 0.3), noise) for noise in (1.4, 1.9, 2.5)),
)
VALUES = ("hard1", "hard2", "soft2", "hard5", "soft5", "centre")


def means_of(classes: int, size: int, apart: float) -> Array:
    return np.random.default_rng(5).normal(size=(classes, size)) * apart


def drawn(rng: np.random.Generator, means: Array, m: int) -> tuple[Array, Array]:
    labels = np.arange(m) % len(means)
    return means[labels] + rng.normal(size=(m, means.shape[1])), labels


def records(
    rows: Sequence[Array], values: Sequence[Array], classes: int, order: int, **more: Any
) -> dict[str, IndexRecord]:
    """Return the records of a node as a probe makes them, with the centre index."""
    scorer = Scorer([torch.from_numpy(v) for v in values], classes, order, **more)
    work = 64 * 2**20
    sides = scorer.sides([torch.from_numpy(x).float() for x in rows], work)
    return {
        split: scorer.record(split, scorer.search(split, sides), scorer.centre(split, sides, work))
        for split in scorer.splits
    }


class Coverage:
    """Values with their intervals, run by run."""

    def __init__(self) -> None:
        self.values: dict[str, list[float]] = defaultdict(list)
        self.limits: dict[str, list[tuple[float, float, int]]] = defaultdict(list)
        self.targets: dict[str, list[float]] = defaultdict(list)

    def add(self, name: str, index: IndexRecord, value: str, target: float | None = None) -> None:
        found = index.intervals[value]
        self.values[name].append(index.values[value])
        self.limits[name].append((found.low, found.high, found.sides))
        if target is not None:
            self.targets[name].append(target)

    def __str__(self) -> str:
        shown = []
        for name, values in self.values.items():
            truth = self.targets[name] or [mean(values)] * len(values)
            for sides, mark in ((2, ""), (1, " (one side)")):
                held = [
                    low <= target <= high
                    for (low, high, n), target in zip(self.limits[name], truth, strict=True)
                    if n == sides
                ]
                if len(held) >= len(values) / 10:
                    shown.append(f"{name} {mean(values):.2f}: {mean(held):.3f}{mark}")
        return ", ".join(shown)


def intervals(runs: range) -> Iterator[str]:
    for setting in (*SETTINGS, *NEAR_ONE):
        classes, size, m, apart = setting
        means, found = means_of(classes, size, apart), Coverage()
        for number in runs:
            rng = np.random.default_rng(number)
            (x, y), (z, labels) = drawn(rng, means, m), drawn(rng, means, m)
            made = records([x, z], [y, labels], classes, 5)
            for name in VALUES:
                found.add(name, made["train"], name)
            far, theirs = drawn(rng, means, 4000)
            apart_ = (far**2).sum(1)[:, None] + (x**2).sum(1) - 2 * far @ x.T
            given = float((y[apart_.argmin(axis=1)] == theirs).mean())
            found.add("cross", made["cross"], "hard1", given)
        yield f"{setting}: {found}"
    for size, noise in ((2, 0.1), (10, 0.5), (40, 2.0)):
        found = Coverage()
        for number in runs:
            rng = np.random.default_rng(number)
            x = rng.normal(size=(300, size))
            y = (rng.permutation(300)[:, None] / 299).astype(np.float64)  # of one range
            x[:, :1] = 4 * y + noise * x[:, :1]
            made = records([x], [y], 0, 2)
            for name in ("linear1", "exponential1", "linear2", "linear_soft2"):
                found.add(name, made["train"], name)
        yield f"targets of {size} values, noise {noise}: {found}"


def chain(
    rng: np.random.Generator,
    setting: tuple[int, int, int, float, float],
    before: float | None = None,
) -> RunRecord:
    """Return a run of 20 nodes of equal information; the first ten with the noise `before`."""
    classes, size, m, apart, noise = setting
    means = means_of(classes, size, apart)
    (x, y), (z, labels) = drawn(rng, means, m), drawn(rng, means, m)
    nodes = []
    for place in range(20):
        turn = np.linalg.qr(rng.normal(size=(size, size)))[0]
        each = before if before is not None and place < 10 else noise
        rows = [(part + each * rng.normal(size=part.shape)) @ turn for part in (x, z)]
        made = records(rows, [y, labels], classes, 1)
        above = [f"n{place - 1}"] if place else []
        more: dict[str, Any] = {"dense": place >= 15, **made}
        nodes.append(node(f"n{place}", place, above, **more))
    return made_run(nodes, y, labels, classes)


def made_run(nodes: Sequence[Any], y: Array, labels: Array, classes: int) -> RunRecord:
    record = run(*nodes, classes=tuple(map(str, range(classes))))
    samples = record.data.train
    parts: Mapping[str, Any] = {
        name: samples.model_copy(update={"labels": pack_places(part)})
        for name, part in (("train", y), ("test", labels))
    }
    return record.model_copy(update={"data": record.data.model_copy(update=parts)})


def false_of(said: Sequence[Verdict]) -> set[str]:
    """Return the words of statements that are false of equal nodes."""
    return {v.word for v in said if v.word in ("rises", "falls", "memorises", "peaks")}


def together(runs: range) -> Iterator[str]:
    for setting in CHAINS:
        wrong, alone = [], []
        for number in runs:
            found = statements(chain(np.random.default_rng(number), setting))
            said = [*found.overall, *found.steps]
            wrong.append(bool(false_of(said)))
            alone.append(any(v.word.endswith("alone") for v in said) or wrong[-1])
        yield (
            f"{setting}: false statements in {mean(wrong):.3f} of reports; taken alone in "
            f"{mean(alone):.3f}"
        )


def power(runs: range) -> Iterator[str]:
    for setting, before in RISES:
        rises, seen, told = [], [], []
        for number in runs:
            found = statements(chain(np.random.default_rng(number), setting, before))
            step = next(v for v in found.steps if (v.node, v.split) == ("n10", "train"))
            assert step.difference is not None
            rises.append(step.difference.value)
            seen.append(step.word == "rises")
            told.append(found.seen["train"])
        yield (
            f"{setting}, noise {before} before: a rise of {mean(rises):.3f} on train is seen in "
            f"{mean(seen):.2f}; 80 % are promised from {mean(told):.3f}"
        )


def memorising(runs: range) -> Iterator[str]:
    """One map for train and test that takes noise away: it improves both."""
    for setting in CHAINS:
        classes, size, m, apart, noise = setting
        means = means_of(classes, size, apart)
        words: list[set[str]] = []
        for number in runs:
            rng = np.random.default_rng(number)
            (x, y), (z, labels) = drawn(rng, means, m), drawn(rng, means, m)
            parts = [part + noise * rng.normal(size=part.shape) for part in (x, z)]
            before: dict[str, Any] = dict(records(parts, [y, labels], classes, 1))
            after: dict[str, Any] = dict(records([x, z], [y, labels], classes, 1))
            nodes = [node("n0", 0, **before), node("n1", 1, ["n0"], dense=True, **after)]
            said = statements(made_run(nodes, y, labels, classes))
            words.append({v.word for v in said.steps})
        rises = mean("rises" in each for each in words)
        told = mean("memorises" in each for each in words)
        yield f"{setting}: rises on some split in {rises:.2f}, memorises in {told:.3f}"


def positions(runs: range) -> Iterator[str]:
    """Sequences with one random label each, around a point of their own."""
    for count, length in ((200, 10), (60, 20), (20, 20)):
        found, falls = Coverage(), []
        groups = np.repeat(np.arange(count), length)
        for number in runs:
            rng = np.random.default_rng(number)
            labels = [rng.integers(0, 2, count)[groups] for _ in range(2)]
            rows = [
                rng.normal(size=(count, 3))[groups] + 0.3 * rng.normal(size=(count * length, 3))
                for _ in range(2)
            ]
            others = [part + 0.5 * rng.normal(size=part.shape) for part in rows]
            more: dict[str, Any] = {
                "groups": [torch.from_numpy(groups)] * 2,
                "apart": True,
            }
            first: dict[str, Any] = dict(records(rows, labels, 2, 1, **more))
            second: dict[str, Any] = dict(records(others, labels, 2, 1, **more))
            for split in ("train", "cross"):
                found.add(split, first[split], "hard1", 0.5 if split == "cross" else None)
            nodes = [node("n0", 0, **first), node("n1", 1, ["n0"], **second)]
            record = made_run(nodes, labels[0], labels[1], 2)
            parts = {
                name: part.model_copy(update={"groups": pack_places(groups)})
                for name, part in (("train", record.data.train), ("test", record.data.test))
                if part is not None
            }
            record = record.model_copy(update={"data": record.data.model_copy(update=parts)})
            falls.append(bool(false_of(statements(record).steps)))
        yield f"{count} sequences of {length}: {found}; false statements {mean(falls):.3f}"


def main() -> None:
    torch.set_num_threads(1)
    first, _, last = (sys.argv[1] if len(sys.argv) > 1 else "300").rpartition(":")
    runs = range(int(first or 0), int(last))
    parts = {"intervals": intervals, "statements": together, "power": power,
             "memorises": memorising, "positions": positions}  # fmt: skip
    chosen = sys.argv[2:] or list(parts)
    for name in chosen:
        print(f"{name}, {len(runs)} runs", flush=True)
        for line in parts[name](runs):
            print(f"  {line}", flush=True)


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
