"""The axis of index values: its range, its ticks, and where a value stands on it."""

from __future__ import annotations

import math
from dataclasses import dataclass

from addnn_spec.report.dataflow import SPLITS
from addnn_spec.runtime.run_record import RunRecord

RATE = "classification_rate"


@dataclass(frozen=True)
class Scale:
    """`low` to `high`, with round `ticks`."""

    low: float
    high: float
    ticks: tuple[float, ...]

    def place(self, value: float) -> float:
        """Return where a value stands: 0 at `low`, 1 at `high`, held inside."""
        return min(max((value - self.low) / (self.high - self.low), 0.0), 1.0)

    def holds(self, value: float) -> bool:
        """Return True if a value is in the range."""
        return self.low <= value <= self.high


def scale(run: RunRecord, *, trained: bool = False) -> Scale:
    """Return the range of all that is shown, with the bands; of the classification rate on train,
    too, where it is shown (`trained`), and of chance, unless the picture would be mostly empty for
    it."""
    ends: list[float] = []
    for node in run.nodes:
        for split in SPLITS:
            found = node.on(split)
            if found is not None:
                ends += [found.interval.low, found.interval.high]
        if RATE in node.measures:
            ends.append(node.measures[RATE].value)
            on_train = node.measures[RATE].train
            ends += [on_train] if trained and on_train is not None else []
    low, high = (min(ends), max(ends)) if ends else (0.0, 1.0)
    if run.data.task == "classification":
        # An interval may reach beyond what an index of classes can be.
        low, high = max(low, 0.0), min(high, 1.0)
    chance = min(run.chance.values(), default=low)
    if chance < low and low - chance <= high - low:
        low = chance
    return _rounded(low, max(high, low + 1e-3))


def _rounded(low: float, high: float) -> Scale:
    raw = (high - low) / 5
    power = 10 ** math.floor(math.log10(raw))
    # Five to ten ticks, at numbers that people count by.
    step = next(power * f for f in (1, 2, 5, 10) if power * f >= raw * (1 - 1e-9))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    ticks = tuple(round(number * step, 10) for number in range(first, last + 1))
    return Scale(ticks[0], ticks[-1], ticks)
