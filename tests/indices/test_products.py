"""The search by every product: the same bits by each, on data that bounds cannot tell apart."""

from __future__ import annotations

import math
from importlib import import_module
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from addnn_spec.indices import (
    OptionError,
    RowScaling,
    RunningNeighbours,
    center_separation_index,
    guarantee,
    neighbours,
    separation_index,
    separation_score,
    smoothness_error_bound,
)
from addnn_spec.indices import keys as keys_of
from addnn_spec.indices.neighbours import search
from addnn_spec.indices.precision import full_precision
from addnn_spec.indices.products import FLOAT64, PRODUCTS, products
from tests.indices.oracles import ranked, squared
from tests.support import examples

M = 40


def normal(m: int, d: int, seed: int = 0) -> Tensor:
    return torch.randn(m, d, generator=torch.Generator().manual_seed(seed))


def lone(scale: float) -> Tensor:
    """One sample at 1, the others near 0."""
    return torch.cat((torch.ones(1, 6).double(), scale * normal(M - 1, 6).double()))


ADVERSARIAL: dict[str, Tensor] = {
    "normal": normal(M, 40),
    "wide": normal(M, 1100),
    "a cluster at 1e-7 of its norm": 1 + 1e-7 * normal(M, 20).double(),
    "two clusters": (torch.arange(M) % 2)[:, None] * normal(1, 20, 1).double()
    + 1e-7 * normal(M, 20).double(),
    "duplicates": normal(M // 2, 9).repeat(2, 1),
    "constant rows": torch.full((M, 5), 0.1),
    "one large feature": torch.cat((1e6 * normal(M, 1), normal(M, 9)), dim=1),
    "one large sample": torch.cat((1e9 * normal(1, 9), normal(M - 1, 9))),
    "integers": torch.randint(0, 3, (M, 3), generator=torch.Generator().manual_seed(0)),
    "float16": normal(M, 9).half(),
    "subnormal": normal(M, 9).double() * 1e-310,
    "subnormal in float32": normal(M, 9) * 1e-40,
    "large in float32": normal(M, 9) * 1e37,
    "1e300": normal(M, 9).double() * 1e300,
    "the largest there are": normal(M, 9).double().clamp(-1, 1) * 1.7e308,
    "a lone sample": lone(1e-200),
    "a lone sample, all small": lone(1e-200) * 1e-100,
    "a lone sample, all large": lone(1e-200) * 1e300,
}


def everything(X: Tensor, order: int, product: str, **options: Any) -> list[Tensor]:
    """All that a search finds, and the hits by it."""
    labels = torch.arange(len(X)) % 3
    found: list[Tensor] = []
    for among in ("all", "same", "other"):
        for distances in (True, False):
            one = search(
                X,
                order,
                labels=labels,
                among=among,
                distances=distances,
                product=product,
                **options,
            )
            assert one.surplus_same is not None
            found += [one.indices, one.surplus, one.surplus_same]
            found += [one.distances] if distances else []
    for ties in ("all", "any"):
        result = separation_index(X, labels, order, "soft", ties, product=product)
        assert result.per_sample is not None
        found += [result.per_sample, torch.tensor(result.tied)]
    return found


@pytest.mark.parametrize("name", ADVERSARIAL)
def test_the_same_bits_by_every_product(name: str) -> None:
    X = ADVERSARIAL[name]
    order = 1 + len(name) % 4
    weight = 1 / (1 + torch.arange(X.shape[1]).double()) if order > 2 else None
    first, *others = (everything(X, order, product, weight=weight) for product in PRODUCTS)
    for other in others:
        assert all(torch.equal(a, b) for a, b in zip(first, other, strict=True))


kinds = st.sampled_from(["cluster", "grid", "scales", "normal"])


@settings(max_examples=examples(25), deadline=None)
@given(
    kind=kinds,
    m=st.integers(5, 60),
    d=st.integers(1, 40),
    order=st.integers(1, 4),
    power=st.sampled_from([-1000, -300, -20, 0, 0, 0, 20, 300, 980]),
    seed=st.integers(0, 10**6),
)
def test_the_nearest_by_every_product_at_any_scale(
    kind: str, m: int, d: int, order: int, power: int, seed: int
) -> None:
    X = normal(m, d, seed).double()
    if kind == "cluster":
        X = 1 + 2.0**-20 * X
    elif kind == "grid":
        X = X.round()
    elif kind == "scales":
        X *= torch.logspace(-4, 4, d, dtype=torch.float64)
    expected = neighbours(X, order, product="float64")
    exact = squared(X.numpy(), X.numpy())
    sure = np.sort(exact + np.diag(np.full(m, np.inf)), axis=1)[:, :order]
    np.testing.assert_allclose(expected.distances.numpy(), np.sqrt(sure), rtol=1e-12)
    for product in PRODUCTS:
        found = neighbours(X * 2.0**power, order, product=product)
        assert torch.equal(found.indices, expected.indices)
        assert torch.equal(found.surplus, expected.surplus)
        assert torch.equal(found.distances * 2.0**-power, expected.distances)


@pytest.mark.parametrize("scale", [1e-100, 1e-30, 1.0, 1e30, 1e300])
def test_samples_near_each_other_beside_a_far_one(scale: float) -> None:
    """Exact arithmetic finds, among the near ones, what it finds without the far one."""
    near = normal(59, 4).double() * 1e-200
    expected = neighbours(near, 2)
    beside = torch.cat((near, torch.ones(1, 4).double())) * scale
    for product in PRODUCTS:
        found = neighbours(beside, 2, product=product)
        assert torch.equal(found.indices[:59], expected.indices)


@settings(max_examples=examples(20), deadline=None)
@given(
    product=st.sampled_from(list(PRODUCTS.values())),
    m=st.integers(2, 40),
    d=st.integers(1, 1100),
    offset=st.sampled_from([0.0, 1.0, 1e3]),
    spread=st.sampled_from([1e-4, 1.0, 1e3]),
    outlier=st.sampled_from([1.0, 30.0, 1e8]),
    seed=st.integers(0, 10**6),
)
def test_bounds_of_every_product_hold(
    product: Any, m: int, d: int, offset: float, spread: float, outlier: float, seed: int
) -> None:
    X = normal(m, d, seed) * spread + offset
    X[0] *= outlier
    frame = RowScaling.around(X, product=product.name)
    left, right = frame.block(0, X), frame.block(0, X.clone())
    with full_precision(X.device):
        lower = frame.lower_bounds(left, right, product)[:m, :m].clone()
    mine, theirs = (frame.certificate(block, product) for block in (left, right))
    pairs = frame.lift(lower, mine.doubt[:, None], theirs.doubt).double()
    rows = frame.upper_bounds(lower, mine, theirs, product).double()
    exact = (X.double()[:, None] - X.double()[None]).square().sum(dim=2) * frame.scale**2
    assert (lower.double() <= exact).all()
    assert (exact <= pairs).all()
    assert (exact <= rows).all()


def test_half_leaves_few_pairs_open() -> None:
    X = normal(1000, 300)
    frame = RowScaling.around(X, product="float16")
    run = RunningNeighbours(len(X), 1, frame)
    block = frame.block(0, X)
    run.visit(block, block)
    run.prune()
    assert run.pending < 2.5 * len(X)


@pytest.mark.parametrize("product", PRODUCTS)
def test_the_next_better_product_takes_over(product: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of clusters that float32 sees as points few pairs are settled, none of m^2."""
    X = normal(1000, 8).double()
    X += (torch.arange(1000) % 2)[:, None] * 1e6
    settled = [0]
    plain = RowScaling.settled

    def counted(frame: RowScaling, left: Tensor, i: Tensor, right: Tensor, j: Tensor) -> Tensor:
        settled[0] += len(i)
        return plain(frame, left, i, right, j)

    monkeypatch.setattr(RowScaling, "settled", counted)
    found = search(X, 2, product=product)
    assert settled[0] < 20 * len(X)
    exact = (X[:, None] - X).square().sum(dim=2)
    assert np.array_equal(found.indices.numpy(), ranked(exact.numpy())[:, :2])


def test_a_sample_is_counted_once_where_another_product_takes_over() -> None:
    X = torch.tensor([1.0, 1.0, *[0.0] * 13])[:, None]
    found = neighbours(X, 2)
    assert found.indices[0].tolist() == [1, 2]


def test_ties_leave_the_search_to_the_first_product() -> None:
    X = torch.full((300, 6), 0.1)
    frame = RowScaling.around(X, product="float16")
    run = RunningNeighbours(len(X), 1, frame)
    block = frame.block(0, X)
    run.visit(block, block, settle=True)
    assert run.product.name == "float16"
    assert run.result().indices[5, 0] == 0


@pytest.mark.parametrize("product", PRODUCTS)
@pytest.mark.parametrize("later", [1.0, 1e5, 1e10])
def test_a_stream_by_every_product(product: str, later: float) -> None:
    """Later rows may be far larger than those that set the frame: more than float16 holds."""
    X = normal(130, 40)
    X[10] = X[100]
    X[7] *= 1000
    X[60:] *= later
    frame = RowScaling.around(X[:50], product=product)
    run = RunningNeighbours(len(X), 3, frame)
    blocks = [frame.block(start, X[start : start + 50].clone()) for start in (0, 50, 100)]
    for number, left in enumerate(blocks):
        for right in blocks[number:]:
            run.visit(left, right, both=left is not right, settle=True)
    found, expected = run.result(), neighbours(X, 3, product="float32")
    assert torch.equal(found.indices, expected.indices)
    assert torch.equal(found.distances, expected.distances)


def test_every_index_takes_the_option() -> None:
    X, y = normal(60, 12), torch.arange(60) % 3
    targets = normal(60, 2, seed=1)
    for product in PRODUCTS:
        same: dict[str, Any] = {"product": product}
        assert float(center_separation_index(X, y, **same)) == float(center_separation_index(X, y))
        assert float(separation_score(X, y, **same)) == float(separation_score(X, y))
        bound = smoothness_error_bound(X, targets, X[:5] + 0.1, 0.2, **same)
        plain = smoothness_error_bound(X, targets, X[:5] + 0.1, 0.2)
        assert torch.equal(bound.bounds, plain.bounds)
        sure = guarantee(X, y, 0.1, X[:9] * 1.01, metric="whiten", **same)
        assert torch.equal(sure.margin, guarantee(X, y, 0.1, X[:9] * 1.01, metric="whiten").margin)


def test_products_by_name() -> None:
    X = normal(5, 3)
    assert products("float64", X) == (FLOAT64,)
    assert products("auto", X)[-1] is FLOAT64
    with pytest.raises(OptionError, match="product is auto, float16"):
        neighbours(X, product="int8")


def test_many_groups_are_looked_at_some_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    X = torch.randint(0, 2, (300, 4), generator=torch.Generator().manual_seed(0))
    expected = neighbours(X, 3)
    monkeypatch.setattr(import_module("addnn_spec.indices.neighbours"), "_MANY", 64)
    found = neighbours(X, 3)
    assert torch.equal(found.indices, expected.indices)
    assert torch.equal(found.surplus, expected.surplus)


def test_keys_sort_as_squares_do() -> None:
    squares = torch.tensor([0.0, 1e-270, 0.5, 3.0, 1e300, float("inf")], dtype=torch.float64)
    found = keys_of.of(squares)
    assert torch.equal(found, found.sort().values)
    assert keys_of.root(found).tolist() == [math.sqrt(value) for value in squares.tolist()]
    many = torch.rand(10_000, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    exact = [math.sqrt(value) for value in many.tolist()]
    assert keys_of.root(keys_of.of(many)).tolist() == exact
    tiny = keys_of.of(torch.tensor([1.5, 3.0, 1.5]).double(), torch.tensor([-900, -900, -899]))
    assert (keys_of.of(torch.zeros(1).double()) < tiny).all()
    assert (tiny < found[1]).all()
    assert tiny[0] < tiny[1] < tiny[2]
    ordinary = keys_of.of(torch.tensor([6.0]).double())
    assert torch.equal(keys_of.of(torch.tensor([1.5]).double(), torch.tensor([1])), ordinary)
