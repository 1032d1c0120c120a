"""The Python interface: texts, settings, drawings, where sizes come from."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from xml.etree import ElementTree as ET

import pytest

from addnn_spec import load, loads
from addnn_spec.diagnostics import DiagnosticError
from addnn_spec.ops import _registered

UNIT = "block Unit(width) { return x -> fc: Linear(width) }\n"
NET = """from "unit.net" import Unit
network Net(ops = 8) { input x: float[N, freeze = 4, 4] output y = x -> u: Unit(ops) }
"""


def test_a_text_imports_from_beside_its_path(tmp_path: Path) -> None:
    (tmp_path / "unit.net").write_text(UNIT)
    network = loads(NET, tmp_path / "net.net")
    assert network.costs.main.total.params == 4 * 8 + 8
    with pytest.raises(DiagnosticError, match=r'(?s)there is no file "unit.net".*<text>:1:6'):
        loads(NET)
    packaged = 'from "resnet.net" import Basic\nnetwork Net { input x: float[N, 4, 8, 8] '
    assert loads(packaged + "output y = x -> Basic(4) }").name == "Net"


def test_a_text_given_for_a_name_is_told() -> None:
    with pytest.raises(DiagnosticError, match=r"this is a text, and no name\n.*loads\(text\)"):
        load("network Net {\n  input x: float[N, 4]\n" + "  # a comment\n" * 30 + "}")


def test_names_that_are_arguments_go_into_mappings(tmp_path: Path) -> None:
    (tmp_path / "unit.net").write_text(UNIT)
    network = loads(NET, tmp_path / "net.net", settings={"ops": 3})
    assert network.costs.main.total.params == 4 * 3 + 3
    assert network.summary(dims={"freeze": 10}).total.macs == 10 * 4 * 3
    assert network.flat(dims={"freeze": 10}).nodes["u.fc"]["macs"] == 120


def test_several_networks_of_a_text() -> None:
    text = "network A { input x: float[2] output x }\nnetwork B { input x: float[3] output x }"
    assert loads(text, None, "B").name == "B"
    with pytest.raises(DiagnosticError, match="E0410"):
        loads(text)


def test_operators_of_one_s_own_from_a_module_at_hand() -> None:
    from addnn_spec.ops.activation import ReLU

    module = ModuleType("mine")
    sys.modules["mine"] = module
    made = type("Twice", (ReLU,), {"__module__": "mine", "__doc__": "Twice."})
    vars(module)["Twice"] = made
    text = "network A { input x: float[2] output y = x -> Twice }"
    try:
        assert loads(text, ops=[module]).flat().nodes["twice"]["op"] == "Twice"
    finally:
        _registered.pop("Twice", None)
        del sys.modules["mine"]


def test_a_drawing(tmp_path: Path) -> None:
    drawing = load("LeNet5").draw(direction="LR", N=3)
    assert "rankdir=LR" in drawing.dot
    assert ET.fromstring(drawing.svg).tag.endswith("svg")
    drawing.save(tmp_path / "net.dot")
    drawing.save(tmp_path / "net.svg")
    assert (tmp_path / "net.dot").read_text() == drawing.dot
    assert (tmp_path / "net.svg").read_text() == drawing.svg
    assert drawing._repr_mimebundle_()["image/svg+xml"] == drawing.svg
    with pytest.raises(DiagnosticError, match="E0602"):
        drawing.save(tmp_path / "net.png")
    opened, closed = (load("ResNet18").draw(depth=d).dot for d in (2, 0))
    assert "layer1.0.conv1" in opened and "layer1.0.conv1" not in closed
    assert "layer1.0.conv1" in load("ResNet18").draw(depth=0, open="layer1").dot


def test_the_text_of_a_network() -> None:
    text = load("LeNet5").show()
    assert "network LeNet5(" in text and repr(text) == str(text)
    assert '<span style="color: ' in text._repr_html_()


def test_where_sizes_come_from() -> None:
    text = """network Net(width = 16) {
  input x: float[N, 3, H = 8, H]
  y = x -> stem: Conv2d(8, 3) -> BatchNorm2d -> ReLU
  output z = y -> body: { Conv2d(width, 1) -> last: Sigmoid }
}
"""
    found = loads(text, "my.net").trace("body.last")
    assert [(s.path, s.place) for s in found.flow] == [
        ("x", "my.net:2:3"), ("stem", "my.net:3:18"), ("body.0", "my.net:4:27"),
        ("body.last", "my.net:4:53"),
    ]  # fmt: skip
    assert [step.path for step in found.within] == ["body"]
    assert found.flow[1].what == "Conv2d(8, 3)"
    assert "output z = y -> body: { Conv2d(width, 1) -> last: Sigmoid }" in str(found)
    block = load("ResNet50").trace("layer2.1")
    assert block.flow[-1].path == "layer2.1.relu_3"
    assert [step.what for step in block.within][-1] == "Bottleneck(width=128, stride=1)"
    with pytest.raises(DiagnosticError, match="did you mean conv2 or conv1"):
        load("LeNet5").trace("conv9")
