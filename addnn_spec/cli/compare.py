"""`addnn compare`: two runs of `addnn probe` side by side; nothing is computed again."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import click

from addnn_spec.cli.report import OK, USAGE, exit_code, report
from addnn_spec.diagnostics import Diagnostic, DiagnosticError


@click.command("compare")
@click.argument("first", type=click.Path(path_type=Path))
@click.argument("second", type=click.Path(path_type=Path))
def compare(first: Path, second: Path) -> int:
    """Compare two run.json: nodes of the same path, and the last nodes.

    Refused where the runs were not taken alike: other samples, m, order, reduction, normalisation,
    ties, precision or mode.
    """
    if find_spec("numpy") is None:
        click.echo("error: comparing runs needs numpy", err=True)
        return USAGE
    from addnn_spec.probes.comparing import compare_runs, compared_text
    from addnn_spec.runtime.errors import RuntimeRefusal
    from addnn_spec.runtime.record import read_run

    try:
        runs = [read_run(path) for path in (first, second)]
        found = compare_runs(runs[0], runs[1])
    except RuntimeRefusal as error:
        refused = DiagnosticError(
            Diagnostic(error.code, error.message, notes=error.notes, help=error.help)
        )
        report(refused.diagnostics)
        return exit_code(refused.diagnostics)
    except DiagnosticError as error:
        report(error.diagnostics)
        return exit_code(error.diagnostics)
    click.echo(compared_text(runs[0], runs[1], found), nl=False)
    return OK
