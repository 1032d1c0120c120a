"""Imports stay inside the file's folder, whatever the path says and whatever links stand there."""

from __future__ import annotations

from pathlib import Path

import pytest

from addnn_spec.compiler import Session

CANARY = "block Secret { return x -> ReLU }\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """`inside/` is where the spec stands; `outside.net` is what it must not reach."""
    (tmp_path / "outside.net").write_text(CANARY)
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "s.net").write_text(CANARY)
    inside = tmp_path / "inside"
    (inside / "a").mkdir(parents=True)
    (inside / "near.net").write_text(CANARY)
    (inside / "a" / "deep.net").write_text(CANARY)
    (inside / "link.net").symlink_to(tmp_path / "outside.net")
    (inside / "folder").symlink_to(tmp_path / "secrets")
    (inside / "loop.net").symlink_to(inside / "loop.net")
    return inside


def found(folder: Path, path: str) -> list[str]:
    spec = folder / "spec.net"
    spec.write_text(
        f'from "{path}" import Secret\n'
        "network Net { input x: float[N, 3] output y = x -> Secret }\n"
    )
    session = Session(spec)
    session.check()
    return [diagnostic.code for diagnostic in session.collector.errors]


@pytest.mark.parametrize("path", ["near.net", "a/deep.net", "./near.net", "a/./deep.net"])
def test_inside(folder: Path, path: str) -> None:
    assert found(folder, path) == []


@pytest.mark.parametrize(
    "path",
    ["../outside.net", "a/../../outside.net", "a/../near.net", "link.net", "folder/s.net", "..",
     ".", "", "loop.net", "a", "/etc/passwd", "{folder}/near.net", "{folder}/../outside.net",
     "nosuch.net", "~/x.net", "file:///etc/passwd", "NEAR.NET", "http://x/y.net",
     "a" * 5000, "..\\\\outside.net"],
)  # fmt: skip
def test_outside_or_nothing(folder: Path, path: str) -> None:
    assert found(folder, path.replace("{folder}", str(folder))) == ["E0103"]


def test_a_nul_in_a_path_is_refused(folder: Path) -> None:
    assert found(folder, "near.net\0") == ["E0002"]


def test_a_circle_of_files_is_named(folder: Path) -> None:
    (folder / "one.net").write_text('from "two.net" import B\nblock A { return x -> B }\n')
    (folder / "two.net").write_text('from "one.net" import A\nblock B { return x -> A }\n')
    session = Session(folder / "one.net")
    session.check()
    assert "E0105" in [diagnostic.code for diagnostic in session.collector.errors]


def test_a_file_that_imports_itself(folder: Path) -> None:
    (folder / "self.net").write_text('from "self.net" import A\nblock A { return x -> ReLU }\n')
    session = Session(folder / "self.net")
    session.check()
    assert "E0105" in [diagnostic.code for diagnostic in session.collector.errors]


def test_a_long_chain_of_files_comes_to_an_end(folder: Path) -> None:
    for i in range(2000):
        text = f'from "f{i + 1}.net" import B{i + 1}\nblock B{i} {{ return x -> B{i + 1} }}\n'
        (folder / f"f{i}.net").write_text(text)
    (folder / "f2000.net").write_text("block B2000 { return x -> ReLU }\n")
    assert found_in(folder / "f0.net") == {"E0502"}


def found_in(path: Path) -> set[str]:
    session = Session(path)
    session.check()
    return {diagnostic.code for diagnostic in session.collector.errors}
