"""`addnn lsp`: the language server."""

from __future__ import annotations

import click

from addnn_spec.cli.outcome import OK, exit_code, report
from addnn_spec.diagnostics import DiagnosticError
from addnn_spec.packages import require


@click.command()
def lsp() -> int:
    """Serve editors: diagnostics, shapes beside the text, completion, and more.

    An editor starts it, and speaks the Language Server Protocol with it over the standard streams.
    """
    try:
        require("the language server", "pygls", extra="lsp")
    except DiagnosticError as error:
        report(error.diagnostics)
        return exit_code(error.diagnostics)
    from addnn_spec.lsp.features import serve

    serve()
    return OK
