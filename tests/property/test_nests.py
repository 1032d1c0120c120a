"""Loops in one another: what they say is what the same text says when it is unrolled by hand.

`ADDNN_NETWORKS` and `ADDNN_SEED` count the random ones (`seeds.py`); by default the slow
run has ten times as many of these, which are small.
"""

from __future__ import annotations

import warnings
from random import Random
from typing import Any

import numpy as np
import pytest
import torch

from addnn_spec.backends.torch_source import torch_source
from addnn_spec.compiler import Session
from addnn_spec.graph import Graph, Placeholder
from addnn_spec.passes.costs import count_costs
from addnn_spec.passes.memory import activation_memory
from addnn_spec.passes.state_dict import weights_of
from addnn_spec.passes.unfold import flatten
from tests.interpreter import evaluate as interpret
from tests.property.checks import live
from tests.property.emitted import expected_taps, random_inputs, randomise, record
from tests.property.nests import Nest, random_nest
from tests.property.seeds import count_of, failures_of
from tests.support import session

COUNT = count_of(10_000)
FEW = 60
SIZES = {"N": 2}


def built(text: str, *, memoise: bool = True) -> tuple[Session, Graph | None, set[str]]:
    """A text's graph, or the codes of its errors."""
    made = session(text, memoise=memoise)
    graph = made.graph("Net")
    codes: set[str] = {found.code for found in made.collector.errors}
    return made, None if codes else graph, codes


def figures(graph: Graph) -> dict[str, Any]:
    """All that the compiler says of a network, less the places in the text."""
    flat, costs = flatten(graph), count_costs(graph).main
    nodes = [
        (path, data["op"], str(data["operator"]), data["output_shape"], data["training"])
        for path, data in flat.nodes(data=True)
        if not isinstance(data["operator"], Graph)
    ]
    edges = sorted((a, b, data["slot"], data["port"]) for a, b, data in flat.edges(data=True))
    return {
        "nodes": nodes,
        "edges": edges,
        "outputs": flat.graph["outputs"],
        "costs": (costs.total, costs.training),
        "memory": activation_memory(graph),
        "weights": weights_of(graph),
    }


def check(nest: Nest, *, probes: bool) -> None:
    """Nodes, edges, figures, keys and values of the loops are those of the unrolled text."""
    _, wanted, wrong = built(nest.unrolled, memoise=False)
    codes: list[str] = []
    for memoise in (True, False):
        made, graph, errors = built(nest.looped, memoise=memoise)
        assert errors == wrong
        if graph is None or wanted is None:
            continue
        for (what, ours), theirs in zip(
            figures(graph).items(), figures(wanted).values(), strict=True
        ):
            assert ours == theirs, what
        codes.append(torch_source(made, graph, probes=probes).text)
    if wanted is not None:
        for code in dict.fromkeys(codes):  # a turn that is shared reads its sizes as the first does
            check_code(code, wanted, probes=probes)


def check_code(code: str, wanted: Graph, *, probes: bool) -> None:
    """Emitted code has the keys of the unrolled network, and computes its values, node by node."""
    network = live(code)
    randomise(network, seed=1)
    state = network.state_dict()
    assert {key: tuple(value.shape) for key, value in state.items()} == {
        key: entry.shape for key, entry in weights_of(wanted).items()
    }
    inputs = random_inputs(wanted, SIZES, seed=2)
    arrays = {key: value.numpy() for key, value in state.items()}
    theirs = interpret(wanted, arrays, {name: value.numpy() for name, value in inputs.items()})
    if not probes:
        with torch.no_grad():
            outputs = network(**inputs)
        np.testing.assert_allclose(outputs.numpy(), theirs.outputs["result"], atol=1e-9, rtol=1e-7)
        return
    taps, _ = record(network, inputs)
    items = expected_taps(wanted)
    assert sorted(taps) == sorted(item.tap for item in items)
    for item in items:
        if not isinstance(item.node.op, Placeholder):
            for ours, known in zip(taps[item.tap].values, theirs.nodes[item.path], strict=True):
                np.testing.assert_allclose(
                    ours.numpy(), known, atol=1e-9, rtol=1e-7, err_msg=item.path
                )


def check_seed(seed: int) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        check(random_nest(Random(seed)), probes=seed % 2 == 0)


BROKEN = (1640, 3372, 3505, 7456, 7602)
"""Seeds whose networks were once compiled wrongly, or took all memory."""


def test_random_nests() -> None:
    for seed in (*BROKEN, *range(FEW)):
        check_seed(seed)


@pytest.mark.slow
def test_seeded_nests() -> None:
    """All seeds are tried; those that fail are told."""
    assert not failures_of(check_seed, COUNT)
