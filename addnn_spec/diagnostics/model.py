"""Diagnostics: one mistake each, with its places."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from addnn_spec.diagnostics.diagnostic_code import DiagnosticCode
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

    code: DiagnosticCode
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

    def _render_traceback_(self) -> list[str]:
        """Return what IPython shows in the place of a traceback: what a terminal would."""
        from addnn_spec.diagnostics.render import render_text

        return render_text(self.diagnostics, color=True).splitlines()


class Refusal(DiagnosticError):
    """One thing that is refused, in the user's words.

    `about` is its place, at which `note` stands; or the argument of an operator, for which the
    elaborator finds the place. `input` is the operator's input that it is about.
    """

    def __init__(
        self,
        code: DiagnosticCode,
        message: str,
        *,
        about: Span | str | None = None,
        input: int = 0,
        note: str = "",
        notes: tuple[str, ...] = (),
        help: str | None = None,
    ) -> None:
        place = Label(about, note) if isinstance(about, Span) else None
        super().__init__(Diagnostic(code, message, place, notes=notes, help=help))
        self.code = code
        self.message = message
        self.about = about
        self.input = input
        self.note = note
        self.notes = notes
        self.help = help
