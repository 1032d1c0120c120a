"""Other measures, taken in the same pass: of a node's rows, or of what is kept of streamed rows."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from torch import Tensor

from addnn_spec.diagnostics import Refusal
from addnn_spec.indices.errors import IndicesError
from addnn_spec.indices.information import (
    distances_of,
    hsic,
    hsic_of,
    mutual_information,
    mutual_information_of,
)
from addnn_spec.indices.measures import (
    TrainedRate,
    classification_rate,
    effective_rank,
    effective_rank_of,
    linear_probe,
    neural_collapse,
    neural_collapse_of,
    two_nn_dimension,
)
from addnn_spec.indices.neighbours import Neighbours
from addnn_spec.runtime.run_record import MeasureRecord
from addnn_spec.runtime.settings import Task

CKA = "cka"
"""The measure of each pair of nodes."""


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


@dataclass(frozen=True)
class Passed:
    """What is left of a node whose training rows were never held whole.

    Attributes:
        gram: their inner products (m, m), float64, about some point; None where nobody wants them.
        near: their neighbours.
        labels: as in `Rows`.
    """

    gram: Tensor | None
    near: Neighbours
    labels: Tensor


MeasureValue = MeasureRecord | TrainedRate | float
Measure = Callable[[Rows], MeasureValue]


@dataclass(frozen=True)
class Streamed:
    """A measure that needs not hold the training rows. `passed` computes it from what is kept of
    them; `of_gram` tells that this includes their inner products; `recipe` is the record's."""

    rows: Callable[[Rows], float]
    passed: Callable[[Passed], float]
    recipe: str
    of_gram: bool = True

    def __call__(self, rows: Rows) -> MeasureRecord:
        return MeasureRecord(value=self.rows(rows), recipe=self.recipe)

    def left(self, passed: Passed) -> MeasureRecord:
        return MeasureRecord(value=self.passed(passed), recipe=self.recipe)


def _trained(measure: Callable[..., TrainedRate]) -> Measure:
    def on(rows: Rows) -> TrainedRate:
        if rows.test is None or rows.test_labels is None:
            # Without test samples the rate is that of the samples it was trained on.
            return measure(rows.train, rows.labels, rows.train, rows.labels)
        return measure(rows.train, rows.labels, rows.test, rows.test_labels)

    return on


def _gram(passed: Passed) -> Tensor:
    assert passed.gram is not None
    return passed.gram


MEASURES: dict[str, Measure] = {
    "classification_rate": _trained(classification_rate),
    "linear_probe": _trained(linear_probe),
    "nc1": Streamed(
        lambda rows: neural_collapse(rows.train, rows.labels),
        lambda passed: neural_collapse_of(_gram(passed), passed.labels),
        "Tr(S_W pinv(S_B)) / C, train; 0 is collapse",
    ),
    "effective_rank": Streamed(
        lambda rows: effective_rank(rows.train),
        lambda passed: effective_rank_of(_gram(passed)),
        "exp of the entropy of the singular values' shares, centred, train",
    ),
    "two_nn": Streamed(
        lambda rows: two_nn_dimension(rows.train),
        lambda passed: two_nn_dimension(passed.near),
        "intrinsic dimension from the ratio of the two nearest distances, train",
        of_gram=False,
    ),
    "mutual_information": Streamed(
        lambda rows: mutual_information(rows.train, rows.labels),
        lambda passed: mutual_information_of(distances_of(_gram(passed)), passed.labels),
        "nats, by 3 nearest neighbours: Ross for labels, Kraskov for targets, train",
    ),
    "hsic": Streamed(
        lambda rows: hsic(rows.train, rows.labels),
        lambda passed: hsic_of(distances_of(_gram(passed)), passed.labels),
        "unbiased; Gaussian kernels of the median distance, labels equal or not, train",
    ),
}
"""By name; those of training samples alone give one value, trained ones that of the test samples
(without these, of the training samples) and that of train."""


_OF_CLASSES = ("classification_rate", "linear_probe", "nc1")


def check_task(measures: Mapping[str, Measure], task: Task) -> None:
    """Refuse measures of classes where the samples have targets.

    Raises `DiagnosticError` (E0607).
    """
    asked = list(measures.values())
    unfit = [name for name in _OF_CLASSES if any(one is MEASURES[name] for one in asked)]
    if task == "regression" and unfit:
        message = f"{unfit[0]} is of classes, and these data have targets"
        raise Refusal("E0607", message, help="--task classification takes them for classes")


def measures_named(names: Iterable[str]) -> dict[str, Measure]:
    """Return the measures of each node among `names`.

    Raises `DiagnosticError` (E0607) for a name that stands for none.
    """
    wanted = list(names)
    for name in wanted:
        if name not in MEASURES and name != CKA:
            help = f"there are {', '.join((*MEASURES, CKA))}"
            raise Refusal("E0607", f"there is no measure {name}", help=help)
    return {name: MEASURES[name] for name in wanted if name != CKA}


def wants_gram(measures: Mapping[str, Measure]) -> bool:
    """Return True if a measure needs the Gram matrix of rows that are not held."""
    return any(isinstance(m, Streamed) and m.of_gram for m in measures.values())


def measured(
    measures: Mapping[str, Measure], seen: Rows | Passed, label: str
) -> tuple[dict[str, MeasureRecord], str]:
    """Return the measures of a node, and a note about those that have no value."""
    found: dict[str, MeasureRecord] = {}
    missing: list[str] = []
    for name, measure in measures.items():
        try:
            if isinstance(seen, Rows):
                value = measure(seen)
            elif isinstance(measure, Streamed):
                value = measure.left(seen)
            else:
                missing.append(f"{name}: it takes all values at once, more than the budget holds")
                continue
        except IndicesError as error:
            missing.append(f"{name}: {error}")
            continue
        record = _record(value, name, label)
        if record is None:
            missing.append(f"{name}: its value is not finite")
        else:
            found[name] = record
    return found, f"{label} has no {'; '.join(missing)}" if missing else ""


def _record(value: MeasureValue, name: str, label: str) -> MeasureRecord | None:
    """Return a measure's value as it is kept; None where it is not finite.

    Raises `DiagnosticError` (E0607) where a function of one's own gives no number.
    """
    if isinstance(value, MeasureRecord):
        return value
    if isinstance(value, TrainedRate):
        return MeasureRecord(value=value.test, train=value.train, recipe=value.recipe)
    try:
        number = float(value)
    except (TypeError, ValueError) as error:
        kind = type(value).__name__
        raise Refusal(
            "E0607", f"the measure {name} gives a {kind} at {label}, no number"
        ) from error
    return MeasureRecord(value=number) if math.isfinite(number) else None
