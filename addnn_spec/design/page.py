"""`small.html`: what a compression did, before and after side by side. It loads nothing."""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from addnn_spec.backends.drawing import draw
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
        drawings=[_drawn(before), _drawn(after)],
        text=after.text,
        least=min((score.value for score in record.scores), default=0.0),
    )


def _drawn(plan: Plan) -> Markup:
    """Return a network's drawing; nothing where no engine lays it out."""
    try:
        text = draw(plan.graph)
    except DiagnosticError:
        return Markup("")
    return Markup(text[text.index("<svg") :])  # noqa: S704 - the package's own drawing
