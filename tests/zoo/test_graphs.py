"""The graph networks against torch-geometric's layers, on a random graph with direction."""

from __future__ import annotations

import warnings
from importlib import import_module
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from tests.zoo.emitted import emitted, random

NODES = 9


class _Reference(nn.Module):
    def __init__(self, first: nn.Module, second: nn.Module, activation: Any) -> None:
        super().__init__()
        self.conv1, self.conv2 = first, second
        self.activation = activation

    def forward(self, x: Tensor, edges: Tensor) -> Any:
        return self.conv2(self.activation(self.conv1(x, edges)), edges)


def reference(name: str) -> _Reference:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what it compiles with
        layers = import_module("torch_geometric.nn")
    name = name.removeprefix("Sparse")
    if name == "GCN":
        return _Reference(layers.GCNConv(5, 4), layers.GCNConv(4, 3), functional.relu)
    if name == "GraphSAGE":
        return _Reference(layers.SAGEConv(5, 4), layers.SAGEConv(4, 3), functional.relu)
    first, last = layers.GATConv(5, 4, heads=2), layers.GATConv(8, 3, concat=False)
    return _Reference(first, last, functional.elu)


SETTINGS: dict[str, dict[str, int]] = {
    "GCN": {"features": 5, "hidden": 4, "classes": 3},
    "GAT": {"features": 5, "hidden": 4, "heads": 2, "classes": 3},
    "GraphSAGE": {"features": 5, "hidden": 4, "classes": 3},
}
SETTINGS |= {f"Sparse{name}": settings for name, settings in SETTINGS.items()}


@pytest.mark.parametrize("name", SETTINGS)
def test_they_are_torch_geometrics(name: str) -> None:
    module = emitted(name, **SETTINGS[name])
    theirs = reference(name).double().eval()
    theirs.load_state_dict(module.state_dict(), strict=True)
    x = random(NODES, 5)
    adjacency = (random(NODES, NODES, seed=2) > 0.4).double().fill_diagonal_(0)
    adjacency[2] = 0  # a node without neighbours
    target, source = adjacency.nonzero().T
    edges = torch.stack((source, target))
    ours = module(x, edges if name.startswith("Sparse") else adjacency)
    expected = theirs(x, edges)
    torch.testing.assert_close(ours, expected, rtol=1e-9, atol=1e-9)
    weights = random(NODES, 3, seed=3)
    for one in (ours, expected):
        (one * weights).sum().backward()
    given = {key: parameter.grad for key, parameter in module.named_parameters()}
    for key, parameter in theirs.named_parameters():
        torch.testing.assert_close(given[key], parameter.grad, rtol=1e-9, atol=1e-9, msg=key)
