"""A formula, or a statement, that is wrong fails a test."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.mutants import ROOT


@pytest.mark.slow
def test_no_mutant_survives() -> None:
    command = [sys.executable, "-m", "tests.mutants"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert (run.returncode, run.stdout) == (0, ""), run.stderr[-2000:]
