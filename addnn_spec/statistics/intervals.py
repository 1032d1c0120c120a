"""The 95 % interval of an index: what its standard error says, also near 0 and near 1."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from statistics import NormalDist
from typing import Literal

import numpy as np

from addnn_spec.statistics.linked import Floats, Ids, centred, linked_errors, strata, units

RARE = 10
"""With fewer misses, or hits, an interval has one side."""


@dataclass(frozen=True)
class Interval:
    """From `low` to `high`. `sides` is 1 where only one of them says anything: the other is 0 or
    1, as far as an index goes."""

    low: float
    high: float
    sides: Literal[1, 2] = 2


def interval(value: float, error: float, m: int, units: float) -> Interval:
    """Return the 95 % interval of the mean `value` of m terms from 0 to 1, with its standard error.

    Wilson's, of as many samples as had that error if they were independent. `units` are the
    independent ones among the m: samples over their design effect, or groups; Student's t has one
    degree of freedom less. With m min(p, 1 − p) below 10 the error cannot be told from the terms:
    then Wilson's of `units` samples, one-sided. A value beyond 0 to 1, as a soft Smoothness Index
    has, is taken ± t standard errors.
    """
    freedom = max(int(units) - 1, 1)
    if not 0 <= value <= 1:
        reach = student(0.975, freedom) * error
        return Interval(value - reach, value + reach)
    rare = min(value, 1 - value)
    if m * rare < RARE:
        low, high = _wilson(value, units, student(0.95, freedom))
        return Interval(low, 1.0, 1) if value > 0.5 else Interval(0.0, high, 1)
    count = value * (1 - value) / error**2 if error > 0 else math.inf
    return Interval(*_wilson(value, count, student(0.975, freedom)))


def _wilson(p: float, count: float, z: float) -> tuple[float, float]:
    if math.isinf(count):
        return p, p
    square = z * z / count
    middle = (p + square / 2) / (1 + square)
    reach = math.sqrt(p * (1 - p) * square + square * square / 4) / (1 + square)
    return max(middle - reach, 0.0), min(middle + reach, 1.0)


@cache
def student(share: float, freedom: int) -> float:
    """Return the quantile of Student's t: `share` of it, above one half, lies below.

    From 100 degrees of freedom on by Fisher and Cornish's series about the normal quantile, where
    it is right to eight digits.
    """
    if freedom >= _MANY:
        z = NormalDist().inv_cdf(share)
        square = z * z
        return z * (
            1
            + (square + 1) / (4 * freedom)
            + ((5 * square + 16) * square + 3) / (96 * freedom**2)
            + (((3 * square + 19) * square + 17) * square - 15) / (384 * freedom**3)
        )
    # Few degrees of freedom have heavy tails: 97.5 % of one lies below 12.7, 99.9 % below 318.
    low, high = 0.0, 1e4
    while high - low > 1e-10 * (1 + low):
        middle = (low + high) / 2
        low, high = (middle, high) if below(middle, freedom) < share else (low, middle)
    return (low + high) / 2


_MANY = 100


def below(t: float, freedom: int) -> float:
    """Return the share of Student's t that lies below `t`, by the finite series of its angle."""
    angle = math.atan2(t, math.sqrt(freedom))
    sine, cosine = math.sin(angle), math.cos(angle)
    odd = freedom % 2
    term = cosine if odd else 1.0
    total = 0.0 if freedom == 1 else term
    for n in range(2 + odd, freedom - 1, 2):
        term *= cosine * cosine * (n - 1) / n
        total += term
    inside = (angle + sine * total) * 2 / math.pi if odd else sine * total
    return (1 + inside) / 2


def beyond(value: float, error: float, freedom: float) -> float:
    """Return how often Student's t of so many degrees of freedom is as far from 0."""
    if error == 0:
        return 1.0 if value == 0 else 0.0
    return 2 * below(-abs(value / error), max(int(freedom), 1))


@dataclass(frozen=True)
class Stated(Interval):
    """An interval with its standard error."""

    error: float = 0.0


def stated(
    values: Floats, touches: Ids, classes: Ids | None = None, groups: Ids | None = None
) -> Stated:
    """Return how far the mean of `values` (m,) may be off; undefined ones, NaN, are left out.

    `touches` says what links them; see `linked`. Few hits, or misses, do not show how they are
    linked: then as many samples are taken as would be independent if neighbours always shared.
    """
    return stated_all([values], touches, classes, groups)[0]


def stated_all(
    each: Sequence[Floats], touches: Ids, classes: Ids | None = None, groups: Ids | None = None
) -> list[Stated]:
    """Return the intervals of several means of the same samples, undefined in the same places."""
    known = ~np.isnan(each[0])
    if not bool(known.all()):
        each, touches = [values[known] for values in each], touches[known]
        classes = None if classes is None else classes[known]
        groups = None if groups is None else groups[known]
    drawn = None if classes is None else strata(classes)
    terms = [centred(values, drawn) for values in each]
    errors = linked_errors(terms, touches, drawn, groups)
    found = []
    for values, own, (error, _) in zip(each, terms, errors, strict=True):
        m, value = len(values), float(values.mean())
        count = units(own, error, groups)
        if m * min(value, 1 - value) < RARE:
            count = min(count, m / touches.shape[1])
        one = interval(value, error, m, count)
        found.append(Stated(one.low, one.high, one.sides, error))
    return found
