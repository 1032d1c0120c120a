"""What a GPU makes of the search, of probes and of emitted networks, beside what it can do.

Run ``python -m tests.benchmarks.bench_gpu``, or some of its parts: at most six minutes in all.
Without a GPU, or with ``--small``, the sizes are small: that all of it runs is what is seen then.

* ``equal``: the search finds the same neighbours by every product, here and on the CPU;
* ``indices``: every index and measure of ``tests/indices/test_device.py``, here and on the CPU;
* ``profile``: where the time of one search goes;
* ``search``: its rate beside the products alone and ``cdist`` with ``argmin``, and its memory;
* ``probe``: all nodes of ResNet18 and ResNet50, beside what their parts cost;
* ``networks``: every packaged network against the CPU;
* ``emitted``: emitted code beside torchvision's, as it is and compiled;
* ``cpu``: the search by each product on one thread of this machine's CPU.
"""

from __future__ import annotations

import argparse
import cProfile
import pstats
import time
import warnings
from collections.abc import Callable
from copy import deepcopy
from functools import partial
from io import StringIO
from statistics import median

import numpy as np
import torch
from torch import Tensor, nn

from addnn_spec import load
from addnn_spec.catalogue import entries
from addnn_spec.indices import RowScaling, RunningNeighbours, neighbours, separation_index
from addnn_spec.indices.neighbours import block_pairs, blocks_of
from addnn_spec.indices.products import HALF, PRODUCTS
from addnn_spec.probes.run import Request, run_probe
from addnn_spec.runtime.data import Array, SampleSource
from addnn_spec.runtime.probing import Prober
from addnn_spec.runtime.run_record import PlanRecord
from addnn_spec.runtime.settings import GIB, Settings

MIB = 2**20
CUDA = torch.cuda.is_available()
DEVICE = torch.device("cuda" if CUDA else "cpu")
SIZES = {  # samples, features: goals of the rate, as shares of the float32 product's
    (10_000, 512): None,
    (10_000, 8192): 4.0,
    (50_000, 512): 2.0,
    (50_000, 4096): 7.0,
}
SMALL_SIZES = {(1000, 64): None, (1000, 300): None}


def seconds(work: Callable[[], object], rounds: int = 5) -> float:
    """The median time of some calls, the first one apart."""
    work()
    found = []
    for _ in range(rounds):
        _wait()
        start = time.perf_counter()
        work()
        _wait()
        found.append(time.perf_counter() - start)
    return median(found)


def _wait() -> None:
    if CUDA:
        torch.cuda.synchronize()


def met(value: float, goal: float | None, *, most: bool = False) -> str:
    """A figure, with its goal and whether it is missed."""
    if goal is None:
        return f"{value:.2f}"
    missed = value > goal if most else value < goal
    sign = "≤" if most else "≥"
    return f"{value:.2f} (goal {sign} {goal:g}{': missed' if missed else ''})"


def samples(m: int, d: int, kind: str, device: torch.device) -> tuple[Tensor, Tensor]:
    """Rows and labels: normal, or such as a trained network's features are (rectified, of low rank,
    near their class)."""
    draw = torch.Generator().manual_seed(0)
    y = torch.randint(0, 10, (m,), generator=draw)
    if kind == "normal":
        rows = torch.empty(m, d, device=device)
        for start in range(0, m, 1000):  # drawn on the CPU: the same on any card
            count = min(1000, m - start)
            rows[start : start + count] = torch.randn(count, d, generator=draw).to(device)
        return rows, y.to(device)
    few = torch.randn(m, 64, generator=draw) + 3 * nn.functional.one_hot(y, 64)
    spread = torch.randn(64, d, generator=draw)
    rows = torch.relu(few.to(device) @ spread.to(device))
    noise = torch.Generator(device=device).manual_seed(0)
    for start in range(0, m, 1000):
        part = rows[start : start + 1000]
        part += 0.1 * torch.randn(part.shape, generator=noise, device=device).abs()
    return rows, y.to(device)


def equal(small: bool) -> None:
    """Neighbours, ties and distances to the bit."""
    m = 600 if small else 3000
    draw = torch.Generator().manual_seed(1)
    cases = {
        "normal": torch.randn(m, 300, generator=draw),
        "wide": torch.randn(m // 3, 9000, generator=draw),
        "odd width": torch.randn(m, 27, generator=draw),
        "duplicates": torch.randn(m // 3, 40, generator=draw).repeat(3, 1),
        "integers": torch.randint(0, 4, (m, 5), generator=draw),
        "clusters": torch.randn(m, 30, generator=draw).double() * 1e-7
        + (torch.arange(m) % 2)[:, None],
        "one large feature": torch.cat(
            (1e6 * torch.randn(m, 1, generator=draw), torch.randn(m, 29, generator=draw)), 1
        ),
        "subnormal": torch.randn(m, 20, generator=draw) * 1e-40,
        "1e300": torch.randn(m, 20, generator=draw).double() * 1e300,
    }
    labels = torch.arange(m) % 3
    for name, rows in cases.items():
        own = labels[: len(rows)]
        expected = neighbours(rows, 3, labels=own, product="float32")
        here, wrong = rows.to(DEVICE), []
        for product in ("auto", *PRODUCTS):
            found = neighbours(here, 3, labels=own.to(DEVICE), product=product)
            for field in ("indices", "distances", "surplus", "surplus_same"):
                mine, other = (getattr(one, field).cpu() for one in (found, expected))
                if not mine.equal(other):
                    most = (mine.double() - other.double()).abs().max()
                    wrong.append(f"{product} {field} by up to {most:.3g}")
        print(f"  {name}: {'equal by every product' if not wrong else f'DIFFERS by {wrong}'}")


def indices(small: bool) -> None:
    """What is exact is equal to the bit, the rest to 1e-9."""
    from tests.indices.test_device import OF_LABELS, OTHERS, data, same

    differ: list[str] = []
    names = {**OF_LABELS, **OTHERS}
    for name in list(names)[:: 12 if small else 1]:
        given = data()
        try:
            found = names[name](given.on(DEVICE))
            same(names[name](given), found, 0.0 if name in OF_LABELS else 1e-9)
        except Exception as error:  # noqa: BLE001
            differ.append(f"{name}: {str(error).strip().splitlines()[0][:90]}")
    print(f"  {len(names)} indices and measures; {len(differ)} differ")
    for line in differ:
        print(f"    {line}")


def profile(small: bool) -> None:
    """Kernels and calls of one search."""
    for m, d in ((600, 300),) if small else ((10_000, 8192), (50_000, 512)):
        rows, y = samples(m, d, "normal", DEVICE)
        separation_index(rows, y)
        calls = cProfile.Profile()
        calls.runcall(separation_index, rows, y)
        _show(calls, 16)
        kinds = [torch.profiler.ProfilerActivity.CPU]
        kinds += [torch.profiler.ProfilerActivity.CUDA] if CUDA else []
        with torch.profiler.profile(activities=kinds) as seen:
            separation_index(rows, y)
            _wait()
        key = "self_cuda_time_total" if CUDA else "self_cpu_time_total"
        table = seen.key_averages().table(key, row_limit=16, max_name_column_width=48)
        keep = [" ".join(line.split()) for line in table.splitlines() if line[:1] != "-"]
        print(f"  {m:,} × {d:,}")
        for line in keep:
            print("    " + line[:190])


def _show(calls: cProfile.Profile, count: int) -> None:
    """Print the calls that took the most time."""
    text = StringIO()
    pstats.Stats(calls, stream=text).strip_dirs().sort_stats("tottime").print_stats(count)
    lines = [line for line in text.getvalue().splitlines() if line][3:]
    print("\n".join("    " + line[:100] for line in lines))


def search(small: bool) -> None:
    """Rates, order 5 against order 1, memory."""
    print(
        "| size | data | search | × float32 | × TF32 | × float16 | cdist + argmin / search", end=""
    )
    print(" | order 5 / 1 | MiB |\n| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for (m, d), goal in (SMALL_SIZES if small else SIZES).items():
        for kind in ("normal", "features"):
            rows, y = samples(m, d, kind, DEVICE)
            one = seconds(partial(separation_index, rows, y))
            five = seconds(partial(separation_index, rows, y, 5), 3)
            extra = _peak(partial(separation_index, rows, y))
            plain = seconds(partial(_products, rows, "ieee"), 2)
            fast = seconds(partial(_products, rows, "tf32"), 2)
            half = seconds(partial(_products, rows.half(), "ieee"), 2)
            apart = seconds(partial(_cdist, rows), 1)
            print(
                f"| {m:,} × {d:,} | {kind} | {one * 1e3:.1f} ms | {met(plain / one, goal)} | "
                f"{fast / one:.2f} | {half / one:.2f} | "
                f"{met(apart / one, 4.0 if (m, d) == (10_000, 8192) else None)} | "
                f"{met(five / one, 1.25, most=True)} | {extra:.0f} |",
                flush=True,
            )


def _products(rows: Tensor, precision: str) -> None:
    """All inner products, some rows at a time, kept nowhere."""
    matmul = torch.backends.cuda.matmul
    before = matmul.fp32_precision
    matmul.fp32_precision = precision
    for start in range(0, len(rows), 5000):
        if rows.dtype == torch.half:
            some = rows[start : start + 5000]
            HALF.multiply(some, rows, torch.empty(len(some), len(rows), device=rows.device))
        else:
            rows[start : start + 5000] @ rows.T
    matmul.fp32_precision = before


def _cdist(rows: Tensor) -> None:
    """The nearest other sample as one would write it, inexact."""
    for start in range(0, len(rows), 2000):
        apart = torch.cdist(rows[start : start + 2000], rows)
        own = torch.arange(len(apart), device=rows.device)
        apart[own, own + start] = torch.inf
        apart.argmin(dim=1)


def _peak(work: Callable[[], object]) -> float:
    """MiB that a call takes on the device beside what is there."""
    if not CUDA:
        return float("nan")
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    work()
    return (torch.cuda.max_memory_allocated() - before) / MIB


def images(count: int, size: int) -> SampleSource:
    """Images of ten classes, made up."""
    draw = np.random.default_rng(0)
    labels = np.arange(count) % 10
    coarse = draw.integers(40, 216, (10, 3, 8, 8)).repeat(size // 8, 2).repeat(size // 8, 3)

    def read(indices: Array) -> tuple[Array, ...]:
        noise = np.random.default_rng(indices[0]).integers(-40, 40, (len(indices), 3, size, size))
        return ((coarse[labels[indices]] + noise).astype(np.uint8),)

    return SampleSource("images", labels, read)


class _Watch:
    """Sees a run begin, and its parts."""

    prober: Prober
    start = 0.0
    memory = 0.0
    seconds: dict[str, float]

    def announce(self, prober: Prober, plan: PlanRecord, notes: object) -> None:
        self.prober, self.seconds, self.at = prober, {}, ""
        if CUDA:
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()
            self.memory = torch.cuda.memory_allocated() / MIB
        self.start = self.last = time.perf_counter()

    def progress(self, share: float, what: str) -> None:
        now = time.perf_counter()
        self.seconds[self.at] = self.seconds.get(self.at, 0.0) + now - self.last
        self.at, self.last = what.split()[0], now


def probe(small: bool) -> None:
    """Whole runs, beside the network once and the searches at the float32 product's rate."""
    runs = [("ResNet18", 10_000, 32, 12), ("ResNet50", 2000, 224, 48)]
    if small:
        runs = [("ResNet18", 64, 32, 1)]
    for name, count, size, budget in runs:
        settings = Settings(
            order=1,
            budget=budget * GIB,
            device=str(DEVICE),
            nodes=("all",),
            samples=count,
        )
        source = images(count, size)
        for turn in ("first", "again"):
            watch = _Watch()
            request = Request(settings, announce=watch.announce, progress=watch.progress)
            calls = cProfile.Profile()
            work = partial(run_probe, load(name), source, None, None, request)
            if turn == "first":
                calls.runcall(work)
            else:
                work()
            _wait()
            taken = time.perf_counter() - watch.start
            _said(f"{name}, {count:,} at {size}×{size}, {turn}", watch, taken, size)
            if turn == "first":
                _show(calls, 14)


def _said(what: str, watch: _Watch, taken: float, size: int) -> None:
    prober = watch.prober
    module = deepcopy(prober.module).eval()
    batch = torch.rand(prober.batch, 3, size, size, device=DEVICE)
    with torch.inference_mode():
        once = seconds(lambda: module(batch), 3) * len(prober.feed.batches)
    rows = torch.rand(4096, 4096, device=DEVICE)
    product = seconds(lambda: rows @ rows, 3) / (2 * 4096**3)
    expected = once + prober.cost.operations * product
    print(
        f"  {what}: {taken:.2f} s, {prober.passes} passes; the network once {once:.2f} s, "
        f"searches at the float32 product's rate {prober.cost.operations * product:.2f} s: "
        f"× {met(taken / expected, 3.0, most=True)}; by parts "
        + ", ".join(f"{part} {spent:.2f} s" for part, spent in watch.seconds.items() if part)
    )
    if CUDA:
        peak = torch.cuda.max_memory_allocated() / MIB - watch.memory
        budget = prober.settings.budget / MIB
        print(f"    memory {peak:.0f} MiB over what was there, of a budget of {budget:.0f}")


def networks(small: bool) -> None:
    """Every packaged network in float32 and float16, here against the CPU in float32."""
    from tests.zoo.prove import Reference, build, difference, inputs_of, tensors

    names = [entry.name for entry in entries() if entry.params is not None]
    if small:
        names = ["LeNet5", "GCN"]
    torch.backends.cudnn.allow_tf32 = False
    found: dict[str, list[float]] = {}
    failed: dict[str, str] = {}
    end = time.perf_counter() + 80
    for name in names:
        if time.perf_counter() > end:
            break
        try:
            network = load(name)
            torch.manual_seed(0)
            module = build(network.source(), network.graph.name)
            given = inputs_of(network, Reference(name, lambda: nn.Identity(), batch=2), 0)
            given = tuple(v.float() if v.is_floating_point() else v for v in given)
            with torch.inference_mode():
                expected = tensors(module(*given))
                if not all(bool(t.isfinite().all()) for t in expected):
                    raise ValueError("inputs drawn at random make no sense to it")
                found[name] = []
                for dtype in (torch.float32, torch.float16):
                    there = deepcopy(module).to(DEVICE, dtype)
                    moved = [
                        v.to(DEVICE, dtype) if v.is_floating_point() else v.to(DEVICE)
                        for v in given
                    ]
                    results = [t.cpu() for t in tensors(there(*moved))]
                    found[name].append(difference(expected, results))
        except Exception as error:  # noqa: BLE001
            failed[name] = str(error).splitlines()[0][:100]
    print(f"  {len(found)} of {len(names)} networks ran")
    for place, (kind, most) in enumerate((("float32", 1e-3), ("float16", 5e-2))):
        far = {n: f"{v[place]:.2g}" for n, v in found.items() if len(v) > place and v[place] > most}
        print(f"  {kind}: {len(far)} differ by more than {most:g} of the largest value: {far}")
    for name, reason in failed.items():
        print(f"  {name}: {reason}")


def emitted(small: bool) -> None:
    """Emitted code beside torchvision's with the same weights."""
    from tests.oracles import torchvision
    from tests.zoo.prove import build

    for name, theirs_name in (("ResNet50", "resnet50"), ("MobileNetV2", "mobilenet_v2")):
        theirs = getattr(torchvision().models, theirs_name)().eval()
        network = load(name)
        ours = build(network.source(), network.graph.name)
        ours.load_state_dict(theirs.state_dict())
        ours, theirs = ours.to(DEVICE), theirs.to(DEVICE)
        batch = torch.rand(2 if small else 64, 3, 224, 224, device=DEVICE)
        ways: list[tuple[str, Callable[[nn.Module], Callable[..., Tensor]]]] = [
            ("as it is", lambda module: module)
        ]
        if not small:
            ways.append(("compiled", torch.compile))
        for way, made in ways:
            with torch.inference_mode():
                runs = [partial(made(module), batch) for module in (ours, theirs)]
                equal = torch.equal(*(run() for run in runs))
                ratios = []
                for _ in range(1 if small else 9):
                    mine, other = (seconds(run, 1) for run in runs)
                    ratios.append(mine / other)
            print(f"  {name}, {way}: × {median(ratios):.3f} torchvision's time, equal: {equal}")


def cpu(small: bool) -> None:
    """The search on one thread of the CPU, by float32 and by bfloat16."""
    torch.set_num_threads(1)
    print(f"  capability {torch.backends.cpu.get_cpu_capability()}")
    matmul = torch.backends.mkldnn.matmul  # type: ignore[attr-defined]
    for width in (256,) if small else (1024, 2048, 8192):
        some = torch.rand(1024, width)
        plain = seconds(partial(torch.mm, some, some.T), 3)
        words = [f"float32 {2 * 1024**2 * width / plain / 1e9:.0f} Gop/s"]
        for name, rows in (("float32 by bfloat16", some), ("bfloat16", some.bfloat16())):
            matmul.fp32_precision = "bf16"
            words.append(f"{name} × {plain / seconds(partial(torch.mm, rows, rows.T), 3):.2f}")
            matmul.fp32_precision = "none"
        whole = (some * 100).to(torch.int8)
        words.append(f"int8 × {plain / seconds(partial(torch._int_mm, whole, whole.T), 3):.2f}")
        print(f"  1,024 × {width:,} × 1,024: " + ", ".join(words))
    for m, d in ((1000, 300),) if small else ((5000, 512), (2000, 8192)):
        for kind in ("normal", "features"):
            rows, y = samples(m, d, kind, torch.device("cpu"))
            plain = seconds(partial(_products, rows, "ieee"), 2)
            for product in ("auto", "float32", "bfloat16"):
                taken = seconds(partial(separation_index, rows, y, product=product), 1)
                print(
                    f"  {m:,} × {d:,}, {kind}, {product}: {plain / taken:.2f} × the product, "
                    f"{_open(rows, product):.2f} pairs a row open"
                )
    torch.set_num_threads(torch.get_num_interop_threads())


def _open(rows: Tensor, product: str) -> float:
    """Pairs a row that bounds leave to be settled."""
    frame = RowScaling.around(rows, product=product)
    run = RunningNeighbours(len(rows), 1, frame)
    for left, right in block_pairs(blocks_of(rows, frame, 1024), None, run, keep=False):
        run.visit(left, right, both=left.start != right.start)
    run.prune()
    return run.pending / len(rows)


PARTS = {
    "equal": equal,
    "indices": indices,
    "profile": profile,
    "search": search,
    "probe": probe,
    "networks": networks,
    "emitted": emitted,
    "cpu": cpu,
}


def main() -> None:
    """The parts that are named, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[[], *PARTS])
    parser.add_argument("--small", action="store_true")
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    name = torch.cuda.get_device_name() if CUDA else "no GPU"
    print(f"{name}, torch {torch.__version__}")
    for part in given.parts or PARTS:
        print(f"{part}:", flush=True)
        start = time.perf_counter()
        try:
            PARTS[part](given.small or not CUDA)
        except Exception as error:  # noqa: BLE001
            print(f"  stopped: {type(error).__name__}: {str(error)[:300]}")
        print(f"  ({time.perf_counter() - start:.0f} s)", flush=True)


if __name__ == "__main__":
    main()
