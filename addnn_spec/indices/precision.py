"""The settings of torch that exact searches compute under, restored after."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch


@contextmanager
def full_precision(device: torch.device) -> Iterator[None]:
    """Multiply in true float32, and sum in it: no TF32, bfloat16 or autocast inside; all settings
    restored after."""
    every: Any = torch.backends
    backends = (every.cuda.matmul, every.mkldnn.matmul)
    # torch has an older setting beside the new ones, and refuses to read it where they disagree: so
    # it is set, and restored, together with them.
    legacy = _legacy_precision()
    before = [backend.fp32_precision for backend in backends]
    half = _half_settings()
    try:
        if legacy is not None:
            torch.set_float32_matmul_precision("highest")
        for backend in backends:
            backend.fp32_precision = "ieee"
        for name in half:
            setattr(every.cuda.matmul, name, False)
        with torch.no_grad(), torch.autocast(device.type, enabled=False):
            yield
    finally:
        if legacy is not None:
            torch.set_float32_matmul_precision(legacy)
        for backend, precision in zip(backends, before, strict=True):
            backend.fp32_precision = precision
        for name, value in half.items():
            setattr(every.cuda.matmul, name, value)


def _half_settings() -> dict[str, bool]:
    """Return the settings that let CUDA sum products of float16 or bfloat16 in less than
    float32."""
    names = (
        "allow_fp16_reduced_precision_reduction",
        "allow_bf16_reduced_precision_reduction",
        "allow_fp16_accumulation",
    )
    return {name: getattr(torch.backends.cuda.matmul, name) for name in names}


def _legacy_precision() -> str | None:
    """Return torch's older setting of precision, which it is an error to read where the two
    disagree; None where they already do."""
    try:
        return torch.get_float32_matmul_precision()
    except RuntimeError:
        return None


@contextmanager
def deterministic() -> Iterator[None]:
    """Sum by index in one fixed order, where torch can: on CUDA the order of terms is otherwise
    any."""
    filled: Any = torch.utils.deterministic
    mode, fills = torch.get_deterministic_debug_mode(), filled.fill_uninitialized_memory
    try:
        torch.set_deterministic_debug_mode(max(mode, 1))  # 1: warn where there is no way
        filled.fill_uninitialized_memory = False
        yield
    finally:
        torch.set_deterministic_debug_mode(mode)
        filled.fill_uninitialized_memory = fills
