"""A division of a data set into parts that are alike by the index."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Unpack

import numpy as np
import torch
from torch import Tensor

from addnn_spec.indices import separation_score, smoothness_index
from addnn_spec.indices.errors import OptionError
from addnn_spec.indices.inputs import ArrayLike, as_samples
from addnn_spec.indices.query import SearchOptions
from addnn_spec.indices.separation import labelled
from addnn_spec.statistics.linked import Floats, Ids


@dataclass(frozen=True)
class Division:
    """Which samples are training samples, and which are test samples: places, ascending."""

    train: Tensor
    test: Tensor


def divide(
    X: ArrayLike,
    y: ArrayLike,
    share: float = 0.2,
    *,
    seed: int = 0,
    targets: bool = False,
    **options: Unpack[SearchOptions],
) -> Division:
    """Divide `X` (m, …) with labels `y` (m,) into train and, `share` of it, test.

    Within each class the samples are sorted by their separation score and dealt out evenly, from a
    start that `seed` draws: both parts have each class's share of easy and of hard samples, and so
    differ in their indices by less than parts drawn by class alone. Targets are sorted by their own
    term of the Smoothness Index. Shapes and errors as in `separation_index`.
    """
    if not 0 < share < 1:
        raise OptionError(f"share is what test has of the samples, between 0 and 1, not {share!r}")
    if targets:
        result = smoothness_index(as_samples(X), y, **options)
        codes = torch.zeros(result.m, dtype=torch.int64)
    else:
        samples, codes, _ = labelled(X, y)
        result = separation_score(samples, codes, **options)
    assert result.per_sample is not None
    scores = result.per_sample.double().cpu().nan_to_num().numpy()
    chosen = _dealt(scores, codes.cpu().numpy(), share, np.random.default_rng(seed))
    test = torch.zeros(len(scores), dtype=torch.bool)
    test[torch.from_numpy(chosen)] = True
    return Division(torch.nonzero(~test)[:, 0], torch.nonzero(test)[:, 0])


def _dealt(scores: Floats, codes: Ids, share: float, generator: np.random.Generator) -> Ids:
    """Return every (1 / share)-th place in the order of class and score, equal ones in any."""
    # The last key sorts first: by class, then by score, equal scores at random.
    order = np.lexsort((generator.random(len(scores)), scores, codes))
    count = max(1, min(round(share * len(scores)), len(scores) - 1))
    step = len(scores) / count
    start = generator.random() * step
    at = [min(math.floor(start + k * step), len(scores) - 1) for k in range(count)]
    return np.sort(order[at])
