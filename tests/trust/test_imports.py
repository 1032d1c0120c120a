"""Imports stay inside the file's folder, whatever the path says and whatever links stand there."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from addnn_spec.compiler import Session
from addnn_spec.diagnostics import DiagnosticError

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
    with pytest.raises(DiagnosticError, match="E0002"):
        found(folder, "near.net\0")


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


# --- links that change while a spec is read ------------------------------------------------------
def swap(link: Path, target: Path) -> None:
    """Put a link to the target in the place of what is there, at once."""
    other = link.with_name(".swap")
    other.symlink_to(target)
    other.replace(link)


@pytest.fixture
def swapped(tmp_path: Path) -> Path:
    """What is imported, `near.net` or `a/near.net`, has Near; what a swapped link gives has not."""
    inside, outside = tmp_path / "inside", tmp_path / "outside"
    for folder, name in ((inside / "real", "Near"), (outside, "Secret")):
        folder.mkdir(parents=True)
        (folder / "near.net").write_text(f"block {name} {{ return x -> ReLU }}\n")
    for path, place in (("near.net", "file"), ("a/near.net", "folder")):
        (inside / f"{place}.net").write_text(
            f'from "{path}" import Near\n'
            "network Net { input x: float[N, 3] output y = x -> Near }\n"
        )
    swap(inside / "near.net", inside / "real" / "near.net")
    swap(inside / "a", inside / "real")
    return inside


def links(inside: Path, place: str) -> tuple[Path, Path, Path]:
    """The link, where it leads inside, and where it leads outside."""
    tail = "near.net" if place == "file" else ""
    link = inside / ("near.net" if place == "file" else "a")
    return link, inside / "real" / tail, inside.parent / "outside" / tail


@pytest.mark.parametrize("place", ["file", "folder"])
@pytest.mark.parametrize("call", range(1, 9))
def test_a_link_swapped_after_a_check_is_not_followed(
    swapped: Path, monkeypatch: pytest.MonkeyPatch, place: str, call: int
) -> None:
    """It is swapped right after the first, second … time that a path is looked at."""
    link, _, outside = links(swapped, place)
    real, calls = os.path.realpath, 0

    def looked(*args: object, **options: object) -> object:
        nonlocal calls
        found = real(*args, **options)  # type: ignore[call-overload]
        if "near.net" in str(args[0]):
            calls += 1
            if calls == call:
                swap(link, outside)
        return found

    monkeypatch.setattr(os.path, "realpath", looked)
    assert found_in(swapped / f"{place}.net") <= {"E0103", "E0601"}
    assert calls >= 2


@pytest.mark.parametrize("place", ["file", "folder"])
def test_a_link_that_is_swapped_all_the_time_never_leads_out(swapped: Path, place: str) -> None:
    link, inside, outside = links(swapped, place)
    stop = threading.Event()

    def swapping() -> None:
        while not stop.is_set():
            swap(link, outside)
            swap(link, inside)

    thread = threading.Thread(target=swapping)
    thread.start()
    try:
        found = [found_in(swapped / f"{place}.net") for _ in range(500)]
    finally:
        stop.set()
        thread.join()
    assert set().union(*found) <= {"E0103", "E0601"}
    assert set() in found
