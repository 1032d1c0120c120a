"""Sizes that are equal only by an assertion, all the way from the text to a result."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from addnn_spec.backends.difference import compare
from addnn_spec.backends.dot import dot_text
from addnn_spec.network import Network
from addnn_spec.passes.summary import to_json
from addnn_spec.probes.nodes import graph_nodes
from tests.property.emitted import imported
from tests.support import session

BLOCKS = """
block Joined()(first, second) { return first + second }
block Flat()(first, second) { return first -> Reshape([first.shape[0], 4 * second.shape[1]]) }
"""
INPUTS = "input a: float[N, H, 4]  input b: float[N, G, 4]\n"
EQUAL = INPUTS + "assert H == G\n"
POOLED = "input a: float[N, 3, H, W]  assert H % 4 == 0  assert W % 4 == 0\n"
CASES: dict[str, tuple[str, Callable[..., Tensor]]] = {
    "list": (EQUAL + "output y = sum([a, b, a])", lambda a, b: a + b + a),
    "block": (EQUAL + "output y = (a, b) -> Joined", lambda a, b: a + b),
    "sizes": (EQUAL + "output y = a -> Reshape([N, 4 * G])", lambda a, b: a.flatten(1)),
    "sizes in a block": (EQUAL + "output y = (a, b) -> Flat", lambda a, b: a.flatten(1)),
    "brace": (
        EQUAL + "output y = a -> part: { z = x -> ReLU  return z + b }",
        lambda a, b: a.relu() + b,
    ),
    "loop": (EQUAL + "output y = a -> twice: repeat 2 { return x + b }", lambda a, b: a + b + b),
    "attention": (
        EQUAL + "seen = (a, b, b) -> ScaledDotProductAttention  output y = a + seen",
        lambda a, b: a + functional.scaled_dot_product_attention(a, b, b),
    ),
    "stated late": (
        INPUTS + "c = a * 2  assert H == G  output y = c + b",
        lambda a, b: a * 2 + b,
    ),
    "twice as long": (
        INPUTS.replace("G", "G = 2")
        + "assert G == 2 * H  long = (a, a) -> Concat(1)  output y = long + b",
        lambda a, b: torch.cat((a, a), 1) + b,
    ),
    "pooled": (
        POOLED + "u = a -> MaxPool2d(4) -> Upsample(scale_factor = 4)  output y = u + a",
        lambda a: functional.interpolate(functional.max_pool2d(a, 4), scale_factor=4) + a,
    ),
    "einsum": (
        EQUAL + 'output y = (a, b) -> Einsum("nhc,nhc->nc")',
        lambda a, b: torch.einsum("nhc,nhc->nc", a, b),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_all_read_what_the_check_accepted(name: str) -> None:
    body, expected = CASES[name]
    found = session(f"{BLOCKS}network Net {{\n{body}\n}}")
    assert [d for d in found.check() if d.code[0] == "E"] == []
    network = Network(found, "Net")
    graph = network.graph
    for probes in (False, True):
        with imported(network.source(probes=probes)) as module:
            emitted: nn.Module = module.Net()
            inputs = [torch.rand(_shape(name, i)) for i in range(len(graph.inputs))]
            torch.testing.assert_close(emitted(*inputs), expected(*inputs))
    repr(network)
    network.summary()
    to_json(graph)
    dot_text(graph)
    assert network.flat().nodes
    assert not compare(graph, graph).nodes.any
    assert graph_nodes(graph, {})


def _shape(name: str, number: int) -> tuple[int, ...]:
    if name == "pooled":
        return (2, 3, 8, 12)
    return (2, 6 if name == "twice as long" and number else 3, 4)
