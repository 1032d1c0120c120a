"""Separation indices: formulas, identities, ties, edge cases."""

from __future__ import annotations

from itertools import combinations, pairwise
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.datasets import load_digits, load_iris, load_wine
from sklearn.model_selection import train_test_split
from sklearn.neighbors import KNeighborsClassifier, NearestCentroid, NearestNeighbors

from addnn_spec.indices import (
    IndicesError,
    NotFiniteError,
    OptionError,
    ShapeError,
    UndefinedIndexError,
    agreement,
    center_separation_index,
    class_separation,
    cross_separation_index,
    generalization_gap,
    local_triplets,
    neighbours,
    separation_index,
    separation_score,
)
from addnn_spec.statistics.intervals import stated
from addnn_spec.statistics.linked import centred, touching
from tests.indices.oracles import ranked, separation, squared
from tests.support import examples

Array = NDArray[Any]


@st.composite
def labelled(draw: st.DrawFn) -> tuple[Array, Array]:
    """Points on a coarse grid, so that ties and duplicates are common, and labels."""
    m = draw(st.integers(3, 20))
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    return rng.integers(0, 4, (m, 2)).astype(np.float32), rng.integers(0, 3, m)


@settings(max_examples=examples(30), deadline=None)
@given(data=labelled(), order=st.integers(1, 3), kind=st.sampled_from(["hard", "soft", "anti"]))
def test_equals_the_formula(data: tuple[Array, Array], order: int, kind: str) -> None:
    X, y = data
    order = min(order, len(X) - 1)
    found = float(separation_index(X, y, order, kind))
    assert found == pytest.approx(separation(X, y, order, kind), abs=1e-12)


@settings(max_examples=examples(20), deadline=None)
@given(data=labelled())
def test_identities(data: tuple[Array, Array]) -> None:
    X, y = data
    hard = [float(separation_index(X, y, r)) for r in range(1, len(X))]
    soft = [float(separation_index(X, y, r, "soft")) for r in range(1, len(X))]
    anti = [float(separation_index(X, y, r, "anti")) for r in range(1, len(X))]
    assert hard[0] == soft[0]
    assert all(a >= b for a, b in pairwise(hard))
    assert all(h <= s + 1e-12 for h, s in zip(hard, soft, strict=True))
    assert all(h + a <= 1 + 1e-12 for h, a in zip(hard, anti, strict=True))
    assert float(class_separation(X, y)) == hard[0]


@settings(max_examples=examples(15), deadline=None)
@given(seed=st.integers(0, 10**6))
def test_invariances(seed: int) -> None:
    rng = np.random.default_rng(seed)
    X, y = rng.normal(size=(40, 3)), rng.integers(0, 3, 40)
    expected = float(separation_index(X, y, 2, "soft"))
    rotation, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    order = rng.permutation(40)
    for moved, labels in ((X + 50, y), (X @ rotation, y), (X * 7, y), (X[order], y[order])):
        assert float(separation_index(moved, labels, 2, "soft")) == pytest.approx(expected)


def choices(X: Array, i: int, order: int) -> list[list[int]]:
    """Every set of ``order`` nearest neighbours that distances allow."""
    distance = squared(X, X)[i]
    others = [j for j in range(len(X)) if j != i]
    last = sorted(distance[others])[order - 1]
    sure = [j for j in others if distance[j] < last]
    equal = [j for j in others if distance[j] == last]
    return [sure + list(more) for more in combinations(equal, order - len(sure))]


@settings(max_examples=examples(20), deadline=None)
@given(data=labelled(), order=st.integers(1, 3), kind=st.sampled_from(["hard", "soft", "anti"]))
def test_tie_rules_are_the_extremes_over_choices(
    data: tuple[Array, Array], order: int, kind: str
) -> None:
    X, y = data[0][:9], data[1][:9]
    order = min(order, len(X) - 1)

    def value(i: int, chosen: list[int]) -> float:
        hits = [y[i] == y[j] for j in chosen]
        values = {"hard": all(hits), "anti": not any(hits), "soft": sum(hits) / order}
        return float(values[kind])

    every = [[value(i, c) for c in choices(X, i, order)] for i in range(len(X))]
    least = separation_index(X, y, order, kind, ties="all")
    most = separation_index(X, y, order, kind, ties="any")
    assert float(least) == pytest.approx(np.mean([min(v) for v in every]))
    assert float(most) == pytest.approx(np.mean([max(v) for v in every]))
    assert least.tied == most.tied == sum(len(v) > 1 for v in every)


@settings(max_examples=examples(20), deadline=None)
@given(data=labelled(), ties=st.sampled_from(["lowest", "all", "any"]))
def test_one_search_serves_every_order(data: tuple[Array, Array], ties: str) -> None:
    X, y = data
    labels = torch.from_numpy(y)
    found = neighbours(X, len(X) - 1, labels=labels)
    for order in range(1, len(X)):
        values, tied = agreement(found, labels, labels, order, "soft", ties)
        direct = separation_index(X, y, order, "soft", ties)
        assert float(values.mean()) == pytest.approx(float(direct))
        assert tied == direct.tied


def test_twins_of_opposite_labels() -> None:
    X = np.array([[0.0], [0.0], [1.0], [1.1], [5.0], [5.0]])
    y = np.array([0, 1, 0, 0, 1, 0])
    assert float(separation_index(X, y)) == pytest.approx(2 / 6)


def test_the_result_says_how_it_came_about() -> None:
    X, y = load_iris(return_X_y=True)
    result = separation_index(X.reshape(150, 2, 2), y, 2, "soft", normalize=True)
    assert (result.m, result.dimensions, result.order, result.kind) == (150, 4, 2, "soft")
    assert (result.normalisation, result.metric, result.ties) == ("z-score", "euclidean", "lowest")
    assert result.exact
    assert result.n_classes == 3
    assert result.undefined == 0
    assert "m = 150" in str(result)
    assert result.per_sample is not None
    assert float(result.per_sample.mean()) == pytest.approx(float(result))


def test_samples_of_short_classes_are_counted() -> None:
    X = np.arange(10.0)[:, None]
    y = ["a"] * 5 + ["b"] * 3 + ["c", "d"]
    assert separation_index(X, y).short_classes == 2
    assert separation_index(X, y, 3).short_classes == 5


def test_class_separation_by_label() -> None:
    X = np.array([0.0, 0.1, 5.0, 5.1, 5.25])
    found = class_separation(X, np.array(["b", "b", "b", "a", "a"]))
    assert found.classes == ("a", "b")
    assert found.counts == (2, 3)
    assert found["b"] == pytest.approx(2 / 3)
    assert found["a"] == pytest.approx(1 / 2)  # 5.1's nearest is 5.0, of class b


def test_centre_index_is_the_nearest_centroid_rule() -> None:
    for load in (load_wine, load_iris):
        X, y = load(return_X_y=True)
        rule = NearestCentroid().fit(X, y)
        assert float(center_separation_index(X, y)) == pytest.approx(rule.score(X, y))


def test_centre_index_without_self() -> None:
    X, y = load_iris(return_X_y=True)
    hits = 0
    for i in range(len(X)):
        rest = np.arange(len(X)) != i
        hits += NearestCentroid().fit(X[rest], y[rest]).predict(X[i : i + 1])[0] == y[i]
    found = center_separation_index(X, y, leave_one_out=True)
    assert float(found) == pytest.approx(hits / len(X))
    lone = center_separation_index(X, [0] * 80 + [1] * 69 + [2], leave_one_out=True)
    assert lone.undefined == 1


def test_cross_index_is_the_nearest_neighbour_rule() -> None:
    X, y = load_digits(return_X_y=True)
    train, test, labels, truth = train_test_split(X, y, test_size=0.3, random_state=0)
    rule = KNeighborsClassifier(1, algorithm="brute").fit(train, labels)
    found = cross_separation_index(train, labels, test, truth)
    assert float(found) == pytest.approx(rule.score(test, truth))
    gap = generalization_gap(train, labels, test, truth)
    assert float(gap) == pytest.approx(float(separation_index(train, labels)) - float(found))


def test_cross_index_with_a_class_absent_from_the_test() -> None:
    X = np.array([0.0, 1.0, 5.0, 6.0])
    assert float(cross_separation_index(X, [0, 0, 1, 1], [5.1, 6.2], [1, 1])) == 1.0


def test_cross_index_takes_the_training_statistics() -> None:
    rng = np.random.default_rng(0)
    X, T = rng.normal(size=(60, 2)) * [1, 100], rng.normal(size=(30, 2)) * [9, 3] + 4
    y, truth = rng.integers(0, 2, 60), rng.integers(0, 2, 30)
    mean, deviation = X.mean(axis=0), X.std(axis=0, ddof=1) + 1e-10
    by_hand = cross_separation_index((X - mean) / deviation, y, (T - mean) / deviation, truth)
    assert float(cross_separation_index(X, y, T, truth, normalize=True)) == float(by_hand)


def test_mahalanobis_and_whitening() -> None:
    X, y = load_wine(return_X_y=True)
    inverse = np.linalg.inv(np.cov(X.T))
    brute = NearestNeighbors(
        n_neighbors=1, algorithm="brute", metric="mahalanobis", metric_params={"VI": inverse}
    ).fit(X)
    expected = np.mean(y[brute.kneighbors()[1][:, 0]] == y)
    found = separation_index(X, y, metric=(inverse + inverse.T) / 2)
    white = separation_index(X, y, metric="whiten")
    assert float(found) == float(white) == pytest.approx(expected)
    assert (found.metric, white.metric) == ("mahalanobis", "whiten")


def test_local_triplets() -> None:
    rng = np.random.default_rng(1)
    X, y = rng.normal(size=(30, 3)), rng.integers(0, 3, 30)
    y[0] = 7
    found = local_triplets(X, y)
    order = ranked(squared(X, X))
    assert found.undefined == 1
    for anchor, positive, negative in zip(
        found.anchors.tolist(), found.positives.tolist(), found.negatives.tolist(), strict=True
    ):
        assert positive == next(j for j in order[anchor] if y[j] == y[anchor])
        assert negative == next(j for j in order[anchor] if y[j] != y[anchor])


def test_a_sketch_measures_its_error() -> None:
    X, y = load_digits(return_X_y=True)
    result = separation_index(X, y, sketch=16, seed=3)
    exact = separation_index(X, y)
    assert not result.exact
    assert result.sketch is not None
    assert (result.sketch.width, result.sketch.seed, result.sketch.samples) == (16, 3, 1000)
    assert result.sketch.error == result.sketch.sketched - result.sketch.exact
    assert abs(float(result) - float(exact) - result.sketch.error) < 0.02
    assert separation_index(X, y, sketch=16, seed=3) == result


def test_a_sketch_as_wide_as_the_data_is_exact() -> None:
    X, y = load_iris(return_X_y=True)
    assert separation_index(X, y, sketch=4) == separation_index(X, y)


def test_a_sketch_keeps_squared_distances_on_average() -> None:
    from addnn_spec.indices.space import fold_all

    X = torch.randn(2, 96, generator=torch.Generator().manual_seed(0))
    exact = float((X[0] - X[1]).square().sum())
    folded = [fold_all(24, seed, None, X)[0] for seed in range(400)]
    found = np.array([float((f[0] - f[1]).square().sum()) for f in folded])
    assert abs(found.mean() - exact) < 4 * found.std() / np.sqrt(len(found))


@pytest.mark.parametrize(
    ("X", "y", "options", "error"),
    [
        ([[1.0]], [0], {}, UndefinedIndexError),
        ([[1.0], [2.0]], [0, 1], {"order": 2}, UndefinedIndexError),
        ([[1.0], [2.0]], [0], {}, ShapeError),
        ([[1.0], [2.0]], [[0, 1], [1, 0]], {}, ShapeError),
        ([[1.0], [float("nan")]], [0, 1], {}, NotFiniteError),
        ([[1.0], [2.0]], [0.0, float("nan")], {}, NotFiniteError),
        ([[1.0], [2.0]], [0, 1], {"order": 0}, OptionError),
        ([[1.0], [2.0]], [0, 1], {"kind": "firm"}, OptionError),
        ([[1.0], [2.0]], [0, 1], {"ties": "first"}, OptionError),
        ([[1.0], [2.0]], [0, 1], {"metric": "cosine"}, OptionError),
        ([[1.0], [2.0]], [0, 1], {"metric": [[-1.0]]}, OptionError),
        ([[1.0], [2.0]], [0, 1], {"metric": [[1.0, 0.0]]}, ShapeError),
        ([[1.0, 2.0], [2.0, 2.0]], [0, 1], {"sketch": 0}, OptionError),
        ([["a"], ["b"]], [0, 1], {}, ShapeError),
        (np.empty((2, 0)), [0, 1], {}, ShapeError),
    ],
)
def test_what_has_no_value_is_refused(
    X: Any, y: Any, options: dict[str, Any], error: type[IndicesError]
) -> None:
    with pytest.raises(error) as raised:
        separation_index(X, y, **options)
    assert isinstance(raised.value, ValueError)


def test_the_centre_index_names_the_sample_that_holds_nan() -> None:
    X = np.random.default_rng(0).random((50, 4))
    X[7, 2] = np.nan
    with pytest.raises(ValueError, match="sample 7 holds NaN"):
        center_separation_index(X, np.arange(50) % 5)


def test_centre_and_triplets_without_partners_are_refused() -> None:
    X = [[0.0], [1.0], [2.0]]
    with pytest.raises(UndefinedIndexError):
        center_separation_index(X, [0, 1, 2], leave_one_out=True)
    with pytest.raises(UndefinedIndexError):
        local_triplets(X, [0, 1, 2])
    with pytest.raises(UndefinedIndexError):
        local_triplets(X, [0, 0, 0])


@pytest.mark.parametrize(("m", "d", "offset"), [(60, 3, 0.0), (80, 2100, 1e4), (33, 700, -50.0)])
def test_both_centre_indices_are_those_of_float64_distances(m: int, d: int, offset: float) -> None:
    generator = torch.Generator().manual_seed(m)
    X = torch.randn(m, d, generator=generator) + offset
    codes = torch.randint(0, 5, (m,), generator=generator)
    rows, size = X.double(), torch.bincount(codes)[codes]
    means = torch.stack([rows[codes == k].mean(dim=0) for k in range(5)])
    distances = (rows[:, None] - means).square().sum(dim=2).sqrt()
    plain = (distances.argmin(dim=1) == codes).double().mean()
    distances[torch.arange(m), codes] *= size / (size - 1)
    without = (distances.argmin(dim=1) == codes).double().mean()
    assert float(center_separation_index(X, codes)) == pytest.approx(float(plain))
    assert float(center_separation_index(X, codes, leave_one_out=True)) == pytest.approx(
        float(without)
    )


def test_every_index_knows_its_standard_error() -> None:
    """As `statistics` takes it of the neighbours; centre index and across are linked otherwise."""
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(120, 3)) + 2 * (np.arange(120) % 2)[:, None], np.arange(120) % 2
    near = neighbours(X, 2).indices.numpy()
    for order, kind in ((1, "hard"), (2, "soft"), (2, "anti")):
        found = separation_index(X, y, order, kind)
        assert found.per_sample is not None
        expected = stated(found.per_sample.numpy(), touching(near[:, :order]), y)
        assert found.interval == expected and found.standard_error == expected.error
    centre = center_separation_index(X, y)
    assert centre.per_sample is not None
    terms = centred(centre.per_sample.numpy(), y)
    # each touches itself: 60 linked pairs of the 60² of a class
    assert centre.standard_error == pytest.approx(
        float(np.sqrt(terms @ terms / (1 - 1 / 60))) / 120
    )
    cross = cross_separation_index(X[:60], y[:60], X[60:], y[60:])
    across = neighbours(X[60:], 1, references=X[:60]).indices.numpy()
    assert cross.per_sample is not None
    assert cross.interval == stated(cross.per_sample.numpy(), across, y[60:])
    with pytest.raises(UndefinedIndexError, match="no standard error"):
        _ = separation_score(X, y).standard_error


@pytest.mark.parametrize(
    ("X", "y", "error", "told"),
    [
        ([[1, 2], [3]], [0, 1], ShapeError, "several lengths"),
        ([[1, 2], [3, 4]], [0, None], NotFiniteError, "labels: that of sample 1 is None"),
        ([[1, 2], [3, 4]], ["a", float("nan")], ShapeError, "names, and others are float"),
        ([[1, "a"], [2, "b"]], [0, 1], ShapeError, "not numbers"),
        (torch.eye(3).to_sparse(), [0, 1, 1], ShapeError, "to_dense"),
        (torch.eye(3).to(torch.float8_e4m3fn), [0, 1, 1], ShapeError, "float8"),
        (torch.eye(3).to(torch.complex64), [0, 1, 1], ShapeError, "not real"),
    ],
)
def test_what_is_no_data_is_told(X: Any, y: Any, error: type[IndicesError], told: str) -> None:
    with pytest.raises(error, match=told):
        separation_index(X, y)


def test_orders_of_numpy_and_frames_of_several_types() -> None:
    rng = np.random.default_rng(0)
    X, y = rng.random((20, 3)), np.arange(20) % 2
    order: Any = np.int64(2)
    assert float(separation_index(X, y, order)) == float(separation_index(X, y, 2))
    mixed = X.astype(object)
    mixed[:, 0] = [int(100 * value) for value in X[:, 0]]
    assert float(separation_index(mixed, y)) == float(separation_index(mixed.astype(float), y))
    with pytest.raises(OptionError, match="whole number"):
        separation_index(X, y, True)


def test_whitening_takes_more_samples_than_features() -> None:
    X, y = np.random.default_rng(0).random((20, 19)), np.arange(20) % 2
    with pytest.raises(OptionError, match="whitening 19 features takes more than 20 samples"):
        separation_index(X, y, metric="whiten")
    assert 0 <= float(separation_index(X[:, :18], y, metric="whiten")) <= 1
