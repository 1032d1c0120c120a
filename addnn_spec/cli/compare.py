"""`addnn compare`: two runs of `addnn probe` side by side; nothing is computed again."""

from __future__ import annotations

from pathlib import Path

import click

from addnn_spec.cli.outcome import OK, exit_code, report, say
from addnn_spec.diagnostics import DiagnosticError
from addnn_spec.packages import require


@click.command("compare")
@click.argument("first", type=click.Path(path_type=Path))
@click.argument("second", type=click.Path(path_type=Path))
def compare(first: Path, second: Path) -> int:
    """Compare two run.json: nodes of the same path, and the last nodes.

    Refused where the runs were not taken alike: other samples, m, order, reduction, normalisation,
    ties, precision or mode.

    \b
      addnn compare before.json after.json
    """
    try:
        require("comparing runs", "numpy", extra="report")
        return _compare(first, second)
    except DiagnosticError as error:
        report(error.diagnostics)
        return exit_code(error.diagnostics)


def _compare(first: Path, second: Path) -> int:
    from addnn_spec.probes.comparing import compare_runs, compared_text
    from addnn_spec.runtime.run_record import read_run

    runs = [read_run(path) for path in (first, second)]
    found = compare_runs(runs[0], runs[1])
    say(compared_text(runs[0], runs[1], found), nl=False)
    return OK
