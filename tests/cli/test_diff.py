"""`addnn diff`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Addnn

OLD = """network Net {
  input x: float[N, 8]
  output y = x -> a: Linear(16) -> ReLU -> b: Linear(4)
}
"""
NEW = """network Net {
  input x: float[N, 8]
  output y = x -> a: Linear(32) -> GELU -> c: Linear(4, bias = false)
}
"""


@pytest.fixture
def nets(tmp_path: Path) -> tuple[str, str]:
    (tmp_path / "old.net").write_text(OLD)
    (tmp_path / "new.net").write_text(NEW)
    return "old.net", "new.net"


def test_json(addnn: Addnn, nets: tuple[str, str]) -> None:
    ended = addnn("diff", *nets, "--json")
    assert (ended.code, ended.err) == (0, "")
    data = json.loads(ended.out)
    assert data["totals"]["total_params"] == {"old": 144 + 68, "new": 288 + 128}
    assert data["totals"]["total_macs"] == {"old": 128 + 64, "new": 256 + 128}
    keys = data["state_dict"]
    assert keys["added"] == {"c.weight": [4, 32]}
    assert keys["lost"] == {"b.weight": [4, 16], "b.bias": [4]}
    assert keys["reshaped"] == {
        "a.weight": {"old": [16, 8], "new": [32, 8]},
        "a.bias": {"old": [16], "new": [32]},
    }
    assert set(data["nodes"]["added"]) == {"gelu", "c"}
    assert set(data["nodes"]["lost"]) == {"relu", "b"}
    changed = data["nodes"]["changed"]["a"]
    assert changed["old"]["output_shapes"] == [[1, 16]]
    assert changed["new"]["output_shapes"] == [[1, 32]]


def test_text(addnn: Addnn, nets: tuple[str, str]) -> None:
    out = addnn("diff", *nets).out
    assert "total_params" in out and "212 → 416 (+204)" in out
    assert "  ~ a.weight  [16, 8] → [32, 8]\n" in out
    assert "  ~ a  out_features 16 → 32; shape [1, 16] → [1, 32]; params 144 → 288" in out
    assert "  + c.weight  [4, 32]\n" in out
    assert "  - b.bias  [4]\n" in out


def test_blocks_in_a_row_that_are_told_alike_are_one_line_each_name(addnn: Addnn) -> None:
    """ResNet-101 has 17 further blocks of 10 nodes and 18 tensors."""
    lines = addnn("diff", "ResNet50", "ResNet101").out.splitlines()
    assert "  + layer3.(6…22).conv1  Conv2d [1, 256, 14, 14], ×17" in lines
    assert "  + layer3.(6…22).bn3.weight  [1024], ×17" in lines
    assert len([line for line in lines if line.startswith("  + ")]) == 10 + 18
    assert "nodes: 170 added, 0 lost, 2 changed" in lines


def test_nothing_differs(addnn: Addnn, nets: tuple[str, str]) -> None:
    ended = addnn("diff", nets[0], nets[0], "--exit-code")
    assert ended.code == 0
    assert "no difference" in ended.out
    assert addnn("diff", *nets, "--exit-code").code == 3


def test_attributes_without_weights_show(addnn: Addnn) -> None:
    text = "network N { input x: float[1, 8] output y = x -> s: Softmax(dim = %d) }"
    Path("a.net").write_text(text % 1)
    ended = addnn("diff", "a.net", "-", text=text % 0)
    assert "  ~ s  dim 1 → 0\n" in ended.out


def test_two_networks_of_one_file(addnn: Addnn) -> None:
    path = "resnet.net"
    Path(path).write_text('from "depth/resnet.net" import ResNet, Basic\n'
                          "network A = ResNet(Basic, [1, 1, 1, 1])\n"
                          "network B = ResNet(Basic, [1, 1, 1, 2])\n")  # fmt: skip
    ended = addnn("diff", path, path, "--old-network", "A", "--network", "B")
    assert ended.code == 0, ended.err
    assert ended.out.startswith("A → B\n")
    assert "layer4.1.conv1.weight  [512, 512, 3, 3]" in ended.out


def test_an_error_in_one(addnn: Addnn, nets: tuple[str, str]) -> None:
    ended = addnn("diff", nets[0], "-", text=OLD.replace("ReLU", "RELLU"))
    assert (ended.code, ended.out) == (1, "")
    assert "E0101" in ended.err
