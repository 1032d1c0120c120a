"""From a node's neighbours to its indices, in the form of the record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch
from torch import Tensor

from addnn_spec.indices.errors import UndefinedIndexError
from addnn_spec.indices.geometry import Scratch
from addnn_spec.indices.neighbours import Neighbours, Side, search_plan, search_sides
from addnn_spec.indices.separation import KINDS, agreement, centre_hits
from addnn_spec.indices.smoothness import FORMS, TargetSpread
from addnn_spec.runtime.run_record import (
    IndexRecord,
    IntervalRecord,
    SketchRecord,
    Split,
    pack,
    pack_places,
)
from addnn_spec.runtime.samples import Feed
from addnn_spec.statistics.intervals import stated_all
from addnn_spec.statistics.linked import Ids, touching, touching_across

if TYPE_CHECKING:
    from addnn_spec.runtime.row_buffers import Sketched


class Scorer:
    """Labels (m,), as codes of `classes` classes, or targets (m, q), of train and perhaps test, and
    the indices that neighbours have with them.

    `groups` are (m,) codes of the samples that rows are positions of; with `apart` no row's
    neighbour is of its own group.
    """

    def __init__(
        self,
        values: Sequence[Tensor],
        classes: int,
        order: int,
        ties: str = "lowest",
        groups: Sequence[Tensor] = (),
        *,
        apart: bool = False,
    ) -> None:
        self.order = order
        self.ties = ties
        self.classes = classes
        self.values = tuple(values)
        self.groups = tuple(groups)
        self.apart = apart
        self.rows = tuple(len(values) for values in self.values)
        room = min(self.rows) - 1
        if apart:
            # A position of the largest sample has the fewest others to choose from.
            room = min(len(group) - int(torch.bincount(group).max()) for group in self.groups)
        if room < order:
            what = "positions of other samples" if apart else "other samples"
            raise UndefinedIndexError(f"order {order} needs as many {what}, and there are {room}")
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
        groups = [
            torch.from_numpy(split.groups) for split in feed.splits if split.groups is not None
        ]
        return cls(values, len(feed.record.classes), order, ties, groups, apart=feed.apart)

    def _sides(self, split: Split) -> tuple[Tensor, Tensor]:
        """Return the labels or targets of the samples of a split, and of those they are searched
        among."""
        train, test = self.values[0], self.values[-1]
        return (train if split == "train" else test), (test if split == "test" else train)

    def limits(self, split: Split) -> tuple[Tensor | None, Tensor | None, str]:
        """Return which references may be neighbours of which samples, as codes of both."""
        if self.apart and split != "cross":
            groups = self.groups[0 if split == "train" else 1]
            return groups, groups, "other"
        return (*self._sides(split), "all") if self.classes else (None, None, "all")

    def sides(
        self,
        parts: Sequence[Tensor],
        work: int,
        weight: Tensor | None = None,
        scratch: Scratch | None = None,
    ) -> tuple[Side, ...]:
        """Return rows held whole, one tensor for train and test each, ready for the searches in
        `work` bytes; `weight` (d,) multiplies features first."""
        device = parts[0].device.type
        # The centre index takes the two nearest class means, whatever the order.
        order = max(self.order, 2)
        plan = search_plan(max(self.rows), parts[0].shape[1], order, budget=work, device=device)
        train = Side.of(parts[0], plan, weight, scratch=scratch)
        return train, *(Side.of(part, plan, frame=train.frame) for part in parts[1:])

    def search(self, split: Split, sides: Sequence[Side]) -> Neighbours:
        """Return the neighbours of a split."""
        mine, others, among = self.limits(split)
        return search_sides(
            sides[0 if split == "train" else 1],
            self.order,
            references=sides[0] if split == "cross" else None,
            labels=mine,
            reference_labels=others,
            among=among,
            distances=False,
        )

    def at(self, picks: Sequence[Tensor]) -> Scorer:
        """Make the scorer of some of the samples, at order 1: `picks` (n,) are their places in each
        split."""
        values = [part[pick.cpu()] for part, pick in zip(self.values, picks, strict=True)]
        groups = [part[pick.cpu()] for part, pick in zip(self.groups, picks, strict=False)]
        return Scorer(values, self.classes, 1, self.ties, groups, apart=self.apart)

    def record(
        self, split: Split, found: Neighbours, extra: Mapping[str, Tensor] | None = None
    ) -> IndexRecord:
        """Return all indices that one search serves; `extra` are others' values of each sample
        (m,)."""
        return (self._separation if self.classes else self._smoothness)(split, found, extra or {})

    def _separation(
        self, split: Split, found: Neighbours, extra: Mapping[str, Tensor]
    ) -> IndexRecord:
        mine, others = self._sides(split)
        hits, tied = agreement(found, mine, others, 1, "hard", self.ties)
        hits = hits.cpu()
        values = {"hard1": (hits, 1)}
        for order in range(2, self.order + 1):
            for kind in ("hard", "soft", "anti"):
                each, _ = agreement(found, mine, others, order, kind, self.ties)
                values[f"{kind}{order}"] = each.cpu(), order
        values |= {name: (each.cpu(), 0) for name, each in extra.items()}
        counts = torch.bincount(mine, minlength=self.classes)
        sums = torch.bincount(mine, hits, minlength=self.classes)
        classes = tuple(
            float(total / count) if count else None
            for total, count in zip(sums, counts, strict=True)
        )
        return self._index("separation", split, found, values, tied, classes)

    def _smoothness(
        self, split: Split, found: Neighbours, extra: Mapping[str, Tensor]
    ) -> IndexRecord:
        spread = self._spreads[split]
        values = {name: (each.cpu(), 0) for name, each in extra.items()}
        for order in range(1, self.order + 1):
            for form in FORMS:
                if form == "linear" and not bool(spread.defined(order).any()):
                    continue  # all targets are equally far from the nearest `order` to the farthest
                for kind in KINDS if order > 1 else KINDS[:1]:
                    each = spread.values(found, order, kind, form)
                    name = form if kind == "hard" else f"{form}_{kind}"
                    values[f"{name}{order}"] = each.cpu(), order
        tied = int((found.surplus > 0).sum())
        return self._index("smoothness", split, found, values, tied, ())

    def _index(
        self,
        index: Literal["separation", "smoothness"],
        split: Split,
        found: Neighbours,
        values: Mapping[str, tuple[Tensor, int]],
        tied: int,
        classes: tuple[float | None, ...],
    ) -> IndexRecord:
        """Make the record of values of each sample, with the order of the neighbours that they are
        of, 0 for none."""
        near = found.indices.cpu().numpy()
        array = next(iter(values.values()))[0].double().numpy()
        text, encoding = pack(array)
        return IndexRecord(
            index=index,
            m=len(array),
            values={name: float(each.nanmean()) for name, (each, _) in values.items()},
            intervals=self._intervals(split, values, near),
            tied=tied,
            undefined=int(np.isnan(array).sum()),
            classes=classes,
            per_sample=text,
            encoding=encoding,
            neighbours=pack_places(near[:, 0]),
        )

    def _intervals(
        self, split: Split, values: Mapping[str, tuple[Tensor, int]], near: Ids
    ) -> dict[str, IntervalRecord]:
        """Return how far each mean may be off; `near` (m, r) are the neighbours."""
        groups = [group.numpy() for group in self.groups]
        mine = groups[0 if split == "train" else 1] if groups else None
        labels = self._sides(split)[0].numpy() if self.classes else None
        found: dict[str, IntervalRecord] = {}
        arrays = {name: each.double().numpy() for name, (each, _) in values.items()}
        # Values over the same neighbours with the same gaps share what links their samples, which
        # is the costly part of an interval.
        alike: dict[tuple[int, bytes], list[str]] = {}
        for name, (_, order) in values.items():
            alike.setdefault((order, np.isnan(arrays[name]).tobytes()), []).append(name)
        for (order, _), names in alike.items():
            if split == "cross":
                others = groups[0] if groups else None
                touches = touching_across(near[:, :order], mine, others)
            else:
                touches = touching(near[:, :order], mine)
            each = stated_all([arrays[name] for name in names], touches, labels, mine)
            for name, one in zip(names, each, strict=True):
                found[name] = IntervalRecord(
                    error=one.error, low=one.low, high=one.high, sides=one.sides
                )
        return {name: found[name] for name in values}

    def centre(self, split: Split, sides: Sequence[Side], work: int) -> dict[str, Tensor]:
        """Return each sample's hit of the centre index with and without itself, where class means
        fit into `work`; left out where it is not defined."""
        side = sides[0 if split == "train" else 1]
        # Two tables of class means in float64.
        if split == "cross" or not self.classes or 16 * self.classes * side.rows.shape[1] > work:
            return {}
        found = centre_hits(side, self._sides(split)[0])
        values = {"centre": found.values}
        if not bool(found.without.isnan().all()):
            values["centre_loo"] = found.without
        return values

    def chance(self) -> dict[Split, float]:
        """Return what neighbours drawn at random among the others give, on average (order 1)."""
        return {split: self._chance(split) for split in self.splits}

    def _chance(self, split: Split) -> float:
        mine, others = self._sides(split)
        itself = 0 if split == "cross" else 1
        if self.apart and split != "cross":
            return self._chance_apart(mine, self.groups[0 if split == "train" else 1])
        if self.classes:
            counts = torch.bincount(others, minlength=self.classes)
            return float((counts[mine] - itself).double().mean() / (len(others) - itself))
        spread = self._spreads[split]
        # The mean over the others: a sample's distance to itself is 0, and is left out.
        mean = spread.mean * len(others) / (len(others) - itself)
        room = spread.largest - spread.nearest[:, 0]
        return float(((spread.largest - mean) / room)[spread.defined(1)].mean())

    def _chance_apart(self, labels: Tensor, groups: Tensor) -> float:
        """Return `chance` where neighbours are of other groups."""
        both = torch.zeros(int(groups.max()) + 1, self.classes, dtype=torch.int64, device="cpu")
        both.index_put_((groups, labels), torch.ones_like(labels), accumulate=True)
        # Of the same class, less those of the own sample.
        same = both.sum(dim=0)[labels] - both[groups, labels]
        others = len(labels) - both.sum(dim=1)[groups]
        return float((same / others).double().mean())


def drawn_to_check(rows: Sequence[int], count: int, seed: int) -> list[Tensor]:
    """Return the places of `count` samples in each split of so many `rows`, ascending, drawn by
    `seed`."""
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
