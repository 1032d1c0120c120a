"""Turns that are written out say what the text says: its variables are items of what it goes
through; and sizes that are sums or parts of others.
"""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from addnn_spec.backends.torch_code.python import value_of
from addnn_spec.backends.torch_code.tree import Choice, Name, Tree, walk
from addnn_spec.backends.torch_code.unrolled import simplified
from addnn_spec.ops.code import Infix, Item, Prefix, Seq
from tests.backends.torch_code.emitted import source_of
from tests.backends.torch_code.test_readings import check_weights


def network(block: str, *uses: str) -> str:
    chain = " -> ".join(f"u{place}: {use} -> Linear(8)" for place, use in enumerate(uses))
    return f"{block}\nnetwork Test {{ input x: float[N, 8] output y = x -> {chain} }}"


@pytest.mark.parametrize(
    ("header", "width", "first", "second"),
    [
        ("w in widths", "w", "widths[0]", "widths[1]"),
        ("i in 0..2", "widths[i]", "widths[0]", "widths[1]"),
        ("i in 1..3", "widths[0] * i", "widths[0]", "2 * widths[0]"),
        ("i, w in enumerate(widths, 1)", "w + i", "widths[0] + 1", "widths[1] + 2"),
        ("w in reversed(widths)", "w", "widths[-1]", "widths[-2]"),
        ("w, k in zip(widths, [2, 3])", "k * w", "2 * widths[0]", "3 * widths[1]"),
        ("i in reversed(range(2))", "widths[i]", "widths[1]", "widths[0]"),
        ("i, z in enumerate([x, x])", "widths[i]", "widths[0]", "widths[1]"),
    ],
)
@pytest.mark.parametrize(
    "body",
    [
        "y = [] for {header} {{ y = y + [x -> Linear({width})] }}",
        "y = [x -> Linear({width}) for {header}]",
    ],
    ids=["for", "list"],
)
def test_a_loops_variable_is_an_item(
    body: str, header: str, width: str, first: str, second: str
) -> None:
    block = f"block B(widths) {{ {body.format(header=header, width=width)} return y -> Concat }}"
    text = network(block, "B([3, 5])", "B([4, 7])")
    source = source_of(text)
    assert re.findall(r"nn\.Linear\((?:in_features|8), (.*?)\)\n", source)[:2] == [first, second]
    check_weights(text)


def test_the_last_turn_of_as_many_as_a_use_has_is_counted_from_the_end() -> None:
    block = (
        "block B(n) { return x -> all: { for i in 0..n { Linear(2 ** i) -> ReLU } } "
        "-> out: Linear(8) }"
    )
    text = network(block, "B(2)", "B(3)")
    assert "self.out = nn.Linear(2 ** (n - 1), 8)" in source_of(text)
    check_weights(text)


def test_a_list_of_lists_says_the_items_of_both() -> None:
    block = (
        "block B(widths, k) { y = [x -> Linear(w * i) for w in widths for i in 1..k if i > 1] "
        "return y -> Concat }"
    )
    text = network(block, "B([3, 5], 3)", "B([4, 7], 3)")
    found = re.findall(r"nn\.Linear\(in_features, (.*?)\)\n", source_of(text))
    assert found == ["2 * widths[0]", "2 * widths[1]"]
    check_weights(text)


def test_a_condition_in_a_loop_is_what_is_left_of_it() -> None:
    block = (
        "block B(width, first) { return x -> all: { for i in 0..2 "
        "{ if first or i > 0 { ReLU } -> Linear(width) } } }"
    )
    text = network(block, "B(3, true)", "B(4, false)")
    source = source_of(text)
    assert "if first:" in source
    assert "if first or" not in source
    check_weights(text)


def test_the_number_of_a_table_is_written_where_all_uses_have_it() -> None:
    block = (
        "block B(rows) { for row in rows { for w in row { x = x -> Linear(w) } } return x -> ReLU }"
    )
    source = source_of(network(block, "B([[3], [4]])", "B([[3], [5]])"))
    assert "Linear(8, 3)" in source.replace("in_features", "8")
    assert "rows[1][0]" in source


def test_names_for_the_items_of_a_list_are_local_variables() -> None:
    block = "block B(pair) { let a, b = pair return x -> Linear(a * b) -> ReLU -> Linear(b) }"
    source = source_of(network(block, "B([3, 2])", "B([4, 7])"))
    assert "a = pair[0]" in source
    assert "a * b" in source


def test_what_is_joined_has_the_sum_of_the_sizes() -> None:
    block = (
        "block B(n, k) { a = x -> Linear(n) b = x -> Linear(k) "
        "y = (a, b) -> Concat return y -> out: Linear(x.features) }"
    )
    text = network(block, "B(3, 5)", "B(4, 4)", "B(9, 2)")
    assert "self.out = nn.Linear(n + k, in_features)" in source_of(text)
    check_weights(text)


def test_a_part_has_a_part_of_the_size() -> None:
    block = (
        "block B(n) { a, b = x -> mid: Linear(2 * n) -> Chunk(2) "
        "return a * b -> out: Linear(x.features) }"
    )
    text = network(block, "B(3)", "B(4)")
    assert re.search(r"self\.out = nn\.Linear\(2 \* n // 2, in_features\)", source_of(text))
    check_weights(text)


def test_what_is_flattened_has_the_product_of_the_sizes() -> None:
    block = (
        "block B(n, k) { y = x -> Linear(n * k) -> Unflatten(1, [n, k]) -> Permute(0, 2, 1) "
        "return y -> Flatten -> out: Linear(x.features) }"
    )
    text = network(block, "B(3, 5)", "B(4, 4)", "B(9, 2)")
    assert "self.out = nn.Linear(k * n, in_features)" in source_of(text)
    check_weights(text)


def test_what_is_stacked_is_as_many_as_are_joined() -> None:
    block = (
        "block B(n) { y = x -> Linear(n) return (y, y, y) -> Stack(2) -> Flatten "
        "-> out: Linear(x.features) }"
    )
    text = network(block, "B(3)", "B(4)")
    assert "self.out = nn.Linear(3 * n, in_features)" in source_of(text)
    check_weights(text)


def test_as_often_as_a_part_goes_into_the_whole_is_the_whole() -> None:
    block = (
        "block B(h) { let d = x.features // h "
        "y = x -> Unflatten(1, [h, d]) -> ReLU return y -> Flatten -> out: Linear(3 * h) }"
    )
    text = network(block, "B(2)", "B(4)")
    assert "self.out = nn.Linear(in_features, 3 * h)" in source_of(text)
    check_weights(text)


def test_what_is_three_times_a_size_by_chance_is_a_number() -> None:
    """Both uses have 6 and 9 there, three times their width; the text has the sums."""
    block = "block B(w, a, b) { return x -> Linear(w) -> Linear(a + b) -> Linear(x.features) }"
    source = source_of(network(block, "B(2, 4, 2)", "B(3, 4, 5)"))
    assert "nn.Linear(w, a + b)" in source


def test_a_modules_arguments_are_read_where_it_is_declared() -> None:
    block = (
        "block B(n) { module f = Linear(n + 1) module g = Linear(n) "
        "return (x -> f -> g) + (x -> f -> ReLU -> g) -> ReLU -> Linear(x.features) }"
    )
    text = network(block, "B(3)", "B(4)")
    source = source_of(text)
    assert "nn.Linear(in_features, n + 1)" in source
    check_weights(text)


_OPERATORS = ("+", "-", "*", "//", "**", "==", "<", "and", "or")
_NUMBERS = st.integers(-3, 9)
_LEAVES = _NUMBERS | st.booleans() | st.sampled_from([Name("a"), Name("b")])


def _grown(inner: st.SearchStrategy[Tree]) -> st.SearchStrategy[Tree]:
    return st.one_of(
        st.builds(Infix, st.sampled_from(list(_OPERATORS)), inner, inner),
        st.builds(Prefix, st.sampled_from(["-", "not"]), inner),
        st.builds(Choice, inner, inner, inner),
        st.builds(lambda a, b, i: Item(Seq((a, b)), (i,)), inner, inner, st.integers(0, 1)),
    )


@given(st.recursive(_LEAVES, _grown, max_leaves=8), _NUMBERS, _NUMBERS)
def test_what_is_left_means_the_same(tree: Tree, a: int, b: int) -> None:
    values = {"a": a, "b": b}.__getitem__
    try:
        expected = value_of(tree, values, {})
    except Exception:  # noqa: BLE001 - what Python would raise is no reading
        return
    found = value_of(simplified(tree), values, {})
    # What is asked of `x and True` is whether it holds.
    asked = any(isinstance(n, Infix) and n.op in ("and", "or") for n in walk(tree))
    assert bool(found) == bool(expected) if asked else found == expected


def test_a_table_in_a_row_of_modules_is_read_by_a_number() -> None:
    block = (
        'block B(rates) { y = [x -> "parts.{i}": Linear(r) for i, r in enumerate(rates)] '
        "return y -> Concat }"
    )
    text = network(block, "B([3, 5, 4])", "B([4, 7, 1])")
    assert "nn.Linear(in_features, rates[i]) for i in range(3)" in source_of(text)
    check_weights(text)


def test_names_in_brackets_are_items_of_items() -> None:
    source = source_of(
        "block Own(rows) { for (a, (b, c)) in rows { "
        "x = x -> Linear(a) -> Linear(b) -> Linear(c) } return x } "
        "network Test { input x: float[N, 8] "
        "output y = x -> u: Own([(3, (4, 5)), (5, (6, 7))]) -> v: Own([(1, (2, 3)), (4, (5, 6))]) }"
    )
    assert "nn.Linear(rows[1][0], rows[1][1][0])" in source
    assert "nn.Linear(rows[1][1][0], rows[1][1][1])" in source
