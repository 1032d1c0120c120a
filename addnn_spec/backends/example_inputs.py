"""Inputs that a network can be traced on: types and sizes, and which dimensions stay open."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from addnn_spec.diagnostics import Refusal, near
from addnn_spec.graph import Graph
from addnn_spec.ops.base import DType
from addnn_spec.passes.dims import check_dims, symbolic_sizes
from addnn_spec.passes.memory import at
from addnn_spec.sizes import symbols


class SampleInput(NamedTuple):
    """An input to export with. `open` names the dimensions that stay open, by place; None if one
    depends on an open size."""

    dtype: DType
    shape: tuple[int, ...]
    open: Mapping[int, str | None]


def example_inputs(
    graph: Graph, dims: Mapping[str, int], dynamic: Sequence[str]
) -> tuple[SampleInput, ...]:
    """Return the inputs that evaluation takes, at the default sizes or at `dims`. Those of
    `dynamic` stay open, and are 2 where they would be 1, since torch takes a size of 1 for a
    constant.

    Raises `DiagnosticError` for a name that is no symbolic size, and where the network cannot have
    these sizes.
    """
    known = symbolic_sizes(graph)
    for name in dynamic:
        if name not in known:
            close = near(name, known)
            help = f"did you mean {close[0]}?" if close else f"it has {', '.join(known) or 'none'}"
            raise Refusal("E0218", f"{graph.name} has no symbolic size {name}", help=help)
    given = {name: dims.get(name, known[name].default) for name in known}
    # torch.export specialises on 0 and 1: a dimension that is to stay open must be traced at
    # another size.
    values = {name: 2 if name in dynamic and n == 1 else n for name, n in given.items()}
    check_dims(graph, values)
    found = []
    for id in graph.inputs:
        node = graph.node(id)
        if not node.training:
            (type,) = node.outputs
            open: dict[int, str | None] = {}
            for place, size in enumerate(type.shape):
                names = [symbol.name for symbol in symbols(size)]
                if not set(names).isdisjoint(dynamic):
                    open[place] = names[0] if str(size) == names[0] else None
            shape = tuple(at(size, values) for size in type.shape)
            found.append(SampleInput(type.dtype, shape, open))
    return tuple(found)
