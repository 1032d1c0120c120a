"""Which nodes there are, and which are chosen."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from addnn_spec.compiler import Session
from addnn_spec.diagnostics import DiagnosticError
from addnn_spec.network import Network, load
from addnn_spec.probes.live import module_nodes
from addnn_spec.probes.nodes import graph_nodes, nearest, select, sources
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
    return Network(Session(Source("twice.net", text)), name)


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


class Branches(nn.Module):
    """Modules in another order than they run in, a branch, and functional values between."""

    def __init__(self) -> None:
        super().__init__()
        self.fc, self.drop = nn.Linear(6, 2), nn.Dropout()
        self.left, self.right = nn.Linear(4, 6), nn.Sequential(nn.Linear(4, 6), nn.ReLU())
        self.flat = nn.Flatten()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        both = torch.relu(self.left(x)) + self.right(x)
        value: torch.Tensor = self.fc(self.drop(self.flat(both.view(-1, 3, 2))))
        return value


@pytest.mark.parametrize(("mode", "above"), [("eval", "flat"), ("train", "drop")])
def test_nodes_of_a_live_module_with_what_they_read(mode: str, above: str) -> None:
    torch.manual_seed(0)
    module = Branches()
    x = torch.rand(2, 4)
    before = torch.get_rng_state()
    nodes = module_nodes(module, [x], mode)
    assert torch.equal(torch.get_rng_state(), before)
    assert all(value.grad is None for value in module.parameters())
    assert [(n.label, n.kind, n.parameters, n.feeds) for n in nodes] == [
        ("x", "input", 0, ()),
        ("left", "layer", 30, ("x",)),
        ("right.0", "layer", 30, ("x",)),
        ("right.1", "module", 0, ("right.0",)),
        ("right", "block", 0, ("right.1",)),
        ("flat", "module", 0, ("left", "right.1")),
        ("drop", "module", 0, ("flat",)),
        ("fc", "layer", 14, ("drop",)),
    ]
    roots = {n.label: n.root for n in nodes}
    assert roots["right"] == "right.1" and roots["drop"] == above
    assert {e: n.label for n in nodes for e in n.end} == {"features": "flat", "output": "fc"}


@pytest.mark.parametrize("name", ["Digits", "ResNet18"])
def test_an_emitted_module_alone_tells_what_its_graph_does(name: str) -> None:
    found = load(name)
    shape = {"Digits": (1, 8, 8), "ResNet18": (3, 64, 64)}[name]
    known = {n.label: n for n in graph_nodes(found.graph, {"N": 1, "H": 64, "W": 64})}
    for node in module_nodes(found.build(probes=True), [torch.rand(2, *shape)], "eval"):
        other = known[node.label]
        assert set(node.feeds) == set(other.feeds)
        assert (node.dense, node.end) == (other.dense, other.end)
        assert node.kind in (other.kind, "module")
