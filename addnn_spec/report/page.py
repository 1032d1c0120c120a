"""The page: one self-contained HTML file. It loads nothing, and its policy forbids loading."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from addnn_spec.probes.measure_table import MeasureColumn, columns
from addnn_spec.report.figure import STYLE, figure_width, page_figure
from addnn_spec.report.heat import Heat, heat_svg, heats
from addnn_spec.report.run_facts import facts
from addnn_spec.report.svg import clean
from addnn_spec.report.verdicts import Verdict, statements
from addnn_spec.runtime.run_record import RunRecord

_HERE = Path(__file__).parent
_WIDTH, _MARGIN = 1010, 40
_SHOWN = ("rises", "falls", "memorises")


@dataclass(frozen=True)
class _Section:
    """A run, as the template wants it."""

    name: str
    complete: bool
    facts: tuple[tuple[str, str], ...]
    figure: Markup
    measures: tuple[MeasureColumn, ...]
    heats: tuple[tuple[Heat, Markup], ...]
    summary: str
    overall: tuple[Verdict, ...]
    changes: tuple[Verdict, ...]
    alone: tuple[Verdict, ...]
    unchanged: tuple[Verdict, ...]
    notes: tuple[str, ...]


def page(runs: Sequence[RunRecord], depth: int | None = None) -> str:
    """Return the HTML of one run or more, each in a section. `depth` says how many levels of blocks
    are open at first."""
    script = (_HERE / "page.js").read_text(encoding="utf-8")
    environment = Environment(
        loader=FileSystemLoader(_HERE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page.html.j2").render(
        title=clean(", ".join(dict.fromkeys(run.network.name for run in runs))),
        sections=[_section(run, depth) for run in runs],
        width=max(_WIDTH, *(round(figure_width(run)) + _MARGIN for run in runs)),
        script=Markup(script),  # noqa: S704 - the package's own file
        # The page's policy allows the script of this hash, and no other.
        script_hash=b64encode(sha256(script.encode()).digest()).decode(),
        style=Markup(STYLE),  # noqa: S704 - a constant
    )


def _section(run: RunRecord, depth: int | None) -> _Section:
    said = statements(run)
    steps = [_cleaned(verdict) for verdict in said.steps]
    return _Section(
        name=clean(run.network.name),
        complete=run.complete,
        facts=tuple((name, clean(value)) for name, value in facts(run) if value),
        figure=Markup(page_figure(run, depth)),  # noqa: S704 - escapes all that it is given
        measures=tuple(map(_clean_column, columns(run))),
        heats=tuple((heat, Markup(heat_svg(heat))) for heat in heats(run)),  # noqa: S704
        summary=said.summary(run.m),
        overall=tuple(map(_cleaned, said.overall)),
        changes=tuple(v for v in steps if v.word in _SHOWN),
        alone=tuple(v for v in steps if v.word.endswith(" alone")),
        unchanged=tuple(v for v in steps if v.word == "no change measured"),
        notes=tuple(map(clean, run.notes)),
    )


def _cleaned(verdict: Verdict) -> Verdict:
    node, before, text = map(clean, (verdict.node, verdict.before, verdict.text))
    return replace(verdict, node=node, before=before, text=text)


def _clean_column(column: MeasureColumn) -> MeasureColumn:
    return replace(column, name=clean(column.name), recipe=clean(column.recipe))
