"""`addnn check`: everything that is wrong in files, folders, packaged networks, standard input."""

from __future__ import annotations

import click

from addnn_spec.catalogue import choose, open_spec
from addnn_spec.cli.options import Options, file_options
from addnn_spec.cli.outcome import exit_code, report, say
from addnn_spec.cli.specs import STDIN, Spec, files_in, read_stdin
from addnn_spec.diagnostics import Diagnostic, DiagnosticError
from addnn_spec.diagnostics.render import render

_FOR_PROGRAMS = ("json", "github", "sarif")


@click.command()
@click.argument("specs", nargs=-1, required=True, type=Spec())
@click.option("--json", "as_json", is_flag=True, help="The same as --output-format json.")
@file_options
def check(specs: tuple[str, ...], as_json: bool, options: Options) -> int:
    """Find everything that is wrong in SPECS.

    Each is a file, one network of it (net.net:Name), a folder (all .net files below it), the name
    of a packaged network, or - for standard input. Every network of a file is checked that needs no
    further arguments.

    Formats for people go to standard error, those for programs (json, github, sarif) to standard
    output.

    \b
      addnn check my.net specs/
      addnn check my.net --output-format github
    """
    output_format = "json" if as_json else options.output_format
    found: dict[tuple[object, ...], Diagnostic] = {}
    files = networks = 0
    for spec in files_in(specs):
        diagnostics, count = _check(spec, options)
        files, networks = files + 1, networks + count
        found |= {(d.sort_key, d.notes): d for d in diagnostics}
    diagnostics = list(found.values())
    if output_format in _FOR_PROGRAMS:
        say(render(diagnostics, output_format), nl=False)
    else:
        report(diagnostics, output_format)
        if not any(diagnostic.severity == "error" for diagnostic in diagnostics):
            say(_passed(files, networks))
    return exit_code(diagnostics, strict=options.strict)


def _check(spec: str, options: Options) -> tuple[list[Diagnostic], int]:
    """Return what is wrong with one spec, and how many networks it has."""
    try:
        source = read_stdin(options) if spec == STDIN else None
        session, network = open_spec(spec, source=source, limits=options.limits)
        if network is None:
            return session.check(), len(session.networks)
        session.graph(choose(session, network))
    except DiagnosticError as error:
        return list(error.diagnostics), 0
    return list(session.collector.diagnostics), 1


def _passed(files: int, networks: int) -> str:
    in_files = "1 file" if files == 1 else f"{files:,} files"
    return f"no errors: {networks:,} network{'' if networks == 1 else 's'} in {in_files}"
