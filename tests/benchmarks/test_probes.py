"""``make bench`` prints what bench_probes measures, and fails where a goal is missed."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.benchmarks.bench_probes import PARTS


@pytest.mark.benchmark
@pytest.mark.parametrize("part", PARTS)
def test_probing_reaches_its_goals(part: str) -> None:
    command = [sys.executable, "-m", "tests.benchmarks.bench_probes", part]
    assert subprocess.run(command).returncode == 0
