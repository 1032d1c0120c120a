"""`addnn report`: the page or the picture of runs, from their files alone."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

from addnn_spec.cli.outcome import OK, exit_code, report, say
from addnn_spec.cli.outputs import OutputFile, force_option, guard, put
from addnn_spec.diagnostics import DiagnosticError, Refusal
from addnn_spec.packages import require

if TYPE_CHECKING:
    from addnn_spec.report.figures import Format, What
    from addnn_spec.runtime.run_record import RunRecord

FIGURES = ("curves", "classes", "cka", "epochs", "whole")


@click.command("report")
@click.argument(
    "runs", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="RUN.json..."
)
@click.option("--html", type=OutputFile(), help="Write one self-contained page.")
@click.option("--svg", type=OutputFile(), help="Write a figure as SVG.")
@click.option("--pdf", type=OutputFile(), help="Write a figure as PDF, a page a run.")
@click.option("--png", type=OutputFile(), help="Write a figure as PNG.")
@click.option(
    "--figure",
    "what",
    type=click.Choice(FIGURES),
    default="curves",
    show_default=True,
    help="What a figure shows: the index by node, class separation, CKA, the index over epochs "
    "(a run an epoch), or all that the page does.",
)
@click.option("--across", is_flag=True, help="Curves with nodes from left to right.")
@click.option("--caption", type=OutputFile(), help="Write what a figure shows, and how it came.")
@click.option("--depth", type=click.IntRange(0), metavar="N", help="Open so many levels of blocks.")
@force_option
def report_(
    runs: tuple[Path, ...],
    html: Path | None,
    caption: Path | None,
    what: What,
    across: bool,
    depth: int | None,
    force: bool,
    **pictures: Path | None,
) -> int:
    """Show runs of `addnn probe`: the drawing, the indices at its nodes, and what can be said.

    Nothing is computed again. Without a file to write, what can be said goes to standard output.

    \b
      addnn report run.json
      addnn report run.json other.json --html runs.html
      addnn report run.json --pdf figure.pdf --across --caption figure.txt
      addnn report epochs/*.json --figure epochs --svg epochs.svg
    """
    try:
        asked = {kind: path for kind, path in pictures.items() if path is not None}
        return _report(runs, html, asked, caption, _Shape(what, across, depth), force=force)
    except DiagnosticError as error:
        report(error.diagnostics)
        return exit_code(error.diagnostics)


@dataclass(frozen=True)
class _Shape:
    """What figures show, and how."""

    what: What
    across: bool
    depth: int | None


def _report(
    paths: tuple[Path, ...],
    html: Path | None,
    pictures: dict[str, Path],
    caption: Path | None,
    shape: _Shape,
    *,
    force: bool,
) -> int:
    require("a report", "numpy", extra="report")
    from addnn_spec.runtime.run_record import read_run

    written = [path for path in (html, caption, *pictures.values()) if path is not None]
    for number, path in enumerate(written):
        if path in written[:number]:
            raise Refusal("E0607", f"{path} is to be written twice")
        guard(path, paths, force=force)
    runs = [read_run(path) for path in paths]
    if pictures and shape.what == "epochs":
        from addnn_spec.probes.comparing import check_alike

        for run in runs[1:]:
            check_alike(runs[0], run)
    if not written:
        for run in runs:
            say("\n".join(_said(run)))
    if html is not None:
        require("a page", "jinja2", extra="report")
        from addnn_spec.report.page import page

        put(html, page(runs, shape.depth))
    if pictures:
        require("a figure", "matplotlib", extra="report")
        from addnn_spec.report.figures import panels, saved

        made = panels(runs, shape.what, shape.depth, across=shape.across, epochs=_epochs(paths))
        if not made:
            raise Refusal("E0607", f"there is nothing to show: no run has {shape.what}")
        for kind, path in pictures.items():
            put(path, saved(made, cast("Format", kind)))
    if caption is not None:
        from addnn_spec.report.figures import caption as told

        put(caption, told(runs, shape.what))
    return OK


def _epochs(paths: tuple[Path, ...]) -> list[float]:
    """Return the epoch of each run: the last number of its file's name, if each has another one,
    else its place."""
    found = [re.findall(r"\d+", path.stem) for path in paths]
    numbers = [float(one[-1]) for one in found if one]
    if len(set(numbers)) == len(paths):
        return numbers
    return [float(place) for place in range(1, len(paths) + 1)]


def _said(run: RunRecord) -> list[str]:
    from addnn_spec.report.verdicts import statements

    found = statements(run)
    texts = [v.text for v in (*found.overall, *found.steps)]
    summary = found.summary(run.m)
    return [run.network.name, *(f"  {text}" for text in texts + ([summary] if summary else []))]
