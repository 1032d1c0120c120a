"""The other measures of a run, drawn: numbers on bars, beside the rows."""

from __future__ import annotations

from textwrap import wrap

from addnn_spec.probes.measure_table import MeasureColumn
from addnn_spec.report.svg import shortened, tag, text
from addnn_spec.runtime.run_record import NodeRecord

PITCH, _GAP = 76.0, 12.0
BAR = "#dcdcdc"
_LINE = 14  # characters of a line of a heading


def heading(column: MeasureColumn) -> list[str]:
    """Return a column's heading, in up to four short lines."""
    words = wrap(column.name.replace("_", " "), _LINE)[:3]
    told = [f"on {column.told}"] if column.told else []
    return [shortened(line, _LINE) for line in words] + told


def headings(found: tuple[MeasureColumn, ...], left: float) -> list[str]:
    """Return the headings as SVG, the first column at `left`."""
    return [
        text(left + PITCH * (place + 1) - _GAP, 18 + 11 * n, line, class_="value")
        for place, column in enumerate(found)
        for n, line in enumerate(heading(column))
    ]


def cells(found: tuple[MeasureColumn, ...], node: NodeRecord, left: float) -> list[str]:
    """Return a node's values as SVG."""
    parts = []
    for place, column in enumerate(found):
        x, length = left + PITCH * place, (PITCH - _GAP + 3) * column.share(node)
        if length > 0:
            parts.append(tag("rect", x=x, y=-7.0, width=length, height=14.0, fill=BAR))
        parts.append(text(x + PITCH - _GAP, 3.5, column.on(node), class_="value"))
    return parts
