"""`clean`: the labels of a data set that are doubtful."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Unpack

from addnn_spec.datasets.in_memory import DataKeywords, Loaded, load_data, told_errors
from addnn_spec.datasets.showing import Progress, silent
from addnn_spec.datasets.suspects import Suspects, suspect_labels
from addnn_spec.diagnostics import Refusal
from addnn_spec.json_text import json_text
from addnn_spec.runtime.data import open_data

ORDER = 5
_LISTED = 20


@dataclass(frozen=True)
class Suspect:
    """A sample whose label is doubtful: its place in the data, its label, the `other` that `votes`
    of its neighbours have, and its score: minus how many nearest in a row have other labels."""

    place: int
    label: str
    other: str
    votes: int
    score: int


@dataclass(frozen=True)
class Cleaning:
    """The suspects of a data set. `str()` says it, `text()` is the JSON, `page()` the page."""

    data: Loaded
    found: Suspects

    @property
    def suspects(self) -> tuple[Suspect, ...]:
        """The suspects, the most doubtful first."""
        part, names = self.data.parts[0], self.data.record.classes
        return tuple(
            Suspect(int(part.places[row]), names[label], names[other], votes,
                    int(self.found.scores[row]))
            for row, label, other, votes in zip(
                self.found.places.tolist(), self.found.labels, self.found.others,
                self.found.votes, strict=True,
            )
        )  # fmt: skip

    def text(self) -> str:
        """Return the JSON that docs/json/data-clean.schema.json describes."""
        part = self.data.parts[0]
        return json_text(
            {
                "source": part.source.name,
                "available": len(part.source),
                "m": len(part),
                "classes": list(self.data.record.classes),
                "dimensions": self.data.dimensions,
                "preprocessing": list(self.data.record.preprocessing),
                "normalisation": self.data.settings.normalisation,
                "order": self.found.order,
                "suspects": [
                    {"place": one.place, "label": one.label, "other": one.other,
                     "votes": one.votes, "score": one.score}
                    for one in self.suspects
                ],
                "notes": list(self.data.notes),
            }
        )  # fmt: skip

    def page(self) -> str:
        """Return one self-contained page of HTML, with the suspects as pictures."""
        from addnn_spec.datasets.data_pages import cleaning_page

        return cleaning_page(self)

    def _repr_html_(self) -> str:
        return self.page()

    def __str__(self) -> str:
        part, order = self.data.parts[0], self.found.order
        share = len(self.found) / self.found.m
        said = f"{len(self.found):,} of {self.found.m:,} labels are doubtful ({share:.1%})"
        lines = [f"{part.source.name}: {said}: none of the {order} nearest neighbours has them"]
        lines += [
            f"  {one.place}: {one.label}, and {one.votes} of {order} say {one.other}; "
            f"score {one.score}"
            for one in self.suspects[:_LISTED]
        ]
        if len(self.found) > _LISTED:
            lines.append(f"  and {len(self.found) - _LISTED:,} more: --json or --html has all")
        return "\n".join([*lines, *(f"note: {note}" for note in self.data.notes)])


def clean(
    data: Any, *, order: int = ORDER, progress: Progress = silent, **options: Unpack[DataKeywords]
) -> Cleaning:
    """List the labels of `data` that none of `order` nearest neighbours has. Nothing is changed.

    `options` are those of a probe that bear on data: `samples` (all), `seed`, `task`, `normalize`,
    `budget`, and how images are prepared. Of data in two parts train is looked at.

    Raises `DiagnosticError`: E0607 for options, E0612 for data that cannot be used.
    """
    opened = open_data(data)
    samples = options.get("samples") or max(len(opened.train), 2)
    found = load_data(opened, None, {**options, "samples": samples}, beside=False)
    if found.targets:
        raise Refusal("E0612", "labels are cleaned, and these are targets: --task says otherwise")
    part, settings = found.parts[0], found.settings
    progress(0.0, "scoring")
    with told_errors(part.source.name):
        suspects = suspect_labels(part.rows, part.values, order, normalize=settings.normalize,
                                  budget=settings.budget)  # fmt: skip
    progress(1.0, "scoring")
    return Cleaning(found, suspects)
