"""Labels that none of a sample's nearest neighbours has: the terms of the anti index."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Unpack

import torch
from torch import Tensor

from addnn_spec.indices import neighbours, separation_score
from addnn_spec.indices.inputs import ArrayLike, check_order
from addnn_spec.indices.query import SearchOptions
from addnn_spec.indices.separation import labelled


@dataclass(frozen=True)
class Suspects:
    """Samples whose `order` nearest neighbours all have other labels than their own.

    Attributes:
        places: which samples (k,), the most doubtful first: by the neighbours that agree on one
            other label, then by the score.
        scores: of all samples (m,): how many nearest neighbours in a row share the label, or, with
            a minus, have others.
        labels, others: of each suspect its label, and the one that most of its neighbours have.
        votes: how many of the `order` neighbours have that.
        order, m: neighbours taken, and samples.
    """

    places: Tensor
    scores: Tensor
    labels: tuple[Any, ...]
    others: tuple[Any, ...]
    votes: tuple[int, ...]
    order: int
    m: int

    def __len__(self) -> int:
        return len(self.places)


def suspect_labels(
    X: ArrayLike, y: ArrayLike, order: int = 5, **options: Unpack[SearchOptions]
) -> Suspects:
    """Return the samples of `X` (m, …) whose labels `y` (m,) are doubtful: their share is the anti
    Separation Index of this order.

    Of a higher order fewer labels are suspected, and more of these are wrong. Shapes and errors as
    in `separation_index`.
    """
    samples, codes, classes = labelled(X, y)
    check_order(order, len(samples) - 1)
    result = separation_score(samples, codes, **options)
    assert result.per_sample is not None
    scores = result.per_sample.long().cpu()
    places = torch.nonzero(scores <= -order)[:, 0]
    near = neighbours(samples, order, **options).indices.cpu()[places]
    counts = torch.zeros(len(places), len(classes), dtype=torch.int64)
    counts.scatter_add_(1, codes.cpu()[near], torch.ones_like(near))
    votes, others = counts.max(dim=1) if len(places) else (places, places)
    ranks = sorted(
        range(len(places)), key=lambda k: (-int(votes[k]), int(scores[places[k]]), int(places[k]))
    )
    places = places[ranks]
    return Suspects(
        places=places,
        scores=scores,
        labels=tuple(classes[int(codes[place])] for place in places),
        others=tuple(classes[int(others[k])] for k in ranks),
        votes=tuple(int(votes[k]) for k in ranks),
        order=order,
        m=len(samples),
    )
