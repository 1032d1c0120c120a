"""Limits of what one text may ask for."""

from __future__ import annotations

from msgspec import Struct


class Limits(Struct, frozen=True):
    """How much one text may ask for. Beyond a limit is a clear error, never a hang."""

    text_bytes: int = 1_000_000
    nesting: int = 100
    calls: int = 100
    nodes: int = 10_000
    """Distinct nodes: what is really built; equal turns and equal uses count once."""
    instances: int = 1_000_000
    """Nodes counted as often as they run."""
    steps: int = 1_000_000
    """Function calls, loop turns, list elements and string characters at compile time."""
    elements: int = 100_000
    """Elements of a list of lists, all together."""
