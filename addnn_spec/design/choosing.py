"""Which channels of a class stay: by the norms' scales, the weights, the index, or by chance."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, get_args

import numpy as np
import torch
from torch import Tensor, nn

from addnn_spec.design.plan import Plan
from addnn_spec.design.refit import value_at
from addnn_spec.design.separating import soft_separation
from addnn_spec.passes.widths import ChannelClass

By = Literal["bn", "l1", "greedy-si", "soft-si", "random"]
CRITERIA: tuple[By, ...] = get_args(By)
_SAMPLES = 500
"""The greedy choices look at so many samples: all pairs of them, for each channel."""


def choose(
    plan: Plan,
    counts: Mapping[int, int],
    by: By,
    module: nn.Module,
    x: Tensor,
    y: Tensor,
    seed: int,
) -> dict[int, list[int]]:
    """Return the channels that stay, so many of each class; ties by the lower number."""
    generator = np.random.default_rng(seed)
    found: dict[int, list[int]] = {}
    for number, count in counts.items():
        one = plan.widths.classes[number]
        if by == "random":
            order = generator.permutation(one.size).tolist()
        elif by in ("bn", "l1"):
            found |= largest_channels(plan, {number: count}, module.state_dict(), norms=by == "bn")
            continue
        else:
            values = channel_values(plan, one, module, x[:_SAMPLES])
            order = greedy_channels(values, y[:_SAMPLES], count, soft=by == "soft-si")[0]
        found[number] = sorted(order[:count])
    return found


def largest_channels(
    plan: Plan, counts: Mapping[int, int], state: Mapping[str, Tensor], *, norms: bool = True
) -> dict[int, list[int]]:
    """Return the channels with the largest weights, or with the largest of their norms', so many of
    each class."""
    found = {}
    for number, count in counts.items():
        score = weights_score(plan, plan.widths.classes[number], state, norms=norms)
        found[number] = sorted(_largest(score)[:count])
    return found


def _largest(score: Tensor) -> list[int]:
    order: list[int] = torch.sort(score, descending=True, stable=True).indices.tolist()
    return order


def weights_score(
    plan: Plan, one: ChannelClass, state: Mapping[str, Tensor], *, norms: bool
) -> Tensor:
    """Return a number for each channel: the sum of |γ| over the norms that scale it, or, without
    one, that of the absolute weights of the layers that make it."""
    widths = plan.widths
    scales, weights = torch.zeros(one.size).double(), torch.zeros(one.size).double()
    scaled = False
    for item in widths.unfolded.nodes:
        rule = widths.rules.get(item.index)
        tensor = state.get(f"{item.owner}.weight")
        if rule is None or tensor is None or "out" not in rule.tensors.get("weight", ()):
            continue
        axis = rule.tensors["weight"].index("out")
        rows = tensor.detach().double().abs().movedim(axis, 0).cpu()
        each = rows.reshape(len(rows), -1).sum(1)
        begin = 0
        for number, inner in widths.made(item.index):
            size = widths.classes[number].size
            # After a `Flatten` each channel is `inner` columns: their weights count together.
            if number == one.number:
                part = each[begin : begin + size * inner].view(size, inner).sum(1)
                if rule.does == "makes":
                    weights += part
                elif tensor.dim() == 1:
                    scales, scaled = scales + part, True
            begin += size * inner
    return scales if norms and scaled else weights


def channel_values(plan: Plan, one: ChannelClass, module: nn.Module, x: Tensor) -> Tensor:
    """Return the values of a class's channels as its first reader gets them: (n, channels,
    values)."""
    widths = plan.widths
    item = next(i for i in widths.unfolded.nodes if i.path == one.readers[0])
    lane = widths.read(item.index)
    assert lane is not None  # it reads the class
    reader = module.get_submodule(item.owner)
    with torch.no_grad():
        parts = [value_at(module.eval(), reader, part, given=True) for part in torch.split(x, 256)]
    values = torch.cat(parts).movedim(lane.axis, 1)
    begin = 0
    for number, inner in lane.segments:
        size = widths.classes[number].size
        if number == one.number:
            part = values[:, begin : begin + size * inner]
            return part.reshape(len(values), size, -1).double()
        begin += size * inner
    raise AssertionError(f"{item.path} does not read {one.name}")


def greedy_channels(
    values: Tensor, y: Tensor, count: int, *, soft: bool = False
) -> tuple[list[int], list[float]]:
    """Return channels greedily, each the one that gives the largest index together with those
    before it, and that index. `values` is (n, channels, values); targets have the smoothness of
    their nearest neighbour."""
    # Squared distances add up over channels: a candidate costs one sum, and not a new search.
    apart = values.new_zeros(len(values), len(values))
    order: list[int] = []
    reached: list[float] = []
    left = list(range(values.shape[1]))
    distances = [torch.cdist(part, part).square() for part in values.unbind(1)]
    while left and len(order) < count:
        scores = [_score(apart + distances[c], y, soft=soft) for c in left]
        best = max(range(len(left)), key=lambda place: scores[place])
        channel = left.pop(best)
        apart = apart + distances[channel]
        order.append(channel)
        reached.append(scores[best])
    return order + left, reached


def _score(apart: Tensor, y: Tensor, *, soft: bool) -> float:
    if soft and y.dim() == 1:
        total = apart.sum() / (2 * len(apart) ** 2)  # the total variance
        # In units of the total variance, so that more channels do not cool the soft neighbours
        # down.
        return float(-soft_separation(apart / total.clamp_min(1e-30), y, squared=True))
    nearest = apart.clone().fill_diagonal_(torch.inf).argmin(1)
    if y.dim() == 1:
        return float((y[nearest] == y).double().mean())
    return -float((y[nearest] - y).double().square().sum(1).mean())
