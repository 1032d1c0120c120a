"""Inputs that are one list are one argument, where every use reads all of it."""

from __future__ import annotations

from addnn_spec.backends.torch_code.list_inputs import ListInput, collapsed, list_inputs
from addnn_spec.backends.torch_code.tree import Value
from addnn_spec.graph import Graph
from addnn_spec.ops.code import Arg, Call, Item, Seq
from tests.backends.torch_code.emitted import source_of
from tests.support import graph_of


def block_of(body: str, count: int) -> Graph:
    """A block that is given a list of so many tensors."""
    items = ", ".join(["x"] * count)
    graph = graph_of(
        f"block Own()(xs) {{ {body} }} "
        f"network Test {{ input x: float[N, 8] output y = [{items}] -> own: Own }}"
    )
    return next(called for called in graph.children())


def test_a_list_that_is_read_whole_is_one_input_whatever_its_length() -> None:
    uses = [block_of("return xs -> Concat", count) for count in (3, 2)]
    found = list_inputs(uses)
    assert [found[id(use)] for use in uses] == [
        (ListInput("xs", 0, 3),),
        (ListInput("xs", 0, 2),),
    ]


def test_where_one_use_reads_an_item_it_is_none_in_any() -> None:
    uses = [block_of("return xs -> Concat", 3), block_of("return xs[0] + xs[1]", 3)]
    uses.append(block_of("return (xs[1], xs[0], xs[2]) -> Concat", 3))
    assert list_inputs(uses[:1])[id(uses[0])] == (ListInput("xs", 0, 3),)
    for other in uses[1:]:
        assert list_inputs([uses[0], other])[id(uses[0])] == ()


def test_all_items_in_order_are_the_list() -> None:
    def cat(*places: int) -> Call:
        return Call("torch.cat", (Arg(Seq(tuple(Item(Value(4), (p,)) for p in places))),))

    assert collapsed(cat(0, 1, 2), {4: 3}) == Call("torch.cat", (Arg(Value(4)),))
    for places in ((0, 1), (1, 0, 2), (0, 1, 2, 2)):
        assert collapsed(cat(*places), {4: 3}) == cat(*places)


def test_inputs_that_the_text_counts_are_no_list() -> None:
    source = source_of(
        "block Two()(f_0, f_1) { return (f_0, f_1) -> Concat(1) -> a: Linear(3) } "
        "network Test { input x: float[2, 3] input z: float[2, 3] output y = (x, z) -> b: Two }"
    )
    assert "def forward(self, f_0: Tensor, f_1: Tensor) -> Tensor:" in source
    assert "self.b(x, z)" in source
