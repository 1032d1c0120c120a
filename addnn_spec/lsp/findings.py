"""Diagnostics in the protocol's form."""

from __future__ import annotations

from collections.abc import Callable

from lsprotocol import types

from addnn_spec.diagnostics import Diagnostic, Label
from addnn_spec.diagnostics.excerpt import safe
from addnn_spec.lsp.positions import Positions
from addnn_spec.source import Source, Span

_SEVERITIES = {
    "error": types.DiagnosticSeverity.Error,
    "warning": types.DiagnosticSeverity.Warning,
    "note": types.DiagnosticSeverity.Information,
}
_UNNECESSARY = frozenset(["W0101", "W0102", "W0103", "W0106", "W0108", "N0101"])

Locate = Callable[[Source], tuple[str, Positions] | None]
"""Gives the address of a source's document, and the places of its text."""


def finding(diagnostic: Diagnostic, locate: Locate) -> types.Diagnostic:
    """Return a diagnostic with its further places; what has no place stands at the beginning."""
    said = [safe(diagnostic.message)]
    if diagnostic.primary is not None and diagnostic.primary.text:
        said.append(safe(diagnostic.primary.text))
    said += map(safe, diagnostic.notes)
    if diagnostic.help:
        said.append(f"help: {safe(diagnostic.help)}")
    related = [place for label in diagnostic.labels if (place := _related(label, locate))]
    return types.Diagnostic(
        range=_range(diagnostic.primary, locate),
        message="\n".join(said),
        severity=_SEVERITIES[diagnostic.severity],
        code=diagnostic.code,
        source="addnn",
        tags=[types.DiagnosticTag.Unnecessary] if diagnostic.code in _UNNECESSARY else None,
        related_information=related or None,
    )


def foreign(span: Span, positions: Positions) -> types.Diagnostic:
    """Return the one hint at a file that is no spec."""
    return types.Diagnostic(
        range=positions.range(span),
        message="this file is no addnn spec: a spec begins with network, block, fn, let or from",
        severity=types.DiagnosticSeverity.Hint,
        source="addnn",
    )


def _range(label: Label | None, locate: Locate) -> types.Range:
    found = None if label is None else locate(label.span.source)
    if label is None or found is None:
        return types.Range(types.Position(0, 0), types.Position(0, 0))
    return found[1].range(label.span)


def _related(label: Label, locate: Locate) -> types.DiagnosticRelatedInformation | None:
    found = locate(label.span.source)
    if found is None:
        return None
    uri, positions = found
    place = types.Location(uri, positions.range(label.span))
    return types.DiagnosticRelatedInformation(place, safe(label.text) or "here")
