"""Code lenses: a network's figures above it, and which use of a block the hints are of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from addnn_spec.diagnostics import DiagnosticError
from addnn_spec.graph import Graph
from addnn_spec.lsp.analysis import Analysis
from addnn_spec.passes.costs import count_costs
from addnn_spec.passes.dims import check_dims, symbolic_sizes
from addnn_spec.passes.memory import at
from addnn_spec.source import Span
from addnn_spec.syntax import ast


@dataclass(frozen=True, slots=True)
class Lens:
    """A line above an item. `action` says what a click does: "drawing" and "pytorch" of a network,
    "next use" and "all uses" of a block; without one it only tells."""

    span: Span
    title: str
    action: str = ""
    name: str = ""


def lenses(analysis: Analysis, dims: Mapping[str, int] | None = None) -> Iterator[Lens]:
    """Yield the lenses of a document, in the order of the text."""
    for item in () if analysis.tree is None else analysis.tree.items:
        if isinstance(item, ast.Network | ast.Alias):
            graph = analysis.graph(item.name)
            if graph is not None:
                yield Lens(item.name_span, _figures(graph, dims or {}))
                yield Lens(item.name_span, "open drawing", "drawing", item.name)
                yield Lens(item.name_span, "open PyTorch", "pytorch", item.name)
        if isinstance(item, ast.Block | ast.Network):
            yield from _uses(analysis, item)


def _uses(analysis: Analysis, item: ast.Block | ast.Network) -> Iterator[Lens]:
    """Yield the lenses of the use that is looked at, if there could be another one."""
    looked, uses = analysis.use_of(item), analysis.uses.get(id(item), [])
    if looked is None or (isinstance(item, ast.Network) and len(uses) == 1):
        return
    if len(uses) == 1:
        yield Lens(item.name_span, f"shapes of {looked.name}")
    elif len(looked.each) == 1:
        which = f"({uses.index(looked.each[0]) + 1} of {len(uses)})"
        yield Lens(item.name_span, f"shapes of {looked.name} {which}", "next use", item.name)
        yield Lens(item.name_span, "of all uses", "all uses", item.name)
    else:
        yield Lens(item.name_span, f"shapes of {looked.name}", "next use", item.name)


def _figures(graph: Graph, dims: Mapping[str, int]) -> str:
    total = count_costs(graph).main.total
    # The editor's sizes are for all networks of a folder: each takes those that it has.
    own = {name: size for name, size in dims.items() if name in symbolic_sizes(graph)}
    try:
        check_dims(graph, own)
    except DiagnosticError:
        own = {}
    sizes = "".join(f", {name} = {size}" for name, size in own.items())
    macs = f"{at(total.macs, own):,} MACs"
    return f"{total.params:,} parameters · {macs}" + (f" at{sizes[1:]}" if sizes else "")
