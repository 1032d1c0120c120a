"""The receptive field of each node: how much of the input one element of its output sees.

With r the field's size, j the distance in the input between neighbouring outputs and p the place
where the field of the first output begins, a window of kernel k, stride s, dilation d and padding a
makes r + d(k − 1)j, s·j and p − a·j (Araujo, Norris and Sim, Computing Receptive Fields of
Convolutional Neural Networks, 2019). Where branches meet, the widest counts.
"""

from __future__ import annotations

from dataclasses import dataclass

from addnn_spec.graph import Graph, Placeholder
from addnn_spec.ops.base import Window
from addnn_spec.passes.unfold import FlatNode, unfold


@dataclass(frozen=True, slots=True)
class Field:
    """Receptive field per spatial dimension: size, stride and start, in elements of the input."""

    size: tuple[int, ...]
    stride: tuple[int, ...]
    start: tuple[int, ...]


def receptive_fields(graph: Graph) -> dict[str, Field]:
    """The receptive field of every node that has one, by path.

    Nodes behind something that is no sliding window (a Linear, a global pool, a resize) have none.
    Raises `TooManyNodesError` where the network has too many nodes to list.
    """
    found: dict[int, Field] = {}
    named: dict[str, Field] = {}
    fixed: set[int] = set()
    for item in unfold(graph).nodes:
        sees = [v for v in item.inputs if v is not None and v.source not in fixed]
        if not sees and not isinstance(item.node.op, Placeholder):
            fixed.add(item.index)  # a parameter, or what is made of parameters alone
            continue
        field = _field(item, [found.get(value.source) for value in sees])
        if field is not None:
            found[item.index] = field
            named[item.path] = field
    return named


def _field(item: FlatNode, fields: list[Field | None]) -> Field | None:
    """The field of a node whose inputs, as far as they depend on the network's, have `fields`."""
    node = item.node
    if isinstance(node.op, Placeholder):
        rank = node.outputs[0].rank - 2
        if rank < 1 or node.outputs[0].dtype != "float":
            return None
        return Field((1,) * rank, (1,) * rank, (0,) * rank)
    known = [field for field in fields if field is not None]
    applied = node.applied
    if applied is None or len(known) < len(fields):
        return None
    widest = _widest(known)
    window = applied.window()
    if window is not None:
        return _through(widest, window)
    first = next(type for type in node.types if type is not None)
    same_space = all(
        output.shape[2:] == first.shape[2:] and output.rank == first.rank for output in node.outputs
    )
    return widest if same_space and applied.macs() == 0 else None


def _widest(fields: list[Field]) -> Field:
    first = fields[0]
    for other in fields[1:]:
        if len(other.size) == len(first.size):
            ends = [
                max(a + b, c + d)
                for a, b, c, d in zip(first.start, first.size, other.start, other.size, strict=True)
            ]
            start = tuple(min(a, b) for a, b in zip(first.start, other.start, strict=True))
            size = tuple(end - begin for end, begin in zip(ends, start, strict=True))
            first = Field(size, first.stride, start)
    return first


def _through(field: Field, window: Window) -> Field | None:
    kernel, stride, padding, dilation = window
    if len(kernel) != len(field.size):
        return None
    return Field(
        tuple(
            r + d * (k - 1) * j
            for r, j, k, d in zip(field.size, field.stride, kernel, dilation, strict=True)
        ),
        tuple(j * s for j, s in zip(field.stride, stride, strict=True)),
        tuple(p - a * j for p, a, j in zip(field.start, padding, field.stride, strict=True)),
    )
