"""The Separation Index and its kin: is a sample's nearest neighbour of its own class?

Sources: A. Kalhor's reference classes and course; A. Kalhor et al., "Evaluation of dataflow through
layers of deep neural networks..." (arXiv 1906.05156). SI is 1 - N3, the leave-one-out error of the
nearest-neighbour rule (Ho and Basu 2002).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Unpack

import torch
from torch import Tensor

from addnn_spec.indices.errors import UndefinedIndexError
from addnn_spec.indices.geometry import CUDA_STRIP, strips
from addnn_spec.indices.inputs import (
    ArrayLike,
    as_codes,
    as_samples,
    check_choice,
    check_lengths,
    check_order,
)
from addnn_spec.indices.neighbours import Neighbours, Side, search_plan, search_sides
from addnn_spec.indices.query import Query, SearchOptions, sketched
from addnn_spec.indices.results import (
    ClassSeparation,
    GeneralizationGap,
    IndexResult,
    Triplets,
)

KINDS = ("hard", "soft", "anti")
TIES = ("lowest", "all", "any")


def separation_index(
    X: ArrayLike,
    y: ArrayLike,
    order: int = 1,
    kind: str = "hard",
    ties: str = "lowest",
    *,
    sketch: int | None = None,
    seed: int = 0,
    **options: Unpack[SearchOptions],
) -> IndexResult:
    """Return the Separation Index of ``X`` (m, ...) with labels ``y`` (m,).

    With delta_ij = 1 where the j-th nearest neighbour of sample i has its label, r = ``order``:

    - hard: ``1/m sum_i prod_{j<=r} delta_ij``
    - soft: ``1/(m r) sum_i sum_{j<=r} delta_ij``
    - anti: ``1/m sum_i prod_{j<=r} (1 - delta_ij)``

    ``ties`` (equal distances): ``"lowest"`` takes the lowest index; ``"all"`` the least value that
    any choice among equals gives; ``"any"`` the greatest. ``sketch=k`` is an approximation on
    ``k`` folded features that measures its own error.

    Raises:
        UndefinedIndexError: one sample, or ``order`` >= m.
        NotFiniteError: NaN or infinity in ``X`` or ``y``.
        ShapeError, OptionError, BudgetError: see errors.py.
    """
    check_choice("kind", kind, KINDS)
    check_choice("ties", ties, TIES)
    samples, codes, classes = labelled(X, y)
    check_order(order, len(samples) - 1)

    def compute(rows: Tensor, labels: Tensor, fold: tuple[int, int] | None) -> IndexResult:
        query = Query.of(rows, None, fold, **options)
        found = query.search(order, labels, distances=False)
        values, tied = agreement(found, labels, labels, order, kind, ties)
        result = query.record("separation index", values, order, found, labels)
        short = _short_classes(labels, order)
        return replace(result, kind=kind, ties=ties, tied=tied, short_classes=short)

    result = sketched(compute, samples, codes, sketch, seed, order)
    return replace(result, n_classes=len(classes))


def agreement(
    found: Neighbours,
    labels: Tensor,
    reference_labels: Tensor,
    order: int = 1,
    kind: str = "hard",
    ties: str = "lowest",
) -> tuple[Tensor, int]:
    """Return each sample's value (m,) and the number of samples whose neighbours are tied.

    ``found`` must hold ``order`` neighbours or more, searched with labels unless ties are lowest.
    One search so serves every order, kind and tie rule.
    """
    labels = labels.to(found.indices.device)
    reference_labels = reference_labels.to(found.indices.device)
    same = reference_labels[found.indices] == labels[:, None]
    last = found.distances[:, order - 1 : order]
    level = found.distances == last
    # The search may hold more neighbours than `order`: what it found tied beyond its last counts
    # only if the order's last is equally far.
    at_end = (found.distances[:, -1:] == last)[:, 0].long()
    equals = level.sum(dim=1) + at_end * found.surplus
    taken = level[:, :order].sum(dim=1)
    tied = int((equals > taken).sum())
    hits = same[:, :order].sum(dim=1)
    if ties != "lowest":
        if found.surplus_same is None:
            raise UndefinedIndexError("ties other than lowest need a search with labels")
        matching = (same & level).sum(dim=1) + at_end * found.surplus_same
        nearer = (same & (found.distances < last)).sum(dim=1)
        # Of the equals `taken` are chosen: at worst all that are of other classes first.
        fewest = nearer + (taken - (equals - matching)).clamp_min(0)
        most = nearer + torch.minimum(taken, matching)
        # "all" is the least value; for anti, which counts misses, that takes the most hits.
        hits = fewest if (ties == "all") == (kind != "anti") else most
    if kind == "soft":
        return hits.double() / torch.full_like(hits, order), tied
    return (hits == (order if kind == "hard" else 0)).double(), tied


def class_separation(
    X: ArrayLike, y: ArrayLike, order: int = 1, **options: Unpack[SearchOptions]
) -> ClassSeparation:
    """Return CS_k: the (hard) Separation Index over the samples of each class; ``SI = sum_k m_k/m
    CS_k``.

    Shapes and errors as in ``separation_index``.
    """
    index = separation_index(X, y, order, **options)
    _, codes, classes = labelled(X, y)
    assert index.per_sample is not None
    counts = torch.bincount(codes, minlength=len(classes))
    hits = torch.bincount(codes, index.per_sample.cpu(), minlength=len(classes))
    values = (hits / counts).tolist()
    return ClassSeparation(tuple(classes), tuple(values), tuple(counts.tolist()), index)


def center_separation_index(
    X: ArrayLike, y: ArrayLike, *, leave_one_out: bool = False, **options: Unpack[SearchOptions]
) -> IndexResult:
    """Return CSI: the share of samples of ``X`` (m, ...) whose nearest class mean is that of their
    class.

    The course's form takes each sample into its own class's mean, which inflates the index for
    small classes; ``leave_one_out`` takes it out, exactly: the distance to the own mean grows by
    ``n_k / (n_k - 1)``. There a sample alone in its class is undefined, and counted.

    Raises:
        UndefinedIndexError: one sample, or no sample is defined. Others as in ``separation_index``.
    """
    samples, codes, classes = labelled(X, y)
    check_order(1, len(samples) - 1)
    query = Query.of(samples, **options)
    rows = query.samples
    plan = search_plan(
        len(rows),
        rows.shape[1],
        2,
        references=len(classes),
        budget=query.budget,
        device=rows.device.type,
    )
    side = Side.of(rows, plan, query.space.weight, product=query.product)
    hits = centre_hits(side, codes)
    values, tied = (hits.without, hits.without_tied) if leave_one_out else (hits.values, hits.tied)
    if bool(torch.isnan(values).all()):
        raise UndefinedIndexError("every class has one sample: no mean without it")
    name = "centre separation index" + (", leave-one-out" if leave_one_out else "")
    result = query.record(name, values, labels=codes)
    return replace(result, tied=tied, n_classes=len(classes))


@dataclass(frozen=True)
class CentreHits:
    """Hits of the class means: each sample's nearest is its own class's, or not.

    Attributes:
        values: (m,), 1 or 0.
        tied: how many samples have another mean equally near.
        without, without_tied: the same with each sample taken out of its mean; NaN where it is
            alone.
    """

    values: Tensor
    tied: int
    without: Tensor
    without_tied: int


def centre_hits(side: Side, codes: Tensor) -> CentreHits:
    """Return both forms of the centre index from one search of ``side`` (m, d) among the class
    means."""
    codes = torch.unique(codes, return_inverse=True)[1].to(side.rows.device)
    centres, counts = _class_means(side.rows, codes)
    size = counts[codes].double()
    # Added to a hit it leaves it, or makes it undefined.
    alone = torch.where(size > 1, 0.0, torch.nan)
    if len(counts) == 1:
        return CentreHits(torch.ones_like(size), 0, 1 + alone, 0)
    means = Side.of(centres, side.plan, frame=side.frame)
    found = search_sides(side, 2, references=means, distances=False)
    own = found.indices[:, 0] == codes
    hits, level = _hits_without(side, means, codes, size / (size - 1), found)
    tied = int((found.distances[:, 0] == found.distances[:, 1]).sum())
    return CentreHits(own.double(), tied, hits.double() + alone, int(level.sum()))


def _hits_without(
    side: Side, means: Side, codes: Tensor, growth: Tensor, found: Neighbours
) -> tuple[Tensor, Tensor]:
    """Tell whether the own mean, ``growth`` (m,) times farther, is still the nearest, and whether
    another is then equally near (m,): exact distances only where float32 leaves it open."""
    frame = side.frame
    near = (found.distances[:, 0] * growth * frame.scale).square()
    far = (found.distances[:, 1] * frame.scale).square()
    slack = side.slack(means).double()
    margin = frame.doubt(near, slack) * growth.square() + frame.doubt(far, slack)
    first, second = found.indices.T
    own = first == codes
    hits = own & (near < far)
    level = torch.zeros_like(own)
    # A mean that is not the nearest only moves away; at distance 0 nothing moves, and ties decide.
    still = growth.isfinite() & (own | (found.distances[:, 0] == 0))
    (rows,) = torch.nonzero(still & ((near - far).abs() <= margin), as_tuple=True)
    rival = torch.where(own, second, first)[rows]
    mine, others = (
        frame.distances(frame.settled(side.rows, rows, means.rows, means_of))
        for means_of in (codes[rows], rival)
    )
    mine = mine * growth[rows]
    # Among equals the lower index, as in every search.
    hits[rows] = (mine < others) | ((mine == others) & (codes[rows] < rival))
    level[rows] = mine == others
    return hits, level


def _class_means(samples: Tensor, codes: Tensor) -> tuple[Tensor, Tensor]:
    """Return the means (C, d) in float64 and the sizes (C,) of the classes 0 to C - 1."""
    counts = torch.bincount(codes)
    shape = len(counts), samples.shape[1]
    total = torch.zeros(shape, dtype=torch.float64, device=samples.device)
    if samples.is_cuda:  # where sums by index take their time
        member = torch.nn.functional.one_hot(codes, len(counts)).double().T
        for columns in strips(samples.shape[1], len(samples), CUDA_STRIP):
            torch.mm(member, samples[:, columns].double(), out=total[:, columns])
        return total.div_(counts[:, None]), counts
    for start in range(0, len(samples), 128):
        part = slice(start, start + 128)
        for columns in strips(samples.shape[1], 128):
            total[:, columns].index_add_(0, codes[part], samples[part, columns].double())
    return total.div_(counts[:, None]), counts


def cross_separation_index(
    X: ArrayLike,
    y: ArrayLike,
    X_test: ArrayLike,
    y_test: ArrayLike,
    order: int = 1,
    kind: str = "hard",
    ties: str = "lowest",
    **options: Unpack[SearchOptions],
) -> IndexResult:
    """Return cross-SI: the index of ``X_test`` (n, ...) by its neighbours among the training data
    ``X``.

    At order 1 it is the test accuracy of the nearest-neighbour rule. The result's ``m`` counts test
    samples; normalisation takes the training statistics. Labels may be missing on either side.

    Raises:
        UndefinedIndexError: ``order`` > the number of training samples. Others as above.
    """
    check_choice("kind", kind, KINDS)
    check_choice("ties", ties, TIES)
    train, test = as_samples(X), as_samples(X_test, "X_test")
    classes, (codes, test_codes) = as_codes(y, y_test)
    check_lengths(train, codes, "labels")
    check_lengths(test, test_codes, "test labels")
    query = Query.of(test, train, **options)
    found = query.search(order, test_codes, codes, distances=False)
    values, tied = agreement(found, test_codes, codes, order, kind, ties)
    result = query.record("cross separation index", values, order, found, test_codes)
    return replace(result, kind=kind, ties=ties, tied=tied, n_classes=len(classes))


def generalization_gap(
    X: ArrayLike,
    y: ArrayLike,
    X_test: ArrayLike,
    y_test: ArrayLike,
    **options: Unpack[SearchOptions],
) -> GeneralizationGap:
    """Return ``SI(train) - cross-SI(test)``: near 0 where both come from one distribution, else a
    shift.

    The comparison is the course's; the name and the difference are this package's.
    """
    train = separation_index(X, y, **options)
    return GeneralizationGap(train, cross_separation_index(X, y, X_test, y_test, **options))


def local_triplets(X: ArrayLike, y: ArrayLike, **options: Unpack[SearchOptions]) -> Triplets:
    """Return each sample's nearest of the same and of another class: triplets for a local loss.

    Raises:
        UndefinedIndexError: no sample has both.
    """
    samples, codes, _ = labelled(X, y)
    check_order(1, len(samples) - 1)
    query = Query.of(samples, **options)
    same, other = nearest_by_label(query, codes)
    defined = (same.indices[:, 0] >= 0) & (other.indices[:, 0] >= 0)
    if not bool(defined.any()):
        raise UndefinedIndexError("no sample has another of its class and one of another class")
    return Triplets(
        anchors=torch.nonzero(defined)[:, 0],
        positives=same.indices[defined, 0],
        negatives=other.indices[defined, 0],
        positive_distances=same.distances[defined, 0],
        negative_distances=other.distances[defined, 0],
        undefined=int((~defined).sum()),
    )


def nearest_by_label(query: Query, codes: Tensor) -> tuple[Neighbours, Neighbours]:
    """Return the nearest of the same and of another class for each sample; -1 at inf where there is
    none."""
    return query.search(1, codes, among="same"), query.search(1, codes, among="other")


def labelled(X: ArrayLike, y: ArrayLike) -> tuple[Tensor, Tensor, list[object]]:
    """Return samples (m, d), codes of their classes (m,), and the classes, sorted.

    Raises:
        ShapeError, NotFiniteError: as ``separation_index``.
    """
    samples = as_samples(X)
    classes, (codes,) = as_codes(y)
    check_lengths(samples, codes, "labels")
    return samples, codes, classes


def _short_classes(codes: Tensor, order: int) -> int:
    counts = torch.bincount(codes)
    return int(counts[counts <= order].sum())
