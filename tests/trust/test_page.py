"""The tests that docs/trust.md names are there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NAMED = sorted(set(re.findall(r"`(tests/[^`]+)`", (ROOT / "docs/trust.md").read_text("utf-8"))))


@pytest.mark.parametrize("name", NAMED)
def test_it_is_there(name: str) -> None:
    path, _, inside = name.partition("::")
    assert (ROOT / path).exists()
    if inside:
        text = (ROOT / path).read_text("utf-8")
        assert f"def {inside}(" in text or f"class {inside}:" in text
