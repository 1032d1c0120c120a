"""The walk through a real VS Code: some 600 MB are fetched at the first time, and some minutes."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.lsp.walk import browser_program, walk


@pytest.mark.slow
@pytest.mark.skipif(browser_program() is None, reason="there is no Chromium")
@pytest.mark.skipif(shutil.which("npm") is None, reason="there is no npm")
def test_hints_a_mistake_its_fix_a_renaming_and_previews(tmp_path: Path) -> None:
    walk(tmp_path / "home", tmp_path / "pictures")
    names = {path.name for path in (tmp_path / "pictures").iterdir()}
    steps = ("hints", "uses", "hover", "fix", "rename", "pytorch", "drawing")
    assert names == {f"editor-{step}.png" for step in steps}
