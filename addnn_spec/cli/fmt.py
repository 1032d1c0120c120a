"""`addnn fmt`: specs in their canonical layout."""

from __future__ import annotations

from difflib import unified_diff
from pathlib import Path

import click

from addnn_spec.cli.options import Options, file_options
from addnn_spec.cli.outcome import DIFFERS, OK, exit_code, report, say, worst
from addnn_spec.cli.specs import STDIN, Spec, files_in, read_stdin
from addnn_spec.diagnostics import DiagnosticError, Refusal
from addnn_spec.files import write_atomic
from addnn_spec.reading import read_source
from addnn_spec.source import Source
from addnn_spec.syntax.printer import format_source


@click.command()
@click.argument("specs", nargs=-1, required=True, type=Spec())
@click.option("--check", is_flag=True, help="Write nothing; exit 3 if a file would change.")
@click.option("--diff", is_flag=True, help="Write nothing; show what would change, and exit 3.")
@file_options
def fmt(specs: tuple[str, ...], check: bool, diff: bool, options: Options) -> int:
    """Lay SPECS out in the canonical form.

    Each is a file or a folder (all .net files below it), written in place, or - from standard
    input to standard output. A file with syntax errors stays as it is.

    \b
      addnn fmt my.net specs/
      addnn fmt my.net --diff
    """
    statuses = [OK]
    for spec in files_in(specs):
        try:
            statuses.append(_format(spec, check, diff, options))
        except DiagnosticError as error:
            report(error.diagnostics, options.output_format)
            statuses.append(exit_code(error.diagnostics))
    return worst(statuses)


def _format(spec: str, check: bool, diff: bool, options: Options) -> int:
    source = _read(spec, options)
    text = format_source(source)
    if not _is_in_place(spec) and not (check or diff):
        click.echo(text.encode("utf-8"), nl=False)
        return OK
    if not _would_change(spec, source, text):
        return OK
    if diff:
        say(_difference(source, text), nl=False)
    if check:
        say(f"would reformat {source.name}")
    if check or diff:
        return DIFFERS
    write_atomic(Path(spec), text)
    say(f"reformatted {source.name}", err=True)
    return OK


def _read(spec: str, options: Options) -> Source:
    if spec == STDIN:
        return read_stdin(options)
    path = Path(spec)
    if not path.exists():
        raise Refusal("E0601", f"there is no file {spec}")
    return read_source(path, name=spec, max_bytes=options.limits.text_bytes)


def _is_in_place(spec: str) -> bool:
    """Return True if it is a file; what comes by a pipe is read once, and goes to standard
    output."""
    return spec != STDIN and Path(spec).is_file()


def _would_change(spec: str, source: Source, text: str) -> bool:
    """Return True if the bytes differ: line ends and a byte order mark, too, which a source has
    not."""
    if not _is_in_place(spec):
        return source.text != text
    return Path(spec).read_bytes() != text.encode("utf-8")


def _difference(source: Source, text: str) -> str:
    before, after = source.text.splitlines(keepends=True), text.splitlines(keepends=True)
    lines = unified_diff(before, after, source.name, f"{source.name} (formatted)")
    return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline\n" for line in lines)
