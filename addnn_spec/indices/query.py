"""From what callers pass to the one search: spaces, sketches, and the record of both."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypedDict

import torch
from torch import Tensor

from addnn_spec.indices.inputs import ArrayLike, as_samples, check_order, check_widths
from addnn_spec.indices.neighbours import Neighbours, search
from addnn_spec.indices.products import AUTO
from addnn_spec.indices.results import IndexResult, SketchError
from addnn_spec.indices.space import Metric, Space, fold_all

CHECKED = 1000  # samples that a sketch's error is measured on


class SearchOptions(TypedDict, total=False):
    """Options that every index takes.

    normalize: z-score each feature (ddof 1, + 1e-10); test data with the training statistics.
    metric: "euclidean", "whiten", or a Mahalanobis matrix (d, d).
    budget: bytes to work in beside the inputs; a metric other than Euclidean adds a float64 copy.
    product: what bounds of distances are taken by, "auto" for the fastest there is, "float16",
        "bfloat16", "float32" or "float64": it bears on speed, never on a result.
    """

    normalize: bool
    metric: Metric
    budget: int | None
    product: str


@dataclass(frozen=True)
class Query:
    """Samples, perhaps searched among references, in one space."""

    samples: Tensor
    references: Tensor | None
    space: Space
    budget: int | None
    product: str

    @classmethod
    def of(
        cls,
        samples: Tensor,
        references: Tensor | None = None,
        sketch: tuple[int, int] | None = None,
        *,
        normalize: bool = False,
        metric: Metric = "euclidean",
        budget: int | None = None,
        product: str = AUTO,
    ) -> Query:
        """Make a query; its space comes from the references where there are any. ``sketch``: width
        and seed."""
        if references is not None:
            check_widths(samples, references)
            if samples.device != references.device:
                samples = samples.to(references.device)
        base = samples if references is None else references
        space = Space.of(base, normalize, metric)
        placed = [space.place(samples)] + ([] if references is None else [space.place(base)])
        if sketch is not None:
            # The weight is folded in: a folded value is a sum of several features.
            placed = fold_all(*sketch, space.weight, *placed)
            space = replace(space, weight=None)
        target = placed[1] if references is not None else None
        return cls(placed[0], target, space, budget, product)

    def search(
        self,
        order: int,
        labels: Tensor | None = None,
        reference_labels: Tensor | None = None,
        among: str = "all",
        distances: bool = True,
    ) -> Neighbours:
        """Return the search in this query's space; see ``neighbours.search``."""
        target = self.references
        others = len(self.samples) - 1 if target is None else len(target)
        check_order(order, others)
        return search(
            self.samples,
            order,
            references=target,
            labels=labels,
            reference_labels=reference_labels,
            among=among,
            weight=self.space.weight,
            budget=self.budget,
            distances=distances,
            product=self.product,
        )

    def record(
        self,
        name: str,
        per_sample: Tensor,
        order: int = 1,
        found: Neighbours | None = None,
        labels: Tensor | None = None,
    ) -> IndexResult:
        """Return a result: the mean of the defined (not NaN) samples, with the space's names;
        `found` are the neighbours that link them, if any do."""
        defined = ~torch.isnan(per_sample)
        touches = torch.arange(len(per_sample), device=per_sample.device)[:, None]
        if found is not None:
            near = found.indices[:, :order]
            itself = touches.to(near.device)
            touches = near if self.references is not None else torch.cat([itself, near], dim=1)
        return IndexResult(
            name=name,
            value=float(per_sample[defined].double().cpu().mean()),  # one order on any device
            m=len(per_sample),
            dimensions=self.space.dimensions,
            order=order,
            normalisation=self.space.normalisation,
            metric=self.space.metric,
            undefined=int((~defined).sum()),
            per_sample=per_sample,
            touches=touches,
            labels=labels,
        )


def neighbours(
    X: ArrayLike,
    order: int = 1,
    *,
    references: ArrayLike | None = None,
    labels: Tensor | None = None,
    reference_labels: Tensor | None = None,
    among: str = "all",
    normalize: bool = False,
    metric: Metric = "euclidean",
    budget: int | None = None,
    product: str = AUTO,
) -> Neighbours:
    """Return the exact ``order`` nearest neighbours of every sample of ``X`` (m, ...), self
    excluded.

    With ``references`` (n, ...), among those, and normalised by those. ``labels`` (m,) and
    ``reference_labels`` (n,) are int64 tensors; they let ``among`` be ``"same"`` or ``"other"``.
    One result serves every index of order up to ``order``.

    Raises:
        IndicesError: see errors.py.
    """
    target = None if references is None else as_samples(references, "references")
    query = Query.of(
        as_samples(X), target, normalize=normalize, metric=metric, budget=budget, product=product
    )
    return query.search(order, labels, reference_labels, among)


Compute = Callable[[Tensor, Tensor, tuple[int, int] | None], IndexResult]


def sketched(
    compute: Compute, samples: Tensor, others: Tensor, sketch: int | None, seed: int, order: int
) -> IndexResult:
    """Return ``compute(samples, others, fold)``, exact without ``sketch``, else with its measured
    error.

    The error is that of the same sketch on up to 1000 of the samples, drawn by ``seed``. A sketch
    as wide as the samples is no sketch: the result is exact.
    """
    if sketch is None or sketch >= samples.shape[1]:
        return compute(samples, others, None)
    fold = (sketch, seed)
    result = compute(samples, others, fold)
    # Fewer would have no neighbours of that order.
    count = max(min(CHECKED, len(samples)), order + 1)
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randperm(len(samples), generator=generator, device="cpu")[:count]
    some = samples[drawn.to(samples.device)], others[drawn.to(others.device)]
    exact, approximate = compute(*some, None), compute(*some, fold)
    error = SketchError(sketch, seed, count, exact.value, approximate.value)
    return replace(result, exact=False, sketch=error)
