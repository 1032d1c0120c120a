"""The keyword arguments of `probe` and `rank`, written from `settings.py`:
`pytest --update-golden tests/runtime/test_settings.py`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypedDict


class ProbeKeywords(TypedDict, total=False):
    layout: Literal["auto", "NHWC", "NCHW"]
    channels: int | None
    resize: int | None
    crop: int | None
    mean: Sequence[float]
    std: Sequence[float]
    samples: int
    seed: int
    task: Literal["classification", "regression"] | None
    nodes: Sequence[str]
    order: int
    ties: Literal["lowest", "all", "any"]
    reduction: Literal["flatten", "gap"]
    sequence: str
    steps: int | None
    mask: str | None
    neighbours: Literal["others", "all"]
    normalize: bool
    metric: Literal["euclidean", "whiten"]
    sketch: int | None
    mode: Literal["eval", "train"]
    batch: int | None
    device: str
    precision: Literal["float32", "bf16", "fp16"]
    budget: int


class RankKeywords(TypedDict, total=False):
    samples: int
    seed: int
    task: Literal["classification", "regression"] | None
    normalize: bool
    device: str
    precision: Literal["float32", "bf16", "fp16"]
    budget: int
