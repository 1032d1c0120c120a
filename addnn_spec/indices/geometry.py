"""Squared distances with a certificate: lower bounds by a product, float64 values.

The bound of a pair is the Gram expansion ``n_i + n_j - 2 g_ij`` of centred rows, lowered by the
doubt of both rows, ``w_i + w_j``: all that rounding and coding can have changed.

- Rounding (Higham, Accuracy and Stability of Numerical Algorithms, chapter 3):
  ``c (n_i + n_j)``, ``c = gamma + (20 + RUN) u``, gamma that of the additions behind one sum.
  Products are summed a chunk of columns at a time, so gamma is a chunk's however wide the rows
  are; norms are summed ``RUN`` squares at a time in float32, the sums of those in float64.
- Coding: rows x = h + e are multiplied as h. With the measured ``|e|``,
  ``|x_i x_j - h_i h_j| <= |h_i||e_j| + |e_i||h_j| + |e_i||e_j|`` (Cauchy and Schwarz), and
  ``2 |h_i||e_j| <= t |h_i|^2 + |e_j|^2 / t`` for any t: the product's usual loss.

What the bounds leave open is settled by direct differences in float64.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from addnn_spec.indices import keys
from addnn_spec.indices.errors import NotFiniteError, ShapeError
from addnn_spec.indices.products import AUTO, FLOAT32, FLOAT64, Product, products

CHUNK = 1024  # columns summed at a time: fixed, so that a result never depends on the budget
RUN = 64  # squares of a norm that are summed in float32
STRIP = 2**16  # values worked on at a time: so many stay in a core's cache
CUDA_STRIP = 2**24  # on a GPU it is the launches that cost
STAIR = 256  # rows at a time of a block with itself
CUDA_STAIR = 2048
PADDING = 256  # rows and columns of a block of bounds are padded to this, for whole vectors
PAIRS = 64  # pairs whose float64 differences are held at a time
_UNIT = 2.0**-24
_SAFE = 2.0**30  # spans outside [1/_SAFE, _SAFE] are rescaled by a power of two
_LIMIT = 2.0**60  # scales that values of float32 may be multiplied by before they are squared
_WIDE = 128  # rows whose bounds are taken in float64 at a time
_EXACT_INTEGER = 2.0**53


def column_chunks(width: int) -> Iterator[slice]:
    """Yield the columns, ``CHUNK`` at a time."""
    for start in range(0, width, CHUNK):
        yield slice(start, min(start + CHUNK, width))


def strip_values(device: str, budget: int) -> int:
    """Return how many values are worked on at a time on a device, in ``budget`` bytes."""
    return STRIP if device != "cuda" else max(STRIP, min(CUDA_STRIP, budget // 128))


def strips(width: int, rows: int, values: int = STRIP, chunk: int = CHUNK) -> Iterator[slice]:
    """Yield the columns in whole chunks, so many at a time that ``rows`` of them are about
    ``values``."""
    step = chunk * max(1, values // (chunk * max(rows, 1)))
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
    step = len(rows) if rows.is_cuda else 256
    for start in range(0, len(rows), step):
        part = rows[start : start + step]
        if part.dtype == torch.bool:
            largest = 1.0
            continue
        low, high = torch.stack(torch.aminmax(part)).tolist()
        if not (math.isfinite(low) and math.isfinite(high)):
            bad = int(torch.nonzero(~torch.isfinite(part).all(dim=1))[0])
            raise NotFiniteError(f"sample {first + start + bad} holds NaN or an infinite value")
        largest = max(largest, abs(low), abs(high))
    if not rows.dtype.is_floating_point and largest > _EXACT_INTEGER:
        raise NotFiniteError("integer features beyond 2**53 cannot be held exactly in float64")
    return largest


def safe_scale(largest: float, peak: float | None = None) -> float:
    """Return a power of two that brings values up to ``largest`` where their squares neither
    overflow nor vanish; 1 unless they are extreme, or ``peak`` says what they are brought up to."""
    if largest == 0 or (peak is None and 1 / _SAFE <= largest <= _SAFE):
        return 1.0
    power = (0 if peak is None else int(math.log2(peak))) - math.frexp(largest)[1]
    return 2.0 ** min(power, 1023)  # 2**1024 is no float: values of 1e-310 exist


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
class Certificate:
    """What bounds by one product rest on, for the rows of a block.

    Attributes:
        lowered: (n,) squared norms less ``doubt``, in the type of the bounds.
        doubt: (n,) float32, what the row adds to the error of a pair's squared distance.
        slack: (n,) float32, the part of what lifts a lower bound of the row to an upper bound,
            whatever the other row.
        floor: () the rest of it, which is the other row's.
        most: () the largest of twice the doubts, which is the rest as well.
    """

    lowered: Tensor
    doubt: Tensor
    slack: Tensor
    floor: Tensor
    most: Tensor


@dataclass(frozen=True)
class RowBlock:
    """Some consecutive samples of one side of the search."""

    start: int
    rows: Tensor
    certificates: dict[str, Certificate] = field(default_factory=dict, compare=False, repr=False)
    held: tuple[Product, Tensor] | None = None
    """Coded rows, by the product that they are coded for."""

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def stop(self) -> int:
        return self.start + len(self.rows)


@dataclass(frozen=True)
class RowScaling:
    """How rows are read before distances are taken: ``(x - shift) * weight * scale``.

    ``shift`` (d,) only serves accuracy (distances do not change with it); ``weight`` (d,) in
    float64 is the normalisation, or None; ``scale`` is a power of two. ``ladder`` are the products
    that bounds are taken by: the first, and those that take over where it leaves too much open.
    ``strip`` values are worked on at a time.
    """

    shift: Tensor
    weight: Tensor | None
    scale: float
    scratch: Scratch = field(default_factory=Scratch, compare=False, repr=False)
    strip: int = STRIP
    ladder: tuple[Product, ...] = (FLOAT32, FLOAT64)

    @classmethod
    def around(
        cls,
        rows: Tensor,
        weight: Tensor | None = None,
        scratch: Scratch | None = None,
        product: str = AUTO,
        strip: int = STRIP,
    ) -> RowScaling:
        """Return the frame for ``rows`` (m, d): centred on the mean of up to 1024 of them.

        Raises:
            NotFiniteError: a value is NaN or infinite.
            OptionError: there is no such product.
        """
        largest = check_finite(rows)
        dtype = working_dtype(rows.dtype)
        some = rows[:: -(-len(rows) // 1024)]
        shift = torch.empty(rows.shape[1], dtype=dtype, device=rows.device)
        for columns in strips(rows.shape[1], len(some), strip):
            shift[columns] = _mean(some[:, columns], largest).to(dtype)
        ladder = products(product, rows)
        if weight is not None:
            largest = _largest_weighted(rows, shift, weight)
        scale = safe_scale(largest, ladder[0].peak)
        return cls(shift, weight, scale, scratch or Scratch(), strip, ladder)

    @property
    def width(self) -> int:
        return len(self.shift)

    def _strips(self, rows: int, chunk: int = CHUNK) -> Iterator[slice]:
        return strips(self.width, rows, self.strip, chunk)

    @property
    def _extreme(self) -> bool:
        """Tell whether values must be scaled before they are squared, even in float64."""
        return not 1 / _LIMIT <= self.scale <= _LIMIT

    @property
    def _huge(self) -> bool:
        """Tell whether even differences may overflow."""
        return self.scale < 2.0**-1000

    def rounding(self, product: Product) -> float:
        """``c`` of the module's text."""
        unit = min(product.addition, _UNIT)
        gamma = min(self.width, product.chunk) * product.addition
        gamma += (math.ceil(self.width / product.chunk) + 1) * unit
        return 1.01 * (gamma / (1 - gamma) + (20 + RUN) * unit + self.width * 2.0**-53)

    def usual(self, product: Product) -> float:
        """Return the share of a row's squared norm that is its doubt, where coding loses what is
        usual or less."""
        return self.rounding(product) * 1.01 + 3.5 * product.loss

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
        dtype: torch.dtype = torch.float32,
    ) -> Tensor:
        """Return columns of ``rows`` in this frame, in ``dtype``; times -2 (exactly) if ``twice``.

        Without a place to put it ``into`` it lies in the scratch buffer ``name`` until that is
        taken again.
        """
        wide = torch.promote_types(working_dtype(rows.dtype), self.shift.dtype)
        if self._extreme or dtype == torch.float64:
            wide = torch.float64
        part, shift = rows[:, columns].to(wide), self.shift[columns].to(wide)
        if self._extreme:
            part, shift = part * self.scale, shift * self.scale
        shape = (len(part), part.shape[1])
        if into is None:
            into = self.scratch.take(name, shape, part, dtype)
        out = into if wide == dtype else self.scratch.take(name, shape, part, wide)
        if twice:
            torch.sub(shift * 2, part, alpha=2, out=out)
        else:
            torch.sub(part, shift, out=out)
        if self.scale != 1.0 and not self._extreme:
            out *= self.scale
        if self.weight is not None:
            out *= self.weight[columns].to(out.dtype)
        return into if wide == dtype else into.copy_(out)

    def coded(
        self,
        rows: Tensor,
        columns: slice,
        name: str,
        product: Product,
        *,
        twice: bool = False,
        into: Tensor | None = None,
    ) -> Tensor:
        """Return columns of ``rows`` as a product takes them; times -2 if ``twice``. See
        ``centre``."""
        if not product.loss:
            return self.centre(rows, columns, name, twice=twice, into=into, dtype=product.dtype)
        part = self.centre(rows, columns, "centred")
        if into is None:
            into = self.scratch.take(f"{name} coded", tuple(part.shape), part, product.dtype)
        product.code(part, -2.0 if twice else 1.0, into)
        return into

    def block(self, start: int, rows: Tensor) -> RowBlock:
        """``rows`` (n, d), the first of them sample ``start``, with what its bounds rest on."""
        block = RowBlock(start, rows)
        self.certificate(block, self.ladder[0])
        return block

    def certificate(self, block: RowBlock, product: Product) -> Certificate:
        """Return what a product's bounds of a block rest on; it is taken once."""
        if product.name not in block.certificates:
            block.certificates[product.name] = self._certify(block.rows, product)
        return block.certificates[product.name]

    def _certify(self, rows: Tensor, product: Product) -> Certificate:
        norms = torch.zeros(len(rows), dtype=torch.float64, device=rows.device)
        losses = torch.zeros_like(norms)
        step = max(128, self.strip // CHUNK)
        for first in range(0, len(rows), step):
            part, span = rows[first : first + step], slice(first, first + step)
            for columns in self._strips(len(part)):
                centred = self.centre(part, columns, "norms", dtype=product.bounds)
                if product.loss:
                    shape = tuple(centred.shape)
                    code = self.scratch.take("norms coded", shape, centred, product.dtype)
                    product.code(centred, 1.0, code)
                    lost = self.scratch.take("lost", shape, centred, torch.float32)
                    losses[span] += _sum_of_squares(torch.sub(centred, code, out=lost))
                norms[span] += _sum_of_squares(centred)
        c, loss = self.rounding(product), product.loss
        doubt = norms * (c * 1.01 + 1.03 * loss) + self.underflow
        if loss:
            doubt += losses * (1.07 / loss)
        usual = self.usual(product)
        floor = (doubt - usual * norms).amax().clamp_min(0)
        slack = 2.01 * doubt + (4.04 * usual) * norms
        lowered, most = (norms - doubt).to(product.bounds), 2.01 * doubt.amax()
        return Certificate(
            lowered, doubt.float(), slack.float(), 2.01 * floor.float(), most.float()
        )

    def hold(self, block: RowBlock, product: Product) -> RowBlock:
        """Return the block with its coded rows held, for many visits, until another block is."""
        shape = (len(block), self.width)
        held = self.scratch.take("held", shape, block.rows, product.dtype)
        for columns in self._strips(len(block)):
            self.coded(block.rows, columns, "left", product, into=held[:, columns])
        return replace(block, held=(product, held))

    def lower_bounds(self, queries: RowBlock, references: RowBlock, product: Product) -> Tensor:
        """Return certain lower bounds of squared distances, float32, padded with inf.

        Shape: (len(queries), len(references)), each rounded up to a multiple of ``PADDING``. It
        lies in a scratch buffer until the next call.
        """
        rows, columns = len(queries), len(references)
        padded = (-(-rows // PADDING) * PADDING, -(-columns // PADDING) * PADDING)
        bounds = self.scratch.take("bounds", padded, self.shift, torch.float32)
        bounds[rows:] = math.inf
        bounds[:, columns:] = math.inf
        inner = bounds[:rows, :columns]
        left = self.certificate(queries, product).lowered
        right = self.certificate(references, product).lowered
        if product.bounds != torch.float32:
            self._wide_bounds(queries, references, product, inner)
            return bounds
        tiles = [(slice(None), slice(None))]
        itself = queries.rows is references.rows
        if itself:  # what lies below the diagonal is above it as well
            stair = CUDA_STAIR if inner.is_cuda else STAIR
            steps = range(0, rows, stair)
            tiles = [(slice(step, step + stair), slice(step, None)) for step in steps]
        self._multiply(queries, references, product, tiles, inner)
        for a, _ in tiles if itself else ():
            inner[a.stop :, a] = inner[a, a.stop :].T
        if inner.is_cuda:  # one pass in place of two
            one = torch.ones_like(left)
            inner.addmm_(torch.stack((left, one), 1), torch.stack((one[:1].expand(columns), right)))
        else:
            inner.add_(left[:, None]).add_(right)
        return bounds

    def _multiply(
        self,
        queries: RowBlock,
        references: RowBlock,
        product: Product,
        tiles: list[tuple[slice, slice]],
        out: Tensor,
    ) -> None:
        """Take -2 times the inner products to ``out``: a chunk's apart, then added, so that no sum
        inside a product is longer."""
        held = None
        if queries.held is not None and queries.held[0] is product:
            held = queries.held[1]
        most = max(len(queries), len(references))
        for strip in self._strips(most, product.chunk):
            left = (
                self.coded(queries.rows, strip, "left", product) if held is None else held[:, strip]
            )
            right = self.coded(references.rows, strip, "right", product, twice=True)
            for start in range(0, left.shape[1], product.chunk):
                part = slice(start, start + product.chunk)
                first = strip.start == start == 0
                for a, b in tiles:
                    sums = out[a, b]
                    if first:
                        product.multiply(left[a, part], right[b, part], sums)
                        continue
                    more = self.scratch.take("product", tuple(sums.shape), sums, sums.dtype)
                    product.multiply(left[a, part], right[b, part], more)
                    sums += more

    def _wide_bounds(
        self, queries: RowBlock, references: RowBlock, product: Product, out: Tensor
    ) -> None:
        """Take bounds in float64, some rows at a time, and round them down to float32."""
        lowered = self.certificate(references, product).lowered
        for start in range(0, len(queries), _WIDE):
            rows = slice(start, start + _WIDE)
            part = RowBlock(0, queries.rows[rows])
            wide = self.scratch.take("wide", (len(part), len(references)), lowered, product.bounds)
            everything = [(slice(None), slice(None))]
            self._multiply(part, references, product, everything, wide)
            wide += self.certificate(queries, product).lowered[rows, None]
            wide += lowered
            out[rows] = wide.sub_(wide.abs(), alpha=2.0**-23)

    def lift(self, lower: Tensor, doubt: Tensor, other: Tensor) -> Tensor:
        """Return certain upper bounds of pairs from their lower bounds and both rows' doubts."""
        return (lower.clamp_min(0) + 2.01 * (doubt + other)) * (1 + 2.0**-20)

    def slack(self, mine: Certificate, theirs: Certificate) -> Tensor:
        """Return what turns lower bounds of my rows (n,) into upper ones, whichever the other row
        is."""
        return mine.slack + theirs.floor

    def upper_bounds(
        self, lower: Tensor, mine: Certificate, theirs: Certificate, product: Product
    ) -> Tensor:
        """Return certain upper bounds (n, k) of squared distances from lower ones of my rows,
        whichever of their rows the other is.

        ``d^2 <= lower + 2 w_i + 2 w_j``, where w_j is at most the largest. With
        ``w_j <= c n_j + f`` and ``n_j <= 2 n_i + 2 d^2`` it is also at most
        ``lower + 2 w_i + 4c n_i + 2f + 4c d^2``, which one far row does not spoil.
        """
        lower = lower.clamp_min(0)
        high = torch.finfo(torch.float32).max
        plain = (lower + (2.01 * mine.doubt + theirs.most)[:, None]) * (1 + 2.0**-20)
        share = 2.0**-20 + 5 * self.usual(product)
        spared = (lower + self.slack(mine, theirs)[:, None]) * (1 + share)
        return torch.minimum(plain, spared).clamp_max(high)

    def doubt(self, squares: Tensor, slack: Tensor) -> Tensor:
        """Return more than ``squares``, the middle of a row's two bounds, can be off by."""
        share = 5 * self.usual(self.ladder[0]) + 2.0**-20
        return slack * (1 + share) + squares * share

    def settled(self, left: Tensor, i: Tensor, right: Tensor, j: Tensor) -> Tensor:
        """Return squared distances of rows ``left[i]`` and ``right[j]`` (p,), as keys (keys.py), by
        differences in float64.

        The order of summation is fixed by ``CHUNK`` alone, so equal pairs have equal values, on any
        device. Where there are very many pairs, those of bitwise equal rows are computed once.
        """
        if len(i) > 8 * (len(left) + len(right)):
            first, second = equal_rows(left)[i], equal_rows(right)[j]
            code, inverse = torch.unique(first * len(right) + second, return_inverse=True)
            i, j = code // len(right), code % len(right)
            return self._settled(left, i, right, j)[inverse]
        return self._settled(left, i, right, j)

    def _settled(self, left: Tensor, i: Tensor, right: Tensor, j: Tensor) -> Tensor:
        pairs = PAIRS * max(1, CHUNK // max(self.width, 1)) * (self.strip // STRIP)
        if self._extreme:
            found = torch.empty_like(i)
            small = torch.arange(len(i), device=i.device)
        else:
            squares = torch.zeros(len(i), dtype=torch.float64, device=left.device)
            for start in range(0, len(i), pairs):
                part = slice(start, start + pairs)
                for columns in self._strips(len(i[part])):
                    apart = self._differences(left, i[part], right, j[part], columns)
                    if self.scale != 1.0:
                        apart *= self.scale
                    add_squares(squares[part], apart)
            found = keys.of(squares)
            if torch.promote_types(left.dtype, right.dtype) != torch.float64:
                return found
            (small,) = torch.nonzero(keys.small(squares), as_tuple=True)
        for few in torch.split(small, pairs):
            found[few] = self._by_own_exponent(left, i[few], right, j[few])
        return found

    def _by_own_exponent(self, left: Tensor, i: Tensor, right: Tensor, j: Tensor) -> Tensor:
        """Settle pairs whose squares would vanish or overflow: their differences are scaled by a
        power of two of the pair's own."""
        largest = torch.zeros(len(i), dtype=torch.float64, device=left.device)
        for columns in self._strips(len(i)):
            apart = self._differences(left, i, right, j, columns)
            torch.maximum(largest, apart.abs_().amax(dim=1), out=largest)
        exponent = keys.exponent(largest)
        total = torch.zeros_like(largest)
        for columns in self._strips(len(i)):
            apart = self._differences(left, i, right, j, columns)
            add_squares(total, keys.times_power(apart, -exponent[:, None]))
        power = math.frexp(self.scale)[1] - 1 + (1 if self._huge else 0)
        return keys.of(total, exponent + power)

    def _differences(
        self, left: Tensor, i: Tensor, right: Tensor, j: Tensor, columns: slice
    ) -> Tensor:
        """Return ``left[i] - right[j]``, weighted, not scaled, in float64; until the next call."""
        a, b = self._wide("a", left[:, columns], i), self._wide("b", right[:, columns], j)
        if self._huge:
            a *= 0.5
            b *= 0.5
        a -= b
        if self.weight is not None:
            a *= self.weight[columns]
        return a

    def _wide(self, name: str, rows: Tensor, index: Tensor) -> Tensor:
        shape = (len(index), rows.shape[1])
        picked = self.scratch.take(name, shape, rows, rows.dtype)
        torch.index_select(rows, 0, index, out=picked)
        return self.scratch.take(name + " wide", shape, rows, torch.float64).copy_(picked)

    def distances(self, squares: Tensor) -> Tensor:
        """Return distances in the data's units, from squared ones (keys) in the frame's."""
        return (keys.root(squares.cpu()) / self.scale).to(squares.device)


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


def _mean(rows: Tensor, largest: float) -> Tensor:
    if largest < 2.0**900:
        return rows.double().mean(dim=0)
    return (rows.double() * 2.0**-200).mean(dim=0) * 2.0**200  # sums would overflow


def _largest_weighted(rows: Tensor, shift: Tensor, weight: Tensor) -> float:
    """Return the largest of ``abs(rows - shift) * weight``."""
    largest = torch.zeros((), dtype=torch.float64, device=rows.device)
    for columns in strips(rows.shape[1], len(rows), max(STRIP, rows.numel() // 8)):
        low, high = torch.aminmax(rows[:, columns], dim=0)
        low, middle, high = (part.double() / 2 for part in (low, shift[columns], high))
        apart = torch.maximum(high - middle, middle - low)
        largest = torch.maximum(largest, (apart * weight[columns]).amax())
    return min(2 * float(largest), sys.float_info.max)


def _sum_of_squares(values: Tensor) -> Tensor:
    """Return the sums (n,), float64, of squares of ``values`` (n, d), which are lost: ``RUN`` at a
    time in their own type."""
    if values.is_cuda:
        norms: Tensor = torch.linalg.vector_norm(values, dim=1, dtype=torch.float64)
        return norms.square_()
    squares = values.square_()
    even = squares.shape[1] // RUN * RUN
    runs = squares[:, :even].view(len(squares), even // RUN, RUN).sum(dim=2)
    total = runs.sum(dim=1, dtype=torch.float64)
    return total.add_(squares[:, even:].sum(dim=1))


def equal_rows(rows: Tensor) -> Tensor:
    """Return for each row the index of a row with the same values (n,): a 64-bit hash, checked.

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
        step = len(rows) if rows.is_cuda else 128
        for start in range(0, len(rows), step):
            part = slice(start, start + step)
            words = (rows[part, columns].to(dtype) + 0.0).view(bits)  # -0.0 becomes 0.0
            code[part] += (words * odd).sum(dim=1)
    _, inverse = torch.unique(code, return_inverse=True)
    index = torch.arange(len(rows), device=rows.device)
    first = torch.full((int(inverse.max()) + 1,), len(rows), device=rows.device)
    first = first.scatter_reduce(0, inverse, index, "amin")[inverse]
    step = max(1, (CUDA_STRIP if rows.is_cuda else STRIP) // max(rows.shape[1], 1))
    for start in range(0, len(rows), step):
        part = slice(start, start + step)
        same = (rows[part] == rows[first[part]]).all(dim=1)
        first[part] = torch.where(same, first[part], index[part])
    return first
