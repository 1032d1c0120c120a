"""The preparation of stored samples for a network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from addnn_spec.diagnostics import Refusal
from addnn_spec.runtime.data import Array
from addnn_spec.runtime.settings import Preparation

_CHANNELS = (1, 3, 4)
_MOST_VALUES = 2**26
"""An image is not made larger than this: 256 MiB."""


@dataclass(frozen=True)
class Expected:
    """What an input of the network takes: one sample's sizes, None where any; `dtype` as there.

    `of_one` says that the first of four sizes is that of a batch, of one image: data hold images
    without it, and it is put there.
    """

    name: str
    shape: tuple[int | None, ...]
    dtype: Literal["float", "int", "bool"] = "float"
    of_one: bool = False

    @property
    def image(self) -> bool:
        """True if it has the sizes of an image."""
        return self.of_one or len(self.shape) == 3

    @property
    def stored(self) -> str:
        """The sizes of its samples in the data, in words."""
        return sizes(self.shape[1:] if self.of_one else self.shape)


def steps(preparation: Preparation, raw: Array, dtype: str) -> tuple[str, ...]:
    """Tell the steps that are taken on samples like `raw` (k, …), for the record."""
    if dtype != "float":
        return ()
    taken = []
    if raw.dtype == object or raw.ndim == 4:
        taken.append(f"layout {preparation.layout}")
    if preparation.channels is not None:
        taken.append(f"{preparation.channels} channels")
    if preparation.resize is not None:
        taken.append(f"shorter side to {preparation.resize}, bilinear, antialiased")
    if preparation.crop is not None:
        taken.append(f"middle {preparation.crop} x {preparation.crop}")
    if _is_bytes(raw):
        taken.append("bytes / 255")
    if preparation.mean or preparation.std:
        mean, std = list(preparation.mean or (0.0,)), list(preparation.std or (1.0,))
        taken.append(f"minus {mean}, divided by {std}")
    return tuple(taken)


def prepare(preparation: Preparation, raw: Array, expected: Expected | None) -> Tensor:
    """Make samples (k, …) what the network takes; images of several sizes come as an object
    array of (C, H, W).

    Raises `DiagnosticError` where that is not possible.
    """
    if raw.dtype == object:
        images = [prepare(preparation, image[None], expected) for image in raw]
        shapes = sorted({tuple(image.shape[1:]) for image in images})
        if len(shapes) > 1:
            raise Refusal(
                "E0612",
                f"images differ in size: {sizes(shapes[0])}, and {sizes(shapes[-1])}",
                help="--resize, --crop and --channels make them alike",
            )
        return torch.cat(images)
    if expected is not None and expected.dtype != "float":
        return _integers(raw, expected)
    values = torch.from_numpy(np.require(raw, requirements=["C", "W"])).float()
    wanted = None if expected is None else expected.shape
    if expected is not None and expected.of_one and values.ndim < 5:
        image = replace(expected, shape=expected.shape[1:], of_one=False)
        return prepare(preparation, raw, image)[:, None]
    # Grey images (k, H, W) without the dimension of their channel.
    if values.ndim == 3 and (_is_bytes(raw) if wanted is None else len(wanted) == 3):
        values = values[:, None]
    if values.ndim == 1 and wanted != ():  # one number a sample
        values = values[:, None]
    is_image = values.ndim == 4
    if is_image:
        values = _image(preparation, _channels_first(preparation, values, wanted))
    elif preparation.channels or preparation.resize or preparation.crop:
        raise Refusal("E0612", "channels, resize and crop are for images")
    if _is_bytes(raw):
        values = values / 255
    return _fitted(_normalised(preparation, values, is_image), wanted)


def _channels_first(
    preparation: Preparation, values: Tensor, wanted: Sequence[int | None] | None
) -> Tensor:
    first, last = (values.shape[dim] in _CHANNELS for dim in (1, 3))
    if preparation.layout != "auto":
        return values if preparation.layout == "NCHW" else values.permute(0, 3, 1, 2)
    if first != last:
        return values if first else values.permute(0, 3, 1, 2)
    if wanted is not None and len(wanted) == 3:
        if agree(values.shape[1:], wanted) or not last:
            return values
        if agree((values.shape[3], *values.shape[1:3]), wanted):
            return values.permute(0, 3, 1, 2)
    raise Refusal(
        "E0612",
        f"images of {sizes(values.shape[1:])} could be NHWC or NCHW",
        help="give --layout",
    )


def _image(preparation: Preparation, values: Tensor) -> Tensor:
    if preparation.channels is not None and values.shape[1] != preparation.channels:
        if values.shape[1] == 1:
            _check_size(preparation.channels, *values.shape[2:])
            values = values.expand(-1, preparation.channels, -1, -1)
        elif preparation.channels == 1 and values.shape[1] == 3:
            # The luminance of ITU-R 601, as Pillow takes it for "L".
            weights = values.new_tensor([0.299, 0.587, 0.114])
            values = (values * weights[:, None, None]).sum(dim=1, keepdim=True)
        else:
            raise Refusal(
                "E0612", f"{values.shape[1]} channels cannot become {preparation.channels}"
            )
    if preparation.resize is not None:
        height, width = values.shape[2:]
        short = min(height, width)
        size = tuple(round(side * preparation.resize / short) for side in (height, width))
        if size != (height, width):
            _check_size(values.shape[1], *size)
            values = F.interpolate(values, size=size, mode="bilinear", antialias=True)
    if preparation.crop is not None:
        height, width = values.shape[2:]
        if min(height, width) < preparation.crop:
            raise Refusal(
                "E0612", f"a crop of {preparation.crop} does not fit into {height} x {width}"
            )
        top, left = (height - preparation.crop) // 2, (width - preparation.crop) // 2
        values = values[:, :, top : top + preparation.crop, left : left + preparation.crop]
    return values


def _check_size(*shape: int) -> None:
    """Refuse to make images that are too large, before they are made."""
    if prod(shape) > _MOST_VALUES:
        message = f"images would become {sizes(shape)}: more than {_MOST_VALUES:,} values each"
        raise Refusal("E0612", message, help="give a smaller --resize, or fewer --channels")


def _normalised(preparation: Preparation, values: Tensor, is_image: bool) -> Tensor:
    channels = values.shape[1] if values.ndim > 1 else 1
    for statistics, name in ((preparation.mean, "mean"), (preparation.std, "std")):
        if len(statistics) not in (0, 1, channels):
            raise Refusal("E0612", f"{len(statistics)} values of {name}, but {channels} channels")
    if any(not value > 0 for value in preparation.std):
        raise Refusal("E0612", "a standard deviation is above 0")
    shape = (-1, 1, 1) if is_image else (-1,)
    if preparation.mean:
        values = values - values.new_tensor(preparation.mean).view(shape)
    if preparation.std:
        values = values / values.new_tensor(preparation.std).view(shape)
    return values


def _is_bytes(raw: Array) -> bool:
    first: Array = raw[0] if raw.dtype == object else raw
    return bool(first.dtype == np.uint8)


def _integers(raw: Array, expected: Expected) -> Tensor:
    if raw.dtype.kind == "f" and not bool((raw == np.floor(raw)).all()):
        raise Refusal("E0612", f"{expected.name} takes whole numbers, and the data hold others")
    values = torch.from_numpy(np.ascontiguousarray(raw.astype(np.int64)))
    return _fitted(values.bool() if expected.dtype == "bool" else values, expected.shape)


def _fitted(values: Tensor, wanted: Sequence[int | None] | None) -> Tensor:
    """Return a sample of several dimensions flattened where the network takes one, and a grey
    image's channel left out where it takes none."""
    if wanted is None or agree(values.shape[1:], wanted):
        return values
    if len(wanted) == 1 and agree((values[0].numel(),), wanted):
        return values.flatten(1)
    if len(wanted) == 2 and values.shape[1] == 1 and agree(values.shape[2:], wanted):
        return values[:, 0]
    if len(wanted) == 3 and values.ndim == 2 and wanted[0] in _CHANNELS:
        pixels = [size for size in wanted[1:] if size is not None]
        if len(pixels) == 2 and values.shape[1] == wanted[0] * pixels[0] * pixels[1]:
            return values.reshape(-1, wanted[0], *pixels)
    return values


def agree(given: Sequence[int], wanted: Sequence[int | None]) -> bool:
    """Return True if sizes are those wanted, None for any."""
    return len(given) == len(wanted) and all(
        b is None or a == b for a, b in zip(given, wanted, strict=True)
    )


def check_sizes(wanted: Expected, found: Tensor) -> None:
    """Raise `Refusal` (E0612) where samples (k, …) have other sizes than an input takes."""
    if not agree(found.shape[1:], wanted.shape):
        given = found.shape[2 if wanted.of_one else 1 :]
        raise Refusal(
            "E0612",
            f"{wanted.name} takes samples of {wanted.stored}, and the data's are of {sizes(given)}",
            help="--resize, --crop, --channels and --layout prepare images"
            if wanted.image
            else None,
        )


def sizes(shape: Sequence[int | None]) -> str:
    """Return sizes in words: `3 x any x any`."""
    return " x ".join("any" if size is None else str(size) for size in shape)
