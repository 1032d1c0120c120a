"""The summary's table: what it shows, folds, opens and adds up."""

from __future__ import annotations

import csv
import re
from io import StringIO

import pytest

from addnn_spec.backends.table import (
    View,
    csv_table,
    latex_table,
    markdown_table,
    plain_table,
    rich_table,
)
from addnn_spec.diagnostics import Refusal
from addnn_spec.network import load
from addnn_spec.passes.summary import Summary, summarize, to_json
from tests.support import graph_of

NETS = """
block Unit(width) { return x -> fc: Linear(width) -> ReLU }
network Net {
  input x: float[N, 8, H = 4]
  assert H >= 2
  y = x[:, :, 0] -> stem: Linear(16) -> body: repeat 5 { Unit(16) }
  output z = y -> head: Linear(2)
  output extra = y -> Linear(3) when training
}
network Shared {
  input a: float[N, 8]
  module m = Unit(8)
  output y = (a -> m) + (a -> ReLU -> m)
}
"""


def table(network: str = "Net", *, view: View | None = None, **dims: int) -> str:
    graph = graph_of(NETS, network)
    return plain_table(graph, summarize(graph, dims), view or View())


def row(text: str, name: str) -> list[str]:
    """The cells of the line of a node."""
    (line,) = (line for line in text.splitlines() if line.split()[:1] == [name])
    return line.split()


def names(text: str) -> list[str]:
    lines = text.splitlines()
    body = lines[lines.index(next(line for line in lines if line.startswith("---"))) + 1 :]
    return [line.split()[0] for line in body[: body.index("")]]


def test_what_training_adds() -> None:
    """MACs without parameters are those of a module that training uses once more."""
    assert "training adds 51 parameters, 48 MACs" in " ".join(table().split())
    text = """
    network Twice {
      input a: float[N, 8]
      input b: float[N, 8] when training
      module m = Linear(4)
      output y = a -> m
      output z = b -> m when training
    }
    """
    graph = graph_of(text)
    table_of = plain_table(graph, summarize(graph, {"N": 3}), View())
    assert "training adds  0 parameters, 96 MACs" in table_of


def test_columns_by_hand() -> None:
    text = table()
    assert row(text, "stem") == ["stem", "Linear", "[1,", "16]", "16", "144", "128"]
    assert row(text, "x") == ["x", "Input", "[1,", "8,", "4]", "32"]


def test_a_run_is_one_line_with_the_figures_of_all_turns() -> None:
    text = table()
    assert row(text, "0") == ["0", "Unit", "×5", "[1,", "16]", "16", f"{5 * 272:,}", f"{5 * 256:,}"]
    assert names(text) == [
        "x", "getitem", "stem", "body", "0", "head", "linear",
    ]  # fmt: skip


def test_what_is_opened_shows_turn_by_turn() -> None:
    text = table(view=View(opened=("body.2",)))
    assert names(text)[3:12] == ["body", "0", "1", "2", "fc", "relu", "3", "4", "head"]
    assert names(table(view=View(opened=("body.*",)))).count("fc") == 5
    assert names(table(view=View(opened=("body.3.fc",)))).count("fc") == 1


def test_depth() -> None:
    assert names(table(view=View(depth=0))) == ["x", "getitem", "stem", "body", "head", "linear"]
    deep = names(table(view=View(depth=2)))
    assert deep[4:7] == ["0", "fc", "relu"]


def test_totals() -> None:
    lines = table(H=3, N=2).splitlines()
    assert lines[0] == "Net at N = 2, H = 3"
    params = 144 + 5 * 272 + 34
    macs = 2 * (128 + 5 * 256 + 32)
    totals = [" ".join(line.split()) for line in lines]
    assert f"parameters {params:,}" in totals
    assert f"MACs {macs:,}" in totals
    assert f"FLOPs {2 * macs + 2 * 5 * 16:,} (2 × MACs + elementwise)" in totals
    assert f"training adds 51 parameters, {2 * 48} MACs" in totals
    assert any(line.startswith("activations") and "at the peak" in line for line in lines)


def test_minimum_sizes() -> None:
    graph = load("AlexNet").graph
    text = plain_table(graph, summarize(graph), View())
    assert "smallest sizes  H ≥ 63, W ≥ 63\n" in text


def test_what_only_training_needs_is_left_out_where_it_is_too_small() -> None:
    graph = load("InceptionV3").graph
    together = "(N ≥ 2 or H ≥ 347 or W ≥ 347)"  # for the last norm of the auxiliary classifier
    least = f"smallest sizes  H ≥ 75, W ≥ 75; training H ≥ 299, W ≥ 299, {together}\n"
    for size, trains in (299, True), (298, False):
        dims = {"H": size, "W": size}
        text = plain_table(graph, summarize(graph, dims), View())
        assert text.endswith(least)
        assert ("AuxLogits" in text) is trains
        macs = ", 5,683,200 MACs" if trains else ""
        assert f"training adds   3,326,696 parameters{macs}\n" in text
        written = to_json(graph, dims)
        assert any(node["training"] for node in written["nodes"]) is trains
        assert (written["training_params"], written["training_macs"]) == (
            3_326_696,
            5_683_200 if trains else 0,
        )


def test_frozen_and_trainable() -> None:
    graph = graph_of(NETS, "Net")
    lines = plain_table(graph, summarize(graph, freeze="body.*"), View()).splitlines()
    assert ["frozen", f"{5 * 272:,}"] in [line.split() for line in lines]
    assert ["trainable", f"{144 + 34:,}"] in [line.split() for line in lines]


def test_a_shared_module_is_counted_at_its_first_use() -> None:
    text = table("Shared")
    assert row(text, "m")[-2:] == ["72", "64"]
    assert row(text, "m_2")[-3:] == ["as", "m", "64"]


def test_flops_and_receptive_fields_on_request() -> None:
    graph = load("VGG11").graph
    text = plain_table(graph, summarize(graph), View(flops=True, receptive_field=True, depth=1))
    assert "receptive field" in text
    (line,) = (line for line in text.splitlines() if line.split()[:2] == ["0", "Conv2d"])
    assert "3×3, stride 1×1" in line
    assert f"{2 * 64 * 3 * 9 * 224 * 224:,}" in line
    assert "  2 × MACs" in text


def test_too_many_lines() -> None:
    with pytest.raises(Refusal):
        table(view=View(depth=3, limit=5))


def test_colours_change_nothing_else() -> None:
    graph = graph_of(NETS, "Net")
    summary: Summary = summarize(graph)
    colourful = rich_table(graph, summary, View())
    assert "\x1b[" in colourful
    assert _words(_without_escapes(colourful)) == _words(plain_table(graph, summary, View()))


def _without_escapes(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


def _words(text: str) -> list[str]:
    return [word for word in text.split() if set(word) - set("-─━═╴╶╸╺")]


def test_shapes_are_no_markup() -> None:
    graph = graph_of(NETS, "Net")
    assert "[1, 16]" in rich_table(graph, summarize(graph), View())


def test_bytes_of_any_number() -> None:
    sizes = ", ".join(["1000000000"] * 60)
    graph = graph_of(f"network Big {{ input x: float[{sizes}] output y = x -> Tanh }}", "Big")
    assert f"({8 * 10**540:,} bytes) at the peak" in plain_table(graph, summarize(graph), View())


LOOPS = """
block Unit(width) { return x -> fc: Linear(width) -> ReLU }
network Net {
  input x: float[N, 8]
  output y = x
    -> layers: for i in 0..4 { "unit{i}": Unit(8) }
    -> other: for width in [8, 8, 4] { Unit(width) }
    -> a: Linear(4) -> b: Linear(4)
}
"""


def test_equal_turns_of_a_for_are_one_line() -> None:
    """Each turn costs 8·8 + 8 parameters; labels of one's own stay."""
    graph = graph_of(LOOPS)
    text = plain_table(graph, summarize(graph), View())
    assert names(text) == ["x", "layers", "0", "other", "0", "2", "a", "b"]
    assert row(text, "layers")[-2:] == [str(4 * 72), str(4 * 64)]
    assert f"0 Unit ×4 [1, 8] 8 {4 * 72} {4 * 64}" in " ".join(text.split())
    opened = plain_table(graph, summarize(graph), View(opened=("layers.2",)))
    assert names(opened)[2:8] == ["0", "1", "2", "unit2", "fc", "relu"]
    frozen = plain_table(graph, summarize(graph, {}, "layers.[1-2]"), View(trainable=True))
    assert row(frozen, "layers")[-3:] == [str(4 * 72), str(2 * 72), str(4 * 64)]
    assert f"0 Unit ×4 [1, 8] 8 {4 * 72} {2 * 72} {4 * 64}" in " ".join(frozen.split())


def test_sorted_by_a_figure_every_layer_stands_alone() -> None:
    text = table(view=View(sort="params"))
    assert names(text)[:2] == ["body.0.fc", "body.1.fc"]
    assert names(text)[5:] == ["stem", "linear", "head"]  # 144, 51, 34 parameters; others have none
    assert names(table(view=View(sort="macs", depth=0, top=2))) == ["body", "stem"]
    assert names(table(view=View(sort="activations", top=1))) == ["x"]


def test_shares_are_of_the_totals() -> None:
    params, macs = 144 + 5 * 272 + 34, 128 + 5 * 256 + 32
    cells = row(table(view=View(percent=True)), "stem")
    assert cells[-3:] == [f"{100 * 144 / params:.1f}", "128", f"{100 * 128 / macs:.1f}"]


CONV = """
network Net {
  input x: float[N, 3, 8, 8]
  a = x -> conv: Conv2d(4, 1, bias = false) -> bn: BatchNorm2d -> ReLU
  b = a -> Conv2d(4, 1)
  output y = a + b -> GELU
  output z = a -> Sigmoid
}
"""


def test_norms_and_activations_are_joined_to_their_layer() -> None:
    """The sigmoid reads the ReLU, which does not stand before it."""
    graph = graph_of(CONV)
    text = plain_table(graph, summarize(graph), View(fold="norms"))
    assert names(text) == ["x", "conv", "conv2d", "add", "sigmoid"]
    figures = "[1, 4, 8, 8] 768 20 768"  # 3·4 weights and 2·4 of the norm
    assert f"conv Conv2d → BatchNorm2d → ReLU {figures}" in " ".join(text.split())
    assert "Add → GELU" in text


def test_a_tree() -> None:
    text = table(view=View(depth=2, tree=True))
    branches = [line[:12] for line in text.splitlines() if "─ " in line]
    assert branches == ["└─ 0        ", "   ├─ fc    ", "   └─ relu  "]


def test_csv_has_plain_numbers_and_whole_paths() -> None:
    graph = graph_of(NETS, "Net")
    read = list(csv.DictReader(StringIO(csv_table(graph, summarize(graph), View(flops=True)))))
    body = next(line for line in read if line["node"] == "body.0")
    assert body == {
        "node": "body.0", "operator": "Unit", "times": "5", "depth": "1",
        "output_shape": "[1, 16]", "activations": "16", "params": str(5 * 272),
        "macs": str(5 * 256), "flops": str(5 * (512 + 16)), "training": "False",
    }  # fmt: skip
    shared = csv_table(graph_of(NETS, "Shared"), summarize(graph_of(NETS, "Shared")), View())
    uses = [line for line in csv.DictReader(StringIO(shared)) if line["operator"] == "Unit"]
    assert [use["params"] for use in uses] == ["72", "0"]


def test_markdown_and_latex() -> None:
    graph = graph_of(NETS, "Net")
    text = markdown_table(graph, summarize(graph), View())
    lines = text.splitlines()
    assert lines[1] == "| --- | --- | --- | ---: | ---: | ---: |"
    assert "| body.0 | Unit ×5 | [1, 16] | 16 | 1,360 | 1,280 |" in lines
    assert lines[-1] == "| total |  |  |  | 1,538 | 1,440 |"
    text = latex_table(graph, summarize(graph), View(percent=True))
    assert "body.0 & Unit $\\times$5 & [1, 16] & 16 & 1,360 & 88.4 & 1,280 & 88.9 \\\\\n" in text
    assert "params \\%" in text
