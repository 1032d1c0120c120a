"""The examples of `docs/indices.md` give what stands behind them."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from addnn_spec import indices

TEXT = (Path(__file__).parents[2] / "docs" / "indices.md").read_text(encoding="utf-8")


def test_the_examples() -> None:
    blocks = re.findall(r"^```python\n(.*?)^```$", TEXT, re.DOTALL | re.MULTILINE)
    stated = re.compile(r"^(float\(.*\))  # ([\d.]+)$", re.MULTILINE)
    script, count = stated.subn(r"assert round(\1, 6) == \2, \1", "".join(blocks))
    assert count == 3
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr


def test_every_public_name_is_told() -> None:
    told = set(re.findall(r"\w+", TEXT))
    assert set(indices.__all__) - told == set()
