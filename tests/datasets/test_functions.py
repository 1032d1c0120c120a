"""What is said of arrays: are parts alike, how hard, copies, divisions, doubtful labels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sklearn.datasets import load_digits

from addnn_spec.datasets import (
    difficulty,
    divide,
    homogeneity,
    near_duplicates,
    suspect_labels,
)
from addnn_spec.datasets.duplicates import nearest_pairs
from addnn_spec.indices import separation_index
from addnn_spec.indices.errors import OptionError

Array = NDArray[Any]


def _clouds(m: int, seed: int, apart: float = 1.5) -> tuple[Array, Array]:
    """Two Gaussian classes in five dimensions."""
    generator = np.random.default_rng(seed)
    y = np.arange(m) % 2
    x = generator.standard_normal((m, 5))
    x[:, 0] += apart * y
    return x, y


def _scores(x: Array, y: Array) -> list[int]:
    """Each sample's score by sorting all distances."""
    found = []
    for place in range(len(x)):
        distances = np.square(x - x[place]).sum(axis=1)
        distances[place] = -1
        same = y[np.argsort(distances, kind="stable")[1:]] == y[place]
        run = int(np.argmax(same != same[0])) if bool((same != same[0]).any()) else len(same)
        found.append(run if same[0] else -run)
    return found


# --- alike ----------------------------------------------------------------------------------------
def test_parts_of_one_source_are_alike() -> None:
    """In at most 5 % of draws anything is said of parts that are alike: of 40, 6 or more would be
    seen with probability .01."""
    said = 0
    for seed in range(40):
        x, y = _clouds(120, seed)
        said += not homogeneity(x[:60], y[:60], x[60:], y[60:])
    assert said < 6


def test_parts_that_are_shifted_are_not_alike() -> None:
    x, y = _clouds(400, 0, apart=3)
    x[200:, 0] += 3
    found = homogeneity(x[:200], y[:200], x[200:], y[200:])
    assert not found
    assert [one.second for one in found.apart if one.holds] == [
        "test among train",
        "train among test",
    ]
    assert float(found.cross) < float(found.test) - 0.2


def test_a_difference_is_of_the_same_samples() -> None:
    x, y = _clouds(120, 1)
    found = homogeneity(x[:60], y[:60], x[60:], y[60:])
    values = [float(one) for one in (found.train, found.test, found.cross, found.back)]
    differences = [values[1] - values[0], values[2] - values[1], values[3] - values[0]]
    assert [one.value for one in found.apart] == pytest.approx(differences)


def test_targets_are_compared_by_smoothness() -> None:
    generator = np.random.default_rng(0)
    x = generator.standard_normal((200, 2))
    y = x[:, :1] + 0.1 * generator.standard_normal((200, 1))
    assert homogeneity(x[:100], y[:100], x[100:], y[100:], targets=True)
    assert not homogeneity(x[:100], y[:100], -x[100:], y[100:], targets=True)


# --- hard -----------------------------------------------------------------------------------------
def test_scores_are_runs_of_neighbours() -> None:
    x, y = _clouds(60, 2, apart=1.0)
    found = difficulty(x, y)
    scores = _scores(x, y)
    assert found.scores.tolist() == scores
    assert found.hardest.tolist() == sorted(range(60), key=lambda place: (scores[place], place))
    assert found.share(2) == pytest.approx(float(separation_index(x, y, 2)))
    assert found.share(-2) == pytest.approx(float(separation_index(x, y, 2, "anti")))


# --- copies ---------------------------------------------------------------------------------------
def test_copies_are_found_and_nothing_else() -> None:
    generator = np.random.default_rng(0)
    x, y = generator.random((300, 64)), generator.random((100, 64))
    y[7] = x[250]
    y[20] = x[3] + 0.01 * generator.standard_normal(64)
    y[50] = 0.97 * x[120]
    found = near_duplicates(x, y)
    pairs = dict(zip(found.places.tolist(), found.twins.tolist(), strict=True))
    assert pairs == {7: 250, 20: 3, 50: 120}
    assert found.places[0] == 7 and found.exact == 1
    nearest = np.sqrt(np.square(x[None] - y[:, None]).sum(axis=2)).min(axis=1)
    assert found.usual == pytest.approx(float(np.sort(nearest)[49]))
    assert found.distances.tolist() == pytest.approx(sorted(nearest[[7, 20, 50]]))


def test_training_samples_may_come_in_parts() -> None:
    x, _ = _clouds(90, 3)
    whole = near_duplicates(x[:60], x[60:], near=1.0)
    rows = torch.from_numpy(x[:60])
    parts = nearest_pairs(torch.from_numpy(x[60:]), torch.split(rows, 17), near=1.0)
    assert len(whole) > 10
    assert whole.places.tolist() == parts.places.tolist()
    assert whole.twins.tolist() == parts.twins.tolist()


def test_a_share_of_copies_is_one() -> None:
    with pytest.raises(OptionError, match="share"):
        near_duplicates(np.zeros((3, 1)), np.zeros((3, 1)), near=2)


# --- divided --------------------------------------------------------------------------------------
def test_a_division_has_each_sample_once_and_each_class_in_its_share() -> None:
    x, y = _clouds(203, 4)
    made = divide(x, y, 0.3, seed=1)
    assert sorted([*made.train.tolist(), *made.test.tolist()]) == list(range(203))
    assert len(made.test) == 61
    shares = [float((y[made.test] == one).mean()) for one in (0, 1)]
    assert shares == pytest.approx([0.5, 0.5], abs=0.01)
    assert divide(x, y, 0.3, seed=2).test.tolist() != made.test.tolist()


def test_divided_parts_are_nearer_than_drawn_ones() -> None:
    """Their indices differ by less than those of parts that are drawn by class alone."""

    def apart(parts: list[Array], x: Array, y: Array) -> float:
        first, second = (float(separation_index(x[part], y[part])) for part in parts)
        return first - second

    dealt, drawn = [], []
    for seed in range(25):
        x, y = _clouds(200, seed, apart=1.0)
        made = divide(x, y, 0.5, seed=seed)
        dealt.append(apart([made.train.numpy(), made.test.numpy()], x, y))
        order = np.random.default_rng(seed).permutation(100)
        halves = [np.concatenate([2 * half, 2 * half + 1]) for half in np.split(order, 2)]
        drawn.append(apart(halves, x, y))
    assert np.std(dealt) < 0.8 * np.std(drawn)


def test_targets_are_divided_too() -> None:
    x, _ = _clouds(50, 5)
    made = divide(x, x[:, :1], 0.2, targets=True)
    assert (len(made.train), len(made.test)) == (40, 10)


# --- doubtful -------------------------------------------------------------------------------------
def test_suspects_are_those_without_a_neighbour_of_their_label() -> None:
    x, y = _clouds(80, 6, apart=1.0)
    found = suspect_labels(x, y + 5, order=2)
    wanted = [place for place, score in enumerate(_scores(x, y)) if score <= -2]
    assert sorted(found.places.tolist()) == wanted
    assert len(found) / 80 == pytest.approx(float(separation_index(x, y, 2, "anti")))
    assert list(found.labels) == (y[found.places] + 5).tolist()
    assert list(found.others) == (6 - y[found.places]).tolist()
    assert set(found.votes) == {2}


def test_planted_errors_are_found() -> None:
    """A tenth of the digits' labels is wrong: at order 3 nine in ten of them are told, and nine in
    ten of what is told is wrong."""
    x, y = load_digits(return_X_y=True)
    generator = np.random.default_rng(0)
    wrong = generator.permutation(len(y))[: len(y) // 10]
    labels = y.copy()
    labels[wrong] = (y[wrong] + generator.integers(1, 10, len(wrong))) % 10
    found = suspect_labels(x, labels, order=3)
    told = set(found.places.tolist())
    hit = told & set(wrong.tolist())
    assert len(hit) >= 0.9 * len(wrong)
    assert len(hit) >= 0.9 * len(told)
    right = [other == y[place] for place, other in zip(found.places, found.others, strict=True)]
    assert np.mean(right) > 0.85
