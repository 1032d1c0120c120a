"""The output formats of diagnostics, by the names that the command line knows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

from addnn_spec.diagnostics.machine import (
    render_concise,
    render_github,
    render_json,
    render_sarif,
)
from addnn_spec.diagnostics.model import Diagnostic
from addnn_spec.diagnostics.text import render_text

Format = Literal["full", "concise", "json", "github", "sarif"]
FORMATS: tuple[Format, ...] = get_args(Format)

__all__ = [
    "FORMATS",
    "Format",
    "render",
    "render_concise",
    "render_github",
    "render_json",
    "render_sarif",
    "render_text",
]


def render(
    diagnostics: Sequence[Diagnostic], output_format: Format = "full", *, color: bool = False
) -> str:
    """Return the diagnostics in one of the formats; `color` concerns `full` only."""
    match output_format:
        case "full":
            return render_text(diagnostics, color=color)
        case "concise":
            return render_concise(diagnostics)
        case "json":
            return render_json(diagnostics)
        case "github":
            return render_github(diagnostics)
        case "sarif":
            from addnn_spec import __version__

            return render_sarif(diagnostics, version=__version__)
