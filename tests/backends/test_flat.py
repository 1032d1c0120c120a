"""The plain networkx graph with every figure."""

from __future__ import annotations

import json
from pathlib import Path

import networkx as nx
import pytest

from addnn_spec.backends.flat import flat_graph, flat_numbers
from addnn_spec.diagnostics import DiagnosticError
from addnn_spec.network import load
from addnn_spec.passes.memory import at
from addnn_spec.passes.receptive import Field
from tests.support import graph_of


def test_every_node_has_every_figure() -> None:
    flat = load("ResNet18").flat(symbolic=True)
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
    flat = load("ResNet18").flat(symbolic=True)
    assert nx.is_directed_acyclic_graph(flat)
    assert set(flat.predecessors("layer1.0.add")) == {"layer1.0.bn2", "maxpool"}
    assert nx.has_path(flat, "image", "fc")
    assert flat.graph["outputs"] == (("fc", 0),)


def test_x_plus_x_has_two_edges() -> None:
    flat = flat_graph(graph_of("network Net { input x: float[N, 8]  output y = x + x }"))
    assert flat.number_of_edges("x", "add") == 2
    assert {data["slot"] for data in flat["x"]["add"].values()} == {0, 1}


def test_at_sizes_figures_are_plain_numbers() -> None:
    flat = load("ResNet18").flat(N=2, H=64, W=64)
    conv = flat.nodes["layer1.0.conv1"]
    assert conv["output_shape"] == "[[2, 64, 16, 16]]"
    assert conv["dtype"] == "float"
    assert conv["macs"] == 2 * 64 * 64 * 9 * 16 * 16
    assert conv["total_flops"] == 2 * conv["macs"]
    assert conv["receptive_field"] == "[19, 19]"
    assert conv["receptive_stride"] == "[4.0, 4.0]"
    assert flat.nodes["layer1.0.bn1"]["flops_norm"] == 2 * 2 * 64 * 16 * 16
    assert flat.edges["image", "conv1", 0]["shape"] == "[2, 3, 64, 64]"
    most = max(flat.nodes, key=lambda path: flat.nodes[path]["params"])
    assert most == "layer4.0.conv2"  # the first of three with 512·512·9
    assert sum(macs for _, macs in load("ResNet18").flat().nodes(data="macs")) == 1_814_073_344


def test_sizes_are_checked() -> None:
    with pytest.raises(DiagnosticError, match="symbolic size"):
        load("ResNet18").flat(Z=3)


def test_what_cannot_train_has_no_training_nodes() -> None:
    text = """network Net {
      input x: float[N, 1, L = 16]
      output y = x -> a: Conv1d(2, 3)
      output aux = y -> b: Conv1d(1, 9) when training
    }"""
    graph = graph_of(text)
    assert list(flat_numbers(graph, {})) == ["x", "a", "b"]
    small = flat_numbers(graph, {"L": 8})
    assert list(small) == ["x", "a"]
    assert json.loads(small.graph["outputs"]) == [["a", 0]]


@pytest.mark.parametrize("name", ["GoogLeNet", "VAE", "Seq2Seq_Bahdanau"])
def test_graphml_and_json_give_it_back(name: str, tmp_path: Path) -> None:
    flat = load(name).flat()
    nx.write_graphml(flat, tmp_path / "net.graphml")
    again = nx.read_graphml(tmp_path / "net.graphml", force_multigraph=True)
    assert dict(again.nodes(data=True)) == dict(flat.nodes(data=True))
    text = json.dumps(nx.node_link_data(flat, edges="edges"))
    again = nx.node_link_graph(json.loads(text), edges="edges")
    assert dict(again.nodes(data=True)) == dict(flat.nodes(data=True))
    assert list(again.edges(data=True)) == list(flat.edges(data=True))
