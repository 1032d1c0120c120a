"""Symbolic sizes: the normal form, against integer arithmetic."""

from __future__ import annotations

import ast
import math
import random
from typing import TYPE_CHECKING

import pytest
import sympy
from hypothesis import given, settings
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
    source,
    substitute,
    symbols,
)
from tests.size_trees import (
    BY_NAME,
    VALUES,
    H,
    N,
    T,
    Tree,
    W,
    build,
    calculate,
    points,
    polynomials,
    repeated,
    trees,
)
from tests.support import examples

if TYPE_CHECKING:
    from collections.abc import Callable


class TestArithmetic:
    @given(trees("HNW"), VALUES)
    @settings(max_examples=examples(100), deadline=None)
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
    @settings(max_examples=examples(100), deadline=None)
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
