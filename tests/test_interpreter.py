"""The interpreter itself: its operators against torch, a network against one made by hand."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch.nn.functional import conv2d, linear

from addnn_spec.compiler import Session
from addnn_spec.graph import Graph
from addnn_spec.ops.base import Example
from addnn_spec.ops.indexing import IndexSlice
from addnn_spec.source import Source
from tests.interpreter import evaluate
from tests.numpy_operators import OPERATORS
from tests.ops.harness import all_examples, build, run, tensors_of

OPTIONS = ("weight_norm", "spectral_norm", "weight_standardization", "return_indices")
CORE = [
    pytest.param(example, id=name)
    for name, example in all_examples()
    if type(example.operator).__name__ in OPERATORS
    and not any(getattr(example.operator, option, False) for option in OPTIONS)
]


def one_operator(example: Example) -> list[np.ndarray]:
    """What the numpy operator makes of an example's tensors, with its torch module's weights."""
    module = build(example.operator, example.inputs)
    state = {} if module is None else {k: v.numpy() for k, v in module.state_dict().items()}

    def known(value: object) -> object:
        if isinstance(value, IndexSlice):
            return slice(value.start, value.stop, value.step)
        return tuple(map(known, value)) if isinstance(value, tuple) else value

    fields = {
        name: known(getattr(example.operator, name)) for name in type(example.operator).model_fields
    }
    arrays = [tensor.numpy() for tensor in tensors_of(example) if tensor is not None]
    made = OPERATORS[type(example.operator).__name__](SimpleNamespace(**fields), state, *arrays)
    return list(made) if isinstance(made, tuple) else [np.asarray(made)]


@pytest.mark.parametrize("example", CORE)
def test_operators_are_torchs(example: Example) -> None:
    with torch.no_grad():
        module = build(example.operator, example.inputs)
        theirs = run(example.operator, example.inputs, tensors_of(example), module)
    for ours, their in zip(one_operator(example), theirs, strict=True):
        np.testing.assert_allclose(ours, their.numpy(), rtol=1e-9, atol=1e-12)


def network(text: str) -> Graph:
    session = Session(Source("test.net", text))
    name = session.networks[-1]
    graph = session.graph(name)
    assert graph is not None, session.collector.diagnostics
    return graph


def test_a_residual_block_in_a_repeat_with_a_shared_module() -> None:
    graph = network(
        """
        network Small {
          input image: float[N, 2, H = 4, W = 4]
          module shared = Conv2d(2, 1)
          x = image -> stem: Conv2d(2, 3, padding = 1)
          x = x -> layers: repeat 2 { return x + (x -> conv: Conv2d(2, 1) -> ReLU) }
          output y = x -> shared -> shared -> AdaptiveAvgPool2d(1) -> Flatten -> fc: Linear(3)
        }
        """
    )
    rng = np.random.default_rng(0)
    shapes = {
        "shared.weight": (2, 2, 1, 1), "shared.bias": (2,), "stem.weight": (2, 2, 3, 3),
        "stem.bias": (2,), "layers.0.conv.weight": (2, 2, 1, 1), "layers.0.conv.bias": (2,),
        "layers.1.conv.weight": (2, 2, 1, 1), "layers.1.conv.bias": (2,),
        "fc.weight": (3, 2), "fc.bias": (3,),
    }  # fmt: skip
    weights = {key: rng.normal(size=shape) for key, shape in shapes.items()}
    image = rng.normal(size=(5, 2, 6, 7))
    result = evaluate(graph, weights, {"image": image})

    w = {key: torch.from_numpy(value) for key, value in weights.items()}
    x = conv2d(torch.from_numpy(image), w["stem.weight"], w["stem.bias"], padding=1)
    for turn in range(2):
        name = f"layers.{turn}.conv"
        x = x + conv2d(x, w[f"{name}.weight"], w[f"{name}.bias"]).relu()
    for _ in range(2):
        x = conv2d(x, w["shared.weight"], w["shared.bias"])
    expected = linear(x.mean((2, 3)), w["fc.weight"], w["fc.bias"])
    np.testing.assert_allclose(result.outputs["y"], expected.numpy(), rtol=1e-9)
    assert {"stem", "layers.0.conv", "layers.1.conv", "shared", "shared_2", "fc"} <= set(
        result.nodes
    )
