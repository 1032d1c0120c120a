"""`addnn list`, `addnn explain` and `addnn show`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from addnn_spec.catalogue import locate, packaged
from addnn_spec.cli.explain import topics
from addnn_spec.codes import CODES
from addnn_spec.resources import folder
from tests.cli.conftest import ROOT, Addnn


def test_list_groups_by_family_and_names_the_proof(addnn: Addnn) -> None:
    ended = addnn("list")
    assert (ended.code, ended.err) == (0, "")
    spatial = ended.out.split("spatial\n")[1].split("\n\n")[0].splitlines()
    rows = {line.split()[0]: line.split()[1:] for line in spatial}
    figures = ["61,100,840", "parameters", "714,188,480", "MACs"]
    assert rows["AlexNet"] == [*figures, "torchvision.alexnet"]
    assert rows["LeNet5"][-2:] == ["its", "equations"]
    assert "ResNet18" not in rows


def test_list_shows_each_network_once(addnn: Addnn) -> None:
    rows = [line.split()[0] for line in addnn("list").out.splitlines() if line.startswith("  ")]
    assert sorted(rows) == sorted(packaged())


def test_list_of_one_family(addnn: Addnn) -> None:
    lines = addnn("list", "--family", "spatial").out.splitlines()
    assert lines[0] == "spatial"
    assert all(line.startswith("  ") for line in lines[1:])


def test_list_of_an_unknown_family(addnn: Addnn) -> None:
    ended = addnn("list", "--family", "spacial")
    assert (ended.code, ended.out) == (2, "")
    assert ended.err == (
        "error[E0601]: there is no family spacial\n  = help: did you mean spatial?\n"
    )


def _listed(addnn: Addnn, *words: str) -> list[str]:
    ended = addnn("list", *words)
    assert (ended.code, ended.err) == (0, "")
    return [line.split()[0] for line in ended.out.splitlines() if line.startswith("  ")]


def test_list_by_words(addnn: Addnn) -> None:
    shuffle = _listed(addnn, "SHUFFLE")
    assert {"ShuffleNetV1_g3", "ShuffleNetV2_x1_0"} < set(shuffle)
    assert all("shuffle" in name.lower() for name in shuffle)
    assert {"RNNTagger", "ConvLSTM"} <= set(_listed(addnn, "recurrent"))  # told in the specs only
    assert _listed(addnn, "resnext", "cbam") == ["CBAMResNeXt101_32x4d"]


def test_list_by_amounts(addnn: Addnn) -> None:
    """The figures are MobileNetV2's and ShuffleNetV2's, of torchvision."""
    few = _listed(addnn, "--family", "mobile", "--max-params", "3.51M", "--max-macs", "305M")
    assert "MobileNetV2" in few and "ShuffleNetV2_x1_0" in few
    assert "MobileNetV2" not in _listed(addnn, "--max-params", "3504871")
    assert "MobileNetV2" in _listed(addnn, "--max-params", "3504872")
    assert "ShuffleNetV2" not in few  # it needs arguments
    ended = addnn("list", "--max-params", "5")
    assert (ended.code, ended.out, ended.err) == (0, "", "none is so small\n")
    assert addnn("list", "--max-params", "5x").code == 2


def test_list_by_words_that_no_network_has(addnn: Addnn) -> None:
    ended = addnn("list", "shufle")
    assert (ended.code, ended.out) == (2, "")
    assert ended.err == (
        "error[E0601]: no packaged network is like shufle\n  = help: did you mean shuffle?\n"
    )


def test_names_in_any_case_and_a_file_first(addnn: Addnn) -> None:
    assert addnn("compile", "lenet5").out == addnn("compile", "LeNet5").out
    Path("lenet5").write_text("network Mine { input x: float[N, 3] output y = x -> Linear(2) }")
    assert "class Mine" in addnn("compile", "lenet5").out


def test_show(addnn: Addnn) -> None:
    text = (folder("specs") / "depth" / "resnet.net").read_text(encoding="utf-8")
    for name in ("ResNet50", "resnet18"):
        ended = addnn("show", name)
        assert (ended.code, ended.out, ended.err) == (0, text, "")
    assert addnn("show", "-", text="network A { }").out == "network A { }"
    assert addnn("show", "ResNet51").code == 2
    Path("mine.net").write_text(text)
    assert addnn("show", "mine.net:ResNet18").out == text
    assert addnn("show", "mine.net:VGG").code == 2


def test_list_as_json(addnn: Addnn) -> None:
    networks = {item["name"]: item for item in json.loads(addnn("list", "--json").out)["networks"]}
    assert set(networks) == set(packaged())
    assert networks["LeNet5"] == {
        "name": "LeNet5",
        "file": "spatial/lenet.net",
        "params": 62958,
        "macs": 849320,
        "depth": 5,
        "training_params": 0,
        "training_macs": 0,
        "reference": None,
        "family": "spatial",
        "proof": "its equations",
        "change": None,
        "weights": None,
    }
    googlenet = networks["GoogLeNet"]
    assert googlenet["proof"] == googlenet["reference"] == "torchvision.googlenet"
    assert googlenet["training_params"] == 6_379_984
    changed = networks["PreActResNet164_v1"]
    assert changed["change"] == "with the stride in the first 1×1"
    assert changed["weights"] == "keys pytorchcv_preresnet"


def test_every_packaged_name_is_a_network() -> None:
    for name in packaged():
        session, network = locate(name)
        assert network == name
        assert name in session.networks


def test_explain(addnn: Addnn) -> None:
    for code in ("E0301", "e0301"):
        ended = addnn("explain", code)
        assert (ended.code, ended.err) == (0, "")
        assert ended.out.startswith(f"# E0301: {CODES['E0301']}\n")


def test_explain_an_operator(addnn: Addnn) -> None:
    page = (ROOT / "docs" / "operators" / "convolution.md").read_text(encoding="utf-8")
    for name in ("Conv2d", "conv2d"):
        ended = addnn("explain", name)
        assert (ended.code, ended.err) == (0, "")
        assert ended.out.startswith("## Conv2d\n") and ended.out in page


def test_explain_a_block(addnn: Addnn) -> None:
    out = addnn("explain", "SqueezeExcite").out
    assert '`from "squeeze_excite.net" import SqueezeExcite`' in out
    assert "block SqueezeExcite(reduction = 16) {\n  gate = x -> AdaptiveAvgPool2d(1)\n" in out
    assert out.endswith("  return x * gate\n}\n```\n")


def test_explain_a_network(addnn: Addnn) -> None:
    out = addnn("explain", "resnet50").out
    assert out.startswith("# ResNet50\n\nDeep residual networks. K. He, ")
    assert "- parameters: 25,557,032\n" in out and "| `H` | 224 |" in out
    assert "| `classes` | `1000` |" in out and "`block`" not in out  # what the alias gave stays
    needs = addnn("explain", "ViT").out
    assert "| `patch` | must be given |" in needs


@pytest.mark.slow
def test_everything_can_be_explained(addnn: Addnn) -> None:
    for name in topics():
        ended = addnn("explain", name)
        assert (ended.code, ended.err) == (0, ""), name


def test_explain_lists_all(addnn: Addnn) -> None:
    lines = addnn("explain").out.splitlines()
    assert lines == [f"{code}  {title}" for code, title in CODES.items()]


def test_explain_an_unknown_code(addnn: Addnn) -> None:
    ended = addnn("explain", "E0399")
    assert (ended.code, ended.out) == (2, "")
    assert "error[E0610]" in ended.err
