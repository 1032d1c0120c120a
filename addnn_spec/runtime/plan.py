"""What a run will hold and do: which rows of which nodes in which pass.

A node that fits into the budget is held whole, in one pass, beside others. A larger one is held
some batches at a time: each pass holds a part and streams what comes after it past it, so that each
pair of samples meets once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from addnn_spec.indices.errors import BudgetError
from addnn_spec.indices.neighbours import DEFAULT_BUDGET, search_plan

_LARGEST_BATCH = 256
_COPIES = 3  # of the largest value of a batch: the network's own, its input, a flattened copy


@dataclass(frozen=True)
class Size:
    """A node's rows: how many values each has, and the bytes of one value."""

    label: str
    dimensions: int
    itemsize: int

    @property
    def row_bytes(self) -> int:
        return self.dimensions * self.itemsize


@dataclass(frozen=True)
class Hold:
    """Rows of a node, by its number, that one pass holds: those of batches `first` up to `last`."""

    node: int
    first: int
    last: int
    whole: bool


@dataclass(frozen=True)
class Plan:
    """The passes of one process, with what they take.

    Attributes:
        passes: the holds of each.
        bytes: the most that is held at a time, the network and the data apart.
        work: bytes of that for one search.
        operations: of all searches.
    """

    passes: tuple[tuple[Hold, ...], ...]
    bytes: int
    work: int
    operations: float


def batch_size(sizes: Sequence[Size], budget: int) -> int:
    """The samples of a batch: 256, or what a quarter of the budget holds, a power of two."""
    widest = max(size.row_bytes for size in sizes)
    batch = _LARGEST_BATCH
    while batch > 1 and _COPIES * batch * widest > budget // 4:
        batch //= 2
    return batch


def make_plan(
    sizes: Sequence[Size],
    mine: Sequence[int],
    rows: Sequence[int],
    splits: tuple[int, ...],
    order: int,
    budget: int,
) -> Plan:
    """The plan for the nodes `mine` (numbers in `sizes`).

    `rows` are the rows of each batch, `splits` those of train and test.

    Raises:
        BudgetError: not even one batch of the widest node fits; the message names it.
    """
    streamed = _COPIES * max(rows) * max(size.row_bytes for size in sizes)
    # Of all nodes, so that what is held whole does not depend on how the nodes are shared out.
    work = max(_work(size, splits, order, budget) for size in sizes)
    results = len(sizes) * _state(splits, order)
    capacity = budget - streamed - work - results
    passes = _pack(sizes, mine, rows, capacity, budget)
    held = max((sum(_bytes(sizes, hold, rows) for hold in holds) for holds in passes), default=0)
    operations = sum(_operations(sizes[node].dimensions, splits) for node in mine)
    return Plan(passes, streamed + work + results + held, work, operations)


def _work(size: Size, splits: tuple[int, ...], order: int, budget: int) -> int:
    """Bytes for the searches of one node: the usual, or the least that it needs."""
    usual = min(DEFAULT_BUDGET, budget // 4)
    for allowed in (usual, budget // 2, budget * 7 // 8):
        try:
            plan = search_plan(max(splits), size.dimensions, order, budget=allowed)
        except BudgetError:
            continue
        return max(plan.bytes, usual)
    raise BudgetError(
        f"{size.label}: {budget:,} bytes do not serve a search of {size.dimensions:,} values"
    )


def _state(splits: tuple[int, ...], order: int) -> int:
    """Running neighbours and their values, on train, test and across."""
    return sum(splits) * (2 * 20 * order + 120)


def _operations(d: int, splits: tuple[int, ...]) -> float:
    own = sum(float(d) * m * m for m in splits)
    return own + (2.0 * d * splits[0] * splits[1] if len(splits) > 1 else 0.0)


def _bytes(sizes: Sequence[Size], hold: Hold, rows: Sequence[int]) -> int:
    return sizes[hold.node].row_bytes * sum(rows[hold.first : hold.last])


def _pack(
    sizes: Sequence[Size],
    mine: Sequence[int],
    rows: Sequence[int],
    capacity: int,
    budget: int,
) -> tuple[tuple[Hold, ...], ...]:
    """First fit, in the order of the network; the parts of a large node in passes of their own."""
    passes: list[list[Hold]] = []
    room: list[int] = []
    for node in mine:
        hold = Hold(node, 0, len(rows), whole=True)
        size = _bytes(sizes, hold, rows)
        if size <= capacity:
            place = next((n for n, free in enumerate(room) if size <= free), len(passes))
            holds = [hold]
        else:
            place, holds = len(passes), _parts(sizes[node], node, rows, capacity, budget)
        for number, part in enumerate(holds, place):
            if number == len(passes):
                passes.append([])
                room.append(capacity)
            passes[number].append(part)
            room[number] -= _bytes(sizes, part, rows)
    return tuple(tuple(holds) for holds in passes)


def _parts(size: Size, node: int, rows: Sequence[int], capacity: int, budget: int) -> list[Hold]:
    parts: list[Hold] = []
    first = 0
    while first < len(rows):
        last, free = first, capacity
        while last < len(rows) and rows[last] * size.row_bytes <= free:
            free -= rows[last] * size.row_bytes
            last += 1
        if last == first:
            least = budget - capacity + rows[first] * size.row_bytes
            raise BudgetError(
                f"{size.label}: {size.dimensions:,} values a sample need at least "
                f"{least:,} bytes; {budget:,} are given"
            )
        parts.append(Hold(node, first, last, whole=False))
        first = last
    return parts
