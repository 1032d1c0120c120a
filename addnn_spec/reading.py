"""From bytes to a `Source`: what is not clean text is refused, with its place."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import BinaryIO

from addnn_spec.diagnostics import Diagnostic, DiagnosticError, Label, Refusal
from addnn_spec.source import Source, Span

MAX_BYTES = 1_000_000

# Unicode's property Bidi_Control: text could be shown in another order than it is read in.
_BIDI_CONTROLS = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
_FORBIDDEN = re.compile(f"[\\r\\0{_BIDI_CONTROLS}]")


def read_source(
    path: Path, *, name: str | None = None, root: Path | None = None, max_bytes: int = MAX_BYTES
) -> Source:
    """Read a spec; `name` is the path to show, by default the path as given.

    With a `root`, what is read is a file below that folder, whatever links are put on the way
    meanwhile. Raises `DiagnosticError`: E0601 if the file cannot be read, and as `decode` does.
    """
    shown = str(path) if name is None else name
    try:
        with path.open("rb") if root is None else _open_below(root, path) as file:
            # One more tells that it is too long, without reading all of `/dev/zero`.
            data = file.read(max_bytes + 1)
    except (OSError, ValueError) as error:  # a NUL in the path is a ValueError
        reason = error.strerror if isinstance(error, OSError) else None
        raise Refusal("E0601", f"{shown} cannot be read: {reason or error}") from error
    return decode(shown, data, max_bytes=max_bytes)


def _open_below(root: Path, path: Path) -> BinaryIO:
    """Open the file that a path leads to, links followed; raises OSError if it is outside `root`.

    A check of a path says little of what is opened afterwards: so what the path leads to is opened
    from the root on, folder by folder, and a link that has come there is not followed.
    """
    top = root.resolve()
    real = path.resolve()
    if not real.is_relative_to(top):
        raise OSError("it leads out of the folder")
    if os.open not in os.supports_dir_fd:
        return real.open("rb")
    handle = os.open(top, os.O_RDONLY)
    for part in real.relative_to(top).parts:
        folder = handle
        try:
            # Links are resolved already: one that is met here was put there meanwhile. Without
            # O_NONBLOCK a named pipe would wait for a writer.
            handle = os.open(part, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
        finally:
            os.close(folder)
    return os.fdopen(handle, "rb")


def decode(name: str, data: bytes, *, max_bytes: int = MAX_BYTES) -> Source:
    """Return the source that the bytes hold: UTF-8, a BOM dropped, CRLF read as LF.

    Raises `DiagnosticError`: E0001 not UTF-8; E0002 a lone carriage return, a NUL or a control
    of the writing direction; E0501 more than `max_bytes` bytes.
    """
    if len(data) > max_bytes:
        raise Refusal(
            "E0501",
            f"the text has more than {max_bytes:,} bytes",
            about=Span(Source(name, ""), 0, 0),
        )
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise DiagnosticError(_not_utf8(name, data, error)) from error
    source = Source(name, _normalised(text))
    found = tuple(_forbidden(source, match) for match in _FORBIDDEN.finditer(source.text))
    if found:
        raise DiagnosticError(*found)
    return source


def _normalised(text: str) -> str:
    return text.removeprefix("\ufeff").replace("\r\n", "\n")


def _not_utf8(name: str, data: bytes, error: UnicodeDecodeError) -> Diagnostic:
    readable = _normalised(data[: error.start].decode("utf-8"))
    rest = _normalised(data[error.start :].decode("utf-8", errors="replace"))
    source = Source(name, readable + rest)
    return Diagnostic(
        "E0001",
        f"byte {error.start:,} (0x{data[error.start]:02x}) is not UTF-8",
        Label(Span(source, len(readable), len(readable) + 1)),
        help="save the file as UTF-8",
    )


def _forbidden(source: Source, match: re.Match[str]) -> Diagnostic:
    what = {"\r": "a lone carriage return", "\0": "a NUL character"}.get(
        match[0], f"U+{ord(match[0]):04X}, a control of the writing direction,"
    )
    return Diagnostic(
        "E0002",
        f"{what} must not stand in a spec",
        Label(Span(source, match.start(), match.end())),
        help="end lines with LF or CRLF" if match[0] == "\r" else "take it out",
    )
