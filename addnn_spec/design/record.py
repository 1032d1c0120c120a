"""What a compression did: `small.design.json`, schema version 1."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Size(_Part):
    """A network's figures."""

    params: int
    macs: int
    memory: int
    """Bytes of activations at the peak, of one sample."""


class Score(_Part):
    """The accuracy of a network on the judging samples, or the share of variance explained, minus
    1, of targets; with one standard error."""

    name: str
    value: float
    error: float


class Comparison(_Part):
    """A paired difference on the judging samples: what was made, less the original."""

    name: str
    difference: float
    error: float
    verdict: Literal["no worse", "worse", "not shown"]
    least_margin: float
    """The smallest margin for which these samples would show it no worse."""


class DesignRecord(_Part):
    """All that a report and a reader need to know."""

    schema_version: Literal[1] = 1
    network: str
    source: str
    weights: str | None
    data: tuple[str, ...]
    task: Literal["classification", "regression"]
    samples: dict[str, int]
    seed: int
    cut: str | None
    by: str
    widths: dict[str, tuple[int, int]]
    """By class: channels before and after."""
    margin: float
    before: Size
    after: Size
    scores: tuple[Score, ...]
    comparisons: tuple[Comparison, ...]
    index: tuple[tuple[str, float, float], ...] = ()
    """By node of the main chain: the Separation Index on train and across."""
    fitted: tuple[tuple[str, float, float], ...] = ()
    """By layer: the squared error over the variance, as cut and as fitted."""
    recipes: dict[str, dict[str, float | int | str]] = {}
    seconds: dict[str, float] = {}
    notes: tuple[str, ...] = ()
