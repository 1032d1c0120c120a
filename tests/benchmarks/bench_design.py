"""What compression, fusion and growth do to a small VGG on MNIST, over seeds.

Run ``python -m tests.benchmarks.bench_design`` (``--seeds 5``, ``--parts compress,fuse``). The
images are the folder or file in ``ADDNN_MNIST``; without it scikit-learn's digits stand in, doubled
to 28 × 28. The part ``cifar`` takes those in ``ADDNN_IMAGES``. Each seed parts the data, trains the
network, and works on it; what is told is the mean paired loss on the judging samples with its 95 %
interval over the seeds, and the control's beside it. With ``--results FILE`` each row is kept as a
line of JSON as soon as it is there, and what is kept is not run again: a run can be stopped and
gone on with. The first line tells what planning ResNet152 costs, without torch.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import time
from argparse import ArgumentParser
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from statistics import mean, stdev
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from addnn_spec.design.growing import Local

SPEC = Path(__file__).parent / "specs" / "mini.net"
COLOUR = Path(__file__).parents[2] / "docs" / "examples" / "small_cifar.net"
EPOCHS = 8


class Row(NamedTuple):
    """One way of one seed. Losses are in accuracy; less than nothing is a gain."""

    part: str
    seed: int
    what: str
    loss: float
    control: float | None
    """The loss of what the control is."""
    accuracy: float
    """Of what the loss is against."""
    params: int
    macs: int


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
    with_images = [part for part in PARTS if part != "cifar" or "ADDNN_IMAGES" in os.environ]
    parser.add_argument("--parts", default=",".join(with_images))
    parser.add_argument("--results", type=Path)
    asked = parser.parse_args()
    planning()
    rows = _kept(asked.results)
    done = {(row.part, row.seed) for row in rows}
    for part in asked.parts.split(","):
        for seed in range(asked.seeds):
            if (part, seed) in done:
                continue
            start = time.process_time()
            new = list(PARTS[part](seed))
            rows += new
            print(f"{part}, seed {seed}: {time.process_time() - start:.0f} s of CPU", flush=True)
            if asked.results is not None:
                with asked.results.open("a") as file:
                    file.writelines(json.dumps(row) + "\n" for row in new)
    print("\n".join(table(rows)))


def _kept(results: Path | None) -> list[Row]:
    if results is None or not results.exists():
        return []
    return [Row(*json.loads(line)) for line in results.read_text().splitlines()]


def table(rows: list[Row]) -> Iterator[str]:
    """Yield the lines of the table: a way's mean loss with its 95 % interval, by Student's t."""
    from scipy.stats import t

    yield f"{'what':36} {'params':>8} {'MACs':>10}  loss (95 % interval), seeds; control"
    ways: dict[str, list[Row]] = {}
    for row in rows:
        ways.setdefault(row.what, []).append(row)
    for what, found in ways.items():
        losses, count = [row.loss for row in found], len(found)
        reach = math.nan
        if count > 1:
            reach = float(t.ppf(0.975, count - 1)) * stdev(losses) / math.sqrt(count)
        controls = [row.control for row in found if row.control is not None]
        beside = f"{mean(controls):+.4f}" if controls else "–"
        each = " ".join(f"{one:+.4f}" for one in losses)
        params, macs = (round(mean(getattr(row, name) for row in found)) for name in _SIZES)
        told = f"{mean(losses):+.4f} ± {reach:.4f}, {count}; {beside}  [{each}]"
        against = mean(row.accuracy for row in found)
        yield f"{what:36} {params:8,} {macs:10,}  {told}, against {against:.4f}"


_SIZES = ("params", "macs")


def compression(seed: int) -> Iterator[Row]:
    """Train the network, and compress it in each way; the control has random channels."""
    import torch

    from addnn_spec.design.compressing import Aim, compress
    from addnn_spec.design.plan import start
    from addnn_spec.design.sample_parts import read_parts
    from addnn_spec.design.training import Recipe, train

    torch.set_num_threads(1)
    plan, given = start(SPEC), data()
    parts = read_parts(plan.graph, given, seed=seed)
    torch.manual_seed(seed)
    module = plan.network.build()
    train(module, parts.fit.x, parts.fit.y, parts.task, Recipe(epochs=EPOCHS, seed=seed))
    recipe = Recipe(epochs=0, seed=seed)
    ways = {
        "cut at stage4.0.relu": Aim(cut="stage4.0.relu", controls="none", recipe=recipe),
        "cut auto": Aim(cut="auto", controls="none", recipe=recipe),
        "widths × 1/2, refit": Aim(widths=0.5, controls="random", recipe=recipe),
        "widths × 3/4, refit": Aim(widths=0.75, controls="random", recipe=recipe),
    }
    for name, aim in ways.items():
        record = compress(plan, module.state_dict(), given, aim=aim).record
        first, *others = record.comparisons
        print(f"  {name}: {record.cut or ''} {first.difference:+.4f}", flush=True)
        yield Row(
            "compress",
            seed,
            name,
            -first.difference,
            -others[0].difference if others else None,
            record.scores[0].value,
            record.after.params,
            record.after.macs,
        )


def fusion(seed: int) -> Iterator[Row]:
    """Fuse two networks of half an image each, and compare them with the mean of their
    probabilities; the control is a random pair of nodes.

    Each half is trained on half of the fitting samples.
    """
    import torch

    from addnn_spec.design.fusing import Fusing, fuse
    from addnn_spec.design.plan import Plan, start
    from addnn_spec.design.sample_parts import Part, read_parts
    from addnn_spec.design.training import Recipe, train

    torch.set_num_threads(1)
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
        part, recipe = Part(fit.x[rows], fit.y[rows]), Recipe(epochs=EPOCHS, seed=seed)
        train(module, part.x, part.y, "classification", recipe)
        weights.append(module.state_dict())
    pair: tuple[Plan, Plan] = (plans[0], plans[1])
    record = fuse(
        pair, (weights[0], weights[1]), given, how=Fusing(recipe=Recipe(seed=seed))
    ).record
    scores = {one.name: one.value for one in record.scores}
    told = ", ".join(f"{name} {value:.4f}" for name, value in scores.items())
    print(f"  fusion: {' + '.join(record.nodes)}: {told}", flush=True)
    first, *others = record.comparisons
    yield Row(
        "fuse",
        seed,
        "fusion, against the ensemble",
        -first.difference,
        -others[0].difference if others else None,
        scores["mean of probabilities"],
        record.after.params,
        record.after.macs,
    )


def forward_learning(seed: int) -> Iterator[Row]:
    """Train forward by the soft index, and compare that with backpropagation at equal epochs."""
    yield _forward(seed, "forward", "forward, soft-si, MNIST, 4 epochs", SPEC, data(), 4)


def forward_on_digits(seed: int) -> Iterator[Row]:
    """Do the same on scikit-learn's digits, which are small."""
    name = "forward, soft-si, digits, 20 epochs"
    yield _forward(seed, "digits", name, "Digits", "digits", 20)


def forward_in_colour(seed: int) -> Iterator[Row]:
    """Do the same on CIFAR-10's images, by the soft index and by `predsim`."""
    losses: tuple[Local, ...] = ("soft-si", "predsim")
    for loss in losses:
        name = f"forward, {loss}, CIFAR's images, 20 epochs"
        yield _forward(seed, "cifar", name, COLOUR, os.environ["ADDNN_IMAGES"], 20, loss)


def _forward(
    seed: int,
    part: str,
    name: str,
    spec: str | Path,
    given: Any,
    epochs: int,
    loss: Local = "soft-si",
) -> Row:
    import torch

    from addnn_spec.design.growing import Growing, grow
    from addnn_spec.design.plan import start
    from addnn_spec.design.training import Recipe

    torch.set_num_threads(1)
    how = Growing(loss=loss, recipe=Recipe(epochs=epochs, batch=128, seed=seed))
    record = grow(start(spec), given, how=how).record
    assert record.comparison is not None
    assert record.backprop is not None
    print(f"  {name}: {record.accuracy:.4f}, {record.backprop:.4f}", flush=True)
    lost, size = -record.comparison.difference, record.size
    return Row(part, seed, name, lost, None, record.backprop, size.params, size.macs)


def growing(seed: int) -> Iterator[Row]:
    """Let `stage4` grow to six turns at most, and compare a linear head at the depth that the
    cross-index found with one at the best depth of all; the control is the last depth."""
    import torch

    from addnn_spec.design.compressing import head_recipe, train_head
    from addnn_spec.design.growing import Growing, grow
    from addnn_spec.design.plan import start
    from addnn_spec.design.sample_parts import read_parts
    from addnn_spec.design.training import Recipe, hits, predict

    torch.set_num_threads(1)
    given, plan, recipe = data(), start(SPEC), Recipe(epochs=4, batch=128, seed=seed)
    found = grow(plan, given, how=Growing(recipe=recipe, max_repeat={"stage4": 6}, control=False))
    depth = found.record.turns["stage4"]
    deep = plan.repeated("stage4", 6)
    whole = grow(deep, given, how=Growing(recipe=recipe, control=False)).module.state_dict()
    parts = read_parts(plan.graph, given, seed=seed)
    rates = []
    for turn in range(6):
        ended = deep.cut(f"stage4.{turn}")
        torch.manual_seed(seed)
        module = ended.network.build()
        kept = replace(ended, slices=ended.slices[-1:]).apply(whole)
        module.load_state_dict(kept, strict=False)
        train_head(module, set(kept), parts, head_recipe(parts, recipe), lambda *_: None)
        made = predict(module, parts.judge.x)
        rates.append(float(hits(made, parts.judge.y, parts.task).mean()))
    best = max(rates)
    told = " ".join(f"{rate:.4f}" for rate in rates)
    print(f"  growing: {depth} turns, by depth {told}", flush=True)
    size = found.record.size
    loss, control = best - rates[depth - 1], best - rates[-1]
    what = "growing, against the best depth"
    yield Row("grow", seed, what, loss, control, best, size.params, size.macs)


PARTS: dict[str, Callable[[int], Iterator[Row]]] = {
    "cifar": forward_in_colour,
    "compress": compression,
    "digits": forward_on_digits,
    "forward": forward_learning,
    "fuse": fusion,
    "grow": growing,
}


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
