"""A scope's own layer (`_: LayerNorm`): its class is the base of the scope's class."""

from __future__ import annotations

from addnn_spec.backends.torch_code.class_draft import ChildDraft
from addnn_spec.backends.torch_code.tree import Spanned
from addnn_spec.graph import Graph
from addnn_spec.ops.base import Operator
from addnn_spec.ops.code import Call
from addnn_spec.passes.state_dict import attributes_of

_FURTHER = ("ConvTranspose", "EmbeddingBag", "MaxUnpool", "Transformer")
"""Layers whose `forward` takes more than the tensors that flow in, or can."""


def constructed(own: ChildDraft) -> tuple[Call, list[Call]]:
    """Find the call of the layer's class, and those of functions around it, inner ones first."""
    call, around = own.tree, list[Call]()
    while True:
        call = call.value if isinstance(call, Spanned) else call
        assert isinstance(call, Call)
        # Torch's functions around a layer (`weight_norm(…)`) are in lower case, its classes are
        # not.
        if not call.fn.rpartition(".")[2].islower():
            return call, around
        around.insert(0, call)
        call = call.args[0].value


def own_attributes(graph: Graph) -> frozenset[str]:
    """Return what a class has as attributes of its base, where that is the own layer's."""
    applied = graph.own and graph.own.applied
    return attributes_of(applied) if applied else frozenset()


def overrides(graph: Graph, tensors: int) -> bool:
    """Tell if a `forward` of so many tensors can be called as the base's: a type checker asks."""
    own = graph.own
    assert own is not None
    op = own.op
    assert isinstance(op, Operator)
    plain = op.result is None and not type(op).__name__.startswith(_FURTHER)
    one = len(own.outputs) == 1 == len(graph.outputs) and not graph.outputs[0].listed
    names = [name for name in op.input_names if name not in op.named_inputs]
    return plain and one and tensors == len(names)
