"""What an expression of the text gives in each use of a block."""

from __future__ import annotations

import pytest

from addnn_spec.backends.torch_code.parameters import Given
from addnn_spec.backends.torch_code.python import Unreadable
from addnn_spec.backends.torch_code.readings import BlockText
from addnn_spec.backends.torch_code.text_names import Scope, means
from addnn_spec.backends.torch_code.translation import Functions
from addnn_spec.backends.torch_code.tree import Listing, Name, Tree, Variable
from addnn_spec.backends.torch_code.vectors import ABSENT, Vector
from addnn_spec.ops.base import TensorType
from addnn_spec.ops.code import Call, Infix
from tests.support import graph_of

BLOCK = """
block Own(n, k = 3) {
  let half = n // 2
  let c = x.features
  if k > 3 { let late = n }
  return x -> Linear(half + c)
}
network Test { input x: float[N, 6] output y = x -> Own(4) }
"""
N = Name("n")


@pytest.fixture(scope="module")
def scope() -> Scope:
    """Two uses, on inputs of 6 and 8 features."""
    graph = next(node.calls for node in graph_of(BLOCK).nodes() if node.calls is not None)
    assert graph.definition is not None
    uses = [
        Given(
            (("n", n), ("k", 3)),
            (("x", TensorType("float", (2, width))),),
            lets=(("half", n // 2), ("c", width)),
        )
        for n, width in ((4, 6), (10, 8))
    ]
    return Scope(uses, BlockText(graph.definition, {"x": 2}, Functions()), ())


@pytest.mark.parametrize(
    ("tree", "vector", "gives"),
    [
        (N, (4, 10), True),
        (N, (4, 9), False),
        (N, (ABSENT, 10), True),
        (Infix("*", 3, N), (12, 30), True),
        (Infix("//", N, 2), (2, 5), True),
        (Infix("/", N, 2), (2, 5), False),  # a float, where a whole number is wanted
        (Infix("/", N, 4), (1.0, 2.5), True),
        (N, (4.0, 10.0), True),
        (Name("k"), (3, 3), True),
        (Name("x.shape[1]"), (6, 8), True),
        (Name("half"), (2, 5), True),
        (Infix("+", Name("half"), Name("c")), (8, 13), True),
        (Name("late"), (4, 10), False),  # it is there in an arm only
        (Name("nothing"), (4, 10), False),
        (Infix("//", N, 0), (4, 10), False),
        (Listing(Infix("*", Variable("i"), N), ("i",), (Call("range", ()),), (True,)), (), False),
    ],
)
def test_a_translation_has_the_value_of_each_use(
    scope: Scope, tree: Tree, vector: Vector, gives: bool
) -> None:
    assert scope.gives(tree, vector or ((0, 4), (0, 10))) is gives


def test_a_name_has_a_value_in_each_use(scope: Scope) -> None:
    assert [scope.value("half", use) for use in (0, 1)] == [2, 5]
    assert [scope.value("x.shape[0]", use) for use in (0, 1)] == [2, 2]
    with pytest.raises(KeyError):
        scope.value("late", 0)


def test_in_a_turn_the_variable_of_the_loop_comes_first(scope: Scope) -> None:
    tree = Infix("*", N, Name("w"))
    assert scope.computed(tree, 1, {"w": 2}) == 20
    assert scope.computed(tree, 1, {"w": 2, "n": 3}) == 6
    assert scope.gives_in_turn(tree, 0, {"w": 2}, 8)
    assert not scope.gives_in_turn(tree, 1, {"w": 2}, 21)
    with pytest.raises(Unreadable):
        scope.computed(tree, 1)


def test_only_what_differs_between_uses_is_a_candidate(scope: Scope) -> None:
    found = {candidate.tree: candidate.vector for candidate in scope.candidates}
    assert found == {
        N: (4, 10),
        Name("x.shape[1]"): (6, 8),
        Name("half"): (2, 5),
        Name("c"): (6, 8),
    }


@pytest.mark.parametrize(
    ("value", "wanted", "same"),
    [
        (2, 2.0, True),
        (2.0, 2, False),
        (True, 1, False),
        ((1, 2), (1.0, 2), True),
        ((1, 2), (1, 2, 3), False),
    ],
)
def test_a_whole_number_may_stand_for_a_float(value: object, wanted: object, same: bool) -> None:
    assert means(value, wanted) is same
