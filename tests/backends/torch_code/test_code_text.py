"""Names, literals and lines."""

from __future__ import annotations

import ast
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from addnn_spec.backends.torch_code.code_text import WIDTH, flat, layout, literal
from addnn_spec.backends.torch_code.names import (
    Namespace,
    class_name,
    identifier,
    snake_case,
    turn_name,
)
from addnn_spec.backends.torch_code.tree import Dimension, Each, Formula, Name, Star, formula_part
from addnn_spec.backends.torch_code.writer import comment, docstring
from addnn_spec.ops.code import Arg, Call, Code, Infix, Item, Method, Prefix, Seq, Slice

X, Y = Name("x"), Name("y")
SHIFTED = Formula(f"{formula_part(0)} + 1", (Dimension(X, 2),))

LITERALS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda items: st.lists(items, max_size=4).map(tuple),
    max_leaves=12,
)


@given(LITERALS)
def test_a_literal_means_its_value(value: Any) -> None:
    finite = _without_infinities(value)
    assert ast.literal_eval(literal(finite)) == finite


def _without_infinities(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(map(_without_infinities, value))
    return 0.0 if isinstance(value, float) and math.isinf(value) else value


def test_what_is_no_literal_is_refused() -> None:
    with pytest.raises(TypeError):
        literal(object())
    with pytest.raises(TypeError):
        literal([1])


@pytest.mark.parametrize(
    ("tree", "text"),
    [
        (Infix("*", Infix("+", X, Y), 2), "(x + y) * 2"),
        (Infix("+", X, Infix("*", Y, 2)), "x + y * 2"),
        (Infix("-", X, Infix("-", Y, 1)), "x - (y - 1)"),
        (Infix("-", Infix("-", X, Y), 1), "x - y - 1"),
        (Infix("@", X, Infix("/", Y, X)), "x @ (y / x)"),
        (Infix("**", X, 2), "x**2"),
        (Infix("**", Prefix("-", X), 2), "(-x) ** 2"),
        (Infix("**", X, -2), "x**-2"),
        (Prefix("-", Infix("**", X, 2)), "-(x**2)"),
        (Infix("**", Call("f", (Arg(X),)), 2), "f(x) ** 2"),
        (Prefix("-", Infix("+", X, Y)), "-(x + y)"),
        (Method(Infix("+", X, Y), "flatten", (Arg(1),)), "(x + y).flatten(1)"),
        (Method(-1, "bit_length"), "(-1).bit_length()"),
        (Item(X, (Slice(None, None), 0)), "x[:, 0]"),
        (Item(X, (Slice(None, Dimension(Y, 1)),)), "x[: y.shape[1]]"),
        (Item(X, (Slice(1, None, 2), Slice(None, None, 3))), "x[1::2, ::3]"),
        (Item(X, (Slice(None, Dimension(Y, 1), 2),)), "x[: y.shape[1] : 2]"),
        (Item(X, (Slice(Dimension(Y, 1), None, 2),)), "x[y.shape[1] :: 2]"),
        (Item(X, (Slice(Name("in_channels"), None),)), "x[in_channels:]"),
        (Item(X, (-1,)), "x[-1]"),
        (Seq((X,)), "(x,)"),
        (Seq((X, Y), brackets=True), "[x, y]"),
        (Call("f", (Arg(X), Arg("row", "mode"))), 'f(x, mode="row")'),
        (Call("f", (Arg(Each(Call("range", (Arg(3),)), X, ("_",))),)), "f(x for _ in range(3))"),
        (Star(Each(Y, X, ("a", "b"))), "*(x for a, b in y)"),
        (
            Infix("*", 2, Formula(f"{formula_part(0)} + 1", (Dimension(X, 2),))),
            "2 * (x.shape[2] + 1)",
        ),
    ],
)
def test_an_expression_keeps_its_meaning(tree: Code, text: str) -> None:
    assert flat(tree) == text


def test_a_long_call_has_an_argument_a_line() -> None:
    tree = Call("combine", tuple(Arg(Name(f"argument_{i}" * 3)) for i in range(4)))
    rows = [line.text for line in layout(tree, 1, "y = ")]
    assert rows[0] == "    y = combine("
    assert rows[1] == "        argument_0argument_0argument_0,"
    assert rows[-1] == "    )"
    assert all(len(row) <= WIDTH for row in rows)


def test_names_are_free_and_valid() -> None:
    names = Namespace(["conv"])
    assert names.unique("conv") == "conv_2"
    assert names.unique("conv") == "conv_3"
    assert names.unique("len") == "len_2"
    assert names.unique("for") == "for_2"
    assert names.unique("torch") == "torch_2"
    assert names.unique("encoder.layer.0") == "encoder_layer_0"
    assert identifier("0") == "_0"
    assert class_name("mask_head") == "MaskHead"
    assert class_name("transition2") == "Transition"
    assert class_name("0") == "Block"
    assert snake_case("SqueezeExcitation") == "squeeze_excitation"
    assert snake_case("ReLU") == "relu"


@given(st.text())
def test_a_comment_cannot_end_itself(text: str) -> None:
    """A lone carriage return ends a comment for Python, and what follows would run."""
    written = comment(text)
    assert written.splitlines() in ([], [written])
    assert all(c.isprintable() for c in written)


@given(st.text())
def test_a_docstring_is_one_string(text: str) -> None:
    rows = [line.text for line in docstring(text, 0)]
    body = ast.parse("\n".join(rows)).body
    assert len(body) <= 1
    assert all(isinstance(s, ast.Expr) and isinstance(s.value, ast.Constant) for s in body)


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("encoder.layers", "layer"),
        ("block", "block"),
        ("cross", "cross"),
        ("ys", "layer"),
        ("lambdas", "layer"),
        ("a-b", "layer"),
    ],
)
def test_what_goes_through_a_list_is_called_after_it(path: str, name: str) -> None:
    assert turn_name(path) == name
