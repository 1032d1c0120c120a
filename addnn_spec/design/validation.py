"""Translation validation: what a new text elaborates to is what was planned, node by node."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from addnn_spec.diagnostics import Refusal
from addnn_spec.graph import Buffer, Graph, Parameter
from addnn_spec.ops.base import DType, Operator, TensorType
from addnn_spec.passes.titles import op_title
from addnn_spec.passes.unfold import FlatNode, FlatTensor, Unfolded
from addnn_spec.sizes import Facts, Size, SymbolicSize
from addnn_spec.sizes.formatting import readable

Origin = tuple[str, int]
"""A tensor: the path of the node that makes it, and which of its outputs."""


class Planned(NamedTuple):
    """A node as planned: its operator, attributes and inputs, and the shapes of its outputs."""

    operator: str
    attributes: tuple[tuple[str, str], ...]
    inputs: tuple[Origin | None, ...]
    outputs: tuple[tuple[DType, tuple[str, ...]], ...]
    owner: str
    """Where its weights live."""
    training: bool


@dataclass(frozen=True, slots=True)
class PlannedGraph:
    """All nodes by path, in order, and the network's outputs."""

    nodes: Mapping[str, Planned]
    outputs: tuple[Origin, ...]


def planned(unfolded: Unfolded, facts: Facts) -> PlannedGraph:
    """Return a network as it stands."""
    nodes = unfolded.nodes
    return PlannedGraph(
        {
            item.path: node_as_planned(
                item, nodes, item.node.op, shapes_of(item.node.outputs, facts), facts
            )
            for item in nodes
        },
        tuple(origin(nodes, value) for value in unfolded.outputs),
    )


def shapes_of(
    outputs: tuple[TensorType, ...], facts: Facts
) -> tuple[tuple[DType, tuple[str, ...]], ...]:
    """Return types with their sizes as text."""
    return tuple(
        (type.dtype, tuple(size_text(size, facts) for size in type.shape)) for type in outputs
    )


def node_as_planned(
    item: FlatNode,
    nodes: tuple[FlatNode, ...],
    op: object,
    outputs: tuple[tuple[DType, tuple[str, ...]], ...],
    facts: Facts,
) -> Planned:
    """Return a node with `op` in the place of its operator, and outputs of these shapes."""
    return Planned(
        op_title(op),  # type: ignore[arg-type]  # any of a node's kinds
        tuple(_attributes(op, facts)),
        tuple(None if value is None else origin(nodes, value) for value in item.inputs),
        outputs,
        item.owner,
        item.training,
    )


def origin(nodes: tuple[FlatNode, ...], value: FlatTensor) -> Origin:
    """Return a tensor by its node's path."""
    return nodes[value.source].path, value.port


def size_text(size: Size, facts: Facts) -> str:
    """Return a size as text, the same for sizes that the facts make equal."""
    return readable(facts.normal(size)) if isinstance(size, SymbolicSize) else str(size)


def _attributes(op: object, facts: Facts) -> Iterator[tuple[str, str]]:
    if isinstance(op, Operator):
        for name, value in op.given().items():
            if name not in op.layers:
                yield name, _value_text(value, facts)
    elif isinstance(op, Parameter):
        yield "init", str(op.init)
    elif isinstance(op, Buffer):
        yield "values", str(op.values)


def _value_text(value: object, facts: Facts) -> str:
    if isinstance(value, tuple):
        return "[" + ", ".join(_value_text(item, facts) for item in value) + "]"
    if isinstance(value, SymbolicSize):
        return size_text(value, facts)
    parts = [getattr(value, name, None) for name in ("start", "stop", "step")]
    if isinstance(value, Operator | str) or all(part is None for part in parts):
        return str(value)
    return ":".join("" if part is None else _value_text(part, facts) for part in parts)


def check(new: Graph, unfolded: Unfolded, wanted: PlannedGraph, added: str = "") -> None:
    """Raise `Refusal` (E0621) for the first thing of a new graph that was not planned.

    Nodes that stand behind the one at the path `added` are new, and looked at by nobody.
    """
    found = planned(unfolded, new.facts)
    nodes = {path: node for path, node in found.nodes.items() if path in wanted.nodes}
    for path, node in wanted.nodes.items():
        if path not in nodes:
            raise not_planned(f"{path} is missing")
        if nodes[path] != node:
            differing = next(
                name
                for name in Planned._fields
                if getattr(node, name) != getattr(nodes[path], name)
            )
            was, now = getattr(node, differing), getattr(nodes[path], differing)
            raise not_planned(f"the {differing} of {path}: {now}, not {was}")
    if not added:
        extra = next((path for path in found.nodes if path not in wanted.nodes), None)
        if extra is not None:
            raise not_planned(f"{extra} was not planned")
        if found.outputs != wanted.outputs:
            raise not_planned(f"the outputs: {found.outputs}, not {wanted.outputs}")


def not_planned(what: str) -> Refusal:
    """Return the refusal of a text that is not what was planned."""
    return Refusal("E0621", f"the text that was written is not what was planned: {what}")


__all__ = [
    "Origin",
    "Planned",
    "PlannedGraph",
    "check",
    "node_as_planned",
    "not_planned",
    "origin",
    "planned",
    "shapes_of",
]
