"""Automatic names: `relu`, `relu_2`, … past those that labels have."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from itertools import count
from typing import NamedTuple

from addnn_spec.graph import run_name


class NamedRun(NamedTuple):
    """`times` names that count up from the first, as `Node.names` has them."""

    first: str
    times: int


class Numbers:
    """The automatic names of every base that are still free; those of labels are taken."""

    def __init__(self, labels: Iterable[str]) -> None:
        self._taken: dict[str, list[int]] = {}
        """By base, ascending."""
        self._next: dict[str, int] = {}
        for name in labels:
            for base, number in _readings(name):
                self._taken.setdefault(base, []).append(number)
        for numbers in self._taken.values():
            numbers.sort()

    def runs(self, base: str, times: int, own: str) -> Iterator[NamedRun]:
        """Yield the next names of a base that nothing but `own` has, as runs that count up."""
        number, left = self._next.get(base, 1), times
        taken, mine = self._taken.get(base, []), dict(_readings(own)).get(base)
        # `act_2` is followed by `act_2_2`, where a run would have `act_3`
        apart = run_name(base) != (f"{base}_", 1)
        while left:
            place = bisect_left(taken, number)
            if taken[place : place + 1] == [mine]:
                place += 1
            end = taken[place] if place < len(taken) else number + left
            end = min(end, 2) if number == 1 and apart else end
            length = min(left, end - number)
            if length:
                yield NamedRun(_number(base, number), length)
            number, left = number + (length or 1), left - length
        self._next[base] = number


def numbered(base: str) -> Iterator[str]:
    """Yield `base`, `base_2`, `base_3` and so on."""
    yield from (_number(base, n) for n in count(1))


def _number(base: str, n: int) -> str:
    return base if n == 1 else f"{base}_{n}"


def _readings(name: str) -> Iterator[tuple[str, int]]:
    """Yield the automatic names that a name may be: `relu_2` is the first of `relu_2`, the second
    of `relu`."""
    yield name, 1
    head, _, tail = name.rpartition("_")
    if head and tail.isdigit() and len(tail) < 10:
        yield head, int(tail)
