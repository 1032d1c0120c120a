"""Results: numbers that say how they came about."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from torch import Tensor

from addnn_spec.indices.errors import UndefinedIndexError
from addnn_spec.statistics.intervals import Stated, stated


@dataclass(frozen=True)
class SketchError:
    """How far a sketch was off where it was checked.

    Attributes:
        width, seed: the sketch's k and seed.
        samples: how many samples the check took, nested in the data.
        exact, sketched: the index on them, without and with the sketch.
    """

    width: int
    seed: int
    samples: int
    exact: float
    sketched: float

    @property
    def error(self) -> float:
        """Sketched minus exact."""
        return self.sketched - self.exact


@dataclass(frozen=True)
class IndexResult:
    """One index: ``float(result)`` is its value, ``str(result)`` names how it was taken.

    Attributes:
        name: the index.
        value: the mean over the defined samples.
        m: samples, undefined ones included.
        dimensions: features a sample, as passed in.
        order: neighbours taken, r.
        kind: "hard", "soft" or "anti", where the index has kinds.
        normalisation: "none" or "z-score".
        metric: "euclidean", "mahalanobis" or "whiten".
        ties: the rule for equal distances.
        tied: samples whose r neighbours are not determined by their distances.
        undefined: samples without a value, left out of the mean.
        exact: False for a sketch, whose measured error is then in ``sketch``.
        n_classes: classes seen; None for targets.
        short_classes: samples whose class has r members or fewer: their hard value is 0 by
            construction.
        per_sample: (m,) float64 values, NaN where undefined.
        touches: (m, c) int64, what each sample touches: itself and its r neighbours, or the
            training samples that these are; samples that touch a same one are linked.
        labels: (m,) codes of classes; None for targets.
    """

    name: str
    value: float
    m: int
    dimensions: int
    order: int = 1
    kind: str | None = None
    normalisation: str = "none"
    metric: str = "euclidean"
    ties: str = "lowest"
    tied: int = 0
    undefined: int = 0
    exact: bool = True
    n_classes: int | None = None
    short_classes: int = 0
    sketch: SketchError | None = None
    per_sample: Tensor | None = field(default=None, compare=False, repr=False)
    touches: Tensor | None = field(default=None, compare=False, repr=False)
    labels: Tensor | None = field(default=None, compare=False, repr=False)

    @property
    def standard_error(self) -> float:
        """How far the value may be off: its standard error, which knows that neighbours are
        mutual."""
        return self.interval.error

    @cached_property
    def interval(self) -> Stated:
        """The 95 % interval, of one side near 0 and 1 (docs/indices.md).

        Raises:
            UndefinedIndexError: the value is no mean of terms that are known.
        """
        if self.per_sample is None or self.touches is None:
            raise UndefinedIndexError(f"of the {self.name} no standard error is known")
        labels = None if self.labels is None else self.labels.cpu().numpy()
        values = self.per_sample.double().cpu().numpy()
        return stated(values, self.touches.cpu().numpy(), labels)

    def __float__(self) -> float:
        return self.value

    def __str__(self) -> str:
        parts = [f"m = {self.m}", f"d = {self.dimensions}", f"order {self.order}"]
        if self.kind is not None:
            parts.append(self.kind)
        parts += [f"normalisation {self.normalisation}", self.metric, f"ties {self.ties}"]
        for count, word in ((self.tied, "tied"), (self.undefined, "undefined")):
            if count:
                parts.append(f"{count} {word}")
        if self.sketch is not None:
            error = f"{self.sketch.error:+.4f} on {self.sketch.samples} samples"
            parts.append(f"sketch of {self.sketch.width}, error {error}")
        return f"{self.name} {self.value:.6f} ({', '.join(parts)})"


@dataclass(frozen=True)
class ClassSeparation:
    """The Separation Index of each class; ``float(result)`` is their sum weighted by size.

    Attributes:
        classes: the labels, sorted.
        values, counts: index and size of each.
        index: the whole Separation Index.
    """

    classes: tuple[Any, ...]
    values: tuple[float, ...]
    counts: tuple[int, ...]
    index: IndexResult

    def __float__(self) -> float:
        return self.index.value

    def __getitem__(self, label: Any) -> float:
        return self.values[self.classes.index(label)]


@dataclass(frozen=True)
class GeneralizationGap:
    """``float(result)``: the Separation Index of the training data minus the cross index."""

    train: IndexResult
    cross: IndexResult

    def __float__(self) -> float:
        return self.train.value - self.cross.value


@dataclass(frozen=True)
class Guarantee:
    """Which samples' nearest-neighbour prediction no error up to gamma can change.

    Attributes:
        holds: (n,) bool for n test samples, or (1,) for the form without them.
        margin: (n,) or (1,) float64: gamma must lie below it, in the data's units.
        within, between: the distances it comes from: (dp, dn), or (dw_max, db_min).
        gamma: the bound on the measuring error.
        index: the Separation Index, which must be 1.
        reason: why nothing is guaranteed, or "".
    """

    holds: Tensor
    margin: Tensor
    within: Tensor
    between: Tensor
    gamma: float
    index: IndexResult
    reason: str = ""

    def __float__(self) -> float:
        """Return the share of samples guaranteed."""
        return float(self.holds.double().mean())

    def __bool__(self) -> bool:
        return bool(self.holds.all())


@dataclass(frozen=True)
class Margins:
    """How far off each sample may be before its nearest neighbour is of another class.

    Attributes:
        margin: (n,) float64, in the data's units: an error below it changes no prediction.
        nearest: (n,) the place of each sample's nearest neighbour.
        agree: (n, r) bool: whether all of the first 1 … r neighbours are of one class.
        by_order: (n, r) float64: an error below it leaves the nearest neighbour among the first
            1 … r, whatever the labels of the others; 0 where these do not agree.
    """

    margin: Tensor
    nearest: Tensor
    agree: Tensor
    by_order: Tensor


@dataclass(frozen=True)
class SmoothnessBound:
    """Bounds on ``|y - y_1*|`` of test samples; they assume a Smoothness Index of 1.

    Attributes:
        bounds: (n,) float64 in the targets' units; ``float(result)`` is the largest.
        candidates: (n,) training samples that each maximum was taken over.
        gamma: the bound on the measuring error of the features.
        index: the training data's linear Smoothness Index.
        assumption_holds: whether that is 1.
    """

    bounds: Tensor
    candidates: Tensor
    gamma: float
    index: IndexResult
    assumption_holds: bool

    def __float__(self) -> float:
        return float(self.bounds.max())


@dataclass(frozen=True)
class Triplets:
    """Each sample with its nearest of the same and of another class, for a triplet loss.

    Attributes:
        anchors, positives, negatives: (t,) int64 indices of samples.
        positive_distances, negative_distances: (t,) float64.
        undefined: samples left out, for having no other of their class, or no other class.
    """

    anchors: Tensor
    positives: Tensor
    negatives: Tensor
    positive_distances: Tensor
    negative_distances: Tensor
    undefined: int

    def __len__(self) -> int:
        return len(self.anchors)
