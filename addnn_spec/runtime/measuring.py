"""Other measures that ride on the same pass: a function of a node's rows and labels."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from torch import Tensor

from addnn_spec.indices.errors import IndicesError
from addnn_spec.indices.measures import (
    TrainedRate,
    classification_rate,
    effective_rank,
    linear_probe,
    neural_collapse,
    two_nn_dimension,
)
from addnn_spec.runtime.record import MeasureRecord


@dataclass(frozen=True)
class Rows:
    """A node's rows, (m, d), with codes of classes (m,) or targets (m, q); the test's may lack.

    `label` is the node's.
    """

    train: Tensor
    labels: Tensor
    test: Tensor | None = None
    test_labels: Tensor | None = None
    label: str = ""


Measure = Callable[[Rows], "MeasureRecord | TrainedRate | float"]


def _trained(measure: Callable[..., TrainedRate]) -> Measure:
    def on(rows: Rows) -> TrainedRate:
        if rows.test is None or rows.test_labels is None:
            return measure(rows.train, rows.labels, rows.train, rows.labels)
        return measure(rows.train, rows.labels, rows.test, rows.test_labels)

    return on


MEASURES: dict[str, Measure] = {
    "classification_rate": _trained(classification_rate),
    "linear_probe": _trained(linear_probe),
    "nc1": lambda rows: neural_collapse(rows.train, rows.labels),
    "effective_rank": lambda rows: effective_rank(rows.train),
    "two_nn": lambda rows: two_nn_dimension(rows.train),
}
"""By name; those of training samples alone give one value, trained ones that of the test samples
(without these, of the training samples) and that of train."""


def measured(
    measures: Mapping[str, Measure],
    parts: tuple[Tensor, ...],
    values: tuple[Tensor, ...],
    label: str,
) -> tuple[dict[str, MeasureRecord], str]:
    """The measures of a node's rows held whole, and a note about those that have no value."""
    if not parts:
        return {}, f"{label} did not fit into the budget whole: no other measures"
    rows = Rows(
        parts[0],
        values[0],
        *(part for pair in zip(parts[1:], values[1:], strict=True) for part in pair),
        label=label,
    )
    found: dict[str, MeasureRecord] = {}
    missing: list[str] = []
    for name, measure in measures.items():
        try:
            found[name] = _record(measure(rows))
        except IndicesError as error:
            missing.append(f"{name}: {error}")
    return found, f"{label} has no {'; '.join(missing)}" if missing else ""


def _record(value: MeasureRecord | TrainedRate | float) -> MeasureRecord:
    if isinstance(value, MeasureRecord):
        return value
    if isinstance(value, TrainedRate):
        return MeasureRecord(value=value.test, train=value.train, recipe=value.recipe)
    return MeasureRecord(value=float(value))
