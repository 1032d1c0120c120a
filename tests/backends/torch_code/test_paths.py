"""Where children stand in a class, and how `forward` reads them."""

from __future__ import annotations

import pytest

from addnn_spec.backends.torch_code.class_draft import ChildDraft, Run
from addnn_spec.backends.torch_code.code_text import flat
from addnn_spec.backends.torch_code.paths import Container, Paths
from addnn_spec.backends.torch_code.tree import Child, Name, Submodule
from addnn_spec.graph import OWN
from addnn_spec.ops.code import Arg, Call
from addnn_spec.source import Source, Span

SPAN = Span(Source("test.net", "x"), 0, 1)


def child(path: str, tensor: str = "", width: int = 4) -> ChildDraft:
    return ChildDraft(path, Call("nn.Linear", (Arg(8), Arg(width))), SPAN, tensor=tensor)


def paths(*names: str) -> Paths:
    return Paths(map(child, names))


@pytest.mark.parametrize(
    ("names", "path", "access"),
    [
        (["conv1"], "conv1", "self.conv1"),
        (["encoder.layer", "encoder.norm"], "encoder.norm", 'self.encoder["norm"]'),
        (["parts.0", "parts.1"], "parts.1", "self.parts[1]"),
        (["parts.1", "parts.2"], "parts.2", 'self.parts["2"]'),
        (["a.b.c"], "a.b.c", 'self.a.get_submodule("b.c")'),
        (["0", "1"], "0", 'self["0"]'),
        (["block1-0.conv"], "block1-0.conv", 'self.get_submodule("block1-0.conv")'),
        ([OWN, "0"], "0", 'self.get_submodule("0")'),
        ([OWN], OWN, "self"),
    ],
)
def test_a_child_is_read_by_its_path(names: list[str], path: str, access: str) -> None:
    assert paths(*names).access(path) == access


def test_a_tensor_is_read_by_its_name_where_that_is_no_attribute() -> None:
    found = Paths(
        [child("scale", "parameter"), child("stats.mean", "buffer"), child("0", "buffer")]
    )
    assert found.access("scale") == "self.scale"
    assert found.access("stats.mean") == 'self.stats.get_buffer("mean")'
    assert found.access("0") == 'self.get_buffer("0")'
    assert not found.keyed


def test_a_class_with_a_child_that_is_no_attribute_holds_it_by_a_key() -> None:
    assert paths("conv", "block1-0").keyed
    assert not paths("conv", "bn").keyed
    run = ChildDraft("turn_1", Name("f"), SPAN, run=Run("turn_", 1, 4))
    assert not Paths([run]).keyed
    assert list(Paths([run]).root.entries) == ["turn_1*"]


@pytest.mark.parametrize(
    ("names", "kind"),
    [
        (["p.0", "p.1"], "nn.ModuleList"),
        (["p.1", "p.0"], "nn.ModuleDict"),
        (["p.a", "p.b"], "nn.ModuleDict"),
        (["p.keys"], "Scope"),
    ],
)
def test_children_of_one_prefix_stand_in(names: list[str], kind: str) -> None:
    held = paths(*names).root.entries["p"]
    assert isinstance(held, Container)
    assert held.kind == kind


def test_tensors_stand_in_a_scope_without_a_call_of_their_own() -> None:
    held = Paths([child("p.a"), child("p.t", "parameter")]).root.entries["p"]
    assert isinstance(held, Container)
    assert flat(held.tree()) == 'Scope({"a": nn.Linear(8, 4)})'


def test_children_in_a_row_that_are_alike_are_a_loop_but_not_over_what_has_no_name() -> None:
    def listed(*widths: int) -> str:
        found = Paths([child(f"p.{place}", width=width) for place, width in enumerate(widths)])
        held = found.root.entries["p"]
        assert isinstance(held, Container)
        return flat(held.tree())

    assert listed(4, 4, 4) == "nn.ModuleList(nn.Linear(8, 4) for _ in range(3))"
    assert listed(4, 5, 7) == "nn.ModuleList([nn.Linear(8, 4), nn.Linear(8, 5), nn.Linear(8, 7)])"


def test_what_forward_reads_is_written_with_its_access() -> None:
    found = Paths([child("conv1"), child("tail.0"), child(OWN)])
    assert flat(found.written(Child("conv1", (Arg(Name("x")),)))) == "self.conv1(x)"
    assert flat(found.written(Child(OWN, (Arg(Name("x")),)))) == "super().forward(x)"
    assert flat(found.written(Submodule("conv1", "weight"))) == "self.conv1.weight"
    weight = 'self.tail[0].get_parameter("weight")'
    assert flat(found.written(Submodule("tail.0", "weight"))) == weight
