"""Widths for a ratio, or for a budget of parameters or MACs."""

from __future__ import annotations

from addnn_spec.design.figures import counts_for, figures
from addnn_spec.design.plan import Plan
from addnn_spec.diagnostics import Refusal

_STEPS = 10


def narrowed_counts(
    plan: Plan, ratio: float | None, params: float | None, macs: float | None
) -> dict[int, int]:
    """Return how many channels of each class stay: at a ratio, or at the largest ratio that comes
    to a share of the parameters or MACs. Nothing is given: none are narrowed.

    Raises `Refusal` (E0620) where what is frozen is more than the share.
    """
    if ratio is not None:
        return counts_for(plan, ratio)
    wanted, place = (macs, 1) if params is None else (params, 0)
    if wanted is None:
        return {}
    whole = figures(plan)[place]
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
