"""Gathers the findings of a run, each mistake once."""

from __future__ import annotations

from dataclasses import replace

from addnn_spec.diagnostics.model import Diagnostic, DiagnosticError, Severity
from addnn_spec.source import Span

MOST = 1_000
"""No more findings than this are told: errors first."""


class Collector:
    """Diagnostics, merged by code, place and message: the first is kept, the others are counted."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, Span | None, str], tuple[Diagnostic, int]] = {}

    def add(self, diagnostic: Diagnostic, uses: int = 1) -> None:
        """Note a finding that concerns `uses` uses of the place it points at."""
        span = diagnostic.primary.span if diagnostic.primary else None
        key = (diagnostic.code, span, diagnostic.message)
        first, before = self._found.get(key, (diagnostic, 0))
        self._found[key] = (first, before + uses)

    def extend(self, error: DiagnosticError) -> None:
        """Note all that `error` carries."""
        for diagnostic in error.diagnostics:
            self.add(diagnostic)

    @property
    def diagnostics(self) -> tuple[Diagnostic, ...]:
        """The findings, by file, position and code; of very many, the first `MOST`."""
        found = sorted(self._found.values(), key=lambda entry: entry[0].sort_key)
        if len(found) > MOST:
            errors = [entry for entry in found if entry[0].severity == "error"]
            others = [entry for entry in found if entry[0].severity != "error"]
            found = sorted((errors + others)[:MOST], key=lambda entry: entry[0].sort_key)
        return tuple(_with_further_uses(first, uses - 1) for first, uses in found)

    @property
    def errors(self) -> tuple[Diagnostic, ...]:
        return self._of("error")

    @property
    def warnings(self) -> tuple[Diagnostic, ...]:
        return self._of("warning")

    @property
    def has_errors(self) -> bool:
        return any(first.severity == "error" for first, _ in self._found.values())

    def raise_errors(self) -> None:
        """Raise `DiagnosticError` with all findings if one of them is an error."""
        if self.has_errors:
            raise DiagnosticError(*self.diagnostics)

    def _of(self, severity: Severity) -> tuple[Diagnostic, ...]:
        return tuple(d for d in self.diagnostics if d.severity == severity)


def _with_further_uses(diagnostic: Diagnostic, further: int) -> Diagnostic:
    """Say in the first note, which is the path of uses, how many more there are."""
    if further <= 0:
        return diagnostic
    count = f"and {further:,} more use{'s' if further > 1 else ''}"
    if not diagnostic.notes:
        return replace(diagnostic, notes=(count,))
    path, *others = diagnostic.notes
    return replace(diagnostic, notes=(f"{path}, {count}", *others))
