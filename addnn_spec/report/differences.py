"""Paired differences of two nodes of a run, on the same samples."""

from __future__ import annotations

from addnn_spec.runtime.run_record import RunRecord, Split, paired_difference_of
from addnn_spec.statistics.paired import PairedDifference


def difference(run: RunRecord, before: str, after: str, split: Split) -> PairedDifference | None:
    """Return the paired difference of two nodes of a run; None where one has no index on that
    split."""
    first, second = run.node(before).on(split), run.node(after).on(split)
    if first is None or second is None:
        return None
    return paired_difference_of(run, split, first, second)
