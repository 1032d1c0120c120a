"""`make bench` prints what bench_compiler measures, and fails where a goal is missed."""

from __future__ import annotations

import pytest

from tests.benchmarks.bench_compiler import figures


@pytest.mark.benchmark
def test_compiler_reaches_its_goals() -> None:
    missed = []
    print()
    for figure in figures():
        print(figure, flush=True)
        if not figure.reached:
            missed.append(str(figure))
    assert missed == []
