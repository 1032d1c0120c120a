"""Confidence, guarantee, score, against hand-made figures and formulas."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from addnn_spec.indices import (
    OptionError,
    UndefinedIndexError,
    confidence,
    guarantee,
    largest_safe,
    prediction_margins,
    separation_index,
    separation_score,
)
from tests.indices.oracles import ranked, squared

X = np.array([0.0, 1.0, 2.5, 10.0, 11.0])
y = np.array([0, 0, 0, 1, 1])  # dw_max = 1.5 (2.5 to 1), db_min = 7.5: margin 3


def test_confidence_is_the_separation_index() -> None:
    assert float(confidence(X, y)) == float(separation_index(X, y)) == 1.0
    assert confidence(X, y).name == "confidence"


def test_guarantee_without_test_data() -> None:
    found = guarantee(X, y, 2.9)
    assert bool(found)
    assert float(found) == 1.0
    assert [float(v) for v in (found.within, found.between, found.margin)] == [1.5, 7.5, 3.0]
    at_margin = guarantee(X, y, 3.0)
    assert not at_margin
    assert "margin" in at_margin.reason


def test_gamma_beyond_the_gap_guarantees_nothing() -> None:
    # The printed formula turns positive again there: 1 - (1.5 + 8) / (7.5 - 8) > 0.
    assert not guarantee(X, y, 8.0)
    assert not guarantee(X, y, 8.0, [[5.0]]).holds.any()


def test_guarantee_with_test_data() -> None:
    # From 4: nearest 2.5 (dp 1.5), nearest of the other class 10 (dn 6): margin 2.25.
    # From 6.5: nearest 10 (dp 3.5), other class 2.5 (dn 4): margin 0.25.
    found = guarantee(X, y, 1.0, np.array([4.0, 6.5]))
    assert found.margin.tolist() == [2.25, 0.25]
    assert found.holds.tolist() == [True, False]
    assert float(found) == 0.5


def test_no_guarantee_where_classes_are_mixed() -> None:
    found = guarantee(X, [0, 1, 0, 1, 1], 0.0)
    assert not found
    assert "not 1" in found.reason


def test_guarantee_is_undefined_for_one_class_and_single_samples() -> None:
    with pytest.raises(UndefinedIndexError, match="two classes"):
        guarantee(X, [0] * 5, 0.1)
    with pytest.raises(UndefinedIndexError, match="'b' has one sample"):
        guarantee(X, ["a", "a", "a", "a", "b"], 0.1)


@pytest.mark.parametrize("gamma", [-0.1, float("nan"), float("inf")])
def test_gamma_must_be_a_bound(gamma: float) -> None:
    with pytest.raises(OptionError):
        guarantee(X, y, gamma)


@settings(max_examples=60, deadline=None)
@given(m=st.integers(2, 25), classes=st.integers(1, 4), seed=st.integers(0, 10**6))
def test_scores_count_neighbours_in_a_row(m: int, classes: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    points, labels = rng.integers(0, 5, (m, 2)), rng.integers(0, classes, m)
    order = ranked(squared(points, points))
    expected = []
    for i in range(m):
        same = labels[order[i]] == labels[i]
        run = int(np.argmax(same != same[0])) or m - 1
        expected.append(run if same[0] else -run)
    found = separation_score(points, labels)
    assert found.per_sample is not None
    assert found.per_sample.tolist() == expected
    assert float(found) == pytest.approx(np.mean(expected))


def test_far_samples_have_no_guarantee_either_where_the_index_is_below_1() -> None:
    """From 10.1 the other class is 10 away; but one sample elsewhere is on the wrong side."""
    found = guarantee([0.0, 0.1, 0.2, 10.0, 10.1, 10.2], [0, 1, 0, 1, 1, 1], 1.0, [[10.1]])
    assert found.margin.tolist() == [4.95]
    assert not found.holds.any()


def test_margins_of_samples_themselves() -> None:
    """On a line a at 0 and 1, b at 5 and 7: of 0 the nearest is 1 away, the nearest b 5."""
    found = prediction_margins(np.array([0.0, 1.0, 5.0, 7.0]), np.array([0, 0, 1, 1]))
    assert found.margin.tolist() == [(5 - 1) / 2, (4 - 1) / 2, (4 - 2) / 2, (6 - 2) / 2]
    assert found.nearest.tolist() == [1, 0, 3, 2]


def test_margins_of_test_samples_by_order() -> None:
    """2 is 1, 2 and 3 from 1, 0 and 5; 4.5 is .5, 2.5 and 3.5 from 5, 7 and 1; 3.2 is 1.8 and 2.2
    from 5 and 1, so that its first two are not of one label."""
    rows, labels = np.array([0.0, 1.0, 5.0, 7.0]), np.array([0, 0, 1, 1])
    found = prediction_margins(rows, labels, np.array([2.0, 4.5, 3.2]), order=2)
    assert found.margin.tolist() == pytest.approx([(3 - 1) / 2, (3.5 - 0.5) / 2, (2.2 - 1.8) / 2])
    assert found.agree.tolist() == [[True, True], [True, True], [True, False]]
    by_order = [[(2 - 1) / 2, (3 - 1) / 2], [1.0, 1.5], [0.2, 0.0]]
    assert found.by_order.numpy() == pytest.approx(np.array(by_order))


def test_the_largest_error_that_is_safe_for_a_share() -> None:
    """Of 0 to 9, .7 are seven samples (.7 · 10 is a little more): 9 to 3; .71 are eight."""
    margins = torch.arange(10.0)[torch.randperm(10, generator=torch.Generator().manual_seed(0))]
    assert [largest_safe(margins, share) for share in (0.7, 0.71, 1.0, 0.05)] == [3, 2, 0, 9]
