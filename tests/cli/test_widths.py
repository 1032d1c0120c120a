"""`addnn widths`: the channel classes as a table and as JSON."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from addnn_spec.cli import run


def test_the_table_says_what_is_one_width_and_what_must_stay(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(["widths", "ResNet20_cifar"]) == 0
    told = capsys.readouterr().out
    assert "conv1, layer1.0.conv2, layer1.1.conv2 and 7 more" in told
    assert "it is an output of the network" in told
    assert "12 of 14 classes may change: 400 channels" in told


def test_json_names_every_node(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["widths", "LeNet5", "--json"]) == 0
    classes = json.loads(capsys.readouterr().out)["classes"]
    assert [one["channels"] for one in classes] == [3, 8, 16, 120, 84, 10]
    assert classes[1] == {
        "class": 1,
        "channels": 8,
        "made_by": ["conv1"],
        "read_by": ["conv2"],
        "frozen": None,
        "tied_to": [],
    }


def test_a_drawing_has_a_colour_for_each_class_and_grey_for_what_must_stay(tmp_path: Path) -> None:
    out = tmp_path / "widths.dot"
    assert run(["widths", "ResNet20_cifar", "-o", str(out)]) == 0
    boxes = {
        found[2]: found[1]
        for found in re.finditer(r'fillcolor="([^"]*)".*tooltip="([^"]*)"', out.read_text())
    }
    assert boxes["layer1.0.conv2"] == boxes["conv1"] != boxes["layer2.0.conv1"]
    assert boxes["layer1.0.conv1"].count(":") == 2  # three turns, drawn as one
    assert boxes["layer2.0.pad"] == f"{boxes['conv1']}:{boxes['layer2.0.bn2'].split(':')[1]}"
    assert boxes["fc"] == "#d9d9d9"
    assert "class 1" in out.read_text()
