"""`IndexReduce` and `Where` against loops: what they select, and what they leave."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from addnn_spec.diagnostics import Refusal
from addnn_spec.ops.applied import Applied
from addnn_spec.ops.arithmetic import Where
from addnn_spec.ops.base import Operator, TensorType
from addnn_spec.ops.indexing import IndexReduce
from addnn_spec.sizes import Symbol, SymbolicSize
from tests.ops.harness import run

X, INDEX = TensorType("float", (4, 5, 2)), TensorType("int", (5,))
REDUCTIONS: dict[str, Callable[[list[float]], float]] = {
    "sum": sum,
    "prod": math.prod,
    "mean": lambda values: sum(values) / len(values),
    "amax": max,
    "amin": min,
}


def code_of(operator: Operator, *inputs: TensorType) -> str:
    with pytest.raises(Refusal) as caught:
        operator.infer(*inputs)
    return caught.value.code


@pytest.mark.parametrize("reduce", REDUCTIONS)
def test_slices_of_one_place_are_reduced(reduce: str) -> None:
    torch.manual_seed(0)
    x, index = torch.randn(4, 5, 2, dtype=torch.float64) - 3, torch.tensor([1, 3, 1, 1, 0])
    operator = IndexReduce.model_validate({"size": 4, "reduce": reduce, "dim": -2})
    (found,) = run(operator, (X, INDEX), (x, index), None)
    expected = torch.zeros(4, 4, 2, dtype=torch.float64)
    for a in range(4):
        for place in (0, 1, 3):  # nothing goes to 2
            for b in range(2):
                chosen = [x[a, i, b].item() for i in range(5) if index[i] == place]
                expected[a, place, b] = REDUCTIONS[reduce](chosen)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=0)


def test_an_index_has_a_place_for_each_slice() -> None:
    length = SymbolicSize.of(Symbol("E", 5))
    edges, ends = TensorType("float", (length, 3)), TensorType("int", (length,))
    assert IndexReduce(size=7).infer(edges, ends).shape == (7, 3)
    assert code_of(IndexReduce(size=7), X, INDEX) == "E0303"
    assert code_of(IndexReduce(size=7, dim=3), X, INDEX) == "E0306"
    assert code_of(IndexReduce(size=0, dim=1), X, INDEX) == "E0304"
    assert code_of(IndexReduce(size=7, dim=1), X, TensorType("float", (5,))) == "E0307"
    assert code_of(IndexReduce(size=7, dim=1, reduce="mean"), X, X) == "E0307"


@pytest.mark.parametrize(
    ("given", "value", "expected"),
    [
        ({}, [[5.0, 6.0], [7.0, 8.0]], [5.0, 8.0]),
        ({"right": 0.5}, [[5.0, 6.0]], [5.0, 0.5]),
        ({"left": 2}, [[5.0, 6.0]], [2.0, 6.0]),
        ({"left": 1, "right": -1}, [], [1, -1]),
    ],
)
def test_a_value_where_true_another_where_not(given: Any, value: Any, expected: Any) -> None:
    mask, values = torch.tensor([True, False]), [torch.tensor(row) for row in value]
    tensors: list[Tensor | None] = [mask, *values, *[None] * (2 - len(values))]
    types = [
        x if x is None else TensorType("bool" if x is mask else "float", (2,)) for x in tensors
    ]
    operator = Where.model_validate(given)
    (found,) = run(operator, types, tensors, None)
    assert found.tolist() == expected
    (output,) = Applied(operator, tuple(types)).infer()
    assert output.dtype == ("float" if value else "int")


def test_where_takes_two_values() -> None:
    mask, x = TensorType("bool", (2,)), TensorType("float", (2,))
    assert code_of(Where(), mask) == "E0202"
    assert code_of(Where(left=1), mask, x, x) == "E0201"
    assert code_of(Where(left=1), x, x) == "E0307"
