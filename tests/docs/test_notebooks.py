"""The notebooks of `docs/notebooks` run, and stand there with what their cells gave."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.docs.notebooks import NOTEBOOKS, executed

PATHS = sorted(NOTEBOOKS.glob("*.ipynb"))
_OF_A_MACHINE = re.compile(r"/(tmp|home|root|Users|var|work)/|[A-Z]:\\\\|site-packages|Traceback")
_EACH = pytest.mark.parametrize("path", PATHS, ids=[path.stem for path in PATHS])


def _cells(notebook: Any) -> list[tuple[str, list[str]]]:
    """The code cells, with the kinds of their outputs."""
    return [
        ("".join(cell["source"]), [output["output_type"] for output in cell["outputs"]])
        for cell in notebook["cells"]
        if cell["cell_type"] == "code"
    ]


@_EACH
def test_it_is_committed_as_run_in_one_go(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    notebook = json.loads(text)
    counts = [c["execution_count"] for c in notebook["cells"] if c["cell_type"] == "code"]
    assert counts == list(range(1, len(counts) + 1))
    assert _OF_A_MACHINE.findall(text) == []
    assert len(text) < 300_000


@pytest.mark.slow
@_EACH
def test_it_runs(path: Path) -> None:
    committed = _cells(json.loads(path.read_text(encoding="utf-8")))
    assert _cells(executed(path)) == committed
