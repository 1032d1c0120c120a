"""What the compiler costs, and what of it: each figure beside its goal.

Run `python -m tests.benchmarks.bench_compiler`, or `make bench`. Times are CPU seconds (user and
system) of whole processes, medians of alternating runs; ratios are within one run. Bytecode is
compiled beforehand, as an installation has it; nothing else is warm.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import process_time

ROOT = Path(__file__).parents[2]
ROUNDS = 9
PAIRS = 15

ADDNN = "from addnn_spec.cli import main; main()"
TORCHVISION = "from tests.oracles import torchvision; m = torchvision().models.resnet50()"
TORCHINFO = f"{TORCHVISION}; import torchinfo; print(torchinfo.summary(m, (1, 3, 224, 224)))"
FVCORE = (
    f"{TORCHVISION}; import torch, fvcore.nn; "
    "print(fvcore.nn.flop_count_table(fvcore.nn.FlopCountAnalysis(m, torch.rand(1, 3, 224, 224))))"
)


@dataclass(frozen=True, slots=True)
class Cost:
    """CPU seconds and the peak resident size of a process."""

    cpu: float
    mib: float


@dataclass(frozen=True, slots=True)
class Figure:
    """A measured value and its goal; None where it only stands beside others."""

    name: str
    value: float
    unit: str
    goal: float | None = None

    @property
    def reached(self) -> bool:
        return self.goal is None or self.value <= self.goal

    def __str__(self) -> str:
        goal = "" if self.goal is None else f"  goal ≤ {self.goal:g}"
        missed = "" if self.reached else "  MISSED"
        return f"{self.name:64} {self.value:10.3f} {self.unit:5}{goal}{missed}"


class Bench:
    """Runs processes with bytecode of their own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = {
            name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"
        } | {"PYTHONPATH": str(ROOT), "PYTHONPYCACHEPREFIX": str(folder / "bytecode")}

    def python(self, code: str, *arguments: str, expected: int = 0) -> Cost:
        """One process; raises `RuntimeError` if it does not exit as expected."""
        with subprocess.Popen(
            [sys.executable, "-c", code, *arguments],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            cwd=self.folder,
            env=self.environment,
        ) as process:
            assert process.stderr is not None
            message = process.stderr.read()
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != expected or b"Traceback" in message:
            raise RuntimeError(message.decode(errors="replace"))
        return Cost(usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)

    def addnn(self, *arguments: str, expected: int = 0) -> Cost:
        return self.python(ADDNN, *arguments, expected=expected)

    def medians(self, runs: Sequence[Callable[[], Cost]], rounds: int = ROUNDS) -> list[Cost]:
        """The median cost of each, run in turn after one round to warm up."""
        for run in runs:
            run()
        found = [[run() for run in runs] for _ in range(rounds)]
        return [
            Cost(median(cost.cpu for cost in column), median(cost.mib for cost in column))
            for column in zip(*found, strict=True)
        ]

    def spec(self, name: str, text: str) -> str:
        (self.folder / name).write_text(text, encoding="utf-8")
        return name


def start_up(bench: Bench) -> Iterator[Figure]:
    """`addnn summary ResNet50`, cold, beside the import of torch and other people's summaries."""
    torch, summary, check = bench.medians(
        [
            lambda: bench.python("import torch"),
            lambda: bench.addnn("summary", "ResNet50"),
            lambda: bench.addnn("check", "ResNet50"),
        ]
    )
    torchinfo, fvcore = bench.medians(
        [lambda: bench.python(TORCHINFO), lambda: bench.python(FVCORE)], rounds=3
    )
    yield Figure("import torch", torch.cpu, "s")
    yield Figure("addnn check ResNet50", check.cpu, "s")
    yield Figure("addnn summary ResNet50", summary.cpu, "s")
    yield Figure("torchinfo.summary of torchvision's", torchinfo.cpu, "s")
    yield Figure("fvcore.nn.flop_count_table of torchvision's", fvcore.cpu, "s")
    yield Figure("addnn summary ResNet50 / import torch", summary.cpu / torch.cpu, "", 0.25)
    yield Figure("addnn summary ResNet50, peak", summary.mib, "MiB", 70)
    yield Figure("torchinfo, peak", torchinfo.mib, "MiB")
    yield Figure("fvcore, peak", fvcore.mib, "MiB")


def scale(bench: Bench) -> Iterator[Figure]:
    """Long repeats, many distinct nodes, and what is refused."""
    block = "block B { return x + (x -> Linear(8) -> ReLU) }\n"
    net = block + "network Net { input x: float[N, 8] output y = x -> r: repeat TURNS { B } }\n"
    once, often = (bench.spec(f"r{n}.net", net.replace("TURNS", n)) for n in ("1", "10000"))
    one, many = bench.medians(
        [lambda: bench.addnn("check", once), lambda: bench.addnn("check", often)], rounds=5
    )
    yield Figure("check of repeat 10000, more than of repeat 1", many.cpu - one.cpu, "s", 0.2)

    bomb = "{ ReLU -> Tanh }"
    for _ in range(10):
        bomb = "{ repeat 10 " + bomb + " -> Sigmoid }"
    bomb = bench.spec(
        "bomb.net", f"network Net {{ input x: float[N, 8] output y = x -> r: {bomb} }}\n"
    )
    one, refused = bench.medians(
        [lambda: bench.addnn("check", once), lambda: bench.addnn("check", bomb, expected=1)],
        rounds=5,
    )
    yield Figure(
        "check that refuses 10^10 nodes, more than of repeat 1", refused.cpu - one.cpu, "s", 0.1
    )

    distinct = bench.spec(
        "distinct.net",
        "network Net {\n  input x: float[N, 8]\n  for i in 0..50000 {\n"
        '    x = x -> "fc{i}": Linear(1 + i * 7 % 13) -> "act{i}": ReLU\n  }\n  output y = x\n}\n',
    )
    limits = ("--limit-nodes=200000", "--limit-steps=10000000")
    cost = bench.addnn("compile", distinct, *limits)
    yield Figure("compile of 100,000 distinct nodes", cost.cpu, "s", 30)
    yield Figure("compile of 100,000 distinct nodes, peak", cost.mib, "MiB")


def packaged(bench: Bench) -> Iterator[Figure]:
    """All packaged networks."""
    (cost,) = bench.medians([lambda: bench.addnn("check", str(ROOT / "specs"))], rounds=3)
    yield Figure("check of all packaged specs", cost.cpu, "s", 10)


def emitted(bench: Bench) -> Iterator[Figure]:
    """The emitted ResNet-152: its length, and its time beside torchvision's."""
    path = bench.folder / "resnet152.py"
    bench.addnn("compile", "ResNet152", "-o", str(path))
    lines = len(path.read_text(encoding="utf-8").splitlines())
    yield Figure("lines of the emitted ResNet152", lines, "", 149)
    yield Figure("time of the emitted ResNet152 / torchvision's", _time_ratio(), "", 1.05)


def _time_ratio() -> float:
    """The ratio of the medians of alternating forward passes, one thread, evaluation."""
    import torch

    from addnn_spec.network import load
    from tests.oracles import torchvision

    torch.set_num_threads(1)
    theirs = torchvision().models.resnet152().eval()
    ours = load("ResNet152").build(theirs.state_dict()).eval()
    image = torch.rand(1, 3, 224, 224)
    times: dict[str, list[float]] = {"ours": [], "theirs": []}
    with torch.inference_mode():
        for _ in range(PAIRS + 1):
            for name, model in (("ours", ours), ("theirs", theirs)):
                start = process_time()
                model(image)
                times[name].append(process_time() - start)
    return median(times["ours"][1:]) / median(times["theirs"][1:])


def figures() -> Iterator[Figure]:
    """All figures, measured as they are asked for."""
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder))
        for part in (start_up, scale, packaged, emitted):
            yield from part(bench)


def main() -> None:
    """Print all figures; what misses its goal says so."""
    for figure in figures():
        print(figure, flush=True)


if __name__ == "__main__":
    main()
