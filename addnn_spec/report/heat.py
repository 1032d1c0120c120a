"""The heat map of class separation: a row a class, a column a node."""

from __future__ import annotations

import math

from addnn_spec.report.svg import element, quoted, shortened, tag, text
from addnn_spec.runtime.record import NodeRecord, RunRecord, Split

_LEFT, _TOP, _NUMBERED = 130.0, 96.0, 24


def heat_nodes(run: RunRecord, split: Split) -> list[NodeRecord]:
    """The nodes that have a Separation Index of each class on a split."""
    return [n for n in run.nodes if (found := n.on(split)) is not None and found.classes]


def heat_low(run: RunRecord, split: Split) -> float:
    """The value that is white: the lowest there is, rounded down to a tenth, at most 0.9."""
    found = [node.on(split) for node in heat_nodes(run, split)]
    values = [value for index in found if index for value in index.classes if value is not None]
    return min(math.floor(max(min(values, default=0.0), 0.0) * 10 + 1e-9) / 10, 0.9)


def heat_svg(run: RunRecord, split: Split) -> str:
    """The heat map as an `<svg>` element; empty without classes."""
    found = heat_body(run, split)
    if found is None:
        return ""
    body, width, height = found
    return element(width, height, body, f"Class separation on {split}")


def heat_body(run: RunRecord, split: Split) -> tuple[str, float, float] | None:
    """The heat map's elements, its width and its height; None without classes. Darker is better
    separated, white is `heat_low`; where a class has no sample the cell is crossed."""
    nodes, classes = heat_nodes(run, split), run.data.classes
    if not nodes or not classes:
        return None
    wide = min(46.0, max(7.0, 760.0 / len(nodes)))
    high = 16.0 if len(classes) <= 60 else 5.0
    low = heat_low(run, split)
    parts = []
    for column, node in enumerate(nodes):
        x = _LEFT + wide * (column + 0.5)
        name = shortened(node.label, 20)
        if wide >= 9 or column % 3 == 0:
            turn = f"translate({x + 3:.2f},{_TOP - 6:g}) rotate(-50)"
            parts.append(tag("text", quoted(name), class_="small", transform=turn))
        parts += _column(node, split, classes, (x - wide / 2, wide, high), low)
    step = 1 if high > 8 else 3
    for row, name in list(enumerate(classes))[::step]:
        y = _TOP + high * row + high / 2 + 3.5
        shown = shortened(name, 20)
        parts.append(text(_LEFT - 6, y, shown, class_="small", style="text-anchor:end"))
    width = _LEFT + wide * len(nodes) + 90
    height = _TOP + high * len(classes) + 12
    return "".join(parts), width, height


def _column(
    node: NodeRecord,
    split: Split,
    classes: tuple[str, ...],
    cell: tuple[float, float, float],
    low: float,
) -> list[str]:
    x, wide, high = cell
    found = node.on(split)
    assert found is not None
    parts = []
    for row, (name, value) in enumerate(zip(classes, found.classes, strict=False)):
        y = _TOP + high * row
        known = "no sample" if value is None else f"{value:.4f}"
        title = tag("title", quoted(f"{name} at {node.label}: {known}"))
        level = 255 if value is None else round(255 - 205 * (value - low) / (1 - low))
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
    """A share to two places: `.97`, `1`."""
    shown = f"{value:.2f}"
    return "1" if shown == "1.00" else shown.removeprefix("0") if value >= 0 else shown
