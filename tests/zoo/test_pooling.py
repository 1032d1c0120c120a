"""The library's kinds of pooling against loops in numpy, written from their definitions."""

from __future__ import annotations

import cmath
import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from tests.zoo.emitted import emitted_text, random

Map = NDArray[np.float64]


def pooled(layer: str, x: Map) -> Map:
    """What a block of the library makes of a map, through the emitted module."""
    block = layer.partition("(")[0]
    shape = ", ".join(map(str, x.shape[1:]))
    module = emitted_text(
        f'from "pooling.net" import {block}\n'
        f"network Pooled {{ input x: float[N, {shape}] output y = x -> {layer} }}"
    )
    with torch.no_grad():
        found: Map = module(torch.from_numpy(x)).numpy()
    return found


def image(*shape: int) -> Map:
    return random(*shape).numpy()


def windows(x: Map, kernel: int, stride: int, of: Callable[[Map], Any]) -> Map:
    """`of` each window of a map, without padding."""
    n, c, h, w = x.shape
    high, wide = (h - kernel) // stride + 1, (w - kernel) // stride + 1
    out = np.zeros((n, c, high, wide))
    for a, b, i, j in np.ndindex(out.shape):
        top, left = i * stride, j * stride
        out[a, b, i, j] = of(x[a, b, top : top + kernel, left : left + kernel].ravel())
    return out


def test_intermap() -> None:
    x = image(2, 6, 3, 4)
    expected = np.zeros((2, 2, 3, 4))
    for n, group, i, j in np.ndindex(expected.shape):
        expected[n, group, i, j] = max(x[n, 3 * group + k, i, j] for k in range(3))
    np.testing.assert_array_equal(pooled("InterMapPool(3)", x), expected)


def test_rows_do_not_turn() -> None:
    x = image(2, 3, 4, 5)
    expected = np.zeros((2, 3, 4))
    for n, c, row in np.ndindex(expected.shape):
        expected[n, c, row] = max(x[n, c, row, column] for column in range(5))
    np.testing.assert_array_equal(pooled("RowMaxPool", x), expected)
    np.testing.assert_array_equal(pooled("RowMaxPool", np.roll(x, 2, axis=3)), expected)


@pytest.mark.parametrize(("kernel", "stride", "count"), [(2, 2, 2), (3, 2, 4), (2, 1, 1)])
def test_rank_based_average(kernel: int, stride: int, count: int) -> None:
    x = image(2, 3, 7, 6)
    expected = windows(x, kernel, stride, lambda w: sum(sorted(w)[::-1][:count]) / count)
    found = pooled(f"RankAveragePool2d({kernel}, {count}, {stride})", x)
    np.testing.assert_allclose(found, expected, rtol=1e-12)


@pytest.mark.parametrize("alpha", [0.3, 1.0])
def test_weighted(alpha: float) -> None:
    x = image(2, 3, 7, 6)

    def weighted(window: Map) -> float:
        ranked = sorted(window, reverse=True)
        return float(sum(alpha * (1 - alpha) ** (r - 1) * a for r, a in enumerate(ranked, 1)))

    found = pooled(f"WeightedPool2d(3, {alpha}, stride = 2)", x)
    np.testing.assert_allclose(found, windows(x, 3, 2, weighted), rtol=1e-12)


def test_per_pixel_pyramid() -> None:
    x = image(2, 3, 6, 5)
    sizes = (5, 3, 1)
    expected = np.zeros((2, 9, 6, 5))
    for (level, size), (n, c, i, j) in itertools.product(enumerate(sizes), np.ndindex(x.shape)):
        r = size // 2
        around = x[n, c, max(i - r, 0) : i + r + 1, max(j - r, 0) : j + r + 1]
        expected[n, 3 * level + c, i, j] = around.max()
    np.testing.assert_array_equal(pooled("PerPixelPyramidPool([5, 3, 1])", x), expected)


def test_super_pixel() -> None:
    x, labels = image(2, 3, 4, 5), np.random.default_rng(3).integers(0, 4, (2, 4, 5))
    module = emitted_text(
        'from "pooling.net" import SuperPixelPool\n'
        "network Pooled { input x: float[N, 3, H, W]  input labels: int[N, H, W]\n"
        "  output y = (x, labels) -> SuperPixelPool(5) }"
    )
    found = module(torch.from_numpy(x), torch.from_numpy(labels)).numpy()
    assert found.shape == (2, 3, 5)
    for n, c, region in itertools.product(range(2), range(3), range(5)):
        places = [x[n, c, i, j] for i in range(4) for j in range(5) if labels[n, i, j] == region]
        expected = sum(places) / len(places) if places else 0  # none belongs to the fifth
        np.testing.assert_allclose(found[n, c, region], expected, rtol=1e-12)


@pytest.mark.parametrize("size", [6, 7])
def test_same(size: int) -> None:
    """TensorFlow: ⌈size / 2⌉ windows of 3; what they lack is added, the odd one at the end."""
    x = image(1, 2, size, size)
    lacking = max((-(-size // 2) - 1) * 2 + 3 - size, 0)
    ends = (lacking // 2, lacking - lacking // 2)
    padded = np.pad(x, ((0, 0), (0, 0), ends, ends), constant_values=-np.inf)
    module = emitted_text(
        'from "cell.net" import MaxPool\n'
        f"network Pooled {{ input x: float[N, 2, {size}, {size}]  output y = x -> MaxPool(2) }}"
    )
    found = module(torch.from_numpy(x)).numpy()
    assert found.shape[2] == -(-size // 2)
    for c, i, j in itertools.product(range(2), range(found.shape[2]), range(found.shape[3])):
        window = padded[0, c, 2 * i : 2 * i + 3, 2 * j : 2 * j + 3]
        assert found[0, c, i, j] == window.max()


@pytest.mark.parametrize(("height", "width"), [(3, 5), (4, 2), (1, 1)])
def test_spectral(height: int, width: int) -> None:
    x = image(1, 2, 6, 5)
    expected = np.zeros((1, 2, height, width))

    def wave(k: int, t: int, size: int) -> complex:
        return cmath.exp(2j * cmath.pi * k * t / size)

    rows = range(-(height // 2), (height + 1) // 2)
    columns = range(-(width // 2), (width + 1) // 2)
    for n, c, p, q in itertools.product(range(1), range(2), rows, columns):
        grid = itertools.product(range(6), range(5))
        part = sum(x[n, c, i, j] / (wave(p, i, 6) * wave(q, j, 5)) for i, j in grid) / 30**0.5
        for i, j in itertools.product(range(height), range(width)):
            back = part * wave(p, i, height) * wave(q, j, width) / (height * width) ** 0.5
            expected[n, c, i, j] += back.real
    np.testing.assert_allclose(pooled(f"SpectralPool2d({height}, {width})", x), expected, rtol=1e-9)


def test_spectral_keeps_a_smooth_map() -> None:
    x = image(1, 2, 6, 6)
    np.testing.assert_allclose(pooled("SpectralPool2d(6)", x), x, rtol=1e-9)
    smaller = pooled('SpectralPool2d(3, norm = "forward")', x)
    np.testing.assert_allclose(smaller.mean((2, 3)), x.mean((2, 3)), rtol=1e-9)


KEYS = (
    ((742938285, 950706376, 1226874159), (62089911, 1343714438, 630360016)),
    ((1583458089, 784588716, 397204094), (2027812808, 1323257245, 764261123)),
)


def drawn(i: int, a: int, b: int, c: int) -> int:
    return int(((a * i + b) * i + c) % (2**31 - 1))


def test_compact_bilinear_is_the_sketch_of_all_products() -> None:
    x, size = image(2, 5, 3, 4), 16
    (place1, sign1), (place2, sign2) = KEYS
    expected = np.zeros((2, size))
    for n, i, j in itertools.product(range(2), range(5), range(5)):
        place = (drawn(i, *place1) + drawn(j, *place2)) % size
        sign = (-1) ** (drawn(i, *sign1) + drawn(j, *sign2))
        expected[n, place] += sign * (x[n, i] * x[n, j]).sum()
    found = pooled(f"CompactBilinearPool({size})", x)
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)


def test_compact_bilinear_keeps_the_second_order_kernel() -> None:
    """Inner products of sketches are near those of the full bilinear descriptors."""
    x = image(6, 32, 4, 4)
    full = np.einsum("nihw,njhw->nij", x, x).reshape(6, -1)
    sketched = pooled("CompactBilinearPool", x)
    kernel = full @ full.T
    assert np.abs(sketched @ sketched.T - kernel).max() < 0.1 * np.diag(kernel).min()
