"""A formula, or a statement, that is wrong fails a test."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.mutants import MUTANTS, ROOT, Mutant


@pytest.mark.parametrize("mutant", MUTANTS, ids=str)
def test_a_mutant_has_its_place(mutant: Mutant) -> None:
    text = (ROOT / "addnn_spec" / mutant.file).read_text(encoding="utf-8")
    assert text.count(mutant.right) == 1


@pytest.mark.slow
def test_no_mutant_survives() -> None:
    command = [sys.executable, "-m", "tests.mutants"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert (run.returncode, run.stdout) == (0, ""), run.stderr[-2000:]
