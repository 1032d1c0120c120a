"""Nodes in a row that do the same are turns, whatever the elaborator shared."""

from __future__ import annotations

import pytest

from addnn_spec.backends.torch_code.construction import Form
from addnn_spec.backends.torch_code.runs import can_loop, runs
from addnn_spec.backends.torch_code.tree import Leaf
from addnn_spec.graph import Graph, Node, Placeholder, Ref
from addnn_spec.ops.code import Arg, Call
from tests.support import graph_of


def rows(graph: Graph) -> list[list[Node]]:
    """The runs of a graph whose blocks are made by their names and arguments."""
    forms = {
        id(called): Form(
            Call(called.name, tuple(Arg(Leaf(v, n)) for n, v in called.arguments if type(v) is int))
        )
        for called in graph.below()
    }
    return [run for run in runs(graph, forms) if not isinstance(run[0].op, Placeholder)]


def names(chain: str, *, memoise: bool = True) -> list[list[str]]:
    text = (
        "block B(k = 1) { return x -> a: Linear(x.features) } "
        f"network Test {{ input x: float[N, 8] output y = x -> {chain} }}"
    )
    return [[node.name for node in run] for run in rows(graph_of(text, memoise=memoise))]


@pytest.mark.parametrize("memoise", [True, False])
@pytest.mark.parametrize(
    ("chain", "found"),
    [
        ("B", [["b"]]),
        ("repeat 3 { B }", [["b", "b_2", "b_3"]]),
        ("for i in 0..3 { B }", [["b", "b_2", "b_3"]]),
        ("for k in [1, 1, 2] { B(k) }", [["b", "b_2"], ["b_3"]]),
        ("repeat 2 { B -> ReLU }", [["b"], ["relu"], ["b_2"], ["relu_2"]]),
        ("B -> B", [["b"], ["b_2"]]),  # two places of the text
        ('for i in 0..2 { "l{i}": B }', [["l0"], ["l1"]]),  # each has a label
        ("repeat 3 { Linear(8) }", [["linear", "linear_2", "linear_3"]]),
    ],
)
def test_turns_are_one_place_of_the_text_with_the_same_arguments(
    chain: str, found: list[list[str]], memoise: bool
) -> None:
    assert names(chain, memoise=memoise) == found


def test_each_turn_reads_what_the_one_before_made() -> None:
    graph = graph_of(
        "block B { return x -> a: Linear(x.features) } "
        "network Test { input x: float[N, 8] output y = x -> repeat 3 { B } }"
    )
    (run,) = rows(graph)
    assert [node.times for node in run] == [1, 1, 1]
    assert run[0].inputs == (Ref(graph.inputs[0]),)
    assert run[1].inputs == run[2].inputs == (Ref(run[0].id),)
    assert [node.value_names for node in run[:-1]] == [(), ()]
    assert run[-1].value_names == ("y",)  # the text names what the last one makes


@pytest.mark.parametrize(
    ("chain", "can"),
    [
        ("repeat 3 { B }", False),  # few are written out
        ("repeat 4 { B }", True),
        ("repeat 4 { Linear(8) }", True),
        ("repeat 4 { Linear(8, weight_init = normal(0.02)) }", False),  # each is filled
    ],
)
def test_a_loop_is_for_many_turns_that_nothing_fills(chain: str, can: bool) -> None:
    text = (
        "block B { return x -> a: Linear(x.features) } "
        f"network Test {{ input x: float[N, 8] output y = x -> {chain} }}"
    )
    ((*turns,),) = rows(graph_of(text))
    assert can_loop(turns) is can
