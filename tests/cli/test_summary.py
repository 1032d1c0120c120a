"""`addnn summary`, and the options that name a network."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from addnn_spec import load
from addnn_spec.passes.memory import at
from addnn_spec.sizes import SymbolicSize
from tests.cli.conftest import Addnn

NETS = """
block Body(width) { return x -> Linear(width) -> ReLU }
network One(width = 4, act = ReLU, depth = 1) {
  input x: float[N, 8]
  output y = x -> layers: repeat depth { Body(width) } -> act
}
network Two = One(depth = 2)
"""


@pytest.fixture
def nets(tmp_path: Path) -> str:
    (tmp_path / "nets.net").write_text(NETS)
    return "nets.net"


def figures(addnn: Addnn, *arguments: str) -> dict[str, Any]:
    ended = addnn("summary", *arguments, "--json")
    assert ended.code == 0, ended.err
    data: dict[str, Any] = json.loads(ended.out)
    return data


def test_a_table(addnn: Addnn) -> None:
    ended = addnn("summary", "LeNet5")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.startswith("LeNet5 at N = 1\n")
    assert "62,958" in ended.out and "849,320" in ended.out
    assert "\x1b" not in ended.out


def test_json_has_the_fields_that_are_promised(addnn: Addnn) -> None:
    data = figures(addnn, "LeNet5")
    assert {
        "network", "nodes", "total_params", "total_macs", "total_flops", "training_params",
        "training_macs", "activation_bytes", "activation_bytes_sum",
    } <= data.keys()  # fmt: skip
    assert (data["network"], data["total_params"], data["total_macs"]) == ("LeNet5", 62958, 849320)
    conv = next(node for node in data["nodes"] if node["path"] == "conv1")
    assert {
        "path", "op", "file", "line", "inputs", "output_shape", "activation_size", "params",
        "macs", "flops",
    } <= conv.keys()  # fmt: skip
    assert conv["op"] == "Conv2d"
    assert conv["file"].endswith("lenet.net")
    assert conv["inputs"] == ["image"]
    assert conv["output_shape"] == [1, 8, 28, 28]
    assert conv["activation_size"] == 8 * 28 * 28
    assert conv["params"] == 8 * 3 * 25 + 8
    assert conv["macs"] == 8 * 28 * 28 * 3 * 25
    assert conv["flops"] == 2 * conv["macs"]


def test_several_networks_and_none_chosen(addnn: Addnn, nets: str) -> None:
    ended = addnn("summary", nets)
    assert (ended.code, ended.out) == (2, "")
    assert "error[E0410]" in ended.err and "One, Two" in ended.err
    assert figures(addnn, nets, "--network", "Two")["network"] == "Two"


def test_a_network_of_a_file_by_one_word(addnn: Addnn, nets: str) -> None:
    assert figures(addnn, f"{nets}:Two") == figures(addnn, nets, "--network", "Two")
    assert addnn("compile", f"{nets}:Two").out == addnn("compile", nets, "--network", "Two").out
    assert addnn("check", f"{nets}:Two").out == "no errors: 1 network in 1 file\n"
    assert "E0110" in addnn("check", f"{nets}:Tow").err
    ended = addnn("summary", f"{nets}:Two", "--network", "One")
    assert ended.code == 2 and "E0410" in ended.err
    assert "there is no file missing.net\n" in addnn("summary", "missing.net:Two").err
    Path(f"{nets}:Two").write_text(Path(nets).read_text())
    assert "E0410" in addnn("summary", f"{nets}:Two").err  # a file of that name wins


def test_a_file_in_which_the_network_was_not_found_for_its_mistakes(addnn: Addnn) -> None:
    text = "network { input x: float[N, 3] output y = x }"
    ended = addnn("summary", "-", "--network", "Two", text=text)
    assert ended.code == 1 and "E0003" in ended.err and "E0110" not in ended.err


def test_an_unknown_network(addnn: Addnn, nets: str) -> None:
    ended = addnn("summary", nets, "--network", "Tow")
    assert ended.code == 2
    assert "E0110" in ended.err and "Two" in ended.err


def test_a_near_name(addnn: Addnn) -> None:
    ended = addnn("summary", "Resnet5O")
    assert ended.code == 2
    assert "did you mean ResNet50" in ended.err


@pytest.mark.parametrize(
    ("settings", "params"),
    [
        (["width=5"], 8 * 5 + 5),
        (["width = 2 + 3", "depth=1"], 8 * 5 + 5),
        (["act=none"], 8 * 4 + 4),
        (["act=Linear(3)"], 8 * 4 + 4 + 4 * 3 + 3),
        (["act=Body(3)"], 8 * 4 + 4 + 4 * 3 + 3),
        (["width=max(1, 2)"], 8 * 2 + 2),
    ],
)
def test_set(addnn: Addnn, nets: str, settings: list[str], params: int) -> None:
    options = [option for setting in settings for option in ("--set", setting)]
    assert figures(addnn, nets, "--network", "One", *options)["total_params"] == params


def test_set_takes_lists_and_layers(addnn: Addnn) -> None:
    options = ["--set", "Block=Bottleneck", "--set", "depths=[3, 4, 6, 3]"]
    data = figures(addnn, "ResNet", *options)
    assert data["total_params"] == 25_557_032


@pytest.mark.parametrize(
    ("setting", "code"),
    [
        ("depth", "E0607"),
        ("depth=", "E0607"),
        ("=3", "E0607"),
        ("depth=1; let y = 2", "E0607"),
        ("depth=1 let y = 2", "E0607"),
        ("depth=__import__('os')", "E0607"),
        ("depth=wide", "E0607"),
        ("depth=(1", "E0607"),
        ("breadth=3", "E0218"),
    ],
)
def test_set_refuses(addnn: Addnn, nets: str, setting: str, code: str) -> None:
    ended = addnn("summary", nets, "--network", "One", "--set", setting)
    assert (ended.code, ended.out) == (2, "")
    assert f"error[{code}]" in ended.err


def test_set_changes_only_what_an_alias_left_open(addnn: Addnn, nets: str) -> None:
    ended = addnn("summary", nets, "--network", "Two", "--set", "depth=3")
    assert ended.code == 2
    assert "E0218" in ended.err
    assert addnn("summary", nets, "--network", "Two", "--set", "width=3").code == 0


def test_a_value_may_make_the_network_wrong(addnn: Addnn, nets: str) -> None:
    ended = addnn("summary", nets, "--network", "One", "--set", "width=-4")
    assert (ended.code, ended.out) == (1, "")
    assert "nets.net:2" in ended.err


def test_a_parameter_without_value(addnn: Addnn) -> None:
    ended = addnn("summary", "ResNet")
    assert ended.code == 2
    assert "E0217" in ended.err


def test_dim(addnn: Addnn) -> None:
    at_224 = figures(addnn, "ResNet18")
    at_448 = figures(addnn, "ResNet18", "--dim", "H=448", "--dim", "W=448")
    fc = 512 * 1000
    assert at_448["total_macs"] - fc == 4 * (at_224["total_macs"] - fc)
    assert at_448["total_params"] == at_224["total_params"]


@pytest.mark.parametrize(
    ("dim", "code"),
    [
        ("H=62", "E0304"),
        ("H=0", "E0304"),
        ("H=-3", "E0607"),
        ("H=1e3", "E0607"),
        ("H=٣٠٠", "E0607"),
        ("H=" + "9" * 19, "E0607"),
        ("Q=3", "E0218"),
        ("H", "E0607"),
    ],
)
def test_dim_refuses(addnn: Addnn, dim: str, code: str) -> None:
    ended = addnn("summary", "AlexNet", "--dim", dim)
    assert ended.out == ""
    assert ended.code in (1, 2)
    assert f"error[{code}]" in ended.err


def test_too_many_nodes_to_list(addnn: Addnn, nets: str) -> None:
    many = ["--network", "One", "--set", "depth=5000"]
    assert addnn("summary", nets, *many).code == 0
    ended = addnn("summary", nets, *many, "--json", "--limit-listed", "1000")
    assert (ended.code, ended.out) == (1, "")
    assert "E0507" in ended.err and "--limit-listed" in ended.err


def test_warnings_do_not_stop_it_and_notes_are_left_out(addnn: Addnn) -> None:
    text = """
    block Unused { return x -> ReLU }
    network Net { input x: float[N, 3] input z: float[N, 3] output y = x -> ReLU }"""
    ended = addnn("summary", "-", text=text)
    assert ended.code == 0
    assert "W0102" in ended.err and "N0101" not in ended.err
    assert ended.out.startswith("Net at N = 1\n")
    assert addnn("summary", "-", "--strict", text=text).code == 1


def test_frozen_parameters(addnn: Addnn) -> None:
    ended = addnn("summary", "LeNet5", "--freeze", "conv*")
    conv = (8 * 3 * 25 + 8) + (16 * 8 * 25 + 16)
    lines = [line.split() for line in ended.out.splitlines()]
    assert ["trainable", f"{62958 - conv:,}"] in lines
    assert ["frozen", f"{conv:,}"] in lines


def test_totals_are_polynomials(addnn: Addnn) -> None:
    """By hand: 12 layers of 12·E² weights and 2·E products a pair of words, the words' matrix."""
    ended = addnn("summary", "GPT2", "--symbolic", "--depth", "0")
    macs = f"total_macs = {12 * 2 * 768}*N*T**2 + {12 * 12 * 768**2 + 50257 * 768}*N*T"
    assert ended.code == 0
    assert macs in ended.out.splitlines()
    assert "total_params = 124439808" in ended.out
    assert "training_macs" not in ended.out


def test_polynomials_in_json_are_source(addnn: Addnn, nets: str) -> None:
    data = figures(addnn, nets, "--network", "Two", "--symbolic")
    assert data["symbolic"]["total_macs"] == f"{8 * 4 + 4 * 4} * N"
    assert "symbolic" not in figures(addnn, nets, "--network", "Two")


def test_a_summary_holds_numbers_and_is_printed_as_the_table(addnn: Addnn) -> None:
    """At default and at given sizes; asked for, polynomials that give the same numbers."""
    network = load("ResNet18")
    every: list[dict[str, Any]] = [{}, {"N": 3, "H": 320, "W": 288}]
    for dims in every:
        numbers, symbolic = network.summary(**dims), network.summary(symbolic=True, **dims)
        for mine, theirs in zip(numbers.rows, symbolic.rows, strict=True):
            assert type(mine.total.macs) is int
            assert all(type(size) is int for output in mine.outputs for size in output.shape)
            assert mine.total.macs == at(theirs.total.macs, dims)
        assert max(int(row.total.macs) for row in numbers.rows) > 0
        assert isinstance(symbolic.total.macs, SymbolicSize)
        assert numbers.total.macs == symbolic.total.macs.at(**dims)
        assert symbolic.total == network.costs.main.total
        assert str(numbers) == str(symbolic)
        given = [f"--dim={name}={value}" for name, value in dims.items()]
        assert addnn("summary", "ResNet18", *given).out == f"{numbers}\n"
    with pytest.raises(TypeError, match=r"is no number: \.at\(N=1\) gives one"):
        int(network.costs.main.total.macs)
    assert "NetworkSummary(network='ResNet18'" in repr(network.summary())


def trainable(out: str, name: str) -> str:
    """The cell of a row, which stands before its MACs."""
    lines = out.splitlines()
    head = next(line for line in lines if line.startswith("node"))
    end = head.index("trainable") + len("trainable")
    (line,) = (line for line in lines if line.split()[:1] == [name])
    return line[head.index(" params") + len(" params") : end].strip()


def test_which_rows_are_trainable(addnn: Addnn) -> None:
    out = addnn("summary", "LeNet5", "--freeze", "conv*").out
    assert trainable(out, "conv1") == "0"
    assert trainable(out, "fc3") == f"{400 * 120 + 120:,}"
    assert trainable(out, "image") == ""
    out = addnn("summary", "LeNet5", "--freeze", "fc4.bias").out
    assert trainable(out, "fc4") == f"{120 * 84:,}"
    assert "trainable" not in addnn("summary", "LeNet5").out


SHARED = """
block Unit(n) {
  return x -> fc: Linear(n) -> norm: LayerNorm
}
block Normed(n) {
  x = x -> Linear(n)
  return x -> _: LayerNorm
}
network Net {
  input x: float[N, 8]
  module shared = Unit(8)
  x = x -> first: shared -> layers: repeat 3 { Linear(8) } -> again: shared
  output y = x -> norm: Normed(8)
}
"""


@pytest.mark.parametrize(
    ("pattern", "frozen", "rows"),
    [
        ("shared.fc", {"first.fc"}, {"first": "16", "layers": "216", "norm": "88"}),
        ("layers.[12]", {"layers.1", "layers.2"}, {"first": "88", "layers": "72"}),
        ("norm", {"norm.linear", "norm._"}, {"first": "88", "norm": "0"}),
    ],
)
def test_rows_of_runs_and_of_shared_modules(
    addnn: Addnn, tmp_path: Path, pattern: str, frozen: set[str], rows: dict[str, str]
) -> None:
    spec = tmp_path / "net.net"
    spec.write_text(SHARED, encoding="utf-8")
    out = addnn("summary", str(spec), "--freeze", pattern, "--depth", "0").out
    assert {name: trainable(out, name) for name in rows} == rows
    nodes = figures(addnn, str(spec), "--freeze", pattern)["nodes"]
    kept = {n["path"] for n in nodes if n["params"] and n["trainable_params"] == 0}
    assert kept == frozen
    others = [n for n in nodes if n["path"] not in frozen]
    assert all(n["trainable_params"] == n["params"] for n in others)


def test_bytes_of_the_parameters(addnn: Addnn) -> None:
    lines = [
        line.split() for line in addnn("summary", "LeNet5", "--dtype", "bfloat16").out.splitlines()
    ]
    assert ["in", "bfloat16", "123.0", "KiB", f"({2 * 62958:,}", "bytes)"] in lines
    assert figures(addnn, "LeNet5")["params_bytes"] == 4 * 62958
    assert figures(addnn, "LeNet5", "--dtype", "int8")["params_bytes"] == 62958
    assert addnn("summary", "LeNet5", "--dtype", "bf17").code == 2


def test_forms_of_the_table(addnn: Addnn) -> None:
    assert addnn("summary", "LeNet5", "--csv").out.startswith("node,operator,times,depth,")
    assert addnn("summary", "LeNet5", "--markdown").out.startswith("| node | operator |")
    assert addnn("summary", "LeNet5", "--latex").out.startswith("\\begin{tabular}{lllrrr}\n")
    out = addnn("summary", "LeNet5", "--sort", "params", "--top", "1", "--percent").out
    assert "fc3   Linear    [1, 120]              120  48,120      76.4  48,000     5.7" in out
    ended = addnn("summary", "LeNet5", "--json", "--top", "3")
    assert (ended.code, ended.out) == (2, "") and "--json lists every node" in ended.err


def test_freezing_needs_a_pattern(addnn: Addnn) -> None:
    ended = addnn("summary", "LeNet5", "--freeze", "")
    assert (ended.code, ended.out) == (2, "") and "--freeze needs a pattern" in ended.err


def test_errors_name_what_was_set(addnn: Addnn, nets: str) -> None:
    ended = addnn("summary", nets, "--network", "One", "--set", "width=-3")
    assert ended.code == 1
    assert "  = with --set width=-3\n" in ended.err
    assert "--set" not in addnn("summary", "-", text=NETS.replace("width = 4", "width = -4")).err
