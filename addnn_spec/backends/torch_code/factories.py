"""Layers that a block is given, as what makes them: `act: Callable[[], nn.Module]`.

An activation or a pool that a block has as a parameter is made where the block says, by what the
use gives. Layers that are made for a size (a norm's channels) are no factories: they are arms.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import ValidationError

from addnn_spec.backends.torch_code.tree import Factory, Leaf, Made, Tree
from addnn_spec.graph import Graph, Node
from addnn_spec.ops.applied import Applied
from addnn_spec.ops.base import HigherOperator, Operator
from addnn_spec.source import Span
from addnn_spec.values import LayerValue


def factory_of(op: Operator, call: Tree = None) -> Factory | None:
    """Return what makes an operator's module; None if it is made for a size, or has no module."""
    if op.inferred_names or isinstance(op, HigherOperator) or op.own_type:
        return None
    made = op.constructor()
    return None if made is None or op.initialize() else Factory(repr(op), call or made)


def as_argument(value: Any) -> Any:
    """Return an argument of a block as a class can be given it: a layer as what makes it."""
    if not isinstance(value, LayerValue):
        return value
    target = value.target
    if not isinstance(target, type) or not issubclass(target, Operator):
        return value
    try:
        return factory_of(target(**dict(value.given))) or value
    except (ValidationError, TypeError):  # it takes a tensor, too
        return value


def varied(graphs: Sequence[Graph]) -> frozenset[str]:
    """Return the parameters of a block that are not the same layer in all its uses."""
    given = [{n: as_argument(v) for n, v in graph.arguments} for graph in graphs]
    return frozenset(
        name
        for name, first in given[0].items()
        if all(isinstance(use.get(name), Factory | None) for use in given)
        and any(use.get(name) != first for use in given)
    )


def made(node: Node, applied: Applied, call: Tree, place: Any) -> Tree | None:
    """Return a layer that the text applies by a name, as what makes it; None if it is none such."""
    if not _is_named(node.span) or node.module is not None:
        return None
    found = factory_of(applied.op, call)
    return None if found is None else Made(Leaf(found, node.name, (place,)))


def named(node: Node, names: frozenset[str]) -> bool:
    """Return True if the text applies one of these parameters there."""
    return _text(node.span) in names


def _is_named(span: Span) -> bool:
    return _text(span).isidentifier()


def _text(span: Span) -> str:
    return span.source.text[span.start : span.end]
