"""The `state_dict` of a network: every learned and fixed tensor with its key and shape."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from addnn_spec.graph import Buffer, Graph, ModuleDecl, Node, Parameter, scope_of
from addnn_spec.ops.applied import Applied
from addnn_spec.ops.base import DType
from addnn_spec.sizes import Size


class StateEntry(NamedTuple):
    """A tensor of the `state_dict`."""

    shape: tuple[Size, ...]
    dtype: DType
    learned: bool


def weights_of(graph: Graph) -> dict[str, StateEntry]:
    """Return every learned and fixed tensor of a graph by its `state_dict` key.

    A shared module's tensors stand once, where the module is declared. The order is the graph's,
    not torch's registration order.
    """
    return dict(_entries(graph, ""))


def _entries(graph: Graph, prefix: str) -> Iterator[tuple[str, StateEntry]]:
    for node in graph.nodes():
        for key, entry in node_weights(node):
            for name in node.names():
                yield f"{scope_of(prefix, name)}{key}" if key else f"{prefix}{name}", entry
        if node.module is None:
            yield from _inner(node, prefix)
    for module in graph.modules:
        yield from _module(module, prefix)


def _inner(node: Node, prefix: str) -> Iterator[tuple[str, StateEntry]]:
    for name in node.names():
        for place, graph in node.called:
            yield from _entries(graph, f"{scope_of(prefix, name)}{place}")


def _module(module: ModuleDecl, prefix: str) -> Iterator[tuple[str, StateEntry]]:
    for key, entry in operator_weights(module.applied):
        yield f"{prefix}{module.name}.{key}", entry
    for place, graph in module.called:
        yield from _entries(graph, f"{prefix}{module.name}.{place}")


def operator_weights(applied: Applied | None) -> Iterator[tuple[str, StateEntry]]:
    """Yield an operator's tensors by their names in its own `state_dict`; none where there is
    none."""
    for name, (shape, dtype), learned in () if applied is None else applied.tensors():
        yield name, StateEntry(shape, dtype, learned)


def node_weights(node: Node) -> Iterator[tuple[str, StateEntry]]:
    """Return the tensors that one node owns, by their names in it: "" is the node itself; without
    those of what it calls."""
    return iter(()) if node.module is not None else node_tensors(node)


def node_tensors(node: Node) -> Iterator[tuple[str, StateEntry]]:
    """Yield the tensors that one node reads, its own or its module's, as `node_weights` has
    them."""
    if isinstance(node.op, Parameter | Buffer):
        type = node.outputs[0]
        yield "", StateEntry(type.shape, type.dtype, isinstance(node.op, Parameter))
    yield from operator_weights(node.applied)


_FURTHER = {
    "": "bias inplace mode output_padding reset_parameters transposed weight",
    "AdaptiveLog": "head_size log_prob n_clusters predict shortlist_size",
    "BatchNorm": "num_batches_tracked reset_running_stats running_mean running_var",
    "Conv2dSame": "padding padding_mode",
    "Embedding": "from_pretrained include_last_offset",
    "InstanceNorm": "num_batches_tracked reset_running_stats running_mean running_var",
    "MixedPool": "avg_pool max_pool",
    "MultiheadAttention": "batch_first bias_k bias_v head_dim in_proj_bias in_proj_weight "
    "k_proj_weight merge_masks q_proj_weight v_proj_weight",
    "SyncBatchNorm": "convert_sync_batchnorm process_group reset_running_stats",
    "Transformer": "activation_relu_or_gelu dropout1 dropout2 dropout3",
} | dict.fromkeys(
    ("ArcFace", "ASoftmax", "CosFace"),
    "moved scaled",
) | dict.fromkeys(
    ("GRU", "LSTM", "RNN"),
    "all_weights batch_first bias_hh bias_ih check_forward_args check_hidden_size check_input "
    "flatten_parameters get_expected_cell_size get_expected_hidden_size permute_hidden proj_size",
)  # fmt: skip
"""By how its name begins, what an operator's module has besides its arguments and tensors."""


def attributes_of(applied: Applied) -> frozenset[str]:
    """Return the attributes of an operator's module besides those of every module."""
    kind = type(applied.op)
    tensors = (name.partition(".")[0] for name, _, _ in applied.tensors())
    further = (words for start, words in _FURTHER.items() if kind.__name__.startswith(start))
    others = " ".join(further).split()
    return frozenset({*kind.model_fields, *applied.inferred(), *tensors, *others})
