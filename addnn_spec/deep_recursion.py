"""The interpreter's set-up while trees are built and walked."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager

_MAX_FRAMES = 6_000


@contextmanager
def deep_recursion() -> Iterator[None]:
    """Run without the collector of cycles, which costs half of a parse, and with a deeper stack.

    Texts nest at most 100 levels, each some 13 Python frames; beyond what the stack holds there is
    a clear error (docs/decisions/0001-recursion.md).
    """
    enabled, frames = gc.isenabled(), sys.getrecursionlimit()
    gc.disable()
    sys.setrecursionlimit(max(frames, _MAX_FRAMES))
    try:
        yield
    finally:
        sys.setrecursionlimit(frames)
        if enabled:
            gc.enable()
