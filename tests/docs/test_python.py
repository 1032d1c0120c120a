"""The pages on the indices and on Python: their examples give what stands behind them."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import addnn_spec
from addnn_spec import indices

DOCS = Path(__file__).parents[2] / "docs"
_BLOCK = re.compile(r"^```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_STATED = re.compile(r"^([\w.]+\(.*\)\S*|net\.\S+)  # ([\d.*N]+)$", re.MULTILINE)
_SHOWN = "def shown(x): return str(round(x, 6) if isinstance(x, float) else x)\n"


@pytest.mark.parametrize(("page", "values"), [("indices", 3), ("python", 5)])
def test_the_examples(page: str, values: int) -> None:
    text = "".join(_BLOCK.findall((DOCS / f"{page}.md").read_text(encoding="utf-8")))
    script, count = _STATED.subn(r'assert shown(\1) == "\2", \1', text)
    assert count == values
    run = subprocess.run([sys.executable, "-c", _SHOWN + script], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr


def test_every_public_name_is_told() -> None:
    words = {
        page: set(re.findall(r"\w+", (DOCS / page).read_text()))
        for page in ("indices.md", "python.md")
    }
    assert set(indices.__all__) <= words["indices.md"]
    assert {*addnn_spec.__all__} - {"__version__"} <= words["python.md"]
    assert {name for name in vars(addnn_spec.Network) if name[0] != "_"} <= words["python.md"]
