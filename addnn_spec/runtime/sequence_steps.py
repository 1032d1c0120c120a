"""Sequences: where a value has its steps, positions and channels, and one row of them a sample."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Layout:
    """The dimensions of one sample of a value that are its steps, and its channels where these are
    known: (0, 1) for [N, T, C]."""

    steps: int
    channels: int | None = None


class StepsError(ValueError):
    """There are no such steps, or they do not fit the mask."""


def at_steps(value: Tensor, layout: Layout, rule: str, mask: Tensor | None = None) -> Tensor:
    """Return the steps of a value (N, …) that a rule chooses: `first`, `last`, their `mean`, or
    that at a whole number, below 0 from the last on.

    `mask` (N, T) tells which steps count: first, last and numbers go by these alone.

    Raises `StepsError` for a step that a sample has not, and for a mask of another size.
    """
    dim = layout.steps + 1
    count = value.shape[dim]
    if mask is not None and mask.shape[1] != count:
        raise StepsError(f"it has {count} steps, and the mask {mask.shape[1]}")
    value = value.movedim(dim, 1)
    if mask is None:
        mask = torch.ones(len(value), count, dtype=torch.bool, device=value.device)
    mask = mask.to(value.device)
    if rule == "mean":
        return _mean(value, mask)
    number = {"first": 0, "last": -1}.get(rule)
    number = int(rule) if number is None else number
    counts = mask.sum(dim=1)
    wanted = number + (counts if number < 0 else 0)
    if bool(((wanted < 0) | (wanted >= counts)).any()):
        raise StepsError(f"a sample has no step {rule}: there are {int(counts.min())}")
    # The number of each step among those that count; a padded step repeats the one before, and the
    # mask takes it out again.
    order = torch.cumsum(mask, dim=1) - 1
    places = ((order == torch.as_tensor(wanted, device=value.device).reshape(-1, 1)) & mask).int()
    return value[torch.arange(len(value), device=value.device), places.argmax(dim=1)]


def _mean(value: Tensor, mask: Tensor) -> Tensor:
    if not bool(mask.any(dim=1).all()):
        raise StepsError("a sample has no step that counts")
    shape = (*mask.shape, *[1] * (value.ndim - 2))
    weights = mask.view(shape)
    # Not a product with the mask: 0 times NaN is NaN, and padding may hold anything.
    total = torch.where(weights, value.float(), 0.0).sum(dim=1)
    return total / mask.sum(dim=1).view(-1, *shape[2:])


def channel_means(value: Tensor, layout: Layout, mask: Tensor | None = None) -> Tensor:
    """Return the means of each channel of a value (N, …) over all else, masked steps left out."""
    if layout.channels is None:
        return value
    if mask is None:
        return value.float().movedim(layout.channels + 1, 1).flatten(2).mean(dim=2)
    steps = at_steps(value, layout, "mean", mask)  # the channels move up where steps stood before
    place = layout.channels + (1 if layout.channels < layout.steps else 0)
    return steps.movedim(place, 1).flatten(2).mean(dim=2) if steps.ndim > 2 else steps


class NotRowsError(ValueError):
    """A value that has no row for each sample."""


def at_positions(value: Tensor, sizes: tuple[int, ...]) -> Tensor:
    """Return (N, positions, d) of a value with the labels' sizes behind N, or behind N and C.

    Raises `NotRowsError` for a value with neither.
    """
    count = len(sizes)
    if tuple(value.shape[1 : 1 + count]) == sizes:
        return (
            value.flatten(1, count).flatten(2)
            if value.ndim > 1 + count
            else value.flatten(1)[..., None]
        )
    if tuple(value.shape[2 : 2 + count]) == sizes and value.ndim == 2 + count:
        return value.flatten(2).transpose(1, 2)
    raise NotRowsError("its positions are not those of the labels")
