"""`make bench` prints what bench_sequences measures, and fails where a goal is missed."""

from __future__ import annotations

import pytest

from tests.benchmarks.bench_sequences import figures


@pytest.mark.benchmark
def test_emitted_sequence_networks_are_as_fast() -> None:
    missed = []
    print()
    for figure in figures():
        print(figure, flush=True)
        if not figure.reached:
            missed.append(str(figure))
    assert missed == []
