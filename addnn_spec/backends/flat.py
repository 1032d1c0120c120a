"""A network as one plain networkx graph, with every figure as an attribute."""

from __future__ import annotations

from typing import Any

from addnn_spec.graph import Graph
from addnn_spec.passes.receptive import receptive_fields
from addnn_spec.passes.summary import flat_cost
from addnn_spec.passes.unfold import FlatNode, flatten


def flat_graph(graph: Graph) -> Any:
    """A `networkx.MultiDiGraph` of all nodes of a network, its vertices named by path.

    Beside what `flatten` gives, vertices carry `params`, `buffers`, `macs`, `flops` (a mapping by
    class) and `total_flops`, `activation_size` (elements of all outputs), and `receptive_field`, a
    `Field` or None. Sizes and costs are ints, or polynomials in the symbolic sizes.

    Raises `DiagnosticError` where the network has too many nodes to list.
    """
    fields = receptive_fields(graph)

    def figures(item: FlatNode) -> dict[str, Any]:
        cost = flat_cost(item)
        return {
            "params": cost.params,
            "buffers": cost.buffers,
            "macs": cost.macs,
            "flops": dict(cost.flops),
            "total_flops": cost.total_flops,
            "activation_size": sum(output.numel for output in item.node.outputs),
            "receptive_field": fields.get(item.path),
        }

    return flatten(graph, figures)
