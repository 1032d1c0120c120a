"""What a size is made of, by `composed`: it must be the size that `infer` gives."""

from __future__ import annotations

from math import prod

import pytest

from addnn_spec.ops.applied import Applied
from addnn_spec.ops.base import Composed, Operator, TensorType
from addnn_spec.ops.merge import Chunk, Concat, Stack
from addnn_spec.ops.reshape import Flatten, Unflatten

_MAP = TensorType("float", (2, 3, 4, 5))


@pytest.mark.parametrize(
    ("op", "inputs", "found"),
    [
        (Concat(dim=-1), 2, {3: Composed("+", ((0, 3), (1, 3)))}),
        (Stack(dim=1), 3, {1: Composed("+", (3,))}),
        (Chunk(chunks=2, dim=2), 1, {2: Composed("//", ((0, 2), 2))}),
        (Flatten(), 1, {1: Composed("*", ((0, 1), (0, 2), (0, 3)))}),
        (Flatten(start_dim=-3, end_dim=2), 1, {1: Composed("*", ((0, 1), (0, 2)))}),
        (
            Unflatten(dim=2, unflattened_size=(2, -1)),
            1,
            {2: Composed("+", (("unflattened_size", 0),))},
        ),
    ],
)
def test_a_size_is_made_of(op: Operator, inputs: int, found: dict[int, Composed]) -> None:
    applied = Applied(op, (_MAP,) * inputs)
    output = applied.infer()[0]
    made = {dim: applied.composed(dim) for dim in range(output.rank)}
    assert {dim: one for dim, one in made.items() if one is not None} == found
    for dim, one in found.items():
        assert _computed(op, one) == output.shape[dim]


def _computed(op: Operator, made: Composed) -> object:
    sizes = []
    for part in made.parts:
        match part:
            case (int(_), dim):
                sizes.append(_MAP.shape[dim])
            case (name, item):
                sizes.append(getattr(op, str(name))[item])
            case number:
                sizes.append(number)
    if made.op == "//":
        return sizes[0] // sizes[1]
    return prod(sizes) if made.op == "*" else sum(sizes)
