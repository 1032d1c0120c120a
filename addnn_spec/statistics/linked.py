"""The standard error of a mean whose terms are linked: neighbours are mutual.

When j is i's nearest neighbour, i is often j's, and both hits are one event. So terms are
independent only where they have no neighbour in common.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ids = NDArray[np.int64]

_PAIRS = 2**22
_SMALL = 50
"""A class of fewer samples has no mean of its own."""


def centred(values: Floats, classes: Ids | None = None) -> Floats:
    """Return the terms e (m,) of a mean of `values`: each minus the mean of its class, for samples
    are drawn class by class; without classes minus the mean of all.

    Each is larger by √(k/(k − 1)) for a class of k samples, so that Σe²/m² is the independent
    variance without bias. Classes of fewer than 50 samples are taken together.
    """
    m = len(values)
    groups = np.zeros(m, dtype=np.int64) if classes is None else classes
    counts = np.bincount(groups)
    if bool((counts[groups] < _SMALL).any()):
        groups = np.where(counts[groups] < _SMALL, len(counts), groups)
        counts = np.bincount(groups)
    means = np.bincount(groups, values) / np.maximum(counts, 1)
    size = counts[groups]
    terms: Floats = (values - means[groups]) * np.sqrt(size / np.maximum(size - 1, 1))
    return terms


def touching(neighbours: Ids, groups: Ids | None = None) -> Ids:
    """Return what each sample touches (m, r + 1): itself and its `neighbours` (m, r), −1 for none.
    Two samples are linked where they touch a same one.

    With `groups` (m,), positions of one sample or sequence are one, and so are their neighbours.
    """
    itself = np.arange(len(neighbours), dtype=np.int64)[:, None]
    touches = np.concatenate([itself, np.where(neighbours < 0, itself, neighbours)], axis=1)
    return touches if groups is None else groups[touches]


def touching_across(
    neighbours: Ids, groups: Ids | None = None, reference_groups: Ids | None = None
) -> Ids:
    """Return the same where neighbours are training samples: these alone (m, r), for the statement
    is given the training samples; with groups, also the own one."""
    if groups is None or reference_groups is None:
        return neighbours
    own = reference_groups.max() + 1 + groups
    return np.concatenate([own[:, None], reference_groups[neighbours]], axis=1)


def together(*touches: Ids) -> Ids:
    """Return what samples touch at any of several nodes: linked at one of them is linked."""
    first = 0
    parts = []
    for one in touches:
        parts.append(one + first)
        first += int(one.max()) + 1
    return np.concatenate(parts, axis=1)


def linked_error(terms: Floats, touches: Ids, groups: Ids | None = None) -> float:
    """Return the standard error √(Σ w_ij e_i e_j / (1 − f))/m of the mean with these terms (m,).

    The sum is over all ordered pairs of linked samples, i = j among them: with c_i the number of
    what i touches, w_ij = (1 + k/√(c_i c_j))/2 where i and j touch k same ones. f is the share of
    linked pairs, at most 0.8: so much of the variance the terms have lost with their mean. It is
    never less than it would be if samples, or groups of them, were independent.
    """
    return linked_errors([terms], touches, groups)[0]


def linked_errors(each: Sequence[Floats], touches: Ids, groups: Ids | None = None) -> list[float]:
    """Return the same of several means whose samples are linked alike."""
    m, width = len(touches), touches.shape[1]
    ids = np.sort(np.unique(touches, return_inverse=True)[1].reshape(m, width), axis=1)
    again = np.zeros((m, width), dtype=bool)
    again[:, 1:] = ids[:, 1:] == ids[:, :-1]
    roots = np.sqrt(width - again.sum(axis=1))
    totals = []
    for terms in each:
        share = np.where(again, 0.0, (terms / roots)[:, None])
        sums = np.bincount(ids.ravel(), share.ravel())
        totals.append(float(sums @ sums))
    linked = 0
    for rows, columns in _linked(ids):
        for number, terms in enumerate(each):
            totals[number] += float(terms[rows] @ terms[columns])
        linked += len(rows)
    room = 2 * (1 - min(linked / (m * m), 0.8))
    return [
        math.sqrt(max(total / room, independent_variance(terms, groups))) / m
        for total, terms in zip(totals, each, strict=True)
    ]


def independent_variance(terms: Floats, groups: Ids | None = None) -> float:
    """Return m² times the variance of the mean if samples, or groups of them, were independent."""
    least = float(terms @ terms)
    if groups is not None:
        sums = np.bincount(groups, terms)
        count = int(np.count_nonzero(np.bincount(groups)))
        least = max(least, float(sums @ sums) * count / max(count - 1, 1))
    return least


def units(terms: Floats, error: float, groups: Ids | None = None) -> float:
    """Return how many independent samples the terms (m,) of a mean are worth: m over the design
    effect, or the number of groups."""
    m = len(terms)
    if groups is not None:
        return float(np.count_nonzero(np.bincount(groups)))
    return m if error == 0 else independent_variance(terms) / (m * error) ** 2 * m


def _linked(ids: Ids) -> Iterator[tuple[Ids, Ids]]:
    """Yield the ordered pairs of samples that touch a same one of `ids` (m, c), each once, in
    pieces."""
    m, width = ids.shape
    ids = ids.ravel()
    counts = np.bincount(ids)
    members = np.argsort(ids, kind="stable") // width
    starts = np.cumsum(counts) - counts
    ahead = np.concatenate(([0], np.cumsum(counts[ids])))
    first = 0
    while first < m:
        reach = int(np.searchsorted(ahead, ahead[first * width] + _PAIRS, side="right") - 1)
        last = min(max(reach // width, first + 1), first + max(_PAIRS // m, 1), m)
        mine = ids[first * width : last * width]
        lengths = counts[mine]
        offsets = np.cumsum(lengths) - lengths
        places = np.arange(int(lengths.sum())) + np.repeat(starts[mine] - offsets, lengths)
        rows = np.repeat(np.arange(len(mine)) // width, lengths)
        pairs = rows * m + members[places]
        if len(pairs) < (last - first) * m // 64:
            pairs.sort()
            pairs = pairs[np.concatenate(([True], pairs[1:] != pairs[:-1]))]
        else:  # where most meet, marks are cheaper than sorting
            met = np.zeros((last - first) * m, dtype=bool)
            met[pairs] = True
            pairs = np.flatnonzero(met)
        rows, columns = np.divmod(pairs, m)
        yield rows + first, columns
        first = last
