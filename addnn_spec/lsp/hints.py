"""Inlay hints: the shape at the end of every line of a chain, `×n` at loops, costs if asked for."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from addnn_spec.diagnostics import DiagnosticError
from addnn_spec.graph import Graph
from addnn_spec.lsp.analysis import Analysis, Looked
from addnn_spec.lsp.positions import Positions
from addnn_spec.lsp.rendering import Sizes, count_text, shape_of
from addnn_spec.passes.costs import Cost, Costs, count_costs
from addnn_spec.passes.memory import at
from addnn_spec.source import Span
from addnn_spec.syntax import ast
from addnn_spec.syntax.node import SyntaxNode
from addnn_spec.syntax.walk import walk

_HINTED = frozenset([
    ast.Element, ast.Chain, ast.Bind, ast.Return, ast.Typed, ast.Output, ast.Repeat, ast.For,
])  # fmt: skip
"""What hints are of: most nodes of a text are of no such kind."""
_TOLD = 20
_ENDS_LINE = re.compile(r"[\s,)\]}]*(?:->)?\s*(?:#.*)?$")


@dataclass(frozen=True, slots=True)
class Hint:
    """A text to show behind a character, and the tip that is shown on pointing at it."""

    offset: int
    text: str
    tip: str = ""


def hints(
    analysis: Analysis,
    positions: Positions,
    sizes: Sizes,
    *,
    costs: bool = False,
    start: int = 0,
    end: int = sys.maxsize,
) -> list[Hint]:
    """Return the hints of a document's bodies that reach into the characters `start` … `end`."""
    found: list[Hint] = []
    full_sizes = Sizes(symbolic=True)
    for item, use in analysis.bodies():
        if item.span.end < start or end < item.span.start:
            continue
        counted = _Counted(use, sizes.dims, positions) if costs else None
        nodes = [node for node in walk(item.body) if type(node) in _HINTED]
        for span in _line_ends(nodes, positions):
            values = use.values.get(span, [])
            shape = shape_of(values, sizes)
            if shape:
                cost = counted.text(span) if counted else ""
                found.append(Hint(span.end, f"{shape}{cost}", _tip(use, span, shape, full_sizes)))
        found += _turns(nodes, use)
    return sorted(found, key=lambda hint: hint.offset)


def _tip(looked: Looked, span: Span, shape: str, sizes: Sizes) -> str:
    """Return what a shape is of: a line for each use, its sizes as they are unless they are shown
    already."""
    lines = []
    for use in looked.each[:_TOLD]:
        full = shape_of(use.values.get(span, []), sizes)
        lines.append(f"in {use.name}" if full == shape else f"{full or '…'} in {use.name}")
    more = len(looked.each) - _TOLD
    return "\n".join(lines + ([f"and {more} more"] if more > 0 else []))


def _line_ends(nodes: Iterable[SyntaxNode], positions: Positions) -> Iterator[Span]:
    """Yield the parts of chains that end a line, of each line the one that ends last; of two that
    end together, the one that holds the other."""
    last: dict[int, Span] = {}
    for span in _parts(nodes):
        line = positions.line(span.end)
        before = last.get(line)
        # A line has room for one hint: that of what ends last.
        if before is None or (span.end, -span.start) > (before.end, -before.start):
            last[line] = span
    for line, span in last.items():
        rest = positions.text[span.end : positions.line_end(line)]
        if _ENDS_LINE.match(rest):
            yield span


def _parts(nodes: Iterable[SyntaxNode]) -> Iterator[Span]:
    for node in nodes:
        if isinstance(node, ast.Element):
            yield node.span
        elif isinstance(node, ast.Chain):
            yield node.head.span
        elif isinstance(node, ast.Bind | ast.Return):
            yield from (value.span for value in node.values)
        elif isinstance(node, ast.Typed | ast.Output) and node.value is not None:
            yield node.value.span


def _turns(nodes: Iterable[SyntaxNode], use: Looked) -> Iterator[Hint]:
    """Yield `×n` behind the header of each loop whose number of turns is not written there."""
    for node in nodes:
        if isinstance(node, ast.Repeat) and not isinstance(node.count, ast.Number):
            counts = {value for value in use.values.get(node.count.span, []) if _is_count(value)}
            place = node.count.span.end if node.index is None else node.index.span.end
        elif isinstance(node, ast.For):
            lists = use.values.get(node.iterable.span, [])
            counts = {len(value) for value in lists if isinstance(value, tuple)}
            place = node.iterable.span.end
        else:
            continue
        if counts:
            yield Hint(place, f"×{counts.pop():,}" if len(counts) == 1 else "×…", f"in {use.name}")


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


class _Counted:
    """The costs of a use's nodes, by where they are written."""

    def __init__(self, use: Looked, dims: Mapping[str, int], positions: Positions) -> None:
        self._positions = positions
        self._graph = use.graph
        self._dims = dims
        self._costs: Costs | None = None
        if self._graph is not None:
            self._costs = count_costs(self._graph)

    def text(self, span: Span) -> str:
        """Return what the nodes from the beginning of a span's line to its end cost; empty where it
        is nothing or unknown."""
        if self._graph is None or self._costs is None:
            return ""
        line = self._positions.line_start(self._positions.line(span.start))
        cost = self._within(self._graph, Span(span.source, line, span.end))
        try:
            macs = at(cost.macs, self._dims)
        except DiagnosticError:  # the sizes are of another network
            macs = 0
        said = [f"{count_text(cost.params)} params"] if cost.params else []
        said += [f"{count_text(macs)} MACs"] if macs else []
        return "".join(f" · {part}" for part in said)

    def _within(self, graph: Graph, span: Span) -> Cost:
        assert self._costs is not None
        total = Cost()
        for node in graph.nodes():
            if node.span.source is not span.source:
                continue
            if span.start <= node.span.start and node.span.end <= span.end:
                one = self._costs.node(graph, node)
                total = total + one.times(node.times, shared=node.module is not None)
            elif node.span.start <= span.start and span.end <= node.span.end:
                for _, inner in node.called:
                    if inner.definition is None:
                        total = total + self._within(inner, span)
        return total
