"""Mutual information and HSIC: against scikit-learn, and against their formulas as loops."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from scipy.special import digamma
from sklearn.feature_selection import mutual_info_classif, mutual_info_regression

from addnn_spec.indices import OptionError, ShapeError, UndefinedIndexError
from addnn_spec.indices.information import (
    distances_of,
    hsic,
    hsic_of,
    mutual_information,
    mutual_information_of,
    squared_distances,
)

RNG = np.random.default_rng(0)
LABELS = np.arange(90) % 3
ROWS = RNG.normal(size=(90, 5)) + LABELS[:, None] * 0.7


@pytest.mark.parametrize("k", [1, 3, 7])
def test_one_feature_with_labels_is_scikit_learns(k: int) -> None:
    """Its noise of 1e-10 is added to break ties, of which there are none."""
    for column in range(2):
        x = ROWS[:, column : column + 1]
        expected = mutual_info_classif(x, LABELS, n_neighbors=k, random_state=0)[0]
        assert mutual_information(x, LABELS, k) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("k", [1, 3, 7])
def test_one_feature_with_targets_is_scikit_learns(k: int) -> None:
    x = ROWS[:, :1]
    y = np.sin(x[:, 0]) + 0.3 * RNG.normal(size=90)
    expected = mutual_info_regression(x, y, n_neighbors=k, random_state=0)[0]
    assert mutual_information(x, y[:, None], k) == pytest.approx(expected, abs=1e-9)


def distances(rows: np.ndarray) -> np.ndarray:
    apart: np.ndarray = np.sqrt(((rows[:, None] - rows[None]) ** 2).sum(axis=2))
    return apart


@pytest.mark.parametrize("k", [1, 4])
def test_many_features_with_labels_are_rosss_formula(k: int) -> None:
    labels = np.where(np.arange(90) < 3, 9, LABELS)  # a class of three, and one of
    labels[5] = 8  # a single sample, left out
    apart, kept = distances(ROWS), np.flatnonzero(labels != 8)
    terms = []
    for i in kept:
        own = [apart[i, j] for j in kept if j != i and labels[j] == labels[i]]
        rank = min(k, len(own))
        radius = sorted(own)[rank - 1]
        nearer = 1 + sum(apart[i, j] < radius for j in kept if j != i)
        terms.append(digamma(rank) - digamma(len(own) + 1) - digamma(nearer))
    expected = digamma(len(kept)) + np.mean(terms)
    assert mutual_information(ROWS, labels, k) == pytest.approx(max(expected, 0.0), abs=1e-12)


@pytest.mark.parametrize("k", [1, 4])
def test_many_features_with_targets_are_kraskovs_formula(k: int) -> None:
    y = ROWS[:, :2] + 0.2 * RNG.normal(size=(90, 2))
    x_apart, y_apart = (distances(v) / math.sqrt(v.var(axis=0).sum()) for v in (ROWS, y))
    terms = []
    for i in range(90):
        others = [j for j in range(90) if j != i]
        radius = sorted(max(x_apart[i, j], y_apart[i, j]) for j in others)[k - 1]
        a, b = (1 + sum(d[i, j] < radius for j in others) for d in (x_apart, y_apart))
        terms.append(digamma(a) + digamma(b))
    expected = digamma(90) + digamma(k) - np.mean(terms)
    assert mutual_information(ROWS, y, k) == pytest.approx(expected, abs=1e-12)


def test_known_information_is_found() -> None:
    """Two clusters far apart tell one bit; a correlation ρ tells −ln(1 − ρ²)/2."""
    labels = np.arange(400) % 2
    rows = RNG.normal(size=(400, 3)) + 50 * labels[:, None]
    assert mutual_information(rows, labels) == pytest.approx(math.log(2), abs=0.01)
    x = RNG.normal(size=(1500, 1))
    y = 0.8 * x + 0.6 * RNG.normal(size=(1500, 1))
    assert mutual_information(x, y) == pytest.approx(-math.log(1 - 0.64) / 2, abs=0.08)
    assert mutual_information(rows, RNG.permutation(labels)) < 0.05


@pytest.mark.parametrize("targets", [False, True])
def test_hsic_is_its_mean_over_four_samples(targets: bool) -> None:
    """Song et al.: the mean over all different (i, j, q, r) of K_ij (L_ij + L_qr − 2 L_iq)."""
    m = 8
    rows, y = ROWS[:m], ROWS[:m, :2] ** 2 if targets else LABELS[:m]

    def kernel(values: np.ndarray) -> np.ndarray:
        apart = distances(values)
        pairs = np.sort(apart[np.triu_indices(m, 1)])
        sigma = pairs[(len(pairs) - 1) // 2]  # the lower of the two in the middle, as torch has it
        exponent: np.ndarray = -(apart**2) / (2 * sigma**2)
        return np.asarray(np.exp(exponent))

    K = kernel(rows)
    L = kernel(y) if targets else (y[:, None] == y[None]).astype(float)
    terms = [
        K[i, j] * (L[i, j] + L[q, r] - 2 * L[i, q])
        for i, j, q, r in itertools.permutations(range(m), 4)
    ]
    assert hsic(rows, y) == pytest.approx(np.mean(terms), abs=1e-12)


def test_independent_labels_have_no_hsic_on_average() -> None:
    rows = torch.from_numpy(RNG.normal(size=(60, 40)))
    squares = squared_distances(rows)
    values = [hsic_of(squares, RNG.permutation(60) % 3) for _ in range(200)]
    assert abs(np.mean(values)) < 3 * np.std(values) / math.sqrt(200)
    assert hsic(ROWS, LABELS) > 10 * np.std(values)


@pytest.mark.parametrize("scale", [1e-200, 1e80])
def test_neither_place_nor_scale_counts(scale: float) -> None:
    moved = (ROWS + 100.0) * scale
    assert mutual_information(moved, LABELS) == mutual_information(ROWS, LABELS)
    assert hsic(moved, LABELS) == pytest.approx(hsic(ROWS, LABELS), rel=1e-9)
    y = ROWS[:, :1] ** 3
    assert mutual_information(moved, y * scale) == mutual_information(ROWS, y)


def test_distances_of_twins_and_of_near_ones_do_not_cancel() -> None:
    rows = torch.tensor([[1e3, 0.0], [1e3, 1e-9], [1e3, 1e-9], [-1e3, 0.0]], dtype=torch.float64)
    squares = squared_distances(rows) / squared_distances(rows)[0, 3] * 4e6
    assert squares[0, 1].item() == pytest.approx(1e-18)
    assert squares[1, 2].item() == 0.0
    assert torch.allclose(distances_of(rows @ rows.T)[0, 3], squares[0, 3])


def test_what_cannot_be_answered_is_refused() -> None:
    with pytest.raises(UndefinedIndexError, match="two classes"):
        mutual_information(ROWS, np.zeros(90, dtype=int))
    with pytest.raises(UndefinedIndexError, match="differ"):
        hsic(np.zeros((9, 2)), np.arange(9))
    with pytest.raises(ShapeError):
        mutual_information(ROWS, LABELS[:-1])
    with pytest.raises(ShapeError):
        hsic(ROWS, ROWS[:-1])
    with pytest.raises(OptionError):
        mutual_information(ROWS, LABELS, 0)
    with pytest.raises(UndefinedIndexError):
        mutual_information(ROWS[:3], ROWS[:3], 3)
    with pytest.raises(UndefinedIndexError, match="four"):
        hsic(ROWS[:3], LABELS[:3])


def test_labels_may_be_names_and_squares_may_be_given() -> None:
    names = np.array(["a", "b", "c"])[LABELS]
    assert mutual_information(ROWS, names) == mutual_information(ROWS, LABELS)
    given = mutual_information_of(distances_of(torch.from_numpy(ROWS @ ROWS.T)), LABELS)
    assert given == mutual_information(ROWS, LABELS)
