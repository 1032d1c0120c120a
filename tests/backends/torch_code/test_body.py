"""Drafts of one structure are one body: what differs are columns, by use."""

from __future__ import annotations

from dataclasses import replace

import pytest

from addnn_spec.backends.torch_code.body import (
    ClassBody,
    Flag,
    add_columns,
    body_of_equals,
    moved,
    structures,
)
from addnn_spec.backends.torch_code.class_draft import ChildDraft, Draft, DraftStep
from addnn_spec.backends.torch_code.parameters import CALLED
from addnn_spec.backends.torch_code.tree import Column, Leaf, ParameterOf, Value
from addnn_spec.backends.torch_code.vectors import ABSENT
from addnn_spec.ops.base import TensorType
from addnn_spec.ops.code import Arg, Call, Infix
from addnn_spec.source import Source, Span
from tests.support import graph_of

SPAN = Span(Source("test.net", "abc"), 0, 1)
OTHER = Span(Source("test.net", "abc"), 1, 2)


def draft(width: int, factor: float = 2.0, *, path: str = "conv", rows: int = 4) -> Draft:
    """A child that is as wide, and a step that calls it and multiplies."""
    graph = graph_of("network Test { input x: float[4, 8] output y = x -> ReLU }")
    made = Draft(graph, inputs=[("x", TensorType("float", (rows, 8)))])
    tree = Call("nn.Linear", (Arg(8), Arg(Leaf(width, "out_features", (ParameterOf("w"),)))))
    made.children.append(ChildDraft(path, tree, SPAN))
    scaled = Infix("*", Value(0), Leaf(factor, "value"))
    made.steps.append(
        DraftStep("mul", scaled, (1,), (TensorType("float", (rows, width)),), SPAN, ("",))
    )
    made.outputs = [Value(1)]
    return made


def test_drafts_that_differ_in_leaves_are_one_structure() -> None:
    (group,) = structures([draft(3), draft(5), draft(3, 0.5)], probes=False)
    body = body_of_equals(group)
    assert [leaves.vector for leaves in body.columns] == [(3, 5, 3), (2.0, 2.0, 0.5)]
    assert [leaves.hint for leaves in body.columns] == ["conv_out_features", "mul_value"]
    assert [leaves.word for leaves in body.columns] == ["out_features", "value"]
    assert body.columns[0].origins == (ParameterOf("w"),)
    ((child, guard),) = body.children
    assert guard is None
    assert child.tree == Call("nn.Linear", (Arg(8), Arg(Column(0))))
    (step,) = body.items
    assert isinstance(step, DraftStep)
    assert step.tree == Infix("*", Value(0), Column(1))
    assert body.outputs == [Value(1)]
    assert [type and type.shape for type in body.types[1]] == [(4, 3), (4, 5), (4, 3)]


def test_other_structures_are_in_the_order_of_their_first_use() -> None:
    first, other = draft(3), draft(3, path="lin")
    groups = structures([first, other, draft(5), draft(7, path="lin")], probes=False)
    assert [[apart.draft.children[0].path for apart in group] for group in groups] == [
        ["conv", "conv"],
        ["lin", "lin"],
    ]


def test_one_draft_is_one_structure() -> None:
    (group,) = structures([draft(3)], probes=True, places=True)
    assert [apart.draft.steps[0].name for apart in group] == ["mul"]


@pytest.mark.parametrize(
    ("probes", "places", "count"), [(False, False, 1), (True, False, 2), (False, True, 2)]
)
def test_names_count_where_they_are_tapped_and_places_where_arms_may_be_alike(
    probes: bool, places: bool, count: int
) -> None:
    other = draft(3)
    other.steps[0] = replace(other.steps[0], name="mul_2", span=OTHER)
    assert len(structures([draft(3), other], probes, places=places)) == count


def body_with(*rows: tuple[Leaf, ...] | None, name: str) -> tuple[ClassBody, int]:
    body = ClassBody([])
    add_columns(body, [(Leaf(0, "first"),)], "x")
    return body, add_columns(body, rows, name)


def test_a_use_without_a_part_has_nothing_in_its_columns() -> None:
    body, base = body_with(
        (Leaf(3, "a"), Leaf(4, "b")), None, (Leaf(5, "a"), Leaf(6, "b")), name="p"
    )
    assert base == 1
    assert [leaves.vector for leaves in body.columns[1:]] == [(3, ABSENT, 5), (4, ABSENT, 6)]


@pytest.mark.parametrize(
    ("name", "hint"),
    [("conv", "conv_a"), ("deep.conv", "conv_a"), ("layers.0", "a"), ("", "a"), ("b-c", "b_c_a")],
)
def test_a_column_is_called_after_its_part(name: str, hint: str) -> None:
    body, _ = body_with((Leaf(3, "a"),), name=name)
    assert body.columns[1].hint == hint


def test_a_size_that_a_class_has_a_name_for_keeps_it() -> None:
    body, _ = body_with((Leaf(3, "width", size=True), Leaf(4, "in_features", size=True)), name="p")
    assert [leaves.word for leaves in body.columns[1:]] == [f"{CALLED}width", "in_features"]


def test_origins_of_all_uses_are_kept_the_likeliest_first() -> None:
    one, two, three = map(ParameterOf, "abc")
    body, _ = body_with((Leaf(3, "a", (one, two)),), None, (Leaf(3, "a", (two, three)),), name="p")
    assert body.columns[1].origins == (one, two, three)
    many = tuple(ParameterOf(str(number)) for number in range(40))
    body, _ = body_with((Leaf(3, "a", many),), name="p")
    assert body.columns[1].origins == many[:24]


def test_columns_are_counted_from_the_parts_first() -> None:
    tree = Call("f", (Arg(Column(0)), Arg(Infix("+", Column(1), 3), "k")))
    assert moved(tree, 5) == Call("f", (Arg(Column(5)), Arg(Infix("+", Column(6), 3), "k")))


def test_the_arms_of_a_flag_are_taken_by_those_and_by_the_others() -> None:
    then, orelse = Flag("skip", (True, False, True), (SPAN,), (OTHER,)).arms
    assert (then.places, then.values) == ((SPAN,), (True, False, True))
    assert (orelse.places, orelse.values) == ((OTHER,), (False, True, False))
