"""A network in a notebook: table, drawing and code in tabs, which need no script."""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from itertools import count

from addnn_spec.backends.dot import dot_text
from addnn_spec.backends.drawing import inline, svg_of
from addnn_spec.backends.table import View, plain_table
from addnn_spec.diagnostics import DiagnosticError, Refusal
from addnn_spec.graph import Graph
from addnn_spec.highlighting import python_as_html
from addnn_spec.passes.summary import summarize

_LINES = 400
"""A notebook's cell is no place for longer tables."""
_numbers = count(1)
"""Of what is shown: tabs of two outputs on one page must not be mixed up."""
_STYLE = (
    ".addnn > input { display: none; } "
    ".addnn > label { display: inline-block; padding: 2px 10px; cursor: pointer; "
    "border-bottom: 2px solid transparent; } "
    ".addnn > input:checked + label { border-bottom-color: currentColor; } "
    ".addnn > div { display: none; overflow: auto; max-height: 40em; } "
)


def mime_bundle(graph: Graph, source: Callable[[], str]) -> dict[str, str]:
    """Return the network as `text/plain`, its table, and `text/html`; `source` gives its code.

    Where a part cannot be made, its tab says why; the table is there all the same.
    """
    table = _table(graph)
    panels = [
        ("table", f"<pre>{escape(table)}</pre>"),
        ("drawing", _made(lambda: inline(svg_of(dot_text(graph))))),
        ("code", _made(lambda: python_as_html(source()))),
    ]
    return {"text/plain": table, "text/html": _tabs(f"addnn-{next(_numbers)}", panels)}


def _tabs(name: str, panels: list[tuple[str, str]]) -> str:
    """Return panels of which one is shown: buttons of a group, told apart by `name`."""
    buttons, shown, style = [], [], _STYLE
    for number, (title, content) in enumerate(panels):
        id = f"{name}-{number}"
        checked = "" if number else " checked"
        buttons.append(f'<input type="radio" name="{name}" id="{id}"{checked}>')
        buttons.append(f'<label for="{id}">{title}</label>')
        shown.append(f'<div class="{id}">{content}</div>')
        style += f"#{id}:checked ~ .{id} {{ display: block; }} "
    style = f"<style>{style.rstrip()}</style>"
    return f'<div class="addnn">{style}{"".join(buttons)}{"".join(shown)}</div>'


def _table(graph: Graph) -> str:
    summary = summarize(graph)
    try:
        return plain_table(graph, summary, View(limit=_LINES))
    except Refusal:
        try:
            # Too long: the first level alone, and then the total alone.
            return plain_table(graph, summary, View(depth=0, limit=_LINES))
        except Refusal as error:
            return f"{graph.name}: {summary.total.params:,} parameters; {error.message}\n"


def _made(part: Callable[[], str]) -> str:
    try:
        return part()
    except DiagnosticError as error:
        return f"<pre>{escape(str(error))}</pre>"
