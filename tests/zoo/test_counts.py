"""Networks without a reference: the emitted module has and does what the summary says."""

from __future__ import annotations

from math import prod

import pytest

from addnn_spec import load
from addnn_spec.catalogue import entries
from addnn_spec.passes.dims import symbolic_sizes
from addnn_spec.passes.memory import at
from addnn_spec.passes.state_dict import weights_of
from addnn_spec.passes.summary import summarize
from tests.support import seldom
from tests.zoo.prove import Reference, build, counted, inputs_of, on_meta
from tests.zoo.references import REFERENCES

UNCOUNTED = ("nn.LSTM(", "nn.GRU(", "nn.RNN(", "nn.Bilinear(")
"""What torch's counter does not know."""
NETWORKS = [entry.name for entry in entries() if entry.params is not None]
ALONE = [name for name in NETWORKS if name not in REFERENCES]
"""The packaged networks that can be compiled as they are and have no reference."""


@pytest.mark.parametrize("name", seldom(ALONE, 3))
def test_it_has_and_does_what_its_summary_says(name: str) -> None:
    network = load(name)
    text = network.source()
    module = build(text, network.graph.name, device="meta")
    summary = network.summary()
    params = summary.total.params + summary.training.params
    assert params == sum(parameter.numel() for parameter in module.parameters())
    inputs = [on_meta(t) for t in inputs_of(network, Reference(name, lambda: module, batch=1), 0)]
    macs = counted(lambda: module(*inputs))
    if not any(layer in text for layer in UNCOUNTED):
        assert macs == at(summary.total.macs, {"N": 1})


OFTEN = {"GoogLeNet", "InceptionV3", "LeNet5", "GAT", "VAE", "Transformer"}


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=() if name in OFTEN else pytest.mark.slow) for name in NETWORKS],
)
def test_parameters_are_the_same_at_every_batch(name: str) -> None:
    network = load(name)
    learned = [entry for entry in weights_of(network.graph).values() if entry.learned]
    expected = sum(prod(at(size, None) for size in entry.shape) for entry in learned)
    batches: tuple[dict[str, int], ...] = ({}, {"N": 1}, {"N": 2})
    for batch in batches:
        if symbolic_sizes(network.graph).keys() >= batch.keys():
            summary = summarize(network.graph, batch)
            assert summary.total.params + summary.training.params == expected
