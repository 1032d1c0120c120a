"""The budget is kept where a node has 800,000 values a sample."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

_WIDE = """
import json, resource, sys, numpy as np, torch
from torch import nn
from addnn_spec import probe
from addnn_spec.indices import separation_index

torch.set_num_threads(1)
torch.manual_seed(0)
module = nn.Sequential(nn.Conv2d(1, 50, 3, padding=1), nn.AdaptiveAvgPool2d(1))
x = np.random.default_rng(0).random((96, 1, 128, 128)).astype(np.float32)
y = np.arange(96) % 4
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
with torch.inference_mode():
    module(torch.from_numpy(x[:4]))
before = peak()
run = probe(module, train=(x, y), samples=96, budget=int(sys.argv[1]), batch=4, nodes="0").record
grown = peak() - before
with torch.inference_mode():
    rows = torch.cat([module[0](torch.from_numpy(x[n:n + 4])) for n in range(0, 96, 4)])
print(json.dumps({
    "grown": grown, "passes": run.plan.passes, "values": run.nodes[0].dimensions,
    "found": run.nodes[0].train.value, "plain": float(separation_index(rows, y, budget=2**30)),
}))
"""


@pytest.mark.slow
def test_the_peak_stays_within_the_budget_at_800_000_values_a_sample() -> None:
    budget = 384 * 2**20
    done = subprocess.run(
        [sys.executable, "-c", _WIDE, str(budget)],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        timeout=600,
        check=True,
    )
    found = json.loads(done.stdout)
    assert found["values"] == 819_200 and found["passes"] > 1
    assert found["grown"] <= budget
    assert found["found"] == found["plain"]
