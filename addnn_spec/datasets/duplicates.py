"""Near-duplicates: samples of one part that stand, but for a little, in another."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Unpack

import torch
from torch import Tensor

from addnn_spec.indices import neighbours
from addnn_spec.indices.errors import OptionError
from addnn_spec.indices.inputs import ArrayLike, as_samples
from addnn_spec.indices.query import SearchOptions

NEAR = 0.25
"""The share of the usual distance to the nearest sample that is told as a near-duplicate."""


@dataclass(frozen=True)
class Duplicates:
    """Samples of test with one of train that is much nearer than usual.

    Attributes:
        places, twins: (k,) in test, and the nearest of train, the nearest pair first.
        distances: (k,) between them.
        usual: the median over test of the distance to the nearest of train.
        near: the share of `usual` up to which a pair is told.
        exact: how many pairs are at distance 0.
        n: samples of test.
    """

    places: Tensor
    twins: Tensor
    distances: Tensor
    usual: float
    near: float
    exact: int
    n: int

    def __len__(self) -> int:
        return len(self.places)


def near_duplicates(
    X: ArrayLike, X_test: ArrayLike, near: float = NEAR, **options: Unpack[SearchOptions]
) -> Duplicates:
    """Return the samples of `X_test` (n, …) that stand in `X` (m, …), too, but for a little: noise,
    another brightness, another compression of an image, not another place or size of it.

    A pair is told where its distance is at most `near` of the median over `X_test` of the distance
    to the nearest of `X`. In data of few features, or of rounded ones, such pairs are no copies.
    """
    return nearest_pairs(as_samples(X_test, "X_test"), [as_samples(X)], near, **options)


def nearest_pairs(
    test: Tensor, parts: Iterable[Tensor], near: float = NEAR, **options: Unpack[SearchOptions]
) -> Duplicates:
    """Return `near_duplicates` of test samples among training samples that come in parts (m_i,
    d)."""
    if not 0 <= near <= 1:
        raise OptionError(f"near is a share of the usual distance, 0 to 1, not {near!r}")
    distances = torch.full((len(test),), torch.inf, dtype=torch.float64)
    twins = torch.full((len(test),), -1, dtype=torch.int64)
    start = 0
    for part in parts:
        found = neighbours(test, 1, references=part, **options)
        here = found.distances[:, 0].double().cpu()
        closer = here < distances
        distances = torch.where(closer, here, distances)
        twins = torch.where(closer, found.indices[:, 0].cpu() + start, twins)
        start += len(part)
    usual = float(distances.median())
    places = torch.nonzero(distances <= near * usual)[:, 0]
    places = places[torch.argsort(distances[places], stable=True)]
    return Duplicates(
        places=places,
        twins=twins[places],
        distances=distances[places],
        usual=usual,
        near=near,
        exact=int((distances == 0).sum()),
        n=len(test),
    )
