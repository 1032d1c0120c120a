"""The one exact neighbour search behind every index.

Blocks of samples meet in pairs, each pair once. Lower bounds of all its squared distances
(geometry.py), by the fastest product there is (products.py), are cut at each sample's *radius*, a
certain upper bound of its r-th smallest distance; the few pairs that pass are kept and, once the
radius is small, settled in float64. So no neighbour can be lost, nothing of size m x m is held, and
ties are seen as ties. Where a product leaves too many pairs, the next better one takes over.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from addnn_spec.indices import keys
from addnn_spec.indices.errors import BudgetError, OptionError, ShapeError, UndefinedIndexError
from addnn_spec.indices.geometry import (
    CHUNK,
    CUDA_STAIR,
    STAIR,
    Certificate,
    RowBlock,
    RowScaling,
    Scratch,
    check_finite,
    strip_values,
)
from addnn_spec.indices.near_pairs import Near, Pairs, in_order
from addnn_spec.indices.precision import full_precision
from addnn_spec.indices.products import AUTO, Product

DEFAULT_BUDGET = 110 * 2**20
CUDA_BUDGET = 2**31
_BLOCKS = (1024, 768, 512, 256, 128, 64, 32, 16)
_CUDA_BLOCKS = (16384, 12288, 8192, 6144, 4096, 2048, *_BLOCKS)
_CUDA_CHUNK = 4096
_GROUP = 16  # bounds are first reduced to minima of so many
_OPEN = 4  # groups a row, times one more than the order, that a product may leave open
_MANY = 2**18  # groups whose pairs are looked at together
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
    """What a search will hold and do: block rows, bytes beside its input, multiply-adds times 2,
    and values worked on at a time."""

    block: int
    keep_centred: bool
    bytes: int
    operations: int
    strip: int


def default_budget(device: str) -> int:
    """Return the bytes that a search works in on a device, unless told."""
    return CUDA_BUDGET if device == "cuda" else DEFAULT_BUDGET


def search_plan(
    m: int,
    d: int,
    order: int = 1,
    *,
    references: int | None = None,
    budget: int | None = None,
    device: str = "cpu",
) -> SearchPlan:
    """Return the largest blocks that fit ``budget`` bytes: 110 MiB unless told, 2 GiB on
    ``cuda``.

    Raises:
        BudgetError: the smallest blocks need more; the message names the least.
    """
    budget = default_budget(device) if budget is None else budget
    other = m if references is None else references
    strip = strip_values(device, budget)
    least = 0
    for rows in _CUDA_BLOCKS if device == "cuda" else _BLOCKS:
        size = min(rows, max(m, other))
        for keep in (True, False):
            least = _working_bytes(size, m, other, d, order, keep, device, strip)
            if least <= budget:
                operations = _operations(m, references, d, size, device)
                return SearchPlan(size, keep, least, operations, strip)
    raise BudgetError(f"{m} samples of {d} values need at least {least} bytes; {budget} are given")


def _working_bytes(
    block: int, m: int, references: int, d: int, order: int, keep: bool, device: str, strip: int
) -> int:
    chunk = _CUDA_CHUNK if device == "cuda" else CHUNK
    width = min(d, chunk)
    bounds = 4 * block * block * (3 if d > chunk else 2)
    columns = 24 * block * width  # coded, and in float64 where samples are
    centred = 4 * block * d if keep else 0
    pairs = 24 * strip  # two in their type and in float64
    # 60 bytes for each pair that may wait, up to the limit of `search_sides`, with room to sort.
    state = m * (16 * order + 4 * order + 60) + 60 * m * (order + 3) + 8 * references + 16 * d
    return bounds + columns + centred + pairs + state


def _operations(m: int, references: int | None, d: int, block: int, device: str) -> int:
    if references is not None:
        return 2 * m * references * d
    stair = CUDA_STAIR if device == "cuda" else STAIR
    return d * m * (m + min(block, stair))  # of a block on the diagonal, a staircase


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
        frame: RowScaling,
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
            self.squares = torch.full_like(self.indices, keys.INFINITE)
            self.surplus = torch.zeros(samples, dtype=torch.int64, device=device)
            self.surplus_same = torch.zeros_like(self.surplus)
            high = torch.finfo(torch.float32).max
            # Upper bounds of the r smallest, from bounds alone: a radius is there before anything
            # is settled.
            self._nearest = torch.full((samples, order), high, device=device)
            self.radius = torch.full((samples,), high, device=device)
        self._pending: list[Pairs] = []
        # Until distances are given as the middle of their bounds.
        self._settled = True
        self._group = _GROUP if order <= _GROUP else 1
        self._ladder = frame.ladder

    @property
    def product(self) -> Product:
        """What bounds are taken by, for now."""
        return self._ladder[0]

    @property
    def pending(self) -> int:
        """Pairs that wait to be settled."""
        return sum(len(pairs) for pairs in self._pending)

    def visit(
        self, queries: RowBlock, references: RowBlock, *, both: bool = False, settle: bool = False
    ) -> None:
        """Take in all pairs of two blocks; with ``both`` the references' neighbours as well."""
        with full_precision(self.frame.shift.device):
            found, lower = self._near(queries, references, both)
            for near in found:
                self._collect(near, lower)
            if settle:
                del lower, found
                self.settle(self._measure_from(queries, references))

    def take_over(self) -> None:
        """Have float32 take bounds from now on, where a faster product did."""
        if self.product.loss:
            self._ladder = self._ladder[1:]

    def settle(self, measure: Measure, *, distances: bool = True) -> None:
        """Settle what waits; ``measure(rows, columns)`` gives exact squared distances (p,), as
        keys.

        Without ``distances``, only pairs whose bounds overlap with another's of the same sample:
        enough for the neighbours, their order and ties. Then call it once, at the end.
        """
        self.prune()
        if not self._pending:
            return
        pairs = self._pending.pop()
        rows, columns = pairs.rows.long(), pairs.columns.long()
        with full_precision(self.frame.shift.device):
            # What is held already has exact distances, with which figures of bounds cannot be
            # compared.
            if distances or bool((self.indices >= 0).any()):
                self._merge(rows, columns, measure(rows, columns))
            else:
                self._merge(*self._settle_overlaps(rows, columns, pairs, measure))

    def _settle_overlaps(
        self, rows: Tensor, columns: Tensor, pairs: Pairs, measure: Measure
    ) -> tuple[Tensor, Tensor, Tensor]:
        low, by = torch.sort(in_order(rows, pairs.lower))
        rows, columns, lower, upper = rows[by], columns[by], pairs.lower[by], pairs.upper[by]
        reach = torch.cummax(in_order(rows, upper), dim=0).values
        # Sorted by lower bound, a pair overlaps with one before it if it begins below the farthest
        # end so far. Both are open then: their order is not known.
        meets = low[1:] <= reach[:-1]  # never past the row's last
        open_pairs = torch.zeros_like(rows, dtype=torch.bool)
        open_pairs[1:] |= meets
        open_pairs[:-1] |= meets
        squares = keys.of((lower.double() + upper.double()) / 2)  # apart from all others
        (places,) = torch.nonzero(open_pairs, as_tuple=True)
        squares[places] = measure(rows[places], columns[places])
        self._settled = False
        return rows, columns, squares

    def prune(self) -> None:
        """Drop waiting pairs that the radius has overtaken."""
        if self._pending:
            pairs = Pairs.joined(self._pending)
            self._pending = [pairs.at(pairs.lower <= self.radius[pairs.rows])]

    def result(self) -> Neighbours:
        """Return the neighbours of all pairs visited and settled so far."""
        if self._pending:
            raise ShapeError("some pairs wait: call settle before result")
        same = self.surplus_same if self.labels is not None else None
        distances = self.frame.distances(self.squares)
        return Neighbours(self.indices, distances, self.surplus, same, self._settled)

    def _near(
        self, queries: RowBlock, references: RowBlock, both: bool
    ) -> tuple[list[Near], Tensor]:
        """Return the groups of bounds within the radius, of one side or of both, and the bounds;
        the radius shrinks.

        Where there are too many the next better product is tried, and the rest of the search left
        to the first that is no worse than the last one tried: pairs may be tied.
        """
        few = _OPEN * (self.order + 1) * (len(queries) + both * len(references))
        counts: list[int] = []
        spans = [slice(block.start, block.stop) for block in (queries, references)]
        before = [self._nearest[span].clone() for span in spans]
        for product in self._ladder:
            # A second product sees the same samples again, and two bounds of one would count as
            # two.
            for span, nearest in zip(spans, before, strict=True) if counts else ():
                self._nearest[span] = nearest  # r different samples, each once
            found, lower = self._near_by(product, queries, references, both)
            counts.append(sum(len(near.groups) for near in found))
            if counts[-1] <= few:
                break
        if len(counts) > 1:
            # A better product that leaves nearly as much open is not worth its time: the pairs are
            # close.
            first = next(n for n, count in enumerate(counts) if count <= 2 * counts[-1])
            last = None if first == len(counts) - 1 and counts[-1] <= few else first + 1
            self._ladder = self._ladder[first:last]
        return found, lower

    def _near_by(
        self, product: Product, queries: RowBlock, references: RowBlock, both: bool
    ) -> tuple[list[Near], Tensor]:
        lower = self.frame.lower_bounds(queries, references, product)
        # Forbidden pairs are infinitely far: no step after this one needs to know of them.
        self._forbid(lower, queries, references)
        sides = [(queries, references, False)] + ([(references, queries, True)] if both else [])
        return [self._near_of(lower, *side, product) for side in sides], lower

    def _near_of(
        self, lower: Tensor, mine: RowBlock, theirs: RowBlock, transposed: bool, product: Product
    ) -> Near:
        groups = lower.shape[0 if transposed else 1] // self._group
        if transposed:
            # A group takes every `groups`-th sample, so that the minimum runs over whole vectors.
            least = lower.view(self._group, groups, -1).amin(dim=0).T.contiguous()
        else:
            least = lower.view(-1, self._group, groups).amin(dim=1)
        least = least[: len(mine)]
        bounds = self.frame.certificate(mine, product)
        others = self.frame.certificate(theirs, product)
        radius = self._shrink(least, mine, bounds, others, product)
        near = torch.nonzero((least <= radius[:, None]).view(-1)).squeeze(1)
        return Near(mine, theirs, bounds, others, near, groups, transposed)

    def _forbid(self, lower: Tensor, queries: RowBlock, references: RowBlock) -> None:
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

    def _collect(self, near: Near, lower: Tensor) -> None:
        """Keep the pairs within the radius; where they are many, settle them on the way."""
        if len(near.groups) <= _MANY:
            self._pending.append(near.pairs(lower, near.groups, self.radius, self.frame))
            return
        measure = self._measure_from(near.mine, near.theirs)
        for some in torch.split(near.groups, _MANY // 4):
            pairs = near.pairs(lower, some, self.radius, self.frame)
            rows, columns = pairs.rows.long(), pairs.columns.long()
            self._merge(rows, columns, measure(rows, columns))

    def _shrink(
        self,
        least: Tensor,
        mine: RowBlock,
        bounds: Certificate,
        others: Certificate,
        product: Product,
    ) -> Tensor:
        """Return the radius after this block: its groups' minima are distances of distinct
        samples."""
        span = slice(mine.start, mine.stop)
        if self.order == 1:
            least = least.amin(dim=1, keepdim=True)
            upper = self.frame.upper_bounds(least, bounds, others, product)
            nearest = torch.minimum(self._nearest[span], upper)
        else:  # minima of some parts: a little above the r smallest, and much faster found
            # Each half keeps a minimum of other samples: with `order` parts left there are as many
            # distinct samples, which is all that an upper bound needs.
            while self.order <= 8 and least.shape[1] >= 16:
                half = least.shape[1] // 2
                least = torch.minimum(least[:, :half], least[:, -half:])
            upper = self.frame.upper_bounds(least, bounds, others, product)
            both = torch.cat((self._nearest[span], upper), dim=1)
            nearest = both.topk(self.order, dim=1, largest=False).values
        self._nearest[span] = nearest
        # It only ever shrinks, so a pair that was dropped stays dropped.
        radius = torch.minimum(self.radius[span], nearest[:, -1])
        self.radius[span] = radius
        return radius

    def _measure_from(self, queries: RowBlock, references: RowBlock) -> Measure:
        """Return what settles pairs of two blocks, whichever of the two a row is of."""

        def measure(rows: Tensor, columns: Tensor) -> Tensor:
            # A pair waits under the number of its query, which may be of either block.
            swap = ((rows < queries.start) | (rows >= queries.stop)) | (
                (columns < references.start) | (columns >= references.stop)
            )
            left = torch.where(swap, columns, rows) - queries.start
            right = torch.where(swap, rows, columns) - references.start
            return self.frame.settled(queries.rows, left, references.rows, right)

        return measure

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
        by = by[torch.argsort(squares[by], stable=True)]
        by = by[torch.argsort(rows[by].int(), stable=True)]  # by row, then distance, then index
        rows, columns, squares = rows[by], columns[by], squares[by]
        # Rows are sorted: the first place of each row's number is where its own pairs begin.
        rank = torch.arange(len(rows), device=rows.device) - torch.searchsorted(rows, rows)
        kept = rank < self.order
        self.indices[rows[kept], rank[kept]] = columns[kept]
        self.squares[rows[kept], rank[kept]] = squares[kept]
        last = self.squares[:, -1]
        # With a nearer r-th, what was tied with the old one is beyond it.
        changed = touched[last[touched] != before]
        self.surplus[changed] = 0
        self.surplus_same[changed] = 0
        beyond = ~kept & (squares == last[rows])
        self._count_beyond(rows[beyond], columns[beyond])
        self.radius[touched] = torch.minimum(self.radius[touched], keys.above(last[touched]))

    def _count_beyond(self, rows: Tensor, columns: Tensor) -> None:
        self.surplus.index_add_(0, rows, torch.ones_like(rows))
        if self.labels is not None and self.reference_labels is not None:
            same = (self.labels[rows] == self.reference_labels[columns]).long()
            self.surplus_same.index_add_(0, rows, same)


def blocks_of(rows: Tensor, frame: RowScaling, size: int) -> list[RowBlock]:
    """Return ``rows`` cut into even blocks of at most ``size`` samples, without copies."""
    # Even blocks, and not a small last one, whose products would cost nearly as much.
    count = math.ceil(len(rows) / size)
    even = min(size, -(-math.ceil(len(rows) / count) // 16) * 16)
    return [frame.block(start, rows[start : start + even]) for start in range(0, len(rows), even)]


def block_pairs(
    queries: list[RowBlock], references: list[RowBlock] | None, run: RunningNeighbours, keep: bool
) -> Iterator[tuple[RowBlock, RowBlock]]:
    """Yield all pairs of blocks; each unordered pair once where ``references`` is None. With
    ``keep``, the first one's rows are coded once."""
    for index, block in enumerate(queries):
        others = queries[index:] if references is None else references
        product = run.product
        holds = keep and len(others) > 1 and product.bounds == torch.float32
        held = run.frame.hold(block, product) if holds else block
        for other in others:
            yield held, other


@dataclass(frozen=True)
class Side:
    """Samples (m, d) ready for any number of searches: cut into blocks, with their bounds."""

    rows: Tensor
    frame: RowScaling
    blocks: list[RowBlock]
    plan: SearchPlan

    @classmethod
    def of(
        cls,
        rows: Tensor,
        plan: SearchPlan,
        weight: Tensor | None = None,
        *,
        frame: RowScaling | None = None,
        scratch: Scratch | None = None,
        product: str = AUTO,
    ) -> Side:
        """In ``frame``, or in one around the rows, with features multiplied by ``weight`` (d,).

        Raises:
            NotFiniteError: a value is NaN or infinite.
        """
        with full_precision(rows.device):
            if frame is None:
                frame = RowScaling.around(rows, weight, scratch, product, plan.strip)
            else:
                check_finite(rows)
            return cls(rows, frame, blocks_of(rows, frame, plan.block), plan)

    def __len__(self) -> int:
        return len(self.rows)

    def slack(self, others: Side) -> Tensor:
        """Return what lifts lower bounds of distances to ``others`` to upper bounds (m,), whatever
        product they are from."""
        product = self.frame.ladder[0]
        theirs = [self.frame.certificate(block, product) for block in others.blocks]
        floor = torch.stack([bounds.floor for bounds in theirs]).amax()
        mine = [self.frame.certificate(block, product).slack for block in self.blocks]
        return torch.cat(mine) + floor


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
    product: str = AUTO,
) -> Neighbours:
    """Return the exact ``order`` nearest neighbours of every row of ``queries`` (m, d).

    Without ``references`` (n, d) among the queries themselves, self excluded. Distances are
    Euclidean, features multiplied by ``weight`` (d,) first if given. ``budget``: bytes beside the
    inputs. Without ``distances`` only those that decide something are settled in float64.
    ``product`` names what bounds are taken by: it bears on speed, never on a result.

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
        device=queries.device.type,
    )
    target = Side.of(queries if references is None else references, plan, weight, product=product)
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
    """Return the result of ``search`` among samples that are ready; both sides are of one frame."""
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
        return frame.settled(queries.rows, rows, target.rows, columns)

    # Waiting is cheap until memory for it runs out; the radius overtakes most pairs meanwhile.
    limit = 3 * len(queries) * (order + 3)
    others = None if references is None else references.blocks
    for query, reference in block_pairs(queries.blocks, others, run, queries.plan.keep_centred):
        run.visit(query, reference, both=not cross and query.start != reference.start)
        if run.pending > limit:
            run.prune()
            if run.pending > limit // 2:
                run.settle(measure)
                run.take_over()
    run.settle(measure, distances=distances)
    return run.result()
