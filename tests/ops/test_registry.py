"""Every operator, in every one of its examples, held against live torch."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
import torch

from addnn_spec.backends.dot import _LOOKS
from addnn_spec.diagnostics import Refusal
from addnn_spec.ops import find, index, signs
from addnn_spec.ops.base import Example, TensorType
from addnn_spec.ops.checks import name_of
from addnn_spec.probes.layouts import _SEQUENCES
from addnn_spec.probes.nodes import _HEAD, _NORMS
from addnn_spec.sizes import Size, SymbolicSize
from addnn_spec.sizes.symbolic import Symbol
from tests.ops.harness import (
    DTYPES,
    Interpreter,
    all_examples,
    build,
    counted_macs,
    outputs_of,
    run,
    tensors_of,
    value_of,
)

EXAMPLES = [pytest.param(example, id=name) for name, example in all_examples()]
LOOP_COUNTED = {"AdaptiveLogSoftmaxWithLoss", "Bilinear", "GRU", "LSTM", "RNN"}
"""What torch's counter does not count, or not for any labels: their families' tests do."""
NOT_PROVABLE = {"E0301", "E0303", "E0305", "E0308"}
"""What an operator may say of a symbolic size that it accepts as a number."""


@pytest.mark.parametrize("example", EXAMPLES)
def test_shapes_and_dtypes(example: Example) -> None:
    operator, inputs, _ = example
    outputs = run(operator, inputs, tensors_of(example), build(operator, inputs))
    inferred = outputs_of(operator, inputs)
    assert [tuple(output.shape) for output in outputs] == [kind.shape for kind in inferred]
    assert [output.dtype for output in outputs] == [DTYPES[kind.dtype] for kind in inferred]


@pytest.mark.parametrize("example", EXAMPLES)
def test_weights_and_buffers(example: Example) -> None:
    operator, inputs, _ = example
    module = build(operator, inputs)
    weights, buffers = operator.weights(*inputs), operator.buffers(*inputs)
    if module is None:
        assert not weights
        assert not buffers
        return
    parameters = dict(module.named_parameters())
    assert {name: tuple(weight.shape) for name, weight in weights.items()} == {
        name: tuple(parameter.shape) for name, parameter in parameters.items()
    }
    assert list(weights) == list(parameters)
    state = {name: value for name, value in module.state_dict().items() if name not in parameters}
    assert {
        name: (tuple(buffer.shape), DTYPES[buffer.dtype]) for name, buffer in buffers.items()
    } == {name: (tuple(value.shape), value.dtype) for name, value in state.items()}


@pytest.mark.parametrize("example", EXAMPLES)
def test_multiply_accumulates(example: Example) -> None:
    operator, inputs, _ = example
    macs = operator.macs(*inputs)
    if name_of(operator) in LOOP_COUNTED:
        assert value_of(macs) > 0
    else:
        assert macs == counted_macs(example)


@pytest.mark.parametrize("example", EXAMPLES)
def test_both_forms_agree(example: Example) -> None:
    operator, inputs, reference = example
    tensors = tensors_of(example)
    forms = []
    module = build(operator, inputs)
    if module is not None:
        forms.append(run(operator, inputs, tensors, module))
    if operator.functional(*inputs) is not None:
        forms.append(run(operator, inputs, tensors, None))
    if reference is not None:
        resolved = Interpreter(operator)._resolve(reference)
        value = resolved(*(tensor for tensor in tensors if tensor is not None))
        forms.append(value if isinstance(value, tuple) else (value,))
    assert forms
    for other in forms[1:]:
        for left, right in zip(forms[0], other, strict=True):
            torch.testing.assert_close(left, right, rtol=1e-9, atol=1e-12, equal_nan=True)


def with_symbol(example: Example) -> Iterator[tuple[TensorType | None, ...]]:
    """The inputs with each size in turn made symbolic, wherever that number stands."""
    for size in sorted({size for x in example.inputs if x for size in x.shape}, key=value_of):
        symbol: Size = SymbolicSize.of(Symbol("S", value_of(size)))
        yield tuple(
            x and TensorType(x.dtype, tuple(symbol if s == size else s for s in x.shape))
            for x in example.inputs
        )


@pytest.mark.parametrize("example", EXAMPLES)
def test_symbolic_sizes(example: Example) -> None:
    operator, inputs, _ = example
    expected = outputs_of(operator, inputs)
    for symbolic in with_symbol(example):
        try:
            inferred = outputs_of(operator, symbolic)
        except Refusal as error:
            if error.code not in NOT_PROVABLE:
                raise
            continue
        shapes = [tuple(map(value_of, kind.shape)) for kind in inferred]
        assert shapes == [kind.shape for kind in expected]
        macs = operator.macs(*symbolic)
        assert value_of(macs) == operator.macs(*inputs)
        flops = operator.flops(*symbolic)
        expected_flops = dict(operator.flops(*inputs))
        assert {kind: value_of(count) for kind, count in flops.items()} == expected_flops


@pytest.mark.parametrize("name", index())
def test_documentation(name: str) -> None:
    kind = find(name)
    assert kind is not None
    assert kind.__doc__
    assert re.match(r"\S.*\.", kind.__doc__), "the first line says what it does"
    assert not set(kind.input_names) & set(kind.model_fields), "a name is one thing"
    if kind.layers:  # what it does depends on a graph: the backend's tests run those
        return
    assert kind.examples()
    for example in kind.examples():
        assert len(example.inputs) == len(kind.input_names) or kind.variadic
        assert all(
            x is not None or input_name in kind.optional_inputs
            for input_name, x in zip(kind.input_names, example.inputs, strict=False)
        )


@pytest.mark.parametrize("example", EXAMPLES)
def test_stateful_operators_are_modules(example: Example) -> None:
    operator, inputs, _ = example
    if operator.stateful:
        assert operator.constructor(*inputs) is not None
        assert operator.functional(*inputs) is None


@pytest.mark.parametrize("example", EXAMPLES)
def test_inferred_arguments_have_the_names_that_the_class_gives(example: Example) -> None:
    operator, inputs, _ = example
    assert tuple(operator.inferred(*inputs)) == operator.inferred_names


@pytest.mark.parametrize("name", index())
def test_the_family_is_the_module(name: str) -> None:
    """Its page of the reference opens with the words of that module."""
    kind = find(name)
    assert kind is not None
    assert kind.family == index()[name].rpartition(".")[2]


def test_what_is_told_by_family_names_families() -> None:
    families = {module.rpartition(".")[2] for module in index().values()}
    assert set(_LOOKS) - families == {"block", "input", "output", "parameter", "buffer"}
    assert {*_HEAD, *_NORMS, *_SEQUENCES} <= families


def test_signs() -> None:
    """Of two operators with one sign, one takes a single tensor: `-x`, and `x - y`."""
    operators = [kind for name in index() if (kind := find(name)) is not None]
    kinds = [kind for kind in operators if kind.sign]
    binary = [kind.sign for kind in kinds if len(kind.input_names) == 2]
    assert len(binary) == len(set(binary))
    assert signs() == {kind.sign: kind for kind in kinds if len(kind.input_names) == 2}
    assert {kind.__name__ for kind in kinds if len(kind.input_names) == 1} == {"Neg", "GetItem"}
    assert all(kind.sign for kind in operators if kind.symbol)
