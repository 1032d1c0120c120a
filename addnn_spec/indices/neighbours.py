"""The one exact neighbour search behind every index.

Blocks of samples meet in pairs, each pair once. Float32 lower bounds of all its squared distances
(geometry.py) are cut at each sample's *radius*, a certain upper bound of its r-th smallest
distance; the few pairs that pass are kept and, once the radius is small, settled in float64. So no
neighbour can be lost, nothing of size m x m is held, and ties are seen as ties.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from addnn_spec.indices.errors import BudgetError, OptionError, ShapeError, UndefinedIndexError
from addnn_spec.indices.geometry import (
    CHUNK,
    STAIR,
    STRIP,
    Block,
    Frame,
    Scratch,
    check_finite,
    full_precision,
)

DEFAULT_BUDGET = 110 * 2**20
_BLOCKS = (1024, 768, 512, 256, 128, 64, 32, 16)
_GROUP = 16  # bounds are first reduced to minima of so many
AMONG = ("all", "same", "other")

Measure = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Neighbours:
    """The r nearest neighbours of every sample, nearest first, equal distances by lowest index.

    Attributes:
        indices: (m, r) int64; -1 where fewer than r samples are allowed.
        distances: (m, r) float64; inf there. Where ``settled`` is False those that decide nothing
            are float32 figures, right to its error bound; order and ties are exact all the same.
        surplus: (m,) int64, samples beyond the r at exactly the r-th distance.
        surplus_same: (m,) int64, those of them with the sample's own label; None without labels.
    """

    indices: Tensor
    distances: Tensor
    surplus: Tensor
    surplus_same: Tensor | None = None
    settled: bool = True

    @property
    def order(self) -> int:
        return self.indices.shape[1]

    def __len__(self) -> int:
        return len(self.indices)


@dataclass(frozen=True)
class SearchPlan:
    """What a search will hold and do: block rows, bytes beside its input, multiply-adds times 2."""

    block: int
    keep_centred: bool
    bytes: int
    operations: int


def search_plan(
    m: int, d: int, order: int = 1, *, references: int | None = None, budget: int | None = None
) -> SearchPlan:
    """Return the largest blocks that fit ``budget`` bytes (110 MiB unless told).

    Raises:
        BudgetError: the smallest blocks need more; the message names the least.
    """
    budget = DEFAULT_BUDGET if budget is None else budget
    other = m if references is None else references
    least = 0
    for rows in _BLOCKS:
        size = min(rows, max(m, other))
        for keep in (True, False):
            least = _working_bytes(size, m, other, d, order, keep)
            if least <= budget:
                return SearchPlan(size, keep, least, _operations(m, references, d, size))
    raise BudgetError(f"{m} samples of {d} values need at least {least} bytes; {budget} are given")


def _working_bytes(block: int, m: int, references: int, d: int, order: int, keep: bool) -> int:
    width = min(d, CHUNK)
    bounds = 4 * block * block * (3 if d > CHUNK else 2)
    columns = 24 * block * width  # two in float32, and in float64 where samples are
    centred = 4 * block * d if keep else 0
    pairs = 24 * STRIP  # two in their type and in float64
    state = m * (16 * order + 4 * order + 60) + 60 * m * (order + 3) + 8 * references + 16 * d
    return bounds + columns + centred + pairs + state


def _operations(m: int, references: int | None, d: int, block: int) -> int:
    if references is not None:
        return 2 * m * references * d
    return d * m * (m + min(block, STAIR))  # of a block on the diagonal, a staircase


class RunningNeighbours:
    """Exact nearest neighbours from pairs of blocks, fed in any order, each pair once.

    With blocks that vanish after a visit (a stream), pass ``settle=True`` to ``visit``: what is in
    doubt is settled at once in float64. With all samples at hand, leave it and call ``settle`` at
    the end: fewer pairs are in doubt then.

    Args:
        samples: how many query samples there are, m.
        order: r >= 1.
        frame: the geometry; every block must come from ``frame.block``.
        labels, reference_labels: (m,) and (n,) int64; the references' default to the queries'.
        among: neighbours among ``"all"`` references, those of the ``"same"`` or of ``"other"``
            labels.
        references: how many other samples the neighbours are taken from; without it they are taken
            from the queries themselves, and none is its own neighbour.
    """

    def __init__(
        self,
        samples: int,
        order: int,
        frame: Frame,
        *,
        labels: Tensor | None = None,
        reference_labels: Tensor | None = None,
        among: str = "all",
        references: int | None = None,
    ) -> None:
        if among not in AMONG:
            raise OptionError(f"among is one of {', '.join(AMONG)}, not {among!r}")
        if among != "all" and labels is None:
            raise OptionError(f"among={among!r} needs labels")
        device = frame.shift.device
        self.frame, self.order, self.among = frame, order, among
        self.exclude_self = references is None
        self.labels = None if labels is None else labels.to(device)
        given = labels if reference_labels is None else reference_labels
        self.reference_labels = None if given is None else given.to(device)
        with torch.inference_mode(False):  # visits may come in and out of it
            self.indices = torch.full((samples, order), -1, device=device)
            self.squares = torch.full(
                (samples, order), math.inf, dtype=torch.float64, device=device
            )
            self.surplus = torch.zeros(samples, dtype=torch.int64, device=device)
            self.surplus_same = torch.zeros_like(self.surplus)
            self._nearest = torch.full(
                (samples, order), math.inf, dtype=torch.float32, device=device
            )
            high = torch.finfo(torch.float32).max
            self.radius = torch.full((samples,), high, dtype=torch.float32, device=device)
            self._slack = torch.zeros_like(self.radius)
            self._reference_slack = self._slack
            if references is not None:
                self._reference_slack = self._slack.new_zeros(references)
        self._pending: list[tuple[Tensor, Tensor, Tensor]] = []
        self._settled = True
        self._group = _GROUP if order <= _GROUP else 1

    @property
    def pending(self) -> int:
        """Pairs that wait to be settled."""
        return sum(len(rows) for rows, _, _ in self._pending)

    def visit(
        self, queries: Block, references: Block, *, both: bool = False, settle: bool = False
    ) -> None:
        """Take in all pairs of two blocks; with ``both`` the references' neighbours as well."""
        self._slack[queries.start : queries.stop] = queries.slack
        self._reference_slack[references.start : references.stop] = references.slack
        with full_precision(self.frame.shift.device):
            lower = self.frame.lower_bounds(queries, references)
            self._forbid(lower, queries, references)
            self._collect(lower, queries, references, transposed=False)
            if both:
                self._collect(lower, references, queries, transposed=True)
            if settle:
                del lower
                self._settle_from(queries, references)

    def settle(self, measure: Measure, *, distances: bool = True) -> None:
        """Settle what waits; ``measure(rows, columns)`` gives exact squared distances (p,).

        Without ``distances``, only pairs whose float32 bounds overlap with another's of the same
        sample: enough for the neighbours, their order and ties. Then call it once, at the end.
        """
        self.prune()
        if not self._pending:
            return
        rows, columns, keys = self._pending.pop()
        with full_precision(self.frame.shift.device):
            if distances or bool((self.indices >= 0).any()):
                self._merge(rows.long(), columns.long(), measure(rows.long(), columns.long()))
            else:
                self._merge(*self._settle_overlaps(rows.long(), columns.long(), keys, measure))

    def _settle_overlaps(
        self, rows: Tensor, columns: Tensor, keys: Tensor, measure: Measure
    ) -> tuple[Tensor, Tensor, Tensor]:
        keys = keys.clamp_min(0)
        upper = keys + self.frame.lift(self._slack[rows], self._reference_slack[columns])
        low, by = torch.sort(_in_order(rows, keys))
        rows, columns, keys, upper = rows[by], columns[by], keys[by], upper[by]
        reach = torch.cummax(_in_order(rows, upper), dim=0).values
        meets = low[1:] <= reach[:-1]  # never past the row's last
        open_pairs = torch.zeros_like(rows, dtype=torch.bool)
        open_pairs[1:] |= meets
        open_pairs[:-1] |= meets
        squares = (keys.double() + upper.double()) / 2  # apart from all others
        squares[open_pairs] = measure(rows[open_pairs], columns[open_pairs])
        self._settled = False
        return rows, columns, squares

    def prune(self) -> None:
        """Drop waiting pairs that the radius has overtaken."""
        if self._pending:
            rows, columns, keys = (torch.cat(part) for part in zip(*self._pending, strict=True))
            keep = torch.nonzero(keys <= self.radius[rows]).squeeze(1)
            self._pending = [(rows[keep], columns[keep], keys[keep])]

    def result(self) -> Neighbours:
        """Return the neighbours of all pairs visited and settled so far."""
        if self._pending:
            raise ShapeError("some pairs wait: call settle before result")
        same = self.surplus_same if self.labels is not None else None
        distances = self.frame.distances(self.squares)
        return Neighbours(self.indices, distances, self.surplus, same, self._settled)

    def _forbid(self, lower: Tensor, queries: Block, references: Block) -> None:
        inner = lower[: len(queries), : len(references)]
        first, last = max(queries.start, references.start), min(queries.stop, references.stop)
        if self.exclude_self and first < last:
            same = torch.arange(first, last, device=lower.device)
            inner[same - queries.start, same - references.start] = math.inf
        if self.among != "all":
            assert self.labels is not None and self.reference_labels is not None
            left = self.labels[queries.start : queries.stop, None]
            right = self.reference_labels[references.start : references.stop]
            inner.masked_fill_(
                (left != right) if self.among == "same" else (left == right), math.inf
            )

    def _collect(self, lower: Tensor, mine: Block, theirs: Block, *, transposed: bool) -> None:
        """Keep the pairs within the radius of the samples of ``mine``, and shrink the radius."""
        groups = lower.shape[0 if transposed else 1] // self._group
        if transposed:
            grouped = lower.view(self._group, groups, -1)
            members, least = grouped.permute(2, 1, 0), grouped.amin(dim=0).T.contiguous()
        else:
            grouped = lower.view(-1, self._group, groups)
            members, least = grouped.permute(0, 2, 1), grouped.amin(dim=1)
        least = least[: len(mine)]
        radius = self._shrink(least, mine)
        near = torch.nonzero((least <= radius[:, None]).view(-1)).squeeze(1)
        hit = near.div(groups, rounding_mode="floor")
        group = near - hit * groups
        keys = members[hit, group]
        row, member = torch.nonzero(keys <= radius[hit, None], as_tuple=True)
        rows = (hit[row] + mine.start).int()
        columns = (group[row] + member * groups + theirs.start).int()
        self._pending.append((rows, columns, keys[row, member]))

    def _shrink(self, least: Tensor, mine: Block) -> Tensor:
        """Return the radius after this block: its groups' minima are distances of distinct
        samples."""
        span = slice(mine.start, mine.stop)
        if self.order == 1:
            nearest = torch.minimum(self._nearest[span], least.amin(dim=1, keepdim=True))
        else:  # minima of some parts: a little above the r smallest, and much faster found
            while self.order <= 8 and least.shape[1] >= 16:
                half = least.shape[1] // 2
                least = torch.minimum(least[:, :half], least[:, -half:])
            both = torch.cat((self._nearest[span], least), dim=1)
            nearest = both.topk(self.order, dim=1, largest=False).values
        self._nearest[span] = nearest
        bound = self.frame.upper_bounds(nearest[:, -1], mine.slack)
        radius = torch.minimum(self.radius[span], bound)
        self.radius[span] = radius
        return radius

    def _settle_from(self, queries: Block, references: Block) -> None:
        def measure(rows: Tensor, columns: Tensor) -> Tensor:
            swap = ((rows < queries.start) | (rows >= queries.stop)) | (
                (columns < references.start) | (columns >= references.stop)
            )
            left = torch.where(swap, columns, rows) - queries.start
            right = torch.where(swap, rows, columns) - references.start
            return self.frame.squared(queries.rows, left, references.rows, right)

        self.settle(measure)

    def _merge(self, rows: Tensor, columns: Tensor, squares: Tensor) -> None:
        """Merge settled pairs into the r nearest; count those tied with the r-th beyond it."""
        touched = torch.zeros_like(self.surplus, dtype=torch.bool)
        touched[rows] = True
        touched = torch.nonzero(touched).squeeze(1)
        before = self.squares[touched, -1]
        old = touched[:, None].expand(-1, self.order)
        held = self.indices[touched] >= 0
        rows = torch.cat((rows, old[held]))
        columns = torch.cat((columns, self.indices[touched][held]))
        squares = torch.cat((squares, self.squares[touched][held]))
        by = torch.argsort(columns.int(), stable=True)  # integers are sorted much faster
        by = by[torch.argsort(squares[by].view(torch.int64), stable=True)]
        by = by[torch.argsort(rows[by].int(), stable=True)]  # by row, then distance, then index
        rows, columns, squares = rows[by], columns[by], squares[by]
        rank = torch.arange(len(rows), device=rows.device) - torch.searchsorted(rows, rows)
        kept = rank < self.order
        self.indices[rows[kept], rank[kept]] = columns[kept]
        self.squares[rows[kept], rank[kept]] = squares[kept]
        last = self.squares[:, -1]
        changed = touched[last[touched] != before]
        self.surplus[changed] = 0
        self.surplus_same[changed] = 0
        beyond = ~kept & (squares == last[rows])
        self._count_beyond(rows[beyond], columns[beyond])
        exact = torch.nextafter(last[touched].float(), torch.tensor(math.inf, device=rows.device))
        self.radius[touched] = torch.minimum(self.radius[touched], exact)

    def _count_beyond(self, rows: Tensor, columns: Tensor) -> None:
        self.surplus.index_add_(0, rows, torch.ones_like(rows))
        if self.labels is not None and self.reference_labels is not None:
            same = (self.labels[rows] == self.reference_labels[columns]).long()
            self.surplus_same.index_add_(0, rows, same)


def _in_order(rows: Tensor, values: Tensor) -> Tensor:
    """Integers (p,) that sort, fast, as pairs of a row and a float32 value of at least 0."""
    bits = (values + 0.0).view(torch.int32)  # 0.0 has smaller bits than -0.0
    return (rows << 32) | bits


def blocks_of(rows: Tensor, frame: Frame, size: int) -> list[Block]:
    """``rows`` cut into even blocks of at most ``size`` samples, without copies."""
    count = math.ceil(len(rows) / size)
    even = min(size, -(-math.ceil(len(rows) / count) // 16) * 16)
    return [frame.block(start, rows[start : start + even]) for start in range(0, len(rows), even)]


def block_pairs(
    queries: list[Block], references: list[Block] | None, frame: Frame, keep_centred: bool
) -> Iterator[tuple[Block, Block]]:
    """All pairs of blocks; each unordered pair once where ``references`` is None."""
    for index, block in enumerate(queries):
        others = queries[index:] if references is None else references
        held = frame.keep_centred(block) if keep_centred and len(others) > 1 else block
        for other in others:
            yield held, other


@dataclass(frozen=True)
class Side:
    """Samples (m, d) ready for any number of searches: cut into blocks, with their bounds."""

    rows: Tensor
    frame: Frame
    blocks: list[Block]
    plan: SearchPlan

    @classmethod
    def of(
        cls,
        rows: Tensor,
        plan: SearchPlan,
        weight: Tensor | None = None,
        *,
        frame: Frame | None = None,
        scratch: Scratch | None = None,
    ) -> Side:
        """In ``frame``, or in one around the rows, with features multiplied by ``weight`` (d,).

        Raises:
            NotFiniteError: a value is NaN or infinite.
        """
        with full_precision(rows.device):
            if frame is None:
                frame = Frame.around(rows, weight, scratch)
            else:
                check_finite(rows)
            return cls(rows, frame, blocks_of(rows, frame, plan.block), plan)

    def __len__(self) -> int:
        return len(self.rows)


def search(
    queries: Tensor,
    order: int = 1,
    *,
    references: Tensor | None = None,
    labels: Tensor | None = None,
    reference_labels: Tensor | None = None,
    among: str = "all",
    weight: Tensor | None = None,
    budget: int | None = None,
    distances: bool = True,
) -> Neighbours:
    """Return the exact ``order`` nearest neighbours of every row of ``queries`` (m, d).

    Without ``references`` (n, d) among the queries themselves, self excluded. Distances are
    Euclidean, features multiplied by ``weight`` (d,) first if given. ``budget``: bytes beside the
    inputs. Without ``distances`` only those that decide something are settled in float64.

    Raises:
        UndefinedIndexError: there are not ``order`` other samples.
        NotFiniteError: a value is NaN or infinite.
        BudgetError: the budget is too small.
    """
    others = len(queries) - 1 if references is None else len(references)
    if order < 1:
        raise OptionError(f"the order is 1 or more, not {order}")
    if others < order:
        raise UndefinedIndexError(f"{order} neighbours are asked for, but there are {others}")
    plan = search_plan(
        len(queries),
        queries.shape[1],
        order,
        references=None if references is None else len(references),
        budget=budget,
    )
    target = Side.of(queries if references is None else references, plan, weight)
    side = target if references is None else Side.of(queries, plan, frame=target.frame)
    return search_sides(
        side,
        order,
        references=None if references is None else target,
        labels=labels,
        reference_labels=reference_labels,
        among=among,
        distances=distances,
    )


def search_sides(
    queries: Side,
    order: int = 1,
    *,
    references: Side | None = None,
    labels: Tensor | None = None,
    reference_labels: Tensor | None = None,
    among: str = "all",
    distances: bool = True,
) -> Neighbours:
    """``search`` among samples that are ready; both sides are of one frame."""
    cross = references is not None
    target = queries if references is None else references
    frame = queries.frame
    run = RunningNeighbours(
        len(queries),
        order,
        frame,
        labels=labels,
        reference_labels=reference_labels,
        among=among,
        references=None if references is None else len(references),
    )

    def measure(rows: Tensor, columns: Tensor) -> Tensor:
        return frame.squared(queries.rows, rows, target.rows, columns)

    limit = 3 * len(queries) * (order + 3)
    others = None if references is None else references.blocks
    for query, reference in block_pairs(queries.blocks, others, frame, queries.plan.keep_centred):
        run.visit(query, reference, both=not cross and query.start != reference.start)
        if run.pending > limit:
            run.prune()
            if run.pending > limit // 2:
                run.settle(measure)
    run.settle(measure, distances=distances)
    return run.result()
