"""Emitted modules as tests of equations need them, and the comparison with the equations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from addnn_spec import load
from addnn_spec.backends.torch_code import emit
from tests.support import graph_of
from tests.zoo.prove import build, tensors

Parameters = dict[str, Tensor]


def emitted(name: str, **settings: Any) -> nn.Module:
    """A packaged network in float64 with random weights, in evaluation."""
    return _randomised(load(name, **settings).source(), name)


def emitted_text(text: str) -> nn.Module:
    """The same of the last network of a text."""
    graph = graph_of(text)
    return _randomised(emit(graph).text, graph.name)


def _randomised(text: str, name: str) -> nn.Module:
    torch.manual_seed(0)
    module = build(text, name).double()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.normal_(0, 0.5)
    return module


def random(*shape: int, seed: int = 1) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def words(*shape: int, below: int = 7, seed: int = 1) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(below, shape, generator=generator)


def assert_equations(
    module: nn.Module, equations: Callable[[Parameters], Any], *inputs: Tensor
) -> None:
    """The module's outputs, and the gradients of all its parameters, are the equations'."""
    w = dict[str, Tensor](module.named_parameters())
    ours, theirs = tensors(module(*inputs)), tensors(equations(w))
    assert [t.shape for t in ours] == [t.shape for t in theirs]
    gradients = []
    for outputs in (ours, theirs):
        torch.manual_seed(5)
        total = sum((out * torch.randn_like(out)).sum() for out in outputs)
        assert isinstance(total, Tensor)
        gradients.append(torch.autograd.grad(total, list(w.values()), retain_graph=True))
    for one, other in zip((*ours, *gradients[0]), (*theirs, *gradients[1]), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-11)
