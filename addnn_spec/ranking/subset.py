"""Greedy choice of features by the index they have together.

Squared distances add over features: with D_S those of the chosen ones, feature f is tried as
D_S + (x_f − x_f')², m² operations instead of m²|S|.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from addnn_spec.indices.errors import OptionError
from addnn_spec.ranking.ranking_record import Subset
from addnn_spec.runtime.other_measures import Rows

_Score = Callable[[Tensor], float]


def greedy_subset(rows: Rows, limit: int) -> Subset:
    """Forward selection on the training rows (m, d), at most `limit` features: each step adds the
    one that gives the largest Separation Index (labels (m,)) or linear Smoothness Index (targets
    (m, q)), the lowest number among equals. Every prefix is scored on the test rows.

    The chosen value is optimistic, for it was chosen on the data that it scores; the scored is not.
    Memory: three m × m float64 matrices, or of the test samples'.

    Raises:
        OptionError: `limit` below 1, or fewer than two samples.
    """
    if limit < 1 or len(rows.train) < 2:
        raise OptionError("a subset needs a feature, and two samples, at least")
    samples = rows.train.flatten(1).double()
    score = _scorer(rows.labels.to(samples.device))
    apart = samples.new_zeros(len(samples), len(samples))
    order: list[int] = []
    chosen: list[float] = []
    while len(order) < min(limit, samples.shape[1]):
        left = [f for f in range(samples.shape[1]) if f not in order]
        values = [score(_with(apart, samples[:, f])) for f in left]
        best = max(values)
        feature = left[values.index(best)]
        apart = _with(apart, samples[:, feature])
        order.append(feature)
        chosen.append(best)
    return Subset(order=tuple(order), chosen=tuple(chosen), scored=_prefixes(rows, order))


def _prefixes(rows: Rows, order: list[int]) -> tuple[float, ...]:
    """Return the index of the test rows after each feature."""
    if rows.test is None or rows.test_labels is None:
        return ()
    samples = rows.test.flatten(1).double()
    score = _scorer(rows.test_labels.to(samples.device))
    apart = samples.new_zeros(len(samples), len(samples))
    values = []
    for feature in order:
        apart = _with(apart, samples[:, feature])
        values.append(score(apart))
    return tuple(values)


def _with(apart: Tensor, feature: Tensor) -> Tensor:
    """Return the squared distances (m, m) with one feature (m,) added."""
    return (feature[:, None] - feature[None, :]).square_().add_(apart)


def _nearest(apart: Tensor) -> Tensor:
    return apart.clone().fill_diagonal_(torch.inf).argmin(dim=1)


def _scorer(labels: Tensor) -> _Score:
    if labels.ndim == 1:
        return lambda apart: float((labels[_nearest(apart)] == labels).double().mean())
    targets = labels.double()
    # By matrix products the distances of near targets would lose their digits.
    between = torch.cdist(targets, targets, compute_mode="donot_use_mm_for_euclid_dist")
    largest = between.amax(dim=1)
    smallest = between.clone().fill_diagonal_(torch.inf).amin(dim=1)
    room = largest - smallest
    rows = torch.arange(len(targets), device=targets.device)

    def smoothness(apart: Tensor) -> float:
        each = (largest - between[rows, _nearest(apart)]) / room
        # Where all other targets are equally far, a sample has no term.
        return float(each[room > 0].mean())

    return smoothness
