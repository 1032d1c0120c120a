"""Intervals, against scipy and by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from addnn_spec.statistics.intervals import below, beyond, interval, stated, student
from addnn_spec.statistics.linked import touching


@pytest.mark.parametrize("freedom", [1, 2, 3, 4, 7, 10, 29, 199, 1000])
def test_students_t(freedom: int) -> None:
    for share in (0.9, 0.95, 0.975, 0.9995):
        expected = stats.t.ppf(share, freedom)
        assert student(share, freedom) == pytest.approx(expected, rel=1e-7)
    for t in (-3.0, -0.2, 0.0, 1.7, 40.0):
        assert below(t, freedom) == pytest.approx(stats.t.cdf(t, freedom), abs=1e-12)


def test_the_tail_of_a_difference() -> None:
    assert beyond(0.2, 0.1, 30) == pytest.approx(2 * stats.t.sf(2, 30))
    assert beyond(-0.2, 0.1, 30) == beyond(0.2, 0.1, 30)
    assert (beyond(0.0, 0.0, 9), beyond(0.1, 0.0, 9)) == (1.0, 0.0)


def test_wilsons_interval() -> None:
    """60 of 100: with the normal quantile .502 to .691, with t of 99 a little wider."""
    found = interval(0.6, np.sqrt(0.24 / 100), 100, 2001)
    assert found.low == pytest.approx(0.5020, abs=1e-3)
    assert found.high == pytest.approx(0.6906, abs=1e-3) and found.sides == 2
    assert interval(0.6, np.sqrt(0.24 / 100), 100, 100).high > found.high


def test_near_one_it_has_one_side() -> None:
    """9 misses of 1000 have one side, 11 have two; none of 1000: 1/(1 + 2.71/1000)."""
    few = interval(0.991, 0.003, 1000, 2001)
    assert few.sides == 1 and few.high == 1.0 and few.low < 0.991
    assert interval(0.989, 0.003, 1000, 2001).sides == 2
    none = interval(1.0, 0.0, 1000, 1000)
    assert none.low == pytest.approx(1 / (1 + stats.t.ppf(0.95, 999) ** 2 / 1000))
    assert interval(0.001, 0.001, 1000, 1000).low == 0.0


def test_few_misses_count_as_always_shared() -> None:
    """All hit: of 100 samples that touch two each, 50 are taken."""
    found = stated(np.ones(100), touching((np.arange(100) ^ 1)[:, None]))
    assert found.low == pytest.approx(1 / (1 + stats.t.ppf(0.95, 49) ** 2 / 50))
    assert found.error == 0.0


def test_undefined_values_are_left_out() -> None:
    values = np.array([np.nan, *np.linspace(0.2, 0.8, 60)])
    near = np.arange(61)[:, None]
    with_, without = stated(values, touching(near)), stated(values[1:], touching(near[:60]))
    assert with_ == without


def test_beyond_one_it_is_t_errors() -> None:
    found = interval(1.05, 0.01, 50, 50)
    assert found.high - found.low == pytest.approx(2 * stats.t.ppf(0.975, 49) * 0.01)
