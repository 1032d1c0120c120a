"""What the README, and the page on emission, show is what the commands give."""

from __future__ import annotations

import html
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from addnn_spec import loads
from addnn_spec.cli.app import addnn
from addnn_spec.cli.readme_picture import SPEC

TEXT = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
WRONG = """network Bad(classes = 10) {
  input image: float[N, 1, 28, 28]
  x = image -> conv: Conv2d(8, 3, padding = 1) -> MaxPool2d(2) -> Flatten
  output logits = x -> fc: Linear(classes, in_features = 400)
}
"""


def _block(language: str, start: str) -> str:
    """The first block of a language that begins so."""
    for named, text in re.findall(r"^```(\w*)\n(.*?)^```$", TEXT, re.DOTALL | re.MULTILINE):
        if named == language and text.startswith(start):
            return str(text)
    raise AssertionError(f"no block in {language} begins with {start!r}")


def _output(*arguments: str) -> str:
    return CliRunner().invoke(addnn, arguments).output


def test_the_first_spec_gives_the_code_below_it(tmp_path: Path) -> None:
    spec = tmp_path / "lenet5.net"
    spec.write_text(_block("", "network LeNet5"), encoding="utf-8")
    shown = _block("python", "class LeNet5")
    assert shown in _output("compile", str(spec)) and shown in _output("compile", "LeNet5")


def test_the_class_of_the_page_on_emission() -> None:
    page = (Path(__file__).parents[2] / "docs" / "emission.md").read_text(encoding="utf-8")
    forward = re.search(r"^    def forward\(.*?(?=^```$)", page, re.DOTALL | re.MULTILINE)
    assert forward is not None
    assert forward[0] in _output("compile", "ResNet18")


def test_the_picture_is_of_what_is_written_and_what_it_compiles_to() -> None:
    """Its drawing depends on the engine; its texts are those of the spec and of the code."""
    picture = (Path(__file__).parents[2] / "docs" / "figures" / "readme.svg").read_text("utf-8")
    said = [html.unescape(re.sub("<[^>]*>", "", line)) for line in picture.splitlines()]
    shown = {line.replace("\xa0", " ").strip() for line in said}
    code = loads(SPEC).source().split("from torch import Tensor, nn\n")[1]
    for text in (SPEC, code):
        assert {line.strip() for line in text.splitlines()} - shown <= {""}


def test_the_wrong_size_is_told_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("wrong.net").write_text(WRONG, encoding="utf-8")
    shown = _block("console", "$ addnn check wrong.net").split("\n", 1)[1]
    assert _output("check", "wrong.net").startswith(shown)
