"""Runs of several processes: what one gives, and an end where a worker is lost."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from addnn_spec.runtime.run_record import read_run

_WORKER = """
import sys, torch
torch.set_num_threads(1)
from addnn_spec import probe
from addnn_spec.runtime.processes import leave
probe("Digits", train="digits[:900]", test="digits[900:]", samples=120, batch=32, nodes="all",
      budget=int(sys.argv[2]), output=sys.argv[1], normalize=True, measures=["cka", "nc1"])
leave()
"""


@pytest.mark.slow
@pytest.mark.parametrize("budget", [2**28, 8_000_000])
def test_two_processes_give_what_one_gives(tmp_path: Path, budget: int) -> None:
    path, script = tmp_path / "run.json", tmp_path / "worker.py"
    script.write_text(_WORKER)
    root = Path(__file__).parents[2]
    environment = {**os.environ, "PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    done = subprocess.run(
        [*command, str(script), str(path), str(budget)],
        env=environment, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    several = read_run(path)
    subprocess.run(
        [sys.executable, str(script), str(path), str(budget)], env=environment, check=True
    )
    one = read_run(path)
    assert several.options.processes == 2
    assert (one.plan.passes > 2) == (budget < 2**23)
    assert several.nodes == one.nodes
    assert several.cka == one.cka and one.cka is not None


_LOST = """
import os
from addnn_spec import probe
from addnn_spec.runtime.probing import Prober
if os.environ["RANK"] == "1":
    Prober._finish = lambda *given: os._exit(3)
probe("Digits", train="digits[:200]", samples=60, batch=16)
"""


@pytest.mark.slow
def test_a_lost_worker_ends_the_run_with_an_error(tmp_path: Path) -> None:
    script = tmp_path / "worker.py"
    script.write_text(_LOST)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    common = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": "2"}
    environment = {**os.environ, **common, "PYTHONPATH": str(Path(__file__).parents[2])}
    first, second = (
        subprocess.Popen(
            [sys.executable, str(script)],
            env={**environment, "RANK": rank},
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in ("0", "1")
    )
    _, told = first.communicate(timeout=300)
    second.communicate(timeout=300)
    assert second.returncode == 3
    assert first.returncode == 1
    assert "a worker is lost" in told
