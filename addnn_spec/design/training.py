"""One recipe for all training of design: data in memory, one optimiser, one seed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional

from addnn_spec.diagnostics import Refusal
from addnn_spec.runtime.settings import Task

Progress = Callable[[float, str], None]
_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)
_BATCH = 256
"""Samples of a batch where nothing is trained."""


def silent(share: float, what: str) -> None:
    """Show nothing."""


Tell = Callable[[str], None]


def untold(text: str) -> None:
    """Tell nothing."""


Augment = Literal["none", "shift", "flip", "shift+flip"]
AUGMENTS: tuple[Augment, ...] = get_args(Augment)
_SHIFT = 8
"""Images are moved by up to one part in so many of their height and width."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a network or a head is trained, as the record has it. The rate falls linearly to 0."""

    epochs: int = 8
    batch: int = 64
    lr: float = 1e-3
    optimizer: Literal["adam", "sgd"] = "adam"
    seed: int = 0
    device: str = "cpu"
    augment: Augment = "none"
    """Of images, anew in each batch: moved, zeros in the place of what is missing, or mirrored."""

    def made(self, parameters: Iterable[Tensor]) -> torch.optim.Optimizer:
        """Return the optimiser: Adam, or SGD with momentum .9 and weight decay 5e-4."""
        if self.optimizer == "adam":
            return torch.optim.Adam(parameters, self.lr)
        return torch.optim.SGD(parameters, self.lr, momentum=0.9, weight_decay=5e-4)


def loss_of(task: Task) -> Callable[[Tensor, Tensor], Tensor]:
    """Return cross entropy for classes, the mean square for targets."""
    return functional.cross_entropy if task == "classification" else functional.mse_loss


def batches(count: int, size: int, generator: torch.Generator) -> Iterator[Tensor]:
    """Yield the places of `count` samples in random order, in batches; none of one alone."""
    order = torch.randperm(count, generator=generator)
    for places in torch.split(order, size):
        if len(places) > 1 or count == 1:
            yield places


def augmented(x: Tensor, augment: Augment, generator: torch.Generator) -> Tensor:
    """Return a batch of images [n, C, H, W], each moved and mirrored at random.

    Raises `Refusal` (E0620) for what is no image.
    """
    if augment == "none":
        return x
    if x.dim() != 4:
        raise Refusal("E0620", f"images [N, C, H, W] are augmented, and these are {x.dim()}-D")
    height, width = x.shape[2:]
    rows, columns = torch.arange(height), torch.arange(width)
    count = len(x)
    if "shift" in augment:
        most = torch.tensor([height // _SHIFT, width // _SHIFT])
        moved = torch.rand(count, 2, generator=generator)
        moved = (moved * (2 * most + 1)).long() - most
    else:
        moved = torch.zeros(count, 2, dtype=torch.long)
    down, across = rows + moved[:, :1], columns + moved[:, 1:]
    if "flip" in augment:
        mirrored = torch.rand(count, 1, generator=generator) < 0.5
        across = torch.where(mirrored, across.flip(1), across)
    inside = ((down >= 0) & (down < height))[:, :, None] & ((across >= 0) & (across < width))[
        :, None
    ]
    down, across = down.clamp(0, height - 1), across.clamp(0, width - 1)
    each = torch.arange(count)[:, None, None]
    places = x.movedim(1, 3)[each, down[:, :, None], across[:, None, :]].movedim(3, 1)
    return places * inside[:, None].to(x.dtype)


def train(
    module: nn.Module,
    x: Tensor,
    y: Tensor,
    task: Task,
    recipe: Recipe,
    progress: Progress = silent,
    *,
    what: str = "training",
) -> None:
    """Train a module in place, and leave it in evaluation mode; parameters without gradients stay
    as they are."""
    device = torch.device(recipe.device)
    module.to(device).train()
    # Two sources: the order of samples by its own generator, dropout by torch's, both by the seed.
    generator = torch.Generator().manual_seed(recipe.seed)
    parameters = [one for one in module.parameters() if one.requires_grad]
    optimizer, loss = recipe.made(parameters), loss_of(task)
    steps = recipe.epochs * max(1, -(-len(x) // recipe.batch))
    falling = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, steps)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        for epoch in range(recipe.epochs):
            for places in batches(len(x), recipe.batch, generator):
                optimizer.zero_grad(set_to_none=True)
                given = augmented(x[places], recipe.augment, generator)
                made = module(given.to(device))
                loss(made, y[places].to(device)).backward()  # type: ignore[no-untyped-call]
                optimizer.step()
                falling.step()
            progress((epoch + 1) / recipe.epochs, what)
    module.eval()


@torch.no_grad()
def pass_seconds(module: nn.Module, x: Tensor, device: str = "cpu") -> float:
    """Return the seconds that a sample's forward pass takes, by a batch that is run twice."""
    module.to(device).eval()
    part = x[:_BATCH].to(device)
    # The first run warms up: kernels are chosen and memory is taken.
    module(part)
    start = time.perf_counter()
    module(part).sum().item()
    return (time.perf_counter() - start) / len(part)


def told_time(parts: Mapping[str, float]) -> str:
    """Return in words how long a run will take, with the part of it that takes longest."""
    total = sum(parts.values())
    longest = max(parts, key=lambda name: parts[name])
    share = f", {parts[longest] / total:.0%} of it {longest}" if len(parts) > 1 and total else ""
    return f"about {_duration(total)}{share}; Ctrl-C ends it, and keeps what is done"


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{round(seconds / 60)} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


@torch.no_grad()
def predict(module: nn.Module, x: Tensor, device: str = "cpu") -> Tensor:
    """Return a module's output in evaluation, on the CPU."""
    module.to(device).eval()
    return torch.cat([module(part.to(device)).cpu() for part in torch.split(x, _BATCH)])


def hits(made: Tensor, y: Tensor, task: Task) -> Tensor:
    """Return each sample's score (n,): 1 where the class is right; of targets the negative squared
    error, in units of the targets' variance."""
    if task == "classification":
        return (made.argmax(dim=1) == y).double()
    spread = y.double().var(dim=0, correction=0).sum().clamp_min(1e-30)
    return -(made.double() - y.double()).square().flatten(1).sum(dim=1) / spread


@torch.no_grad()
def recalibrate(module: nn.Module, x: Tensor, device: str = "cpu") -> None:
    """Take the statistics of all batch norms anew, as the mean over batches of these samples."""
    norms = [one for one in module.modules() if isinstance(one, _NORMS)]
    norms = [one for one in norms if one.track_running_stats]
    if not norms:
        return
    kept = [(norm, norm.momentum) for norm in norms]
    module.to(device).eval()
    for norm in norms:
        norm.reset_running_stats()
        # torch then takes the plain mean over batches, whatever the momentum was.
        norm.momentum = None
        norm.train()
    for part in torch.split(x, _BATCH):
        # A single sample has no variance.
        if len(part) > 1:
            module(part.to(device))
    for norm, momentum in kept:
        norm.momentum = momentum
        norm.eval()
