"""Algorithm 2's feature node: what the last run of fully connected layers reads."""

from __future__ import annotations

from collections.abc import Sequence

from addnn_spec.graph import Graph
from addnn_spec.probes.nodes import ProbeNode

_HEAD = ("activation", "normalization", "dropout")


def output_node(graph: Graph, nodes: Sequence[ProbeNode]) -> ProbeNode:
    """The node whose value the main output is: the first that evaluation has."""
    by_path = {node.path: node for node in nodes}
    for output in graph.outputs:
        for ref in output.refs if not output.training else ():
            *_, name = graph.node(ref.node).names()
            if ref.port == 0 and name in by_path:
                return by_path[name]
    return nodes[-1]


def feature_node(graph: Graph, nodes: Sequence[ProbeNode]) -> ProbeNode:
    """The input of the last run of Linear, activation, norm and dropout before the main output.

    A block counts as its last node. Where the output is no such layer's, the output itself.
    """
    by_label = {node.label: node for node in nodes}
    node = output_node(graph, nodes)
    while node.feeds and (node.kind == "block" or _is_head(node)):
        node = by_label[node.feeds[0]]
    return node


def _is_head(node: ProbeNode) -> bool:
    return len(node.feeds) == 1 and (node.operator == "Linear" or node.family in _HEAD)
