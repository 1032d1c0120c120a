"""``make bench`` prints what bench_probes measures."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.benchmarks.bench_probes import PARTS


@pytest.mark.benchmark
@pytest.mark.parametrize("part", PARTS)
def test_probing_benchmark_runs(part: str) -> None:
    command = [sys.executable, "-m", "tests.benchmarks.bench_probes", part]
    subprocess.run(command, check=True)
