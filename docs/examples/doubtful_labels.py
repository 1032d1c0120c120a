"""Planted wrong labels, found by the anti Separation Index; and what leaving samples out costs.

Plants errors in a tenth of the labels, tells how many of them are suspected (recall) and how many
of the suspected are wrong (precision) at each order, trains the network with all samples, without
the suspected, and without as many drawn at random. Then, with true labels, it keeps a sixth of the
samples by their margin, in four ways, and trains on these::

    python docs/examples/doubtful_labels.py digits
    python docs/examples/doubtful_labels.py mnist --data t10k-images-idx3-ubyte.gz

What was seen stands in docs/data.md.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from addnn_spec import load
from addnn_spec.datasets import difficulty
from addnn_spec.datasets.in_memory import load_data
from addnn_spec.design.training import Recipe, hits, predict, train
from addnn_spec.indices import local_triplets

ORDERS = (1, 2, 3, 5, 8)
WRONG = 0.1
SEEDS = 3
Places = NDArray[np.int64]


@dataclass(frozen=True)
class Case:
    """A network, its data, how many samples train and how many are kept of them."""

    spec: str
    data: str | None
    train: int
    kept: int


CASES = {
    "digits": Case("Digits", "digits", 1200, 200),
    "mnist": Case("LeNet5_example", None, 2000, 400),
}


@dataclass(frozen=True)
class Data:
    """Images (n, 1, h, w) and labels (n,), and those that judge."""

    x: Tensor
    y: Tensor
    x_test: Tensor
    y_test: Tensor


def read(case: Case, where: str, seed: int) -> Data:
    """Return the data in two parts, drawn by `seed`."""
    part = load_data(where, None, {"samples": 10_000, "seed": 0}, beside=False).parts[0]
    side = round(part.rows.shape[1] ** 0.5)
    x, y = part.rows.reshape(len(part), 1, side, side), part.values
    order = torch.from_numpy(np.random.default_rng(seed).permutation(len(part)))
    first, rest = order[: case.train], order[case.train :]
    return Data(x[first], y[first], x[rest], y[rest])


def accuracy(case: Case, data: Data, y: Tensor, kept: Places, seed: int) -> float:
    """Return the share of judging samples that are right after training on some samples: ten epochs
    of all, or as many steps."""
    torch.manual_seed(seed)
    module = load(case.spec).build()
    some = torch.from_numpy(kept)
    recipe = Recipe(epochs=round(10 * case.train / len(kept)), seed=seed)
    train(module, data.x[some], y[some], "classification", recipe)
    made = predict(module, data.x_test)
    return float(hits(made, data.y_test, "classification").mean())


def planted(y: Tensor, seed: int) -> tuple[Tensor, Places]:
    """Return labels of which a tenth is wrong, and which these are."""
    generator = np.random.default_rng(seed)
    places = np.sort(generator.permutation(len(y))[: round(WRONG * len(y))])
    labels = y.clone()
    classes = int(y.max()) + 1
    labels[places] = (
        labels[places] + torch.from_numpy(generator.integers(1, classes, len(places)))
    ) % classes
    return labels, places


def cleaned(case: Case, data: Data, seed: int) -> tuple[list[tuple[float, ...]], list[float]]:
    """Return of each order the suspects, precision and recall; and the accuracies with all samples,
    without the suspects of order 5, and without as many drawn at random."""
    labels, wrong = planted(data.y, seed)
    scores = difficulty(data.x, labels).scores.numpy()
    rows: list[tuple[float, ...]] = []
    for order in ORDERS:
        told = np.flatnonzero(scores <= -order)
        right = len(np.intersect1d(told, wrong))
        rows.append((len(told), right / max(len(told), 1), right / len(wrong)))
    every = np.arange(len(labels))
    told = np.flatnonzero(scores <= -5)
    drawn = np.random.default_rng(seed).permutation(len(labels))[: len(told)]
    kept = [every, np.setdiff1d(every, told), np.setdiff1d(every, drawn)]
    return rows, [accuracy(case, data, labels, some, seed) for some in kept]


def pruned(case: Case, data: Data, seed: int) -> list[float]:
    """Return the accuracies of training on a few samples: at random, those of least and of greatest
    margin, and the middle ones. The margin is how much farther the nearest sample of another class
    is than the nearest of the own."""
    found = local_triplets(data.x, data.y)
    margins = (found.negative_distances - found.positive_distances).numpy()
    order = found.anchors.numpy()[np.argsort(margins)]
    middle = (len(order) - case.kept) // 2
    random = np.random.default_rng(seed).permutation(order)[: case.kept]
    ways = [random, order[: case.kept], order[-case.kept :], order[middle : middle + case.kept]]
    return [accuracy(case, data, data.y, some, seed) for some in ways]


def spread(values: Sequence[float]) -> str:
    """Return a mean with its range."""
    return f"{mean(values):.4f} ({min(values):.4f} to {max(values):.4f})"


def main(arguments: Sequence[str] | None = None) -> None:
    """One case, by name."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("case", choices=CASES)
    parser.add_argument("--data", help="IDX files; not for digits")
    given = parser.parse_args(arguments)
    case = CASES[given.case]
    where = given.data or case.data
    if where is None:
        parser.error(f"{given.case} needs --data")
    torch.set_num_threads(1)
    found, with_errors, few = [], [], []
    for seed in range(SEEDS):
        data = read(case, where, seed)
        rows, accuracies = cleaned(case, data, seed)
        found.append(rows)
        with_errors.append(accuracies)
        few.append(pruned(case, data, seed))
    print("| order | suspected | precision | recall |\n| --- | --- | --- | --- |")
    for order, of_seeds in zip(ORDERS, zip(*found, strict=True), strict=True):
        count, precision, recall = (mean(one) for one in zip(*of_seeds, strict=True))
        print(f"| {order} | {count:.0f} | {precision:.3f} | {recall:.3f} |")
    print("\n| trained on | accuracy |\n| --- | --- |")
    names = [
        "all, a tenth of the labels wrong",
        "without the suspects of order 5",
        "without as many drawn at random",
    ]
    for name, values in zip(names, zip(*with_errors, strict=True), strict=True):
        print(f"| {name} | {spread(values)} |")
    print(f"\n| {case.kept} of {case.train:,} samples | accuracy |\n| --- | --- |")
    for name, values in zip(
        ["drawn at random", "of least margin", "of greatest margin", "in the middle"],
        zip(*few, strict=True),
        strict=True,
    ):
        print(f"| {name} | {spread(values)} |")


if __name__ == "__main__":
    main()
