"""A network as one plain networkx graph, with every figure as an attribute."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, get_args

from addnn_spec.graph import Graph
from addnn_spec.ops.base import FlopClass
from addnn_spec.passes.dims import check_dims, trainable
from addnn_spec.passes.memory import at
from addnn_spec.passes.receptive import Field, receptive_fields
from addnn_spec.passes.summary import flat_cost
from addnn_spec.passes.unfold import FlatNode, flatten
from addnn_spec.sizes import Size


def flat_graph(graph: Graph) -> Any:
    """Return a `networkx.MultiDiGraph` of all nodes of a network, its vertices named by path.

    Beside what `flatten` gives, vertices carry `params`, `buffers`, `macs`, `flops` (a mapping by
    class) and `total_flops`, `activation_size` (elements of all outputs), and `receptive_field`, a
    `Field` or None. Sizes and costs are ints, or polynomials in the symbolic sizes. Inside of what
    runs once a step (`Scan`) shapes are one step's, figures those of all.

    Raises `DiagnosticError` where the network has too many nodes to list.
    """
    fields = receptive_fields(graph)

    def figures(item: FlatNode) -> dict[str, object]:
        cost = flat_cost(item)
        return {
            "params": cost.params,
            "buffers": cost.buffers,
            "macs": cost.macs,
            "flops": dict(cost.flops),
            "total_flops": cost.total_flops,
            "activation_size": item.steps * sum(output.numel for output in item.node.outputs),
            "receptive_field": fields.get(item.path),
        }

    return flatten(graph, figures)


def flat_numbers(graph: Graph, dims: Mapping[str, int]) -> Any:
    """Return the graph of `flat_graph` at the default sizes, or at `dims`, in words and numbers.

    All attributes are of the kinds that GraphML and JSON know: the classes of FLOPs are ints of
    their own (`flops_norm`); lists, as shapes and receptive fields, are JSON text. As in a
    summary, nodes of training are left out where it cannot run at these sizes.

    Raises `DiagnosticError` as `flat_graph`, and where the network cannot have these sizes.
    """
    check_dims(graph, dims)
    flat = flat_graph(graph)
    if not trainable(graph, dims):
        training = [path for path, only in flat.nodes(data="training") if only]
        flat.remove_nodes_from(training)
        flat.graph["outputs"] = [one for one in flat.graph["outputs"] if one[0] in flat]
    flat.graph["outputs"] = json.dumps(flat.graph["outputs"])
    for _, vertex in flat.nodes(data=True):
        _in_numbers(vertex, dims)
    for _, _, edge in flat.edges(data=True):
        edge["shape"] = _numbers(edge["shape"], dims)
    return flat


def _in_numbers(vertex: dict[str, Any], dims: Mapping[str, int]) -> None:
    # GraphML knows numbers and texts only.
    del vertex["operator"]
    shapes = vertex.pop("output_shape")
    vertex["output_shape"] = f"[{', '.join(_numbers(shape, dims) for shape in shapes)}]"
    vertex["dtype"] = ", ".join(vertex["dtype"])
    flops = vertex.pop("flops")
    for name in get_args(FlopClass):
        vertex[f"flops_{name}"] = at(flops.get(name, 0), dims)
    for name in ("macs", "total_flops", "activation_size"):
        vertex[name] = at(vertex[name], dims)
    field: Field | None = vertex.pop("receptive_field")
    if field is not None:
        vertex["receptive_field"] = json.dumps(field.size)
        vertex["receptive_stride"] = json.dumps([float(stride) for stride in field.stride])
        vertex["receptive_start"] = json.dumps(field.start)


def _numbers(shape: Iterable[Size], dims: Mapping[str, int]) -> str:
    return json.dumps([at(size, dims) for size in shape])
