"""What facts prove of symbolic sizes, against integer arithmetic."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from addnn_spec.sizes import (
    Facts,
    Size,
    SizeError,
    defaults,
    evaluate,
    maximum_of,
    minimum_of,
    source,
    substitute,
    symbols,
)
from tests.size_trees import (
    BY_NAME,
    COMPARISONS,
    H,
    N,
    T,
    Tree,
    W,
    build,
    points,
    trees,
)
from tests.support import examples

if TYPE_CHECKING:
    pass


def multiple_of_32() -> Facts:
    facts = Facts()
    facts.assume(H % 32, "==", 0)
    facts.assume(W % 32, "==", 0)
    return facts


class TestCongruences:
    def test_show_in_the_users_terms(self) -> None:
        facts = multiple_of_32()
        assert str(facts.normal(H)) == "H"
        assert str(facts.normal(H // 4)) == "H/4"
        assert str(facts.normal(H // 32 + 1)) == "H/32 + 1"
        assert str(facts.normal(N * H * W // 64)) == "H*N*W/64"
        assert str(facts.normal(H // 64)) == "floor(H/64)"
        assert facts.normal(H // 4) == facts.exact_div(H, 4)
        assert source(facts.normal(H // 4 + 1)) == "(H + 4) // 4"

    def test_values(self) -> None:
        quarter = multiple_of_32().normal(H // 4)
        assert defaults(quarter) == 56
        assert evaluate(quarter, {"H": 64}) == 16
        assert [symbol.name for symbol in symbols(quarter)] == ["H"]
        actual = Facts()
        actual.assume(N % 4, "==", 0)  # so that 8*N is a multiple of 32
        assert actual.equal(substitute(quarter, {"H": 8 * N}), 2 * N) is True
        assert substitute(quarter, {"H": 96}) == 24
        with pytest.raises(SizeError, match="H % 32"):
            evaluate(quarter, {"H": 65})

    def test_skips_meet(self) -> None:
        facts = multiple_of_32()
        down: Size = H
        for _ in range(5):
            down = down // 2
        assert facts.equal(down * 32, H) is True
        assert Facts().equal(down * 32, H) is None

    @given(st.lists(st.tuples(st.integers(1, 12), st.integers(0, 11)), min_size=1, max_size=3))
    @settings(deadline=None)
    def test_several(self, congruences: list[tuple[int, int]]) -> None:
        allowed = [
            n for n in range(1, 13 * 12 * 11 * 10) if all(n % m == r for m, r in congruences)
        ]
        facts = Facts()
        try:
            for modulus, residue in congruences:
                facts.assume(H % modulus, "==", residue)
        except SizeError:
            assert not allowed
            return
        assert allowed
        normal = facts.normal(H)
        for height in allowed:
            assert evaluate(normal, {"H": height}) == height

    @given(st.integers(-9, 9), st.integers(-20, 20), st.integers(2, 12), st.integers(0, 12))
    @settings(deadline=None)
    def test_linear(self, factor: int, constant: int, modulus: int, residue: int) -> None:
        allowed = {n for n in range(1, 200) if (factor * n + constant) % modulus == residue}
        facts = Facts()
        try:
            facts.assume((factor * H + constant) % modulus, "==", residue)
        except SizeError:
            assert not allowed
            return
        for height in range(1, 200):
            try:
                assert evaluate(facts.normal(H), {"H": height}) == height
                assert height in allowed
            except SizeError:
                assert height not in allowed

    def test_of_what_is_no_symbol(self) -> None:
        facts = Facts()
        facts.assume(N * T % 4, "==", 0)
        assert evaluate(facts.exact_div(N * T, 4), {"N": 2, "T": 6}) == 3


class TestEqualities:
    def test_symbols_unify(self) -> None:
        facts = Facts()
        before = facts.version
        facts.assume(H, "==", W)
        assert facts.version > before
        assert facts.normal(W * H) == H * H
        assert facts.equal(H // 2, W // 2) is True

    def test_after_different_congruences(self) -> None:
        facts = Facts()
        facts.assume(H % 32, "==", 0)
        facts.assume(W % 48, "==", 0)
        facts.assume(H, "==", W)
        assert facts.equal(H, W) is True
        assert facts.exact_div(W, 96) == facts.exact_div(H, 96)

    def test_bounds_pass_on(self) -> None:
        facts = Facts()
        facts.assume(W, "<=", 10)
        facts.assume(H, "==", 2 * W)
        facts.assume(H, ">=", 7)
        assert facts.bounds(W) == (4, 10)
        assert facts.bounds(H) == (8, 20)

    def test_equal_bounds_are_a_value(self) -> None:
        facts = Facts()
        facts.assume(H, "<=", 7)
        facts.assume(H, ">=", 7)
        assert facts.normal(H + 1) == 8

    def test_of_floors(self) -> None:
        facts = Facts()
        facts.assume(H // 2, "==", 7)
        assert facts.bounds(H) == (14, 15)


class TestCompare:
    @pytest.mark.parametrize(
        ("a", "op", "b", "answer"),
        [
            (H + 3, ">", H, True),
            (2 * H, ">=", H, True),
            ((H + 31) // 32, ">=", 1, True),
            (H // 2, "<", H, True),
            (H * W, ">=", W, True),
            (H * H, ">=", H, True),
            (H // 2 + (H + 1) // 2, "==", H, True),
            (4 * (H // 4), "<=", H, True),
            (H % 4, "<", 4, True),
            (H, "<", 1, False),
            (H + 1, "==", H, False),
            (2 * H, "==", 2 * W + 1, False),
            (2 * H, "!=", 2 * W + 1, True),
            (H, ">", W, None),
            (H, "==", 224, None),
            (H // 2, ">=", 1, None),
        ],
    )
    def test_examples(self, a: Size, op: str, b: Size, answer: bool | None) -> None:
        assert Facts().compare(a, op, b) is answer

    @given(trees("HN"), st.sampled_from(sorted(COMPARISONS)), trees("HN"))
    @settings(max_examples=examples(100), deadline=None)
    def test_never_contradicts_the_grid(self, left: Tree, op: str, right: Tree) -> None:
        answer = Facts().compare(build(left, BY_NAME), op, build(right, BY_NAME))
        if answer is not None:
            for height, batch in itertools.product([*range(1, 30), 97, 256], [1, 2, 3, 5, 8, 31]):
                values = {"H": height, "N": batch}
                a, b = build(left, values), build(right, values)
                assert isinstance(a, int)
                assert isinstance(b, int)
                assert COMPARISONS[op](a, b) is answer

    @given(
        st.lists(
            st.tuples(trees("HN"), st.sampled_from(sorted(COMPARISONS)), trees("HN")),
            min_size=1,
            max_size=3,
        ),
        trees("HN"),
        trees("HN"),
    )
    @settings(max_examples=examples(100), deadline=None)
    def test_under_facts(
        self, stated: list[tuple[Tree, str, Tree]], left: Tree, right: Tree
    ) -> None:
        grid = [{"H": h, "N": n} for h, n in itertools.product(range(1, 26), range(1, 26))]
        facts = Facts()
        for a, op, b in stated:
            grid = [v for v in grid if COMPARISONS[op](build(a, v), build(b, v))]  # type: ignore[arg-type]
            try:
                facts.assume(build(a, BY_NAME), op, build(b, BY_NAME))
            except SizeError:
                assert not grid
                return
        size, other = build(left, BY_NAME), build(right, BY_NAME)
        normal = facts.normal(size)
        low, high = facts.bounds(size)
        below, same = facts.compare(size, "<=", other), facts.equal(size, other)
        for values in grid:
            value, against = build(left, values), build(right, values)
            assert isinstance(value, int)
            assert isinstance(against, int)
            assert all(fact.holds(values) for fact in facts.stated)
            assert evaluate(normal, values) == value
            assert low is None or low <= value
            assert high is None or value <= high
            assert below is None or (value <= against) is below
            assert same is None or (value == against) is same

    def test_under_bounds(self) -> None:
        facts = Facts()
        facts.assume(T, "<=", 512)
        assert facts.compare(T, "<=", 1024) is True
        assert facts.compare(T, ">", 512) is False
        assert facts.bounds(512 - T) == (0, 511)
        assert facts.compare(T // 1024, "==", 0) is True

    def test_under_relations(self) -> None:
        facts = Facts()
        facts.assume(H, ">=", W)
        assert facts.compare(3 * H - 3 * W, ">=", 0) is True
        assert facts.compare(H // 2, ">=", W // 2) is True
        assert facts.minimum_of(H, W) == W
        assert facts.maximum_of(H + 1, W) == H + 1

    def test_where_some_sizes_are_positive(self) -> None:
        """What stands behind an image's window: (H - 2)*(W - 2) elements, one or more."""
        facts = Facts()
        rest = (H - 2) * (W - 2)
        assert facts.compare(1, "<=", rest) is None
        assert facts.where_positive([rest]).compare(1, "<=", rest) is True
        assert facts.where_positive([H - 2, W - 2]).compare(1, "<=", rest) is True
        assert facts.where_positive([H - 2]).compare(1, "<=", rest) is None
        assert facts.where_positive([rest]).compare(2, "<=", rest) is None
        assert facts.where_positive([-H]).compare(1, "<=", rest) is None
        assert facts.compare(1, "<=", rest) is None and facts.stated == []

    def test_inequality(self) -> None:
        facts = Facts()
        facts.assume(H, "!=", 1)
        assert facts.compare(H, ">=", 2) is True
        facts.assume(H, "!=", W)
        assert facts.equal(W, H) is False

    def test_least_and_greatest(self) -> None:
        assert minimum_of(H, H + 2) == H
        assert maximum_of(H, 1) == H
        assert maximum_of(3, 5) == 5
        with pytest.raises(SizeError, match=r"assert H <= W, or H >= W"):
            minimum_of(H, W)


class TestContradictions:
    @pytest.mark.parametrize(
        ("first", "second"),
        [
            ((H % 2, "==", 0), (H % 4, "==", 3)),
            ((H % 32, "==", 0), (H, "==", 100)),
            ((H, "<=", 10), (H, ">", 10)),
            ((H, "==", W), (H, "==", W + 1)),
            ((H, ">=", W), (W, ">", H)),
            ((H, "<=", 10), (H // 2, ">=", 6)),
            ((H, "!=", W), (H, "==", W)),
        ],
    )
    def test_are_found_and_change_nothing(
        self, first: tuple[Size, str, Size], second: tuple[Size, str, Size]
    ) -> None:
        facts = Facts()
        facts.assume(*first)
        state = facts.version, facts.bounds(H), str(facts.normal(H + W))
        with pytest.raises(SizeError, match="cannot hold: it is known that"):
            facts.assume(*second)
        assert (facts.version, facts.bounds(H), str(facts.normal(H + W))) == state
        assert len(facts.stated) == 1

    def test_midway(self) -> None:
        facts = Facts()
        facts.assume(H, ">=", 33)
        facts.assume(H, "<=", 63)
        with pytest.raises(SizeError, match="cannot hold"):
            facts.assume(H % 32, "==", 0)
        assert facts.bounds(H) == (33, 63)
        assert facts.normal(H) == H

    @pytest.mark.parametrize("fact", [(H % 4, "==", 7), (H, "<", 1), (2, ">", 3)])
    def test_what_can_never_hold(self, fact: tuple[Size, str, Size]) -> None:
        with pytest.raises(SizeError, match="can never hold"):
            Facts().assume(*fact)

    def test_sizes_that_break_facts(self) -> None:
        facts = multiple_of_32()
        facts.assume(H, "==", W)
        assert [str(fact) for fact in facts.stated] == ["H % 32 == 0", "W % 32 == 0", "H == W"]
        assert all(fact.holds({"H": 64, "W": 64}) for fact in facts.stated)
        broken = [str(fact) for fact in facts.stated if not fact.holds({"H": 65, "W": 64})]
        assert broken == ["H % 32 == 0", "H == W"]
        with pytest.raises(SizeError, match="W has no value"):
            facts.stated[2].holds({"H": 64})
        assert facts.stated[0].source({"H": "x.shape[2]"}) == "x.shape[2] % 32 == 0"


class TestExactDivision:
    def test_by_sizes(self) -> None:
        facts = Facts()
        assert facts.exact_div(N * T * 64, T * 64) == N
        assert facts.exact_div(H * W - W, W) == H - 1
        assert facts.exact_div(H * H + 2 * H + 1, H + 1) == H + 1
        facts.assume(H, ">=", 2)
        assert facts.exact_div(N * (H // 2) * 6, 3 * (H // 2)) == 2 * N

    def test_by_numbers(self) -> None:
        facts = Facts()
        assert facts.exact_div(12, -4) == -3
        assert facts.exact_div(6 * H + 9, 3) == 2 * H + 3
        product = facts.exact_div(H * H + H, 2)  # one of two neighbours is even
        assert evaluate(product, {"H": 7}) == 28

    @given(trees("HN"), trees("HN"))
    @settings(deadline=None)
    def test_undoes_products(self, left: Tree, right: Tree) -> None:
        facts = Facts()
        a, b = build(left, BY_NAME), build(right, BY_NAME)
        assume(facts.equal(b, 0) is False)
        assert facts.equal(facts.exact_div(a * b, b), a) is True

    @given(trees("HN"), st.integers(1, 12))
    @settings(max_examples=examples(60), deadline=None)
    def test_is_exact_or_refused(self, tree: Tree, divisor: int) -> None:
        try:
            quotient = Facts().exact_div(build(tree, BY_NAME), divisor)
        except SizeError:
            return
        for values in points(20):
            assert evaluate(quotient, values) * divisor == build(tree, values)

    @pytest.mark.parametrize(
        ("size", "divisor", "wanted", "fact"),
        [
            (H, 4, "assert H % 4 == 0", (H % 4, 0)),
            (6 * H, 4, "assert H % 2 == 0", (H % 2, 0)),
            (3 * H + 1, 4, "assert H % 4 == 1", (H % 4, 1)),
            (3 * N * T, 4, "assert (3 * N * T) % 4 == 0", (3 * N * T % 4, 0)),
            (H + W, 8, "assert (H + W) % 8 == 0", ((H + W) % 8, 0)),
            (H // 2, 2, "assert (H // 2) % 2 == 0", (H // 2 % 2, 0)),
        ],
    )
    def test_says_what_to_assert(
        self, size: Size, divisor: int, wanted: str, fact: tuple[Size, int]
    ) -> None:
        facts = Facts()
        with pytest.raises(SizeError) as caught:
            facts.exact_div(size, divisor)
        assert str(caught.value).endswith(wanted)
        facts.assume(fact[0], "==", fact[1])
        assert facts.equal(facts.exact_div(size, divisor) * divisor, size) is True

    def test_refusals(self) -> None:
        facts = Facts()
        for a, b, words in [
            (2 * H + 1, 2, "never divisible"),
            (7, 2, "not divisible"),
            (H, 0, "by 0"),
            (H * H, H - 1, "may be 0: assert H - 1 > 0"),
            (N * T, 7 * T, "assert N % 7 == 0"),
            (64, T, "not known to be divisible"),
            (N, T, "not known to be divisible"),
        ]:
            with pytest.raises(SizeError, match=words):
                facts.exact_div(a, b)

    def test_in_terms_of_the_user(self) -> None:
        with pytest.raises(SizeError, match=r"assert H % 96 == 0"):
            multiple_of_32().exact_div(H, 6)


class TestMinimumForPositive:
    @pytest.mark.parametrize(
        ("size", "least"),
        [
            (H, {}),
            (3, {}),
            ((H + 31) // 32, {}),
            ((H + 3) // 32, {"H": 29}),
            (H - 1000, {"H": 1001}),
            ((H - 28) // 2 * N, {"H": 30}),
            ((H // 2) * (W - 4), {"H": 2, "W": 5}),
            (H - 3 * ((H + 3) // 4), {"H": 10}),
            (-H, None),
            (0, None),
            (H + W - 5, None),
        ],
    )
    def test_examples(self, size: Size, least: dict[str, int] | None) -> None:
        assert Facts().minimum_for_positive(size) == least

    def test_under_facts(self) -> None:
        facts = multiple_of_32()
        assert facts.minimum_for_positive(H // 32 - 2) == {"H": 96}
        facts.assume(H, "<=", 96)
        assert facts.minimum_for_positive(H // 32 - 2) == {"H": 96}
        assert facts.minimum_for_positive(H // 32 - 3) is None

    @given(trees("H"))
    @settings(deadline=None)
    def test_all_from_it_on_is_positive(self, tree: Tree) -> None:
        least = Facts().minimum_for_positive(build(tree, BY_NAME))
        if least is not None:
            start = least.get("H", 1)
            values = [build(tree, {"H": height}) for height in range(1, start + 300)]
            assert all(isinstance(value, int) and value >= 1 for value in values[start - 1 :])
            assert start == 1 or values[start - 2] < 1  # type: ignore[operator]
