"""The standard error of a mean whose terms are linked: neighbours are mutual.

When j is i's nearest neighbour, i is often j's, and both hits are one event. So terms are
independent only where they have no neighbour in common.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ids = NDArray[np.int64]

_PAIRS = 2**22
_SMALL = 20
"""A class of fewer samples has no mean of its own."""


def strata(classes: Ids) -> Ids:
    """Return what samples are drawn from, one number for each (m,): their class, and one for all of
    classes of fewer than 20 samples. No number is left out."""
    large = np.bincount(classes) >= _SMALL
    numbers: Ids = np.where(large, np.cumsum(large) - 1, np.count_nonzero(large))[classes]
    return numbers


def centred(values: Floats, drawn: Ids | None = None) -> Floats:
    """Return the terms e (m,) of a mean of `values`: each minus the mean of its stratum, for
    samples are drawn class by class; without strata minus the mean of all.

    Each is larger by √(k/(k − 1)) for a stratum of k samples, so that Σe²/m² is the independent
    variance without bias.
    """
    if drawn is None:
        drawn = np.zeros(len(values), dtype=np.int64)
    counts = np.bincount(drawn)
    means = np.bincount(drawn, values) / counts
    size = counts[drawn]
    terms: Floats = (values - means[drawn]) * np.sqrt(size / np.maximum(size - 1, 1))
    return terms


def touching(neighbours: Ids, groups: Ids | None = None) -> Ids:
    """Return the samples that each sample touches (m, r + 1): itself and its `neighbours` (m, r),
    −1 for none. Two samples are linked if they touch a common one.

    With `groups` (m,), positions of one sample or sequence are one, and so are their neighbours.
    """
    itself = np.arange(len(neighbours), dtype=np.int64)[:, None]
    touches = np.concatenate([itself, np.where(neighbours < 0, itself, neighbours)], axis=1)
    return touches if groups is None else groups[touches]


def touching_across(
    neighbours: Ids, groups: Ids | None = None, reference_groups: Ids | None = None
) -> Ids:
    """Return `touching` where neighbours are training samples: these alone (m, r), since the
    statement is given the training samples; with groups also the own one."""
    if groups is None or reference_groups is None:
        return neighbours
    # Numbers of test groups begin behind those of training groups: they must not look shared.
    own = reference_groups.max() + 1 + groups
    return np.concatenate([own[:, None], reference_groups[neighbours]], axis=1)


def together(*touches: Ids) -> Ids:
    """Return what samples touch at any of several nodes: two that are linked at one of them are
    linked."""
    first = 0
    parts = []
    for one in touches:
        parts.append(one + first)
        first += int(one.max()) + 1
    return np.concatenate(parts, axis=1)


class LinkedError(NamedTuple):
    """A standard error, and the degrees of freedom of Student's t for a mean over it."""

    value: float
    freedom: float


def linked_error(
    terms: Floats, touches: Ids, drawn: Ids | None = None, groups: Ids | None = None
) -> LinkedError:
    """Return the standard error √(Σ w_ij e_i e_j / (1 − f_ab))/m of the mean with these terms (m,).

    The sum is over all ordered pairs of linked samples, i = j among them: with c_i the number of
    what i touches, w_ij = (1 + k/√(c_i c_j))/2 where i and j touch k same ones. f_ab, at most 0.8,
    is the share of linked pairs among all pairs of i's stratum and j's: so much of what they have
    in common the terms have lost with the means of their strata. It is never less than it would be
    if samples, or groups of them, were independent.
    """
    return linked_errors([terms], touches, drawn, groups)[0]


def linked_errors(
    each: Sequence[Floats],
    touches: Ids,
    drawn: Ids | None = None,
    groups: Ids | None = None,
) -> list[LinkedError]:
    """Return the errors of several means whose samples are linked alike."""
    m = len(touches)
    if drawn is None:
        drawn = np.zeros(m, dtype=np.int64)
    order = np.argsort(drawn, kind="stable")  # a piece's samples are of few strata, then
    strata, sizes = drawn[order], np.bincount(drawn)
    count = len(sizes)
    terms = np.stack(each)[:, order]
    sums = np.zeros((len(each), count * count))
    squares = np.zeros(len(each))
    pairs = np.zeros(count * count, dtype=np.int64)
    for rows, columns, weights in _linked(touches[order]):
        least = int(strata[rows[0]]) * count
        blocks = strata[rows] * count + strata[columns] - least
        found = np.bincount(blocks)
        here = slice(least, least + len(found))
        pairs[here] += found
        for place, one in enumerate(terms):
            products = weights * one[rows] * one[columns]
            sums[place, here] += np.bincount(blocks, products)
            squares[place] += np.square(products).sum()  # threads of a dot product cost more here
    own = np.arange(count) * (count + 1)
    # Of the pairs within a stratum, in both orders and with itself, a linked pair is two; of those
    # between two strata it is one.
    pairs[own] = 2 * pairs[own] + sizes
    room = 1 - np.minimum(pairs / np.outer(sizes, sizes).ravel(), 0.8)
    sums *= 2
    sums[:, own] += [np.bincount(strata, one * one) for one in terms]
    return [
        LinkedError(
            math.sqrt(max(float((total / room).sum()), independent_variance(one, groups))) / m,
            _freedom(one, float(square), groups),
        )
        for total, square, one in zip(sums, squares, each, strict=True)
    ]


def _freedom(terms: Floats, squares: float, groups: Ids | None) -> float:
    """Return the degrees of freedom of the sum Q of w_ij e_i e_j: 2 mean² / variance of Q
    (Satterthwaite), from 1 to m − 1; `squares` is the sum of (w_ij e_i e_j)² over the pairs i < j.
    Groups have one less than there are of them."""
    if groups is not None:
        return max(units(terms, 0.0, groups) - 1, 1)
    m, mean, fourth = len(terms), float(terms @ terms), float((terms**2) @ (terms**2))
    variance = fourth - mean**2 / m + 4 * squares
    found = 2 * mean**2 / variance if variance > 0 else m - 1
    return max(min(found, m - 1), 1)


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


def _linked(touches: Ids) -> Iterator[tuple[Ids, Ids, Floats]]:
    """Yield the pairs i < j of samples that touch a same one, each once, and their weights w, in
    pieces of ascending rows."""
    m, width = touches.shape
    ids = np.sort(touches, axis=1)
    again = np.zeros((m, width), dtype=bool)
    # With groups two neighbours may be one: it is touched once.
    again[:, 1:] = ids[:, 1:] == ids[:, :-1]
    widths = width - again.sum(axis=1)
    roots = np.sqrt(widths)
    ids = ids[~again]
    ends = np.cumsum(np.bincount(ids))
    order = np.argsort(ids, kind="stable")
    members = np.repeat(np.arange(m), widths)[order]
    later = np.empty_like(order)  # where in `members` the others of what is touched begin
    later[order] = np.arange(1, len(order) + 1)
    lengths = ends[ids] - later
    begins = np.concatenate(([0], np.cumsum(widths)))
    ahead = np.concatenate(([0], np.cumsum(lengths)))[begins]
    first = 0
    while first < m and ahead[first] < ahead[m]:
        reach = int(np.searchsorted(ahead, ahead[first] + _PAIRS, side="right") - 1)
        # As many rows as make about `_PAIRS` pairs, and no more than can be counted in a table of
        # rows times m.
        last = min(max(reach, first + 1), first + max(_PAIRS // m, 1), m)
        mine = slice(begins[first], begins[last])
        many = lengths[mine]
        offsets = np.cumsum(many) - many
        places = np.arange(int(many.sum())) + np.repeat(later[mine] - offsets, many)
        owners = np.repeat(np.arange(last - first), widths[first:last])
        met = np.repeat(owners, many) * m + members[places]
        if len(met) < (last - first) * m:
            pairs, common = np.unique(met, return_counts=True)
        else:  # where most meet, counting is cheaper than sorting
            all_common = np.bincount(met)
            pairs = np.flatnonzero(all_common)
            common = all_common[pairs]
        rows, columns = np.divmod(pairs, m)
        rows += first
        if len(rows):
            yield rows, columns, (1 + common / (roots[rows] * roots[columns])) / 2
        first = last
