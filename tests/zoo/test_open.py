"""Parameters that a network leaves open are parameters of its class, with the spec's defaults.

The class with another number is what the network with this number is: weights, and outputs.
"""

from __future__ import annotations

import inspect
from contextlib import suppress
from copy import deepcopy
from functools import partial
from typing import Any

import pytest
import torch

from addnn_spec import Network, load
from addnn_spec.catalogue import entries
from addnn_spec.diagnostics import DiagnosticError
from addnn_spec.passes.state_dict import weights_of
from addnn_spec.runtime.build import import_source
from tests.support import seldom
from tests.zoo.prove import Reference, inputs_of, on_meta, tensors

NETWORKS = [entry.name for entry in entries() if entry.params is not None]


def others(value: Any) -> list[Any]:
    """Return numbers that the emitter did not try."""
    return [value + 3, 3 * value] if isinstance(value, int) else [value / 3]


def shapes(network: Network) -> dict[str, tuple[Any, ...]]:
    return {name: tuple(w.shape) for name, w in weights_of(network.graph).items()}


def check(name: str) -> int:
    """Hold each parameter of a network's class against the network; returns how many there are."""
    network = load(name)
    made = getattr(import_source(network.source(), name), name)
    signature = inspect.signature(made)
    for parameter in signature.parameters.values():
        assert parameter.default == dict(network.graph.arguments)[parameter.name]
        for value in others(parameter.default):
            with suppress(DiagnosticError):
                other = load(name, **{parameter.name: value})
                with torch.device("meta"):
                    module = made(**{parameter.name: value}).eval()
                found = {key: tuple(weight.shape) for key, weight in module.state_dict().items()}
                assert found == shapes(other), f"{parameter.name} = {value}"
                inputs = inputs_of(other, Reference(name, partial(deepcopy, module), batch=2), 0)
                with torch.no_grad():
                    outputs = tensors(module(*map(on_meta, inputs)))
                kept = [out for out in other.graph.outputs if not out.training]
                types = [other.graph.type_of(ref) for out in kept for ref in out.refs]
                for tensor, type in zip(outputs, types, strict=True):
                    for size, wanted in zip(tensor.shape, type.shape, strict=True):
                        assert size == wanted or not isinstance(wanted, int), parameter.name
                break
    return len(signature.parameters)


@pytest.mark.parametrize("name", seldom(NETWORKS, 60))
def test_a_parameter_of_the_class_is_one_of_the_network(name: str) -> None:
    check(name)


def test_what_an_alias_gave_is_no_parameter() -> None:
    source = load("ResNet50").source()
    assert "def __init__(self, classes: int = 1000, channels: int = 3) -> None:" in source
    assert "nn.Linear(2048, classes)" in source


def test_what_is_set_is_no_parameter() -> None:
    source = load("ResNet50", classes=10).source()
    assert "def __init__(self, channels: int = 3) -> None:" in source
    assert "nn.Linear(2048, 10)" in source


def test_a_network_that_another_calls_promises_nothing() -> None:
    """What its uses agree in is a number: a parameter would be read by some of its layers alone."""
    source = load("DCGAN").source()
    assert "class DCGAN_Discriminator(nn.Module):\n    def __init__(self) -> None:" in source
    assert "class DCGAN_Generator(nn.Module):\n    def __init__(self, latent: int = 100)" in source
