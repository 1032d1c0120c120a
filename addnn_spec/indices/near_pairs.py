"""Pairs of samples that bounds do not part: those within a radius, until float64 settles them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from addnn_spec.indices.geometry import Certificate, RowBlock, RowScaling


@dataclass(frozen=True)
class Pairs:
    """Pairs (p,) that wait: int32 numbers of samples, float32 bounds of squared distances."""

    rows: Tensor
    columns: Tensor
    lower: Tensor
    upper: Tensor

    def __len__(self) -> int:
        return len(self.rows)

    @classmethod
    def joined(cls, parts: list[Pairs]) -> Pairs:
        """Return the pairs of several sets as one set."""
        first = parts[0]
        if len(parts) == 1:
            return first
        return cls(
            torch.cat([part.rows for part in parts]),
            torch.cat([part.columns for part in parts]),
            torch.cat([part.lower for part in parts]),
            torch.cat([part.upper for part in parts]),
        )

    def at(self, kept: Tensor) -> Pairs:
        """Return the pairs where ``kept`` (p,) is true."""
        (at,) = torch.nonzero(kept, as_tuple=True)
        return Pairs(self.rows[at], self.columns[at], self.lower[at], self.upper[at])


@dataclass(frozen=True)
class Near:
    """Groups of bounds, one of them within the radius of its row, of two blocks."""

    mine: RowBlock
    theirs: RowBlock
    bounds: Certificate
    others: Certificate
    groups: Tensor
    """Row times the groups of a row, plus group."""
    count: int
    """Groups of a row."""
    transposed: bool

    def pairs(self, lower: Tensor, groups: Tensor, radius: Tensor, frame: RowScaling) -> Pairs:
        """Return those pairs of some of the groups that are within the radius."""
        if self.transposed:
            members = lower.view(-1, self.count, lower.shape[1]).permute(2, 1, 0)
        else:
            members = lower.view(lower.shape[0], -1, self.count).permute(0, 2, 1)
        hit = groups.div(self.count, rounding_mode="floor")
        group = groups - hit * self.count
        bounds = members[hit, group]
        # The radius may have shrunk since the groups were chosen.
        limit = radius[self.mine.start : self.mine.stop][hit, None]
        row, member = torch.nonzero(bounds <= limit, as_tuple=True)
        mine, theirs = hit[row], group[row] + member * self.count
        kept = bounds[row, member].clamp_min_(0)
        upper = frame.lift(kept, self.bounds.doubt[mine], self.others.doubt[theirs])
        rows, columns = mine + self.mine.start, theirs + self.theirs.start
        return Pairs(rows.int(), columns.int(), kept, upper)


def in_order(rows: Tensor, values: Tensor) -> Tensor:
    """Return integers (p,) that sort as pairs of a row and a float32 value do.

    The bits of floats of at least 0 are in the order of the values.
    """
    bits = (values + 0.0).view(torch.int32)  # 0.0 has smaller bits than -0.0
    return (rows << 32) | bits
