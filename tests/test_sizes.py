"""Symbolic sizes: what the normal form and the proofs claim, against integer arithmetic."""

from __future__ import annotations

import ast
import itertools
import math
import operator
import random
from typing import TYPE_CHECKING

import pytest
import sympy
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from addnn_spec.sizes import (
    Facts,
    Size,
    SizeError,
    Symbol,
    SymbolicSize,
    ceil_div,
    defaults,
    evaluate,
    maximum_of,
    minimum_of,
    source,
    substitute,
    symbols,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

N, H, W, T = (
    SymbolicSize.of(Symbol(name, default))
    for name, default in [("N", 1), ("H", 224), ("W", 192), ("T", 7)]
)
BY_NAME = {"H": H, "N": N, "W": W}
COMPARISONS: dict[str, Callable[[int, int], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}

Tree = int | str | tuple[str, "Tree", "Tree"]


def build(tree: Tree, leaves: Mapping[str, Size]) -> Size:
    """The tree's value, over sizes or, with numbers as leaves, by Python's own arithmetic."""
    if isinstance(tree, int):
        return tree
    if isinstance(tree, str):
        return leaves[tree]
    op, left, right = tree
    a, b = build(left, leaves), build(right, leaves)
    if op == "//":
        return a // b
    if op == "%":
        return a % b
    return a + b if op == "+" else a - b if op == "-" else a * b


LEAVES = st.integers(-20, 20)


def combined(children: st.SearchStrategy[Tree]) -> st.SearchStrategy[Tree]:
    return st.tuples(st.sampled_from(["+", "-", "*"]), children, children)


def divided(children: st.SearchStrategy[Tree]) -> st.SearchStrategy[Tree]:
    division = st.tuples(st.sampled_from(["//", "%"]), children, st.integers(1, 9))
    return st.one_of(combined(children), division)


def trees(names: str) -> st.SearchStrategy[Tree]:
    leaves: st.SearchStrategy[Tree] = st.one_of(LEAVES, st.sampled_from(names))
    return st.recursive(leaves, divided, max_leaves=8)


def polynomials(names: str) -> st.SearchStrategy[Tree]:
    leaves: st.SearchStrategy[Tree] = st.one_of(LEAVES, st.sampled_from(names))
    return st.recursive(leaves, combined, max_leaves=8)


def calculate(node: ast.expr, values: Mapping[str, int]) -> int:
    """The value of a parsed Python expression, such as `source` writes."""
    if isinstance(node, ast.Name):
        return values[node.id]
    if isinstance(node, ast.Constant):
        assert isinstance(node.value, int)
        return node.value
    if isinstance(node, ast.UnaryOp):
        assert isinstance(node.op, ast.USub)
        return -calculate(node.operand, values)
    assert isinstance(node, ast.BinOp)
    known: dict[type[ast.operator], Callable[[int, int], int]] = {
        ast.Add: operator.add,
        ast.Sub: operator.sub,
        ast.Mult: operator.mul,
        ast.FloorDiv: operator.floordiv,
        ast.Mod: operator.mod,
        ast.Pow: operator.pow,
    }
    return known[type(node.op)](calculate(node.left, values), calculate(node.right, values))


def points(count: int = 50) -> list[dict[str, int]]:
    generator = random.Random(1)
    return [{name: generator.randint(1, 400) for name in BY_NAME} for _ in range(count)]


def repeated(step: Callable[[Size], Size], times: int) -> Size:
    size: Size = H
    for _ in range(times):
        size = step(size)
    return size


VALUES = st.fixed_dictionaries({name: st.integers(-60, 400) for name in BY_NAME})


class TestArithmetic:
    @given(trees("HNW"), VALUES)
    @settings(max_examples=400, deadline=None)
    def test_agrees_with_integers(self, tree: Tree, values: dict[str, int]) -> None:
        assert evaluate(build(tree, BY_NAME), values) == build(tree, values)

    @given(trees("HNW"), VALUES)
    @settings(deadline=None)
    def test_source_is_the_size(self, tree: Tree, values: dict[str, int]) -> None:
        text = source(build(tree, BY_NAME), {"H": "a.shape[0]"})
        assert calculate(ast.parse(text.replace("a.shape[0]", "H"), mode="eval").body, values) == (
            build(tree, values)
        )

    @given(trees("HN"), trees("HN"))
    @settings(max_examples=400, deadline=None)
    def test_equal_forms_are_equal(self, left: Tree, right: Tree) -> None:
        a, b = build(left, BY_NAME), build(right, BY_NAME)
        if a == b:
            assert hash(a) == hash(b)
            for values in points():
                assert build(left, values) == build(right, values)

    @given(trees("HN"), trees("HN"), st.integers(1, 12))
    @settings(deadline=None)
    def test_multiples_leave_a_floor(self, left: Tree, right: Tree, divisor: int) -> None:
        a, b = build(left, BY_NAME), build(right, BY_NAME)
        assert (divisor * a + b) // divisor == a + b // divisor

    @given(polynomials("H"), st.integers(1, 9), st.integers(1, 9), st.integers(-30, 30))
    @settings(deadline=None)
    def test_floors_of_floors_merge(self, tree: Tree, b: int, d: int, c: int) -> None:
        a = build(tree, BY_NAME)
        nested, merged = (a // b + c) // d, (a + b * c) // (b * d)
        assert Facts().equal(nested, merged) is True
        assert nested == merged or d % 2 == 0  # halves have several forms

    @given(trees("HNW"), trees("HN"), VALUES)
    @settings(deadline=None)
    def test_substitution(self, tree: Tree, inner: Tree, values: dict[str, int]) -> None:
        outer = substitute(build(tree, BY_NAME), {"W": build(inner, BY_NAME)})
        width = build(inner, values)
        assert isinstance(width, int)
        assert evaluate(outer, values) == build(tree, {**values, "W": width})

    @given(st.lists(st.sampled_from(["H", "N", "W"]), min_size=1, max_size=6), st.randoms())
    @settings(deadline=None)
    def test_order_of_construction_does_not_show(
        self, names: list[str], generator: random.Random
    ) -> None:
        shuffled = names[:]
        generator.shuffle(shuffled)
        terms = [BY_NAME[name] * BY_NAME[name] // 3 + BY_NAME[name] for name in names]
        others = [BY_NAME[name] + BY_NAME[name] * BY_NAME[name] // 3 for name in shuffled]
        a: Size = sum(terms)
        b: Size = sum(others)
        assert a == b
        assert hash(a) == hash(b)
        assert str(a) == str(b)

    @given(polynomials("HN"), polynomials("HN"))
    @settings(deadline=None)
    def test_expansion_agrees_with_sympy(self, left: Tree, right: Tree) -> None:
        names = {name: sympy.Symbol(name, integer=True) for name in BY_NAME}
        a, b = build(left, BY_NAME), build(right, BY_NAME)
        ours = sympy.sympify(str(a * b), locals=names)
        theirs = build(left, names) * build(right, names)
        assert sympy.expand(ours - theirs) == 0

    def test_resnet_divides_by_32_in_one_floor(self) -> None:
        size: Size = H
        for kernel, padding in [(7, 3), (3, 1), (3, 1), (3, 1), (3, 1)]:
            size = (size + 2 * padding - kernel) // 2 + 1
        assert str(size) == "floor((H + 31)/32)"
        assert size == (H + 31) // 32
        assert defaults(size) == 7
        assert evaluate(size, {"H": 225}) == 8

    def test_rounding_up(self) -> None:
        assert ceil_div(H, 7) == (H + 6) // 7 == -(-H // 7)
        assert ceil_div(22, 7) == 4
        for height in range(1, 60):
            assert evaluate(ceil_div(H * 3 + 1, 4), {"H": height}) == -(-(height * 3 + 1) // 4)

    @pytest.mark.parametrize(("kernel", "stride", "padding"), [(2, 2, 0), (3, 2, 1), (3, 3, 0)])
    def test_ceil_mode(self, kernel: int, stride: int, padding: int) -> None:
        """The last window must start inside the input or the left padding, as torch has it."""
        size = ceil_div(H + min(2 * padding - kernel + stride, padding), stride)
        for height in range(kernel, 50):
            windows = -(-(height + 2 * padding - kernel) // stride) + 1
            if (windows - 1) * stride >= height + padding:
                windows -= 1
            assert evaluate(size, {"H": height}) == windows

    def test_padding_to_windows(self) -> None:
        padded = W + (7 - W % 7) % 7
        assert padded == 7 * ((W + 6) // 7)
        assert padded // 7 == (W + 6) // 7
        assert padded % 7 == 0

    @pytest.mark.parametrize("constant", [H - H, 0 * H, H * 2 // 2 - H, (4 * H + 3) // 4 - H, H**0])
    def test_what_is_constant_is_an_int(self, constant: Size) -> None:
        assert type(constant) is int

    def test_powers(self) -> None:
        assert (H + 1) ** 2 == H * H + 2 * H + 1

    def test_an_exponent_is_a_whole_number(self) -> None:
        for base in (2, W):
            with pytest.raises(SizeError, match="an exponent is a whole number"):
                base**H
        with pytest.raises(SizeError, match="exponent"):
            H**-1

    def test_misuse(self) -> None:
        with pytest.raises(TypeError, match="truth value"):
            bool(H)
        divisions: list[Callable[[], Size]] = [
            lambda: H // W,
            lambda: H % W,
            lambda: 8 // H,
            lambda: 8 % H,
            lambda: H // 0,
            lambda: H % -2,
            lambda: ceil_div(H, 0),
        ]
        for division in divisions:
            with pytest.raises(SizeError):
                division()
        with pytest.raises(TypeError):
            H + 0.5  # type: ignore[operator]

    def test_missing_value(self) -> None:
        with pytest.raises(SizeError, match="W has no value"):
            evaluate(H + W, {"H": 3})

    def test_names_make_symbols_equal_and_keep_their_own_defaults(self) -> None:
        other = SymbolicSize.of(Symbol("H", 32))
        assert other // 3 == H // 3
        assert hash(other // 3) == hash(H // 3)
        assert (defaults(other // 3), defaults(H // 3)) == (10, 74)


class TestLimits:
    def test_large_products_are_fine(self) -> None:
        size: Size = H
        for _ in range(64):
            size = size * 10**9
        assert evaluate(size, {"H": 2}) == 2 * 10**576

    def test_too_large(self) -> None:
        with pytest.raises(SizeError, match="too large a number"):
            H * 2**4000
        with pytest.raises(SizeError, match="too large"):
            H**65
        with pytest.raises(SizeError, match="too large"):
            (H + W + N + T) ** 12

    @pytest.mark.parametrize("step", [lambda s: (2 * s + 1) // 3, lambda s: (s * s + s) // 3])
    def test_divisions_within_divisions(self, step: Callable[[Size], Size]) -> None:
        with pytest.raises(SizeError, match="too large"):
            repeated(step, 10_000)

    def test_many_facts(self) -> None:
        """Facts that share terms are not tried in all combinations."""
        facts = Facts()
        for number in range(2, 40):
            facts.assume(number * H * W - (number + 1) * N, "<=", number * T * T)
        assert facts.compare(2 * H * W - 3 * N, "<=", 2 * T * T + 1) is True
        assert facts.compare(H * W * N, "<=", T) is None


class TestText:
    @pytest.mark.parametrize(
        ("size", "text"),
        [
            (H, "H"),
            (4 * H, "4*H"),
            (T * N, "N*T"),
            (W + H * H + 3 + H, "H**2 + H + W + 3"),
            (-H + 1, "-H + 1"),
            (H // 2 * W, "W*floor(H/2)"),
            (2 * H // 3, "H - floor((H + 2)/3)"),
            (H % 32, "H % 32"),
            (2 * ((H + 1) % 4) - 5, "2*((H + 1) % 4) - 5"),
        ],
    )
    def test_readable(self, size: Size, text: str) -> None:
        assert str(size) == text

    @pytest.mark.parametrize(
        ("size", "text"),
        [
            ((H + 31) // 32, "(x.shape[2] + 31) // 32"),
            (-(H // 2), "-(x.shape[2] // 2)"),
            (3 * (H // 2) * N, "3 * N * (x.shape[2] // 2)"),
            (H**2 - N, "x.shape[2] ** 2 - N"),
            (5, "5"),
        ],
    )
    def test_source(self, size: Size, text: str) -> None:
        assert source(size, {"H": "x.shape[2]"}) == text

    def test_a_product_of_many_symbols_is_one_term(self) -> None:
        names = [f"S{i}" for i in range(60)]
        product = math.prod((SymbolicSize.of(Symbol(name)) for name in names), start=1)
        assert source(product) == " * ".join(sorted(names))

    @pytest.mark.parametrize("count", [2, 8, 9, 40])
    def test_a_product_of_many_halves_is_no_sum_of_all_their_products(self, count: int) -> None:
        """Written out, (S0 - 1)/2 * (S1 - 1)/2 * … has 2**count terms."""
        facts, names = Facts(), [f"S{i}" for i in range(count)]
        odd = [SymbolicSize.of(Symbol(name)) for name in names]
        for size in odd:
            facts.assume(size % 2, "==", 1)
        product = math.prod((facts.normal(size // 2) for size in odd), start=1)
        values = {name: 2 * i + 3 for i, name in enumerate(names)}
        tree = ast.parse(source(product), mode="eval").body
        assert calculate(tree, values) == math.factorial(count)
        assert len(str(product)) < 5_000

    def test_symbols_are_in_order_of_name(self) -> None:
        assert [symbol.name for symbol in symbols(W * N + H // 2)] == ["H", "N", "W"]
        assert symbols(3) == ()


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
    @settings(max_examples=400, deadline=None)
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
    @settings(max_examples=400, deadline=None)
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
    @settings(max_examples=200, deadline=None)
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
