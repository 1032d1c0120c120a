"""Which nodes there are, and which are chosen."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from addnn_spec.compiler import Session
from addnn_spec.diagnostics import DiagnosticError
from addnn_spec.network import Network, load
from addnn_spec.probes.nodes import graph_nodes, module_nodes, nearest, select, sources
from addnn_spec.runtime.taps import Taps, trial
from addnn_spec.source import Source

SHARED = """
block Pair(width) {
  return x -> first: Linear(width) -> second: Linear(width) -> ReLU
}
network Twice {
  input a: float[N, 6]
  module pair = Pair(6)
  b = a -> pair -> Dropout(0.5)
  c = b -> pair
  output logits = (a, c) -> Add -> fc: Linear(3)
}
"""


def network(text: str, name: str) -> Network:
    session = Session(Source("twice.net", text))
    graph = session.graph(name)
    assert graph is not None, session.collector.diagnostics
    return Network(session, name, graph)


def tapped(found: Network, *shape: int) -> list[tuple[str, int, tuple[int, ...]]]:
    seen: list[tuple[str, int, tuple[int, ...]]] = []
    module = found.build(probes=True)
    taps = Taps(module, lambda key, call, v: seen.append((key, call, tuple(v.shape[1:]))))
    trial(taps, [torch.rand(2, *shape)])
    return seen


@pytest.mark.parametrize(
    ("name", "shape"),
    [("Digits", (1, 8, 8)), ("ResNet18", (3, 32, 32)), ("DenseNet121", (3, 32, 32))],
)
def test_nodes_of_a_graph_are_what_the_taps_see_in_order(name: str, shape: tuple[int, ...]) -> None:
    found = load(name)
    nodes = graph_nodes(found.graph, {"N": 1, "H": shape[1], "W": shape[2]})
    assert [(n.key, n.key_call, n.shape) for n in nodes] == tapped(found, *shape)
    assert [n.depth for n in nodes] == list(range(len(nodes)))


def test_uses_of_a_shared_block_have_their_own_paths_and_counted_keys() -> None:
    found = network(SHARED, "Twice")
    nodes = graph_nodes(found.graph, {"N": 1})
    assert [(n.key, n.key_call, n.shape) for n in nodes] == tapped(found, 6)
    named = {n.label: n for n in nodes}
    assert (named["pair_2.first"].key, named["pair_2.first"].key_call) == ("pair.first", 1)
    assert named["pair.first"].parameters == 6 * 6 + 6
    assert named["pair_2.first"].parameters == 0


def test_what_only_passes_values_on_is_as_above() -> None:
    nodes = graph_nodes(load("Digits").graph, {"N": 1})
    above = sources(select(nodes, ["all"]), exact=False)
    assert above["flatten"] == "adaptiveavgpool2d"
    assert above["dropout"] == "relu"
    assert above["stage1"] == above["stage1.1"] == "stage1.1.relu"
    assert "maxpool2d" not in above
    exact = sources(select(nodes, ["all"]), exact=True)
    assert "flatten" not in exact
    assert exact["dropout"] == "relu"
    blocks = sources(select(nodes, ["blocks"]), exact=False)
    assert blocks == {"stage1": "stage1.1", "stage2": "stage2.1"}


def test_sets_and_patterns_choose() -> None:
    nodes = graph_nodes(load("ResNet18").graph, {"N": 1, "H": 32, "W": 32})
    layers = [n.label for n in select(nodes, ["layers"])]
    assert layers[0] == "image"
    assert layers[-1] == "fc"
    assert {"layer1.0.add", "layer2.0.downsample.0", "bn1"} <= set(layers)
    assert not {"relu", "maxpool", "layer1.0", "flatten"} & set(layers)
    assert [n.label for n in select(nodes, ["layer?.0"])] == [f"layer{n}.0" for n in (1, 2, 3, 4)]
    with pytest.raises(DiagnosticError, match="no node is like layer9"):
        select(nodes, ["layer9.*"])


def test_the_nearest_chosen_nodes_feed_a_node() -> None:
    nodes = graph_nodes(load("ResNet18").graph, {"N": 1, "H": 32, "W": 32})
    chosen = {n.label for n in select(nodes, ["layers"])}
    feeds = nearest(nodes, chosen)
    assert feeds["layer2.0.add"] == ("layer2.0.bn2", "layer2.0.downsample.1")
    assert feeds["layer1.0.add"] == ("layer1.0.bn2", "bn1")


def test_the_dense_zone_begins_behind_the_last_other_layer() -> None:
    nodes = graph_nodes(load("Digits").graph, {"N": 1})
    assert [n.label for n in nodes if n.dense] == ["fc1", "relu", "dropout", "fc2"]


def test_nodes_of_a_live_module_come_in_the_order_of_the_run() -> None:
    class Late(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.second, self.first = nn.Linear(3, 2), nn.Linear(4, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            value: torch.Tensor = self.second(self.first(x))
            return value

    nodes = module_nodes(Late(), [torch.rand(2, 4)], "eval")
    assert [(n.label, n.kind, n.parameters) for n in nodes] == [
        ("first", "layer", 15),
        ("second", "layer", 8),
    ]
