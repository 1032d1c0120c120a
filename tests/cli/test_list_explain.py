"""`addnn list` and `addnn explain`."""

from __future__ import annotations

import json

from addnn_spec.catalogue import locate, packaged
from addnn_spec.codes import CODES
from tests.cli.conftest import Addnn


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


def test_explain_lists_all(addnn: Addnn) -> None:
    lines = addnn("explain").out.splitlines()
    assert lines == [f"{code}  {title}" for code, title in CODES.items()]


def test_explain_an_unknown_code(addnn: Addnn) -> None:
    ended = addnn("explain", "E0399")
    assert (ended.code, ended.out) == (2, "")
    assert "error[E0610]" in ended.err
