"""Texts that a person has read, as files: what is shown or emitted is compared with them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Golden:
    """Compare texts with files; write the files anew under `pytest --update-golden`."""

    update: bool

    def check(self, path: Path, text: str) -> None:
        """Assert that `text` is what `path` holds."""
        if self.update:
            path.write_text(text, encoding="utf-8")
        assert text == path.read_text(encoding="utf-8")
