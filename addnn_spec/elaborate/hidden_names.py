"""`x` in a brace of a chain is what flows in: where that is not what `x` is around the brace."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from addnn_spec.elaborate.builder import Tensor
from addnn_spec.elaborate.frame import Value
from addnn_spec.elaborate.parts import DIMENSIONS
from addnn_spec.ops.base import TensorType
from addnn_spec.syntax import ast
from addnn_spec.syntax.walk import children, targets_of


class Reading(Struct, frozen=True):
    """A place that reads `x`, and the parts that it takes: "shape", 1 for `x.shape[1]`."""

    place: ast.Name | ast.Layer | ast.Attribute | ast.Subscript
    parts: tuple[str | int, ...] = ()


def readings(body: ast.Body) -> tuple[Reading, ...]:
    """Where the elements of a brace read its `x`; not in further braces, which have their own."""
    found = (reading for item in body.items for reading in _readings(item))
    return tuple(sorted(found, key=lambda reading: reading.place.span.start))


def _readings(node: object) -> Iterator[Reading]:
    waiting: list[object] = [node]
    while waiting:
        found = waiting.pop()
        reading = _reading(found)
        if reading is not None:
            yield reading
        elif not (isinstance(found, ast.Body) or _gives_x(found)):
            waiting.extend(children(found))


def _gives_x(node: object) -> bool:
    """Return True if it is a comprehension with an `x` of its own."""
    return isinstance(node, ast.Comprehension) and any(
        target.name == "x" for clause in node.clauses for target in targets_of(clause.targets)
    )


def _reading(node: object) -> Reading | None:
    """Return what a node reads of `x`: all of it, or a known part; None for another node."""
    if isinstance(node, ast.Name | ast.Layer):
        plain = isinstance(node, ast.Name) or (node.args is None and node.body is None)
        return Reading(node) if node.name == "x" and plain else None
    if isinstance(node, ast.Attribute):
        part: str | int | None = node.name
    elif isinstance(node, ast.Subscript):
        part = _place(node)
    else:
        return None
    inner = None if part is None else _reading(node.value)
    return None if inner is None or part is None else Reading(node, (*inner.parts, part))


def _place(node: ast.Subscript) -> int | None:
    """Return the item that a subscript takes, if it is written as a number."""
    if len(node.items) != 1:
        return None
    item, sign = node.items[0], 1
    if isinstance(item, ast.Unary) and item.op == "-":
        item, sign = item.value, -1
    if isinstance(item, ast.Number) and isinstance(item.value, int):
        return sign * item.value
    return None


def part_of(value: Value, parts: tuple[str | int, ...]) -> Value:
    """Return the part of a value that attributes and places lead to; None if there is none."""
    for part in parts:
        if isinstance(value, Tensor) and isinstance(part, str):
            value = _attribute(value.type, part)
        elif isinstance(value, tuple) and isinstance(part, int):
            value = value[part] if -len(value) <= part < len(value) else None
        else:
            return value  # an item of a tensor: another one, if the tensor is another one
    return value


def _attribute(type: TensorType, name: str) -> Value:
    if name == "shape":
        return type.shape
    if name == "rank":
        return type.rank
    dim = DIMENSIONS.get(name)
    if dim is None or not -type.rank <= dim < type.rank:
        return None
    return type.shape[dim]


def same(one: Value, other: Value) -> bool:
    """Return True if two values are one tensor, the same tensors, or equal sizes."""
    if isinstance(one, tuple) and isinstance(other, tuple) and len(one) == len(other):
        return all(same(a, b) for a, b in zip(one, other, strict=True))
    if isinstance(one, Tensor) and isinstance(other, Tensor):
        return _origin(one).identity() == _origin(other).identity()
    return bool(one == other)


def _origin(tensor: Tensor) -> Tensor:
    """Return the tensor around a brace that its placeholder stands for."""
    while (around := tensor.builder.around.get(tensor.ref)) is not None:
        tensor = around
    return tensor
