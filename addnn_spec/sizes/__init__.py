"""Symbolic sizes with an exact normal form, and what is known about them."""

from addnn_spec.sizes.facts import Fact, Facts, maximum_of, minimum_of
from addnn_spec.sizes.formatting import source
from addnn_spec.sizes.symbolic import (
    Floor,
    Size,
    SizeError,
    Symbol,
    SymbolicSize,
    ceil_div,
    defaults,
    evaluate,
    substitute,
    symbols,
)

__all__ = [
    "Fact",
    "Facts",
    "Floor",
    "Size",
    "SizeError",
    "Symbol",
    "SymbolicSize",
    "ceil_div",
    "defaults",
    "evaluate",
    "maximum_of",
    "minimum_of",
    "source",
    "substitute",
    "symbols",
]
