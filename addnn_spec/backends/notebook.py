"""A network in a notebook: the table, and the drawing below it."""

from __future__ import annotations

from html import escape

from addnn_spec.backends.dot import dot_text
from addnn_spec.backends.drawing import inline, svg_of
from addnn_spec.backends.table import View, plain_table
from addnn_spec.diagnostics import DiagnosticError, Refusal
from addnn_spec.graph import Graph
from addnn_spec.passes.summary import summarize

_LINES = 400
"""A notebook's cell is no place for longer tables."""


def mime_bundle(graph: Graph) -> dict[str, str]:
    """Return the network as `text/plain` and `text/html`.

    Where the drawing cannot be made, a line says why; the table is there all the same.
    """
    table = _table(graph)
    drawing = _drawing(graph)
    html = f'<div class="addnn"><pre>{escape(table)}</pre>{drawing}</div>'
    return {"text/plain": table, "text/html": html}


def _table(graph: Graph) -> str:
    summary = summarize(graph)
    try:
        return plain_table(graph, summary, View(limit=_LINES))
    except Refusal:
        try:
            return plain_table(graph, summary, View(depth=0, limit=_LINES))
        except Refusal as error:
            return f"{graph.name}: {summary.total.params:,} parameters; {error.message}\n"


def _drawing(graph: Graph) -> str:
    try:
        return inline(svg_of(dot_text(graph)))
    except DiagnosticError as error:
        return f"<pre>{escape(str(error))}</pre>"
