"""Totals as polynomials: at any sizes they are what torch counts, and formulas by hand give."""

from __future__ import annotations

import random
from functools import partial
from typing import Any

import pytest
import torch

from addnn_spec import load
from addnn_spec.backends.torch_code import emit
from addnn_spec.passes.formulas import formulas
from addnn_spec.passes.memory import at
from addnn_spec.passes.summary import summarize
from tests.zoo.prove import build, counted


@pytest.mark.parametrize(
    ("name", "settings", "least"),
    [
        ("ResNet18", {}, {"N": 1, "H": 1, "W": 1}),
        ("GPT2", {"depth": 2, "width": 24, "heads": 3}, {"N": 1, "T": 1}),
        ("Transformer", {"depth": 1, "width": 16}, {"N": 1, "S": 1, "T": 1}),
    ],
)
def test_at_ten_sizes_they_are_what_torch_counts(
    name: str, settings: dict[str, Any], least: dict[str, int]
) -> None:
    network = load(name, **settings)
    module = build(emit(network.graph).text, network.graph.name, device="meta")
    found = formulas(network.graph)
    chosen = random.Random(0)
    torch.backends.mha.set_fastpath_enabled(False)  # it is not counted
    for _ in range(10):
        dims = {size: chosen.randint(value, 70) for size, value in least.items()}
        inputs = []
        for id in network.graph.inputs:
            (kind,) = network.graph.node(id).outputs
            dtype = torch.long if kind.dtype == "int" else torch.float32
            shape = [at(size, dims) for size in kind.shape]
            inputs.append(torch.zeros(shape, dtype=dtype, device="meta"))
        assert at(found["total_macs"], dims) == counted(partial(module, *inputs))
        memory = summarize(network.graph, dims).memory
        assert at(found["activation_bytes_sum"], dims) == memory.total
    torch.backends.mha.set_fastpath_enabled(True)


def test_those_of_recurrent_layers_by_hand() -> None:
    """An LSTM takes T · 4h · (in + h) (docs/costs.md), the labels T · h · classes."""
    found = formulas(load("LSTMTagger", width=5, hidden=3, classes=2).graph)
    for steps in range(1, 11):
        dims = {"N": 2, "T": steps}
        assert at(found["total_macs"], dims) == 2 * steps * (4 * 3 * (5 + 3) + 3 * 2)


def test_classes_add_up() -> None:
    found = formulas(load("ResNet18").graph)
    classes = [count for name, count in found.items() if name.startswith("flops.")]
    total = 2 * found["total_macs"]
    for count in classes:
        total = total + count
    assert total == found["total_flops"]
