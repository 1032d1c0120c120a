"""Diagnostics for programs: one line each, JSON, GitHub annotations, SARIF 2.1.0."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from addnn_spec.codes import CODES
from addnn_spec.diagnostics.diagnostic_code import DiagnosticCode
from addnn_spec.diagnostics.excerpt import safe
from addnn_spec.diagnostics.model import Diagnostic, Label
from addnn_spec.json_text import json_text
from addnn_spec.source import Span

_GITHUB_LEVELS = {"error": "error", "warning": "warning", "note": "notice"}


def render_concise(diagnostics: Iterable[Diagnostic]) -> str:
    """`file:line:column: error[E0301] message`, a line each."""
    return "".join(_concise(diagnostic) + "\n" for diagnostic in diagnostics)


def _concise(diagnostic: Diagnostic) -> str:
    said = f"{diagnostic.severity}[{diagnostic.code}] {safe(diagnostic.message)}"
    if diagnostic.primary is None:
        return said
    line, column = diagnostic.primary.span.position
    return f"{safe(diagnostic.primary.span.source.name)}:{line}:{column}: {said}"


def render_json(diagnostics: Iterable[Diagnostic]) -> str:
    """Return a JSON object with a list of them; lines and columns from 1, an end is one past the
    last."""
    return json_text({"diagnostics": [_json(diagnostic) for diagnostic in diagnostics]})


def _json(diagnostic: Diagnostic) -> dict[str, Any]:
    return {
        "code": diagnostic.code,
        "severity": diagnostic.severity,
        "message": safe(diagnostic.message),
        "location": _label(diagnostic.primary) if diagnostic.primary else None,
        "labels": [_label(label) for label in diagnostic.labels],
        "notes": [safe(note) for note in diagnostic.notes],
        "help": None if diagnostic.help is None else safe(diagnostic.help),
    }


def _label(label: Label) -> dict[str, Any]:
    (line, column), (end_line, end_column) = _corners(label.span)
    return {
        "file": label.span.source.name,
        "line": line,
        "column": column,
        "end_line": end_line,
        "end_column": end_column,
        "text": safe(label.text),
    }


def _corners(span: Span) -> tuple[tuple[int, int], tuple[int, int]]:
    return span.position, span.source.position(span.end)


def render_github(diagnostics: Iterable[Diagnostic]) -> str:
    """Return workflow commands that GitHub shows as annotations of the changed lines."""
    return "".join(_github(diagnostic) + "\n" for diagnostic in diagnostics)


def _github(diagnostic: Diagnostic) -> str:
    properties = {"title": f"addnn {diagnostic.code}"}
    if diagnostic.primary is not None:
        (line, column), (end_line, end_column) = _corners(diagnostic.primary.span)
        name = diagnostic.primary.span.source.name
        properties |= {"file": name, "line": str(line), "col": str(column)}
        properties |= {"endLine": str(end_line), "endColumn": str(end_column)}
    listed = ",".join(f"{key}={_github_property(text)}" for key, text in properties.items())
    message = "\n".join([safe(diagnostic.message), *map(safe, _remarks(diagnostic))])
    return f"::{_GITHUB_LEVELS[diagnostic.severity]} {listed}::{_github_data(message)}"


def _remarks(diagnostic: Diagnostic) -> list[str]:
    said = [diagnostic.primary.text] if diagnostic.primary and diagnostic.primary.text else []
    mended = [f"help: {diagnostic.help}"] if diagnostic.help else []
    return [*said, *diagnostic.notes, *mended]


def _github_data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _github_property(text: str) -> str:
    return _github_data(safe(text)).replace(":", "%3A").replace(",", "%2C")


def render_sarif(diagnostics: Iterable[Diagnostic], *, version: str) -> str:
    """Return a SARIF 2.1.0 log of one run; `version` is the tool's."""
    found = list(diagnostics)
    rules = sorted({diagnostic.code for diagnostic in found})
    driver = {
        "name": "addnn",
        "version": version,
        "rules": [{"id": code, "shortDescription": {"text": CODES[code]}} for code in rules],
    }
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "results": [_result(diagnostic, rules) for diagnostic in found],
    }
    log = {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [run],
    }
    return json.dumps(log, indent=2) + "\n"


def _result(diagnostic: Diagnostic, rules: list[DiagnosticCode]) -> dict[str, Any]:
    message = "\n".join([safe(diagnostic.message), *map(safe, _remarks(diagnostic))])
    result: dict[str, Any] = {
        "ruleId": diagnostic.code,
        "ruleIndex": rules.index(diagnostic.code),
        "level": diagnostic.severity,
        "message": {"text": message},
    }
    if diagnostic.primary is not None:
        result["locations"] = [_location(diagnostic.primary)]
    if diagnostic.labels:
        result["relatedLocations"] = [
            {"id": number, **_location(label), "message": {"text": safe(label.text)}}
            for number, label in enumerate(diagnostic.labels, 1)
        ]
    return result


def _location(label: Label) -> dict[str, Any]:
    from urllib.parse import quote

    (line, column), (end_line, end_column) = _corners(label.span)
    region = {
        "startLine": line,
        "startColumn": column,
        "endLine": end_line,
        "endColumn": end_column,
    }
    uri = quote(label.span.source.name.replace("\\", "/"))
    return {"physicalLocation": {"artifactLocation": {"uri": uri}, "region": region}}
