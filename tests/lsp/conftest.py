"""Editors that speak with a server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lsp.client import Editor


@pytest.fixture(scope="session")
def editor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Editor]:
    """One server for all tests, in an empty folder: each opens documents of its own."""
    editor = Editor(tmp_path_factory.mktemp("specs"))
    yield editor
    editor.close()


@pytest.fixture
def folder(editor: Editor) -> Path:
    return editor.folder
