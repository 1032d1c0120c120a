"""What a node and the labels tell of each other: mutual information, and HSIC.

All of a sample's distances count, in float64: m² of them are held. None depends on the place or on
the scale of the samples.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from addnn_spec.indices.errors import UndefinedIndexError
from addnn_spec.indices.geometry import check_finite, safe_scale
from addnn_spec.indices.inputs import ArrayLike, as_codes, as_samples, check_lengths, check_order
from addnn_spec.indices.measures import unbiased_hsic

NEIGHBOURS = 3
"""As scikit-learn takes them."""
_NEAR = 1e-6
"""Of two norms: what is nearer is not taken from products, where it cancels."""


def mutual_information(X: ArrayLike, y: ArrayLike, k: int = NEIGHBOURS) -> float:
    """Return the mutual information of samples (m, d) and their labels (m,), or targets (m, q) of
    floats, in nats; 0 where the estimate is below.

    Labels: B. Ross, 2014. With n_i samples of i's class, k_i = min(k, n_i − 1), and c_i samples, i
    among them, nearer than the k_i-th of its class: ψ(m) + ⟨ψ(k_i)⟩ − ⟨ψ(n_i)⟩ − ⟨ψ(c_i)⟩; lone
    samples of a class are left out. Targets: A. Kraskov et al., 2004, their first estimate. Both
    sides are divided by their total deviation; with a_i samples, i among them, nearer in X than the
    k-th in the larger of both distances, b_i in y: ψ(m) + ψ(k) − ⟨ψ(a_i)⟩ − ⟨ψ(b_i)⟩.

    Raises:
        ShapeError: the samples differ in number.
        UndefinedIndexError: no more than ``k`` samples, or one class alone.
        OptionError: ``k`` is below 1.
    """
    squares = squared_distances(X)
    return mutual_information_of(squares, y, k)


def mutual_information_of(squares: Tensor, y: ArrayLike, k: int = NEIGHBOURS) -> float:
    """Return `mutual_information` from the samples' squared distances (m, m)."""
    targets, codes = _labels(y, squares)
    if targets is not None:
        return _of_targets(squares, _scaled(targets), k)
    counts = torch.bincount(codes)[codes]
    kept = counts > 1
    if int(torch.unique(codes[kept]).numel()) < 2:
        raise UndefinedIndexError("mutual information needs two classes of two samples")
    squares, codes, counts = squares[kept][:, kept], codes[kept], counts[kept]
    check_order(k, len(codes) - 1)
    same = torch.where(codes[:, None] == codes, squares, math.inf).fill_diagonal_(math.inf)
    # A class of few samples has no k others.
    ranks = (counts - 1).clamp(max=k)
    nearest = same.topk(min(k, int(counts.max()) - 1), largest=False).values
    radius = nearest.gather(1, ranks[:, None] - 1)
    return max(
        _digamma(torch.tensor([len(codes)])) + _digamma(ranks) - _digamma(counts)
        - _digamma(_within(squares, radius)), 0.0,
    )  # fmt: skip


def _of_targets(squares: Tensor, targets: Tensor, k: int) -> float:
    m = len(squares)
    check_order(k, m - 1)
    squares = _scaled(squares)
    joint = torch.maximum(squares, targets).fill_diagonal_(math.inf)
    radius = joint.topk(k, largest=False).values[:, -1:]
    both = _digamma(_within(squares, radius)) + _digamma(_within(targets, radius))
    return max(_digamma(torch.tensor([m])) + _digamma(torch.tensor([k])) - both, 0.0)


def _within(squares: Tensor, radius: Tensor) -> Tensor:
    """Return how many samples are nearer than the radius (m, 1), the sample itself among them."""
    nearer = squares < radius
    return nearer.fill_diagonal_(True).sum(dim=1)


def _digamma(counts: Tensor) -> float:
    return float(torch.special.digamma(counts.double()).mean())


def _scaled(squares: Tensor) -> Tensor:
    """Return squared distances over the total variance of their samples, which is half their
    mean."""
    variance = squares.mean() / 2
    if not variance > 0:
        raise UndefinedIndexError("mutual information needs samples that differ")
    return squares / variance


def hsic(X: ArrayLike, y: ArrayLike) -> float:
    """Return the unbiased estimate of HSIC of samples (m, d) and their labels (m,), or targets
    (m, q) of floats: 0 on average where they are independent.

    A. Gretton et al., 2005; the estimate is that of Song et al., 2012. The kernel of samples, and
    of targets, is exp(−‖a − b‖² / 2σ²), σ the median distance; of labels it is 1 where they are
    equal, else 0.

    Raises:
        ShapeError: the samples differ in number.
        UndefinedIndexError: fewer than four samples, or such as do not differ.
    """
    return hsic_of(squared_distances(X), y)


def hsic_of(squares: Tensor, y: ArrayLike) -> float:
    """Return `hsic` from the samples' squared distances (m, m)."""
    targets, codes = _labels(y, squares)
    if len(squares) < 4:
        raise UndefinedIndexError("HSIC needs four samples")
    other = (codes[:, None] == codes).double() if targets is None else _kernel(targets)
    return unbiased_hsic(_kernel(squares), other)


def _labels(y: ArrayLike, squares: Tensor) -> tuple[Tensor | None, Tensor]:
    """Return the squared distances (m, m) of targets, None for labels, and codes of labels (m,)."""
    of_floats = y.is_floating_point() if isinstance(y, Tensor) else np.asarray(y).dtype.kind == "f"
    codes = torch.zeros(0, dtype=torch.int64)
    if of_floats:
        targets = squared_distances(y).to(squares.device)
        check_lengths(squares, targets, "targets")
        return targets, codes
    codes = as_codes(y)[1][0].to(squares.device)
    check_lengths(squares, codes, "labels")
    return None, codes


def _kernel(squares: Tensor) -> Tensor:
    pairs = torch.triu_indices(len(squares), len(squares), 1, device=squares.device)
    middle = squares[pairs[0], pairs[1]].median()
    if not middle > 0:
        raise UndefinedIndexError("HSIC needs samples that differ")
    return torch.exp(-squares / (2 * middle))


def squared_distances(X: ArrayLike) -> Tensor:
    """Return the squared distances (m, m) of samples (m, d), times a power of two, in float64."""
    samples = as_samples(X)
    rows = samples.double() * safe_scale(check_finite(samples), 1.0)
    rows = rows - rows.mean(dim=0)
    squares = distances_of(rows @ rows.T)
    norms = rows.square().sum(dim=1)
    # n_i + n_j - 2 g_ij of close rows is a small difference of large numbers: those are taken anew.
    near = squares < _NEAR * (norms[:, None] + norms)
    some = max(2**22 // max(rows.shape[1], 1), 1)
    pairs = torch.nonzero(near.triu(1))
    for first in range(0, len(pairs), some):
        left, right = pairs[first : first + some].T
        squares[left, right] = squares[right, left] = (rows[left] - rows[right]).square().sum(1)
    return squares


def distances_of(gram: Tensor) -> Tensor:
    """Return the squared distances of samples from their inner products (m, m)."""
    norms = gram.diagonal()
    return (norms[:, None] + norms - 2 * gram).clamp(min=0).fill_diagonal_(0)
