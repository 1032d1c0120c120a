"""Where each node of a network has its steps and channels, told by the layers that make or read it.

Attention, recurrent layers, embeddings, Linear and LayerNorm of [N, T, C] know it; what keeps the
steps' size in their place passes it on; what a layer that knows it reads has it, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from addnn_spec.runtime.sequence_steps import Layout

if TYPE_CHECKING:
    from addnn_spec.probes.nodes import ProbeNode

STEPWISE = Layout(0, 1)
_LAST = ("Linear", "LayerNorm", "RMSNorm", "Conv1D")
_SEQUENCES = ("recurrent", "attention", "transformer")
_FIRST = (
    *("Conv1d", "ConvTranspose1d", "BatchNorm1d", "InstanceNorm1d", "MaxPool1d", "AvgPool1d"),
    *("AdaptiveAvgPool1d", "AdaptiveMaxPool1d", "LazyConv1d", "LazyBatchNorm1d"),
)
_MOVING = ("Permute", "Movedim")
_JOINING = ("Concat", "Cat", "Concatenate")

Sizes = tuple[int, ...]


def made(
    operator: str,
    family: str,
    shape: Sizes,
    feeds: Sequence[tuple[Layout | None, Sizes]],
    swapped: tuple[int, int] | None = None,
) -> Layout | None:
    """Return the layout of a value with sizes `shape` of one sample, from what made it of `feeds`,
    each a layout and sizes. `swapped` are the dimensions of a sample that a Transpose swaps."""
    rank = len(shape)
    if rank == 2:
        if operator in _LAST or (family in _SEQUENCES):
            return STEPWISE
        if operator in _FIRST:
            return Layout(1, 0)
    if family == "attention" and rank > 2:
        return Layout(rank - 2, None)
    if operator == "Embedding":
        return Layout(rank - 2, rank - 1) if rank > 1 else None
    if operator in _MOVING:
        return None
    for layout, before in feeds:
        if layout is not None:
            found = _passed(layout, before, shape, swapped, joins=operator in _JOINING)
            if found is not None:
                return found
    return None


def _passed(
    layout: Layout, before: Sizes, shape: Sizes, swapped: tuple[int, int] | None, *, joins: bool
) -> Layout | None:
    steps, channels = layout.steps, layout.channels
    if swapped is not None:
        to = dict((swapped, swapped[::-1]))
        return Layout(
            to.get(steps, steps), None if channels is None else to.get(channels, channels)
        )
    if len(before) == len(shape):
        same = steps < len(shape) and (joins or before[steps] == shape[steps])
        return layout if same else None
    # With other dimensions the steps are where they were only if nothing up to them has changed.
    if before[: steps + 1] != shape[: steps + 1]:
        return None
    whole = len(shape) == 2 and steps == 0  # heads put together again
    return Layout(steps, 1 if whole else None)


def with_readers(nodes: Sequence[ProbeNode]) -> list[ProbeNode]:
    """Return the nodes, those without a layout with that of a node that reads them."""
    found = {node.label: node for node in nodes}
    # Readers come first, so that what one tells is handed on to what feeds that in turn.
    for node in reversed(nodes):
        for label in node.feeds:
            source = found.get(label)
            if source is None or source.layout is not None:
                continue
            layout = _read(source, found[node.label])
            if layout is not None:
                found[label] = replace(source, layout=layout)
    return [found[node.label] for node in nodes]


def _read(source: ProbeNode, reader: ProbeNode) -> Layout | None:
    rank = len(source.shape)
    if reader.operator == "Embedding":
        return Layout(rank - 1) if rank else None
    if rank == 2:
        if reader.operator in _LAST or reader.family in _SEQUENCES:
            return STEPWISE
        if reader.operator in _FIRST:
            return Layout(1, 0)
    return reader.layout if source.shape == reader.shape else None
