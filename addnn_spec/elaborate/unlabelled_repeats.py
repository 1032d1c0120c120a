"""Repeats without a label: what they make is named by counting, and is no loop in the code."""

from __future__ import annotations

from addnn_spec.elaborate.builder import Builder, Entry
from addnn_spec.elaborate.context import Context
from addnn_spec.elaborate.module_names import auto_base
from addnn_spec.graph import Graph
from addnn_spec.ops.applied import Applied
from addnn_spec.ops.base import Operator
from addnn_spec.passes.state_dict import node_weights
from addnn_spec.source import Span


def warn_unlabelled(builder: Builder, first: int, ctx: Context, span: Span) -> None:
    """Warn (W0110) if a node from `first` on has weights, and no label of its own."""
    for entry in builder.entries[first:]:
        if not entry.labelled and entry.module is None and _has_weights(entry, ctx):
            name = auto_base(entry.base)
            ctx.report(
                "W0110",
                f"what this repeat makes is named by counting: {name}, {name}_2, …",
                span,
                help="label it: name: repeat n { … }",
            )
            return


def _has_weights(entry: Entry, ctx: Context) -> bool:
    op = entry.op
    if isinstance(op, Graph):
        return _holds_weights(op, ctx)
    if any(_holds_weights(graph, ctx) for _, graph in entry.layers):
        return True
    return isinstance(op, Operator) and any(Applied(op, entry.types).tensors())


def _holds_weights(graph: Graph, ctx: Context) -> bool:
    """Return True if a graph has a weight at any depth; each is looked at once."""
    # Graphs are shared by equal uses.
    key = "weighted", graph
    if key not in ctx.memo:
        ctx.memo[key] = bool(graph.modules) or any(
            any(node_weights(node)) or any(_holds_weights(inner, ctx) for _, inner in node.called)
            for node in graph.nodes()
        )
    return bool(ctx.memo[key])
