"""Smoothness indices: formulas, identities, undefined samples, the error bound."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_diabetes

from addnn_spec.indices import (
    NotFiniteError,
    OptionError,
    ShapeError,
    UndefinedIndexError,
    cross_smoothness_index,
    smoothness_error_bound,
    smoothness_index,
)
from tests.indices.oracles import smoothness, squared
from tests.support import examples

KINDS = st.sampled_from(["hard", "soft", "anti"])
FORMS = st.sampled_from(["linear", "exponential"])


@settings(max_examples=examples(30), deadline=None)
@given(
    m=st.integers(5, 25),
    q=st.integers(1, 3),
    order=st.integers(1, 3),
    kind=KINDS,
    form=FORMS,
    gain=st.sampled_from([1.0, 2.5]),
    seed=st.integers(0, 10**6),
)
def test_equals_the_formula(
    m: int, q: int, order: int, kind: str, form: str, gain: float, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    X, Y = rng.normal(size=(m, 3)), rng.normal(size=(m, q)) + 100
    found = float(smoothness_index(X, Y, order, kind, form, gain))
    assert found == pytest.approx(smoothness(X, Y, order, kind, form, gain), abs=1e-10)


@settings(max_examples=examples(15), deadline=None)
@given(seed=st.integers(0, 10**6), form=FORMS)
def test_identities(seed: int, form: str) -> None:
    rng = np.random.default_rng(seed)
    X, Y = rng.normal(size=(30, 2)), rng.normal(size=30)
    hard = [float(smoothness_index(X, Y, r, form=form)) for r in (1, 2, 3)]
    soft = [float(smoothness_index(X, Y, r, "soft", form)) for r in (1, 2, 3)]
    assert hard[0] == soft[0]
    assert hard[0] >= hard[1] >= hard[2]
    assert all(h <= s + 1e-12 for h, s in zip(hard, soft, strict=True))
    anti = float(smoothness_index(X, Y, 1, "anti", form))
    assert anti == pytest.approx(1 - hard[0], abs=1e-12)
    assert float(smoothness_index(X * 3 + 1, Y * 5 - 2, form=form)) == pytest.approx(hard[0])


def test_targets_as_inputs_are_perfectly_smooth() -> None:
    Y = np.random.default_rng(0).normal(size=(50, 2))
    for form in ("linear", "exponential"):
        assert float(smoothness_index(Y, Y, 3, form=form)) == 1.0


@settings(max_examples=examples(10), deadline=None)
@given(seed=st.integers(0, 10**6), order=st.integers(1, 3), form=FORMS)
def test_cross_index_equals_the_formula(seed: int, order: int, form: str) -> None:
    rng = np.random.default_rng(seed)
    X, Y = rng.normal(size=(20, 2)), rng.normal(size=(20, 1))
    T, U = rng.normal(size=(8, 2)), rng.normal(size=(8, 1))
    near = np.argsort(squared(T, X), axis=1, kind="stable")
    goals = np.sqrt(squared(U, Y))
    values = []
    for i in range(8):
        errors, least = goals[i, near[i, :order]], np.sort(goals[i])[:order]
        if form == "linear":
            values.append(((goals[i].max() - errors) / (goals[i].max() - least)).min())
        else:
            values.append(np.exp(-(errors - least) / goals[i].mean()).min())
    found = float(cross_smoothness_index(X, Y, T, U, order, form=form))
    assert found == pytest.approx(np.mean(values), abs=1e-10)


def test_samples_without_spread_are_undefined_and_counted() -> None:
    # From 0 all other targets are at distance 3 (on two sides); from 3 and -3 they are not.
    X, Y = np.arange(5.0), np.array([0.0, 3.0, -3.0, 3.0, -3.0])
    result = smoothness_index(X, Y)
    assert result.undefined == 1
    assert result.per_sample is not None
    assert torch.isnan(result.per_sample).tolist() == [True, False, False, False, False]
    assert smoothness_index(X, Y, form="exponential").undefined == 0


@pytest.mark.parametrize("form", ["linear", "exponential"])
def test_equal_targets_have_no_index(form: str) -> None:
    with pytest.raises(UndefinedIndexError):
        smoothness_index(np.arange(6.0), np.full(6, 0.1), form=form)


def test_equidistant_targets_have_no_linear_index() -> None:
    with pytest.raises(UndefinedIndexError):
        smoothness_index(np.arange(4.0), np.eye(4) / 3)


def test_a_sketch_measures_its_error() -> None:
    X, y = load_diabetes(return_X_y=True)
    result = smoothness_index(X, y, sketch=5, seed=1)
    assert not result.exact
    assert result.sketch is not None
    assert result.sketch.exact == pytest.approx(float(smoothness_index(X, y)))  # all 442


def test_error_bound_covers_every_error_within_gamma() -> None:
    rng = np.random.default_rng(3)
    X, T = np.sort(rng.uniform(size=(60, 1)), axis=0), rng.uniform(size=(25, 1))
    Y, gamma = np.round(4 * X, 2), 0.03
    found = smoothness_error_bound(X, Y, T, gamma)
    own = np.argsort(squared(X, X) + np.diag([np.inf] * 60), axis=1)[:, 0]
    alpha = np.abs(Y - Y[own])[:, 0]
    for i, x in enumerate(T[:, 0]):
        distance = np.abs(X[:, 0] - x)
        nearest = distance.argmin()
        inside = distance <= distance[nearest] + 2 * gamma
        expected = (np.abs(Y[nearest] - Y[:, 0]) + alpha)[inside].max()
        assert float(found.bounds[i]) == pytest.approx(expected)
        assert int(found.candidates[i]) == inside.sum()
        for step in np.linspace(-gamma, gamma, 21):  # the course's own candidates are covered
            j = np.abs(X[:, 0] - x - step).argmin()
            assert abs(Y[nearest, 0] - Y[j, 0]) + alpha[j] <= float(found.bounds[i]) + 1e-12
    assert float(found) == float(found.bounds.max())


def test_error_bound_states_its_assumption() -> None:
    Y = np.arange(20.0)[:, None]
    assert smoothness_error_bound(Y, Y, Y + 0.1, 0.0).assumption_holds
    mixed = np.random.default_rng(0).permutation(Y)
    assert not smoothness_error_bound(Y, mixed, Y, 0.0).assumption_holds


@pytest.mark.parametrize(
    ("Y", "options", "error"),
    [
        ([1.0, 2.0], {}, ShapeError),
        ([1.0, 2.0, float("nan")], {}, NotFiniteError),
        ([1.0, 2.0, 4.0], {"order": 3}, UndefinedIndexError),
        ([1.0, 2.0, 4.0], {"form": "square"}, OptionError),
        ([1.0, 2.0, 4.0], {"kind": "firm"}, OptionError),
        ([1.0, 2.0, 4.0], {"gain": 0.0}, OptionError),
    ],
)
def test_what_has_no_value_is_refused(
    Y: Any, options: dict[str, Any], error: type[ValueError]
) -> None:
    with pytest.raises(error):
        smoothness_index([[0.0], [1.0], [3.0]], Y, **options)


@pytest.mark.parametrize("gamma", [-1.0, float("nan"), float("inf")])
def test_gamma_must_be_a_bound(gamma: float) -> None:
    with pytest.raises(OptionError):
        smoothness_error_bound([[0.0], [1.0], [3.0]], [0.0, 1.0, 3.0], [[1.0]], gamma)


def test_a_target_that_is_not_finite_is_named() -> None:
    with pytest.raises(NotFiniteError, match="the target of sample 1"):
        smoothness_index([[0.0], [1.0], [3.0]], [0.0, float("inf"), 1.0])


@pytest.mark.parametrize("power", [-1063, -600, -60, 60, 600, 1000])
@pytest.mark.parametrize("form", ["linear", "exponential"])
def test_no_scale_of_the_targets_changes_it(power: int, form: str) -> None:
    """Powers of two are exact: the smallest targets are denormal, their squares are nothing."""
    generator = np.random.default_rng(0)
    X, Y = generator.normal(size=(12, 3)), generator.integers(1, 99, (12, 2)).astype(float)
    for order in (1, 2):
        plain, scaled = (
            smoothness_index(X, goals, order, form=form).value for goals in (Y, np.ldexp(Y, power))
        )
        assert scaled == plain == pytest.approx(smoothness(X, Y, order, "hard", form))
    bound, of_scaled = (
        smoothness_error_bound(X, goals, X[:4] + 0.1, 0.5).bounds
        for goals in (Y, np.ldexp(Y, power))
    )
    assert np.array_equal(np.ldexp(bound.numpy(), power), of_scaled.numpy())
