"""The samples are written as specs should be: nothing in them is wrong or doubtful."""

from __future__ import annotations

from pathlib import Path

import pytest

from addnn_spec.compiler import Session

SAMPLES = Path(__file__).parent / "samples"


@pytest.mark.parametrize("path", sorted(SAMPLES.rglob("*.net")), ids=lambda path: path.stem)
def test_a_sample_has_no_warning(path: Path) -> None:
    """A part that no network of the sample uses is a note, and no warning."""
    assert [found.message for found in Session(path).check() if found.severity != "note"] == []
