"""The summary's table: what it shows, folds, opens and adds up."""

from __future__ import annotations

import re

import pytest

from addnn_spec.backends.table import View, plain_table, rich_table
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
