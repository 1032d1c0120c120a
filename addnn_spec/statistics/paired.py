"""Differences of two nodes on the same samples, and how often chance alone gives such."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from addnn_spec.statistics.intervals import beyond
from addnn_spec.statistics.linked import Floats, Ids, centred, linked_error, strata

_ENUMERATED = 12
"""Up to so many signs are all tried."""


@dataclass(frozen=True)
class PairedDifference:
    """The mean of the paired differences of m samples.

    Attributes:
        value, error: the mean, and its linked standard error.
        m: the samples that are defined at both nodes.
        p: how often nodes of equal index differ by as much, either way.
        freedom: the degrees of freedom of Student's t for the mean over its error.
    """

    value: float
    error: float
    m: int
    p: float = 1.0
    freedom: float = 1.0


def paired_difference(
    before: Floats,
    after: Floats,
    touches: Ids,
    classes: Ids | None = None,
    groups: Ids | None = None,
) -> PairedDifference:
    """Return the difference of two nodes, from per-sample values (m,), NaN left out.

    Two tests must agree, and p is the larger one's: the mean over its linked standard error
    (Student's t), and, for hits, the exact test of McNemar, for other values that of random signs,
    by groups where there are such. `touches` are those of both nodes `together`.
    """
    each = after - before
    known = ~np.isnan(each)
    if not bool(known.all()):
        each, touches = each[known], touches[known]
        classes = None if classes is None else classes[known]
        groups = None if groups is None else groups[known]
    m = len(each)
    if m == 0:
        return PairedDifference(0.0, math.inf, 0)
    value = float(each.mean())
    drawn = None if classes is None else strata(classes)
    terms = centred(each, drawn)
    error, freedom = linked_error(terms, touches, drawn, groups)
    if not bool(each.any()):
        return PairedDifference(value, error, m, freedom=freedom)
    is_hits = bool(np.isin(each, (-1.0, 0.0, 1.0)).all())
    if is_hits and groups is None:
        second = mcnemar(int((each > 0).sum()), int((each < 0).sum()))
    else:
        second = random_signs(each if groups is None else _sums(each, groups))
    first = beyond(value, error, freedom)
    return PairedDifference(value, error, m, max(first, second), freedom)


def apart(one: PairedDifference, other: PairedDifference) -> float:
    """Return how often two differences are as far from one another by chance, either way; Welch's
    degrees of freedom, each error's weighted by how much of the whole it is."""
    error = math.hypot(one.error, other.error)
    if error == 0:
        return 1.0 if one.value == other.value else 0.0
    parts = ((each.error / error) ** 4 / each.freedom for each in (one, other))
    return beyond(one.value - other.value, error, 1 / math.fsum(parts))


def _sums(each: Floats, groups: Ids) -> Floats:
    sums: Floats = np.bincount(groups, each).astype(np.float64)
    return sums


def mcnemar(gained: int, lost: int) -> float:
    """Return the exact two-sided p of so many hits gained and lost, each as likely as the other."""
    n, least = gained + lost, min(gained, lost)
    # By logarithms: binomial numbers of thousands are no floats.
    logs = [
        math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1) for k in range(least + 1)
    ]
    tail = math.fsum(math.exp(log - n * math.log(2)) for log in logs)
    return min(2 * tail, 1.0)


def random_signs(terms: Floats) -> float:
    """Return how often the sum of `terms` (n,) with random signs is as far from 0 as theirs.

    All signs are tried for up to 12 terms; else it is the saddle point's approximation
    (Lugannani and Rice), right to some hundredths of itself.
    """
    sizes, total = np.abs(terms[terms != 0]), abs(float(terms.sum()))
    n = len(sizes)
    if n == 0:
        return 1.0
    if n <= _ENUMERATED:
        signs = np.array(list(product((-1.0, 1.0), repeat=n)))
        return float((np.abs(signs @ sizes) >= total * (1 - 1e-12)).mean())
    # All signs agree: of 2^n only two choices are as far, and the series has no saddle point.
    if total >= float(sizes.sum()) * (1 - 1e-12):
        return 2.0 ** (1 - n)
    if total <= 1e-9 * float(sizes.sum()):
        return 1.0
    return min(2 * _beyond_saddle(sizes / sizes.max(), total / float(sizes.max())), 1.0)


def _beyond_saddle(sizes: Floats, total: float) -> float:
    """Return the share of random sums above `total`."""
    low, high = 0.0, 1.0
    while float(sizes @ np.tanh(high * sizes)) < total:
        high *= 2
        if high > 1e6:
            return 2.0 ** -len(sizes)
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (
            (middle, high) if float(sizes @ np.tanh(middle * sizes)) < total else (low, middle)
        )
    t = (low + high) / 2
    cumulant = float((np.logaddexp(t * sizes, -t * sizes) - math.log(2)).sum())
    # cosh overflows beyond 710; such a term is 0 long before.
    curve = float((sizes * sizes / np.cosh(np.minimum(t * sizes, 300)) ** 2).sum())
    w = math.sqrt(max(2 * (t * total - cumulant), 0.0))
    u = t * math.sqrt(curve)
    # At the middle both 1/u and 1/w have no bound, and their difference is lost to rounding.
    if w < 1e-4 or u <= 0:
        return 0.5
    return 0.5 * math.erfc(w / math.sqrt(2)) + math.exp(-w * w / 2) / math.sqrt(2 * math.pi) * (
        1 / u - 1 / w
    )


def holm(ps: Sequence[float], share: float = 0.05) -> list[bool]:
    """Return which of several statements hold together: with probability 1 − `share` none of them
    is false (Holm)."""
    holds = [False] * len(ps)
    for rank, place in enumerate(sorted(range(len(ps)), key=ps.__getitem__)):
        # From the smallest p on; what comes after the first that fails is not held either.
        if ps[place] > share / (len(ps) - rank):
            break
        holds[place] = True
    return holds
