"""The state dict's keys and shapes: torchvision's, and shared ones once."""

from __future__ import annotations

import pytest
import torch

from addnn_spec.network import load
from addnn_spec.passes.state_dict import weights_of
from tests.oracles import torchvision
from tests.support import graph_of


@pytest.mark.parametrize(
    ("network", "name"),
    [("ResNet50", "resnet50"), ("VGG11_bn", "vgg11_bn"), ("AlexNet", "alexnet")],
)
def test_torchvisions(network: str, name: str) -> None:
    with torch.device("meta"):
        model = torchvision().models.get_model(name, weights=None)
    ours = {key: tuple(entry.shape) for key, entry in weights_of(load(network).graph).items()}
    assert ours == {key: tuple(value.shape) for key, value in model.state_dict().items()}
    learned = {key for key, entry in weights_of(load(network).graph).items() if entry.learned}
    assert learned == {key for key, _ in model.named_parameters()}


def test_a_shared_module_stands_once_where_it_is_declared() -> None:
    found = weights_of(
        graph_of("""
        block Inner(m) { return x -> m -> fc: Linear(8) }
        network Net {
          input x: float[N, 8]
          module shared = "deep.er": Linear(8)
          parameter scale: [8] = 1
          buffer table: int[2] = [3, 4]
          y = x -> shared -> a: Inner(shared) -> r: repeat 2 { Linear(8) -> ReLU }
          output z = y * scale + (table -> e: Embedding(5, 8) -> Sum(0))
        }""")
    )
    assert {key: (entry.shape, entry.learned) for key, entry in found.items()} == {
        "deep.er.weight": ((8, 8), True),
        "deep.er.bias": ((8,), True),
        "a.fc.weight": ((8, 8), True),
        "a.fc.bias": ((8,), True),
        "r.0.0.weight": ((8, 8), True),
        "r.0.0.bias": ((8,), True),
        "r.1.0.weight": ((8, 8), True),
        "r.1.0.bias": ((8,), True),
        "scale": ((8,), True),
        "table": ((2,), False),
        "e.weight": ((5, 8), True),
    }
