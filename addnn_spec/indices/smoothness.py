"""The Smoothness Index: are the targets of input neighbours near each other?

Source: A. Kalhor's reference classes and course (the regression counterpart of the Separation
Index). All target distances are Euclidean, in float64, by direct differences.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Unpack

import torch
from torch import Tensor

from addnn_spec.indices import keys
from addnn_spec.indices.bands import bands
from addnn_spec.indices.errors import NotFiniteError, OptionError, UndefinedIndexError
from addnn_spec.indices.geometry import RowScaling, add_squares, check_finite, safe_scale
from addnn_spec.indices.inputs import (
    ArrayLike,
    as_samples,
    check_choice,
    check_gamma,
    check_lengths,
    check_order,
    check_widths,
)
from addnn_spec.indices.neighbours import Neighbours, search
from addnn_spec.indices.query import Query, SearchOptions, sketched
from addnn_spec.indices.results import IndexResult, SmoothnessBound
from addnn_spec.indices.separation import KINDS

FORMS = ("linear", "exponential")
_ROUNDING = 64 * 2.0**-52  # a spread below this share of the distance is rounding


def smoothness_index(
    X: ArrayLike,
    Y: ArrayLike,
    order: int = 1,
    kind: str = "hard",
    form: str = "linear",
    gain: float = 1.0,
    *,
    sketch: int | None = None,
    seed: int = 0,
    **options: Unpack[SearchOptions],
) -> IndexResult:
    """Return the Smoothness Index of ``X`` (m, ...) with targets ``Y`` (m, ...).

    With e_ij the distance from target i to that of the j-th input neighbour, n_ij the j-th smallest
    target distance from i, D_i the largest, a_i the mean (divisor m, the zero to itself included):

    - linear: ``s_ij = (D_i - e_ij) / (D_i - n_ij)``
    - exponential: ``s_ij = exp(-gain (e_ij - n_ij) / a_i)``

    hard: the mean over samples of ``min_{j<=r} s_ij``; soft: of the mean over j; anti: of
    ``min_{j<=r} (1 - s_ij)``. Soft and hard of order 2 and more can exceed 1. Samples with
    ``D_i = n_ij`` (linear) or ``a_i = 0`` (exponential) are undefined: left out, and counted.

    Raises:
        UndefinedIndexError: one sample, ``order`` >= m, or no sample is defined.
        NotFiniteError, ShapeError, OptionError, BudgetError: see errors.py.
    """
    _check_options(kind, form, gain)
    samples, targets = as_samples(X), _targets(Y)
    check_lengths(samples, targets, "targets")
    check_order(order, len(samples) - 1)

    def compute(rows: Tensor, goals: Tensor, fold: tuple[int, int] | None) -> IndexResult:
        query = Query.of(rows, None, fold, **options)
        found = query.search(order, distances=False)
        spread = TargetSpread.of(goals, order, budget=query.budget)
        values = spread.values(found, order, kind, form, gain)
        return _record(query, found, values, "smoothness index", order, kind, form)

    return sketched(compute, samples, targets, sketch, seed, order)


def cross_smoothness_index(
    X: ArrayLike,
    Y: ArrayLike,
    X_test: ArrayLike,
    Y_test: ArrayLike,
    order: int = 1,
    kind: str = "hard",
    form: str = "linear",
    gain: float = 1.0,
    **options: Unpack[SearchOptions],
) -> IndexResult:
    """Cross-SmI: neighbours, D, n and a of each test sample are all taken from the training data.

    Formulas and errors as in ``smoothness_index``; ``order`` may equal the training samples.
    """
    _check_options(kind, form, gain)
    train, test = as_samples(X), as_samples(X_test, "X_test")
    targets = _targets(Y)
    test_targets = _targets(Y_test).to(targets.device)
    check_lengths(train, targets, "targets")
    check_lengths(test, test_targets, "test targets")
    check_widths(targets, test_targets)
    query = Query.of(test, train, **options)
    found = query.search(order, distances=False)
    spread = TargetSpread.of(test_targets, order, references=targets, budget=query.budget)
    values = spread.values(found, order, kind, form, gain)
    return _record(query, found, values, "cross smoothness index", order, kind, form)


@dataclass(frozen=True)
class TargetSpread:
    """What the Smoothness Index needs of the targets alone; one serves every node of a network.

    Attributes:
        targets, references: (m, q) and (n, q) float64; extreme ones times a power of two, which no
            index depends on.
        nearest: (m, r) distances to the r nearest targets.
        largest, mean: (m,) largest and mean distance.
    """

    targets: Tensor
    references: Tensor
    nearest: Tensor
    largest: Tensor
    mean: Tensor

    @classmethod
    def of(
        cls,
        targets: Tensor,
        order: int,
        *,
        references: Tensor | None = None,
        budget: int | None = None,
    ) -> TargetSpread:
        """Return the spread of targets (m, q), among themselves or against those of the training
        data (n, q)."""
        other = targets if references is None else references
        # One for both sides, so that their distances stay comparable.
        scale = safe_scale(max(check_finite(targets), check_finite(other)))
        if scale != 1.0:
            targets, other = targets * scale, other * scale
            references = None if references is None else other
        nearest = search(targets, order, references=references, budget=budget).distances
        largest = torch.empty(len(targets), dtype=torch.float64, device=targets.device)
        mean = torch.empty_like(largest)
        rows = max(1, 2**20 // len(other))
        for start in range(0, len(targets), rows):
            part = slice(start, start + rows)
            # By default cdist takes products of many targets: too coarse for small distances.
            distances = torch.cdist(
                targets[part], other, compute_mode="donot_use_mm_for_euclid_dist"
            )
            largest[part], mean[part] = distances.amax(dim=1), distances.mean(dim=1)
        return cls(targets, other, nearest, largest, mean)

    def defined(self, order: int) -> Tensor:
        """Of which samples (m,) the linear index of an order has a value."""
        spread = self.largest[:, None] - self.nearest[:, :order]
        return (spread > _ROUNDING * self.largest[:, None]).all(dim=1)

    def values(
        self, found: Neighbours, order: int, kind: str, form: str, gain: float = 1.0
    ) -> Tensor:
        """Return each sample's value (m,), NaN where undefined, from its input neighbours."""
        indices = found.indices[:, :order].to(self.targets.device)
        error = self.targets.new_zeros(indices.shape)
        # Summed as the search sums them: both enter one difference.
        add_squares(error, self.references[indices] - self.targets[:, None])
        error, nearest = error.sqrt_(), self.nearest[:, :order]
        if form == "linear":
            largest = self.largest[:, None]
            ratio = (largest - error) / (largest - nearest)
            undefined = ~self.defined(order)
        else:
            mean = self.mean[:, None]
            ratio = torch.exp(-gain * (error - nearest) / mean)
            undefined = self.mean == 0
        if kind == "soft":
            values = ratio.mean(dim=1)
        else:
            values = (ratio if kind == "hard" else 1 - ratio).amin(dim=1)
        values = torch.where(undefined, torch.nan, values)
        if bool(undefined.all()):
            raise UndefinedIndexError(
                "no sample has a Smoothness Index: its targets are all equally far apart"
            )
        return values


def smoothness_error_bound(
    X: ArrayLike,
    Y: ArrayLike,
    X_test: ArrayLike,
    gamma: float,
    **options: Unpack[SearchOptions],
) -> SmoothnessBound:
    """Return how far the nearest neighbour's target may be from the true one, features known to
    ``gamma``.

    For a test sample x with nearest training sample 1*: ``max_{j in J} (|y_1* - y_j| + alpha_j)``,
    alpha_j the distance from target j to that of j's own nearest neighbour. The course takes for J
    the nearest neighbours of all x' within gamma of x; here
    ``J = {j: d(x, x_j) <= d(x, x_1*) + 2 gamma}``, which holds that set by the triangle inequality,
    so this bound is valid and no smaller. It assumes SmI = 1 (see ``assumption_holds``). gamma is
    in the units of the space that distances are taken in.

    Raises:
        OptionError: gamma is negative or not finite. Others as in ``smoothness_index``.
    """
    gamma = check_gamma(gamma)
    train, test, targets = as_samples(X), as_samples(X_test, "X_test"), _targets(Y)
    index = smoothness_index(train, targets, **options)
    own = Query.of(train, **options).search(1, distances=False).indices[:, 0]
    scale = safe_scale(check_finite(targets))
    targets = targets * scale
    alpha = (targets - targets[own.to(targets.device)]).square().sum(dim=1).sqrt()
    query = Query.of(test, train, **options)
    assert query.references is not None
    nearest = query.search(1)
    frame = RowScaling.around(query.references, query.space.weight, product=query.product)
    reach = (nearest.distances[:, 0] + 2 * gamma) * frame.scale
    limits = keys.of(reach.square() * (1 + 1e-12))  # rounding may only add candidates
    bounds = torch.zeros(len(test), dtype=torch.float64, device=targets.device)
    counts = torch.zeros(len(test), dtype=torch.int64, device=targets.device)
    base = targets[nearest.indices[:, 0].to(targets.device)]
    for band in bands(
        frame, query.samples, query.references, limits, exclude_self=False, budget=query.budget
    ):
        squares = frame.settled(query.samples, band.rows, query.references, band.columns)
        band.inside[band.rows - band.queries.start, band.columns - band.references.start] = (
            squares <= limits[band.rows]
        )
        mine = slice(band.queries.start, band.queries.stop)
        theirs = slice(band.references.start, band.references.stop)
        inside = band.inside.to(targets.device)
        apart = torch.cdist(
            base[mine], targets[theirs], compute_mode="donot_use_mm_for_euclid_dist"
        )
        worst = torch.where(inside, apart + alpha[theirs], 0.0).amax(dim=1)
        bounds[mine] = torch.maximum(bounds[mine], worst)
        counts[mine] += inside.sum(dim=1)
    return SmoothnessBound(bounds / scale, counts, gamma, index, index.value == 1.0)


def _record(
    query: Query,
    found: Neighbours,
    values: Tensor,
    name: str,
    order: int,
    kind: str,
    form: str,
) -> IndexResult:
    result = query.record(f"{name}, {form}", values, order, found)
    return replace(result, kind=kind, tied=int((found.surplus > 0).sum()))


def _targets(values: ArrayLike) -> Tensor:
    targets = as_samples(values, "targets")
    try:
        check_finite(targets)
    except NotFiniteError as error:
        raise NotFiniteError(str(error).replace("sample", "the target of sample")) from None
    return targets.double()


def _check_options(kind: str, form: str, gain: float) -> None:
    check_choice("kind", kind, KINDS)
    check_choice("form", form, FORMS)
    if not 0 < gain < float("inf"):
        raise OptionError(f"gain is a positive number, not {gain!r}")
