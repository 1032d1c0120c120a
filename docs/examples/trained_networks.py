"""The Separation Index along trained networks, beside the correct classification rate.

Trains a small network on half of the data (of `digits` four fifths), takes the indices at its nodes
on train and test, trains the course's classifier at each of them, and writes
`NAME.safetensors`, `NAME.json` (the run), `NAME.svg` (the figure) and `NAME.md` (the table)::

    python docs/examples/trained_networks.py digits
    python docs/examples/trained_networks.py mnist --data t10k-images-idx3-ubyte.gz
    python docs/examples/trained_networks.py cifar --data cifar.npz
    python docs/examples/trained_networks.py resnet18 --data cifar.npz
    python docs/examples/trained_networks.py vgg16 --data cifar.npz

What was seen stands in docs/trained-networks.md. With `--weights` nothing is trained.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from math import sqrt
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from numpy.typing import NDArray
from safetensors.torch import save_file
from scipy.stats import spearmanr
from sklearn.model_selection import train_test_split
from torch import Tensor, nn

from addnn_spec import load, probe
from addnn_spec.indices.measures import TrainedRate, classification_rate
from addnn_spec.report.differences import difference
from addnn_spec.report.figures import What, panels, saved
from addnn_spec.runtime.data import open_data
from addnn_spec.runtime.other_measures import Rows
from addnn_spec.runtime.run_record import NodeRecord, RunRecord, Split

RATE = "classification_rate"
SEEDS = 3
"""How often the course's classifier is trained at each node."""

SPLITS: dict[Split, str] = {"train": "SI train", "test": "SI test", "cross": "cross-SI"}


@dataclass(frozen=True)
class Case:
    """A network, its data, how it is trained, and how many samples are probed."""

    spec: str
    data: str | None
    test_share: float
    samples: int
    epochs: int
    nodes: tuple[str, ...] = ("image", "*conv*", "*relu*", "*pool*", "fc*")
    figure: What = "whole"
    seeds: int = SEEDS
    lr: float = 2e-3
    augment: bool = False
    """Images are mirrored and shifted at random, and the rate of learning falls to 0."""


HERE = Path(__file__).parent
CASES = {
    "digits": Case("Digits", "digits", 0.2, 360, epochs=12),
    "mnist": Case("LeNet5_example", None, 0.5, 2000, epochs=10),
    "cifar": Case(str(HERE / "small_cifar.net"), None, 0.5, 1000, epochs=40),
    "resnet18": Case(
        str(HERE / "resnet18_32.net"), None, 0.5, 1000, epochs=60, seeds=1, augment=True,
        figure="curves",
        nodes=("image", "layer?.1.relu_2", "avgpool", "fc"),
    ),
    "vgg16": Case(
        str(HERE / "vgg16_32.net"), None, 0.5, 1000, epochs=50, seeds=1, augment=True,
        figure="curves", lr=1e-3,
        nodes=("image", "*pool*", "relu", "relu_2", "fc3"),
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Data:
    """Images `[n, channels, height, width]` in 0 … 1, and labels `[n]`."""

    images: Tensor
    labels: Tensor

    @property
    def pair(self) -> tuple[NDArray[Any], NDArray[Any]]:
        return self.images.numpy(), self.labels.numpy()


def read(where: str, test_share: float) -> tuple[Data, Data]:
    """The data in two parts, the classes in proportion; always the same."""
    source = open_data(where).train
    (raw,) = source.read(np.arange(len(source)))
    images = torch.from_numpy(raw).float() / (255 if raw.dtype == np.uint8 else 1)
    if images.ndim == 3:
        images = images[:, None]
    elif images.shape[-1] == 3:
        images = images.permute(0, 3, 1, 2)
    labels = torch.from_numpy(source.labels.astype(np.int64))
    train, test = train_test_split(
        np.arange(len(labels)), test_size=test_share, random_state=0, stratify=source.labels
    )
    first, second = (Data(images[part].contiguous(), labels[part]) for part in (train, test))
    return first, second


def fit(module: nn.Module, data: Data, case: Case) -> None:
    """Adam and cross entropy; the order of the samples is drawn by a seed of its own."""
    shuffle = torch.Generator().manual_seed(0)
    optimizer = torch.optim.Adam(module.parameters(), lr=case.lr)
    falling = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, case.epochs)
    module.train()
    for epoch in range(1, case.epochs + 1):
        total = 0.0
        for batch in torch.split(torch.randperm(len(data.labels), generator=shuffle), 64):
            images = data.images[batch]
            if case.augment:
                images = moved(images, shuffle)
            loss = F.cross_entropy(module(images), data.labels[batch])
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            optimizer.step()
            total += loss.item() * len(batch)
        if case.augment:
            falling.step()
        print(f"epoch {epoch}: loss {total / len(data.labels):.4f}", flush=True)


def moved(images: Tensor, generator: torch.Generator) -> Tensor:
    """Images (n, c, h, w), each mirrored or not, and shifted by up to 4 pixels."""
    n, _, height, width = images.shape
    mirrored = torch.rand(n, generator=generator) < 0.5
    images = torch.where(mirrored[:, None, None, None], images.flip(3), images)
    wide = F.pad(images, (4, 4, 4, 4))
    offsets = torch.randint(0, 9, (n, 2), generator=generator).tolist()
    return torch.stack(
        [wide[k, :, y : y + height, x : x + width] for k, (y, x) in enumerate(offsets)]
    )


@torch.no_grad()
def accuracy(module: nn.Module, data: Data) -> float:
    """The share of images that are told right."""
    module.eval()
    logits = torch.cat([module(images) for images in torch.split(data.images, 500)])
    return (logits.argmax(1) == data.labels).float().mean().item()


def rate(rows: Rows, seed: int) -> TrainedRate:
    """The correct classification rate at a node: trained on train, told of test."""
    assert rows.test is not None and rows.test_labels is not None
    return classification_rate(rows.train, rows.labels, rows.test, rows.test_labels, seed=seed)


def rates(node: NodeRecord) -> list[float]:
    """The rates of all seeds."""
    return [measure.value for name, measure in node.measures.items() if name.startswith(RATE)]


# --- what is told ---------------------------------------------------------------------------------
def table(run: RunRecord) -> str:
    """The nodes as Markdown."""
    head = ["node", "values", *SPLITS.values(), "rate"]
    rows = [head, ["---"] * len(head)]
    for node in measured(run):
        cells = [node.label, f"{node.dimensions:,}"]
        for split in SPLITS:
            found = node.on(split)
            assert found is not None
            cells.append(str(found))
        values = rates(node)
        rows.append([*cells, f"{mean(values):.4f} ({min(values):.4f} to {max(values):.4f})"])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def measured(run: RunRecord) -> list[NodeRecord]:
    """The nodes with values of their own, in the order of computing: these networks are chains."""
    return [node for node in run.nodes if node.as_above is None]


def told(run: RunRecord) -> str:
    """Whether index and rate rise together: over all nodes, and from each node to the next.

    A step of the index counts beyond two standard errors of the paired difference; a step of the
    rate, the mean of all seeds, beyond two of an unpaired difference of two shares of m samples.
    """
    nodes = measured(run)
    values = [mean(rates(node)) for node in nodes]
    lines = []
    for split, name in SPLITS.items():
        index = [found.value for node in nodes if (found := node.on(split)) is not None]
        counts = Counter(step(run, before, after, split) for before, after in pairwise(nodes))
        seen = ", ".join(f"{count} {what}" for what, count in sorted(counts.items()))
        correlation = float(spearmanr(index, values).statistic)
        lines.append(f"- {name} and the rate: rank correlation {correlation:.2f}; steps: {seen}")
    return "\n".join(lines)


def step(run: RunRecord, before: NodeRecord, after: NodeRecord, split: Split) -> str:
    """What index and rate do from a node to the next."""
    found = difference(run, before.label, after.label, split)
    assert found is not None
    index = 0 if found.p >= 0.05 else (1 if found.value > 0 else -1)
    low, high = mean(rates(before)), mean(rates(after))
    error = sqrt((low * (1 - low) + high * (1 - high)) / run.m)
    rate = 0 if abs(high - low) <= 2 * error else (1 if high > low else -1)
    if index and rate:
        return "both the same way" if index == rate else "against one another"
    return "only the index" if index else "only the rate" if rate else "neither"


# --- the whole ------------------------------------------------------------------------------------
def evaluate(
    case: Case, data: str, output: Path, name: str, weights: Path | None = None
) -> RunRecord:
    """Train, unless there are weights; probe, and write what was found."""
    train, test = read(data, case.test_share)
    network = load(case.spec)
    torch.manual_seed(0)
    module = network.build(weights)
    if weights is None:
        fit(module, train, case)
    print(f"accuracy: train {accuracy(module, train):.4f}, test {accuracy(module, test):.4f}")
    save_file(module.state_dict(), output / f"{name}.safetensors")
    run = probe(
        network,
        weights=output / f"{name}.safetensors",
        train=train.pair,
        test=test.pair,
        samples=case.samples,
        nodes=case.nodes,
        measures={
            RATE if seed == 0 else f"{RATE}_{seed}": partial(rate, seed=seed)
            for seed in range(case.seeds)
        },
        device="cpu",
        output=output / f"{name}.json",
    )
    text = f"{table(run.record)}\n\n{told(run.record)}\n"
    (output / f"{name}.md").write_text(text, encoding="utf-8")
    picture = saved(panels([run.record], case.figure, across=True), "svg")
    (output / f"{name}.svg").write_bytes(picture)
    print(text, end="")
    return run.record


def main(arguments: Sequence[str] | None = None) -> None:
    """One case, by name."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("case", choices=CASES)
    parser.add_argument("--data", help="an .npz of x and y, IDX or CIFAR files; not for digits")
    parser.add_argument("--weights", type=Path, help="what the same command has trained before")
    parser.add_argument("-o", "--output", type=Path, default=Path(), help="a folder")
    given = parser.parse_args(arguments)
    case = CASES[given.case]
    data = given.data or case.data
    if data is None:
        parser.error(f"{given.case} needs --data")
    given.output.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    evaluate(case, data, given.output, given.case, given.weights)


if __name__ == "__main__":
    main()
