"""`addnn fmt`."""

from __future__ import annotations

from pathlib import Path

from tests.cli.conftest import Addnn

UGLY = "network   N{input x:float[N,3]\noutput y=x->Linear(2)}"
NEAT = "network N {\n  input x: float[N, 3]\n  output y = x -> Linear(2)\n}\n"


def test_in_place(addnn: Addnn, tmp_path: Path) -> None:
    (tmp_path / "a.net").write_text(UGLY)
    ended = addnn("fmt", "a.net")
    assert (ended.code, ended.out) == (0, "")
    assert (tmp_path / "a.net").read_text() == NEAT
    assert addnn("fmt", "a.net").err == ""


def test_folders(addnn: Addnn, tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "a.net").write_text(UGLY)
    assert addnn("fmt", ".").code == 0
    assert (tmp_path / "sub" / "a.net").read_text() == NEAT


def test_standard_input_to_standard_output(addnn: Addnn) -> None:
    ended = addnn("fmt", "-", text=UGLY)
    assert (ended.code, ended.out) == (0, NEAT)


def test_check(addnn: Addnn, tmp_path: Path) -> None:
    (tmp_path / "a.net").write_text(UGLY)
    (tmp_path / "b.net").write_text(NEAT)
    ended = addnn("fmt", "a.net", "b.net", "--check")
    assert (ended.code, ended.out) == (3, "would reformat a.net\n")
    assert (tmp_path / "a.net").read_text() == UGLY
    assert addnn("fmt", "b.net", "--check").code == 0
    assert addnn("fmt", "-", "--check", text=UGLY).code == 3


def test_diff(addnn: Addnn, tmp_path: Path) -> None:
    (tmp_path / "a.net").write_text(UGLY)
    ended = addnn("fmt", "a.net", "--diff")
    assert ended.code == 3
    assert "-network   N{input x:float[N,3]\n" in ended.out
    assert "+  input x: float[N, 3]\n" in ended.out
    assert (tmp_path / "a.net").read_text() == UGLY


def test_line_ends_and_marks_are_normalised(addnn: Addnn, tmp_path: Path) -> None:
    (tmp_path / "a.net").write_bytes(b"\xef\xbb\xbf" + NEAT.replace("\n", "\r\n").encode())
    assert addnn("fmt", "a.net", "--check").code == 3
    assert addnn("fmt", "a.net").code == 0
    assert (tmp_path / "a.net").read_bytes() == NEAT.encode()


def test_a_file_with_errors_stays_and_the_others_are_formatted(
    addnn: Addnn, tmp_path: Path
) -> None:
    (tmp_path / "a.net").write_text("network {")
    (tmp_path / "b.net").write_text(UGLY)
    ended = addnn("fmt", "a.net", "b.net")
    assert ended.code == 1
    assert "a.net:1" in ended.err
    assert (tmp_path / "a.net").read_text() == "network {"
    assert (tmp_path / "b.net").read_text() == NEAT
    (tmp_path / "b.net").write_text(UGLY)
    assert addnn("fmt", "a.net", "b.net", "--check").code == 1  # errors tell more than differences


def test_a_missing_file(addnn: Addnn) -> None:
    ended = addnn("fmt", "nowhere.net")
    assert ended.code == 2
    assert "E0601" in ended.err
