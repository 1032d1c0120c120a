"""What Python makes of a tree: Python itself is asked, by the tree's own text."""

from __future__ import annotations

import math
from typing import Any

import pytest

from addnn_spec.backends.torch_code.code_text import flat
from addnn_spec.backends.torch_code.python import (
    Unreadable,
    common_type,
    negated,
    type_of,
    value_of,
)
from addnn_spec.backends.torch_code.tree import NONE, Choice, Listing, Name, Tree, Variable
from addnn_spec.ops.code import Arg, Call, Infix, Item, Prefix, Seq, Slice

NAMES: dict[str, Any] = {"n": 6, "k": -4, "r": 0.5, "on": True, "ws": (3, 5, 8), "none": None}
N, K, R, ON, WS, SOME = (Name(name) for name in ("n", "k", "r", "on", "ws", "some"))
BINARY = ("+", "-", "*", "/", "//", "%", "**", "==", "!=", "<", "<=", ">", ">=", "and", "or")
RIGHT: tuple[Tree, ...] = (K, R, 3)
i = Variable("i")

TREES: list[Tree] = [
    *(Infix(op, left, right) for op in BINARY for left in (N, K, R, ON) for right in RIGHT),
    Infix("-", N, Infix("-", K, 1)),
    Infix("**", Prefix("-", N), 2),
    Prefix("-", Infix("**", N, 2)),
    Prefix("not", Infix("and", ON, Infix("<", N, K))),
    Infix("is", Name("none"), NONE),
    Infix("is not", N, NONE),
    Infix("in", 5, WS),
    Infix("not in", 5, WS),
    Infix("==", WS, (3, 5, 8)),
    Infix("+", WS, (1,)),
    Infix("*", WS, 2),
    Infix("*", (0,), N),
    Infix("+", Listing(i, ("i",), (WS,), (True,)), WS),
    Infix("+", Listing(i, ("i",), (WS,), (True,), brackets=True), WS),  # a list is no tuple
    Infix("==", Listing(i, ("i",), (WS,), (True,), brackets=True), WS),
    Choice(N, Infix(">", N, 7), K),
    Choice(Choice(1, ON, 2), Prefix("not", ON), 3),
    Item(WS, (-1,)),
    Item(Seq((N, K)), (1,)),
    Item(WS, (Slice(1, None),)),
    Item(WS, (Slice(K, -1),)),
    Item(WS, (Slice(None, None, -1),)),
    Item(Item(WS, (Slice(None, N),)), (0,)),
    Call("sum", (Arg(Call("range", (Arg(N),))),)),
    Infix("in", 5, Call("range", (Arg(1), Arg(N), Arg(3)))),
    Infix("==", Call("range", (Arg(3),)), (0, 1, 2)),
    Call("tuple", (Arg(Call("range", (Arg(3),))),)),
    Call("tuple", (Arg(Call("zip", (Arg(WS), Arg((1, 2, 3)), Arg(True, "strict")))),)),
    Call("tuple", (Arg(Call("zip", (Arg(WS), Arg((1, 2)), Arg(True, "strict")))),)),
    Call("tuple", (Arg(Call("enumerate", (Arg(Call("reversed", (Arg(WS),))),))),)),
    Call("tuple", (Arg(Call("reversed", (Arg(Call("enumerate", (Arg(WS),))),))),)),
    Call("max", (Arg(N), Arg(K))),
    Call("min", (Arg(WS),)),
    Call("round", (Arg(2.5),)),
    Call("round", (Arg(-0.5),)),
    Call("int", (Arg(Infix("/", K, 3)),)),
    Call("math.floor", (Arg(Infix("/", K, 3)),)),
    Call("math.ceil", (Arg(Infix("/", K, 3)),)),
    Call("math.log2", (Arg(8),)),
    Call("sum", (Arg(WS),)),
    Call("len", (Arg(WS),)),
    Listing(Infix("*", 2, i), ("i",), (WS,), (True,)),
    Listing(i, ("i",), (Call("range", (Arg(N),)),), (Infix(">", Infix("%", i, 2), 0),)),
    Listing(
        Infix("+", i, Variable("j")),
        ("i", "j"),
        (Call("range", (Arg(3),)), Call("range", (Arg(i),))),
        (True, True),
    ),
    Listing(Infix("*", i, Variable("w")), ("i, w",), (Call("enumerate", (Arg(WS),)),), (True,)),
]


def asked(tree: Tree) -> Any:
    """Return what Python makes of the text."""
    return eval(flat(tree), {"math": math}, NAMES)


@pytest.mark.parametrize("tree", TREES, ids=flat)
def test_a_value_is_pythons(tree: Tree) -> None:
    try:
        wanted = asked(tree)
    except (ArithmeticError, TypeError, ValueError):
        with pytest.raises(Unreadable):
            value_of(tree, NAMES.__getitem__, {})
        return
    if isinstance(wanted, complex):
        return
    found = value_of(tree, NAMES.__getitem__, {})
    assert repr(found) == repr(wanted)


@pytest.mark.parametrize(
    "tree",
    [
        Name("other"),
        Infix("/", N, 0),
        Item(WS, (3,)),
        Infix("*", "ab", 2),  # no arithmetic of the language
        Infix("*", WS, 10**6),
        Call("range", (Arg(10**9),)),
        Infix("**", N, 10**6),
        Infix("*", 2**3000, 2**3000),
        Listing(i, ("i",), (Call("range", (Arg(10**9),)),), (True,)),
        Listing(i, ("i",), ("abc",), (True,)),
        Call("unknown", ()),
    ],
    ids=lambda tree: flat(tree)[:40],
)
def test_what_has_no_value_in_the_class_is_unreadable(tree: Tree) -> None:
    with pytest.raises(Unreadable):
        value_of(tree, NAMES.__getitem__, {})


@pytest.mark.parametrize(
    ("tree", "type_"),
    [
        (Infix("//", N, 2), int),
        (Infix("/", N, 2), float),
        (Infix("*", N, R), float),
        (Infix("+", ON, ON), int),
        (Infix("and", ON, ON), bool),
        (Infix("<", N, R), bool),
        (Choice(N, ON, R), float),
        (Choice(ON, ON, ON), bool),
        (Call("int", (Arg(R),)), int),
        (Call("round", (Arg(R),)), int),
        (Call("max", (Arg(N), Arg(R))), float),
        (Call("max", (Arg(WS),)), int),  # of a list by its name, as an item of it
        (Call("math.sqrt", (Arg(N),)), float),
        (Choice(3, Infix("is", SOME, NONE), SOME), int),
        (Choice(SOME, Infix("is not", SOME, NONE), R), float),
        (Choice(SOME, Infix("is", SOME, NONE), 3), None),
        (Choice(SOME, Infix("is not", N, NONE), 3), None),
        (Infix("+", SOME, 1), None),
        (Prefix("not", N), bool),
        (Prefix("-", R), float),
        (WS, None),
        (NONE, None),
    ],
    ids=str,
)
def test_a_type_is_what_a_checker_finds(tree: Tree, type_: type | None) -> None:
    kinds = {"n": int, "r": float, "on": bool, "some": common_type([3, None])}
    assert type_of(tree, kinds.get, {}) is type_


@pytest.mark.parametrize("op", ["==", "!=", "<", "<=", ">", ">=", "in", "not in"])
def test_a_negation_holds_where_the_condition_does_not(op: str) -> None:
    for left in (2, 3, 4):
        tree = Infix(op, left, (3,) if "in" in op else 3)
        assert asked(negated(tree)) is not asked(tree)
        assert negated(negated(tree)) == tree


def test_what_has_no_opposite_is_denied() -> None:
    both = Infix("and", ON, Infix("<", N, K))
    assert flat(negated(both)) == "not (on and n < k)"
    assert negated(negated(both)) == both
