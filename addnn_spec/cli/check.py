"""`addnn check`: everything that is wrong in files, folders, packaged networks, standard input."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

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
@click.option(
    "--jobs",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    metavar="N",
    help="Check N files at a time, in processes of their own.",
)
@file_options
def check(specs: tuple[str, ...], as_json: bool, jobs: int, options: Options) -> int:
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
    for diagnostics, count in _checked(list(files_in(specs)), options, jobs):
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


def _checked(
    specs: Sequence[str], options: Options, jobs: int
) -> Iterator[tuple[list[Diagnostic], int]]:
    """Check specs in their order, `jobs` at a time; this process alone reads standard input."""
    if min(jobs, len(specs)) < 2 or STDIN in specs or not hasattr(os, "fork"):
        yield from (_check(spec, options) for spec in specs)
        return
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

    share = -(-len(specs) // (4 * jobs))
    fork = get_context("fork")  # what `--ops` has loaded is there, too
    with ProcessPoolExecutor(min(jobs, len(specs)), fork) as workers:
        yield from workers.map(_check, specs, [options] * len(specs), chunksize=share)


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
