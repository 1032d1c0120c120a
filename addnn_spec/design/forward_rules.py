"""Rules by which a block learns that have a step of their own: forward-forward, and k-means.

`forward_forward` (Hinton, 2022) wants the squares of a block's values to be large for a sample that
carries its label, and small for one that carries a wrong one. `learn_clusters` (after Coates and
Ng, 2012) makes a layer's weights the centres of what flows into it, without labels or gradients.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from addnn_spec.design.refit import patches

_PATCHES = 20_000
"""So many of what a layer reads at once are clustered."""
_STEPS = 10


def labelled(x: Tensor, y: Tensor, classes: int) -> Tensor:
    """Return samples that carry labels: their first values are 0, but for the label's, which is the
    batch's largest."""
    rows = x.flatten(1).clone()
    rows[:, :classes] = 0
    rows[torch.arange(len(rows)), y] = x.max()
    return rows.view_as(x)


def wrong_labels(y: Tensor, classes: int, generator: torch.Generator) -> Tensor:
    """Return another label for each, all others equally likely."""
    # From 1 on: a shift of 0 would be the right label.
    shift = torch.randint(1, classes, y.shape, generator=generator)
    return (y + shift) % classes


def forward_forward(right: Tensor, wrong: Tensor, threshold: float = 1.0) -> Tensor:
    """Return the mean of log(1 + exp(θ − g⁺)) and of log(1 + exp(g⁻ − θ)), g the mean square of a
    sample's values, of samples with right labels and with wrong ones."""
    good, bad = (one.flatten(1).square().mean(1) for one in (right, wrong))
    return (functional.softplus(threshold - good) + functional.softplus(bad - threshold)).mean()


def centres(rows: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """Return the centres of rows by spherical k-means: unit vectors, each the direction of the sum
    of the rows that are nearest to it by angle. One that no row is near to begins anew."""
    rows = functional.normalize(rows, dim=1)

    def drawn(number: int) -> Tensor:
        return rows[torch.randint(len(rows), (number,), generator=generator)]

    # A little noise parts centres that began as the same row.
    found = functional.normalize(drawn(count) + 1e-3 * torch.randn(
        count, rows.shape[1], generator=generator, dtype=rows.dtype), dim=1)  # fmt: skip
    for _ in range(_STEPS):
        nearest = (rows @ found.T).argmax(1)
        sums = torch.zeros_like(found).index_add_(0, nearest, rows)
        none = torch.bincount(nearest, minlength=count) == 0
        sums[none] = drawn(int(none.sum()))
        found = functional.normalize(sums, dim=1)
    return found


@torch.no_grad()
def learn_clusters(module: nn.Module, given: Tensor, generator: torch.Generator) -> bool:
    """Set a layer's weights to the cluster centres of its input; False for a layer without such
    weights.

    Each piece that is read, of a convolution a patch, is less its mean; the bias becomes 0.
    """
    if (
        not isinstance(module, nn.Linear | nn.Conv1d | nn.Conv2d)
        or getattr(module, "groups", 1) > 1
    ):
        return False
    rows = patches(module, given)
    if len(rows) > _PATCHES:
        rows = rows[torch.randperm(len(rows), generator=generator)[:_PATCHES]]
    rows = rows - rows.mean(1, keepdim=True)
    rows = rows[rows.norm(dim=1) > 1e-6] if bool((rows.norm(dim=1) > 1e-6).any()) else rows
    found = centres(rows.cpu(), module.weight.shape[0], generator)
    module.weight.copy_(found.view_as(module.weight))
    if module.bias is not None:
        module.bias.zero_()
    return True


__all__ = ["centres", "forward_forward", "labelled", "learn_clusters", "wrong_labels"]
