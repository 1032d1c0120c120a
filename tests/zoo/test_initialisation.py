"""Weights begin as the papers have it, where a spec says so."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from addnn_spec import load


def test_highway_gates_let_the_input_pass_at_first() -> None:
    """The paper: the bias of the gates is negative, "e.g. -1, -3"; others are torch's."""
    torch.manual_seed(0)
    network = load("Highway19").build().eval()
    biases = {key: value for key, value in network.named_parameters() if key.endswith(".bias")}
    gates = {key: value for key, value in biases.items() if ".transform." in key}
    assert len(gates) == 3 + 5 + 5
    assert all((value == -1).all() for value in gates.values())
    assert all(abs(value.mean()) < 0.1 for key, value in biases.items() if key not in gates)
    opened: list[float] = []

    def note(_: nn.Module, __: object, output: Tensor) -> None:
        opened.append(output.sigmoid().mean().item())

    for name, module in network.named_modules():
        if name.endswith("transform"):
            module.register_forward_hook(note)
    network(torch.randn(4, 3, 32, 32))
    assert len(opened) == len(gates)
    assert all(abs(mean - 1 / (1 + math.e)) < 0.1 for mean in opened)


def test_words_of_the_language_models_are_normal() -> None:
    torch.manual_seed(0)
    words = load("GPT2", vocabulary=2000, depth=1).build().get_parameter("wte.weight")
    assert abs(words.std().item() - 0.02) < 1e-4
    assert abs(words.mean().item()) < 1e-4
