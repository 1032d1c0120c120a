"""Squared distances with a certificate: float32 lower bounds, float64 values.

The float32 bound of a pair is the Gram expansion ``n_i + n_j - 2 g_ij`` of centred rows, lowered
by all the rounding it can hold (Higham, Accuracy and Stability of Numerical Algorithms, chapter
3): ``|error| <= c (n_i + n_j)``, ``c = gamma_n + (20 + RUN) u``, ``n`` the additions behind one
sum. Products are summed ``CHUNK`` columns at a time, so ``n`` is about ``CHUNK`` however wide the
rows are; norms are summed ``RUN`` squares at a time in float32, the sums of those in float64. What
the bound leaves open is settled by direct differences in float64.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from addnn_spec.indices.errors import NotFiniteError, ShapeError

CHUNK = 1024  # columns summed at a time: fixed, so that a result never depends on the budget
RUN = 64  # squares of a norm that are summed in float32
STRIP = 2**16  # values worked on at a time: so many stay in a core's cache
STAIR = 256  # rows at a time of a block with itself
PADDING = 256  # rows and columns of a block of bounds are padded to this, for whole vectors
PAIRS = 64  # pairs whose float64 differences are held at a time
_UNIT = 2.0**-24
_SAFE = 2.0**30  # spans outside [1/_SAFE, _SAFE] are rescaled by a power of two
_EXACT_INTEGER = 2.0**53


@contextmanager
def full_precision(device: torch.device) -> Iterator[None]:
    """Multiply in true float32: no TF32, bfloat16 or autocast inside; all settings restored
    after."""
    every: Any = torch.backends
    backends = (every.cuda.matmul, every.mkldnn.matmul)
    legacy = _legacy_precision()
    before = [backend.fp32_precision for backend in backends]
    try:
        if legacy is not None:
            torch.set_float32_matmul_precision("highest")
        for backend in backends:
            backend.fp32_precision = "ieee"
        with torch.no_grad(), torch.autocast(device.type, enabled=False):
            yield
    finally:
        if legacy is not None:
            torch.set_float32_matmul_precision(legacy)
        for backend, precision in zip(backends, before, strict=True):
            backend.fp32_precision = precision


def _legacy_precision() -> str | None:
    """Return what torch's older setting says, which is an error to read where the two disagree;
    None where they already do."""
    try:
        return torch.get_float32_matmul_precision()
    except RuntimeError:
        return None


@contextmanager
def deterministic() -> Iterator[None]:
    """Sum by index in one order, where torch has a way: on CUDA terms come in any otherwise."""
    filled: Any = torch.utils.deterministic
    mode, fills = torch.get_deterministic_debug_mode(), filled.fill_uninitialized_memory
    try:
        torch.set_deterministic_debug_mode(max(mode, 1))  # 1: warn where there is no way
        filled.fill_uninitialized_memory = False
        yield
    finally:
        torch.set_deterministic_debug_mode(mode)
        filled.fill_uninitialized_memory = fills


def column_chunks(width: int) -> Iterator[slice]:
    """Yield the columns, ``CHUNK`` at a time."""
    for start in range(0, width, CHUNK):
        yield slice(start, min(start + CHUNK, width))


def strips(rows: int, width: int) -> Iterator[slice]:
    """Yield the columns in whole chunks, so many at a time that ``rows`` of them are about
    ``STRIP``."""
    step = CHUNK * max(1, STRIP // (CHUNK * max(rows, 1)))
    for start in range(0, width, step):
        yield slice(start, min(start + step, width))


def working_dtype(dtype: torch.dtype) -> torch.dtype:
    """Return the float type that holds every value of ``dtype``: float32, or float64 for wide
    types."""
    if dtype.is_complex:
        raise ShapeError("complex features have no Separation or Smoothness Index here")
    wide = (torch.float64, torch.int32, torch.int64)
    return torch.float64 if dtype in wide else torch.float32


def check_finite(rows: Tensor, first: int = 0) -> float:
    """Return the largest absolute value of ``rows`` (n, d).

    Raises:
        NotFiniteError: a value is NaN or infinite, or an integer beyond 2**53.
    """
    largest = 0.0
    for start in range(0, len(rows), 256):
        part = rows[start : start + 256]
        if part.dtype == torch.bool:
            largest = 1.0
            continue
        low, high = (float(v) for v in torch.aminmax(part))
        if not (math.isfinite(low) and math.isfinite(high)):
            bad = int(torch.nonzero(~torch.isfinite(part).all(dim=1))[0])
            raise NotFiniteError(f"sample {first + start + bad} holds NaN or an infinite value")
        largest = max(largest, abs(low), abs(high))
    if not rows.dtype.is_floating_point and largest > _EXACT_INTEGER:
        raise NotFiniteError("integer features beyond 2**53 cannot be held exactly in float64")
    return largest


def safe_scale(largest: float) -> float:
    """Return a power of two that brings values up to ``largest`` where their squares neither
    overflow nor vanish; 1 unless they are extreme."""
    if largest == 0 or 1 / _SAFE <= largest <= _SAFE:
        return 1.0
    return 2.0 ** min(-math.frexp(largest)[1], 1023)  # 2**1024 is no float: values of 1e-310 exist


class Scratch:
    """Named buffers used over and over: fresh pages cost more than the arithmetic on them."""

    def __init__(self) -> None:
        self._buffers: dict[tuple[str, torch.dtype], Tensor] = {}

    def take(self, name: str, shape: tuple[int, ...], like: Tensor, dtype: torch.dtype) -> Tensor:
        """Return a buffer of this shape on the device of ``like``; what it held is lost."""
        size = math.prod(shape)
        held = self._buffers.get((name, dtype))
        if held is None or len(held) < size:
            with torch.inference_mode(False):  # a buffer may be used in and out of it
                held = torch.empty(size, dtype=dtype, device=like.device)
            self._buffers[name, dtype] = held
        return held[:size].view(shape)


@dataclass(frozen=True)
class Block:
    """Some consecutive samples of one side of the search.

    ``norms`` (n,) are the centred squared norms, lowered to make the bounds certain; ``slack`` (n,)
    is what lifts a lower bound of a row to an upper bound, whatever the other row.
    """

    start: int
    rows: Tensor
    norms: Tensor
    slack: Tensor
    centred: Tensor | None = None

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def stop(self) -> int:
        return self.start + len(self.rows)


@dataclass(frozen=True)
class Frame:
    """How rows are read before distances are taken: ``(x - shift) * weight * scale``.

    ``shift`` (d,) only serves accuracy (distances do not change with it); ``weight`` (d,) in
    float64 is the normalisation, or None; ``scale`` is a power of two, 1 unless values are extreme.
    """

    shift: Tensor
    weight: Tensor | None
    scale: float
    scratch: Scratch = field(default_factory=Scratch, compare=False, repr=False)

    @classmethod
    def around(
        cls, rows: Tensor, weight: Tensor | None = None, scratch: Scratch | None = None
    ) -> Frame:
        """Return the frame for ``rows`` (m, d): centred on the mean of up to 1024 of them.

        Raises:
            NotFiniteError: a value is NaN or infinite.
        """
        largest = check_finite(rows)
        dtype = working_dtype(rows.dtype)
        some = rows[:: -(-len(rows) // 1024)]
        shift = torch.empty(rows.shape[1], dtype=dtype, device=rows.device)
        for columns in strips(len(some), rows.shape[1]):
            shift[columns] = _mean(some[:, columns]).to(dtype)
        scale = safe_scale(largest) if weight is None else 1.0
        return cls(shift, weight, scale, scratch or Scratch())

    @property
    def width(self) -> int:
        return len(self.shift)

    @property
    def rounding(self) -> float:
        """``c`` of the module's text."""
        additions = min(self.width, CHUNK) + math.ceil(self.width / CHUNK) + 1
        gamma = additions * _UNIT / (1 - additions * _UNIT)
        return 1.01 * (gamma + (20 + RUN) * _UNIT)

    @property
    def underflow(self) -> float:
        """More than all products that may have been flushed to zero."""
        return max(self.width, 1) * 2.0**-90

    def centre(
        self,
        rows: Tensor,
        columns: slice,
        name: str,
        *,
        twice: bool = False,
        into: Tensor | None = None,
    ) -> Tensor:
        """Columns of ``rows`` in this frame, float32; times -2 (exactly) if ``twice``.

        Without a place to put it ``into`` it lies in the scratch buffer ``name`` until that is
        taken again.
        """
        dtype = torch.promote_types(working_dtype(rows.dtype), self.shift.dtype)
        part, shift = rows[:, columns].to(dtype), self.shift[columns].to(dtype)
        shape = (len(part), part.shape[1])
        if into is None:
            into = self.scratch.take(name, shape, part, torch.float32)
        narrow = dtype == torch.float32
        out = into if narrow else self.scratch.take(name, shape, part, dtype)
        if twice:
            torch.sub(shift * 2, part, alpha=2, out=out)
        else:
            torch.sub(part, shift, out=out)
        if self.scale != 1.0:
            out *= self.scale
        if self.weight is not None:
            out *= self.weight[columns].to(out.dtype)
        return out if narrow else into.copy_(out)

    def block(self, start: int, rows: Tensor) -> Block:
        """``rows`` (n, d), the first of them sample ``start``, with their bounds."""
        norms = torch.zeros(len(rows), dtype=torch.float64, device=rows.device)
        for first in range(0, len(rows), 128):
            part = rows[first : first + 128]
            for columns in strips(len(part), self.width):
                squares = self.centre(part, columns, "norms").square_()
                even = squares.shape[1] // RUN * RUN
                runs = squares[:, :even].view(len(part), even // RUN, RUN).sum(dim=2)
                norms[first : first + 128] += runs.sum(dim=1, dtype=torch.float64)
                norms[first : first + 128] += squares[:, even:].sum(dim=1)
        lowered = norms * (1 - self.rounding) - self.underflow
        slack = norms * (6.1 * self.rounding) + 4 * self.underflow
        return Block(start, rows, lowered.float(), slack.float())

    def keep_centred(self, block: Block) -> Block:
        """Return the block with its centred rows held, for many visits, until another block is."""
        shape = (len(block), self.width)
        held = self.scratch.take("held", shape, block.rows, torch.float32)
        for columns in strips(len(block), self.width):
            self.centre(block.rows, columns, "left", into=held[:, columns])
        return replace(block, centred=held)

    def lower_bounds(self, queries: Block, references: Block) -> Tensor:
        """Certain lower bounds of squared distances, float32, padded with inf.

        Shape: (len(queries), len(references)), each rounded up to a multiple of ``PADDING``. It
        lies in a scratch buffer until the next call.
        """
        rows, columns = len(queries), len(references)
        padded = (-(-rows // PADDING) * PADDING, -(-columns // PADDING) * PADDING)
        bounds = self.scratch.take("bounds", padded, self.shift, torch.float32)
        bounds[rows:] = math.inf
        bounds[:, columns:] = math.inf
        inner = bounds[:rows, :columns]
        tiles = [(slice(None), slice(None))]
        itself = queries.rows is references.rows
        if itself:  # what lies below the diagonal is above it as well
            steps = range(0, rows, STAIR)
            tiles = [(slice(step, step + STAIR), slice(step, None)) for step in steps]
        for strip in strips(max(rows, columns), self.width):
            held = queries.centred
            left = self.centre(queries.rows, strip, "left") if held is None else held[:, strip]
            right = self.centre(references.rows, strip, "right", twice=True)
            for part in column_chunks(left.shape[1]):
                first = strip.start == part.start == 0
                for a, b in tiles:
                    self._multiply(left[a, part], right[b, part], inner[a, b], first=first)
        for a, _ in tiles if itself else ():
            inner[a.stop :, a] = inner[a, a.stop :].T
        inner.add_(queries.norms[:, None]).add_(references.norms)
        return bounds

    def _multiply(self, left: Tensor, right: Tensor, out: Tensor, *, first: bool) -> None:
        """Take a chunk's product into ``out``, apart, then added: no sum inside a product has more
        than ``CHUNK`` terms."""
        if first:
            torch.mm(left, right.T, out=out)
            return
        product = self.scratch.take("product", tuple(out.shape), left, torch.float32)
        out += torch.mm(left, right.T, out=product)

    def lift(self, slack: Tensor, other: Tensor) -> Tensor:
        """Return what lifts lower bounds of pairs to upper bounds: at least ``2c (n_i + n_j)``."""
        return (slack + other) / 2

    def upper_bounds(self, lower: Tensor, slack: Tensor) -> Tensor:
        """Certain upper bounds of squared distances, whatever the other rows may be.

        From ``d^2 <= lower + 2c (n_i + n_j)`` and ``n_j <= 2 n_i + 2 d^2``.
        """
        high = torch.finfo(torch.float32).max
        bound = (lower.clamp_min(0) + slack) * (1 + 5 * self.rounding)
        return bound.clamp_max(high)

    def doubt(self, squares: Tensor, slack: Tensor) -> Tensor:
        """More than ``squares``, the middle of a row's lower and upper bound, can be off by."""
        return slack * (1 + 5 * self.rounding) + squares * (5 * self.rounding)

    def squared(self, left: Tensor, i: Tensor, right: Tensor, j: Tensor) -> Tensor:
        """Squared distances of rows ``left[i]`` and ``right[j]`` (p,), float64, by differences.

        The order of summation is fixed by ``CHUNK`` alone, so equal pairs have equal values, on any
        device. Where there are very many pairs, those of bitwise equal rows are computed once.
        """
        if len(i) > 8 * (len(left) + len(right)):
            first, second = equal_rows(left)[i], equal_rows(right)[j]
            code, inverse = torch.unique(first * len(right) + second, return_inverse=True)
            i, j = code // len(right), code % len(right)
            return self._squared(left, i, right, j)[inverse]
        return self._squared(left, i, right, j)

    def _squared(self, left: Tensor, i: Tensor, right: Tensor, j: Tensor) -> Tensor:
        out = torch.zeros(len(i), dtype=torch.float64, device=left.device)
        pairs = PAIRS * max(1, CHUNK // max(self.width, 1))
        for start in range(0, len(i), pairs):
            part = slice(start, start + pairs)
            for columns in strips(len(i[part]), self.width):
                a = self._wide("a", left[:, columns], i[part])
                a -= self._wide("b", right[:, columns], j[part])
                if self.scale != 1.0:
                    a *= self.scale
                if self.weight is not None:
                    a *= self.weight[columns]
                add_squares(out[part], a)
        return out

    def _wide(self, name: str, rows: Tensor, index: Tensor) -> Tensor:
        shape = (len(index), rows.shape[1])
        picked = self.scratch.take(name, shape, rows, rows.dtype)
        torch.index_select(rows, 0, index, out=picked)
        return self.scratch.take(name + " wide", shape, rows, torch.float64).copy_(picked)

    def distances(self, squared: Tensor) -> Tensor:
        """Distances in the data's units, from squared ones in the frame's."""
        return squared.sqrt() / self.scale


def add_squares(total: Tensor, differences: Tensor) -> None:
    """Add to ``total`` (...,) the sums of squares of ``differences`` (..., d), which are lost.

    Each ``CHUNK`` is summed by halves: on a GPU the order of ``sum`` depends on how many rows there
    are, and equal rows would not have equal sums.
    """
    differences.square_()
    for chunk in column_chunks(differences.shape[-1]):
        part = differences[..., chunk]
        while (width := part.shape[-1]) > 1:
            half = width // 2
            part[..., :half].add_(part[..., width - half :])
            part = part[..., : width - half]
        total += part[..., 0]


def _mean(rows: Tensor) -> Tensor:
    return rows.double().mean(dim=0)


def equal_rows(rows: Tensor) -> Tensor:
    """For each row the index of a row with the same values (n,): a 64-bit hash, checked.

    Equal rows nearly always share an index; rows that differ never do.
    """
    generator = torch.Generator().manual_seed(0)
    code = torch.zeros(len(rows), dtype=torch.int64, device=rows.device)
    dtype = working_dtype(rows.dtype)
    bits = torch.int64 if dtype == torch.float64 else torch.int32
    for columns in column_chunks(rows.shape[1]):
        width = columns.stop - columns.start
        odd = torch.randint(-(2**62), 2**62, (width,), generator=generator, device="cpu") * 2 + 1
        odd = odd.to(rows.device)
        for start in range(0, len(rows), 128):
            part = slice(start, start + 128)
            words = (rows[part, columns].to(dtype) + 0.0).view(bits)  # -0.0 becomes 0.0
            code[part] += (words * odd).sum(dim=1)
    _, inverse = torch.unique(code, return_inverse=True)
    index = torch.arange(len(rows), device=rows.device)
    first = torch.full((int(inverse.max()) + 1,), len(rows), device=rows.device)
    first = first.scatter_reduce(0, inverse, index, "amin")[inverse]
    step = max(1, STRIP // max(rows.shape[1], 1))
    for start in range(0, len(rows), step):
        part = slice(start, start + step)
        same = (rows[part] == rows[first[part]]).all(dim=1)
        first[part] = torch.where(same, first[part], index[part])
    return first
