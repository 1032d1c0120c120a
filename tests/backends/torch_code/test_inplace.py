"""An activation overwrites its input only where that was just made, for it alone."""

from __future__ import annotations

from collections import Counter

import pytest

from addnn_spec.backends.torch_code.body import Branch, Item
from addnn_spec.backends.torch_code.class_draft import DraftStep, Run
from addnn_spec.backends.torch_code.code_text import flat
from addnn_spec.backends.torch_code.inplace import (
    module_in_place,
    steps_in_place,
    without_in_place,
)
from addnn_spec.backends.torch_code.tree import Value, walk
from addnn_spec.ops.base import TensorType
from addnn_spec.ops.code import Arg, Call
from addnn_spec.source import Source, Span

SPAN = Span(Source("test.net", "x"), 0, 1)
TYPE = (TensorType("float", (4, 8)),)


def made(fresh: bool = True) -> DraftStep:
    """Value 1 of value 0."""
    return DraftStep("conv", Call("conv", (Arg(Value(0)),)), (1,), TYPE, SPAN, ("",), fresh=fresh)


def activation(reads: int = 1, able: bool = True, run: Run | None = None) -> DraftStep:
    """Value 2 of another."""
    tree = Call("F.relu", (Arg(Value(reads)),))
    return DraftStep("relu", tree, (2,), TYPE, SPAN, ("",), in_place=able, run=run)


def overwrites(step: Item) -> bool:
    assert isinstance(step, DraftStep)
    return any(
        node == Call("F.relu", (Arg(Value(1)), Arg(True, "inplace"))) for node in walk(step.tree)
    )


def test_what_was_just_made_for_it_alone_is_overwritten() -> None:
    items: list[Item] = [made(), activation()]
    steps_in_place(items, Counter({0: 1, 1: 1}))
    assert items[0] == made()
    assert overwrites(items[1])


@pytest.mark.parametrize(
    ("maker", "reader", "reads"),
    [
        (made(fresh=False), activation(), 1),  # its maker's backward pass needs it
        (made(), activation(), 2),  # somebody else reads it
        (made(), activation(reads=0), 1),  # an input of the class
        (made(), activation(able=False), 1),
        (made(), activation(run=Run("", 0, 3)), 1),  # a turn of a loop reads what another made
    ],
)
def test_nothing_else_is(maker: DraftStep, reader: DraftStep, reads: int) -> None:
    items: list[Item] = [maker, reader]
    steps_in_place(items, Counter({0: 1, 1: reads}))
    assert items == [maker, reader]


def test_it_may_stand_in_an_arm() -> None:
    branch = Branch(0, [activation()], [made()])
    items: list[Item] = [made(), branch]
    steps_in_place(items, Counter({0: 1, 1: 1}))
    assert overwrites(branch.then[0])
    assert branch.orelse == [made()]


def test_a_module_says_it_by_an_argument_that_can_be_taken_back() -> None:
    plain = Call("nn.LeakyReLU", (Arg(0.2),))
    assert flat(module_in_place(plain)) == "nn.LeakyReLU(0.2, inplace=True)"
    chain = Call("nn.Sequential", (Arg(module_in_place(plain)), Arg(plain)))
    assert without_in_place(chain) == Call("nn.Sequential", (Arg(plain), Arg(plain)))
