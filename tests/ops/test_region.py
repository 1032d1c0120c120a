"""Pools of regions, against loops over bins, samples and elements."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from addnn_spec.diagnostics import Refusal
from addnn_spec.ops.base import Operator, TensorType
from addnn_spec.ops.region import MultiScaleRoIAlign, RoIAlign, RoIPool
from tests.ops.harness import run, support_names

Array = NDArray[np.float64]

# In the image, across its border, smaller than a pixel, outside on either side, thin.
BOXES = np.array(
    [
        (0, 1.2, 2.7, 17.9, 13.1),
        (1, -6.0, -4.5, 9.0, 30.0),
        (1, 5.1, 5.2, 5.3, 5.9),
        (0, 22.5, 3.0, 40.0, 9.0),
        (1, -30.0, -20.0, -10.0, -12.0),
        (0, 2.0, 7.0, 21.0, 7.4),
    ]
)


def roi_pool(x: Array, boxes: Array, size: tuple[int, int], scale: float) -> Array:
    """Girshick's: corners to the nearest element, bins from floor to ceiling, maxima."""
    found = np.zeros((len(boxes), x.shape[1], *size))
    for r, (image, *corners) in enumerate(boxes):
        left, top, right, bottom = (np.rint(corner * scale) for corner in corners)
        down = max(bottom - top + 1, 1) / size[0]
        across = max(right - left + 1, 1) / size[1]
        for i in range(size[0]):
            for j in range(size[1]):
                rows = range(int(top + math.floor(i * down)), int(top + math.ceil((i + 1) * down)))
                columns = range(
                    int(left + math.floor(j * across)), int(left + math.ceil((j + 1) * across))
                )
                bin = [
                    x[int(image), :, row, column]
                    for row in rows
                    for column in columns
                    if 0 <= row < x.shape[2] and 0 <= column < x.shape[3]
                ]
                if bin:
                    found[r, :, i, j] = np.max(bin, axis=0)
    return found


def sample(map: Array, y: float, x: float) -> Array:
    """A bilinear sample; 0 more than an element outside; the border's elements up to there."""
    height, width = map.shape[1:]
    if not (-1 <= y <= height and -1 <= x <= width):
        return np.zeros(map.shape[0])
    y, x = min(max(y, 0), height - 1), min(max(x, 0), width - 1)
    top, left = int(y), int(x)
    below, right = min(top + 1, height - 1), min(left + 1, width - 1)
    above = map[:, top, left] * (1 - x + left) + map[:, top, right] * (x - left)
    under = map[:, below, left] * (1 - x + left) + map[:, below, right] * (x - left)
    value: Array = above * (1 - y + top) + under * (y - top)
    return value


def roi_align(
    x: Array, boxes: Array, size: tuple[int, int], scale: float, ratio: int, aligned: bool = False
) -> Array:
    """The mean of `ratio`² samples in each bin."""
    found = np.zeros((len(boxes), x.shape[1], *size))
    for r, (image, *corners) in enumerate(boxes):
        left, top, right, bottom = (corner * scale - 0.5 * aligned for corner in corners)
        least = -math.inf if aligned else 1.0
        down, across = max(bottom - top, least) / size[0], max(right - left, least) / size[1]
        for i in range(size[0]):
            for j in range(size[1]):
                for a in range(ratio):
                    for b in range(ratio):
                        y = top + (i + (a + 0.5) / ratio) * down
                        z = left + (j + (b + 0.5) / ratio) * across
                        found[r, :, i, j] += sample(x[int(image)], y, z) / ratio**2
    return found


def multi_scale(
    levels: list[Array], boxes: Array, size: tuple[int, int], stride: int, ratio: int
) -> Array:
    """Lin's equation 1, box by box."""
    found = []
    for box in boxes:
        side = math.sqrt((box[3] - box[1]) * (box[4] - box[2]))
        level = math.floor(4 + math.log2(side / 224) + 1e-6) - int(math.log2(stride))
        level = min(max(level, 0), len(levels) - 1)
        scale = 1 / (stride * 2**level)
        found.append(roi_align(levels[level], box[None], size, scale, ratio)[0])
    return np.stack(found)


def emitted(operator: Operator, *arrays: Array) -> Array:
    tensors = [torch.from_numpy(array) for array in arrays]
    types = [TensorType("float", array.shape) for array in arrays]
    (value,) = run(operator, types, tensors, None)
    found: Array = value.numpy()
    return found


def maps(*shape: int) -> Array:
    return np.random.default_rng(3).normal(size=shape)


@pytest.mark.parametrize(("size", "scale"), [((2, 3), 1.0), ((7, 7), 0.5), ((1, 1), 0.25)])
def test_roi_pool(size: tuple[int, int], scale: float) -> None:
    x = maps(2, 3, 15, 24)
    found = emitted(RoIPool(size=size, spatial_scale=scale), x, BOXES)
    np.testing.assert_allclose(found, roi_pool(x, BOXES, size, scale), rtol=1e-12)


@pytest.mark.parametrize("aligned", [False, True])
@pytest.mark.parametrize(("size", "scale"), [((2, 3), 1.0), ((7, 7), 0.5), ((1, 1), 0.25)])
def test_roi_align(size: tuple[int, int], scale: float, aligned: bool) -> None:
    x = maps(2, 3, 15, 24)
    operator = RoIAlign(size=size, spatial_scale=scale, sampling_ratio=3, aligned=aligned)
    expected = roi_align(x, BOXES, size, scale, 3, aligned)
    np.testing.assert_allclose(emitted(operator, x, BOXES), expected, rtol=1e-9, atol=1e-12)


def test_multi_scale_roi_align() -> None:
    """Regions on every level, at the sides where the level changes, and beyond both ends."""
    levels = [maps(2, 3, n, n + 2) for n in (64, 32, 16)]
    sides = (3, 111, 112, 113, 223.9, 224, 300, 900)
    boxes = np.array([(i % 2, 5.0, 9.0, 5.0 + side, 9.0 + side) for i, side in enumerate(sides)])
    operator = MultiScaleRoIAlign(size=(3, 2), stride=4, sampling_ratio=2)
    found = emitted(operator, *levels, boxes)
    expected = multi_scale(levels, boxes, (3, 2), 4, 2)
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)


def test_regions_are_rows_of_five() -> None:
    x, boxes = TensorType("float", (1, 3, 8, 8)), TensorType("float", (4, 4))
    with pytest.raises(Refusal, match="size of a region is 4, where 5 is needed"):
        RoIAlign(size=7).infer(x, boxes)
    with pytest.raises(Refusal, match="channels is 2, where 3 is needed"):
        MultiScaleRoIAlign(size=7).infer(
            x, TensorType("float", (1, 2, 4, 4)), TensorType("float", (4, 5))
        )


def test_doubles_are_sampled_as_doubles() -> None:
    """Also where torch makes floats of single precision by default."""
    x = maps(2, 3, 15, 24)
    align = support_names(RoIAlign(size=3).support)["single_scale_roi_align"]
    assert torch.get_default_dtype() == torch.float32
    found = align(torch.from_numpy(x), torch.from_numpy(BOXES), (3, 3), sampling_ratio=3)
    expected = roi_align(x, BOXES, (3, 3), 1.0, 3)
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-9, atol=1e-12)
