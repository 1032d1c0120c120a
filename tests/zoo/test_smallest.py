"""The smallest sizes that are told of packaged networks are those at which torch runs them."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from addnn_spec import Network, load
from addnn_spec.catalogue import entries
from addnn_spec.passes.dims import symbolic_sizes
from addnn_spec.passes.minimum import Condition, Smallest, smallest_sizes
from tests.zoo.prove import build
from tests.zoo.test_symbolic import zeros

NETWORKS = [entry.name for entry in entries() if entry.params is not None]
QUICK = {"LeNet5", "GCN", "LSTMTagger_equations"}


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in NETWORKS],
)
def test_torch_runs_at_the_smallest_sizes_and_at_none_below(name: str) -> None:
    network = load(name)
    module = build(network.source(), network.graph.name, device="meta").eval()
    evaluation, training = smallest_sizes(network.graph)
    least = at_least(network, evaluation)
    assert runs(module, network, least)
    for size in evaluation.sizes:
        assert not runs(module, network, least | {size: least[size] - 1}), size
    if training.sizes == evaluation.sizes and not training.never:
        for condition in training.conditions:
            check_condition(module.train(), network, least, condition)


def check_condition(
    module: nn.Module, network: Network, least: dict[str, int], condition: Condition
) -> None:
    """Where none of the facts holds torch does not train, where the first does, it does."""
    if not condition.holds(least):
        assert not runs(module, network, least)
    first = condition.alternatives[0]
    (symbol,) = first.symbols
    assert isinstance(first.right, int)
    assert runs(module, network, least | {symbol.name: first.right})


def at_least(network: Network, smallest: Smallest) -> dict[str, int]:
    """The smallest sizes; what several must hold together holds by the first of them."""
    found = {name: smallest.sizes.get(name, 1) for name in symbolic_sizes(network.graph)}
    for condition in smallest.conditions:
        if not condition.holds(found):
            (symbol,) = condition.alternatives[0].symbols
            assert isinstance(condition.alternatives[0].right, int)
            found[symbol.name] = condition.alternatives[0].right
    return found


def runs(module: nn.Module, network: Network, dims: dict[str, int]) -> bool:
    try:
        with torch.no_grad():
            output = module(*zeros(network, dims))
    except (RuntimeError, ValueError, AssertionError, IndexError):
        return False
    outputs = output if isinstance(output, tuple) else (output,)
    return all(x.numel() > 0 for x in outputs if isinstance(x, torch.Tensor))
