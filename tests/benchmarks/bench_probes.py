"""What probing ResNet-18 costs, against the forward passes and the arithmetic of its own plan.

Run ``python -m tests.benchmarks.bench_probes``. One thread, CPU seconds, each part in a process of
its own:

* ``small``: all values at 32×32 of 2,000 images within 256 MiB, to the end;
* ``large``: the first passes at 224×224, a twentieth of them, beside what the plan says of them;
* ``plan``: what is printed for 50,000 images at 224×224, before the start; nothing is run.

Images are made up, or those of the file or folder in ``ADDNN_IMAGES`` (of 32×32, in colour).
"""

from __future__ import annotations

import math
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from copy import deepcopy
from statistics import mean

import numpy as np
import psutil
import torch

from addnn_spec import load
from addnn_spec.probes.probe_run import plan_text
from addnn_spec.probes.run import Request, run_probe
from addnn_spec.runtime.data import Array, SampleSource, open_data
from addnn_spec.runtime.probing import Prober
from addnn_spec.runtime.run_plan import SearchCost
from addnn_spec.runtime.run_record import PlanRecord
from addnn_spec.runtime.settings import GIB, Settings
from tests.benchmarks.bench_indices import cpu_seconds, peak_mib

MIB = 2**20
SMALL = Settings(order=1, budget=256 * MIB, device="cpu")
LARGE = Settings(order=1, budget=GIB, device="cpu")
WHOLE = Settings(order=1, budget=4 * GIB, device="cpu")


class Stopped(Exception):
    """Enough of a run was seen."""


def images(count: int) -> SampleSource:
    """`count` images of 32×32 in colour: those that are given, or one blurred for each class with
    noise over it."""
    where = os.environ.get("ADDNN_IMAGES")
    if where is not None:
        return open_data(where).train
    generator = np.random.default_rng(0)
    labels = np.arange(count) % 10
    coarse = generator.integers(40, 216, (10, 3, 8, 8)).repeat(4, axis=2).repeat(4, axis=3)

    def read(indices: Array) -> tuple[Array, ...]:
        noise = np.random.default_rng(indices[0]).integers(-40, 40, (len(indices), 3, 32, 32))
        return ((coarse[labels[indices]] + noise).astype(np.uint8),)

    return SampleSource("images", labels, read)


class Watch:
    """Sees a run's plan and, if it is to, stops it behind some of its passes.

    At the start of each pass one plain batch of the network, one plain product and one sum over a
    large tensor are timed, so that what a run is set against is of the same minutes; that time is
    not the run's.

    Attributes:
        prober: the run's, from the announcement on.
        seconds: CPU seconds from the announcement to the end, or to the stop.
        before: MiB resident at the announcement: the network, the data, the libraries.
    """

    prober: Prober

    def __init__(self, share: float) -> None:
        self.wanted = share
        self.start = self.seconds = self.before = 0.0
        self.passes = 0
        self.forward: list[float] = []
        self.product: list[float] = []
        self.sum: list[float] = []

    def announce(self, prober: Prober, plan: PlanRecord, notes: Sequence[str]) -> None:
        widths = [found.size.dimensions for found in prober.found.values()]
        print("  " + plan_text(plan, len(widths), sum(widths), 1), flush=True)
        if not self.wanted:
            raise Stopped
        self.prober = prober
        self.passes = math.ceil(self.wanted * prober.passes)
        self.plain = deepcopy(prober.module).eval()
        self.batch = torch.rand(prober.batch, *prober.feed.first()[0].shape[1:])
        self.factors = torch.rand(1024, 8192), torch.rand(8192, 1024)
        self.memory = torch.rand(64 * MIB)
        self.time_plain()
        self.forward, self.product, self.sum = [], [], []
        self.before = psutil.Process().memory_info().rss / MIB
        self.start = time.process_time()

    def progress(self, share: float, what: str) -> None:
        self.seconds = time.process_time() - self.start
        done = share * self.prober.passes
        if self.passes < self.prober.passes and done >= self.passes:
            raise Stopped
        if done >= len(self.forward):
            self.time_plain()
            self.start = time.process_time() - self.seconds

    def time_plain(self) -> None:
        """One batch without probing, one product, one tensor read."""
        with torch.inference_mode():
            self.forward.append(cpu_seconds(lambda: self.plain(self.batch)))
            self.product.append(cpu_seconds(lambda: torch.mm(*self.factors)))
            self.sum.append(cpu_seconds(self.memory.sum))

    def expected(self) -> tuple[float, float, float]:
        """CPU seconds of what the plan says of the passes seen, at the rates of `time_plain`:
        network, operations of the searches, and what these read."""
        prober = self.prober
        rows = [batch.rows for batch in prober.feed.batches]
        passes = prober.plan.passes[: self.passes]
        samples = sum(sum(rows[min(hold.first for hold in holds) :]) for holds in passes)
        cost = sum(prober.plan.costs[: self.passes], SearchCost())
        operations = mean(self.product) / (2 * 1024 * 8192 * 1024)
        reads = mean(self.sum) / (4 * len(self.memory))
        return (
            samples * mean(self.forward) / len(self.batch),
            cost.operations * operations,
            cost.reads * reads,
        )


def watched(count: int, share: float, settings: Settings, size: int | None) -> tuple[Watch, float]:
    """A run of all nodes of ResNet-18 on `count` images, or the given share of its passes, with the
    MiB that it took over what was there before."""
    watch = Watch(share)
    request = Request(
        settings.model_copy(update={"nodes": ("all",), "samples": count, "resize": size}),
        announce=watch.announce,
        progress=watch.progress,
    )
    with suppress(Stopped):
        run_probe(load("ResNet18"), images(count), None, None, request)
    return watch, peak_mib() - watch.before


def met(value: float, most: float, least: float = 0.0) -> str:
    """The goal of a value, and whether it is missed."""
    goal = f"{least} to {most}" if least else f"≤ {most}"
    return f"goal {goal}" + ("" if least <= value <= most else ": missed")


def seconds(watch: Watch) -> str:
    """What is expected, in words."""
    network, search, reads = watch.expected()
    return f"{network:.1f} s network + {search:.1f} s products + {reads:.1f} s reads"


def small() -> None:
    """All values at 32×32: time and memory."""
    print("ResNet18 at 32×32, 2,000 images, 256 MiB:")
    watch, mib = watched(2000, 1.0, SMALL, None)
    ratio = watch.seconds / sum(watch.expected()[:2])
    print(f"  {watch.seconds:.1f} s; counted {seconds(watch)}, reads apart")
    print(f"  time / counted   {ratio:.2f}  {met(ratio, 1.3)}")
    print(f"  memory over what was there   {mib:.0f} MiB  {met(mib, 256)}")


def large() -> None:
    """A twentieth of the passes at 224×224, or a little more, and what the plan says of them."""
    print("ResNet18 at 224×224, 500 images, 1 GiB:")
    watch, _ = watched(500, 0.05, LARGE, 224)
    ratio = watch.seconds / sum(watch.expected())
    print(f"  {watch.passes} of {watch.prober.passes} passes: {watch.seconds:.1f} s; ", end="")
    print(f"expected {seconds(watch)}")
    print(f"  time / expected  {ratio:.2f}  {met(ratio, 1.25, 0.75)}")


def plan() -> None:
    """What is printed for 50,000 images at 224×224."""
    print("ResNet18 at 224×224, 50,000 images, 4 GiB, the plan alone:")
    start = time.process_time()
    watched(50_000, 0.0, WHOLE, 224)
    print(f"  {time.process_time() - start:.0f} s to plan it")


PARTS = {"small": small, "large": large, "plan": plan}


def main() -> None:
    """The parts that are named, or each in its own process."""
    torch.set_num_threads(1)
    names = sys.argv[1:]
    if len(names) == 1:
        PARTS[names[0]]()
        return
    for name in names or PARTS:
        subprocess.run([sys.executable, "-m", __spec__.name, name], check=True)


if __name__ == "__main__":
    main()
