"""Verdicts on a run, by paired differences on the same samples.

Definitions: docs/indices.md, "Verdicts".
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from addnn_spec.report.dataflow import SPLITS, flow, trunk
from addnn_spec.runtime.run_record import NodeRecord, RunRecord, Split

Word = Literal["rises", "falls", "no change measured", "settles", "memorises"]
NAMES: dict[Split, str] = {"train": "train", "test": "test", "cross": "cross-index"}


@dataclass(frozen=True)
class PairedDifference:
    """The mean of the paired differences of m samples, and its standard error."""

    value: float
    error: float
    m: int

    @property
    def word(self) -> Word:
        """True if it is beyond two standard errors."""
        if abs(self.value) <= 2 * self.error or self.value == 0.0:
            return "no change measured"
        return "rises" if self.value > 0 else "falls"


@dataclass(frozen=True)
class Verdict:
    """One statement. `before` is the node that `node` is compared with."""

    word: Word
    node: str
    before: str
    split: Split
    text: str
    difference: PairedDifference | None = None


def paired(before: NDArray[np.float64], after: NDArray[np.float64]) -> PairedDifference:
    """Return the difference of two nodes on the same samples, per-sample values (m,), NaN left out.

    With d the m differences its standard error is √(Σd² − (Σd)²/m)/m. For hits of 0 or 1, b gained
    and c lost, that is √((b + c) − (b − c)²/m)/m.

    Raises `ValueError` for unequal lengths.
    """
    if before.shape != after.shape:
        raise ValueError(f"{len(before)} samples cannot be paired with {len(after)}")
    each = after - before
    each = each[~np.isnan(each)]
    m = len(each)
    if m == 0:
        return PairedDifference(0.0, math.inf, 0)
    total = float(each.sum())
    spread = max(float((each * each).sum()) - total * total / m, 0.0)
    return PairedDifference(total / m, math.sqrt(spread) / m, m)


def difference(run: RunRecord, before: str, after: str, split: Split) -> PairedDifference | None:
    """Return the paired difference of two nodes of a run; None where one has no index on that
    split."""
    first, second = run.node(before).on(split), run.node(after).on(split)
    if first is None or second is None:
        return None
    return paired(first.samples(), second.samples())


def verdicts(run: RunRecord) -> tuple[Verdict, ...]:
    """Everything said of a run: of the whole, where it settles, and of each node against each node
    that it reads."""
    found = [*_whole(run), *_settles(run)]
    reads = flow(run)
    for node in run.nodes:
        if node.as_above is None:
            found += _steps(run, node, reads[node.label])
    return tuple(found)


def _whole(run: RunRecord) -> list[Verdict]:
    ways = [label for label in trunk(run) if run.node(label).train is not None]
    if len(ways) < 2:
        return []
    return [
        _step(ways[0], ways[-1], split, found)
        for split in SPLITS
        if (found := difference(run, ways[0], ways[-1], split)) is not None
    ]


def _steps(run: RunRecord, node: NodeRecord, inputs: tuple[str, ...]) -> list[Verdict]:
    found: list[Verdict] = []
    for before in inputs:
        words: dict[Split, Word] = {}
        for split in SPLITS:
            step = difference(run, before, node.label, split)
            if step is not None:
                found.append(_step(before, node.label, split, step))
                words[split] = step.word
        others = [word for split, word in words.items() if split != "train"]
        if node.dense and others and words.get("train") == "rises" and "rises" not in others:
            text = (
                f"{node.label} memorises: from {before} the index rises on train, and on neither "
                f"test nor across at m = {run.m}"
            )
            found.append(Verdict("memorises", node.label, before, "train", text))
    return found


def _step(before: str, node: str, split: Split, found: PairedDifference) -> Verdict:
    change = f"{found.value:+.4f} ± {found.error:.4f}"
    if found.word == "no change measured":
        text = (
            f"{node}: {NAMES[split]}, no change measured at m = {found.m} from {before} ({change})"
        )
    else:
        text = f"{node}: {NAMES[split]} {found.word} from {before} by {change}"
    return Verdict(found.word, node, before, split, text, found)


def _settles(run: RunRecord) -> list[Verdict]:
    """On each split the first node of the trunk from which on none differs from the last."""
    said = []
    for split in SPLITS:
        ways = [x for x in trunk(run) if run.node(x).on(split) is not None]
        ways = [x for x in ways if _own(run, x)]
        at = len(ways) - 1
        while at > 0:
            found = difference(run, ways[at - 1], ways[-1], split)
            if found is None or found.word != "no change measured":
                break
            at -= 1
        if 0 < at < len(ways) - 1:  # at the first: the whole has no change, and that is said
            text = (
                f"{NAMES[split]} settles at {ways[at]}: from there to {ways[-1]} no change "
                f"measured at m = {run.m}"
            )
            said.append(Verdict("settles", ways[at], ways[-1], split, text))
    return said


def _own(run: RunRecord, label: str) -> bool:
    return run.by_label[label].as_above is None
