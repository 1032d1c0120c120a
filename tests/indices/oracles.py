"""The indices by plain float64 loops, straight from their formulas."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def squared(left: Array, right: Array) -> Array:
    """All squared distances, one pair at a time, by differences."""
    left = np.asarray(left, dtype=np.float64).reshape(len(left), -1)
    right = np.asarray(right, dtype=np.float64).reshape(len(right), -1)
    out = np.empty((len(left), len(right)))
    for i, row in enumerate(left):
        for j, other in enumerate(right):
            out[i, j] = np.sum((row - other) ** 2)
    return out


def ranked(distances: Array, *, exclude_self: bool = True) -> Array:
    """Neighbours of each row, nearest first, equal ones by index."""
    distances = distances.copy()
    if exclude_self:
        np.fill_diagonal(distances, np.inf)
    order = np.argsort(distances, axis=1, kind="stable")
    return order[:, :-1] if exclude_self else order


def separation(X: Array, y: Array, order: int, kind: str) -> float:
    """SI^r of one kind."""
    nearest = ranked(squared(X, X))
    total = 0.0
    for i in range(len(X)):
        hits = [float(y[i] == y[j]) for j in nearest[i][:order]]
        if kind == "hard":
            total += float(all(hits))
        elif kind == "anti":
            total += float(not any(hits))
        else:
            total += sum(hits) / order
    return total / len(X)


def smoothness(X: Array, Y: Array, order: int, kind: str, form: str, gain: float = 1.0) -> float:
    """SmI^r of one kind and form."""
    nearest = ranked(squared(X, X))
    goals = np.sqrt(squared(Y, Y))
    values = []
    for i in range(len(X)):
        others = np.sort(np.delete(goals[i], i))
        ratios = []
        for j in range(order):
            error, least = goals[i, nearest[i][j]], others[j]
            if form == "linear":
                ratios.append((others[-1] - error) / (others[-1] - least))
            else:
                ratios.append(np.exp(-gain * (error - least) / goals[i].mean()))
        if kind == "soft":
            values.append(np.mean(ratios))
        else:
            values.append(min(ratios) if kind == "hard" else min(1 - r for r in ratios))
    return float(np.mean(values))
