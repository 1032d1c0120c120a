"""Operators in loops: every turn is there, is tapped, and computes what it does written out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import pytest
import torch

from addnn_spec.backends.source import torch_source
from addnn_spec.ops import find, index
from addnn_spec.ops.base import Example, TensorType
from addnn_spec.passes.unfold import flatten
from addnn_spec.passes.weights import weights_of
from addnn_spec.values import show
from tests.ops.harness import outputs_of
from tests.property.checks import elaborated, live
from tests.property.emitted import expected_taps, random_inputs, randomise, record

FORMS = {
    "repeat 5 { @ }": "@ -> @ -> @ -> @ -> @",
    "for _ in 0..4 { @ }": "@ -> @ -> @ -> @",
    "a: repeat 4 { @ }": 'a: { "0": @ -> "1": @ -> "2": @ -> "3": @ }',
    "b: { repeat 4 { @ } }": "b: { @ -> @ -> @ -> @ }",
    "repeat 2 { repeat 2 { @ } } -> @": "@ -> @ -> @ -> @ -> @",
    "Flip(-1) -> repeat 5 { @ } -> Flip(-1)": "Flip(-1) -> @ -> @ -> @ -> @ -> @ -> Flip(-1)",
    "c: Flip(-1) -> for _ in 0..4 { @ } -> @": "c: Flip(-1) -> @ -> @ -> @ -> @ -> @",
    "repeat 4 { h = x -> @ return h }": "@ -> @ -> @ -> @",
    "d: repeat 4 { h = x -> @ return h }": (
        'd: { "0": { h = x -> @ return h } -> "1": { h = x -> @ return h } '
        '-> "2": { h = x -> @ return h } -> "3": { h = x -> @ return h } }'
    ),
}
"""Loops over an element `@`, and the same written out."""


class Case(NamedTuple):
    """An operator as it is written, and the type of tensor that it takes and gives."""

    name: str
    layer: str
    type: TensorType


def cases() -> Iterator[Case]:
    """Every example of every operator that takes one tensor, and gives one of the same type."""
    for name in index():
        kind = find(name)
        assert kind is not None
        for number, example in enumerate(() if kind.layers else kind.examples()):
            if _keeps_its_type(example):
                arguments = [f"{key} = {show(v)}" for key, v in example.operator.given().items()]
                layer = f"{name}({', '.join(arguments)})"
                (type,) = (given for given in example.inputs if given is not None)
                yield Case(f"{name}-{number}", layer, type)


def _keeps_its_type(example: Example) -> bool:
    given = tuple(found for found in example.inputs if found is not None)
    kind = type(example.operator)
    if kind.variadic or kind.lists_outputs:
        return False
    return len(given) == 1 and outputs_of(example.operator, example.inputs) == given


def check(case: Case) -> None:
    """Keys, taps and values of the loops are those of the text that is written out."""
    loops, written = (network(case, list(forms)) for forms in (FORMS, FORMS.values()))
    for probes in (False, True):
        ours, theirs = (live(torch_source(*elaborated(text), probes=probes).text)
                        for text in (loops, written))  # fmt: skip
        _, graph = elaborated(written)
        randomise(theirs)
        ours.load_state_dict(theirs.state_dict())
        assert set(ours.state_dict()) == set(weights_of(graph))
        inputs = random_inputs(graph, {})
        runs = []
        for module in (ours, theirs):
            torch.manual_seed(0)
            runs.append(record(module, inputs) if probes else ({}, module(**inputs)))
        (taps, outputs), (wanted, expected) = runs
        for one, other in zip(outputs, expected, strict=True):
            assert torch.equal(one.nan_to_num(), other.nan_to_num())
        if probes:
            assert set(taps) == {item.tap for item in expected_taps(graph)} == set(wanted)
            assert {path for path, _ in taps} >= set(flatten(graph))


def network(case: Case, forms: list[str]) -> str:
    sizes = ", ".join(map(str, case.type.shape))
    lines = [f"input x: {case.type.dtype}[{sizes}]"]
    lines += [f"output y{i} = x -> {form.replace('@', case.layer)}" for i, form in enumerate(forms)]
    return "network Net {\n  " + "\n  ".join(lines) + "\n}\n"


CASES = list(cases())
DROPPED = [case for case in CASES if case.name.startswith(("Identity", "Cast", "Dropout-"))]


@pytest.mark.parametrize("case", CASES[::12] + DROPPED, ids=lambda case: case.name)
def test_operators_in_loops(case: Case) -> None:
    check(case)


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_all_operators_in_loops(case: Case) -> None:
    check(case)
