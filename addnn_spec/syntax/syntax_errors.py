"""The errors that the lexer, the parser and the tree's builder report."""

from __future__ import annotations

from addnn_spec.diagnostics import Collector, Diagnostic, DiagnosticCode, Label
from addnn_spec.source import Source, Span

MAX_ERRORS = 50
MAX_NESTING = 100
MAX_TERMS = 200
MAX_NAME = 255
"""Characters of a name, and of a label."""


class StopError(Exception):
    """Nothing more can be read from this text; why is in the collector."""


class Findings:
    """Reports into a collector; after `MAX_ERRORS` it says so and raises `StopError`."""

    def __init__(self, source: Source, collector: Collector) -> None:
        self.source = source
        self._collector = collector
        self._places: set[int] = set()

    def error(
        self,
        code: DiagnosticCode,
        message: str,
        start: int,
        end: int,
        label: str = "",
        help: str | None = None,
        other: Label | None = None,
    ) -> None:
        """Report an error at the characters `start` … `end - 1`: one at each place, the first."""
        # A second error at one place would be the first one's consequence.
        if start in self._places:
            return
        primary = Label(self.span(start, end), label)
        if len(self._places) >= MAX_ERRORS:
            message = f"there are more than {MAX_ERRORS} errors: the rest of the file is not read"
            self._collector.add(Diagnostic("E0015", message, primary))
            raise StopError
        self._places.add(start)
        labels = () if other is None else (other,)
        self._collector.add(Diagnostic(code, message, primary, labels, help=help))

    def too_deep(self, start: int, end: int) -> None:
        """Report that the text is nested too deeply here, and raise `StopError`."""
        message = f"this is nested more than {MAX_NESTING} deep"
        note = "give the inner part a name, with `let` or in a `block`"
        self.error("E0502", message, start, end, help=note)
        raise StopError

    def span(self, start: int, end: int) -> Span:
        """Return a place in the source."""
        return Span(self.source, start, end)


def short(text: str, width: int = 40) -> str:
    """Return the text, cut where it is too long for a message."""
    return text if len(text) <= width else f"{text[:width]}…"
