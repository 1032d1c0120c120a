"""`ranks.json`: networks ranked, with all that says how. The format: docs/reports.md."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from addnn_spec.aligned_text import aligned
from addnn_spec.files import write_atomic
from addnn_spec.packages import require
from addnn_spec.runtime.record_checks import faults
from addnn_spec.runtime.run_record import IndexRecord, RunRecord, Split

if TYPE_CHECKING:
    import pandas as pd

SPLITS: tuple[Split, ...] = ("train", "test")
_HEADS = {
    "hard1": "SI",
    "hard2": "SI²",
    "soft2": "soft²",
    "centre": "centre SI",
    "anti2": "anti²",
    "linear1": "SmI",
    "exponential1": "SmI exp",
    "linear2": "SmI²",
}
"""The indices that are shown, in order."""


class Subset(BaseModel):
    """Features in the order of choice.

    Attributes:
        order: their numbers.
        chosen: the index after each, on the samples they were chosen on.
        scored: the same on the samples that took no part in the choice; empty without such.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    order: tuple[int, ...]
    chosen: tuple[float, ...]
    scored: tuple[float, ...]

    @property
    def best(self) -> int:
        """The length of the prefix of features with the largest chosen value, the shortest such."""
        return self.chosen.index(max(self.chosen)) + 1


class Ranked(BaseModel):
    """A network's features on the data: `run` is the probe's at `node`. Networks of one `place` do
    not differ by more than error."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    node: str
    run: RunRecord
    subset: Subset | None = None
    place: int = 0

    def on(self, split: Split) -> IndexRecord | None:
        """Return the indices of the features on a split."""
        return self.run.node(self.node).on(split)

    @property
    def features(self) -> int:
        """How many there are."""
        return self.run.node(self.node).dimensions


class Ranking(BaseModel):
    """Networks, best first. `complete` is false where the ranking was stopped: then they stand in
    the order in which they were measured, without places."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    form: Literal[1] = Field(default=1, alias="schema")
    """The version of the JSON's form."""
    complete: bool
    by: str = "index"
    """What they are ranked by: see `ranking.order`."""
    models: tuple[Ranked, ...]

    def text(self) -> str:
        """Return the JSON."""
        return self.model_dump_json(indent=1, by_alias=True) + "\n"

    def save(self, path: str | Path) -> None:
        """Write `ranks.json`. Raises `DiagnosticError` (E0602) if that cannot be."""
        write_atomic(Path(path), self.text())

    def rows(self) -> list[dict[str, Any]]:
        """Return one dictionary a network: place, name, node, and each index with its standard
        error by split and name (`train_hard1`, `train_hard1_error`)."""
        rows = []
        for ranked in self.models:
            row: dict[str, Any] = {
                "place": ranked.place,
                "name": ranked.name,
                "node": ranked.node,
                "features": ranked.features,
            }
            for split in SPLITS:
                index = ranked.on(split)
                if index is None:
                    continue
                for name, value in index.values.items():
                    error = index.intervals[name].error
                    row |= {f"{split}_{name}": value, f"{split}_{name}_error": error}
            rows.append(row)
        return rows

    def to_frame(self) -> pd.DataFrame:
        """Return the networks as a pandas table, one row each, best first."""
        require("a table of pandas", "pandas", extra="report")
        import pandas as pd

        return pd.DataFrame(self.rows()).set_index("name")

    def __str__(self) -> str:
        tables = [_table(self.models, split) for split in SPLITS if self.models[0].on(split)]
        subsets = [_subset_line(ranked) for ranked in self.models if ranked.subset is not None]
        run = self.models[0].run
        note = (
            f"m = {run.m}, seed {run.options.seed}, normalisation {run.options.normalisation}, "
            f"± one standard error; ranked by {self.by}; one place: no difference measured from "
            "the first there"
        )
        others = [f"{ranked.name}: {text}" for ranked in self.models for text in ranked.run.notes]
        return "\n".join([*tables, *subsets, note, *others])


def read_ranking(path: Path) -> Ranking | None:
    """Return a ranking from its file; None where there is none, or one that contradicts itself."""
    try:
        ranking = Ranking.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None
    return None if any(_broken(ranked) for ranked in ranking.models) else ranking


def _broken(ranked: Ranked) -> bool:
    """Return True if parts of a ranked network do not belong together."""
    subset = ranked.subset
    if subset is not None and not 0 < len(subset.order) == len(subset.chosen) == len(subset.scored):
        return True
    return ranked.node not in ranked.run.by_label or any(faults(ranked.run))


def _table(models: tuple[Ranked, ...], split: Split) -> str:
    known = [index for ranked in models if (index := ranked.on(split)) is not None]
    columns = [name for name in _HEADS if any(name in each.values for each in known)]
    rows = [["place", split, "node", "features", *(_HEADS[name] for name in columns)]]
    for ranked, each in zip(models, known, strict=True):
        cells = [
            each.intervals[name].beside(each.values[name]) if name in each.values else "–"
            for name in columns
        ]
        rows.append([str(ranked.place), ranked.name, ranked.node, f"{ranked.features:,}", *cells])
    return "\n".join([*aligned(rows, left=(1, 2)), ""])


def _subset_line(ranked: Ranked) -> str:
    subset = ranked.subset
    assert subset is not None
    best = subset.best
    features = ", ".join(map(str, subset.order[:best]))
    return (
        f"{ranked.name}: {best} of {len(subset.order)} features chosen: {features}; "
        f"train {subset.chosen[best - 1]:.4f} (chosen on it), test {subset.scored[best - 1]:.4f}"
    )
