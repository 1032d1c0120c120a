"""Arguments in torch's order, which begins with what is inferred here: `Conv2d(3, 64, 3)`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import takewhile

from msgspec import Struct
from pydantic import ValidationError

from addnn_spec.diagnostics import Refusal
from addnn_spec.elaborate.frame import Value
from addnn_spec.ops.applied import Applied
from addnn_spec.ops.base import Operator, TensorType
from addnn_spec.sizes import SizeError
from addnn_spec.source import Span
from addnn_spec.values import LayerValue, show

_SHORT = 40
"""Characters of an argument that a message repeats as they are written."""


class TorchOrder(Struct, frozen=True):
    """What arguments mean if the first of them states the size that is inferred, as in torch."""

    op: Operator
    inferred: str
    """The argument that the first one states."""
    call: str
    """How that is written here."""

    @property
    def help(self) -> str:
        return f"{self.inferred} is inferred: write {self.call}"


def by_position(layer: LayerValue, target: type[Operator]) -> list[str]:
    """Return the first of an operator's attributes, as far as they are given by position."""
    spans = dict(layer.spans)
    return list(
        takewhile(
            lambda name: name in spans and not re.match(rf"{name}\s*=(?!=)", spans[name].text),
            target.positional_fields(),
        )
    )


def torch_order(
    layer: LayerValue,
    target: type[Operator],
    fields: Mapping[str, Value],
    types: tuple[TensorType | None, ...],
) -> TorchOrder | None:
    """Return the arguments as torch orders them; None where they are not possible so.

    `fields` are the operator's attributes among them.
    """
    placed = by_position(layer, target)
    if not (types and placed and target.inferred_names and fields.keys() >= {*placed}):
        return None
    if any(name in target.inferred_names for name, _ in layer.given):
        return None
    inferred, first = target.inferred_names[0], fields[placed[0]]
    if isinstance(first, tuple) and len(first) == 1:  # LayerNorm([8])
        (first,) = first
    moved = {name: value for name, value in fields.items() if name not in placed}
    moved |= zip(placed, (fields[name] for name in placed[1:]), strict=False)
    values, spans = dict(layer.given), dict(layer.spans)
    args = [_written(spans[name], values[name]) for name in spans if name != placed[0]]
    op = _stating(inferred, first, target, moved, types)
    if op is None and inferred in target.model_fields:
        op = _stating(inferred, first, target, {**moved, inferred: first}, types)
        args.append(f"{inferred} = {show(first)}")
    if op is None:
        return None
    return TorchOrder(op, inferred, f"{layer.name}({', '.join(args)})" if args else layer.name)


def _stating(
    inferred: str,
    size: Value,
    target: type[Operator],
    fields: Mapping[str, Value],
    types: tuple[TensorType | None, ...],
) -> Operator | None:
    """Return the operator of these attributes, if it takes these inputs and infers that size of
    them."""
    try:
        op = target(**fields)
        applied = Applied(op, types)
        applied.infer()
        stated = not isinstance(size, bool) and applied.inferred()[inferred] == size
    except (ValidationError, Refusal, SizeError):
        return None
    return op if stated else None


def _written(span: Span, value: Value) -> str:
    text = " ".join(span.text.split())
    return text if len(text) <= _SHORT else show(value)
