"""Where a run's index is highest, from where on it is not below that, and what does not raise it.

Definitions: docs/indices.md, "Statements".
"""

from __future__ import annotations

from dataclasses import dataclass

from addnn_spec.report.dataflow import SPLITS, trunk
from addnn_spec.report.differences import difference
from addnn_spec.runtime.run_record import RunRecord, Split

SHARE = 0.01
"""Of the 5 % of reports that may say something false, those that do of the peak."""


@dataclass(frozen=True)
class Settling:
    """What can be said of the trunk on one split, beyond error: where its index reaches the peak.

    Attributes:
        ways: the nodes with values of their own that every way to the last node passes, in order.
        peak: the one with the highest index.
        level: those that are not below it: there is no telling which of them is the highest.
        features: what the fully connected part reads; None where there is no such part.
        as_features: the nodes that are not below that one.
    """

    split: Split
    ways: tuple[str, ...]
    peak: str
    level: tuple[str, ...]
    features: str | None
    as_features: tuple[str, ...]

    @property
    def first(self) -> str:
        """The first node that is not below the peak."""
        return self.level[0]

    @property
    def idle(self) -> tuple[str, ...]:
        """The nodes behind the first that is not below the peak: they do not raise the index."""
        return self.ways[self.ways.index(self.first) + 1 :]


def settling(run: RunRecord, split: Split) -> Settling | None:
    """Return where the index of a split settles; None with fewer than three nodes on the trunk.

    A node is below another if the paired difference says so (p, both tests) at 1 % over the number
    of all pairs of such nodes on all splits: which of them would be the peak was not known before.
    """
    own = [label for label in trunk(run) if run.by_label[label].as_above is None]
    ways = tuple(label for label in own if run.by_label[label].on(split) is not None)
    if len(ways) < 3:
        return None
    splits = sum(any(node.on(each) is not None for node in run.nodes) for each in SPLITS)
    limit = SHARE / (splits * len(ways) * (len(ways) - 1) / 2)
    value = {label: found.value for label in ways if (found := run.node(label).on(split))}
    peak = max(ways, key=value.__getitem__)

    def level(with_: str) -> tuple[str, ...]:
        return tuple(
            label
            for label in ways
            if value[label] >= value[with_] or not _below(run, label, with_, split, limit)
        )

    dense = [place for place, label in enumerate(ways) if run.by_label[label].dense]
    features = ways[dense[0] - 1] if dense and dense[0] else None
    return Settling(
        split, ways, peak, level(peak), features, () if features is None else level(features)
    )


def _below(run: RunRecord, label: str, other: str, split: Split, limit: float) -> bool:
    found = difference(run, label, other, split)
    return found is not None and found.value > 0 and found.p <= limit
