"""What networks are ranked by, and which of them share a place."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, TypeAlias, get_args

from addnn_spec.diagnostics import Refusal
from addnn_spec.ranking.ranking_record import Ranked
from addnn_spec.runtime.run_record import IndexRecord, Split, paired_difference_of
from addnn_spec.statistics.intervals import beyond

By: TypeAlias = Literal[
    "index", "index2", "soft2", "anti2", "centre", "exponential", "subset", "test", "cross"
]
BY: tuple[By, ...] = get_args(By)
_VALUES = {
    "index2": ("hard2", "linear2"),
    "soft2": ("soft2", "linear_soft2"),
    "anti2": ("anti2", "linear_anti2"),
    "centre": ("centre",),
    "exponential": ("exponential1",),
}
_SPLITS: dict[str, Split] = {"test": "test", "cross": "cross"}
_DIFFER = 0.05


def placed(found: Sequence[Ranked], by: By = "index") -> list[Ranked]:
    """Return the networks sorted, best first. One shares the place of the first there if their
    difference may be chance (p of 5 % or more): for the index the paired one on the same samples,
    for others that of their standard errors. Subsets share a place if they are equal.

    Raises `DiagnosticError` (E0607) where a network has no such value.
    """
    worst_first = by == "anti2"  # of which less is better
    ordered = sorted(found, key=lambda one: _value(one, by)[0], reverse=not worst_first)
    leader = 0
    result: list[Ranked] = []
    for number, ranked in enumerate(ordered):
        if number and _chance(ordered[leader], ranked, by) < _DIFFER:
            leader = number
        result.append(ranked.model_copy(update={"place": leader + 1}))
    return result


def no_subset() -> Refusal:
    """Return the refusal to rank networks by a subset that none was chosen for."""
    return Refusal("E0607", "no subset was chosen", help="--subset N chooses one")


def _chance(first: Ranked, second: Ranked, by: By) -> float:
    """Return how often networks that are equal differ by as much."""
    if by == "index" or by in _SPLITS:
        split = _SPLITS.get(by, "train")
        a, b = _index(first, split), _index(second, split)
        return paired_difference_of(first.run, split, a, b).p
    (one, error), (other, its_error) = _value(first, by), _value(second, by)
    return beyond(one - other, math.hypot(error, its_error), first.run.m - 1)


def _value(ranked: Ranked, by: By) -> tuple[float, float]:
    """Return what a network is ranked by, with its standard error."""
    if by == "subset":
        if ranked.subset is None:
            raise no_subset()
        return ranked.subset.chosen[ranked.subset.best - 1], 0.0
    found = _index(ranked, _SPLITS.get(by, "train"))
    if by == "index" or by in _SPLITS:
        return found.value, found.standard_error
    name = next((name for name in _VALUES[by] if name in found.values), None)
    if name is None:
        raise Refusal(
            "E0607", f"{ranked.name} has no {by}", help=f"it has {', '.join(found.values)}"
        )
    return found.values[name], found.intervals[name].error


def _index(ranked: Ranked, split: Split) -> IndexRecord:
    found = ranked.on(split)
    if found is not None:
        return found
    if split != "train" and ranked.on("train") is not None:
        raise Refusal("E0607", f"there is no index on {split}", help="--test gives test data")
    message = f"{ranked.name} has no index at {ranked.node}"
    raise Refusal("E0614", message, notes=tuple(ranked.run.notes))
