"""``make bench`` prints what bench_indices measures."""

import subprocess
import sys

import pytest


@pytest.mark.benchmark
def test_indices_benchmark_runs() -> None:
    subprocess.run([sys.executable, "-m", "tests.benchmarks.bench_indices"], check=True)
