"""Training on scikit-learn's handwritten digits: the demonstration's data."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn


class Digits(NamedTuple):
    """Images `[n, 1, 8, 8]` with values in 0…1, and their labels `[n]`."""

    train_images: Tensor
    train_labels: Tensor
    test_images: Tensor
    test_labels: Tensor


def load_digits(seed: int = 0) -> Digits:
    """Return the 1,797 digits of 8×8 pixels (UCI, 1998; the copy that scikit-learn carries), split
    4 : 1 with the classes in proportion."""
    from sklearn import datasets
    from sklearn.model_selection import train_test_split

    images, labels = datasets.load_digits(return_X_y=True)
    parts = train_test_split(images, labels, test_size=0.2, random_state=seed, stratify=labels)
    train, test = (
        torch.tensor(part, dtype=torch.float32).div(16).reshape(-1, 1, 8, 8) for part in parts[:2]
    )
    return Digits(train, torch.tensor(parts[2]), test, torch.tensor(parts[3]))


def train(
    module: nn.Module,
    data: Digits,
    *,
    epochs: int,
    batch: int = 64,
    learning_rate: float = 2e-3,
    seed: int = 0,
    progress: Callable[[int, float], None],
) -> None:
    """Train a classifier with Adam and cross entropy; `progress` is told each epoch's mean loss."""
    # A generator of its own: the order of samples does not depend on what else draws numbers.
    shuffle = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.Adam(module.parameters(), lr=learning_rate)
    count = len(data.train_labels)
    for epoch in range(1, epochs + 1):
        module.train()
        total = 0.0
        for index in torch.split(torch.randperm(count, generator=shuffle), batch):
            loss = F.cross_entropy(module(data.train_images[index]), data.train_labels[index])
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            optimizer.step()
            total += loss.item() * len(index)
        progress(epoch, total / count)


@torch.no_grad()
def accuracy(module: nn.Module, images: Tensor, labels: Tensor) -> float:
    """Return the share of images whose highest logit is their label's."""
    module.eval()
    right: Tensor = module(images).argmax(1) == labels
    return right.float().mean().item()
