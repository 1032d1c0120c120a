"""Seeds of random networks: `ADDNN_NETWORKS` says how many, from `ADDNN_SEED` on."""

from __future__ import annotations

import os
from collections.abc import Callable


def count_of(usual: int) -> int:
    """Return how many seeds a slow test tries."""
    return int(os.environ.get("ADDNN_NETWORKS", usual))


def failures_of(check: Callable[[int], object], count: int) -> dict[int, str]:
    """Try all seeds; return those that fail, with what they say."""
    first = int(os.environ.get("ADDNN_SEED", "0"))
    failures = {}
    for seed in range(first, first + count):
        try:
            check(seed)
        except Exception as error:  # noqa: BLE001 - whatever it is, it belongs to the seed
            failures[seed] = f"{type(error).__name__}: {str(error)[:300]}"
    return failures
