"""The house is as docs/architecture.md draws it, and CONTRIBUTING.md sends nobody astray."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = ("docs/architecture.md", "CONTRIBUTING.md")
FOLDERS = ("addnn_spec", "tests", "grammar", "docs", "specs", "editors")
WRITTEN = {"run.json"}
"""What a command writes."""


def names() -> set[str]:
    """Return each file and folder of the repository by its path and by all ends of it."""
    found = {path.name for path in ROOT.iterdir() if path.is_file()}
    for folder in FOLDERS:
        for path in (ROOT / folder, *(ROOT / folder).rglob("*")):
            parts = path.relative_to(ROOT).parts
            slash = "/" if path.is_dir() else ""
            found |= {"/".join(parts[first:]) + slash for first in range(len(parts))}
    return found


@pytest.mark.parametrize("page", PAGES)
def test_files_that_are_named_are_there(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    named = set(re.findall(r"`([\w/]+(?:\.py|\.md|\.lark|\.json|/))`", text))
    assert named
    assert named - names() - WRITTEN == set()


@pytest.mark.parametrize("page", PAGES)
def test_every_package_has_its_place(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    packages = {path.parent.name for path in (ROOT / "addnn_spec").glob("*/__init__.py")}
    assert packages
    assert {name for name in packages if f"{name}/" not in text} == set()
