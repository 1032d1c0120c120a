"""Rows of a node as they come, batch by batch: held whole, or in parts that others stream past."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from addnn_spec.diagnostics import Refusal
from addnn_spec.indices.errors import NotFiniteError
from addnn_spec.indices.geometry import (
    STRIP,
    RowBlock,
    RowScaling,
    Scratch,
    check_finite,
    column_chunks,
    strip_values,
)
from addnn_spec.indices.neighbours import Neighbours, RunningNeighbours
from addnn_spec.indices.space import SketchFold, Spread
from addnn_spec.runtime.node_indices import Scorer
from addnn_spec.runtime.run_plan import ALIGNED, held_block
from addnn_spec.runtime.run_record import Split
from addnn_spec.runtime.samples import Batch

_BITS = {1: torch.int8, 2: torch.int16, 4: torch.int32, 8: torch.int64}
_FARTHEST = 2.0**50  # scaled values beyond it could overflow float32 products


def first_not_finite(rows: Tensor) -> int | None:
    """Return the first of rows (n, d) that holds NaN or an infinite value."""
    if not rows.is_floating_point():
        return None
    # A GPU waits at each question, so it is asked once; on a CPU a bad row is found early.
    step = len(rows) if rows.is_cuda else 256
    for start in range(0, len(rows), step):
        part = rows[start : start + step]
        # Extremes are NaN or infinite if any value is: two numbers instead of a mask of all.
        if not bool(torch.isfinite(torch.stack(torch.aminmax(part))).all()):
            return start + int(torch.nonzero(~torch.isfinite(part).all(dim=1))[0])
    return None


class Room:
    """The bytes that rows are held in, pass after pass: taken once, for the allocator does not give
    all of them back between passes."""

    def __init__(self, size: int, device: torch.device) -> None:
        # Tensors made under inference mode could not be written to outside of it.
        with torch.inference_mode(False):
            self._bytes = torch.empty(size, dtype=torch.uint8, device=device)
        self._taken = 0

    def clear(self) -> None:
        """Make all of the room free again."""
        self._taken = 0

    def take(self, rows: int, width: int, dtype: torch.dtype) -> Tensor:
        """Return room for (rows, width) values."""
        first = self._taken
        last = first + rows * width * dtype.itemsize
        # Each tensor begins at a multiple, which `view` to another type asks for.
        self._taken = -(-last // ALIGNED) * ALIGNED
        return self._bytes[first:last].view(dtype).view(rows, width)


class Whole:
    """All rows of a node: one tensor for train, one for test.

    `gauge`: its features' deviations on train are taken as the rows come.
    """

    def __init__(
        self, rows: Sequence[int], like: Tensor, room: Room, gauge: Spread | None = None
    ) -> None:
        self.parts = tuple(room.take(count, like.shape[1], like.dtype) for count in rows)
        self.gauge = gauge

    def take(self, number: int, batch: Batch, rows: Tensor) -> None:
        self.parts[batch.split][batch.first_row : batch.last_row] = rows
        if self.gauge is not None and batch.split == 0:
            self.gauge.add(rows)


class Gauge:
    """A pass that holds no rows: it takes the deviations of a node's features on train."""

    def __init__(self, running: Running) -> None:
        self.running = running

    def take(self, number: int, batch: Batch, rows: Tensor) -> None:
        self.running.check_twin(number, rows)
        if batch.split == 0:
            self.running.gauge(rows).add(rows)


class Sketched:
    """A node's rows folded as they come, and all values of a few samples of each split.

    `picks` are the places of these in each split, ascending.
    """

    def __init__(
        self,
        running: Running,
        fold: SketchFold,
        rows: Sequence[int],
        picks: Sequence[Tensor],
        like: Tensor,
        room: Room,
    ) -> None:
        self.fold, self.picks = fold, tuple(picks)
        self.weight = running.weight()
        self.shift = like.double().mean(dim=0)
        self.parts = tuple(room.take(count, fold.width, torch.float32) for count in rows)
        self.checked = tuple(room.take(len(pick), like.shape[1], like.dtype) for pick in picks)
        self.running = running

    def take(self, number: int, batch: Batch, rows: Tensor) -> None:
        self.running.check_twin(number, rows)
        check_finite(rows, batch.first_row)
        folded = self.fold.apply(rows, self.shift, self.weight)
        self.parts[batch.split][batch.first_row : batch.last_row] = folded
        picks = self.picks[batch.split]
        first, last = torch.searchsorted(picks, picks.new_tensor([batch.first_row, batch.last_row]))
        places = picks[first:last] - batch.first_row
        self.checked[batch.split][first:last] = rows[places.to(rows.device)]


@dataclass(frozen=True)
class _Placed:
    """A block of one split."""

    split: int
    block: RowBlock


class Running:
    """What lasts from part to part of a node too large to be held whole."""

    def __init__(
        self, scorer: Scorer, scratch: Scratch, work: int, *, keeps_gram: bool = False
    ) -> None:
        self.scorer = scorer
        self.scratch = scratch
        self.work = work
        self.keeps_gram = keeps_gram
        self.frame: RowScaling | None = None
        self.found: dict[Split, RunningNeighbours] = {}
        self.spread: Spread | None = None
        """Of the features, where they are gauged."""
        self.gram: Tensor | None = None
        """Inner products of the training rows about the frame's shift, where they are wanted."""
        self.seen: dict[int, int] = {}
        """A sum over the bits of each batch's rows."""
        self.broken = ""
        """Why the node cannot be measured."""

    def gauge(self, like: Tensor) -> Spread:
        """Return the running statistics of the features, begun with the first rows."""
        if self.spread is None:
            self.spread = Spread(like.shape[1], like.device)
        return self.spread

    def weight(self) -> Tensor | None:
        """Return the factors of the features; None without normalisation."""
        return None if self.spread is None else self.spread.weight()

    def block(self, first: int, rows: Tensor) -> RowBlock:
        """Return the rows from `first` on as a block; the first ones set the frame."""
        largest = check_finite(rows, first)
        if self.frame is None:
            self._begin(rows)
        assert self.frame is not None
        # The frame is scaled by the first rows; later ones must fit into it.
        if largest * self.heaviest > _FARTHEST:
            raise NotFiniteError("values of some samples are larger than others' by 2^20 or more")
        return self.frame.block(first, rows)

    def _begin(self, rows: Tensor) -> None:
        scorer = self.scorer
        weight = self.weight()
        strip = strip_values(rows.device.type, self.work)
        self.frame = RowScaling.around(rows, weight, self.scratch, strip=strip)
        self.heaviest = self.frame.scale * (1.0 if weight is None else float(weight.max()))
        if self.keeps_gram:
            count = scorer.rows[0]
            with torch.inference_mode(False):
                self.gram = torch.zeros(count, count, dtype=torch.float64, device=rows.device)
        for split in scorer.splits:
            mine, others, among = scorer.limits(split)
            count = scorer.rows[0 if split == "train" else 1]
            self.found[split] = RunningNeighbours(
                count,
                scorer.order,
                self.frame,
                labels=mine,
                reference_labels=others,
                among=among,
                references=scorer.rows[0] if split == "cross" else None,
            )

    def check_twin(self, number: int, rows: Tensor) -> None:
        """Check that a batch computed again gives the same bits.

        Raises `DiagnosticError` (E0618) where it does not.
        """
        # As whole numbers: a sum of bits does not round, and tells -0.0 from 0.0.
        words = rows.contiguous().view(_BITS[rows.element_size()]).view(-1)
        total = 0
        for part in torch.split(words, len(words) if words.is_cuda else STRIP):
            total += int(part.sum(dtype=torch.int64))
        if self.seen.setdefault(number, total) != total:
            raise Refusal(
                "E0618",
                "the network gives other values when it sees the same batch again",
                help="probe it in evaluation mode, or with a budget that holds each node whole",
            )

    def meet(self, held: _Placed, streamed: _Placed) -> None:
        """Take in all pairs of a held block and one that comes at or after it."""
        if held.split == streamed.split:
            run = self.found["train" if held.split == 0 else "test"]
            # A block with itself is one half of a square, and is not taken twice.
            both = held.block.start != streamed.block.start
            run.visit(held.block, streamed.block, both=both, settle=True)
            if held.split == 0 and self.gram is not None:
                self._multiply(self.gram, held.block, streamed.block)
        else:
            self.found["cross"].visit(streamed.block, held.block, settle=True)

    def _multiply(self, gram: Tensor, left: RowBlock, right: RowBlock) -> None:
        assert self.frame is not None
        shift = self.frame.shift.double()
        total = gram.new_zeros(len(left), len(right))
        for columns in column_chunks(len(shift)):
            a, b = (block.rows[:, columns].double() - shift[columns] for block in (left, right))
            total += a @ b.T
        gram[left.start : left.stop, right.start : right.stop] = total
        gram[right.start : right.stop, left.start : left.stop] = total.T

    def result(self, split: Split) -> Neighbours:
        return self.found[split].result()


class PartRows:
    """The rows of batches `first` up to `last` of a node; later batches stream past them."""

    def __init__(
        self,
        running: Running,
        batches: tuple[Batch, ...],
        first: int,
        last: int,
        like: Tensor,
        room: Room,
        work: int,
    ) -> None:
        self.running = running
        self.block = held_block(work, like.device.type)
        self.first, self.last = first, last
        self.batches = batches[first:last]
        count = sum(batch.rows for batch in self.batches)
        self.rows = room.take(count, like.shape[1], like.dtype)
        self.filled = 0
        self.held: list[_Placed] = []

    def take(self, number: int, batch: Batch, rows: Tensor) -> None:
        """Take the rows of batch `number`; batches come in order."""
        if number < self.first or not batch.rows:
            return
        running = self.running
        running.check_twin(number, rows)
        if number >= self.last:
            streamed = _Placed(batch.split, running.block(batch.first_row, rows))
            for placed in self.held:
                running.meet(placed, streamed)
            return
        self.rows[self.filled : self.filled + batch.rows] = rows
        self.filled += batch.rows
        # Searches begin when the part is whole: its blocks are then as large as they can be.
        if self.filled == len(self.rows):
            for mine in self._blocks():
                self.held.append(mine)
                for placed in self.held:
                    running.meet(placed, mine)

    def _blocks(self) -> Iterator[_Placed]:
        """Yield the held rows in few blocks: each visit reads both of its blocks anew."""
        offset = 0
        for split in sorted({batch.split for batch in self.batches}):
            mine = [batch for batch in self.batches if batch.split == split]
            count = sum(batch.rows for batch in mine)
            for start in range(0, count, self.block):
                rows = self.rows[offset + start : offset + min(start + self.block, count)]
                block = self.running.block(mine[0].first_row + start, rows)
                yield _Placed(split, block)
            offset += count
