"""`addnn explain`: what a code means, with examples."""

from __future__ import annotations

import click

from addnn_spec.cli.outcome import OK, exit_code, report
from addnn_spec.codes import CODES
from addnn_spec.diagnostics import Refusal, near
from addnn_spec.resources import error_page


@click.command()
@click.argument("code", required=False)
def explain(code: str | None) -> int:
    """Explain a code such as E0301; without one, list them all."""
    if code is None:
        for known, title in CODES.items():
            click.echo(f"{known}  {title}")
        return OK
    code = code.upper()
    if code not in CODES:
        close = near(code, CODES)
        help = f"did you mean {' or '.join(close)}?" if close else "addnn explain lists them all"
        unknown = Refusal("E0610", f"there is no code {code}", help=help)
        report(unknown.diagnostics)
        return exit_code(unknown.diagnostics)
    click.echo(error_page(code) or f"# {code}: {CODES[code]}\n", nl=False)
    return OK
