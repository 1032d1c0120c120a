"""What compression and fusion do to a small VGG on MNIST, over seeds.

Run ``python -m tests.benchmarks.bench_design`` (``--seeds 5``, ``--epochs 8``). The images are the
folder or file in ``ADDNN_MNIST``; without it scikit-learn's digits stand in, doubled to 28 × 28.
Each seed parts the data, trains the network, and compresses it; what is told is the mean paired
loss on the judging samples with two standard errors over the seeds, and the control's beside it.
``plan`` tells what planning ResNet152 costs, without torch.
"""

from __future__ import annotations

import math
import os
import subprocess
import sys
from argparse import ArgumentParser
from pathlib import Path
from statistics import mean, stdev
from tempfile import TemporaryDirectory
from typing import Any

SPEC = Path(__file__).parent / "specs" / "mini.net"


def data() -> Any:
    """Return where the images are, or made ones."""
    where = os.environ.get("ADDNN_MNIST")
    if where is not None:
        return where
    import numpy as np
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    images = np.pad(
        x.reshape(-1, 1, 8, 8).repeat(3, 2).repeat(3, 3), ((0, 0), (0, 0), (2, 2), (2, 2))
    )
    return (images / 16).astype(np.float32), y


def main() -> None:
    parser = ArgumentParser()
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=8)
    asked = parser.parse_args()
    planning()
    losses: dict[str, list[tuple[float, float, float]]] = {}
    sizes: dict[str, tuple[int, int]] = {}
    for seed in range(asked.seeds):
        for name, loss, control, accuracy, size in one_seed(seed, asked.epochs):
            losses.setdefault(name, []).append((loss, control, accuracy))
            sizes[name] = size
        name, loss, control, accuracy, size = fusion(seed, asked.epochs)
        losses.setdefault(name, []).append((loss, control, accuracy))
        sizes[name] = size
        print(f"seed {seed} of {asked.seeds}", flush=True)
    print(f"{'what':34} {'params':>8} {'MACs':>10}  loss, mean ± 2 SE over seeds   control")
    for name, rows in losses.items():
        found = [row[0] for row in rows]
        error = 2 * stdev(found) / math.sqrt(len(found)) if len(found) > 1 else math.nan
        controls = [row[1] for row in rows if not math.isnan(row[1])]
        beside = f"{mean(controls):+.4f}" if controls else "–"
        params, macs = sizes[name]
        each = " ".join(f"{one:+.4f}" for one in found)
        told = f"{mean(found):+.4f} ± {error:.4f}  {beside}  [{each}]"
        print(f"{name:34} {params:8,} {macs:10,}  {told}")


def one_seed(seed: int, epochs: int) -> list[tuple[str, float, float, float, tuple[int, int]]]:
    """Return for each way its loss, the control's, the original's accuracy, and its size."""
    import torch

    from addnn_spec.design.compressing import Aim, compress
    from addnn_spec.design.data import read_parts
    from addnn_spec.design.plan import start
    from addnn_spec.design.training import Recipe, train

    torch.set_num_threads(1)
    plan, given = start(SPEC), data()
    parts = read_parts(plan.graph, given, seed=seed)
    torch.manual_seed(seed)
    module = plan.network.build()
    train(module, parts.fit.x, parts.fit.y, parts.task, Recipe(epochs=epochs, seed=seed))
    recipe = Recipe(epochs=0, seed=seed)
    ways = {
        "cut at stage4.0.relu": Aim(cut="stage4.0.relu", controls="none", recipe=recipe),
        "cut auto": Aim(cut="auto", controls="none", recipe=recipe),
        "widths × 1/2, refit": Aim(widths=0.5, controls="random", recipe=recipe),
        "widths × 3/4, refit": Aim(widths=0.75, controls="random", recipe=recipe),
    }
    found = []
    for name, aim in ways.items():
        record = compress(plan, module.state_dict(), given, aim=aim).record
        first, *others = record.comparisons
        control = -others[0].difference if others else math.nan
        size = (record.after.params, record.after.macs)
        print(f"  {name}: {record.cut or ''} {first.difference:+.4f}", flush=True)
        found.append((name, -first.difference, control, record.scores[0].value, size))
    return found


def fusion(seed: int, epochs: int) -> tuple[str, float, float, float, tuple[int, int]]:
    """Return how much two networks of half an image each, fused, lose against the mean of their
    probabilities (less than nothing: they gain), and what a random pair of nodes does.

    Each half is trained on half of the fitting samples.
    """
    import torch

    from addnn_spec.design.data import Part, read_parts
    from addnn_spec.design.fusing import Fusing, fuse
    from addnn_spec.design.plan import Plan, start
    from addnn_spec.design.training import Recipe, train

    text, given, plans, weights = SPEC.read_text(), data(), [], []
    with TemporaryDirectory() as folder:
        for name, seen in (("Upper", ":14"), ("Lower", "14:")):
            path = Path(folder) / f"{name}.net"
            path.write_text(text.replace("Mini", name).replace("= image", f"= image[:, :, {seen}]"))
            plans.append(start(path))
    fit = read_parts(plans[0].graph, given, seed=seed).fit
    half = len(fit) // 2
    for place, plan in enumerate(plans):
        torch.manual_seed(seed + place)
        module, rows = plan.network.build(), slice(place * half, (place + 1) * half)
        part, recipe = Part(fit.x[rows], fit.y[rows]), Recipe(epochs=epochs, seed=seed)
        train(module, part.x, part.y, "classification", recipe)
        weights.append(module.state_dict())
    pair: tuple[Plan, Plan] = (plans[0], plans[1])
    record = fuse(
        pair, (weights[0], weights[1]), given, how=Fusing(recipe=Recipe(seed=seed))
    ).record
    scores = ", ".join(f"{one.name} {one.value:.4f}" for one in record.scores)
    print(f"  fusion: {' + '.join(record.nodes)}: {scores}", flush=True)
    first, *others = record.comparisons
    control = -others[0].difference if others else math.nan
    size = (record.after.params, record.after.macs)
    return "fusion, against the ensemble", -first.difference, control, record.scores[-1].value, size


def planning() -> None:
    """Tell the CPU seconds of planning ResNet152 at half of all widths, in a process of its own."""
    code = (
        "import sys, time\n"
        "from addnn_spec.design.plan import start\n"
        "plan = start('ResNet152')\n"
        "before = time.process_time()\n"
        "half = {c.number: range(c.size // 2) for c in plan.widths.classes if not c.frozen}\n"
        "plan.narrow(half)\n"
        "print(f'{time.process_time() - before:.2f} s, torch imported:', 'torch' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    print("planning ResNet152 at half its widths:", done.stdout.strip(), flush=True)


if __name__ == "__main__":
    main()
