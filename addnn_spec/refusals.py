"""What the runtime refuses, told as the compiler tells it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from addnn_spec.diagnostics import Diagnostic, DiagnosticError
from addnn_spec.runtime.errors import RuntimeRefusal


@contextmanager
def as_diagnostics() -> Iterator[None]:
    """Within it a `RuntimeRefusal` comes out as a `DiagnosticError` of the same code and words."""
    try:
        yield
    except RuntimeRefusal as error:
        raise DiagnosticError(
            Diagnostic(error.code, error.message, notes=error.notes, help=error.help)
        ) from error
