"""Statements on a run, by paired differences on the same samples.

Together they are false in one report of twenty at most. Definitions: docs/indices.md, "Statements".
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import NormalDist, median
from typing import Literal

from addnn_spec.report.dataflow import SPLITS, flow, trunk
from addnn_spec.report.differences import difference
from addnn_spec.report.settling import Settling, settling
from addnn_spec.runtime.run_record import RunRecord, Split
from addnn_spec.statistics.intervals import student
from addnn_spec.statistics.paired import PairedDifference, apart, holm

Word = Literal[
    "rises", "falls", "rises alone", "falls alone", "no change measured",
    "memorises", "memorises alone", "peaks", "no peak", "settles",
]  # fmt: skip
NAMES: dict[Split, str] = {"train": "train", "test": "test", "cross": "cross-index"}
SHARE = 0.04
"""Of the 5 % of reports that may say something false, those that do of steps; see `settling`."""
ALONE = 0.05


@dataclass(frozen=True)
class Verdict:
    """One statement. `before` is the node that `node` is compared with."""

    word: Word
    node: str
    before: str
    split: Split
    text: str
    difference: PairedDifference | None = None


@dataclass(frozen=True)
class Statements:
    """All that is said of a run.

    Attributes:
        overall: of the first node against the last, and of peaks.
        steps: of each node against each that it reads.
        count: how many changes were looked for, and are taken together.
        seen: on each split the rise from node to node that would be seen in 80 % of runs.
    """

    overall: tuple[Verdict, ...]
    steps: tuple[Verdict, ...]
    count: int
    seen: dict[Split, float]

    def summary(self, m: int) -> str:
        """Say what the statements as a whole are worth."""
        if not self.count:
            return ""
        rises = ", ".join(f"{NAMES[split]} {rise:.3f}" for split, rise in self.seen.items())
        least = f"; a rise from node to node is seen in 80 % of runs from about: {rises}"
        return (
            f"{self.count:,} changes were looked for at m = {m:,}; what is said of them holds "
            f"together: one report in twenty, at most, says a false one{least if rises else ''}"
        )


def verdicts(run: RunRecord) -> tuple[Verdict, ...]:
    """Return everything said of a run: of the whole, of its peaks, and of each node's step."""
    found = statements(run)
    return (*found.overall, *found.steps)


def statements(run: RunRecord) -> Statements:
    """Return all statements on a run, those on changes taken together (Holm)."""
    whole, steps = list(_whole(run)), list(_steps(run))
    asked = [*whole, *steps]
    holds = holm([one.p for one in asked], SHARE)
    said = [one.said(run, held) for one, held in zip(asked, holds, strict=True)]
    shown = [
        verdict
        for one, verdict in zip(asked, said, strict=True)
        # That a node does not memorise is nothing to tell.
        if not one.memorising or verdict.word != "no change measured"
    ]
    count = len(whole)
    overall = [*shown[:count], *(v for split in SPLITS for v in _peaks(run, split))]
    return Statements(tuple(overall), tuple(shown[count:]), len(asked), _seen(steps, len(asked)))


@dataclass(frozen=True)
class _Asked:
    """A change between two nodes that is looked for, and how likely it is by chance, `p`."""

    before: str
    node: str
    split: Split
    found: PairedDifference
    p: float
    memorising: bool = False
    others: str = ""

    def said(self, run: RunRecord, held: bool) -> Verdict:
        clear = held or self.p < ALONE
        alone = (
            "" if held else f"; taken alone (p = {self.p:.2g}), not together with all that is said"
        )
        word = self._word(clear, held)
        if self.memorising:
            text = (
                f"{self.node} memorises: from {self.before} the index rises on train by more than "
                f"{self.others} at m = {run.m}{alone}"
            )
            return Verdict(word, self.node, self.before, self.split, text)
        change = f"{self.found.value:+.4f} ± {self.found.error:.4f}"
        place = f"{self.node}: {NAMES[self.split]}"
        if not clear:
            m = self.found.m
            text = f"{place}, no change measured at m = {m} from {self.before} ({change})"
        else:
            text = f"{place} {word.removesuffix(' alone')} from {self.before} by {change}{alone}"
        return Verdict(word, self.node, self.before, self.split, text, self.found)

    def _word(self, clear: bool, held: bool) -> Word:
        if not clear:
            return "no change measured"
        if self.memorising:
            return "memorises" if held else "memorises alone"
        if self.found.value > 0:
            return "rises" if held else "rises alone"
        return "falls" if held else "falls alone"


def _whole(run: RunRecord) -> Iterator[_Asked]:
    ways = [label for label in trunk(run) if run.node(label).train is not None]
    if len(ways) > 1:
        for split in SPLITS:
            found = difference(run, ways[0], ways[-1], split)
            if found is not None:
                yield _Asked(ways[0], ways[-1], split, found, found.p)


def _steps(run: RunRecord) -> Iterator[_Asked]:
    reads = flow(run)
    for node in run.nodes:
        for before in reads[node.label] if node.as_above is None else ():
            known = {
                split: found
                for split in SPLITS
                if (found := difference(run, before, node.label, split)) is not None
            }
            for split, found in known.items():
                yield _Asked(before, node.label, split, found, found.p)
            if node.dense and len(known) > 1:
                yield _memorising(before, node.label, known)


def _memorising(before: str, node: str, known: dict[Split, PairedDifference]) -> _Asked:
    """Ask whether the index rises on train, and by more than on test and across, each beyond
    error."""
    train = known["train"]
    ps = [train.p if train.value > 0 else 1.0]
    for split, found in known.items():
        if split != "train":
            ps.append(apart(train, found) if train.value > found.value else 1.0)
    others = " and ".join(
        "across" if split == "cross" else f"on {split}" for split in known if split != "train"
    )
    # All parts must hold, so the statement is as doubtful as the most doubtful of them.
    return _Asked(before, node, "train", train, max(ps), memorising=True, others=others)


def _peaks(run: RunRecord, split: Split) -> Iterator[Verdict]:
    found = settling(run, split)
    if found is None:
        return
    name, first, last = NAMES[split], found.ways[0], found.ways[-1]
    if len(found.level) == len(found.ways):
        text = (
            f"{name}: no peak beyond error; {found.peak} is highest among {len(found.ways)} nodes "
            f"from {first} to {last}, and none is below it at m = {run.m}"
        )
        yield Verdict("no peak", found.peak, first, split, text)
        return
    value = run.node(found.peak).on(split)
    assert value is not None
    others = [label for label in found.level if label != found.peak]
    among = f"; beyond error it is one of {_listed(found.level)}" if others else ""
    text = f"{name} peaks at {found.peak}, {value.value:.4f}{among}"
    yield Verdict("peaks", found.peak, first, split, text)
    yield Verdict("settles", found.first, found.peak, split, _settles(found, name))


def _settles(found: Settling, name: str) -> str:
    text = f"{name} settles at {found.first}: the first node that is not below the peak"
    if found.features is not None and found.as_features:
        same = found.as_features[0]
        if same != found.first:
            text += f"; the first not below {found.features}, the features, is {same}"
    if found.idle:
        text += f"; behind it {_listed(found.idle)} raise it no more"
    return text


def _listed(labels: Sequence[str]) -> str:
    if len(labels) > 6:
        return f"{', '.join(labels[:3])} … {labels[-1]} ({len(labels)} nodes)"
    return ", ".join(labels)


def _seen(asked: Sequence[_Asked], count: int) -> dict[Split, float]:
    """Return the rise that is seen in 80 % of runs: beyond the error that steps have here, at the
    level at which the first of `count` statements holds; for hits enough of them must change."""
    found: dict[Split, float] = {}
    for split in SPLITS:
        steps = [one.found for one in asked if one.split == split and not one.memorising]
        known = [step for step in steps if 0 < step.error < math.inf]
        if known:
            level, freedom = SHARE / count, int(median(step.freedom for step in known))
            reach = student(1 - level / 2, max(freedom, 1)) + NormalDist().inv_cdf(0.8)
            # So many hits, all the one way, are the fewest whose exact p is below the level: 2 *
            # 2^-n.
            fewest = math.ceil(math.log2(2 / level)) / known[0].m
            found[split] = max(reach * median(step.error for step in known), fewest)
    return found
