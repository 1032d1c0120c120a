"""`addnn draw`."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree as ET

from tests.cli.conftest import Addnn


def test_dot(addnn: Addnn, tmp_path: Path) -> None:
    ended = addnn("draw", "LeNet5", "-o", "net.dot")
    assert (ended.code, ended.out, ended.err) == (0, "", "")
    assert (tmp_path / "net.dot").read_text().startswith("digraph")


def test_svg(addnn: Addnn, tmp_path: Path) -> None:
    assert addnn("draw", "LeNet5", "-o", "net.svg").code == 0
    root = ET.parse(tmp_path / "net.svg").getroot()
    assert root.tag.endswith("svg")
    assert ET.fromstring(addnn("draw", "LeNet5").out).tag == root.tag


def test_another_kind_of_file(addnn: Addnn) -> None:
    ended = addnn("draw", "LeNet5", "-o", "net.png")
    assert ended.code == 2
    assert "E0602" in ended.err


def test_more_is_opened_and_too_much_is_refused(addnn: Addnn, tmp_path: Path) -> None:
    sizes = []
    for depth in ("0", "9"):
        assert addnn("draw", "ResNet18", "-o", "net.dot", "--depth", depth).code == 0
        sizes.append(len((tmp_path / "net.dot").read_text()))
    assert sizes[0] < sizes[1]
    ended = addnn("draw", "ResNet18", "--depth", "9", "--limit-listed", "5")
    assert (ended.code, ended.out) == (1, "")
    assert "E0507" in ended.err


def test_shapes_are_at_the_sizes_asked_for(addnn: Addnn, tmp_path: Path) -> None:
    assert addnn("draw", "ResNet18", "-o", "net.dot", "--dim", "H=320").code == 0
    assert "320" in (tmp_path / "net.dot").read_text()
