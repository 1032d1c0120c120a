"""A data set in memory: drawn, checked and prepared as a probe does it, a row a sample."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal, TypedDict

import numpy as np
import torch
from torch import Tensor

from addnn_spec.diagnostics import Refusal
from addnn_spec.indices.errors import IndicesError
from addnn_spec.runtime.data import Array, SampleSource, Sources, open_data
from addnn_spec.runtime.data_notes import small
from addnn_spec.runtime.preparing import prepare
from addnn_spec.runtime.run_record import DataRecord
from addnn_spec.runtime.samples import make_feed
from addnn_spec.runtime.settings import PREPARATION, Settings, Task, settings_of

OPTIONS = ("samples", "seed", "task", "normalize", "budget", *PREPARATION)
"""The settings of a probe that bear on data alone."""
_CHUNK = 512


class DataKeywords(TypedDict, total=False):
    """Keyword arguments: the settings in `OPTIONS`, as `Settings` tells them."""

    samples: int
    seed: int
    task: Task | None
    normalize: bool
    budget: int
    layout: Literal["auto", "NHWC", "NCHW"]
    channels: int | None
    resize: int | None
    crop: int | None
    mean: Sequence[float]
    std: Sequence[float]


@dataclass(frozen=True)
class DrawnPart:
    """Drawn samples: their places in the source, rows (m, d), and codes (m,) or targets (m, q)."""

    source: SampleSource
    places: Array
    rows: Tensor
    values: Tensor

    def __len__(self) -> int:
        return len(self.rows)

    def some(self, rows: Tensor) -> DrawnPart:
        """Return the samples of some rows."""
        where = rows.numpy()
        return DrawnPart(self.source, self.places[where], self.rows[rows], self.values[rows])


@dataclass(frozen=True)
class Loaded:
    """Train, perhaps with test, drawn in equal number; how they came about, what must be told."""

    parts: tuple[DrawnPart, ...]
    record: DataRecord
    notes: tuple[str, ...]
    settings: Settings

    @property
    def targets(self) -> bool:
        """True if labels are targets."""
        return self.record.task == "regression"

    @property
    def dimensions(self) -> int:
        """Values of a sample."""
        return self.parts[0].rows.shape[1]

    def every(self) -> Iterator[Tensor]:
        """Yield the rows of all training samples, drawn or not, in pieces."""
        first = self.parts[0]
        if len(first) == len(first.source):
            yield first.rows
            return
        for start in range(0, len(first.source), 8 * _CHUNK):
            places = np.arange(start, min(start + 8 * _CHUNK, len(first.source)))
            yield rows_of(first.source, places, self.settings)

    def label(self, part: int, place: int) -> str:
        """Return the label, or the target, of a sample by its place in the source."""
        value = self.parts[part].source.labels[place]
        return str(value) if not self.targets else " ".join(f"{v:g}" for v in np.ravel(value))


def load_data(data: Any, test: Any, options: Mapping[str, Any], *, beside: bool = True) -> Loaded:
    """Read the samples of `data`, and those of `test`, or what lies `beside` them.

    `options` are settings of a probe, of those in `OPTIONS`. Raises `DiagnosticError`: E0607 for
    these, E0612 for data that cannot be used, or take more than the budget.
    """
    settings = settings_of(options, OPTIONS)
    opened = open_data(data)
    if test is not None:
        opened = Sources(opened.train, open_data(test).train)
    tested = opened.test if beside else None
    for source in (opened.train, *([] if tested is None else [tested])):
        _check_kind(source)
    feed = make_feed(
        opened.train,
        tested,
        samples=settings.samples,
        seed=settings.seed,
        task=settings.task,
        preparation=settings,
    )
    values = feed.first()[0][0].numel() * sum(split.record.m for split in feed.splits)
    if 4 * values > settings.budget:
        raise Refusal(
            "E0612",
            f"the samples take {4 * values:,} bytes, and the budget is {settings.budget:,}",
            help="give fewer --samples, a smaller --resize, or a larger --budget",
        )
    parts = [
        DrawnPart(
            split.source,
            split.indices,
            rows_of(split.source, split.indices, settings),
            torch.from_numpy(split.values),
        )
        for split in feed.splits
    ]
    notes = (*feed.notes, *small(feed.record, 1))
    return Loaded(tuple(parts), feed.record, notes, settings)


def _check_kind(source: SampleSource) -> None:
    """Refuse what is not one row and one label a sample."""
    if len(source.inputs) > 1:
        raise Refusal("E0612", f"{source.name} holds {len(source.inputs)} inputs: one is looked at")
    if source.labels.ndim > 1 and source.labels.dtype.kind != "f" and source.labels[0].size > 1:
        raise Refusal("E0612", f"{source.name} has labels per position: one a sample is looked at")


def rows_of(source: SampleSource, places: Array, settings: Settings) -> Tensor:
    """Return samples as rows (m, d)."""
    pieces = [
        prepare(settings, source.read(places[start : start + _CHUNK])[0], None).flatten(1)
        for start in range(0, len(places), _CHUNK)
    ]
    return torch.cat(pieces)


@contextmanager
def told_errors(name: str) -> Iterator[None]:
    """Turn errors of the indices that are raised inside into a `Refusal` (E0612) that names the
    data."""
    try:
        yield
    except IndicesError as error:
        raise Refusal("E0612", f"{name}: {error}") from error
