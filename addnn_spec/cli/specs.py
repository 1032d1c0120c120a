"""From the words of a command to specs: files, folders, packaged networks, standard input."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.shell_completion import CompletionItem

from addnn_spec.catalogue import locate, packaged
from addnn_spec.cli.options import Options
from addnn_spec.cli.outcome import report
from addnn_spec.cli.set_options import read_dims, read_settings
from addnn_spec.diagnostics import Diagnostic, DiagnosticError, Refusal
from addnn_spec.reading import decode
from addnn_spec.source import Source

if TYPE_CHECKING:
    from addnn_spec.network import Network

STDIN = "-"


class Spec(click.ParamType[str]):
    """A file, a folder, a packaged network's name, or `-`. Completed as these are.

    A shell that is told to complete files forgets the names beside them, or puts the names in
    their place: where there are names, the files are listed here.
    """

    name = "spec"

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        folded = incomplete.casefold()
        names = [name for name in packaged() if name.casefold().startswith(folded)]
        if not names:
            return [CompletionItem(incomplete, type="file")]
        return [CompletionItem(name) for name in [*_files_named(incomplete), *names]]


def _files_named(start: str) -> list[str]:
    """Return the specs, and the folders, whose names begin so."""
    hidden = start.startswith(".")
    return sorted(
        f"{path.name}/" if path.is_dir() else path.name
        for path in Path().iterdir()
        if path.name.startswith(start) and (hidden or not path.name.startswith("."))
        if path.is_dir() or path.suffix == ".net"
    )


def read_stdin(options: Options) -> Source:
    """Read standard input as a source; raise `DiagnosticError` as `decode` does, E0601 if it is
    closed or a folder."""
    try:
        # One byte more than the limit tells a text that is too large, however long it is.
        data = sys.stdin.buffer.read(options.limits.text_bytes + 1)
    except OSError as error:
        message = f"standard input cannot be read: {error.strerror}"
        raise Refusal("E0601", message) from error
    return decode(options.stdin_filename, data, max_bytes=options.limits.text_bytes)


def load(spec: str, options: Options) -> tuple[Network, dict[str, int]]:
    """Load the network that `spec` and the options name, with the sizes to count it at.

    Its warnings are shown.

    Raises `DiagnosticError` with all that is wrong with it or with what was asked.
    """
    from addnn_spec.network import Network  # `check` and `fmt` do without its passes

    source = read_stdin(options) if spec == STDIN else None
    session, name = locate(spec, options.network, source=source, limits=options.limits)
    settings = read_settings(options.settings, session)
    try:
        network = Network(session, name, settings)
    except DiagnosticError as error:
        told = (_with_settings(found, options.settings) for found in error.diagnostics)
        raise DiagnosticError(*told) from None
    dims = read_dims(options.dims, network.graph)
    report(network.warnings, options.output_format)
    return network, dims


def _with_settings(found: Diagnostic, settings: tuple[str, ...]) -> Diagnostic:
    """Return an error with what `--set` gave: it may be what is wrong, and stands in no file."""
    if not settings or found.primary is None:
        return found
    return replace(found, notes=(*found.notes, f"with {' '.join(f'--set {s}' for s in settings)}"))


def files_in(specs: tuple[str, ...]) -> Iterator[str]:
    """Yield the words of a command, folders replaced by the `.net` files below them.

    Raises `DiagnosticError` where a folder has none.
    """
    for spec in specs:
        folder = Path(spec)
        if not folder.is_dir():
            yield spec
            continue
        found = sorted(path for path in folder.rglob("*.net") if path.is_file())
        if not found:
            raise Refusal("E0601", f"there is no .net file in {spec}")
        yield from (str(path) for path in found)
