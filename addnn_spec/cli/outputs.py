"""The files that a command writes: never over what it reads, nor over what no command wrote; `-` is
standard output."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from pathlib import Path

import click
from click.shell_completion import CompletionItem

from addnn_spec.diagnostics import Refusal
from addnn_spec.files import check_writable, write_atomic

STDOUT = Path("/dev/stdout")
"""What `-` stands for."""
_PART = re.compile(r"\[\d*:\d*\]$")


class OutputFile(click.ParamType[Path]):
    """A file to write, or `-` for standard output."""

    name = "file"

    def convert(
        self, value: str | Path, param: click.Parameter | None, ctx: click.Context | None
    ) -> Path:
        return STDOUT if value == "-" else Path(value)

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        return [CompletionItem(incomplete, type="file")]


_EDGE = 2**16
_MARKS = re.compile(
    rb"by addnn-spec \d|(?:class|content)=\"addnn(?:-spec)?\"|\Adigraph network {"  # text
    rb"|\0addnn-spec|\(addnn-spec\)|>addnn-spec<|^train SHA-256: "  # figures and their captions
    rb"|\A.{,16}pytorch",  # ONNX
    re.MULTILINE | re.DOTALL,
)
"""What sources, drawings, pages and figures have at their beginning or end."""
force_option = click.option(
    "--force", is_flag=True, help="Write over a file, whatever stands there."
)


def is_made_here(path: Path) -> bool:
    """Return True if a command has written the source, drawing, page or figure in a file."""
    with path.open("rb") as file:
        # Only both ends are read: a figure may be large.
        text = file.read(_EDGE)
        file.seek(max(path.stat().st_size - _EDGE, len(text)))
        return _MARKS.search(text + file.read()) is not None


def put(path: Path | None, content: str | bytes) -> None:
    """Write to a file, whole or not at all; to standard output where there is none.

    Raises `DiagnosticError` (E0602) if the file cannot be written.
    """
    if path is not None and path != STDOUT:
        write_atomic(path, content)
    else:
        click.echo(content.encode("utf-8") if isinstance(content, str) else content, nl=False)


def refuse_inputs(output: Path | None, inputs: Iterable[str | Path | None]) -> None:
    """Refuse (E0607) to write over an input: the same file by whatever name or link.

    A folder among the inputs stands for all that lies in it.
    """
    if output is None or output == STDOUT:
        return
    for given in inputs:
        path = None if given is None else _file_of(given)
        if path is not None and _is_within(output, path):
            raise Refusal(
                "E0607",
                f"{output} is read by this command, and would be written over",
                notes=() if path == output else (f"it is the same as {path}",),
                help="write to another file",
            )


def guard(
    output: Path | None,
    inputs: Iterable[str | Path | None],
    *,
    force: bool,
    is_ours: Callable[[Path], bool] = is_made_here,
) -> None:
    """Refuse an output before work that would end in nothing, or destroy something.

    Raises `DiagnosticError`: E0607 where it is an input, or a file that is not `is_ours` and there
    is no `force`; E0602 where it cannot be written.
    """
    if output is None or output == STDOUT:
        return
    refuse_inputs(output, inputs)
    check_writable(output)
    if not force and output.is_file() and output.stat().st_size and not is_ours(output):
        raise Refusal(
            "E0607",
            f"{output} stands already, and was not written by such a command",
            help="write to another file, or over it with --force",
        )


def _file_of(given: str | Path) -> Path | None:
    """Return the file or folder that an argument names; None for what is none: a packaged name,
    `-`."""
    # More may stand behind the file's name: `train.npz[:500]`, `net.py:Class`.
    for text in (str(given), _PART.sub("", str(given)), str(given).rpartition(":")[0]):
        if text and Path(text).exists():
            return Path(text)
    return None


def _is_within(output: Path, path: Path) -> bool:
    """Return True if an output is a file, or lies in a folder, under whatever name."""
    if not output.exists():
        return False
    if output.samefile(path):
        return True
    return path.is_dir() and output.resolve().is_relative_to(path.resolve())
