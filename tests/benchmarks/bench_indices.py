"""How fast the exact search is, against the plain matrix product of the same process.

Run ``python -m tests.benchmarks.bench_indices``. One thread; a rate is ``2 m^2 d`` over CPU
seconds; memory is the growth of the peak resident size over the inputs, each size in its own
process.
"""

from __future__ import annotations

import importlib
import importlib.util
import resource
import subprocess
import sys
import time
from collections.abc import Callable

import torch
from torch import Tensor

from addnn_spec.indices import separation_index

SIZES = ((10_000, 512), (10_000, 8192))  # samples, features
ROUNDS = {512: 15, 8192: 3}  # the shorter, the more of them: least times are compared


def cpu_seconds(work: Callable[[], object]) -> float:
    """CPU seconds of one call."""
    start = time.process_time()
    work()
    return time.process_time() - start


def peak_mib() -> float:
    """The peak resident size so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def plain_product(rows: Tensor) -> None:
    """The whole Gram matrix, block by block, kept nowhere."""
    out = torch.empty(1000, len(rows))
    for start in range(0, len(rows), 1000):
        torch.mm(rows[start : start + 1000], rows.T, out=out)


def flat_index(samples: Tensor) -> Callable[[], object] | None:
    """faiss's exact search for the nearest other sample, where faiss is installed."""
    if importlib.util.find_spec("faiss") is None:
        return None
    faiss = importlib.import_module("faiss")
    faiss.omp_set_num_threads(1)
    rows = samples.numpy()

    def work() -> object:
        index = faiss.IndexFlatL2(rows.shape[1])
        index.add(rows)
        return index.search(rows, 2)

    return work


def measure(m: int, d: int) -> None:
    """Print one size's figures."""
    torch.set_num_threads(1)
    generator = torch.Generator().manual_seed(0)
    rows, y = torch.randn(m, d, generator=generator), torch.arange(m) % 10
    separation_index(rows[:256], y[:256])
    plain_product(rows[:1000])
    before = peak_mib()
    work: dict[str, Callable[[], object]] = {"order 1": lambda: separation_index(rows, y)}
    seconds = {"order 1": [cpu_seconds(work["order 1"])]}
    extra = peak_mib() - before
    work["product"] = lambda: plain_product(rows)
    work["order 5"] = lambda: separation_index(rows, y, 5)
    flat = flat_index(rows)
    if flat is not None:
        work["faiss"] = flat
    for _ in range(ROUNDS[d]):
        for name, call in work.items():
            seconds.setdefault(name, []).append(cpu_seconds(call))
    best = {name: min(times) for name, times in seconds.items()}
    print(f"{m} x {d}: product {2 * m * m * d / best['product'] / 1e9:.0f} GFLOP/s")
    print(f"  order 1   {best['product'] / best['order 1']:.2f} x the product's rate")
    print(f"  order 5   {best['order 5'] / best['order 1']:.2f} x the time of order 1")
    print(f"  memory    {extra:.0f} MiB over the inputs")
    if flat is not None:
        print(f"  faiss     {best['faiss'] / best['order 1']:.2f} x the time of order 1")


def main() -> None:
    """Every size in its own process."""
    if len(sys.argv) == 3:
        measure(int(sys.argv[1]), int(sys.argv[2]))
        return
    for m, d in SIZES:
        subprocess.run([sys.executable, "-m", __spec__.name, str(m), str(d)], check=True)


if __name__ == "__main__":
    main()
