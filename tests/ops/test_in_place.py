"""What may be overwritten, as the operators' classes say: held against torch's backward passes."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from addnn_spec.backends.torch_code import emit
from addnn_spec.ops import find, index, register
from addnn_spec.ops.base import Example
from tests.backends.torch_code.emitted import built
from tests.ops.harness import Interpreter, all_examples, build, outputs_of, run, tensors_of
from tests.support import graph_of

KINDS = {name: found for name in index() if (found := find(name)) is not None}
ACTIVATIONS = [name for name, kind in KINDS.items() if kind.in_place]
FLOATS = [
    (name, example)
    for name, example in all_examples()
    if all(kind.dtype == "float" for kind in outputs_of(example.operator, example.inputs))
]
FRESH = [pytest.param(x, id=name) for name, x in FLOATS if x.operator.fresh_output]


def activation(name: str) -> Callable[..., Tensor]:
    """torch's function of an activation."""
    example = KINDS[name].examples()[0]
    code = example.operator.functional(*example.inputs)
    function: Callable[..., Tensor] = Interpreter(example.operator)._resolve(code.fn)  # type: ignore[union-attr]
    return function


def after(example: Example, name: str, *, overwrite: bool) -> list[Tensor]:
    """The gradients of all that an operator reads, an activation after it."""
    operator, inputs, _ = example
    module = build(operator, inputs)
    module = module and module.train()
    leaves = [
        x.requires_grad_() if x is not None and x.is_floating_point() else x
        for x in tensors_of(example)
    ]
    given = [x if x is None else x * 1 for x in leaves]  # what a network's layer made
    outputs = run(operator, inputs, given, module)
    held = [*given, *([] if module is None else [*module.parameters(), *module.buffers()])]
    places = {x.untyped_storage().data_ptr() for x in held if x is not None}
    if overwrite:
        assert places.isdisjoint(output.untyped_storage().data_ptr() for output in outputs)
    option = {"inplace": True} if overwrite else {}
    results = [activation(name)(output, **option) for output in outputs]
    total = torch.stack([(result * result).sum() for result in results]).sum()
    torch.autograd.backward(total)
    read = [*leaves, *([] if module is None else module.parameters())]
    return [x.grad for x in read if x is not None and x.grad is not None]


@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize("example", FRESH)
def test_a_fresh_output_can_be_overwritten(example: Example, name: str) -> None:
    expected = after(example, name, overwrite=False)
    assert expected
    for got, wanted in zip(after(example, name, overwrite=True), expected, strict=True):
        torch.testing.assert_close(got, wanted, rtol=0, atol=0)


@pytest.mark.parametrize("name", ["Sigmoid", "Tanh", "Softmax", "Exp", "Reshape", "Identity"])
def test_the_test_would_tell(name: str) -> None:
    """Operators that keep their output for the backward pass, or pass on their input."""
    example = KINDS[name].examples()[0]
    assert not example.operator.fresh_output
    with pytest.raises((RuntimeError, AssertionError)):
        after(example, "ReLU", overwrite=True)


def test_there_are_such_operators() -> None:
    assert {"ReLU", "ReLU6"} <= set(ACTIVATIONS)
    fresh = {name for name, kind in KINDS.items() if kind.fresh_output}
    assert {"Conv2d", "ConvTranspose2d", "Conv2dSame", "BatchNorm2d", "Add"} <= fresh
    assert not any(KINDS[name].view or KINDS[name].reshapes for name in fresh)


GATE = '''
from typing import ClassVar
from addnn_spec.ops.base import Operator, TensorType
from addnn_spec.ops.code import Call, Support

class ConvGate(Operator):
    """x by its own sigmoid, whose value the backward pass needs."""
    @property
    def support(self) -> tuple[Support, ...]:
        return (Support("ConvGate", """class ConvGate(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.sigmoid(x)
"""),)
    def constructor(self, *inputs: TensorType) -> Call:
        return Call("ConvGate")
'''
POOL = (
    "Conv2d(4, 3, padding = 1)", "Conv2d(4, 1, weight_norm = true)", "ConvTranspose2d(4, 1)",
    "BatchNorm2d", "InstanceNorm2d(affine = true)", "GroupNorm(2)", "Sigmoid", "Tanh",
    "Softmax(1)", "Identity", "ConvGate", "Dropout(0.0)", "LeakyReLU(0.5)", "Add(0.5)",
    "Mul(3)", "AvgPool2d(1)", "MaxPool2d(1)", "Flip(3)", "Reshape([x.shape[0], 4, 6, 6])",
    "{ return x + x }", "{ Conv2d(4, 1) }", "{ Conv2d(4, 1) -> Sigmoid }", "Softsign", "ELU",
)  # fmt: skip


@pytest.fixture
def gate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "gate_ops.py").write_text(GATE)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr("addnn_spec.ops._registered", {})
    assert register("gate_ops") == ("ConvGate",)
    sys.modules.pop("gate_ops")


def gradients(module: nn.Module) -> list[Tensor]:
    torch.manual_seed(3)
    x = torch.randn(2, 4, 6, 6, requires_grad=True)
    torch.autograd.backward(module(x * 1).square().sum())
    return [leaf.grad for leaf in (x, *module.parameters()) if leaf.grad is not None]


def chain(seed: int) -> str:
    """Elements of the pool, some of them labelled, activations in between."""
    choose = random.Random(seed)
    elements = []
    for _ in range(choose.randint(2, 5)):
        elements.append(choose.choice(POOL))
        elements.append(choose.choice(ACTIVATIONS))
    labelled = [
        f"l{number}: {element}" if choose.random() < 0.3 else element
        for number, element in enumerate(elements)
    ]
    text = " -> ".join(labelled)
    return f"body: {{ {text} }}" if choose.random() < 0.5 else text


def check_chain(seed: int) -> int:
    text = f"network Test {{\n  input x: float[N, 4, 6, 6]\n  output y = x -> {chain(seed)}\n}}"
    graph = graph_of(text)
    found = []
    for probes in (True, False):
        torch.manual_seed(1)
        found.append(gradients(built(graph, probes=probes)))
    for tapped, plain in zip(*found, strict=True):
        torch.testing.assert_close(plain, tapped, rtol=0, atol=0)
    return emit(graph).text.count("inplace=True")


@pytest.mark.usefixtures("gate")
def test_random_chains_have_the_gradients_of_those_that_overwrite_nothing() -> None:
    assert sum(map(check_chain, range(20))) > 5


@pytest.mark.slow
@pytest.mark.usefixtures("gate")
def test_many_random_chains_have_the_gradients_of_those_that_overwrite_nothing() -> None:
    assert sum(map(check_chain, range(20, 400))) > 100


@pytest.mark.usefixtures("gate")
@pytest.mark.parametrize("elements", ["ConvGate -> ReLU", "gate: { ConvGate -> ReLU }"])
def test_an_operator_of_a_users_own_is_overwritten_only_if_it_says_so(elements: str) -> None:
    text = f"network Test {{\n  input x: float[N, 4, 6, 6]\n  output y = x -> {elements}\n}}"
    graph = graph_of(text)
    assert "inplace" not in emit(graph).text
    gradients(built(graph))
