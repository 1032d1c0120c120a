"""Costs: by hand, by torch's own counter, and equal in every way of adding them up."""

from __future__ import annotations

from pathlib import Path

import pytest

from addnn_spec.graph import Graph
from addnn_spec.network import load
from addnn_spec.passes.costs import Cost, count_costs
from addnn_spec.passes.memory import at
from addnn_spec.passes.summary import summarize, to_json
from addnn_spec.resources import folder
from tests.passes.graphs import graphs_of_file
from tests.support import graph_of, in_network, seldom

SPECS = sorted(folder("specs").rglob("*.net"))

SHARED = """
block Use(m) { return x -> m -> ReLU }
network Net {
  input x: float[4, 8]
  module m = Linear(8)
  output y = x -> %s
}"""


def total(graph: Graph) -> Cost:
    return count_costs(graph).main.total


@pytest.mark.parametrize("path", seldom(SPECS, 6), ids=lambda path: path.stem)
def test_the_listed_nodes_add_up_to_the_totals(path: Path) -> None:
    for graph in graphs_of_file(path):
        data = to_json(graph)
        main = [node for node in data["nodes"] if not node["training"]]
        extra = [node for node in data["nodes"] if node["training"]]
        for figure in ("params", "macs", "flops"):
            assert sum(node[figure] for node in main) == data[f"total_{figure}"], graph.name
        for figure in ("params", "macs"):
            assert sum(node[figure] for node in extra) == data[f"training_{figure}"], graph.name


@pytest.mark.parametrize(
    "uses",
    ["m -> m -> m", "repeat 3 { m }", "a: Use(m) -> b: Use(m) -> m", "r: repeat 3 { Use(m) }"],
)
def test_a_module_counts_its_weights_once_and_its_macs_each_time(uses: str) -> None:
    graph = graph_of(SHARED % uses)
    assert total(graph).params == 8 * 8 + 8
    assert total(graph).macs == 3 * 4 * 8 * 8
    data = to_json(graph)
    assert sum(node["params"] for node in data["nodes"]) == 8 * 8 + 8


def test_a_tied_weight_counts_once() -> None:
    graph = graph_of("""network Net {
      input ids: int[2, 50]
      module embed = Embedding(1000, 64)
      output y = ids -> embed -> Linear(1000, bias = false, weight = embed.weight)
    }""")
    assert total(graph).params == 1000 * 64
    assert total(graph).macs == 2 * 50 * 64 * 1000
    assert sum(node["params"] for node in to_json(graph)["nodes"]) == 1000 * 64


def test_what_training_adds_stands_apart() -> None:
    main = count_costs(load("GoogLeNet").graph).main
    assert (main.total.params, main.training.params) == (6_624_904, 6_379_984)
    assert at(main.total.macs, None) == 1_498_376_192


def test_weights_that_training_only_shares_belong_to_evaluation() -> None:
    graph = graph_of("""network Net {
      input x: float[1, 8]
      module m = Linear(8)
      output z = x -> ReLU -> m when training
      output y = x -> m
    }""")
    main = count_costs(graph).main
    assert (main.total.params, main.training.params) == (72, 0)
    assert (main.total.macs, main.training.macs) == (64, 64)


def test_operations_by_class() -> None:
    graph = graph_of("""network Net {
      input x: float[2, 3, 8, 8]
      output y = x -> BatchNorm2d -> ReLU -> MaxPool2d(2)
    }""")
    elements = 2 * 3 * 8 * 8
    found = total(graph)
    assert {name: at(count, None) for name, count in found.flops.items()} == {
        "norm": 2 * elements,
        "elementwise": elements,
        "pool": 4 * elements // 4,
    }
    assert at(found.total_flops, None) == 2 * elements + elements + elements


def test_costs_follow_the_symbolic_sizes() -> None:
    graph = load("VGG11_bn").graph
    at_224, at_448 = (at(total(graph).macs, {"H": size, "W": size}) for size in (224, 448))
    linear = 25088 * 4096 + 4096 * 4096 + 4096 * 1000  # behind the adaptive pool: always the same
    assert at_448 - linear == 4 * (at_224 - linear)
    assert at(total(graph).macs, {"N": 3}) == 3 * at_224


def test_turns_of_a_repeat_have_weights_of_their_own() -> None:
    graph = graph_of(
        "network Net { input x: float[1, 8]  output y = x -> r: repeat 1000 { Linear(8) } }"
    )
    assert total(graph).params == 1000 * 72
    assert total(graph).macs == 1000 * 64


def test_inputs_of_training_are_marked() -> None:
    nodes = to_json(load("Siamese").graph)["nodes"]
    assert [node["path"] for node in nodes if node["training"]] == ["same", "contrastiveloss"]


def test_a_batch_that_training_cannot_take_has_all_the_parameters() -> None:
    graph = graph_of(
        in_network(
            "output y = x -> Linear(4)\n"
            "output pairs = (x[1:], x[:-1]) -> Concat(1) -> Linear(16) -> Linear(2) when training"
        )
    )
    head, training = 8 * 4 + 4, 16 * 16 + 16 + 16 * 2 + 2
    for batch, macs in (1, 0), (2, 16 * 16 + 16 * 2), (3, 2 * (16 * 16 + 16 * 2)):
        found = summarize(graph, {"N": batch})
        assert (found.total.params, found.training.params) == (head, training)
        assert at(found.training.macs, {"N": batch}) == macs
        written = to_json(graph, {"N": batch})
        assert (written["training_params"], written["training_macs"]) == (training, macs)
