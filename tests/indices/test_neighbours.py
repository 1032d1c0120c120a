"""The search against a float64 double loop and scikit-learn's brute force."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.neighbors import NearestNeighbors

from addnn_spec.indices import (
    BudgetError,
    NotFiniteError,
    OptionError,
    RowScaling,
    RunningNeighbours,
    UndefinedIndexError,
    neighbours,
    search_plan,
)
from addnn_spec.indices.geometry import check_finite, equal_rows
from addnn_spec.indices.neighbours import search
from addnn_spec.indices.precision import full_precision
from tests.indices.oracles import ranked, squared
from tests.support import examples


def normal(m: int, d: int, offset: float = 0.0, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(m, d, generator=generator) + offset


@pytest.mark.parametrize("offset", [0.0, 1e4])
@pytest.mark.parametrize(("m", "d"), [(60, 3), (130, 1100), (300, 32)])
@pytest.mark.parametrize("order", [1, 5, 20])
def test_equals_the_double_loop(m: int, d: int, offset: float, order: int) -> None:
    X = normal(m, d, offset)
    exact = squared(X.numpy(), X.numpy())
    found = neighbours(X, order)
    expected = ranked(exact)[:, :order]
    assert np.array_equal(found.indices.numpy(), expected)
    distances = np.sqrt(np.take_along_axis(exact, expected, axis=1))
    np.testing.assert_allclose(found.distances.numpy(), distances, rtol=1e-13)


@pytest.mark.parametrize("offset", [0.0, 1e4])
def test_equals_scikit_learn_over_many_blocks(offset: float) -> None:
    X = normal(2500, 32, offset)
    brute = NearestNeighbors(n_neighbors=4, algorithm="brute").fit(X.double().numpy())
    distances, _ = brute.kneighbors()
    found = neighbours(X, 4)
    again = (X.double()[:, None] - X.double()[found.indices]).norm(dim=2)
    tolerance = 1e-9 if offset == 0 else 1e-6  # scikit-learn's own expansion loses digits
    np.testing.assert_allclose(found.distances.numpy(), distances, rtol=tolerance)
    np.testing.assert_allclose(again.numpy(), found.distances.numpy(), rtol=1e-13)


def test_a_far_sample_of_wide_bounds_hides_no_overlap() -> None:
    """Of three nearest the first by its lower bound may be the last, past one apart from both."""
    for steps in range(100, 600, 2):
        near, far = 100 - steps * 5.4e-6, 100 + 1e-6  # squared distances from the first sample
        some = np.array(
            [
                (10, 0),
                (10 + np.sqrt(far), 0),
                (10 - np.sqrt(near - 4), 2),
                (10 - np.sqrt(99), 1),
            ]
        )
        X = torch.from_numpy(np.concatenate((some, -some)))  # the mean is 0
        found = search(X, 3, distances=False)
        assert found.indices[0].tolist() == [2, 3, 1]


def test_result_does_not_depend_on_the_budget() -> None:
    X = normal(700, 1500)
    least = 2**20
    while True:
        try:
            search_plan(700, 1500, 3, budget=least)
            break
        except BudgetError:
            least *= 2
    small, large = neighbours(X, 3, budget=least), neighbours(X, 3, budget=2**31)
    assert search_plan(700, 1500, 3, budget=least).block < 700
    assert torch.equal(small.indices, large.indices)
    assert torch.equal(small.distances, large.distances)


def test_too_small_a_budget_names_the_least() -> None:
    with pytest.raises(BudgetError, match="at least") as error:
        search_plan(10_000, 800_000, budget=1000)
    least = int(str(error.value).split("at least ")[1].split()[0])
    assert search_plan(10_000, 800_000, budget=least).bytes == least


def test_references_are_searched_without_self() -> None:
    X, R = normal(90, 5), normal(40, 5, seed=1)
    R[7] = X[3]
    found = neighbours(X, 2, references=R)
    expected = ranked(squared(X.numpy(), R.numpy()), exclude_self=False)[:, :2]
    assert np.array_equal(found.indices.numpy(), expected)
    assert found.distances[3, 0] == 0


values = st.sampled_from([0.0, 1.0, -1.0, 2.0, 0.5, 1e4])
grids = hnp.arrays(np.float32, st.tuples(st.integers(3, 24), st.integers(1, 3)), elements=values)


@settings(max_examples=examples(30), deadline=None)
@given(X=grids, order=st.integers(1, 4), close=st.booleans())
def test_settling_only_what_decides_gives_the_same(X: Any, order: int, close: bool) -> None:
    rows = torch.from_numpy(X)
    if close:  # nearly equal distances: float32 leaves most open
        rows = rows + 1e-6 * normal(*rows.shape)
    order = min(order, len(X) - 1)
    full, some = search(rows, order), search(rows, order, distances=False)
    assert torch.equal(full.indices, some.indices)
    assert torch.equal(full.surplus, some.surplus)
    assert full.settled
    scale = float((rows - rows.double().mean(dim=0)).norm(dim=1).max()) + 1e-30
    torch.testing.assert_close(
        full.distances.square() / scale**2, some.distances.square() / scale**2, rtol=0, atol=1e-4
    )


@pytest.mark.parametrize("among", ["same", "other"])
def test_among_labels(among: str) -> None:
    X, labels = normal(200, 4), torch.arange(200) % 3
    labels[0] = 9  # alone in its class
    exact = squared(X.numpy(), X.numpy())
    apart = labels[:, None].numpy() != labels.numpy()
    exact[apart if among == "same" else ~apart] = np.inf
    found = neighbours(X, 1, labels=labels, among=among)
    expected = ranked(exact)[:, 0]
    if among == "same":
        expected[0] = -1
        assert torch.isinf(found.distances[0, 0])
    assert np.array_equal(found.indices[:, 0].numpy(), expected)


@settings(max_examples=examples(30), deadline=None)
@given(X=grids, order=st.integers(1, 4))
def test_ties_go_by_index_and_are_counted(X: Any, order: int) -> None:
    order = min(order, len(X) - 1)
    exact = squared(X, X)
    found = neighbours(X, order)
    expected = ranked(exact)[:, :order]
    assert np.array_equal(found.indices.numpy(), expected)
    last = exact[np.arange(len(X)), expected[:, -1]]
    np.fill_diagonal(exact, np.inf)
    at_last = (exact == last[:, None]).sum(axis=1)
    in_list = (np.take_along_axis(exact, expected, axis=1) == last[:, None]).sum(axis=1)
    assert np.array_equal(found.surplus.numpy(), at_last - in_list)


@pytest.mark.parametrize("order", [1, 3])
def test_all_samples_equal(order: int) -> None:
    X = torch.full((1500, 20), 0.1)
    found = neighbours(X, order)
    assert found.indices[5].tolist() == [0, 1, 2][:order]
    assert (found.distances == 0).all()
    assert (found.surplus == 1499 - order).all()


def test_far_clusters_are_told_apart() -> None:
    X = normal(300, 6).double()
    X[::2, 0] += 1e7  # float32 sees only the cluster
    found = neighbours(X, 3)
    assert np.array_equal(found.indices.numpy(), ranked(squared(X.numpy(), X.numpy()))[:, :3])


@pytest.mark.parametrize("scale", [1e-200, 1e-30, 1e30, 1e200])
def test_extreme_scales(scale: float) -> None:
    X = normal(80, 4).double() * scale
    found = neighbours(X, 2)
    expected = neighbours(X / scale, 2)
    assert torch.equal(found.indices, expected.indices)
    torch.testing.assert_close(found.distances / scale, expected.distances)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.uint8, torch.int64])
def test_other_types(dtype: torch.dtype) -> None:
    X = (normal(90, 6) * 20).to(dtype)
    expected = ranked(squared(X.double().numpy(), X.double().numpy()))[:, :2]
    assert np.array_equal(neighbours(X, 2).indices.numpy(), expected)


@settings(max_examples=examples(20), deadline=None)
@given(
    m=st.integers(2, 40),
    d=st.integers(1, 1100),
    offset=st.sampled_from([0.0, 1.0, 1e3, 1e5]),
    spread=st.sampled_from([1e-4, 1.0, 1e3]),
    seed=st.integers(0, 10**6),
)
def test_bounds_hold(m: int, d: int, offset: float, spread: float, seed: int) -> None:
    X = normal(m, d, seed=seed) * spread + offset
    X[0] *= 30  # an outlier
    frame = RowScaling.around(X)
    block = frame.block(0, X)
    with full_precision(X.device):
        lower = frame.lower_bounds(block, block, frame.ladder[0])[:m, :m].clone()
    bounds = frame.certificate(block, frame.ladder[0])
    upper = frame.upper_bounds(lower, bounds, bounds, frame.ladder[0]).double()
    difference = X.double()[:, None] - X.double()[None]
    exact = difference.square().sum(dim=2) * frame.scale**2
    assert (lower.double() <= exact).all()
    assert (exact <= upper).all()


@pytest.mark.parametrize("sizes", [(50, 7), (64, 64), (301, 40)])
def test_a_stream_finds_the_same(sizes: tuple[int, int]) -> None:
    X = normal(301, 40)
    X[10] = X[200]
    held, step = sizes
    frame = RowScaling.around(X[:held])
    run = RunningNeighbours(len(X), 3, frame)
    for start in range(0, len(X), held):
        query = frame.block(start, X[start : start + held].clone())
        for other in range(0, len(X), step):
            run.visit(query, frame.block(other, X[other : other + step].clone()), settle=True)
    found, expected = run.result(), neighbours(X, 3)
    assert torch.equal(found.indices, expected.indices)
    torch.testing.assert_close(found.distances, expected.distances, rtol=1e-14, atol=0)


def test_a_symmetric_stream_visits_each_pair_once() -> None:
    X = normal(200, 10)
    frame = RowScaling.around(X)
    blocks = [frame.block(start, X[start : start + 64]) for start in range(0, 200, 64)]
    run = RunningNeighbours(200, 2, frame)
    for index, block in enumerate(blocks):
        run.visit(block, block, settle=True)
        for other in blocks[index + 1 :]:
            run.visit(block, other, both=True, settle=True)
    assert torch.equal(run.result().indices, neighbours(X, 2).indices)


def test_inference_mode_may_begin_and_end_between_visits() -> None:
    X = normal(120, 10)
    with torch.inference_mode():
        frame = RowScaling.around(X)
        run = RunningNeighbours(120, 2, frame)
        first, second = frame.block(0, X[:60].clone()), frame.block(60, X[60:].clone())
        run.visit(first, first, settle=True)
    run.visit(first, second, both=True, settle=True)
    with torch.inference_mode():
        run.visit(second, second, settle=True)
    assert torch.equal(run.result().indices, neighbours(X, 2).indices)


def test_fast_float32_modes_change_nothing() -> None:
    X = normal(400, 300)
    expected = neighbours(X, 3)
    torch.set_float32_matmul_precision("medium")
    try:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            found = neighbours(X, 3)
        assert torch.get_float32_matmul_precision() == "medium"
    finally:
        torch.set_float32_matmul_precision("highest")
    assert torch.equal(found.indices, expected.indices)
    assert torch.equal(found.distances, expected.distances)


def test_inputs_that_require_gradients_or_are_permuted() -> None:
    X = normal(50, 6)
    expected = neighbours(X, 2).indices
    assert torch.equal(neighbours(X.clone().requires_grad_(), 2).indices, expected)
    assert torch.equal(neighbours(X.T.contiguous().T, 2).indices, expected)
    assert torch.equal(neighbours(X.reshape(50, 2, 3).numpy(), 2).indices, expected)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_not_finite_values_are_named(bad: float) -> None:
    X = normal(600, 3)
    X[417, 1] = bad
    with pytest.raises(NotFiniteError, match="sample 417"):
        neighbours(X)


def test_orders_without_neighbours() -> None:
    with pytest.raises(UndefinedIndexError):
        neighbours(normal(5, 2), 5)
    with pytest.raises(UndefinedIndexError):
        neighbours(normal(1, 2))
    with pytest.raises(OptionError):
        neighbours(normal(5, 2), 0)


def test_equal_rows_are_found() -> None:
    X = torch.tensor([[0.0, 1.0], [2.0, 3.0], [-0.0, 1.0], [2.0, 3.5], [2.0, 3.0]])
    assert equal_rows(X).tolist() == [0, 1, 0, 3, 1]
    assert equal_rows(X.half()).tolist() == [0, 1, 0, 3, 1]


def test_large_integers_are_refused() -> None:
    with pytest.raises(NotFiniteError, match=r"2\*\*53"):
        check_finite(torch.tensor([[2**60]]))
