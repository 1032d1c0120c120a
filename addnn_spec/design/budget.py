"""Widths for a ratio, or for a budget of parameters or MACs."""

from __future__ import annotations

from collections.abc import Mapping

from addnn_spec.design.expected_sizes import counts_for, figures
from addnn_spec.design.plan import Plan
from addnn_spec.diagnostics import Refusal
from addnn_spec.passes.ties import text_ties

_STEPS = 10


def narrowed_counts(
    plan: Plan, ratio: float | None, params: float | None, macs: float | None
) -> dict[int, int]:
    """Return how many channels of each class stay, at a ratio or at the largest ratio that meets a
    share of the parameters or MACs. Without either none are narrowed.

    Raises `Refusal` (E0620) where what is frozen is more than the share.
    """
    if ratio is not None:
        return counts_for(plan, ratio)
    wanted, place = (macs, 1) if params is None else (params, 0)
    if wanted is None:
        return {}
    whole = figures(plan)[place]
    # Figures grow with the ratio. Ten halvings part a ratio finer than the channels of most layers.
    low, high = 0.0, 1.0
    for _ in range(_STEPS):
        middle = (low + high) / 2
        fits = figures(plan, counts_for(plan, middle))[place] <= wanted * whole
        low, high = (middle, high) if fits else (low, middle)
    found = counts_for(plan, low)
    if figures(plan, found)[place] > wanted * whole:
        name = plan.graph.name
        raise Refusal("E0620", f"no widths come to {wanted:g} of {name}: what is frozen is more")
    return found


def tied_counts(plan: Plan, counts: Mapping[int, int]) -> dict[int, int]:
    """Return counts in which all classes that the text ties keep the same share, the largest one,
    so that its loops and blocks can stay as they are."""
    found = dict(counts)
    classes = plan.widths.classes
    for tie in text_ties(plan.graph, plan.widths):
        free = [number for number in tie if number in counts]
        share = max((counts[number] / classes[number].size for number in free), default=1.0)
        # One share, and not one count: `width` and `4 * width` are tied, too.
        found |= {number: max(1, round(share * classes[number].size)) for number in free}
    return found
