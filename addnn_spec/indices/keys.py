"""Squared distances of any scale as integers that sort, and are equal, as they are.

A key holds the bits of a float64. Where a square would vanish, it holds those of the square times a
power of two, its exponent lowered again: an integer below all others' then, and still in order. Its
exponent has 12 bits in place of 11, so differences may be 2^-1500 of the largest value.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

_MANTISSA = 52
_BIAS = 1023
_SMALL = 2.0**-900
_LOWEST = -1500
ZERO = -(2**63)
"""The key of no distance."""


def of(squares: Tensor, exponent: Tensor | None = None) -> Tensor:
    """Return the keys (p,) of ``squares * 4**exponent``, float64 of at least 0."""
    bits = squares.view(torch.int64)
    if exponent is not None:
        # One bit further than the exponent's place: a square has twice the exponent.
        bits = bits + (exponent.clamp_min(_LOWEST) << (_MANTISSA + 1))
    return bits.masked_fill(squares == 0, ZERO)


def small(squares: Tensor) -> Tensor:
    """Tell which squares may have vanished, or lost digits (p,)."""
    return squares < _SMALL


def exponent(values: Tensor) -> Tensor:
    """Return int64 e with ``2**e <= values < 2**(e + 1)``, subnormal numbers apart; 0 of 0."""
    # Subnormal numbers have no exponent of their own to read.
    lifted = torch.where(values < 2.0**-960, values * 2.0**60, values)
    found = (lifted.view(torch.int64) >> _MANTISSA) - _BIAS
    found = torch.where(values < 2.0**-960, found - 60, found)
    return torch.where(values == 0, 0, found)


def times_power(values: Tensor, exponent: Tensor) -> Tensor:
    """Return ``values * 2**exponent``, exact where the result is a normal number; ``values`` are
    lost."""
    # 2**exponent itself may be beyond the normal numbers: half of it is not.
    half = exponent >> 1
    return values.mul_(_power(half)).mul_(_power(exponent - half))


def root(keys: Tensor) -> Tensor:
    """Return the square roots of keys on the CPU, float64, rounded as IEEE 754 says: numpy's, for
    torch's own on a CPU may be off by a last place, and a GPU's is not."""
    raised = (keys >> _MANTISSA) - _BIAS
    # The root of 2**(2k + 1) * m is 2**k * sqrt(2m): the odd power goes into the mantissa.
    odd = raised & 1
    mantissa = (keys & (2**_MANTISSA - 1)) | ((odd + _BIAS) << _MANTISSA)
    roots = torch.from_numpy(np.sqrt(mantissa.view(torch.float64).numpy()))
    found = times_power(roots, (raised - odd) >> 1)
    found = found.masked_fill_(keys == ZERO, 0.0)
    return found.masked_fill_(keys == INFINITE, math.inf)


def above(keys: Tensor) -> Tensor:
    """Return the least float32 above the squares, or a little more; 2^-120 if there are none."""
    squares = keys.clamp_min(0).view(torch.float64).float()
    return torch.nextafter(squares, torch.full_like(squares, math.inf)).clamp_min(2.0**-120)


def below(keys: Tensor) -> Tensor:
    """Return the greatest float32 below the squares, or a little less."""
    squares = keys.clamp_min(0).view(torch.float64).float()
    return torch.nextafter(squares, torch.full_like(squares, -math.inf))


def _power(exponent: Tensor) -> Tensor:
    """Return 2**exponent as float64, exactly; exponents are those of normal numbers."""
    return ((exponent + _BIAS) << _MANTISSA).view(torch.float64)


INFINITE = 0x7FF << _MANTISSA
"""The key of no sample."""
