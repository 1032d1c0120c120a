"""Diagnostics: one mistake each, with its places."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from addnn_spec.source import Span

Severity = Literal["error", "warning", "note"]

_SEVERITIES: dict[str, Severity] = {"E": "error", "W": "warning", "N": "note"}


@dataclass(frozen=True, slots=True)
class Label:
    """A place, and what is to be said at it."""

    span: Span
    text: str = ""


@dataclass(frozen=True)
class Diagnostic:
    """One finding.

    `code` is in `addnn_spec.codes.CODES`; `primary` is `None` where no file is concerned; `labels`
    are further places, in any file; the first of `notes` is the path of uses, if there is one;
    `help` says how to mend it.
    """

    code: str
    message: str
    primary: Label | None = None
    labels: tuple[Label, ...] = ()
    notes: tuple[str, ...] = ()
    help: str | None = None

    @property
    def severity(self) -> Severity:
        """What the code's first letter says."""
        return _SEVERITIES[self.code[0]]

    @property
    def sort_key(self) -> tuple[str, int, int, str, str]:
        """By file, then position, then code: the order in which findings are shown."""
        if self.primary is None:
            return ("", 0, 0, self.code, self.message)
        span = self.primary.span
        return (span.source.name, span.start, span.end, self.code, self.message)


class DiagnosticError(Exception):
    """Stops a stage; carries one or more diagnostics."""

    def __init__(self, *diagnostics: Diagnostic) -> None:
        if not diagnostics:
            raise ValueError("a DiagnosticError needs a diagnostic")
        self.diagnostics = diagnostics
        super().__init__(*diagnostics)

    def __str__(self) -> str:
        from addnn_spec.diagnostics.render import render_text

        return render_text(self.diagnostics).rstrip("\n")
