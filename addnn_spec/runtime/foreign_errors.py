"""Errors of others' code, told as refusals; the notes of loading weights."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager

from addnn_spec.diagnostics import DiagnosticCode, Refusal


class WeightsNote(UserWarning):
    """Something that loading weights has put right, or has left as it was initialised."""


_LONGEST = 300


@contextmanager
def outside(message: str, code: DiagnosticCode, *, file: str = "") -> Iterator[None]:
    """Turn any error of foreign code that is raised inside into a `Refusal` with `message` and the
    reason.

    Such code is a library that takes apart a file of anyone's, and a module of the user's own: both
    raise what they like. The line of `file` that raised is told.
    """
    try:
        yield
    except Refusal:
        raise
    except (Exception, SystemExit) as error:
        lines = _lines(error, file) if file else []
        notes = (f"{file}, line {lines[-1]}",) if lines else ()
        raise Refusal(code, f"{message}: {reason(error)}", notes=notes) from error


def reason(error: BaseException) -> str:
    """Return an error of others in a line."""
    if isinstance(error, SyntaxError):
        return f"{type(error).__name__}: {error.msg}"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    first = next(iter(str(error).splitlines()), "")[:_LONGEST]
    return f"{type(error).__name__}: {first}" if first else type(error).__name__


def _lines(error: BaseException, file: str) -> list[int]:
    """Return the lines of a file that an error came through, outermost first."""
    if isinstance(error, SyntaxError) and error.filename == file and error.lineno is not None:
        return [error.lineno]
    frames = traceback.extract_tb(error.__traceback__)
    return [f.lineno for f in frames if f.filename == file and f.lineno is not None]
