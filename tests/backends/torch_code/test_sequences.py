"""Elements of a Sequential: some uses lack some, and each keeps its own leaves."""

from __future__ import annotations

import pytest

from addnn_spec.backends.torch_code.class_draft import ChildDraft, Run
from addnn_spec.backends.torch_code.code_text import flat
from addnn_spec.backends.torch_code.sequences import function_of, parts_of, with_parts
from addnn_spec.backends.torch_code.tree import Column, Leaf, Spanned, Tree
from addnn_spec.ops.code import Arg, Call
from addnn_spec.source import Source, Span

AT = Span(Source("test.net", "x"), 0, 1)


def linear(*columns: int) -> Call:
    return Call("nn.Linear", tuple(Arg(Column(index)) for index in columns))


def child(*elements: Tree, fn: str = "nn.Sequential", path: str = "body") -> ChildDraft:
    return ChildDraft(path, Spanned(Call(fn, tuple(map(Arg, elements))), AT), AT)


def test_each_element_has_columns_of_its_own() -> None:
    parts = parts_of(child(linear(0, 1), Call("nn.ReLU", ()), linear(2, 3)))
    assert [(part.first, part.stop) for part in parts] == [(0, 2), (2, 2), (2, 4)]
    assert parts[0].tree == parts[2].tree == linear(0, 1)
    leaves = [Leaf(value, "n") for value in (3, 4, 5, 6)]
    assert [[leaf.value for leaf in part.leaves(leaves)] for part in parts] == [[3, 4], [], [5, 6]]


def test_an_activation_in_place_is_the_same_element() -> None:
    relu, other = (
        parts_of(child(Call("nn.ReLU", args)))[0]
        for args in ((), (Arg(True, "inplace", default=False),))
    )
    assert relu.key == other.key


def test_a_sequential_is_made_anew_of_other_elements() -> None:
    made = with_parts(child(linear(0, 1)), [Call("nn.ReLU", ()), Call("nn.GELU", ())])
    assert isinstance(made, Spanned)
    assert flat(made.value) == "nn.Sequential(nn.ReLU(), nn.GELU())"


@pytest.mark.parametrize(
    ("found", "function"),
    [
        (child(linear(0, 1)), "nn.Sequential"),
        (child(linear(0, 1), fn="super().__init__"), "super().__init__"),
        (child(linear(0, 1), path="a.b"), None),  # it is set in a scope
        (child(linear(0, 1), fn="nn.ModuleList"), None),
        (child(Call("OrderedDict", ())), None),  # its elements have names
        (ChildDraft("body", linear(0, 1), AT), None),
        (ChildDraft("linear", child(linear(0, 1)).tree, AT, run=Run("linear_", 1, 5)), None),
    ],
)
def test_only_a_sequential_of_numbers_is_taken_apart(
    found: ChildDraft, function: str | None
) -> None:
    assert function_of(found) == function
