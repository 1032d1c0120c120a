"""Are the parts of a data set alike? The index of each, and of each among the other."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Unpack

import numpy as np
import torch
from torch import Tensor

from addnn_spec.indices import (
    IndexResult,
    TargetSpread,
    cross_separation_index,
    cross_smoothness_index,
    separation_index,
    smoothness_index,
)
from addnn_spec.indices.inputs import ArrayLike, as_samples
from addnn_spec.indices.query import SearchOptions
from addnn_spec.statistics.intervals import beyond
from addnn_spec.statistics.linked import Floats, Ids, together
from addnn_spec.statistics.paired import holm, paired_difference


@dataclass(frozen=True)
class IndexGap:
    """How far two indices of a data set's parts are apart.

    Attributes:
        first, second: which, in words.
        value, error: the second minus the first, and its standard error.
        p: how often parts that are alike differ by as much.
        holds: whether they differ beyond error, all three comparisons taken together.
    """

    first: str
    second: str
    value: float
    error: float
    p: float
    holds: bool


@dataclass(frozen=True)
class Homogeneity:
    """The indices of two parts of one size, and whether they are alike.

    Attributes:
        train, test: each part's index on its own samples.
        cross: that of test, neighbours among train; `back`: that of train, neighbours among test.
        apart: the three comparisons: test and train; cross and test; back and train.
    """

    train: IndexResult
    test: IndexResult
    cross: IndexResult
    back: IndexResult
    apart: tuple[IndexGap, ...]

    def __bool__(self) -> bool:
        """Return True where no two of the indices differ beyond error."""
        return not any(one.holds for one in self.apart)


def homogeneity(
    X: ArrayLike,
    y: ArrayLike,
    X_test: ArrayLike,
    y_test: ArrayLike,
    *,
    targets: bool = False,
    **options: Unpack[SearchOptions],
) -> Homogeneity:
    """Compare the parts `X` (m, …) and `X_test` (n, …) by the index; m and n should be about equal,
    for an index grows with its samples.

    Were both drawn from one distribution, a sample's neighbour in the other part would be as good
    as one in its own. So train is compared with test, and each part with itself among the other:
    those two by paired differences. `targets` takes the Smoothness Index in place of the
    Separation Index, its largest distance D_i over both parts: else one far target would move all
    samples of its part. Shapes and errors as in `separation_index`.
    """
    first, second = (as_samples(X), y), (as_samples(X_test, "X_test"), y_test)
    if targets:
        train, test, cross, back = _smoothness(first, second, **options)
    else:
        train, test = (separation_index(*part, **options) for part in (first, second))
        cross = cross_separation_index(*first, *second, **options)
        back = cross_separation_index(*second, *first, **options)
    found = [_independent(train, test), _paired(test, cross), _paired(train, back)]
    names = [("train", "test"), ("test", "test among train"), ("train", "train among test")]
    holds = holm([p for _, _, p in found])
    apart = [
        IndexGap(*pair, *one, held) for pair, one, held in zip(names, found, holds, strict=True)
    ]
    return Homogeneity(train, test, cross, back, tuple(apart))


_Part = tuple[Tensor, ArrayLike]


def _smoothness(first: _Part, second: _Part, **options: Unpack[SearchOptions]) -> list[IndexResult]:
    """Return the four indices with one scale: the largest distance of a target in both parts."""
    goals = [
        torch.as_tensor(part[1]).double().reshape(len(part[0]), -1) for part in (first, second)
    ]
    most = max(float(one.abs().max()) for one in goals)
    goals = [one / (most or 1.0) for one in goals]
    widest = [TargetSpread.of(one, 1, references=torch.cat(goals)).largest for one in goals]
    rows = [first[0], second[0]]
    found = []
    for own, other in ((0, 0), (1, 1), (1, 0), (0, 1)):
        if own == other:
            result = smoothness_index(rows[own], goals[own], **options)
            spread = TargetSpread.of(goals[own], 1)
        else:
            result = cross_smoothness_index(rows[other], goals[other], rows[own], goals[own],
                                            **options)  # fmt: skip
            spread = TargetSpread.of(goals[own], 1, references=goals[other])
        assert result.touches is not None
        near = goals[other][result.touches[:, -1].cpu()]
        error = torch.linalg.vector_norm(near - goals[own], dim=1)
        least, largest = spread.nearest[:, 0], widest[own]
        values = torch.where(largest > least, (largest - error) / (largest - least), torch.nan)
        found.append(replace(result, value=float(values.nanmean()), per_sample=values))
    return found


def _independent(a: IndexResult, b: IndexResult) -> tuple[float, float, float]:
    value, error = b.value - a.value, math.hypot(a.standard_error, b.standard_error)
    return value, error, beyond(value, error, min(a.m, b.m) - 1)


def _paired(own: IndexResult, across: IndexResult) -> tuple[float, float, float]:
    """Compare the samples' values with neighbours in their own part and with neighbours in the
    other."""
    classes = None if own.labels is None else own.labels.cpu().numpy()
    touches = together(_ids(own), _ids(across))
    one = paired_difference(_values(own), _values(across), touches, classes)
    return one.value, one.error, one.p


def _values(result: IndexResult) -> Floats:
    assert result.per_sample is not None
    return result.per_sample.double().cpu().numpy()


def _ids(result: IndexResult) -> Ids:
    assert result.touches is not None
    return np.asarray(result.touches.cpu().numpy())
