"""`addnn report`: the page or the picture of runs, from their files alone."""

from __future__ import annotations

from pathlib import Path

import click

from addnn_spec.cli.outcome import OK, exit_code, report, say
from addnn_spec.cli.outputs import OutputFile, put, refuse_inputs
from addnn_spec.diagnostics import DiagnosticError, Refusal
from addnn_spec.packages import require


@click.command("report")
@click.argument(
    "runs", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="RUN.json..."
)
@click.option("--html", type=OutputFile(), help="Write one self-contained page.")
@click.option("--svg", type=OutputFile(), help="Write the picture as SVG.")
@click.option("--pdf", type=OutputFile(), help="Write the picture as PDF, a page a run.")
@click.option("--depth", type=click.IntRange(0), metavar="N", help="Open so many levels of blocks.")
def report_(
    runs: tuple[Path, ...], html: Path | None, svg: Path | None, pdf: Path | None, depth: int | None
) -> int:
    """Show runs of `addnn probe`: the drawing, the indices at its nodes, and what can be said.

    Nothing is computed again. Without a file to write, what can be said goes to standard output.

    \b
      addnn report run.json
      addnn report run.json other.json --html runs.html --pdf runs.pdf
    """
    try:
        return _report(runs, html, svg, pdf, depth)
    except DiagnosticError as error:
        report(error.diagnostics)
        return exit_code(error.diagnostics)


def _report(
    paths: tuple[Path, ...],
    html: Path | None,
    svg: Path | None,
    pdf: Path | None,
    depth: int | None,
) -> int:
    require("a report", "numpy", extra="report")
    from addnn_spec.report.verdicts import statements
    from addnn_spec.runtime.run_record import read_run

    written = [path for path in (html, svg, pdf) if path is not None]
    for number, path in enumerate(written):
        refuse_inputs(path, paths)
        if path in written[:number]:
            raise Refusal("E0607", f"{path} is to be written twice")
    runs = [read_run(path) for path in paths]
    if html is None and svg is None and pdf is None:
        for run in runs:
            found = statements(run)
            texts = [v.text for v in (*found.overall, *found.steps)]
            summary = found.summary(run.m)
            said = [*texts, summary] if summary else texts
            say("\n".join([run.network.name, *(f"  {text}" for text in said)]))
    if html is not None:
        require("a page", "jinja2", extra="report")
        from addnn_spec.report.page import page

        put(html, page(runs, depth))
    if svg is not None:
        from addnn_spec.report.figure import report_svg

        put(svg, report_svg(runs, depth))
    if pdf is not None:
        from addnn_spec.report.paper import pdf as pdf_of

        put(pdf, pdf_of(runs, depth))
    return OK
