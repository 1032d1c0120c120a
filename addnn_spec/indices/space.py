"""The space of distances: normalisation, metric, sketch, fixed by the (training) data."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from addnn_spec.indices.errors import OptionError, ShapeError
from addnn_spec.indices.geometry import check_finite, column_chunks
from addnn_spec.indices.inputs import check_widths

Metric = str | Tensor | np.ndarray[Any, Any]


@dataclass(frozen=True)
class Space:
    """A fixed linear map of features, in which distances are Euclidean.

    Attributes:
        dimensions: features as passed in.
        normalisation, metric: names for the record.
        weight: (d,) float64, applied inside the search, or None.
        shift, matrix: (d,) and (d, k) float64: samples are placed at ``(x - shift) @ matrix``.
    """

    dimensions: int
    normalisation: str
    metric: str
    weight: Tensor | None = None
    shift: Tensor | None = None
    matrix: Tensor | None = None

    @classmethod
    def of(cls, samples: Tensor, normalize: bool = False, metric: Metric = "euclidean") -> Self:
        """Return the space of ``samples`` (m, d).

        z-score: each feature divided by its standard deviation (ddof 1) + 1e-10. ``metric``:
        ``"euclidean"``, ``"whiten"`` (the pseudo-inverse of the samples' covariance) or a symmetric
        positive semi-definite (d, d) matrix M, for ``(x - y)^T M (x - y)``.

        Raises:
            NotFiniteError: a value is NaN or infinite.
            OptionError, ShapeError: M is not such a matrix; whitening takes more samples.
        """
        width = samples.shape[1]
        normalisation = "z-score" if normalize else "none"
        weight = _z_score(samples) if normalize else None
        if isinstance(metric, str) and metric == "euclidean":
            return cls(width, normalisation, metric, weight)
        check_finite(samples)
        shift = samples.double().mean(dim=0)
        scale = torch.ones_like(shift) if weight is None else weight
        if isinstance(metric, str):
            if metric != "whiten":
                raise OptionError(f"metric is euclidean, whiten or a matrix, not {metric!r}")
            if width >= len(samples) - 1:
                message = f"whitening {width} features takes more than {width + 1} samples"
                raise OptionError(f"{message}: with {len(samples)} all are equally far apart")
            name, root = metric, _whitening((samples.double() - shift) * scale)
        else:
            name, root = "mahalanobis", _root(torch.as_tensor(metric).to(shift), width)
        return cls(width, normalisation, name, None, shift, scale[:, None] * root)

    def place(self, samples: Tensor) -> Tensor:
        """Put ``samples`` (m, d) where distances are Euclidean but for ``weight``.

        Raises:
            ShapeError: the number of features differs.
        """
        if samples.shape[1] != self.dimensions:
            raise ShapeError(f"{samples.shape[1]} features, where {self.dimensions} are expected")
        if self.matrix is None or self.shift is None:
            return samples
        check_finite(samples)
        return (samples.double() - self.shift) @ self.matrix


class Spread:
    """Means and deviations of features over blocks of samples, merged as they come.

    Chan, Golub and LeVeque 1979: each block's sum of squares about its own mean, in float64.
    """

    def __init__(self, width: int, device: torch.device) -> None:
        self.count = 0
        with torch.inference_mode(False):
            self.mean = torch.zeros(width, dtype=torch.float64, device=device)
            self.square = torch.zeros_like(self.mean)

    def add(self, rows: Tensor) -> None:
        """Take a block (n, width).

        Raises:
            NotFiniteError: a value is NaN or infinite.
        """
        check_finite(rows, self.count)
        old, new = self.count, len(rows)
        self.count += new
        for columns in column_chunks(len(self.mean)):
            part = rows[:, columns].double()
            mean = part.mean(dim=0)
            change = mean - self.mean[columns]
            self.square[columns] += (part - mean).square_().sum(dim=0)
            # What the block's mean and the mean so far are apart, by the weights of both.
            self.square[columns] += change.square() * (old * new / self.count)
            self.mean[columns] += change * (new / self.count)

    def weight(self) -> Tensor:
        """Return 1 / (the standard deviation, ddof 1, + 1e-10) of each feature (width,).

        Raises:
            OptionError: fewer than two samples.
        """
        if self.count < 2:
            raise OptionError("normalisation needs 2 samples or more")
        return 1 / ((self.square / (self.count - 1)).sqrt() + 1e-10)


def _z_score(samples: Tensor) -> Tensor:
    spread = Spread(samples.shape[1], samples.device)
    for part in torch.split(samples, 1024):
        spread.add(part)
    return spread.weight()


def _root(matrix: Tensor, width: int) -> Tensor:
    """Return R (d, k) with R R^T = M, for a symmetric positive semi-definite M."""
    if tuple(matrix.shape) != (width, width):
        raise ShapeError(f"the metric of {width} features is {width} x {width}")
    if not torch.isfinite(matrix).all() or not torch.allclose(matrix, matrix.T):
        raise OptionError("the metric must be a finite symmetric matrix")
    # Symmetric but for rounding: eigh would read one half only.
    values, vectors = torch.linalg.eigh((matrix + matrix.T) / 2)
    tolerance = float(values.abs().max()) * width * torch.finfo(torch.float64).eps
    if float(values.min()) < -tolerance:
        raise OptionError("the metric must be positive semi-definite")
    kept = values > tolerance
    root: Tensor = vectors[:, kept] * values[kept].sqrt()
    return root


def _whitening(centred: Tensor) -> Tensor:
    """Return W (d, k) with W W^T the pseudo-inverse of the covariance (ddof 1)."""
    _, singular, right = torch.linalg.svd(centred, full_matrices=False)
    tolerance = float(singular.max()) * max(centred.shape) * torch.finfo(torch.float64).eps
    kept = singular > tolerance
    if not bool(kept.any()):
        raise OptionError("whitening needs samples that differ")
    root: Tensor = right[kept].T * (math.sqrt(len(centred) - 1) / singular[kept])
    return root


@dataclass(frozen=True)
class SketchFold:
    """A balanced count-sketch: features permuted, signed, folded to ``width`` sums.

    Squared distances keep their expectation (Charikar, Chen, Farach-Colton 2002; Weinberger et al.
    2009); at ``width >= d`` nothing is lost, and the fold is not used.
    """

    width: int
    seed: int

    def apply(self, samples: Tensor, shift: Tensor, weight: Tensor | None) -> Tensor:
        """Return ``samples`` (m, d) minus ``shift`` (d,), weighted, folded: (m, width) float32."""
        d = samples.shape[1]
        # Drawn on the CPU, whose generator gives the same numbers whatever the device.
        generator = torch.Generator().manual_seed(self.seed)
        order = torch.randperm(d, generator=generator, device="cpu").to(samples.device)
        signs = torch.randint(0, 2, (d,), generator=generator, device="cpu").double() * 2 - 1
        signs = signs.to(samples.device)
        factor = signs if weight is None else signs * weight
        folds = math.ceil(d / self.width)
        out = torch.empty(len(samples), self.width, dtype=torch.float32, device=samples.device)
        rows = max(1, 2**20 // d)
        for start in range(0, len(samples), rows):
            part = (samples[start : start + rows].double() - shift) * factor
            padded = part.new_zeros(len(part), folds * self.width)
            padded[:, :d] = part[:, order]
            out[start : start + rows] = padded.view(len(part), folds, self.width).sum(dim=1)
        return out


def fold_all(width: int, seed: int, weight: Tensor | None, *sides: Tensor) -> list[Tensor]:
    """Return every side, folded alike.

    Raises:
        OptionError: ``width`` is below 1.
    """
    if width < 1:
        raise OptionError(f"a sketch has 1 or more values, not {width}")
    for side in sides:
        check_widths(sides[0], side)
        check_finite(side)
    # Sums of many values far from 0 would lose, in float32, what differs between samples.
    shift = sides[0][:1024].double().mean(dim=0)
    return [SketchFold(width, seed).apply(side, shift, weight) for side in sides]
