"""`small.html`: what a compression did, before and after side by side. It loads nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from addnn_spec.backends.drawing import draw
from addnn_spec.backends.picture import DrawOptions
from addnn_spec.backends.scene import Mark
from addnn_spec.design.plan import Plan
from addnn_spec.design.record import DesignRecord
from addnn_spec.diagnostics import DiagnosticError


def design_page(record: DesignRecord, before: Plan, after: Plan) -> str:
    """Return the page of a compression."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    figures = [
        ("parameters", record.before.params, record.after.params),
        ("multiply-accumulates", record.before.macs, record.after.macs),
        ("bytes of activations", record.before.memory, record.after.memory),
    ]
    return environment.get_template("page.html.j2").render(
        record=record,
        figures=[(name, a, b, b / a - 1) for name, a, b in figures if a],
        drawings=[_drawn(before, _marks(record, before, after)), _drawn(after, {})],
        text=after.text,
        scores=_Axis([one.value for one in record.scores]),
        index=_Axis([value for _, *values in record.index for value in values]),
    )


class _Axis:
    """An axis from below the least of some values to above the largest: places in percent."""

    def __init__(self, values: Iterable[float]) -> None:
        values = list(values) or [0.0, 1.0]
        room = 0.05 * (max(values) - min(values)) or 0.01
        self.low, self.high = min(values) - room, max(values) + room

    def at(self, value: float) -> str:
        return f"{100 * (value - self.low) / (self.high - self.low):.1f}%"


_GONE = "#ef7f76"


def _marks(record: DesignRecord, before: Plan, after: Plan) -> dict[str, Mark]:
    """Return the marks in the drawing of the network before: which nodes and channels were
    removed."""
    stay = {item.path for item in after.widths.unfolded.nodes}
    marks = {}
    for item in before.widths.unfolded.nodes:
        marks[item.path] = Mark()
        if item.path not in stay:
            marks[item.path] = Mark((_GONE,), "gone")
        elif item.path in record.widths:
            wide, narrow = record.widths[item.path]
            marks[item.path] = Mark(note=f"{wide} → {narrow} channels")
    return marks


def _drawn(plan: Plan, marks: Mapping[str, Mark]) -> Markup:
    """Return a network's drawing; nothing where no engine lays it out."""
    try:
        text = draw(plan.graph, options=DrawOptions(marks=marks))
    except DiagnosticError:
        return Markup("")
    return Markup(text[text.index("<svg") :])  # noqa: S704 - the package's own drawing
