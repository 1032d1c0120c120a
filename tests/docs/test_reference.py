"""The operator reference is what the classes give."""

from __future__ import annotations

from pathlib import Path

from addnn_spec.backends.reference import pages
from addnn_spec.ops import index

DOCS = Path(__file__).parents[2] / "docs" / "operators"


def test_the_reference_is_up_to_date() -> None:
    made = pages()
    assert {path.name for path in DOCS.glob("*.md")} == set(made)
    stale = [name for name, text in made.items() if (DOCS / name).read_text() != text]
    assert not stale, "run make docs"


def test_every_operator_has_an_entry() -> None:
    text = "".join(pages().values())
    assert [name for name in index() if f"## {name}\n" not in text] == []
