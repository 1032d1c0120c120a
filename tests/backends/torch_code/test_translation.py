"""Expressions of the language as Python: both are computed, and give the same.

The elaborator says what an expression is worth; Python is asked by the translation's own text.
"""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from addnn_spec.backends.torch_code import emit
from addnn_spec.backends.torch_code.code_text import flat
from addnn_spec.backends.torch_code.python import Unreadable, value_of
from addnn_spec.backends.torch_code.readings import BlockText
from addnn_spec.backends.torch_code.translation import Functions, Translator, python_name, size_name
from addnn_spec.backends.torch_code.tree import Name, Tree
from addnn_spec.compiler import Session
from addnn_spec.diagnostics import Collector
from addnn_spec.graph import Graph
from addnn_spec.runtime.build import import_source
from addnn_spec.source import Source
from addnn_spec.syntax import ast
from addnn_spec.syntax.parser import parse
from addnn_spec.values import show
from tests.support import examples

NAMES = ("n", "k", "r", "s", "on", "off", "ws", "fs", "word")
USES: tuple[tuple[Any, ...], ...] = (
    (6, 4, 0.5, 2.5, True, False, (3, 5, 8), (0.5, 2.0), "abc"),
    (-7, 3, -1.25, 0.1, False, True, (2,), (-0.5, 1.0, 1e-3), ""),
    (0, -2, 0.0, 1e6, True, True, (1, 1, 0, -4), (1.0,), "b"),
    (1, 1, 1.0, -3.0, False, False, (1, 2), (0.0, 0.0), "1"),
)
"""What the names are worth: numbers below, at and above 0, whole and not; lists of one item."""

EXPRESSIONS = (
    "n + k", "n - k", "n * k", "n / k", "n // k", "n % k", "n ** k", "-n", "-n ** 2", "(-n) ** 2",
    "n + r", "r - s", "r * s", "r / s", "r // s", "r % s", "s ** r", "2 ** -k", "n / 2", "7 // -2",
    "-7 // 2", "-7 % 3", "7 % -3", "r // 0.3", "n - (k - 1)", "n / k / 2", "n // (k // 2)",
    "n == k", "n != k", "n < k", "n <= r", "r > s", "n >= 1", "n == 1.0", "r == 0", "1 == 1.0",
    "on == off", "on != off", "on == true", "off == false", "on != true", "not on", "on and off",
    "on or off", "not (on and n > k)", "on and n > 0 or off", "n == none",
    "word == none", 'word == "abc"', 'word != "b"', 'word < "b"', 'word + "x"', "len(word)",
    '"b" in word', 'word in ["abc", ""]', "n in ws", "n not in ws", "n in [0, 6]", "r in fs",
    "ws == [1, 2]", "ws != [2]", "ws == fs", "[n, k] == [1, 1]", "[1, 2] == [1.0, 2.0]",
    "ws + [n]", "ws * 2", "[0] * k", "[n, r, on]", "ws[0]", "ws[-1]", "ws[k]", "ws[1:]", "ws[:k]",
    "ws[::2]", "ws[::-1]", "ws[-2:-1]", "fs[1:][0]", "[n, k][-1]", "(ws + fs)[-1]", "len(ws)",
    "len(ws[1:])", "abs(n)", "abs(r)", "ceil(r)", "floor(r)", "ceil(n / 4)", "floor(-n / 4)",
    "int(r)", "int(s)", "int(on)", "int(-2.5)", "float(n)", "round(r)", "round(s)", "round(n / 2)",
    "round(2.5)", "round(-0.5)", "sqrt(n)", "sqrt(s)", "log(s)", "log2(k)", "log(n + 8)",
    "min(n, k)", "max(n, r)", "min(ws)", "max(fs)", "max(n, k, 2)", "min([n, 0])", "sum(ws)",
    "sum(fs)", "sum([])", "sum(range(4))", "max(range(1, 5))", "range(3)", "range(1, 4)",
    "range(6, 0, -2)", "range(n)", "3 in range(n)", "range(5)[k]", "range(9)[2:4]",
    "range(3) == [0, 1, 2]", "range(2) + ws", "reversed(ws)", "reversed(ws)[0]",
    "reversed(range(4))", "reversed(fs) == fs", "zip(ws, ws)", "zip(ws, ws)[0]", "len(zip(fs, fs))",
    "enumerate(ws)", "enumerate(ws, k)", "enumerate(fs)[0][1]", "enumerate(reversed(ws))",
    "linspace(0, 1, 5)", "linspace(n, r, 3)", "linspace(r, s, k)", "linspace(r, s, 1)",
    "linspace(0, s, 4)[-1]", "linspace(0, s, 4)[2]", "linspace(1, 0, k + 1)[k]",
    "linspace(0, 1, 0)", "len(linspace(0, 1, 7))", "linspace(r, r, 3)[1]",
    "[2 * w for w in ws]", "[w for w in ws if w > 1]", "[a * b for a in ws for b in ws if a != b]",
    "[i * w for i, w in enumerate(ws)]", "[a + b for a, b in zip(ws, reversed(ws))]",
    "[i for i in 0..4]", "[i + n for i in k..6]", "[i for i, (a, b) in enumerate(zip(ws, ws), 2)]",
    "[[i * j for j in range(3)] for i in ws]", "[w for w in ws] + [1]", "[w for w in ws] == ws",
    "[w for w in ws][0]", "sum([w / 2 for w in ws])",
    "[if w > 1 then w else 0 for w in ws]", "[w for w in ws[1:] + [n]]",
    "if on then n else r", "if n > k then (if on then 1 else 2) else 3", "if on then ws else fs",
    "(if off then n else k) * 2", "not (if on then off else true)",
)  # fmt: skip
OTHERWISE = ("on == 1", "[on] == [1]", "1 in [on, 2]", "[1, on] == [1, 1]", "(n, on) in [(n, 1)]")
"""Where Python finds a number equal to True: no use of a class may rest on it."""


def use_of(expr: str, values: tuple[Any, ...]) -> Graph | None:
    """Return the graph of a block that computes an expression; None where that is a mistake."""
    given = ", ".join(show(value) for value in values)
    text = (
        f"block B({', '.join(NAMES)}) {{ let v = {expr} return x -> a: Linear(2) }}\n"
        f"network Test {{ input x: float[N, 4] output y = x -> b: B({given}) }}"
    )
    graph = Session(Source("test.net", text)).graph("Test")
    return None if graph is None else next(n.calls for n in graph.nodes() if n.calls is not None)


def trees_of(graph: Graph) -> list[Tree]:
    assert graph.definition is not None
    text = BlockText(graph.definition, {"x": 2}, Functions())
    return list(text.expression(text.lets["v"]))


def asked(tree: Tree, values: tuple[Any, ...]) -> Any:
    """Return what Python makes of the text."""
    return eval(flat(tree), {"math": math, **dict(zip(NAMES, values, strict=True))})


def both(expr: str, values: tuple[Any, ...]) -> tuple[Any, Any] | None:
    """Return what the elaborator makes of an expression, and Python; None where it is a mistake."""
    graph = use_of(expr, values)
    if graph is None:
        return None
    trees = trees_of(graph)
    if not trees:  # a list in a list has variables of its own
        return None
    tree = trees[0]
    found = asked(tree, values)
    names = dict(zip(NAMES, values, strict=True))
    assert repr(value_of(tree, names.__getitem__, {})) == repr(found)  # it is what is checked
    return dict(graph.lets)["v"], found


@pytest.mark.parametrize("expr", EXPRESSIONS)
def test_python_gives_what_the_elaborator_gives(expr: str) -> None:
    found = [pair for pair in (both(expr, values) for values in USES) if pair is not None]
    assert found, "no use computes it"
    for wanted, python in found:
        assert repr(python) == repr(wanted)


@pytest.mark.parametrize("expr", OTHERWISE)
def test_a_number_that_python_takes_for_true_is_told_from_it(expr: str) -> None:
    assert both(expr, USES[0]) == (False, True)
    assert [both(expr, values) for values in USES[1:2]] == [(False, False)]


SIGNS = st.sampled_from(["+", "-", "*", "/", "//", "%", "**"])
ORDERS = st.sampled_from(["<", "<=", "==", "!=", ">", ">="])
ONE = st.sampled_from(["abs", "int", "round", "floor", "ceil", "float", "sqrt", "log", "log2"])
NUMBERS = st.recursive(
    st.sampled_from(["n", "k", "r", "s", "0", "1", "2", "-3", "0.5", "len(ws)", "ws[0]"]),
    lambda part: st.one_of(
        st.builds("({} {} {})".format, part, SIGNS, part),
        st.builds("-{}".format, part),
        st.builds("{}({})".format, ONE, part),
        st.builds("{}({}, {})".format, st.sampled_from(["min", "max"]), part, part),
        st.builds("(if {} {} {} then {} else {})".format, part, ORDERS, part, part, part),
        st.builds("(if on and {} {} {} then {} else {})".format, part, ORDERS, part, part, part),
        st.builds("sum([w {} {} for w in ws])".format, SIGNS, part),
        st.builds("linspace({}, {}, 4)[{}]".format, part, part, st.sampled_from("0123")),
    ),
    max_leaves=5,
)  # fmt: skip
WHOLE = st.integers(-9, 9)
FLOATS = st.one_of(st.sampled_from([0.0, -0.0, 0.5, 1.0, -2.5, 1e-3]), st.floats(-1e3, 1e3))
VALUES = st.tuples(
    WHOLE, WHOLE, FLOATS, FLOATS, st.booleans(), st.booleans(),
    st.lists(WHOLE, min_size=1, max_size=4).map(tuple),
    st.lists(FLOATS, min_size=1, max_size=3).map(tuple), st.just("a"),
)  # fmt: skip


@settings(max_examples=examples(150), deadline=None)
@given(NUMBERS, VALUES)
def test_random_expressions_over_random_numbers(expr: str, values: tuple[Any, ...]) -> None:
    found = both(expr, values)
    if found is not None:
        wanted, python = found
        assert python == wanted and type(python) is type(wanted), (expr, values)


@settings(max_examples=examples(40), deadline=None)
@given(NUMBERS, VALUES, VALUES)
def test_a_function_of_the_file_gives_what_the_elaborator_gives(
    expr: str, one: tuple[Any, ...], other: tuple[Any, ...]
) -> None:
    """It is called by an emitted class with the numbers of one use; others give the same, too."""
    heads = ", ".join(NAMES)

    def text(values: tuple[Any, ...]) -> str:
        given = ", ".join(show(value) for value in values)
        return (
            f"fn f({heads}) = {expr}\n"
            f"block B({heads}) {{ let v = f({heads}) return x -> LeakyReLU(v) -> a: Linear(2) }}\n"
            f"network Test {{ input x: float[N, 4] output y = x -> b: B({given}) }}"
        )

    graphs = [Session(Source("test.net", text(values))).graph("Test") for values in (one, other)]
    if graphs[0] is None or graphs[1] is None:
        return
    module: Any = import_source(emit(graphs[0]).text, "Test")
    if not hasattr(module, "f"):  # what comes to the same in all uses by its type alone
        return
    called = next(n.calls for n in graphs[1].nodes() if n.calls is not None)
    assert module.f(*other) == dict(called.lets)["v"]


def test_a_number_is_no_condition() -> None:
    """It is compared with `true` here: what Python makes of it is not what any use has."""
    assert both("n == true", USES[0]) == (False, 6)
    assert both("n != false", USES[0]) == (True, 6)


# --- what has no translation ----------------------------------------------------------------------
class Names:
    """A scope with a parameter `n`, a file's constant `c`, and the input `x` of rank 4."""

    functions = Functions()

    def is_local(self, name: str) -> bool:
        return name in ("n", "i", "lambda")

    def constant(self, name: str, otherwise: Any) -> Any:
        return {"c": 5, "none_": None, "layer": object()}.get(name, otherwise)

    def size(self, name: str, dim: int) -> Name:
        if name != "x":
            raise Unreadable
        return size_name(name, dim % 4)


def translated(expr: str, division: str = "/") -> str:
    (item,) = parse(Source("test.net", f"let a = {expr}"), Collector()).items
    assert isinstance(item, ast.Let)
    return flat(Translator(Names(), division).translate(item.value))


@pytest.mark.parametrize(
    ("expr", "python"),
    [
        ("n + c", "n + 5"),  # a constant of the file is its value
        ("n == none", "n is None"),
        ("n != none_", "n is not None"),
        ("n == true", "n"),
        ("n != true", "not n"),
        ("n == false", "not n"),
        ("lambda * 2", "lambda_ * 2"),
        ("[lambda for lambda in [n]]", "tuple(lambda_ for lambda_ in (n,))"),
        ("x.channels", "x.shape[1]"),
        ("x.length", "x.shape[1]"),
        ("x.features", "x.shape[3]"),
        ("x.height // n", "x.shape[2] // n"),
        ("x.width", "x.shape[3]"),
        ("x.shape[-2]", "x.shape[2]"),
        ("[1, [2, 3]]", "(1, (2, 3))"),
        ("[n, (2, 3)]", "(n, (2, 3))"),
        ("(n)", "n"),
        ('"{{a}}"', '"{a}"'),
        ("reversed(n)[1]", "n[-2]"),
        ("reversed(n)", "n[::-1]"),
        ("sum([w for w in n])", "sum([w for w in n])"),
        ("[w for w in n] == n", "tuple(w for w in n) == n"),
        ("[w for w in [v for v in n]]", "tuple(w for w in [v for v in n])"),
        ("[a for a, b in zip(n, [1, 2])]", "tuple(a for a, b in zip(n, (1, 2), strict=True))"),
        ("zip(n, n)", "tuple(zip(n, n, strict=True))"),
        ("4 in range(n)", "4 in range(n)"),
        ("range(n) == [0]", "tuple(range(n)) == (0,)"),
        ("linspace(0, n, 5)[1]", "n / 4"),
        ("linspace(n, 1, i)", "tuple(n + (1 - n) * j / max(i - 1, 1) for j in range(i))"),
        ("[j + linspace(0, n, 3)[i] for j in [1]]",
         "tuple(j + [n * k / 2 for k in range(3)][i] for j in (1,))"),
    ],
)  # fmt: skip
def test_a_translation(expr: str, python: str) -> None:
    assert translated(expr) == python


def test_a_division_may_be_a_whole_one() -> None:
    """Of sizes the text's is exact: Python has another sign for it."""
    assert translated("n / c + 7 // n", "//") == "n // 5 + 7 // n"


@pytest.mark.parametrize(
    "expr",
    [
        "y", "layer", "y.channels", "x.rank", "x.dtype", "n.channels[0]", "x.shape", "y.shape[0]",
        "x.shape[n]", "x[0, 1]", '"a{n}"', "unknown(n)", "n(2)", "max(n, key = 2)", "layer(2)",
        "range(n, stop = 2)", "ReLU", "kaiming_normal", "[w for w in n for w in n]",
        "linspace(0, 1)", "reversed(n, n)",
    ],
)  # fmt: skip
def test_what_a_class_cannot_say_has_no_translation(expr: str) -> None:
    with pytest.raises(Unreadable):
        translated(expr)


@pytest.mark.parametrize(
    ("name", "python"),
    [("width", "width"), ("lambda", "lambda_"), ("nn", "nn_"), ("self", "self_"), ("F", "F_")],
)
def test_a_name_that_is_taken_has_an_underscore(name: str, python: str) -> None:
    assert python_name(name) == python
