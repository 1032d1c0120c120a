"""The outcome of a command: diagnostics on stderr, and the exit code that they call for."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from typing import TextIO

import click

from addnn_spec.diagnostics import Diagnostic
from addnn_spec.diagnostics.excerpt import visible
from addnn_spec.diagnostics.render import Format, render

OK, FOUND, USAGE, DIFFERS, INTERRUPTED = 0, 1, 2, 3, 130

# Codes of the command line itself: no spec is wrong.
_USAGE_CODES = frozenset(["E0110", "E0217", "E0218", "E0409", "E0410"])
_NOT_UP_TO_DATE = "E0608"


def exit_code(diagnostics: Iterable[Diagnostic], *, strict: bool = False) -> int:
    """Return 0 without errors (with `strict`, without warnings too), 2 if what was asked is at
    fault, 3 where a file is only not up to date."""
    found = list(diagnostics)
    errors = [diagnostic for diagnostic in found if diagnostic.severity == "error"]
    if errors:
        return worst(_status(error.code) for error in errors)
    doubtful = strict and any(diagnostic.severity == "warning" for diagnostic in found)
    return FOUND if doubtful else OK


def worst(statuses: Iterable[int]) -> int:
    """Return the gravest of exit codes: what was not done at all, then errors, then differences."""
    return max(statuses, key=(OK, DIFFERS, FOUND, USAGE).index, default=OK)


def _status(code: str) -> int:
    if code == _NOT_UP_TO_DATE:
        return DIFFERS
    return USAGE if code in _USAGE_CODES or code.startswith("E06") else FOUND


def report(diagnostics: Sequence[Diagnostic], output_format: Format = "full") -> None:
    """Show diagnostics on stderr."""
    if diagnostics:
        text = render(diagnostics, output_format, color=has_colour(sys.stderr))
        click.echo(text, err=True, nl=False)


def say(text: str = "", *, err: bool = False, nl: bool = True) -> None:
    """Print text that may hold what a user gave: no control reaches a terminal."""
    click.echo(visible(text), err=err, nl=nl)


def has_colour(stream: TextIO) -> bool:
    """Return True if colours are wanted: on a terminal, unless NO_COLOR (no-color.org) says
    otherwise."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
