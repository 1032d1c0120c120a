"""The reach of an output's elements into an input, by dimension: for receptive fields."""

from __future__ import annotations

from fractions import Fraction
from typing import NamedTuple


class Reach(NamedTuple):
    """What is seen of an input's dimension by output element i along the output's dimension `to`.

    The places from `low + i · stride` to `high + i · stride` that are whole numbers; all places
    where `whole`. Without `to` it is the same for every element.
    """

    to: int | None = None
    low: Fraction | int = 0
    high: Fraction | int = 0
    stride: Fraction | int = 1
    whole: bool = False


Reaches = tuple[Reach | None, ...]
"""For each dimension of the input; None where what is seen does not move along evenly."""

WHOLE = Reach(whole=True)


def one_place(at: int) -> Reach:
    """Return the reach that is one place, for all elements."""
    return Reach(None, at, at, 0)


def window(to: int, kernel: int, stride: int, before: int, dilation: int) -> Reach:
    """Return a sliding window, with what is padded before."""
    return Reach(to, -before, dilation * (kernel - 1) - before, stride)


def transposed(to: int, kernel: int, stride: int, before: int, dilation: int) -> Reach:
    """Return the inverse: element i is of the m whose window, `m·stride − before …`, holds i."""
    # m*stride - before + dilation*k = i for some k in the kernel, solved for m.
    low, high = before - dilation * (kernel - 1), before
    return Reach(to, Fraction(low, stride), Fraction(high, stride), Fraction(1, stride))


def repeated(to: int, times: int) -> Reach:
    """Return the reach of an output that has each place `times` times in a row."""
    return Reach(to, Fraction(1 - times, times), 0, Fraction(1, times))


def areas(to: int, ratio: Fraction) -> Reach:
    """Return the reach from `floor(i·ratio)` to `ceil((i + 1)·ratio) − 1`, of adaptive pooling.

    `ratio` is the input's size over the output's.
    """
    # Floor and ceiling, as ends that the whole numbers between them are read off: a step of a
    # fraction is its unit.
    unit = Fraction(1, ratio.denominator)
    return Reach(to, unit - 1, ratio - unit, ratio)


def nearest(to: int, ratio: Fraction, middle: bool) -> Reach:
    """Return the reach `floor(i·ratio)`, or, of the element's middle, `floor((i + 1/2)·ratio)`."""
    at = ratio / 2 if middle else Fraction(0)
    return Reach(to, at + Fraction(1, (1 + middle) * ratio.denominator) - 1, at, ratio)


def interpolated(to: int, ratio: Fraction, at: Fraction, taps: int) -> Reach:
    """Return the reach of `taps` places around `at + i·ratio`; of one place where it is whole."""
    unit = Fraction(1, (at + ratio).denominator * at.denominator * ratio.denominator)
    spread = Fraction(taps, 2) - unit
    return Reach(to, at - spread, at + spread, ratio)


__all__ = [
    "WHOLE",
    "Reach",
    "Reaches",
    "areas",
    "interpolated",
    "nearest",
    "one_place",
    "repeated",
    "transposed",
    "window",
]
