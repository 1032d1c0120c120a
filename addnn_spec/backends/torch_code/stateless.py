"""Blocks that are functions of the file: without weights, without state, and never a module."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Sequence

from addnn_spec.backends.torch_code.factories import GivenLayers
from addnn_spec.backends.torch_code.modules import functional_form
from addnn_spec.graph import Graph, Node, Placeholder
from addnn_spec.ops.base import HigherOperator


def stateless(graphs: Sequence[Graph], layers: GivenLayers) -> set[int]:
    """Return the graphs that can be functions, by `id`; graphs come callers before called.

    All uses of a block are one or the other. A block with a label is a module, as an operator is.
    """
    members: defaultdict[Hashable, list[Graph]] = defaultdict(list)
    modules = {id(graph) for graph in layers.modules}
    for graph in graphs:
        members[_definition(graph)].append(graph)
        for node in graph.nodes():
            plain = graph.kind in ("block", "network") and _is_plain(graph, node, layers)
            modules |= {id(g) for _, g in node.called if not (plain and g is node.calls)}
        modules |= {id(called) for module in graph.modules for _, called in module.called}
    found: set[int] = set()
    # Called graphs first: a block is a function only if those that it calls are.
    for graph in reversed(graphs):
        if id(graph) not in modules and _has_no_state(graph, found):
            found.add(id(graph))
    while True:
        # All uses of a block are one or the other. Taking some out may take out what calls them,
        # and then other uses of that: until nothing changes.
        mixed = {
            id(graph)
            for group in members.values()
            if not all(id(graph) in found for graph in group)
            for graph in group
        }
        mixed |= {id(g) for g in graphs if not _has_no_state(g, found - mixed)}
        if mixed.isdisjoint(found):
            return found
        found -= mixed


def _definition(graph: Graph) -> Hashable:
    return id(graph) if graph.definition is None else id(graph.definition.node)


def _is_plain(graph: Graph, node: Node, layers: GivenLayers) -> bool:
    """Return True for a use by the block's name alone."""
    labelled = node.named or node.module is not None or node.times > 1
    return not labelled and not layers.is_given(graph, node)


def _has_no_state(graph: Graph, functions: set[int]) -> bool:
    if graph.kind != "block" or graph.modules or graph.module_ports:
        return False
    return all(_is_function(node, functions) for node in graph.nodes())


def _is_function(node: Node, functions: set[int]) -> bool:
    if isinstance(node.op, Placeholder):
        return True
    if node.calls is not None:
        return id(node.calls) in functions
    applied = node.applied
    if applied is None or node.module is not None or isinstance(applied.op, HigherOperator):
        return False
    return functional_form(node, applied) is not None
