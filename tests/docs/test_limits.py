"""The table of limits in the page of the language says what the code does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from addnn_spec.limits import Limits
from addnn_spec.passes.unfold import MAX_FLAT_NODES

PAGE = Path(__file__).parents[2] / "docs" / "language.md"
ROWS = {
    option: int(value.replace(",", ""))
    for value, option in re.findall(r"\| ([\d,]+) \| `--limit-(\w+)` \|", PAGE.read_text("utf-8"))
}
LIMITS = Limits()


@pytest.mark.parametrize(
    ("option", "limit"),
    [
        ("text", LIMITS.text_bytes),
        ("calls", LIMITS.calls),
        ("nodes", LIMITS.nodes),
        ("instances", LIMITS.instances),
        ("steps", LIMITS.steps),
        ("listed", MAX_FLAT_NODES),
    ],
)
def test_the_page_gives_the_default_of(option: str, limit: int) -> None:
    assert ROWS[option] == limit


def test_every_option_is_in_the_table() -> None:
    assert set(ROWS) == {"text", "calls", "nodes", "instances", "steps", "listed"}
