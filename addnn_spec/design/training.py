"""One recipe for all training of design: data in memory, one optimiser, one seed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from addnn_spec.runtime.settings import Task

Progress = Callable[[float, str], None]
_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)
_BATCH = 256
"""Samples of a batch where nothing is trained."""


def silent(share: float, what: str) -> None:
    """Show nothing."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How something is trained; it stands in the record. The rate falls to 0 in a straight line."""

    epochs: int = 8
    batch: int = 64
    lr: float = 1e-3
    optimizer: Literal["adam", "sgd"] = "adam"
    seed: int = 0
    device: str = "cpu"

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
    """Train a module in place; what needs no gradient stays. It ends in evaluation mode."""
    device = torch.device(recipe.device)
    module.to(device).train()
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
                made = module(x[places].to(device))
                loss(made, y[places].to(device)).backward()  # type: ignore[no-untyped-call]
                optimizer.step()
                falling.step()
            progress((epoch + 1) / recipe.epochs, what)
    module.eval()


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
        norm.momentum = None
        norm.train()
    for part in torch.split(x, _BATCH):
        if len(part) > 1:
            module(part.to(device))
    for norm, momentum in kept:
        norm.momentum = momentum
        norm.eval()
