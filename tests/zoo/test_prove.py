"""The proof itself: it fails where a network is not its reference, or where it is vacuous."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import nn

from addnn_spec import load
from tests.oracles import torchvision
from tests.zoo.mutants import mutants
from tests.zoo.prove import Reference, difference, inputs_of, prove, renamed
from tests.zoo.references import REFERENCES


def changed(change: Callable[[nn.Module], None]) -> Reference:
    def build() -> nn.Module:
        module: nn.Module = torchvision().models.resnet18()
        change(module)
        return module

    return replace(REFERENCES["ResNet18"], build=build)


def eps(module: nn.Module) -> None:
    module.get_submodule("layer3.1.bn2").eps = 1.1e-5  # type: ignore[assignment]


def stride(module: nn.Module) -> None:
    module.get_submodule("layer4.0.conv1").stride = (1, 1)  # type: ignore[assignment]
    module.get_submodule("layer4.0.conv2").stride = (2, 2)  # type: ignore[assignment]


def activation(module: nn.Module) -> None:
    module.get_submodule("layer2.0").relu = nn.LeakyReLU(1e-6)


def momentum(module: nn.Module) -> None:
    module.get_submodule("layer1.0.bn1").momentum = 0.01  # type: ignore[assignment]


def width(module: nn.Module) -> None:
    module.fc = nn.Linear(512, 999)


@pytest.mark.parametrize("change", [eps, stride, activation, momentum, width])
def test_another_network_is_not_proved(change: Callable[[nn.Module], None]) -> None:
    with pytest.raises((AssertionError, RuntimeError)):
        prove("ResNet18", changed(change))


def test_a_network_that_ignores_its_input_is_not_proved() -> None:
    class Constant(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.new_ones(3, 10)

    reference = replace(REFERENCES["ResNet18"], build=Constant)
    with pytest.raises(AssertionError):
        prove("ResNet18", reference)


def test_nan_is_a_difference() -> None:
    one = torch.ones(2)
    assert difference([one], [one * torch.nan]) == torch.inf
    assert difference([one], [one]) == 0


def test_inputs_have_the_size_of_the_comparison() -> None:
    (image,) = inputs_of(load("ResNet18"), REFERENCES["ResNet18"], 0)
    assert image.shape == (3, 3, 33, 33)


def test_renamed_keeps_every_weight() -> None:
    weights = {"a.x": torch.ones(1), "b.x": torch.zeros(1)}
    assert set(renamed(("a", "c"), (r"\.x$", ".y"))(weights)) == {"c.y", "b.y"}
    with pytest.raises(AssertionError, match="two weights"):
        renamed(("a", "b"))(weights)


TEXT = """
self.conv = nn.Conv2d(3, 8, 3, stride=2, padding=1)
self.bn = nn.BatchNorm2d(8)
y = F.relu(self.bn(self.conv(x)))
"""


def test_each_mutant_is_one_change() -> None:
    found = dict(mutants(TEXT))
    assert "padding_mode='circular'" in found["a circular padding"]
    assert "BatchNorm2d(8, eps=0.1)" in found["another eps"]
    assert "stride=2 + 1" in found["another stride"]
    assert "F.leaky_relu(" in found["another activation"]
    assert len(found) == 4
