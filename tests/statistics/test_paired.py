"""Tests of paired differences, against scipy and against all signs."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest
from scipy import stats

from addnn_spec.statistics.linked import touching
from addnn_spec.statistics.paired import (
    PairedDifference,
    apart,
    holm,
    mcnemar,
    paired_difference,
    random_signs,
)

ALONE = touching(np.arange(100)[:, None])


def test_the_exact_test_of_mcnemar() -> None:
    assert mcnemar(4, 0) == 0.125
    assert mcnemar(0, 0) == mcnemar(3, 3) == 1.0
    for gained, lost in [(11, 0), (3, 14), (60, 40), (400, 300)]:
        expected = stats.binomtest(gained, gained + lost).pvalue
        assert mcnemar(gained, lost) == pytest.approx(expected, rel=1e-9)


def test_few_random_signs_are_all_tried() -> None:
    assert random_signs(np.array([1.0, 2.0, 3.0])) == 2 / 8
    assert random_signs(np.array([1.0, -2.0, 4.0])) == 6 / 8
    assert random_signs(np.zeros(5)) == 1.0


def test_many_random_signs_are_approximated() -> None:
    terms = np.random.default_rng(0).normal(0.25, 1.0, 18)
    signs = np.array(list(product((-1.0, 1.0), repeat=18)))
    sums = np.abs(signs @ np.abs(terms))
    for shift in (0.0, 0.3, 0.6):
        moved = terms + shift
        sums = np.abs(signs @ np.abs(moved))
        exact = float((sums >= abs(moved.sum()) * (1 - 1e-12)).mean())
        assert random_signs(moved) == pytest.approx(exact, rel=0.06)
    assert random_signs(np.full(20, 0.5)) == 2.0**-19


def test_holm() -> None:
    """.01, .04, .03, .005 at .05: .0125, .0167 hold, .03 > .025 ends it."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == [True, False, False, True]
    assert holm([]) == [] and holm([0.04]) == [True]


def test_both_tests_must_fire() -> None:
    """4 gained, none lost: the error alone says rises (2.02 errors), the exact test p = .125."""
    before, after = np.zeros(100), np.zeros(100)
    after[:4] = 1
    found = paired_difference(before, after, ALONE)
    assert found.value / found.error == pytest.approx(0.04 / (math.sqrt(4 - 0.16) / 100), rel=0.02)
    assert found.p == 0.125
    # 8 gained, all of pairs that have their hits together: four events
    after[:8] = 1
    assert paired_difference(before, after, ALONE).p < 0.01
    mutual = touching((np.arange(100) ^ 1)[:, None])
    assert paired_difference(before, after, mutual).p > 0.03


def test_two_differences_are_set_apart_as_by_welch() -> None:
    rng = np.random.default_rng(0)
    each = [rng.normal(0.4, 1.0, 12), rng.normal(0.0, 0.3, 40)]
    one, other = (
        PairedDifference(x.mean(), x.std(ddof=1) / math.sqrt(len(x)), len(x), freedom=len(x) - 1)
        for x in each
    )
    # a whole number of degrees of freedom is taken: the next one below Welch's 11.3
    value = stats.ttest_ind(*each, equal_var=False)
    assert apart(one, other) == pytest.approx(2 * stats.t.sf(abs(value.statistic), int(value.df)))
    same = PairedDifference(0.1, 0.0, 9)
    assert (apart(same, same), apart(same, PairedDifference(0.0, 0.0, 9))) == (1.0, 0.0)


def test_the_error_has_the_degrees_of_freedom_of_its_terms() -> None:
    """Two of 100 values change by .1 and .3: Student's t of 2 (Σe²)²/(Σe⁴ − (Σe²)²/100), 3.0, where
    99 would say that p is .21."""
    before, after = np.zeros(100), np.zeros(100)
    after[:2] = 0.1, 0.3
    terms = (after - 0.004) * math.sqrt(100 / 99)
    total = float(terms @ terms)
    freedom = 2 * total**2 / (float((terms**2) @ (terms**2)) - total**2 / 100)
    found = paired_difference(before, after, ALONE)
    assert found.freedom == pytest.approx(freedom)
    assert found.p == 0.5  # of two signs
    many = paired_difference(before, after + np.tile([0.02, -0.01], 50), ALONE)
    t = many.value / many.error
    assert many.p == pytest.approx(2 * stats.t.sf(t, int(many.freedom)), rel=1e-6)


def test_targets_take_random_signs() -> None:
    rng = np.random.default_rng(0)
    before = rng.random(100)
    found = paired_difference(before, before + rng.normal(0.01, 0.05, 100), ALONE)
    assert 0.2 < found.p < 0.25


def test_groups_count_as_one() -> None:
    """Two of 50 positions each that both gain: of two signs, one half."""
    groups = np.repeat([0, 1], 50)
    after = np.ones(100)
    after[3] = 0
    found = paired_difference(np.zeros(100), after, touching(np.arange(100)[:, None], groups),
                              groups=groups)  # fmt: skip
    assert found.p >= 0.5


def test_without_a_difference_there_is_none() -> None:
    found = paired_difference(np.ones(100), np.ones(100), ALONE)
    assert (found.value, found.error, found.p) == (0.0, 0.0, 1.0)


def test_undefined_samples_are_left_out() -> None:
    """d = .1, .3 of the defined."""
    before, after = np.array([0.5, 0.2, math.nan, 0.1]), np.array([0.6, 0.5, 0.3, math.nan])
    found = paired_difference(before, after, touching(np.arange(4)[:, None]))
    assert found.m == 2 and found.value == pytest.approx(0.2)
