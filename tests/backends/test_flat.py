"""The plain networkx graph with every figure."""

from __future__ import annotations

import networkx as nx

from addnn_spec.backends.flat import flat_graph
from addnn_spec.network import load
from addnn_spec.passes.memory import at
from addnn_spec.passes.receptive import Field
from tests.support import graph_of


def test_every_node_has_every_figure() -> None:
    flat = load("ResNet18").flat
    assert isinstance(flat, nx.MultiDiGraph)
    conv = flat.nodes["layer1.0.conv1"]
    assert conv["op"] == "Conv2d"
    assert conv["params"] == 64 * 64 * 9
    assert at(conv["macs"], None) == 64 * 64 * 9 * 56 * 56
    assert at(conv["total_flops"], None) == 2 * 64 * 64 * 9 * 56 * 56
    assert [at(size, None) for size in conv["output_shape"][0]] == [1, 64, 56, 56]
    assert at(conv["activation_size"], None) == 64 * 56 * 56
    assert conv["receptive_field"] == Field((19, 19), (4, 4), (-9, -9))
    whole = Field((None, None), (0, 0), (0, 0))  # the mean before it is that of the map
    assert flat.nodes["fc"]["receptive_field"] == whole
    assert flat.nodes["layer1.0.bn1"]["buffers"] == 64 + 64 + 1
    assert sum(data["params"] for _, data in flat.nodes(data=True)) == 11_689_512


def test_it_is_a_graph_of_the_data_flow() -> None:
    flat = load("ResNet18").flat
    assert nx.is_directed_acyclic_graph(flat)
    assert set(flat.predecessors("layer1.0.add")) == {"layer1.0.bn2", "maxpool"}
    assert nx.has_path(flat, "image", "fc")
    assert flat.graph["outputs"] == (("fc", 0),)


def test_x_plus_x_has_two_edges() -> None:
    flat = flat_graph(graph_of("network Net { input x: float[N, 8]  output y = x + x }"))
    assert flat.number_of_edges("x", "add") == 2
    assert {data["slot"] for data in flat["x"]["add"].values()} == {0, 1}
