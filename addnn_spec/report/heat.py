"""Heat maps: class separation, a row a class and a column a node; CKA between nodes."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

from addnn_spec.report.dataflow import LEGEND, SPLITS
from addnn_spec.report.svg import element, quoted, shortened, tag, text
from addnn_spec.runtime.run_record import RunRecord, Split

_LEFT, _TOP, _NUMBERED = 130.0, 96.0, 24


@dataclass(frozen=True)
class Heat:
    """Values by row and column, None where there is none. Darker is larger; `low` is white."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[str, ...]
    values: tuple[tuple[float | None, ...], ...]
    low: float = 0.0

    @property
    def note(self) -> str:
        """What the shades mean."""
        return f"white is {self.low:.1f}, darkest 1"


def heats(run: RunRecord) -> tuple[Heat, ...]:
    """Return the heat maps of a run: class separation on each split, and CKA where it was asked
    for."""
    return (*class_heats(run), *cka_heats(run))


def class_heats(run: RunRecord) -> tuple[Heat, ...]:
    """Return class separation on each split; one value is white in all."""
    return _alike([heat for split in SPLITS for heat in _classes(run, split)])


def cka_heats(run: RunRecord) -> tuple[Heat, ...]:
    """Return linear CKA, where it was asked for."""
    return _alike(list(_cka(run)))


def _alike(maps: list[Heat]) -> tuple[Heat, ...]:
    """Return the maps with one white: the lowest value in any of them, rounded down to a tenth, at
    most 0.9."""
    known = [v for heat in maps for row in heat.values for v in row if v is not None]
    # 0.3 times 10 may come out below 3. At 0.9 a map of values near 1 still has shades.
    low = min(math.floor(max(min(known, default=0.0), 0.0) * 10 + 1e-9) / 10, 0.9)
    return tuple(replace(heat, low=low) for heat in maps)


def _classes(run: RunRecord, split: Split) -> Iterator[Heat]:
    found = [(node.label, index) for node in run.nodes if (index := node.on(split)) is not None]
    known = {label: index.classes for label, index in found if index.classes}
    if known and run.data.classes:
        values = tuple(zip(*known.values(), strict=True))
        title = f"Class separation, {LEGEND[split]}"
        yield Heat(title, tuple(known), run.data.classes, values)


def _cka(run: RunRecord) -> Iterator[Heat]:
    if run.cka is not None and run.cka.nodes:
        yield Heat("Linear CKA, train", run.cka.nodes, run.cka.nodes, run.cka.values)


def heat_svg(heat: Heat) -> str:
    """Return a heat map as an `<svg>` element."""
    body, width, height = heat_body(heat)
    return element(width, height, body, heat.title)


def heat_body(heat: Heat) -> tuple[str, float, float]:
    """Return a heat map's elements, its width and its height; a cell without a value is crossed."""
    wide = min(46.0, max(7.0, 760.0 / len(heat.columns)))
    high = 16.0 if len(heat.rows) <= 60 else 5.0
    parts = []
    for column, label in enumerate(heat.columns):
        x = _LEFT + wide * (column + 0.5)
        if wide >= 9 or column % 3 == 0:
            turn = f"translate({x + 3:.2f},{_TOP - 6:g}) rotate(-50)"
            name = quoted(shortened(label, 20))
            parts.append(tag("text", name, class_="small", transform=turn))
        parts += _column(heat, column, (x - wide / 2, wide, high))
    step = 1 if high > 8 else 3
    for row, name in list(enumerate(heat.rows))[::step]:
        y = _TOP + high * row + high / 2 + 3.5
        shown = shortened(name, 20)
        parts.append(text(_LEFT - 6, y, shown, class_="small", style="text-anchor:end"))
    width = _LEFT + wide * len(heat.columns) + 90
    height = _TOP + high * len(heat.rows) + 12
    return "".join(parts), width, height


def _column(heat: Heat, column: int, cell: tuple[float, float, float]) -> list[str]:
    x, wide, high = cell
    parts = []
    for row, (name, values) in enumerate(zip(heat.rows, heat.values, strict=True)):
        y, value = _TOP + high * row, values[column]
        known = "no value" if value is None else f"{value:.4f}"
        title = tag("title", quoted(f"{name} at {heat.columns[column]}: {known}"))
        share = 0.0 if value is None else (value - heat.low) / (1 - heat.low)
        level = 255 - round(205 * min(max(share, 0.0), 1.0))
        fill = f"#{level:02x}{level:02x}{min(level + 12, 255):02x}"
        parts.append(
            tag(
                "rect",
                title,
                x=x,
                y=y,
                width=wide,
                height=high,
                fill=fill,
                stroke="#ffffff",
                stroke_width=0.5,
            )
        )
        if value is None:
            d = f"M{x:.2f},{y:g}l{wide:.2f},{high:g}"
            parts.append(tag("path", d=d, stroke="#999999"))
        elif wide >= _NUMBERED and high > 8:
            ink = "#ffffff" if level < 140 else "#1c1c1c"
            parts.append(
                text(
                    x + wide / 2,
                    y + high / 2 + 3.5,
                    figure(value),
                    class_="small middle",
                    style=f"fill:{ink}",
                )
            )
    return parts


def figure(value: float) -> str:
    """Return a share to two places: `.97`, `1`."""
    shown = f"{value:.2f}"
    return "1" if shown == "1.00" else shown.removeprefix("0") if value >= 0 else shown
