"""The other measures of a run, as columns of a table of its nodes.

What they are: docs/indices.md, "Other measures of the same samples".
"""

from __future__ import annotations

from dataclasses import dataclass

from addnn_spec.runtime.run_record import NodeRecord, RunRecord


@dataclass(frozen=True)
class MeasureColumn:
    """A measure of every node.

    Attributes:
        name: as the run has it.
        told: what a value was told of: "test" or "train", where it was trained on train; else "".
        recipe: how it was taken.
        most: the largest value.
    """

    name: str
    told: str
    recipe: str
    most: float

    def on(self, node: NodeRecord) -> str:
        """Return a node's value to four digits, `0.9500`, `12.30`, `1.234e-05`; empty without
        one."""
        measure = node.measures.get(self.name)
        return "" if measure is None else f"{measure.value:#.4g}".rstrip(".")

    def share(self, node: NodeRecord) -> float:
        """Return a node's value as a share of the largest; 0 without one, and below 0."""
        measure = node.measures.get(self.name)
        return max(measure.value / self.most, 0.0) if measure is not None and self.most > 0 else 0.0


def columns(run: RunRecord) -> tuple[MeasureColumn, ...]:
    """Return the measures that a run's nodes have, in the order in which they were asked for."""
    found = list(dict.fromkeys(name for node in run.nodes for name in node.measures))
    return tuple(_column(run, name) for name in found)


def _column(run: RunRecord, name: str) -> MeasureColumn:
    values = [node.measures[name] for node in run.nodes if name in node.measures]
    trained = any(value.train is not None for value in values)
    told = "" if not trained else "train" if run.data.test is None else "test"
    recipe = next((value.recipe for value in values if value.recipe), "")
    return MeasureColumn(name, told, recipe, max(value.value for value in values))
