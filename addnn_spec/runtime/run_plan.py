"""The plan of a run: which rows of which nodes in which pass.

A node that fits into the budget is held whole, in one pass, beside others. A larger one is held
some batches at a time: each pass holds a part and streams what comes after it past it, so that each
pair of samples meets once.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from addnn_spec.indices.errors import BudgetError
from addnn_spec.indices.neighbours import default_budget, search_plan

_LARGEST_BATCH = 256
_USUAL_BATCH = 64  # on a CPU larger ones are no faster
ALIGNED = 64  # bytes
_BLOCK = {"cpu": 1024, "cuda": 8192}  # rows of a held block, at most
_ROW_BYTES = 16 * 1024  # what a row of it takes while others stream past
_GAUGED = 32  # bytes a feature: mean, squares, weight, and one to work with
_COPIES = 3  # of the largest value of a batch: the network's own, its input, a flattened copy


@dataclass(frozen=True)
class RowSize:
    """A node's rows: how many values each has, and the bytes of one value.

    `width` float32 values of each are held instead, if it is less: a sketch; and of `checked`
    samples of each split all values. `copies` are the float64 copies of all rows that its space
    takes.
    """

    label: str
    dimensions: int
    itemsize: int
    width: int | None = None
    checked: int = 0
    copies: int = 0

    @property
    def row_bytes(self) -> int:
        return self.dimensions * self.itemsize

    @property
    def sketched(self) -> bool:
        return self.width is not None and self.width < self.dimensions

    @property
    def searched(self) -> int:
        """The number of values a sample that distances are taken of."""
        return self.width if self.width is not None and self.sketched else self.dimensions

    @property
    def kept_bytes(self) -> int:
        """The bytes of one row that is held, without its copies."""
        return 4 * self.searched if self.sketched else self.row_bytes

    @property
    def held_bytes(self) -> int:
        """The bytes of one row that is held."""
        return self.kept_bytes + 8 * self.copies * self.dimensions


@dataclass(frozen=True)
class Hold:
    """Rows of a node, by its number, that one pass holds: those of batches `first` up to `last`.

    A pass that holds none gauges the features: their deviations must be known before their
    distances.
    """

    node: int
    first: int
    last: int
    whole: bool

    @property
    def gauges(self) -> bool:
        return self.last == 0


@dataclass(frozen=True)
class SearchCost:
    """What searches do: multiply-adds times 2, and bytes of rows read from memory."""

    operations: float = 0.0
    reads: float = 0.0

    def __add__(self, other: SearchCost) -> SearchCost:
        return SearchCost(self.operations + other.operations, self.reads + other.reads)


@dataclass(frozen=True)
class RunPlan:
    """The passes of one process, with what they take.

    Attributes:
        passes: the holds of each.
        bytes: the most that is held at a time, the network and the data apart.
        room: bytes of that for the rows that are held.
        work: bytes of that for one search.
        costs: of each pass's searches.
    """

    passes: tuple[tuple[Hold, ...], ...]
    bytes: int
    room: int
    work: int
    costs: tuple[SearchCost, ...]

    @property
    def cost(self) -> SearchCost:
        """Of all searches."""
        return sum(self.costs, SearchCost())


def held_block(work: int, device: str) -> int:
    """Return how many rows a block of held rows has that others stream past, in `work` bytes."""
    return max(64, min(_BLOCK[device], work // _ROW_BYTES))


def batch_size(sizes: Sequence[RowSize], budget: int) -> int:
    """Return the samples of a batch, a power of two: up to 64 in a quarter of the budget, or up to
    256 in a sixteenth of it."""
    row = _COPIES * max(size.row_bytes for size in sizes)
    usual = min(_USUAL_BATCH, budget // 4 // row)
    large = min(_LARGEST_BATCH, budget // 16 // row)
    # The largest power of two that is not above it.
    return 1 << max(usual, large, 1).bit_length() - 1


def make_plan(
    sizes: Sequence[RowSize],
    mine: Sequence[int],
    rows: Sequence[int],
    splits: tuple[int, ...],
    order: int,
    budget: int,
    *,
    normalised: bool = False,
    grams: int = 0,
    lasting: int = 0,
    device: str = "cpu",
) -> RunPlan:
    """Return the plan for the nodes `mine` (numbers in `sizes`).

    `rows` are the rows of each batch, `splits` those of train and test. `normalised`: features are
    gauged. `grams` are bytes beside each node in parts, `lasting` those beside everything. `device`
    is the kind of device that searches.

    Raises:
        BudgetError: not even one batch of the widest node fits; the message names it.
    """
    streamed = _COPIES * max(rows) * max(size.row_bytes for size in sizes)
    # Of all nodes, so that what is held whole does not depend on how the nodes are shared out.
    work = max(_work(size, splits, order, budget, device) for size in sizes)
    results = len(sizes) * _state(splits, order) + lasting
    if normalised:
        results += sum(_GAUGED * size.dimensions for size in sizes)
    capacity = budget - streamed - work - results
    if capacity < 0 and lasting:
        others = budget - capacity - lasting
        raise BudgetError(f"cka holds {lasting:,} bytes beside {others:,}; {budget:,} are given")
    packed = _Packing(sizes, rows, splits, order, capacity, budget, work, normalised, grams, device)
    passes = packed.passes(mine)
    held = max((sum(map(packed.bytes, holds)) for holds in passes), default=0)
    costs = tuple(sum(map(packed.cost, holds), SearchCost()) for holds in passes)
    room = max((sum(map(packed.kept, holds)) for holds in passes), default=0)
    return RunPlan(passes, streamed + work + results + held, room, work, costs)


def _work(size: RowSize, splits: tuple[int, ...], order: int, budget: int, device: str) -> int:
    """Return the bytes for the searches of one node: the usual, or the least that it needs."""
    usual = min(default_budget(device), budget // 4)
    searches = [(max(splits), size.searched, max(order, 2))]  # two class means, at the least
    if size.sketched:
        searches.append((size.checked, size.dimensions, 1))
    reason = ""
    # A little memory is enough for most nodes; a very wide one may take nearly all of it.
    for allowed in (usual, budget // 2, budget * 7 // 8):
        try:
            plans = [search_plan(*search, budget=allowed, device=device) for search in searches]
        except BudgetError as error:
            reason = str(error)
            continue
        return max(usual, *(plan.bytes for plan in plans))
    raise BudgetError(f"{size.label}, 7/8 of it for one search: {reason}")


def _state(splits: tuple[int, ...], order: int) -> int:
    """Return the bytes of running neighbours and their values, on train, test and across."""
    return sum(splits) * (2 * 20 * order + 120)


@dataclass(frozen=True)
class _Packing:
    """Nodes into passes: first fit, in the order of the network; the parts of a large node in
    passes of their own."""

    sizes: Sequence[RowSize]
    rows: Sequence[int]
    splits: tuple[int, ...]
    order: int
    capacity: int
    budget: int
    work: int
    normalised: bool
    grams: int
    device: str

    def kept(self, hold: Hold) -> int:
        """Return the bytes of the rows of a hold, with their alignment."""
        size = self.sizes[hold.node]
        rows = sum(self.rows[hold.first : hold.last])
        splits = len(self.splits)
        checked = size.checked * splits * size.row_bytes
        return size.kept_bytes * rows + checked + 2 * splits * ALIGNED

    def bytes(self, hold: Hold) -> int:
        """Return what a hold takes."""
        size = self.sizes[hold.node]
        rows = sum(self.rows[hold.first : hold.last])
        if hold.gauges:
            return 0
        if hold.whole:
            return size.held_bytes * rows + size.checked * len(self.splits) * size.row_bytes
        return size.row_bytes * rows + self.grams

    def cost(self, hold: Hold) -> SearchCost:
        """Return the cost of a hold's searches: each pair of rows meets once, block by block."""
        size = self.sizes[hold.node]
        held, after = self.rows[hold.first : hold.last], self.rows[hold.last :]
        # Two operations a value; a pair of held rows meets once, and so is half of a square.
        operations = float(size.searched) * sum(held) * (sum(held) + 2 * sum(after))
        if hold.whole:
            order = max(self.order, 2)
            plan = search_plan(
                max(self.splits), size.searched, order, budget=self.work, device=self.device
            )
            counts = [math.ceil(m / plan.block) for m in self.splits]
            rows = sum(m * (count + 1) for m, count in zip(self.splits, counts, strict=True))
            if len(counts) > 1:
                rows += self.splits[0] * counts[1] + self.splits[1] * counts[0]
        else:
            blocks = math.ceil(sum(held) / held_block(self.work, self.device))
            rows = sum(held) * (blocks + 1 + sum(n > 0 for n in after)) + sum(after) * blocks
        width = size.kept_bytes if hold.whole else size.row_bytes
        return SearchCost(operations, float(rows) * width)

    def passes(self, mine: Sequence[int]) -> tuple[tuple[Hold, ...], ...]:
        """Return the passes of the nodes `mine`; what must be gauged is gauged in the first."""
        wholes = {node: Hold(node, 0, len(self.rows), whole=True) for node in mine}
        fits = {node: self.bytes(hold) <= self.capacity for node, hold in wholes.items()}
        gauged = [n for n in mine if self.normalised and (not fits[n] or self.sizes[n].sketched)]
        found = [[Hold(node, 0, 0, whole=False) for node in gauged]] if gauged else []
        room = [self.capacity] * len(found)
        for node in mine:
            # A node that is gauged in the first pass can be held from the second on.
            needed, first = self.bytes(wholes[node]), 1 if node in gauged else 0
            # First fit: a later, smaller node fills what an earlier pass has left.
            place = len(found)
            if fits[node]:
                places = range(first, len(found))
                place = next((n for n in places if needed <= room[n]), place)
            holds = [wholes[node]] if fits[node] else self._parts(node)
            for number, part in enumerate(holds, place):
                if number == len(found):
                    found.append([])
                    room.append(self.capacity)
                found[number].append(part)
                room[number] -= self.bytes(part)
        return tuple(tuple(holds) for holds in found)

    def _parts(self, node: int) -> list[Hold]:
        size, rows = self.sizes[node], self.rows
        if size.sketched or size.copies:
            whole = self.bytes(Hold(node, 0, len(rows), whole=True))
            raise BudgetError(
                f"{size.label}: a sketch or whitening takes {whole:,} bytes beside "
                f"{self.budget - self.capacity:,}; {self.budget:,} are given"
            )
        parts: list[Hold] = []
        first = 0
        while first < len(rows):
            # As many whole batches as fit, so that a part begins where a batch does.
            last, free = first, self.capacity - self.grams
            while last < len(rows) and rows[last] * size.row_bytes <= free:
                free -= rows[last] * size.row_bytes
                last += 1
            if last == first:
                least = self.budget - self.capacity + self.grams + rows[first] * size.row_bytes
                raise BudgetError(
                    f"{size.label}: {size.dimensions:,} values a sample need at least "
                    f"{least:,} bytes; {self.budget:,} are given"
                )
            parts.append(Hold(node, first, last, whole=False))
            first = last
        return parts


def owners(nodes: Sequence[int], sizes: Sequence[RowSize], processes: int) -> dict[int, int]:
    """Return which process measures each node: the widest first, to the one with least to do."""
    load = [0] * processes
    found: dict[int, int] = {}
    for node in sorted(nodes, key=lambda n: (-sizes[n].row_bytes, n)):
        found[node] = load.index(min(load))
        load[found[node]] += sizes[node].row_bytes
    return found
