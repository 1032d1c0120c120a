"""Trees of emitted code: how they are walked, changed, and taken apart."""

from __future__ import annotations

import pytest

from addnn_spec.backends.torch_code.code_text import flat
from addnn_spec.backends.torch_code.modules import bind
from addnn_spec.backends.torch_code.tree import (
    Column,
    Leaf,
    Name,
    Submodule,
    Tree,
    bare,
    identity,
    is_literal,
    rewrite,
    same,
    split,
    walk,
    with_leaves,
    without_defaults,
)
from addnn_spec.ops.code import Arg, Call, In, Infix, Item, Method, Own, Slice

CALL = Call("f", (Arg(Infix("+", Name("x"), 1)), Arg(Item(Name("y"), (Slice(None, 2),)), "k")))


def test_walk_goes_from_the_top_in_the_order_of_evaluation_and_through_arguments() -> None:
    found = [type(node).__name__ for node in walk(CALL)]
    assert found == ["Call", "Infix", "Name", "int", "Item", "Name", "Slice", "int"]


def test_rewrite_reaches_arguments_and_keeps_what_does_not_change() -> None:
    made = rewrite(CALL, lambda node: Name("z") if node == Name("y") else None)
    assert isinstance(made, Call)
    assert flat(made) == "f(x + 1, k=z[:2])"
    assert made.args[0] is CALL.args[0]
    assert rewrite(CALL, lambda _: None) is CALL


def test_split_takes_the_literals_out() -> None:
    leaves: list[Leaf] = []
    skeleton = split(with_leaves(Call("f", (Arg(3, "width"), Arg("same")))), leaves)
    assert [(leaf.value, leaf.hint) for leaf in leaves] == [(3, "width"), ("same", "value")]
    assert skeleton == Call("f", (Arg(Column(0), "width"), Arg(Column(1))))


@pytest.mark.parametrize(("one", "other"), [(1, True), (1, 1.0), (0.0, -0.0), ((1,), (True,))])
def test_literals_that_python_holds_equal_are_two(one: Tree, other: Tree) -> None:
    assert not same(one, other)
    assert same(one, one)
    trees = [with_leaves(Call("f", (Arg(value),))) for value in (one, other)]
    assert identity(trees[0]) != identity(trees[1])


def test_bare_leaves_literals_and_none_is_a_name() -> None:
    assert flat(bare(Call("f", (Arg(Leaf(None, "mode")), Arg(Leaf(2, "k")))))) == "f(None, 2)"


def test_arguments_that_are_the_default_go_as_far_as_they_can() -> None:
    kept = (Arg(2, default=1), Arg(0, default=0))
    assert flat(without_defaults(Call("f", kept))) == "f(2)"
    assert flat(without_defaults(Call("f", (*reversed(kept),)))) == "f(0, 2)"
    assert flat(without_defaults(Call("f", (Arg(0, "k", 0), Arg(True, "b", 1))))) == "f(b=True)"


def test_a_tree_with_a_node_in_it_is_no_literal() -> None:
    assert is_literal((1, ("a", None)))
    assert not is_literal((1, Name("x")))


def test_bind_puts_inputs_and_the_own_module_in_place() -> None:
    code = Call("F.linear", (Arg(In(1)), Arg(Own("weight"))))
    assert flat(bind(code, [Name("x"), Name("y")], Name("layer"))) == "F.linear(y, layer.weight)"
    assert bind(Own("weight"), [], Submodule("encoder.fc")) == Submodule("encoder.fc", "weight")
    numbered = bind(Own("weight_ih_l0"), [], Name("rnn"))
    assert isinstance(numbered, Method)
    assert flat(numbered) == 'rnn.get_parameter("weight_ih_l0")'
