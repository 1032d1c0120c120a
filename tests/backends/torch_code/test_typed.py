"""What a type checker knows to be a tensor after statements of `forward`."""

from __future__ import annotations

import pytest

from addnn_spec.backends.torch_code.class_draft import DraftStep
from addnn_spec.backends.torch_code.forward import Assign, Copy, Fork, ForStatement, Statement
from addnn_spec.backends.torch_code.forward_loops import Loop
from addnn_spec.backends.torch_code.tree import Name, Tree
from addnn_spec.backends.torch_code.typed import bindings, tensor_variables, untyped
from addnn_spec.ops.base import TensorType
from addnn_spec.ops.code import Arg, Call, Infix, Item, Method, Prefix
from addnn_spec.source import Source, Span

SPAN = Span(Source("test.net", "x"), 0, 1)


def called(fn: str, *names: str) -> Call:
    return Call(fn, tuple(Arg(Name(name)) for name in names))


def assign(targets: str, tree: Tree, annotation: str = "") -> Assign:
    step = DraftStep("f", tree, (1,), (TensorType("float", (4, 8)),), SPAN, ("",))
    return Assign(step, tree, (), targets=targets, annotation=annotation)


@pytest.mark.parametrize(
    ("tree", "known"),
    [
        (called("F.relu", "x"), True),
        (called("torch.cat", "x"), True),
        (called("torch.fft.fft", "x"), False),
        (called("super().forward", "x"), True),
        (called("self.conv", "x"), False),
        (Name("x"), True),
        (Name("z"), False),
        (Infix("+", Name("x"), 1), True),
        (Infix("+", 2, 1), False),
        (Infix("+", Name("x"), Name("z")), False),
        (Prefix("-", Name("x")), True),
        (Method(Name("x"), "flatten", (Arg(1),)), True),
        (Method(called("self.conv", "x"), "flatten", ()), False),
        (Item(Name("x"), (0,)), True),
    ],
)
def test_what_torch_declares_is_a_tensor(tree: Tree, known: bool) -> None:
    found = tensor_variables(["x"], [assign("y", tree)])
    assert found == ({"x", "y"} if known else {"x"})


def test_a_variable_is_what_it_was_given_last_but_with_an_annotation() -> None:
    any_, tensor = called("self.conv", "x"), called("F.relu", "x")
    assert tensor_variables([], [assign("y", tensor), assign("y", any_)]) == set()
    assert tensor_variables([], [assign("y", any_, ": Tensor"), assign("y", any_)]) == {"y"}
    assert tensor_variables(["y"], [assign("y", any_)]) == {"y"}


def test_several_targets_are_not_known() -> None:
    assert tensor_variables([], [assign("h, c", called("torch.chunk", "x"))]) == set()


def test_what_an_arm_or_a_turn_gives_is_not_known() -> None:
    tensor = called("F.relu", "x")
    fork = Fork(
        Name("flag"),
        [assign("a", tensor)],
        [assign("b", tensor)],
        [Copy("c", "x")],
        [Copy("d", "x")],
        [Copy("e", "x")],
    )
    loop = ForStatement(
        Loop({}, 2, False, [], [], [], frozenset()), [assign("f", tensor)], [Copy("g", "x")]
    )
    statements: list[Statement] = [assign(name, tensor) for name in "abcdefg"]
    assert tensor_variables([], statements) == set("abcdefg")
    assert tensor_variables([], [*statements, fork]) == set("fg")
    assert tensor_variables([], [*statements, loop]) == set("abcde")
    assert [binding.targets for binding in bindings([fork, loop])] == list("cadbegf")


def test_what_an_expression_needs_to_be_a_tensor() -> None:
    both = Infix("+", Name("a"), Name("b"))
    assert untyped(both, {"a"}) == ["b"]
    assert untyped(both, {"a", "b"}) == []
    assert untyped(called("F.relu", "a"), set()) == []
    assert untyped(called("self.conv", "a"), {"a"}) is None
