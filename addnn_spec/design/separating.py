"""Local losses: plain functions of torch, for a layer's output and its labels.

All are blind to scale: samples are divided by the root of their total variance in the batch. Soft
separation is neighbourhood components analysis (Goldberger et al., 2004), known as the soft nearest
neighbour loss (Frosst et al., 2019): the Separation Index with a soft nearest neighbour.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def squared_distances(x: Tensor) -> Tensor:
    """Return squared distances (n, n) between samples, in units of their total variance."""
    rows = x.flatten(1)
    # Detached: otherwise a gradient of the scale would work against that of the places.
    total = rows.detach().var(dim=0, correction=0).sum().clamp_min(1e-12)
    rows = rows / total.sqrt()
    square = rows.square().sum(1)
    return (square[:, None] + square[None, :] - 2 * rows @ rows.T).clamp_min(0)


def soft_separation(
    x: Tensor, y: Tensor, temperature: float = 0.1, *, squared: bool = False
) -> Tensor:
    """Return the mean of −log of the share of a sample's own label among its soft neighbours.

    Sample j is i's neighbour with weight exp(−d²/T). The mean share itself is off the Separation
    Index by at most the mean of (m − 1)·exp(−gap/T), `gap` the second less the first squared
    distance. With `squared`, `x` holds squared distances. Samples without another of their label
    are left out.
    """
    apart = x if squared else squared_distances(x)
    itself = torch.eye(len(apart), dtype=torch.bool, device=apart.device)
    logits = (-apart / temperature).masked_fill(itself, -torch.inf)
    same = (y[:, None] == y[None, :]) & ~itself
    some = same.any(1)
    own = logits.masked_fill(~same, -torch.inf)[some].logsumexp(1)
    return (logits[some].logsumexp(1) - own).mean()


def soft_share(x: Tensor, y: Tensor, temperature: float = 0.1) -> Tensor:
    """Return each sample's share of its own label among its soft neighbours: SI's smooth form."""
    apart = squared_distances(x)
    itself = torch.eye(len(apart), dtype=torch.bool, device=apart.device)
    weights = (-apart / temperature).masked_fill(itself, -torch.inf).softmax(1)
    return (weights * (y[:, None] == y[None, :])).sum(1)


def local_triplet(x: Tensor, y: Tensor, margin: float = 0.2) -> Tensor:
    """Return the mean of max(0, margin + d⁺ − d⁻), of the nearest samples of the own and of
    another label."""
    apart = squared_distances(x)
    itself = torch.eye(len(apart), dtype=torch.bool, device=apart.device)
    same = y[:, None] == y[None, :]
    near = apart.masked_fill(~same | itself, torch.inf).amin(1)
    far = apart.masked_fill(same, torch.inf).amin(1)
    some = near.isfinite() & far.isfinite()
    # The slope of a root has no bound at 0.
    roots = (near[some] + 1e-12).sqrt() - (far[some] + 1e-12).sqrt()
    return functional.relu(margin + roots).mean()


def soft_smoothness(x: Tensor, y: Tensor, temperature: float = 0.1) -> Tensor:
    """Return the mean squared difference of a sample's target from its soft neighbours', in units
    of the targets' total variance."""
    apart = squared_distances(x)
    itself = torch.eye(len(apart), dtype=torch.bool, device=apart.device)
    weights = (-apart / temperature).masked_fill(itself, -torch.inf).softmax(1)
    targets = y.reshape(len(y), -1).to(apart.dtype)
    total = targets.var(dim=0, correction=0).sum().clamp_min(1e-12)
    between = torch.cdist(targets, targets).square() / total
    return (weights * between).sum(1).mean()


def similarity(x: Tensor, y: Tensor, classes: int) -> Tensor:
    """Return the mean squared difference of the cosine matrices of samples and of their labels as
    one-hot vectors (`sim`; Nøkland and Eidnes, 2019, there after a small convolution)."""
    rows = x.flatten(2).std(2) if x.dim() > 2 else x
    rows = functional.normalize(rows - rows.mean(1, keepdim=True), dim=1)
    wanted = functional.one_hot(y, classes).to(rows.dtype)
    wanted = functional.normalize(wanted - wanted.mean(1, keepdim=True), dim=1)
    return functional.mse_loss(rows @ rows.T, wanted @ wanted.T)
