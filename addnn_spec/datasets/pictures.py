"""Samples as pictures: PNG, as a page holds them."""

from __future__ import annotations

import struct
import zlib
from base64 import b64encode

import numpy as np

from addnn_spec.diagnostics import DiagnosticError
from addnn_spec.runtime.data import Array, SampleSource
from addnn_spec.runtime.preparing import prepare
from addnn_spec.runtime.settings import Preparation

_LARGEST = 512


def picture(source: SampleSource, place: int, preparation: Preparation) -> str:
    """Return a sample as the address of a PNG that a page can show; "" for what is no image."""
    plain = Preparation(**{**preparation.model_dump(include=_SHAPE), "resize": None, "crop": None})
    raw = source.read(np.array([place]))[0]
    try:
        values = prepare(plain, raw, None)[0].numpy()
    except DiagnosticError:
        return ""
    if values.ndim == 2 and min(values.shape) > 1:
        values = values[None]
    if values.ndim != 3 or values.shape[0] not in (1, 3, 4) or max(values.shape) > _LARGEST:
        return ""
    return f"data:image/png;base64,{b64encode(png(_bytes(values[:3]))).decode()}"


_SHAPE = {"layout", "channels"}


def _bytes(values: Array) -> Array:
    """Return values (c, h, w) as bytes (h, w, c). Values in 0 to 1 are kept; others are stretched
    from the least to the most."""
    low, high = float(values.min()), float(values.max())
    if low < 0 or high > 1:
        # Of an image of one value there is nothing to stretch.
        values = (values - low) / max(high - low, 1e-12)
    return np.round(values * 255).astype(np.uint8).transpose(1, 2, 0)


def png(pixels: Array) -> bytes:
    """Return bytes (h, w, 1 or 3) as a PNG file."""
    height, width, channels = pixels.shape
    head = struct.pack(">IIBBBBB", width, height, 8, 2 if channels == 3 else 0, 0, 0, 0)
    rows = np.concatenate([np.zeros((height, 1), np.uint8), pixels.reshape(height, -1)], axis=1)
    body = zlib.compress(rows.tobytes(), 9)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        _chunk(name, data) for name, data in ((b"IHDR", head), (b"IDAT", body), (b"IEND", b""))
    )


def _chunk(name: bytes, data: bytes) -> bytes:
    length, check = struct.pack(">I", len(data)), struct.pack(">I", zlib.crc32(name + data))
    return length + name + data + check
