"""`show`: one page on a data set. Are its parts alike, how hard is it, what stands in both?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Unpack

import torch

from addnn_spec.datasets.difficulty import Difficulty, difficulty
from addnn_spec.datasets.division import Division, divide
from addnn_spec.datasets.duplicates import NEAR, Duplicates, nearest_pairs
from addnn_spec.datasets.homogeneity import Homogeneity, homogeneity
from addnn_spec.datasets.in_memory import DataKeywords, DrawnPart, Loaded, load_data, told_errors
from addnn_spec.diagnostics import Refusal
from addnn_spec.indices import IndexResult
from addnn_spec.json_text import json_text
from addnn_spec.runtime.run_record import IntervalRecord
from addnn_spec.runtime.samples import drawn

SAMPLES = 10_000
_LISTED = 5
_CLASSES = 3
PARTS = ("train", "test")
Progress = Callable[[float, str], None]


def silent(share: float, what: str) -> None:
    """Show nothing."""


@dataclass(frozen=True)
class Shown:
    """What is known of a data set. `str()` says it in some lines, `text()` is the JSON, `page()`
    the page, which a notebook shows.

    Attributes:
        data: the samples that were looked at.
        difficulties: of train and, where there is one, test, each on its own samples.
        homogeneity, duplicates: None where there is one part alone.
        division: None where none was asked for.
        share: of the samples that test has in the division.
    """

    data: Loaded
    difficulties: tuple[Difficulty, ...]
    homogeneity: Homogeneity | None = None
    duplicates: Duplicates | None = None
    division: Division | None = None
    share: float | None = None

    @property
    def parts(self) -> tuple[DrawnPart, ...]:
        """The parts that are compared."""
        return self.data.parts

    def text(self) -> str:
        """Return the JSON that docs/json/data-show.schema.json describes."""
        record = self.data.record
        return json_text(
            {
                "task": record.task,
                "classes": list(record.classes),
                "dimensions": self.data.dimensions,
                "preprocessing": list(record.preprocessing),
                "normalisation": self.data.settings.normalisation,
                "parts": [self._part(number) for number in range(len(self.parts))],
                "homogeneity": self._homogeneity(),
                "near_duplicates": self._duplicates(),
                "division": self._division(),
                "notes": list(self.data.notes),
            }
        )

    def page(self) -> str:
        """Return one self-contained page of HTML, with pictures of the hardest samples."""
        from addnn_spec.datasets.data_pages import shown_page

        return shown_page(self)

    def _repr_html_(self) -> str:
        return self.page()

    def __str__(self) -> str:
        return "\n".join(
            [*self._said_head(), *self._said_alike(), *self._said_hard(), *self._said_twice(),
             *(f"note: {note}" for note in self.data.notes)]
        )  # fmt: skip

    # --- JSON ---
    def _part(self, number: int) -> dict[str, Any]:
        part, hard = self.parts[number], self.difficulties[number]
        return {
            "part": PARTS[number],
            "source": part.source.name,
            "available": len(part.source),
            "m": len(part),
            "index": _figures(hard.index),
            "class_separation": [
                {"class": name, "value": value, "m": count}
                for name, value, count in self.by_class(number)
            ],
            "places": part.places.tolist(),
            "scores": [None if score != score else score for score in hard.scores.tolist()],
        }

    def _homogeneity(self) -> dict[str, Any] | None:
        found = self.homogeneity
        if found is None:
            return None
        return {
            "alike": bool(found),
            "train": _figures(found.train),
            "test": _figures(found.test),
            "test_among_train": _figures(found.cross),
            "train_among_test": _figures(found.back),
            "comparisons": [
                {"first": one.first, "second": one.second, "difference": one.value,
                 "error": one.error, "p": one.p, "beyond_error": one.holds}
                for one in found.apart
            ],
        }  # fmt: skip

    def _duplicates(self) -> dict[str, Any] | None:
        found = self.duplicates
        if found is None:
            return None
        return {
            "near": found.near,
            "usual_distance": found.usual,
            "exact": found.exact,
            "pairs": [
                {"test": test, "train": train, "distance": distance,
                 "test_label": self.data.label(1, test), "train_label": self.data.label(0, train)}
                for test, train, distance in self.pairs()
            ],
        }  # fmt: skip

    def _division(self) -> dict[str, Any] | None:
        if self.division is None:
            return None
        train, test = (part.places.tolist() for part in self.parts)
        return {"share": self.share, "seed": self.data.settings.seed, "train": train, "test": test}

    # --- what page and text have in common ---
    def by_class(self, number: int) -> list[tuple[str, float, int]]:
        """Return the classes of a part with their separation and size, the hardest first."""
        if self.data.targets:
            return []
        per_sample, codes = self.difficulties[number].index.per_sample, self.parts[number].values
        assert per_sample is not None
        found = []
        for code, name in enumerate(self.data.record.classes):
            own = per_sample.cpu()[codes == code]
            if len(own):
                found.append((name, float(own.double().mean()), len(own)))
        return sorted(found, key=lambda one: one[1])

    def hardest(self, number: int, count: int) -> list[tuple[int, str, float]]:
        """Return the place, label and score of so many of a part's samples, the hardest first."""
        part, hard = self.parts[number], self.difficulties[number]
        rows = hard.hardest[:count].tolist()
        places = [int(part.places[row]) for row in rows]
        which = 0 if self.division is not None else number
        return [
            (place, self.data.label(which, place), float(hard.scores[row]))
            for row, place in zip(rows, places, strict=True)
        ]

    def pairs(self) -> list[tuple[int, int, float]]:
        """Return the near-duplicates: the place in test, in train, and the distance."""
        found = self.duplicates
        if found is None:
            return []
        train, test = self.parts[0], self.parts[1]
        whole = self.division is None
        return [
            (int(test.places[row]), twin if whole else int(train.places[twin]), distance)
            for row, twin, distance in zip(
                found.places.tolist(), found.twins.tolist(), found.distances.tolist(), strict=True
            )
        ]

    # --- in words ---
    def _said_head(self) -> list[str]:
        names = " and ".join(dict.fromkeys(part.source.name for part in self.parts))
        sizes = " and ".join(f"{len(part):,}" for part in self.parts)
        head = f"{names}: {self.data.dimensions:,} values a sample, m = {sizes}"
        return [head, *(f"  {step}" for step in self.data.record.preprocessing)]

    def _said_alike(self) -> list[str]:
        found = self.homogeneity
        if found is None:
            return ["parts: there is one alone; --test gives another, --divide makes two"]
        return [
            f"train and test: {self.verdict()}",
            f"  {self.index_name} of train {told(found.train)}, of test {told(found.test)}",
            f"  of test among train {told(found.cross)}, of train among test {told(found.back)}",
        ]

    @property
    def index_name(self) -> str:
        """What the index is called."""
        return "Smoothness Index" if self.data.targets else "Separation Index"

    def verdict(self) -> str:
        """Say whether the parts are alike."""
        assert self.homogeneity is not None
        beyond = [one for one in self.homogeneity.apart if one.holds]
        if not beyond:
            return "alike, no index differs beyond error"
        said = [
            f"{one.second} is {abs(one.value):.4f} ± {one.error:.4f} "
            f"{'above' if one.value > 0 else 'below'} {one.first}"
            for one in beyond
        ]
        return f"not alike: {'; '.join(said)}"

    def _said_hard(self) -> list[str]:
        lines = []
        for number, (part, hard) in enumerate(zip(self.parts, self.difficulties, strict=True)):
            said = f"{PARTS[number]}: {self.index_name} {told(hard.index)} of {len(part):,}"
            if not self.data.targets:
                shares = [f"SI² {hard.share(2):.4f}", f"anti² {hard.share(-2):.4f}"]
                worst = [f"{name} {value:.4f}" for name, value, _ in self.by_class(number)]
                said += f", {', '.join(shares)}; hardest classes: {', '.join(worst[:_CLASSES])}"
            lines.append(said)
            samples = [
                f"{place} ({label}, {score:.4g})"
                for place, label, score in self.hardest(number, _LISTED)
            ]
            lines.append(f"  hardest samples, with label and score: {', '.join(samples)}")
        return lines

    def _said_twice(self) -> list[str]:
        found = self.duplicates
        if found is None:
            return []
        said = f"near-duplicates: {len(found):,} of {found.n:,} test samples have one in train"
        lines = [f"{said}, {found.exact:,} of them equal"]
        for test, train, distance in self.pairs()[:_LISTED]:
            share = distance / found.usual if found.usual else 0.0
            lines.append(f"  test {test}, train {train}: {share:.3f} of the usual distance")
        return lines


def told(index: IndexResult) -> str:
    """Return an index with its error, or its limit, as a probe's table has it."""
    one = index.interval
    return IntervalRecord(error=one.error, low=one.low, high=one.high, sides=one.sides).beside(
        index.value
    )


def _figures(index: IndexResult) -> dict[str, float | int]:
    one = index.interval
    return {"value": index.value, "error": one.error, "low": one.low, "high": one.high,
            "sides": one.sides, "m": index.m}  # fmt: skip


def show(
    data: Any,
    test: Any = None,
    *,
    division: float | None = None,
    near: float = NEAR,
    progress: Progress = silent,
    **options: Unpack[DataKeywords],
) -> Shown:
    """Look at a data set: a name, a path, a Dataset, a pair (x, y), as `probe` takes it.

    `division` is the share of test in parts to be made of `data`, where there is one part alone.
    `near`: see `near_duplicates`. `options` are those of a probe that bear on data: `samples`
    (10,000), `seed`, `task`, `normalize`, `budget`, and how images are prepared. Near-duplicates of
    the drawn test samples are sought among all training samples, not the drawn ones alone, and by
    plain distances.

    Raises `DiagnosticError`: E0607 for options, E0612 for data that cannot be used.
    """
    if division is not None and test is not None:
        raise Refusal("E0607", "a division makes the test samples: give none")
    found = load_data(data, test, {"samples": SAMPLES, **options}, beside=division is None)
    settings = found.settings
    search: dict[str, Any] = {"normalize": settings.normalize, "budget": settings.budget}
    made = None
    with told_errors(found.parts[0].source.name):
        if division is not None:
            progress(0.0, "dividing")
            whole = found.parts[0]
            made = divide(whole.rows, whole.values, division, seed=settings.seed,
                          targets=found.targets, **search)  # fmt: skip
            parts = (whole.some(made.train), whole.some(made.test))
            found = Loaded(parts, found.record, found.notes, settings)
        alike = twice = None
        if len(found.parts) > 1:
            progress(0.1, "comparing")
            alike = _compared(found, search)
            progress(0.4, "near-duplicates")
            pieces = found.every() if made is None else [found.parts[0].rows]
            twice = nearest_pairs(found.parts[1].rows, pieces, near, budget=settings.budget)
        progress(0.7, "scoring")
        hard = [difficulty(one.rows, one.values, targets=found.targets, **search)
                for one in found.parts]  # fmt: skip
        progress(1.0, "scoring")
    return Shown(found, tuple(hard), alike, twice, made, division)


def _compared(found: Loaded, search: dict[str, Any]) -> Homogeneity:
    """Compare the parts, the larger one cut to the size of the smaller: an index grows with its
    samples."""
    train, test = found.parts
    if len(train) != len(test):
        m = min(len(train), len(test))
        train, test = (_cut(one, m, found) for one in (train, test))
    return homogeneity(train.rows, train.values, test.rows, test.values, targets=found.targets,
                       **search)  # fmt: skip


def _cut(part: DrawnPart, m: int, found: Loaded) -> DrawnPart:
    rows = drawn(part.values.numpy(), found.record.task, m, found.settings.seed)
    return part.some(torch.from_numpy(rows))
