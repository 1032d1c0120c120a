"""Pairs within a given distance of each sample, decided exactly, block by block."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from addnn_spec.indices import keys
from addnn_spec.indices.geometry import RowBlock, RowScaling
from addnn_spec.indices.neighbours import blocks_of, search_plan
from addnn_spec.indices.precision import full_precision
from addnn_spec.indices.products import AUTO, Product

_OPEN = 16  # pairs a row that a product may leave open


@dataclass(frozen=True)
class Band:
    """One pair of blocks: ``inside`` (n, w) bool for pairs surely within their row's limit, and
    ``rows``, ``columns`` (p,) of the samples that bounds leave open.
    """

    queries: RowBlock
    references: RowBlock
    inside: Tensor
    rows: Tensor
    columns: Tensor


def bands(
    frame: RowScaling,
    queries: Tensor,
    references: Tensor,
    limits: Tensor,
    *,
    exclude_self: bool,
    budget: int | None = None,
) -> Iterator[Band]:
    """Return the bands of all pairs against ``limits`` (m,): squared distances in the frame's
    units, as keys."""
    plan = search_plan(
        len(queries),
        queries.shape[1],
        references=len(references),
        budget=budget,
        device=queries.device.type,
    )
    # Float32 on either side of the limit: between them only float64 decides.
    above, below = keys.above(limits), keys.below(limits)
    right = blocks_of(references, frame, plan.block)
    ladder = list(frame.ladder)
    for left in blocks_of(queries, frame, plan.block):
        span = slice(left.start, left.stop)
        for block in right:
            while True:
                band = _band(frame, ladder[0], left, block, above[span], below[span], exclude_self)
                if len(ladder) == 1 or len(band.rows) <= _OPEN * len(left):
                    break
                # For the rest of the search, too: these data are too close for it.
                del ladder[0]
            yield band


def _band(
    frame: RowScaling,
    product: Product,
    left: RowBlock,
    right: RowBlock,
    above: Tensor,
    below: Tensor,
    exclude_self: bool,
) -> Band:
    with full_precision(left.rows.device):
        lower = frame.lower_bounds(left, right, product)[: len(left), : len(right)]
    if exclude_self:
        first, last = max(left.start, right.start), min(left.stop, right.stop)
        same = torch.arange(first, max(first, last), device=lower.device)
        lower[same - left.start, same - right.start] = math.inf
    maybe = lower <= above[:, None]
    mine, theirs = (frame.certificate(block, product).doubt for block in (left, right))
    upper = frame.lift(lower, mine[:, None], theirs)
    inside = upper < below[:, None]
    rows, columns = torch.nonzero(maybe & ~inside, as_tuple=True)
    return Band(left, right, inside, rows + left.start, columns + right.start)


def count_closer(
    samples: Tensor,
    marks: Tensor,
    weight: Tensor | None,
    budget: int | None,
    product: str = AUTO,
) -> Tensor:
    """Count for each sample i how many samples are nearer to it than sample ``marks[i]`` (m,)
    int64.

    Among equal distances the lower index is the nearer.
    """
    frame = RowScaling.around(samples, weight, product=product)
    own = torch.arange(len(samples), device=samples.device)
    limits = frame.settled(samples, own, samples, marks)
    counts = torch.zeros_like(own)
    for band in bands(frame, samples, samples, limits, exclude_self=True, budget=budget):
        counts[band.queries.start : band.queries.stop] += band.inside.sum(dim=1)
        squares = frame.settled(samples, band.rows, samples, band.columns)
        limit = limits[band.rows]
        nearer = (squares < limit) | ((squares == limit) & (band.columns < marks[band.rows]))
        counts.index_add_(0, band.rows, nearer.long())
    return counts
