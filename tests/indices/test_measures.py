"""The ride-along measures against independent computations."""

from __future__ import annotations

from collections.abc import Callable
from itertools import permutations

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits, load_wine
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler
from torch import nn

from addnn_spec.indices import OptionError, ShapeError, UndefinedIndexError, neighbours
from addnn_spec.indices.measures import (
    classification_rate,
    effective_rank,
    effective_rank_of,
    linear_cka,
    linear_probe,
    neural_collapse,
    neural_collapse_of,
    two_nn_dimension,
    unbiased_cka,
    unbiased_hsic,
)


@pytest.mark.parametrize(("d", "k"), [(5, 7), (90, 7), (90, 120)])
def test_cka_by_the_hilbert_schmidt_criterion(d: int, k: int) -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(40, d)) + 3
    Y = X[:, :3] @ rng.normal(size=(3, k)) + rng.normal(size=(40, k))
    centre = np.eye(40) - 1 / 40

    def hsic(first: np.ndarray, second: np.ndarray) -> float:
        return float(np.trace(first @ first.T @ centre @ second @ second.T @ centre))

    expected = hsic(X, Y) / np.sqrt(hsic(X, X) * hsic(Y, Y))
    assert linear_cka(X, Y) == pytest.approx(expected)
    rotation, _ = np.linalg.qr(rng.normal(size=(d, d)))
    assert linear_cka(X, 3 * X @ rotation - 2) == pytest.approx(1)


def test_cka_refuses_what_it_cannot_compare() -> None:
    with pytest.raises(ShapeError):
        linear_cka(np.eye(3), np.eye(4))
    with pytest.raises(UndefinedIndexError):
        linear_cka(np.ones((4, 2)), np.eye(4))


@pytest.mark.parametrize("dimension", [1, 2, 5])
def test_two_nn_finds_the_dimension_of_a_uniform_cube(dimension: int) -> None:
    rng = np.random.default_rng(dimension)
    flat = rng.uniform(size=(3000, dimension))
    X = flat @ rng.normal(size=(dimension, 12))
    found = two_nn_dimension(X)
    assert found == pytest.approx(dimension, rel=0.12)
    assert two_nn_dimension(neighbours(X, 3)) == pytest.approx(found)


@pytest.mark.parametrize("discard", [0.1, 0.5])
def test_two_nn_by_its_formula(discard: float) -> None:
    """A line through the origin and the ratios that are left, fitted by numpy."""
    X = np.random.default_rng(1).normal(size=(100, 3))
    near = np.sort(np.linalg.norm(X[:, None] - X, axis=2), axis=1)
    kept = int(100 * (1 - discard))
    ratios = np.sort(near[:, 2] / near[:, 1])[:kept]
    heights = -np.log(1 - np.arange(1, kept + 1) / 100)
    slope = np.linalg.lstsq(np.log(ratios)[:, None], heights, rcond=None)[0]
    assert two_nn_dimension(X, discard) == pytest.approx(slope.item())


def test_two_nn_leaves_duplicates_out() -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 2))
    doubled = np.concatenate((X, X[:50]))
    assert np.isfinite(two_nn_dimension(doubled))
    with pytest.raises(UndefinedIndexError):
        two_nn_dimension(np.ones((10, 2)))
    with pytest.raises(OptionError):
        two_nn_dimension(neighbours(X, 1))


def test_effective_rank() -> None:
    assert effective_rank(np.concatenate((np.eye(4), -np.eye(4)))) == pytest.approx(4)
    assert effective_rank(np.arange(10.0)[:, None] * [1, 2, 3]) == pytest.approx(1)
    X = np.random.default_rng(0).normal(size=(30, 6)) * [9, 5, 3, 1, 1, 0.1]
    values = np.sqrt(np.linalg.eigvalsh(np.cov(X.T)))
    share = values / values.sum()
    assert effective_rank(X) == pytest.approx(np.exp(-(share * np.log(share)).sum()))
    gram = torch.from_numpy(X @ X.T)
    assert effective_rank_of(gram) == pytest.approx(np.exp(-(share * np.log(share)).sum()))
    with pytest.raises(UndefinedIndexError):
        effective_rank(np.ones((5, 3)))


def test_neural_collapse_by_full_covariances() -> None:
    X, y = load_wine(return_X_y=True)
    means = np.stack([X[y == k].mean(axis=0) for k in range(3)])
    within = (X - means[y]).T @ (X - means[y]) / len(X)
    apart = means - means.mean(axis=0)
    expected = np.trace(within @ np.linalg.pinv(apart.T @ apart / 3)) / 3
    assert neural_collapse(X, y) == pytest.approx(expected)
    assert neural_collapse(means[y], y) == pytest.approx(0, abs=1e-12)
    with pytest.raises(UndefinedIndexError):
        neural_collapse(X, np.zeros(len(X)))


def test_linear_probe_is_logistic_regression() -> None:
    X, y = load_digits(return_X_y=True)
    train, test, labels, truth = train_test_split(X, y, test_size=0.4, random_state=0)
    with torch.inference_mode():
        found = linear_probe(train, labels, test, truth)
    scaler = StandardScaler().fit(train)
    rule = LogisticRegression(max_iter=2000, tol=1e-8).fit(scaler.transform(train), labels)
    assert found.train == pytest.approx(rule.score(scaler.transform(train), labels), abs=0.002)
    assert found.test == pytest.approx(rule.score(scaler.transform(test), truth), abs=0.005)


def test_classification_rate_learns_and_leaves_the_random_state_alone() -> None:
    X, y = load_wine(return_X_y=True)
    X = StandardScaler().fit_transform(X)
    train, test, labels, truth = train_test_split(X, y, test_size=0.4, random_state=0)
    before = torch.get_rng_state()
    with torch.inference_mode():
        found = classification_rate(train, labels, test, truth, seed=1)
    assert torch.equal(torch.get_rng_state(), before)
    assert found.train > 0.97
    assert float(found) == found.test > 0.9
    assert "128" in found.recipe
    assert classification_rate(train, labels, test, truth, seed=1) == found
    shuffled = np.random.default_rng(0).permutation(truth)
    assert classification_rate(train, labels, test, shuffled).test < 0.6
    with pytest.raises(OptionError):
        classification_rate(train, labels, test, truth, epochs=50)


def test_measures_do_not_depend_on_place_or_scale() -> None:
    """Far from 0 the class means' rounding was taken for a direction; 1e80 squared twice is inf."""
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(90, 5)) + 3 * (np.arange(90) % 3)[:, None], np.arange(90) % 3
    Y = X @ rng.normal(size=(5, 7))
    nc1, cka = neural_collapse(X, y), linear_cka(X, Y)
    for moved in (X + 1e6, X * 1e80, X * 1e-80):
        assert neural_collapse(moved, y) == pytest.approx(nc1, rel=1e-6)
        assert linear_cka(moved, Y) == pytest.approx(cka, rel=1e-6)
    gram = torch.from_numpy((X + 1e3) @ (X + 1e3).T)
    assert neural_collapse_of(gram, y) == pytest.approx(nc1, rel=1e-6)
    assert neural_collapse_of(gram * 1e160, y) == pytest.approx(nc1, rel=1e-6)


@pytest.mark.parametrize("scale", [1e-300, 1e-39, 1e39, 1e300])
def test_no_measure_depends_on_an_extreme_scale(scale: float) -> None:
    rng = np.random.default_rng(1)
    y = np.arange(60) % 3
    X = rng.normal(size=(60, 5)) + y[:, None]
    Z = X @ rng.normal(size=(5, 4))
    measures: tuple[Callable[[np.ndarray], float], ...] = (
        lambda x: neural_collapse(x, y),
        effective_rank,
        two_nn_dimension,
        lambda x: linear_cka(x, Z),
        lambda x: unbiased_cka(x, Z),
        lambda x: linear_probe(x, y, x, y).test,
    )
    for measure in measures:
        assert measure(X * scale) == pytest.approx(measure(X), rel=1e-6)
    rates = [classification_rate(X * s, y, X * s, y).test for s in (1.0, scale)]
    assert min(rates) > 0.6


def test_unbiased_cka() -> None:
    """Of independent nodes with more features than samples it is about 0, the plain one near 1."""
    rng = np.random.default_rng(0)
    X, Y = rng.normal(size=(30, 400)), rng.normal(size=(30, 400))
    assert linear_cka(X, Y) > 0.9 and abs(unbiased_cka(X, Y)) < 0.1
    assert unbiased_cka(X, X) == pytest.approx(1.0)
    assert unbiased_cka(X, 3 * X[:, ::-1] + 5) == pytest.approx(1.0)
    # Equation 5 by its sums over four different samples
    K, L = X[:6, :3] @ X[:6, :3].T, Y[:6, :3] @ Y[:6, :3].T
    total = sum(
        K[i, j] * (L[i, j] + L[q, r] - 2 * L[i, q]) for i, j, q, r in permutations(range(6), 4)
    )
    found = unbiased_hsic(torch.from_numpy(K), torch.from_numpy(L))
    assert found == pytest.approx(total / (6 * 5 * 4 * 3))
    with pytest.raises(UndefinedIndexError):
        unbiased_cka(X[:3], Y[:3])


def test_the_rate_by_a_plain_loop() -> None:
    """The course's recipe written out, from the same draws: its accuracies, and no others'."""
    generator = torch.Generator().manual_seed(3)
    X, y = torch.randn(64, 5, generator=generator), torch.arange(64) % 3
    far, theirs = torch.randn(300, 5, generator=generator), torch.arange(300) % 3
    X, far = X + y[:, None] * 0.7, far + theirs[:, None] * 0.7

    def rate(*middle: nn.Module, soft: bool = True) -> tuple[float, float]:
        draws = torch.Generator().manual_seed(0)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(int(torch.randint(2**31, (1,), generator=draws)))
            first, last = nn.Linear(5, 16), nn.Linear(16, 3)
        model = nn.Sequential(first, *middle, last)
        solver = torch.optim.Adam(model.parameters(), lr=1e-3)
        for _ in range(100):
            for part in torch.split(torch.randperm(64, generator=draws), 16):
                solver.zero_grad()
                scores = model(X[part])
                goals = nn.functional.one_hot(y[part], 3).float()
                error = nn.functional.mse_loss(scores.softmax(1) if soft else scores, goals)
                error.backward()  # type: ignore[no-untyped-call]
                solver.step()
        model.eval()
        shares = [(model(a).argmax(1) == b).double().mean() for a, b in ((X, y), (far, theirs))]
        return float(shares[0]), float(shares[1])

    found = classification_rate(X, y, far, theirs, hidden=16, batch=16)
    assert (found.train, found.test) == rate(nn.BatchNorm1d(16), nn.ReLU())
    assert (found.train, found.test) != rate(nn.ReLU())
    assert (found.train, found.test) != rate(nn.BatchNorm1d(16), nn.ReLU(), soft=False)


def test_the_penalty_of_the_linear_probe() -> None:
    """Of strong ones scikit-learn's accuracies, each another."""
    rng = np.random.default_rng(0)
    y = np.arange(400) % 3
    X = rng.normal(size=(400, 4)) + 0.8 * np.eye(4)[y] * np.sqrt(1 + y)[:, None]
    train, test = slice(0, 100), slice(100, 400)
    scaled = (X - X[train].mean(axis=0)) / X[train].std(axis=0, ddof=1)
    rates = []
    for penalty in (100.0, 200.0, 400.0):
        model = LogisticRegression(C=1 / penalty, tol=1e-8, max_iter=5000)
        rates.append(model.fit(scaled[train], y[train]).score(scaled[test], y[test]))
        found = linear_probe(X[train], y[train], X[test], y[test], penalty=penalty)
        assert found.test == pytest.approx(rates[-1], abs=1e-9)
    assert len(set(rates)) > 1
