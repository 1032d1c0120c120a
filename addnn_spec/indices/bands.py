"""Pairs within a given distance of each sample, decided exactly, block by block."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from addnn_spec.indices.geometry import Block, Frame, full_precision
from addnn_spec.indices.neighbours import blocks_of, search_plan


@dataclass(frozen=True)
class Band:
    """One pair of blocks: ``inside`` (n, w) bool for pairs surely within their row's limit, and
    ``rows``, ``columns`` (p,) of the samples that float32 leaves open.
    """

    queries: Block
    references: Block
    inside: Tensor
    rows: Tensor
    columns: Tensor


def bands(
    frame: Frame,
    queries: Tensor,
    references: Tensor,
    limits: Tensor,
    *,
    exclude_self: bool,
    budget: int | None = None,
) -> Iterator[Band]:
    """All pairs against ``limits`` (m,) float64: squared distances in the frame's units."""
    plan = search_plan(len(queries), queries.shape[1], references=len(references), budget=budget)
    high = torch.tensor(math.inf, device=queries.device)
    above = torch.nextafter(limits.float(), high)
    below = torch.nextafter(limits.float(), -high)
    right = blocks_of(references, frame, plan.block)
    for left in blocks_of(queries, frame, plan.block):
        span = slice(left.start, left.stop)
        for block in right:
            with full_precision(queries.device):
                lower = frame.lower_bounds(left, block)[: len(left), : len(block)]
            if exclude_self:
                first, last = max(left.start, block.start), min(left.stop, block.stop)
                same = torch.arange(first, max(first, last), device=lower.device)
                lower[same - left.start, same - block.start] = math.inf
            maybe = lower <= above[span, None]
            lower += frame.lift(left.slack[:, None], block.slack)  # now upper bounds
            inside = lower < below[span, None]
            rows, columns = torch.nonzero(maybe & ~inside, as_tuple=True)
            yield Band(left, block, inside, rows + left.start, columns + block.start)


def count_closer(
    samples: Tensor, marks: Tensor, weight: Tensor | None, budget: int | None
) -> Tensor:
    """How many samples are nearer to each sample i than sample ``marks[i]`` (m,) int64.

    Among equal distances the lower index is the nearer.
    """
    frame = Frame.around(samples, weight)
    own = torch.arange(len(samples), device=samples.device)
    limits = frame.squared(samples, own, samples, marks)
    counts = torch.zeros_like(own)
    for band in bands(frame, samples, samples, limits, exclude_self=True, budget=budget):
        counts[band.queries.start : band.queries.stop] += band.inside.sum(dim=1)
        squares = frame.squared(samples, band.rows, samples, band.columns)
        limit = limits[band.rows]
        nearer = (squares < limit) | ((squares == limit) & (band.columns < marks[band.rows]))
        counts.index_add_(0, band.rows, nearer.long())
    return counts
