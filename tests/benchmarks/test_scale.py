"""Large networks: how long the way from text to source takes, and what a long repeat costs."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from addnn_spec.backends.source import torch_source
from addnn_spec.elaborate.context import Limits
from tests.support import session

DISTINCT = """network Net {
  input x: float[N, 8]
  y = x
  for i in 0..%d { y = y -> "layer{i}": Linear(7 + i %% 2 * 1) }
  output y
}
"""
REPEAT = """block Basic {
  h = x -> conv1: Conv2d(x.channels, 3, padding = 1) -> bn1: BatchNorm2d -> ReLU
    -> conv2: Conv2d(x.channels, 3, padding = 1) -> bn2: BatchNorm2d
  return x + h -> ReLU
}
network Net {
  input x: float[N, 8, H = 32, W = 32]
  output y = x -> layers: repeat %d { Basic }
}
"""


@pytest.mark.benchmark
def test_100_000_distinct_nodes_from_text_to_source() -> None:
    limits = Limits(nodes=200_000, instances=1_000_000, steps=10_000_000)
    start = time.process_time()
    made = session(DISTINCT % 100_000, limits=limits)
    graph = made.graph("Net")
    assert graph is not None
    elaborated = time.process_time()
    text = torch_source(made, graph).text
    end = time.process_time()
    print(
        f"\n100,000 distinct nodes: text to graph {elaborated - start:.1f} s,"
        f" graph to source {end - elaborated:.1f} s"
    )
    assert text.count("layer") >= 100_000
    compile(text, "net.py", "exec")
    assert end - start <= 30


def cpu_of_check(path: Path) -> float:
    """CPU seconds of `addnn check` as a process of its own; the least of five."""
    code = (
        "import sys, time; from addnn_spec.cli import run; status = run(['check', sys.argv[1]]);"
        "print(time.process_time()); sys.exit(status)"
    )
    times = []
    for _ in range(5):
        run = subprocess.run(
            [sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True
        )
        times.append(float(run.stdout.split()[-1]))
    return min(times)


@pytest.mark.benchmark
def test_a_repeat_of_10_000_costs_what_a_repeat_of_one_does(tmp_path: Path) -> None:
    found = []
    for turns in (1, 10_000):
        path = tmp_path / f"r{turns}.net"
        path.write_text(REPEAT % turns, encoding="utf-8")
        found.append(cpu_of_check(path))
    print(f"\ncheck of repeat 1: {found[0]:.3f} s, of repeat 10,000: {found[1]:.3f} s of CPU")
    assert found[1] - found[0] <= 0.2
