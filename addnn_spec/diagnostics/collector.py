"""Gathers the findings of a run, each mistake once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

from addnn_spec.diagnostics.diagnostic_code import DiagnosticCode
from addnn_spec.diagnostics.model import Diagnostic, DiagnosticError, Severity
from addnn_spec.source import Span

MOST = 1_000
"""No more findings than this are told: errors first."""

ALIKE = 3
"""Of the findings of one code at one place (a loop makes them) so many are told."""


class Collector:
    """Diagnostics, merged by code, place and message: the first is kept, the others are counted."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, Span | None, str], tuple[Diagnostic, int]] = {}
        self.failures = 0
        """How many errors were noted, those that were merged included."""

    def add(self, diagnostic: Diagnostic, uses: int = 1) -> None:
        """Note a finding that concerns `uses` uses of the place it points at."""
        span = diagnostic.primary.span if diagnostic.primary else None
        key = (diagnostic.code, span, diagnostic.message)
        self.failures += diagnostic.severity == "error"
        first, before = self._found.get(key, (diagnostic, 0))
        self._found[key] = (first, before + uses)

    def extend(self, error: DiagnosticError) -> None:
        """Note all that `error` carries."""
        for diagnostic in error.diagnostics:
            self.add(diagnostic)

    @property
    def diagnostics(self) -> tuple[Diagnostic, ...]:
        """The findings, by file, position and code; of very many, the first `MOST`.

        Of those of one code at one place the first `ALIKE`; the last of them counts the others.
        """
        found = sorted(_folded(self._found.values()), key=lambda entry: entry[0].sort_key)
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
        return self.failures > 0

    def raise_errors(self) -> None:
        """Raise `DiagnosticError` with all findings if one of them is an error."""
        if self.has_errors:
            raise DiagnosticError(*self.diagnostics)

    def _of(self, severity: Severity) -> tuple[Diagnostic, ...]:
        return tuple(d for d in self.diagnostics if d.severity == severity)


def _folded(found: Iterable[tuple[Diagnostic, int]]) -> list[tuple[Diagnostic, int]]:
    """Return the findings, of those of one code at one place the first few."""
    alike: Counter[tuple[DiagnosticCode, Span]] = Counter()
    kept: list[tuple[Diagnostic, int]] = []
    last: dict[tuple[DiagnosticCode, Span], int] = {}
    for diagnostic, uses in found:
        if diagnostic.primary is not None:
            place = (diagnostic.code, diagnostic.primary.span)
            alike[place] += 1
            if alike[place] > ALIKE:
                continue
            last[place] = len(kept)
        kept.append((diagnostic, uses))
    for place, index in last.items():
        further = alike[place] - ALIKE
        if further > 0:
            diagnostic, uses = kept[index]
            note = f"and {further:,} more of this kind here"
            kept[index] = (replace(diagnostic, notes=(*diagnostic.notes, note)), uses)
    return kept


def _with_further_uses(diagnostic: Diagnostic, further: int) -> Diagnostic:
    """Say in the first note, which is the path of uses, how many more there are."""
    if further <= 0:
        return diagnostic
    count = f"and {further:,} more use{'s' if further > 1 else ''}"
    if not diagnostic.notes:
        return replace(diagnostic, notes=(count,))
    path, *others = diagnostic.notes
    return replace(diagnostic, notes=(f"{path}, {count}", *others))
