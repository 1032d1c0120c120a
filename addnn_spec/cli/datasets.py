"""`addnn data`: a data set looked at by the indices, before there is a network."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import click

from addnn_spec.cli.data_options import setting_options
from addnn_spec.cli.options import all_of, format_option
from addnn_spec.cli.outcome import INTERRUPTED, OK, exit_code, report, say
from addnn_spec.cli.outputs import STDOUT, OutputFile, force_option, guard, put
from addnn_spec.cli.progress import shown_work
from addnn_spec.diagnostics import DiagnosticError
from addnn_spec.diagnostics.render import Format
from addnn_spec.packages import require
from addnn_spec.runtime.settings import PREPARATION

_ORDER, _NEAR, _SAMPLES = 5, 0.25, 10_000
"""The defaults of `addnn_spec.datasets`, which imports torch."""


@click.group()
def data() -> None:
    """Look at a data set by the indices, before there is a network.

    DATA is a bundled set's name, a file or folder, as --data of probe takes it.

    \b
      addnn data show photos/ --html photos.html
      addnn data clean photos/ --html doubtful.html
    """


def _told(command: Callable[..., int]) -> Callable[..., int]:
    """Show in the format that was asked for what stops the command."""

    @wraps(command)
    def run(output_format: Format, **given: Any) -> int:
        try:
            return command(**given)
        except DiagnosticError as error:
            report(error.diagnostics, output_format)
            return exit_code(error.diagnostics)
        except KeyboardInterrupt:
            say("stopped", err=True)
            return INTERRUPTED

    return run


_shared = all_of(
    setting_options("seed", "task", "normalize", *PREPARATION, "budget"),
    click.option("--json", "as_json", is_flag=True, help="Print JSON, every sample's score in it."),
    click.option("--html", type=OutputFile(), help="Write one self-contained page, with pictures."),
    force_option,
    format_option,
    _told,
)


@data.command("show")
@click.argument("where", metavar="DATA")
@click.option("--test", metavar="TEST", help="Test data, where DATA holds none.")
@click.option(
    "--divide",
    "division",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    metavar="SHARE",
    help="Divide DATA: so much of it is test, alike in classes and difficulty.",
)
@click.option(
    "--near",
    type=click.FloatRange(0, 1),
    default=_NEAR,
    show_default=True,
    help="Near-duplicates: up to this share of the usual distance.",
)
@click.option(
    "--samples",
    type=click.IntRange(4),
    default=_SAMPLES,
    show_default=True,
    help="How many are drawn, of train and of test.",
)
@_shared
def show(
    where: str, test: str | None, as_json: bool, html: Path | None, force: bool, **given: Any
) -> int:
    """Show on one page whether train and test are alike, how hard the data are, and what stands in
    both.

    \b
      addnn data show photos/ --html photos.html
      addnn data show digits --divide 0.2 --json
    """
    guard(html, [where, test], force=force)
    require("looking at data", "torch", "numpy", extra="torch")
    from addnn_spec.datasets import show as run

    with shown_work("reading") as (_, progress):
        found = run(where, test, progress=progress, **given)
    return _out(found.text() if as_json else str(found), as_json, html, found.page)


@data.command("clean")
@click.argument("where", metavar="DATA")
@click.option(
    "--order",
    type=click.IntRange(1),
    default=_ORDER,
    show_default=True,
    help="A label is doubtful if none of so many nearest neighbours has it.",
)
@click.option("--samples", type=click.IntRange(2), help="How many are drawn; all, if not said.")
@_shared
def clean(where: str, as_json: bool, html: Path | None, force: bool, **given: Any) -> int:
    """List the labels of DATA that are doubtful. Nothing is changed.

    \b
      addnn data clean photos/ --html doubtful.html
    """
    guard(html, [where], force=force)
    require("looking at data", "torch", "numpy", extra="torch")
    from addnn_spec.datasets import clean as run

    if given["samples"] is None:
        del given["samples"]
    with shown_work("reading") as (_, progress):
        found = run(where, progress=progress, **given)
    return _out(found.text() if as_json else str(found), as_json, html, found.page)


def _out(text: str, as_json: bool, html: Path | None, page: Callable[[], str]) -> int:
    if html is not None:
        require("a page", "jinja2", extra="report")
        put(html, page())
    if html != STDOUT:
        say(text, nl=not as_json)
    return OK
