"""Braces as blocks: a brace that is a class has what it reads of the text around it as parameters.

Who uses the class says there what the text says in the brace: `width`, by that name.
"""

from __future__ import annotations

from addnn_spec.graph import Graph
from addnn_spec.syntax import ast
from addnn_spec.values import Definition


def definition_of(graph: Graph) -> Definition | None:
    """Return the block or network that a graph is; for a brace, the block that it would be."""
    brace = graph.brace
    if brace is None:
        return graph.definition
    params = tuple(ast.Param(name, None, place) for name, place in brace.written)
    node, span = brace.node, brace.node.span
    if not isinstance(node, ast.Body):
        node = ast.Body("chain", (ast.Element(None, node, span, False),), span)
    return Definition(ast.Block("", params, None, node, span, span), brace.env)
