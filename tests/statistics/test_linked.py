"""Standard errors of linked terms, against loops over all pairs."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from addnn_spec.statistics.linked import (
    centred,
    independent_variance,
    linked_error,
    strata,
    together,
    touching,
    touching_across,
    units,
)

Array = NDArray[np.int64]


def by_loops(
    terms: NDArray[np.float64], touches: Array, drawn: Sequence[int] | None = None
) -> float:
    """The formula of docs/indices.md, pair by pair."""
    m = len(touches)
    drawn = [0] * m if drawn is None else list(drawn)
    total: dict[tuple[int, int], float] = defaultdict(float)
    linked: dict[tuple[int, int], int] = defaultdict(int)
    for i in range(m):
        for j in range(m):
            mine, others = set(touches[i].tolist()), set(touches[j].tolist())
            common = len(mine & others)
            if common:
                weight = (1 + common / math.sqrt(len(mine) * len(others))) / 2
                total[drawn[i], drawn[j]] += float(weight * terms[i] * terms[j])
                linked[drawn[i], drawn[j]] += 1
    variance = 0.0
    for (a, b), part in total.items():
        share = linked[a, b] / (drawn.count(a) * drawn.count(b))
        variance += part / (1 - min(share, 0.8))
    return math.sqrt(max(variance, float(terms @ terms))) / m


@pytest.mark.parametrize(("m", "order", "seed"), [(7, 1, 0), (40, 1, 1), (60, 3, 2), (25, 8, 3)])
def test_the_sum_over_linked_pairs(m: int, order: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    near = np.stack([rng.permutation(np.delete(np.arange(m), i))[:order] for i in range(m)])
    terms = centred(rng.random(m))
    for touches in (touching(near), touching_across(near), together(touching(near), near)):
        assert linked_error(terms, touches).value == pytest.approx(
            by_loops(terms, touches), rel=1e-12
        )
    touches = touching(near, np.arange(m) // 3)  # several neighbours in one group
    assert linked_error(terms, touches).value == pytest.approx(by_loops(terms, touches), rel=1e-12)


@pytest.mark.parametrize(("order", "seed"), [(1, 0), (5, 1)])
def test_each_pair_of_strata_has_its_own_share_of_linked_pairs(order: int, seed: int) -> None:
    """Strata of 20, 30 and 40, in disorder; neighbours are mostly of the same stratum."""
    rng = np.random.default_rng(seed)
    drawn = rng.permutation(np.repeat([0, 1, 2], [20, 30, 40]))
    places = 2 * drawn + rng.random(90)
    near = np.abs(places[:, None] - places).argsort(axis=1)[:, 1 : order + 1]
    terms = centred(places + rng.random(90), drawn)
    expected = by_loops(terms, touching(near), drawn.tolist())
    assert linked_error(terms, touching(near), drawn).value == pytest.approx(expected, rel=1e-12)
    assert expected != pytest.approx(by_loops(terms, touching(near)), rel=1e-2)


def test_pieces_are_one_sum(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hub's pairs, m of them, are taken in pieces."""
    m = 50
    near = np.zeros((m, 1), dtype=np.int64)
    near[0] = 1
    terms = centred(np.random.default_rng(0).random(m))
    whole = linked_error(terms, touching(near))
    monkeypatch.setattr("addnn_spec.statistics.linked._PAIRS", 120)
    assert linked_error(terms, touching(near)) == pytest.approx(whole, rel=1e-12)
    assert whole.value == pytest.approx(by_loops(terms, touching(near)), rel=1e-12)


def test_it_is_never_less_than_independent() -> None:
    """Four points in a row with labels B A A B: the sum over linked pairs alone is negative."""
    near = np.array([[1], [0], [1], [2]])
    terms = centred(np.array([0.0, 0.0, 1.0, 0.0]))
    assert linked_error(terms, touching(near)).value >= math.sqrt(float(terms @ terms)) / 4


def test_mutual_neighbours_are_one_event() -> None:
    """m/2 pairs that hit together: the error of m/2 independent samples, over 1 − 2/m."""
    m = 100
    hits = np.repeat(np.random.default_rng(0).integers(0, 2, m // 2), 2).astype(float)
    near = (np.arange(m) ^ 1)[:, None]
    terms = centred(hits)
    pairs = terms.reshape(-1, 2).sum(axis=1)
    expected = math.sqrt(float(pairs @ pairs) / (1 - 2 / m)) / m
    assert linked_error(terms, touching(near)).value == pytest.approx(expected)
    assert units(terms, expected) == pytest.approx(m / 2 * (1 - 2 / m))


def test_the_degrees_of_freedom_are_those_of_an_error_of_linked_terms() -> None:
    """30 fours of normal values, all linked: as many as 30 independent values have. With more in
    common they are fewer, never more."""
    rng = np.random.default_rng(0)
    near = np.arange(120)[:, None] // 4 * 4 + np.arange(4)
    draws = [rng.normal(size=120) for _ in range(200)]
    shared = [rng.normal(size=30).repeat(4) for _ in range(200)]
    freedom = np.mean([linked_error(one, near).freedom for one in draws])
    fewer = np.mean([linked_error(a + b, near).freedom for a, b in zip(draws, shared, strict=True)])
    assert freedom == pytest.approx(30, rel=0.1)
    assert 20 < fewer < 30


def test_the_degrees_of_freedom_of_few_changes() -> None:
    """10 changes among 40 samples: 2 · 10² / (10 − 10²/40); linked in pairs, 10 products more, of
    weight 1, count twice. Signs alone have as many as samples, of groups one less than these.
    There are never more than that, and one of a sample alone."""
    terms, alone = np.repeat([1.0, -1.0, 0.0], [5, 5, 30]), np.arange(40)[:, None]
    assert linked_error(terms, alone).freedom == pytest.approx(200 / 7.5)
    assert linked_error(terms, alone // 2).freedom == pytest.approx(200 / (7.5 + 2 * 10))
    signs, groups = np.tile([1.0, -1.0], 20), np.arange(40) // 8
    assert linked_error(signs * np.tile([1.0, 1.1, 1.1, 1.0], 10), alone).freedom == 39
    assert linked_error(np.zeros(1), alone[:1]).freedom == 1
    assert linked_error(signs, alone).freedom == 39
    assert linked_error(signs, groups[:, None], groups=groups).freedom == 4


def test_terms_are_taken_from_their_class() -> None:
    """Two classes of 20 that hit always and never: nothing is left; of 10, they are one."""
    values = np.repeat([1.0, 0.0], 20)
    classes = np.repeat([3, 5], 20)
    assert strata(classes).tolist() == [0] * 20 + [1] * 20
    assert not centred(values, strata(classes)).any()
    few = strata(classes[10:30])
    assert few.tolist() == [0] * 20
    assert centred(values[10:30], few) == pytest.approx((values[10:30] - 0.5) * math.sqrt(20 / 19))
    assert strata(np.repeat([0, 1, 2], [25, 19, 3])).tolist() == [0] * 25 + [1] * 22


def test_positions_of_one_sample_are_one() -> None:
    """Ten groups of ten equal values: the error of ten independent ones (ddof 1)."""
    values = np.repeat(np.random.default_rng(1).random(10), 10)
    groups = np.repeat(np.arange(10), 10)
    terms = centred(values)
    touches = touching(np.arange(100)[:, None], groups)
    sums = terms.reshape(10, 10).sum(axis=1)
    least = math.sqrt(float(sums @ sums) * 10 / 9) / 100
    assert linked_error(terms, touches, groups=groups).value >= least * (1 - 1e-12)
    assert units(terms, least, groups) == 10


def test_neighbours_of_one_other_sample_link_positions() -> None:
    """Positions 0 and 2, of samples 0 and 1, have their nearest in sample 2, at other places."""
    near, groups = np.array([[4], [5], [5], [4], [0], [1]]), np.array([0, 0, 1, 1, 2, 2])
    touches = touching(near, groups)
    assert set(touches[0]) & set(touches[2]) == {2}
    across = touching_across(near, groups, groups)
    assert set(across[0]) & set(across[2]) == {2}
    assert not set(touching_across(near)[0]) & set(touching_across(near)[2])


def test_groups_are_never_less_uncertain_than_independent_ones() -> None:
    """Two groups with sums 2 and −2: Σ sums² · 2/(2 − 1) = 16, where the terms' squares are 4."""
    terms, groups = np.array([1.0, 1.0, -1.0, -1.0]), np.array([0, 0, 1, 1])
    assert independent_variance(terms) == 4.0
    assert independent_variance(terms, groups) == 16.0
