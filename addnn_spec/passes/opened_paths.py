"""The nodes of a network that patterns of paths open, for tables and drawings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

from addnn_spec.diagnostics import Refusal
from addnn_spec.graph import Graph, Placeholder
from addnn_spec.patterns import heads, matches, suggestion

_LOOKED_AT = 100_000
"""So many nodes are looked at: a table or a drawing shows far fewer."""


def opened_paths(graph: Graph, patterns: Sequence[str]) -> frozenset[str]:
    """Return the paths of the nodes that the patterns name, with all nodes inside and around them.

    Raises `DiagnosticError` (E0607) for a pattern that names no node.
    """
    found: set[str] = set()
    unmatched = set(patterns)
    looked_at = list(islice(_paths(graph, ""), _LOOKED_AT)) if patterns else []
    for path in looked_at:
        fitting = {pattern for pattern in patterns if matches(path, pattern)}
        # A pattern that matches nothing is a slip of the pen, and told.
        unmatched -= fitting
        if fitting:
            found.update(heads(path))
    for pattern in patterns:
        if pattern in unmatched:
            help = suggestion(pattern, looked_at)
            raise Refusal("E0607", f"no node is like {pattern}", help=help)
    return frozenset(found)


def _paths(graph: Graph, prefix: str) -> Iterator[str]:
    """Yield the paths of all nodes, every turn of a run by itself, inner ones after what holds
    them."""
    for node in graph.nodes():
        if isinstance(node.op, Placeholder) and prefix:
            continue
        for name in node.names():
            yield f"{prefix}{name}"
            for place, called in node.called:
                yield from _paths(called, f"{prefix}{name}.{place}")
