"""Greedy subsets against fresh distances, and the published order on load_diabetes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.datasets import load_diabetes, load_iris
from sklearn.metrics import pairwise_distances
from sklearn.model_selection import train_test_split

from addnn_spec.indices import separation_index, smoothness_index
from addnn_spec.indices.errors import OptionError
from addnn_spec.ranking.ranking_record import Subset
from addnn_spec.ranking.subset import greedy_subset
from addnn_spec.runtime.other_measures import Rows


def brute_force(x: np.ndarray, y: np.ndarray, limit: int) -> tuple[list[int], list[float]]:
    """Each step from scikit-learn's distances of the whole subset."""
    order: list[int] = []
    values: list[float] = []
    for _ in range(limit):
        best, choice = -1.0, -1
        for feature in range(x.shape[1]):
            if feature in order:
                continue
            apart = pairwise_distances(x[:, [*order, feature]], metric="sqeuclidean")
            np.fill_diagonal(apart, np.inf)
            value = float((y[apart.argmin(axis=1)] == y).mean())
            if value > best:
                best, choice = value, feature
        order.append(choice)
        values.append(best)
    return order, values


def test_against_fresh_distances() -> None:
    generator = np.random.default_rng(0)
    labels = np.arange(60) % 3
    x = generator.normal(size=(60, 6)) + labels[:, None] * np.array([0.0, 1.0, 0.3, 2.0, 0.1, 0.7])
    found = greedy_subset(Rows(torch.from_numpy(x), torch.from_numpy(labels)), 6)
    order, values = brute_force(x, labels, 6)
    assert list(found.order) == order
    assert found.chosen == pytest.approx(values, abs=1e-12)
    assert found.scored == ()


def test_iris_ends_at_the_index_of_all_features() -> None:
    x, y = load_iris(return_X_y=True)
    rows = Rows(torch.from_numpy(x), torch.from_numpy(y), torch.from_numpy(x), torch.from_numpy(y))
    found = greedy_subset(rows, 10)
    assert sorted(found.order) == [0, 1, 2, 3]
    assert found.chosen[-1] == pytest.approx(0.96)  # the golden value of iris
    assert found.scored == found.chosen


def test_the_order_published_for_load_diabetes() -> None:
    """The course's 2023 homework: train part, features of unit variance, linear SmI."""
    x, y = load_diabetes(return_X_y=True)
    x_train, x_test, y_train, y_test = train_test_split(x, y, test_size=0.2, random_state=42)
    rows = Rows(
        torch.from_numpy(x_train),
        torch.from_numpy(y_train[:, None]),
        torch.from_numpy(x_test),
        torch.from_numpy(y_test[:, None]),
    )
    found = greedy_subset(rows, 10)
    assert found.order == (8, 2, 5, 0, 7, 4, 1, 6, 9, 3)
    published = [0.68476, 0.71575, 0.73337, 0.73028, 0.73159, 0.74474, 0.74360, 0.74294, 0.73566]
    assert found.chosen[2:9] == pytest.approx(published[2:], abs=5e-6)
    # One or two of these features have many equal distances, and ties were not taken by index.
    assert found.chosen[:2] == pytest.approx(published[:2], abs=2e-3)
    assert found.best == 6
    whole = smoothness_index(x_test[:, found.order], y_test)
    assert found.scored[-1] == pytest.approx(float(whole), abs=1e-9)


def test_prefixes_are_scored_on_other_samples() -> None:
    generator = torch.Generator().manual_seed(1)
    x, other = (torch.randn(40, 3, generator=generator, dtype=torch.float64) for _ in range(2))
    labels = torch.arange(40) % 2
    found = greedy_subset(Rows(x, labels, other, labels), 2)
    for count, value in enumerate(found.scored, 1):
        columns = list(found.order[:count])
        assert value == pytest.approx(float(separation_index(other[:, columns], labels)))


def test_the_shortest_best_prefix() -> None:
    assert Subset(order=(3, 1, 2), chosen=(0.5, 0.9, 0.9), scored=()).best == 2


@pytest.mark.parametrize(("samples", "limit"), [(1, 1), (4, 0)])
def test_what_is_no_subset(samples: int, limit: int) -> None:
    with pytest.raises(OptionError):
        greedy_subset(Rows(torch.ones(samples, 2), torch.zeros(samples).long()), limit)
