"""Errors of the indices, in plain words. Every class is a ``ValueError``."""

from __future__ import annotations


class IndicesError(ValueError):
    """Base of every error that this package raises."""


class UndefinedIndexError(IndicesError):
    """The index has no value on this data (one sample, order >= samples, no defined sample)."""


class NotFiniteError(IndicesError):
    """A feature, a target or a label is NaN or infinite."""


class ShapeError(IndicesError):
    """Samples, labels or targets do not fit together."""


class OptionError(IndicesError):
    """An option has a value outside its meaning."""


class BudgetError(IndicesError):
    """The memory budget is below the least that the search needs."""
