"""How hard is a data set, and which of its samples are hardest?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Unpack

import torch
from torch import Tensor

from addnn_spec.indices import IndexResult, separation_index, separation_score, smoothness_index
from addnn_spec.indices.inputs import ArrayLike, as_samples
from addnn_spec.indices.query import SearchOptions


@dataclass(frozen=True)
class Difficulty:
    """The index of a data set, and each sample's score.

    Attributes:
        index: the Separation Index, or of targets the Smoothness Index; low is hard.
        scores: (m,) how many nearest neighbours in a row share the sample's label or, with a minus,
            have others; of targets the sample's own term of the index, NaN where undefined.
        hardest: (m,) all places, the lowest score first.
    """

    index: IndexResult
    scores: Tensor
    hardest: Tensor

    def share(self, order: int) -> float:
        """Return the hard index of an order, the share of scores of at least that; of a negative
        one the anti index, the share of at most that."""
        found = self.scores >= order if order > 0 else self.scores <= order
        return float(found.double().mean())


def difficulty(
    X: ArrayLike, y: ArrayLike, *, targets: bool = False, **options: Unpack[SearchOptions]
) -> Difficulty:
    """Return the difficulty of `X` (m, …) with labels `y` (m,), or targets. Shapes and errors as in
    `separation_index`."""
    samples = as_samples(X)
    if targets:
        index = smoothness_index(samples, y, **options)
        scores = index.per_sample
    else:
        index = separation_index(samples, y, **options)
        scores = separation_score(samples, y, **options).per_sample
    assert scores is not None
    scores = scores.double().cpu()
    ranked = torch.argsort(scores.nan_to_num(nan=torch.inf), stable=True)
    return Difficulty(index, scores, ranked)
