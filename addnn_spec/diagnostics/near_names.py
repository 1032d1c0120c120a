"""Near names, for "did you mean"."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from heapq import nsmallest

_LONGEST = 64  # a longer name is nobody's slip of the pen, and the distance is quadratic in it
_DIGITS = "0123456789"
_MOST = 200  # of more names, those whose letters are most alike


def near(name: str, candidates: Iterable[str], n: int = 3) -> list[str]:
    """Return at most `n` candidates that `name` may be a misspelling of, the nearest first.

    Case and underscores count little; beyond them a third of the letters may differ, and of one
    letter alone there may be two: `yy` for `y`. A name that differs in its last number only is
    near, by how much it differs.
    """
    if not 0 < len(name) <= _LONGEST:
        return []
    folded = _fold(name)
    limit = len(folded) // 3
    found = []
    for candidate in _plausible(name, candidates, limit + 2):
        other = _fold(candidate)
        apart = _numbers_apart(folded, other)
        distance = _distance(folded, other, limit if apart is None else _LONGEST)
        doubled = len(folded) + len(other) == 3 and len({*folded, *other}) == 1
        if distance <= limit or apart is not None or doubled:
            order = (distance, apart is None, apart or 0)
            found.append((order, _distance(name, candidate, _LONGEST), candidate))
    if not found:
        return []
    best = min(found)[0][0]
    further = best + 1 if best else 0
    return [candidate for order, _, candidate in sorted(found) if order[0] <= further][:n]


def _plausible(name: str, candidates: Iterable[str], longer: int) -> list[str]:
    """Return the candidates whose distance is worth counting: of about the same length, not too
    many."""
    close = [c for c in set(candidates) if c != name and abs(len(c) - len(name)) <= longer]
    if len(close) > _MOST:
        letters = _letters(name)
        ranked = [(len(letters ^ _letters(c)), abs(len(c) - len(name)), c) for c in close]
        close = [candidate for _, _, candidate in nsmallest(_MOST, ranked)]
    return sorted(close)


@lru_cache(maxsize=100_000)
def _letters(name: str) -> frozenset[str]:
    return frozenset(_fold(name))


def did_you_mean(name: str, candidates: Iterable[str]) -> str | None:
    """`did you mean "Conv2d" or "Conv3d"?`, or `None` if nothing is near."""
    found = near(name, candidates)
    if not found:
        return None
    *first, last = (f'"{candidate}"' for candidate in found)
    return f"did you mean {', '.join(first)} or {last}?" if first else f"did you mean {last}?"


def _fold(name: str) -> str:
    return name.replace("_", "").lower()


def _numbers_apart(a: str, b: str) -> int | None:
    """Return how far apart the last numbers of two names are: 1 for `resnet49` and `resnet50`.

    None if not only their numbers differ, or there are hardly letters before them.
    """
    stem = a.rstrip(_DIGITS)
    if len(stem) < 3 or stem in (a, b) or b.rstrip(_DIGITS) != stem:
        return None
    return abs(int(a[len(stem) :]) - int(b[len(stem) :]))


def _distance(a: str, b: str, limit: int) -> int:
    """Return the optimal string alignment distance of `a` and `b`, or more than `limit` if it is
    more.

    It counts insertions, deletions, changes and swaps of neighbours, row by row.
    """
    before: list[int] = []
    row = list(range(len(b) + 1))
    for i, letter in enumerate(a, 1):
        above, row, further = row, [i], before
        for j, other in enumerate(b, 1):
            cost = min(above[j] + 1, row[j - 1] + 1, above[j - 1] + (letter != other))
            if i > 1 and j > 1 and letter == b[j - 2] and a[i - 2] == other:
                cost = min(cost, further[j - 2] + 1)
            row.append(cost)
        if min(row) > limit:
            return limit + 1
        before = above
    return row[-1]
