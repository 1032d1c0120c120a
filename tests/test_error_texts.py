"""The golden texts of errors and warnings in `errors/<topic>/`; each was read by a person.

What a file's findings look like is `x.txt` beside `x.net`. Syntax errors are in `tests/syntax`.
`pytest --update-golden` writes the texts anew.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from addnn_spec.compiler import Session
from addnn_spec.diagnostics.render import render_text
from tests.goldens import Golden

ERRORS = Path(__file__).parent / "errors"
SPECS = sorted(path for path in ERRORS.glob("*/*.net") if path.parent.name != "syntax")


def shown(path: Path) -> str:
    return render_text(Session(path, name=path.name).check())


@pytest.mark.parametrize("path", SPECS, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_the_text_of(path: Path, golden: Golden) -> None:
    golden.check(path.with_suffix(".txt"), shown(path))


def test_every_text_has_its_spec() -> None:
    texts = ERRORS.glob("*/*.txt")
    assert all(path.with_suffix(".net").is_file() for path in texts)
