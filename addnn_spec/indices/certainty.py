"""Confidence, guarantee and score: how far a sample is from changing sides.

Source: A. Kalhor, Analysis and Design of Deep Neural Networks (course), chapter 3.2. The printed
``Guar = delta(SI, 1) sign(1 - (d_w + gamma) / (d_b - gamma))`` turns positive again for
``gamma > d_b``, a false guarantee; what is meant is the inequality ``d_w + gamma < d_b - gamma``.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Unpack

import torch
from torch import Tensor

from addnn_spec.indices.bands import count_closer
from addnn_spec.indices.errors import UndefinedIndexError
from addnn_spec.indices.inputs import ArrayLike, as_samples, check_gamma
from addnn_spec.indices.query import Query, SearchOptions
from addnn_spec.indices.results import Guarantee, IndexResult, Margins
from addnn_spec.indices.separation import labelled, nearest_by_label, separation_index


def confidence(X: ArrayLike, y: ArrayLike, **options: Unpack[SearchOptions]) -> IndexResult:
    """Return the confidence in nearest-neighbour predictions at this node: the Separation Index.

    Shapes and errors as in ``separation_index``.
    """
    return replace(separation_index(X, y, **options), name="confidence")


def guarantee(
    X: ArrayLike,
    y: ArrayLike,
    gamma: float,
    X_test: ArrayLike | None = None,
    **options: Unpack[SearchOptions],
) -> Guarantee:
    """Tell whether an error up to ``gamma`` of a sample's place can change its predicted class.

    Without test data: it cannot if SI = 1 and ``gamma < (db_min - dw_max) / 2``; dw_max is the
    largest distance to a nearest sample of the same class, db_min the smallest between classes.
    This supposes that every new sample has one of its class within dw_max and none of another
    within db_min. With ``X_test`` (n, ...), for each: if SI = 1 and
    ``gamma < (dn - dp) / 2``; dp is the distance to the nearest training sample, dn to the nearest
    of another label than that one's.
    ``gamma`` is in the units of the space that distances are taken in.

    Raises:
        UndefinedIndexError: one class; or, without test data, a class of one sample.
        OptionError: gamma is negative or not finite. Others as in ``separation_index``.
    """
    gamma = check_gamma(gamma)
    samples, codes, classes = labelled(X, y)
    if len(classes) < 2:
        raise UndefinedIndexError("a guarantee needs two classes")
    index = separation_index(samples, codes, **options)
    if X_test is None:
        within, between = _worst_case(Query.of(samples, **options), codes, classes)
    else:
        query = Query.of(as_samples(X_test, "X_test"), samples, **options)
        nearest = query.search(1)
        predicted = codes.to(nearest.indices.device)[nearest.indices[:, 0]]
        within = nearest.distances[:, 0]
        between = query.search(1, predicted, codes, "other").distances[:, 0]
    margin = (between - within) / 2
    # Strictly below: at the margin itself both distances could be equal.
    holds = (gamma < margin) & (index.value == 1.0)
    reason = ""
    if index.value != 1.0:
        reason = f"the Separation Index is {index.value:.6g}, not 1"
    elif not bool(holds.all()):
        reason = f"gamma = {gamma:g} is not below the margin of {int((~holds).sum())} sample(s)"
    return Guarantee(holds, margin, within, between, gamma, index, reason)


def prediction_margins(
    X: ArrayLike,
    y: ArrayLike,
    X_test: ArrayLike | None = None,
    *,
    order: int = 1,
    **options: Unpack[SearchOptions],
) -> Margins:
    """Return how far off each sample may be without another nearest-neighbour prediction.

    Of test samples (n, ...), or without them of the samples themselves, each left out:
    (dn - dp) / 2, dp the distance to the nearest and dn to the nearest of another label than that
    one's. This holds at any Separation Index; where it is 1 the prediction is right, too. By order
    r it is (d_{r+1} - d_1) / 2 of the distances in a row, where the first r are of one label: what
    SI^r vouches for.

    Raises:
        UndefinedIndexError: one class; no r + 1 neighbours. Others as in ``separation_index``.
    """
    samples, codes, classes = labelled(X, y)
    if len(classes) < 2:
        raise UndefinedIndexError("a margin needs two classes")
    if X_test is None:
        query = Query.of(samples, **options)
    else:
        query = Query.of(as_samples(X_test, "X_test"), samples, **options)
    near = query.search(order + 1)
    labels = codes.to(near.indices.device)[near.indices]
    other = query.search(1, labels[:, 0], codes, "other")
    agree = (labels[:, :order] == labels[:, :1]).cumprod(dim=1).bool()
    apart = (near.distances[:, 1:] - near.distances[:, :1]) / 2
    return Margins(
        margin=(other.distances[:, 0] - near.distances[:, 0]) / 2,
        nearest=near.indices[:, 0],
        agree=agree,
        by_order=torch.where(agree, apart, 0.0),
    )


def largest_safe(margins: Tensor, share: float) -> float:
    """Return the error below which no prediction changes of at least this ``share`` of samples."""
    # 0.95 * 20 may come out a little above 19.
    count = max(math.ceil(share * len(margins) - 1e-9), 1)
    return float(margins.sort(descending=True).values[count - 1])


def _worst_case(query: Query, codes: Tensor, classes: list[object]) -> tuple[Tensor, Tensor]:
    alone = torch.nonzero(torch.bincount(codes) == 1)
    if len(alone):
        label = classes[int(alone[0])]
        raise UndefinedIndexError(f"class {label!r} has one sample: no distance within it")
    same, other = nearest_by_label(query, codes)
    return same.distances.amax().reshape(1), other.distances.amin().reshape(1)


def separation_score(X: ArrayLike, y: ArrayLike, **options: Unpack[SearchOptions]) -> IndexResult:
    """Return each sample's score: how many neighbours in a row share its label, before one does
    not.

    score_i is the largest r for which sample i's hard index of order r is 1, else minus the largest
    r for which its anti index is 1; at most m - 1 in size. ``per_sample`` holds the scores (m,),
    the value is their mean. Ties go by lowest index. Shapes and errors as in ``separation_index``.
    """
    samples, codes, classes = labelled(X, y)
    query = Query.of(samples, **options)
    same, other = nearest_by_label(query, codes)
    near, far = same.distances[:, 0], other.distances[:, 0]
    # The row of equal labels ends at the nearest of the other kind: its rank is the score.
    first = (near < far) | ((near == far) & (same.indices[:, 0] < other.indices[:, 0]))
    first &= same.indices[:, 0] >= 0
    first |= other.indices[:, 0] < 0
    marks = torch.where(first, other.indices[:, 0], same.indices[:, 0])
    counts = torch.full_like(marks, len(samples) - 1)
    if bool((marks >= 0).any()):
        own = torch.arange(len(marks), device=marks.device)
        closer = count_closer(
            query.samples,
            torch.where(marks >= 0, marks, own),
            query.space.weight,
            query.budget,
            query.product,
        )
        counts = torch.where(marks >= 0, closer, counts)
    scores = torch.where(first, counts, -counts).double()
    result = query.record("separation score", scores)
    return replace(result, n_classes=len(classes), touches=None)  # no mean of shares
