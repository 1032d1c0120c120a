"""The pages of `show` and `clean`: each one self-contained HTML file, which loads nothing."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from addnn_spec.datasets.pictures import picture
from addnn_spec.datasets.showing import told
from addnn_spec.report.svg import clean

if TYPE_CHECKING:
    from addnn_spec.datasets.cleaning import Cleaning
    from addnn_spec.datasets.showing import Shown
    from addnn_spec.indices import IndexResult

PICTURES = 48
_PAIRS = 24
_SUSPECTS = 400
PARTS = ("Train", "Test")


@dataclass(frozen=True)
class _Card:
    """A sample with its picture, if it has one, and the lines below it."""

    picture: str
    lines: tuple[str, ...]


@dataclass(frozen=True)
class _Bar:
    """An index, as `told`, and as a bar with its interval."""

    name: str
    told: str
    value: float
    low: float
    high: float


def shown_page(found: Shown) -> str:
    """Return the page of a data set."""
    data = found.data
    alike = found.homogeneity
    parts = []
    for number, part in enumerate(found.parts):
        hard = found.difficulties[number]
        cards = [
            _card(found, number, place, f"{place}: {label}", f"score {score:.4g}")
            for place, label, score in found.hardest(number, PICTURES)
        ]
        shares = [] if data.targets else [(f"SI{_power(r)}", hard.share(r)) for r in (1, 2, 3, 5)]
        anti = [] if data.targets else [(f"anti{_power(r)}", hard.share(-r)) for r in (2, 5)]
        parts.append((PARTS[number], len(part), [*shares, *anti],
                      [(clean(n), v, m) for n, v, m in found.by_class(number)], cards))  # fmt: skip
    return _rendered(
        "data.html.j2",
        title=clean(", ".join(dict.fromkeys(part.source.name for part in found.parts))),
        found=found,
        steps=data.record.preprocessing,
        bars=[] if alike is None else [
            _bar("train", alike.train), _bar("test", alike.test),
            _bar("test among train", alike.cross), _bar("train among test", alike.back),
        ],
        verdict="" if alike is None else found.verdict(),
        parts=parts,
        pairs=[
            (
                _card(found, 1, test, f"test {test}: {data.label(1, test)}"),
                _card(found, 0, train, f"train {train}: {data.label(0, train)}"),
                distance / found.duplicates.usual if found.duplicates.usual else 0.0,
            )
            for test, train, distance in found.pairs()[:_PAIRS]
        ] if found.duplicates is not None else [],
        notes=[clean(note) for note in data.notes],
    )  # fmt: skip


def cleaning_page(found: Cleaning) -> str:
    """Return the page of a data set's doubtful labels."""
    part, order = found.data.parts[0], found.found.order
    suspects = found.suspects
    return _rendered(
        "suspects.html.j2",
        title=clean(part.source.name),
        count=len(suspects),
        m=found.found.m,
        order=order,
        steps=found.data.record.preprocessing,
        cards=[
            _Card(
                picture(part.source, one.place, found.data.settings),
                (clean(f"{one.place}: {one.label}"),
                 clean(f"{one.votes} of {order} say {one.other}"), f"score {one.score}"),
            )
            for one in suspects[:_SUSPECTS]
        ],
        notes=[clean(note) for note in found.data.notes],
    )  # fmt: skip


def _card(found: Shown, number: int, place: int, *lines: str) -> _Card:
    source = found.parts[number].source
    return _Card(picture(source, place, found.data.settings), tuple(map(clean, lines)))


def _bar(name: str, index: IndexResult) -> _Bar:
    one = index.interval
    return _Bar(name, told(index), index.value, max(one.low, 0.0), min(one.high, 1.0))


def _power(order: int) -> str:
    return "" if order == 1 else "²³⁴⁵"[order - 2]


def _rendered(name: str, **values: Any) -> str:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(name).render(**values)
