"""The products that lower bounds are taken by, each with its certain error.

Rows are centred, and *coded* in the type that a product multiplies. What coding loses is measured
row by row; what summing can lose is known. So bounds are certain whatever product they come from,
and a search gives the same neighbours by any: a fast one leaves more pairs to be settled. Where it
leaves too many, the next better one takes over.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import Tensor

from addnn_spec.indices.errors import OptionError

AUTO = "auto"
_MEASURED = 2**20  # values from which on it pays to ask what is fast
_FASTER = 1.3  # what a product must be to be taken before float32's
_HALF_LARGEST = 32752.0  # twice that is a float16


@dataclass(frozen=True)
class Product:
    """A way to multiply rows.

    Attributes:
        name: what the option ``product`` calls it.
        dtype: of coded rows.
        bounds: of the sums.
        chunk: columns that are summed inside a product, at the most.
        addition: the relative error of one addition there.
        loss: the usual share of a row that coding loses, 0 if it loses nothing. It bears on how
            tight the bounds are, never on whether they hold.
        peak: what the largest value is scaled to by a power of two; None leaves usual values alone.
    """

    name: str
    dtype: torch.dtype
    chunk: int
    addition: float
    loss: float = 0.0
    peak: float | None = None
    bounds: torch.dtype = torch.float32

    def code(self, rows: Tensor, factor: float, out: Tensor) -> None:
        """Write ``factor``, 1 or -2, times ``rows`` (n, d) to ``out``: the code of the rows, times
        the factor exactly."""
        torch.mul(rows, factor, out=out)

    def multiply(self, left: Tensor, right: Tensor, out: Tensor) -> None:
        """Take the inner products of coded rows (n, d) and (k, d) to ``out`` (n, k)."""
        torch.mm(left, right.T, out=out)


class _Half(Product):
    """Tensor cores sum products of float16 in float32; they may cut instead of rounding."""

    def code(self, rows: Tensor, factor: float, out: Tensor) -> None:
        most = _HALF_LARGEST * abs(factor)
        torch.mul(rows, factor, out=out).clamp_(-most, most)

    def multiply(self, left: Tensor, right: Tensor, out: Tensor) -> None:
        if left.is_cuda:
            torch.mm(left, right.T, out_dtype=torch.float32, out=out)
        else:
            torch.mm(left.float(), right.float().T, out=out)


class _BFloat16(Product):
    """Values of bfloat16 in float32: a CPU with the unit multiplies them at its rate, one without
    as float32, and either sums in float32."""

    def code(self, rows: Tensor, factor: float, out: Tensor) -> None:
        out.copy_((rows * factor).bfloat16())

    def multiply(self, left: Tensor, right: Tensor, out: Tensor) -> None:
        if _bfloat16_is_faster():
            with _fast_float32():
                torch.mm(left, right.T, out=out)
        else:
            torch.mm(left, right.T, out=out)


FLOAT64 = Product("float64", torch.float64, 1024, 2.0**-53, bounds=torch.float64)
FLOAT32 = Product("float32", torch.float32, 1024, 2.0**-24)
BFLOAT16 = _BFloat16("bfloat16", torch.float32, 2048, 2.0**-23, loss=0.0015)
HALF = _Half("float16", torch.float16, 4096, 1.3 * 2.0**-23, loss=0.0002, peak=2.0**13)
"""A tensor core adds 4 products or more and the sum so far at a time, each cut to 24 bits of the
largest: 5/4 of 2^-23 a product."""
PRODUCTS = {one.name: one for one in (HALF, BFLOAT16, FLOAT32, FLOAT64)}
_BETTER = {one: (one, FLOAT32, FLOAT64) for one in (HALF, BFLOAT16)} | {
    FLOAT32: (FLOAT32, FLOAT64),
    FLOAT64: (FLOAT64,),
}


def products(name: str, rows: Tensor) -> tuple[Product, ...]:
    """Return the product of a name, ``"auto"`` for the fastest for ``rows`` on their device, and
    those that may take over.

    Raises:
        OptionError: there is no such product.
    """
    if name != AUTO:
        if name not in PRODUCTS:
            raise OptionError(f"product is {AUTO}, {', '.join(PRODUCTS)}, not {name!r}")
        return _BETTER[PRODUCTS[name]]
    if rows.is_cuda:
        return _BETTER[HALF]
    fast = rows.numel() >= _MEASURED and _bfloat16_is_faster()
    return _BETTER[BFLOAT16 if fast else FLOAT32]


@cache
def _bfloat16_is_faster() -> bool:
    """Tell, once a process, whether this CPU has a unit for bfloat16 that pays."""
    # These have no such unit: nothing needs to be timed.
    if torch.backends.cpu.get_cpu_capability() in ("DEFAULT", "AVX2"):
        return False
    rows = torch.ones(256, 1024)
    plain = _least_seconds(rows)
    with _fast_float32():
        return _least_seconds(rows) * _FASTER < plain


def _least_seconds(rows: Tensor) -> float:
    least = float("inf")
    for _ in range(4):
        start = time.perf_counter()
        torch.mm(rows, rows.T)
        # Whatever else runs only makes it slower, so the least time is the machine's own.
        least = min(least, time.perf_counter() - start)
    return least


@contextmanager
def _fast_float32() -> Iterator[None]:
    """Let a CPU multiply float32 by its bfloat16 unit."""
    matmul: Any = torch.backends.mkldnn.matmul  # type: ignore[attr-defined]
    before = matmul.fp32_precision
    matmul.fp32_precision = "bf16"
    try:
        yield
    finally:
        matmul.fp32_precision = before
