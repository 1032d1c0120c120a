"""The digits' table in `docs/trained-networks.md` is what its command gives."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
_ROW = re.compile(r"^\| (?P<node>[\w.]+) \| [\d,]+ \| (?P<figures>\d.*) \|$", re.MULTILINE)


def _rows(text: str) -> dict[str, list[float]]:
    """Each node's indices, their errors and rates."""
    return {
        row["node"]: [float(figure) for figure in re.findall(r"\d\.\d{4}", row["figures"])]
        for row in _ROW.finditer(text)
    }


@pytest.mark.slow
def test_the_table_of_digits(tmp_path: Path) -> None:
    script = DOCS / "examples" / "trained_networks.py"
    subprocess.run([sys.executable, script, "digits", "-o", tmp_path], check=True)
    found = _rows((tmp_path / "digits.md").read_text(encoding="utf-8"))
    page = (DOCS / "trained-networks.md").read_text(encoding="utf-8")
    shown = _rows(page.split("\n## ")[1])
    assert list(found) == list(shown)
    for node, figures in found.items():  # other machines round, and so train, in other ways
        assert figures == pytest.approx(shown[node], abs=0.03)
    assert (tmp_path / "digits.svg").stat().st_size > 10_000
