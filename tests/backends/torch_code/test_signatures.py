"""What `forward` takes and gives, by the outputs of a network and of a block."""

from __future__ import annotations

import pytest
import torch

from tests.backends.torch_code.emitted import body_of, built, source_of
from tests.support import graph_of

_LAYERS = "a = x -> a: Linear(3) b = x -> b: Linear(3)"


def network(outputs: str, inputs: str = "") -> str:
    return f"network Test {{ input x: float[2, 3] {inputs} {_LAYERS} {outputs} }}"


@pytest.mark.parametrize(
    ("outputs", "returns"),
    [
        ("output y = a", "Tensor"),
        ("output y = [a]", "tuple[Tensor]"),
        ("output y = [a, b]", "tuple[Tensor, Tensor]"),
        ("output y = [a, b, a, b, a, b, a]", "tuple[Tensor, ...]"),
        ("output y = a output z = b", "TestOutput"),
        ("output y = a output loss = a -> Mean when training", "Tensor | TestOutput"),
        (
            "output y = a output z = b output loss = a -> Mean when training",
            "TestOutput",
        ),
        (
            "output y = [a, b] output loss = a -> Mean when training",
            "tuple[Tensor, Tensor] | TestOutput",
        ),
    ],
)
def test_a_network_returns(outputs: str, returns: str) -> None:
    assert f"def forward(self, x: Tensor) -> {returns}:" in source_of(network(outputs))


def test_a_field_of_training_is_none_in_evaluation_where_others_are_not_alone() -> None:
    text = network("output y = a output loss = a -> Mean when training output z = b")
    source = source_of(text)
    assert "    y: Tensor\n    loss: Tensor | None\n    z: Tensor\n" in source  # before one that is
    module = built(graph_of(text)).eval()
    found = module(torch.zeros(2, 3))
    assert found.loss is None
    assert found.z.shape == (2, 3)
    assert module.train()(torch.zeros(2, 3)).loss.shape == ()


def test_an_output_that_evaluation_gives_alone_is_no_tuple() -> None:
    text = network("output y = a output loss = (a - t) -> Mean when training", _TARGET)
    module = built(graph_of(text))
    x = torch.zeros(2, 3)
    assert module.eval()(x).shape == (2, 3)
    with pytest.raises(ValueError, match="t is needed in training"):
        module.train()(x)
    assert [tuple(tensor.shape) for tensor in module(x, x)] == [(2, 3), ()]


_TARGET = "input t: float[2, 3] when training"


def test_what_training_alone_needs_comes_last() -> None:
    text = (
        "network Test { input t: float[2, 3] when training input x: float[2, 3] "
        "y = x -> a: Linear(3) output y output loss = (y - t) -> Mean when training }"
    )
    assert "def forward(self, x: Tensor, t: Tensor | None = None)" in source_of(text)
    assert built(graph_of(text)).eval()(torch.zeros(2, 3)).shape == (2, 3)


@pytest.mark.parametrize(
    ("body", "last"),
    [
        ("return x -> a: Linear(3)", ["x = self.a(x)", "return x"]),
        ("return (x -> a: Linear(3)) + x", ["x = self.a(x) + x", "return x"]),
        ("a = x -> a: Linear(3) return a, x", ["a = self.a(x)", "return (a, x)"]),
        ("return x -> a: Linear(3) -> ReLU", ["return F.relu(self.a(x))"]),
    ],
)
def test_a_block_returns(body: str, last: list[str]) -> None:
    """The result of a module is bound to a name with a type; of a function it is returned."""
    text = (
        f"block Own {{ {body} }} "
        "network Test { input x: float[2, 3] a = x -> own: Own output y = a }"
    )
    if ", x" in body:
        text = text.replace(
            "a = x -> own: Own output y = a", "a, b = x -> own: Own output y = a + b"
        )
    assert body_of(source_of(text), "Own") == last
