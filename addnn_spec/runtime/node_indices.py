"""From a node's neighbours to its indices, in the form of the record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from addnn_spec.indices.errors import UndefinedIndexError
from addnn_spec.indices.geometry import Scratch
from addnn_spec.indices.neighbours import Neighbours, Side, search_plan, search_sides
from addnn_spec.indices.separation import KINDS, agreement, centre_hits
from addnn_spec.indices.smoothness import FORMS, TargetSpread
from addnn_spec.runtime.run_record import IndexRecord, SketchRecord, Split, pack, standard_error
from addnn_spec.runtime.samples import Feed

if TYPE_CHECKING:
    from addnn_spec.runtime.row_buffers import Sketched


class Scorer:
    """Labels (m,), as codes of `classes` classes, or targets (m, q), of train and perhaps test, and
    the indices that neighbours have with them."""

    def __init__(
        self, values: Sequence[Tensor], classes: int, order: int, ties: str = "lowest"
    ) -> None:
        self.order = order
        self.ties = ties
        self.classes = classes
        self.values = tuple(values)
        self.rows = tuple(len(values) for values in self.values)
        if min(self.rows) <= order:
            raise UndefinedIndexError(f"order {order} needs more than {min(self.rows)} samples")
        alone = len(self.values) == 1
        self.splits: tuple[Split, ...] = ("train",) if alone else ("train", "test", "cross")
        self._spreads: dict[Split, TargetSpread] = {}
        if not self.classes:
            for split in self.splits:
                mine, others = self._sides(split)
                references = others if split == "cross" else None
                self._spreads[split] = TargetSpread.of(mine, order, references=references)
                self._check_defined(split)

    def _check_defined(self, split: Split) -> None:
        if not bool(self._spreads[split].defined(1).any()):
            which = "of test from those of train" if split == "cross" else f"of {split}"
            raise UndefinedIndexError(
                f"the targets {which} are all equally far apart: no sample has a Smoothness Index"
            )

    @classmethod
    def of(cls, feed: Feed, order: int, ties: str) -> Scorer:
        """Make the scorer of a feed's samples."""
        values = [torch.from_numpy(split.values) for split in feed.splits]
        return cls(values, len(feed.record.classes), order, ties)

    def _sides(self, split: Split) -> tuple[Tensor, Tensor]:
        """Return the labels or targets of the samples of a split, and of those they are searched
        among."""
        train, test = self.values[0], self.values[-1]
        return (train if split == "train" else test), (test if split == "test" else train)

    def labels(self, split: Split) -> tuple[Tensor | None, Tensor | None]:
        """Codes for the search: of the samples, and of their references; None for targets."""
        return self._sides(split) if self.classes else (None, None)

    def sides(
        self,
        parts: Sequence[Tensor],
        work: int,
        weight: Tensor | None = None,
        scratch: Scratch | None = None,
    ) -> tuple[Side, ...]:
        """Rows held whole, one tensor for train and test each, ready for the searches in `work`
        bytes; `weight` (d,) multiplies features first."""
        device = parts[0].device.type
        order = max(self.order, 2)
        plan = search_plan(max(self.rows), parts[0].shape[1], order, budget=work, device=device)
        train = Side.of(parts[0], plan, weight, scratch=scratch)
        return train, *(Side.of(part, plan, frame=train.frame) for part in parts[1:])

    def search(self, split: Split, sides: Sequence[Side]) -> Neighbours:
        """Return the neighbours of a split."""
        mine, others = self.labels(split)
        return search_sides(
            sides[0 if split == "train" else 1],
            self.order,
            references=sides[0] if split == "cross" else None,
            labels=mine,
            reference_labels=others,
            distances=False,
        )

    def at(self, picks: Sequence[Tensor]) -> Scorer:
        """Make the scorer of some of the samples, at order 1: `picks` (n,) are their places in each
        split."""
        values = [part[pick.cpu()] for part, pick in zip(self.values, picks, strict=True)]
        return Scorer(values, self.classes, 1, self.ties)

    def record(
        self, split: Split, found: Neighbours, extra: Mapping[str, float] | None = None
    ) -> IndexRecord:
        """All indices that one search serves."""
        return (self._separation if self.classes else self._smoothness)(split, found, extra or {})

    def _separation(
        self, split: Split, found: Neighbours, extra: Mapping[str, float]
    ) -> IndexRecord:
        mine, others = self._sides(split)
        hits, tied = agreement(found, mine, others, 1, "hard", self.ties)
        hits = hits.cpu()
        values = {"hard1": float(hits.mean())}
        for order in range(2, self.order + 1):
            for kind in ("hard", "soft", "anti"):
                each, _ = agreement(found, mine, others, order, kind, self.ties)
                values[f"{kind}{order}"] = float(each.cpu().mean())  # one order on any device
        counts = torch.bincount(mine, minlength=self.classes)
        sums = torch.bincount(mine, hits, minlength=self.classes)
        classes = tuple(
            float(total / count) if count else None
            for total, count in zip(sums, counts, strict=True)
        )
        return self._index("separation", hits, {**values, **extra}, tied, classes)

    def _smoothness(
        self, split: Split, found: Neighbours, extra: Mapping[str, float]
    ) -> IndexRecord:
        spread = self._spreads[split]
        values: dict[str, float] = {}
        first: Tensor | None = None
        for order in range(1, self.order + 1):
            for form in FORMS:
                if form == "linear" and not bool(spread.defined(order).any()):
                    continue  # all targets are equally far from the nearest `order` to the farthest
                for kind in KINDS if order > 1 else KINDS[:1]:
                    each = spread.values(found, order, kind, form)
                    first = each if first is None else first
                    name = form if kind == "hard" else f"{form}_{kind}"
                    values[f"{name}{order}"] = float(each.nanmean())
        assert first is not None
        tied = int((found.surplus > 0).sum())
        return self._index("smoothness", first.cpu(), {**values, **extra}, tied, ())

    def _index(
        self,
        index: str,
        each: Tensor,
        values: dict[str, float],
        tied: int,
        classes: tuple[float | None, ...],
    ) -> IndexRecord:
        array = each.double().numpy()
        text, encoding = pack(array)
        return IndexRecord(
            index="separation" if index == "separation" else "smoothness",
            m=len(array),
            values=values,
            standard_error=standard_error(array),
            tied=tied,
            undefined=int(np.isnan(array).sum()),
            classes=classes,
            per_sample=text,
            encoding=encoding,
        )

    def centre(self, split: Split, sides: Sequence[Side], work: int) -> dict[str, float]:
        """Return the centre index with and without the sample itself, where class means fit into
        `work`; left out where it is not defined."""
        side = sides[0 if split == "train" else 1]
        if split == "cross" or not self.classes or 16 * self.classes * side.rows.shape[1] > work:
            return {}
        found = centre_hits(side, self._sides(split)[0])
        values = {"centre": float(found.values.mean())}
        if not bool(found.without.isnan().all()):
            values["centre_loo"] = float(found.without.nanmean())
        return values

    def chance(self) -> dict[Split, float]:
        """Return what neighbours drawn at random among the others give, on average (order 1)."""
        return {split: self._chance(split) for split in self.splits}

    def _chance(self, split: Split) -> float:
        mine, others = self._sides(split)
        itself = 0 if split == "cross" else 1
        if self.classes:
            counts = torch.bincount(others, minlength=self.classes)
            return float((counts[mine] - itself).double().mean() / (len(others) - itself))
        spread = self._spreads[split]
        mean = spread.mean * len(others) / (len(others) - itself)
        room = spread.largest - spread.nearest[:, 0]
        return float(((spread.largest - mean) / room)[spread.defined(1)].mean())


def drawn_to_check(rows: Sequence[int], count: int, seed: int) -> list[Tensor]:
    """Places of `count` samples in each split of so many `rows`, ascending, drawn by `seed`."""
    generator = torch.Generator().manual_seed(seed)
    return [
        torch.randperm(n, generator=generator, device="cpu")[:count].sort().values for n in rows
    ]


def checked(
    scorer: Scorer, rows: Sketched, split: Split, index: IndexRecord, work: int, scratch: Scratch
) -> IndexRecord:
    """Return a sketched index with what the same sketch is off by on the samples held with all
    values."""
    some = scorer.at(rows.picks)
    folded = tuple(
        part[pick.to(part.device)] for part, pick in zip(rows.parts, rows.picks, strict=True)
    )
    exact, sketched = (
        some.record(split, some.search(split, some.sides(parts, work, weight, scratch))).value
        for parts, weight in ((rows.checked, rows.weight), (folded, None))
    )
    count = len(rows.picks[0])
    found = SketchRecord(
        width=rows.fold.width, seed=rows.fold.seed, samples=count, exact=exact, sketched=sketched
    )
    return index.model_copy(update={"exact": False, "sketch": found})
