"""What must hold of every well-typed network: its claims against torch, numpy and itself."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from addnn_spec.backends.flat import flat_graph
from addnn_spec.backends.torch_source import torch_source
from addnn_spec.compiler import Session
from addnn_spec.diagnostics import Collector
from addnn_spec.graph import Graph
from addnn_spec.ops.base import Operator
from addnn_spec.passes.costs import count_costs, operator_cost
from addnn_spec.passes.state_dict import weights_of
from addnn_spec.sizes import evaluate
from addnn_spec.source import Source
from addnn_spec.syntax.parser import parse
from addnn_spec.syntax.printer import format_source
from tests.interpreter import evaluate as interpret
from tests.property.emitted import expected_taps, imported, random_inputs, randomise, record
from tests.property.networks import Spec
from tests.support import session


def elaborated(text: str, *, memoise: bool = True) -> tuple[Session, Graph]:
    made = session(text, memoise=memoise)
    graph = made.graph("Net")
    errors = [f"{found.code} {found.message}" for found in made.collector.errors]
    assert graph is not None and not errors, errors
    return made, graph


def live(text: str) -> nn.Module:
    """The network of an emitted file, in double precision and evaluation mode."""
    with imported(text) as module:
        network: nn.Module = module.Net()
    return network.double().eval()


def larger(spec: Spec, rng: Random) -> dict[str, int]:
    """Symbolic sizes at or above the defaults."""
    return {name: size + rng.randint(0, 7) for name, size in spec.sizes.items()}


# --- against torch and numpy ---------------------------------------------------------------------
def check_against_torch(spec: Spec, rng: Random) -> None:
    """Shapes, MACs, parameters and keys of every node, at random sizes, on the meta device."""
    made, graph = elaborated(spec.text())
    network = live(torch_source(made, graph, probes=True).text)
    check_weights(graph, network)
    for training, sizes in ((False, larger(spec, rng)), (True, spec.sizes)):
        with torch.device("meta"):
            inputs = random_inputs(graph, sizes, "meta")
        check_run(graph, network.to("meta").train(training), inputs, sizes, training=training)


def check_weights(graph: Graph, network: nn.Module) -> None:
    """The keys, shapes and count of what a network holds."""
    ours = {key: tuple(entry.shape) for key, entry in weights_of(graph).items()}
    state = network.state_dict()
    assert {key: tuple(tensor.shape) for key, tensor in state.items()} == ours
    learned = {key for key, entry in weights_of(graph).items() if entry.learned}
    assert {key for key, _ in network.named_parameters()} == learned
    costs = count_costs(graph).main
    assert costs.total.params + costs.training.params == sum(
        parameter.numel() for parameter in network.parameters()
    )


def check_run(
    graph: Graph,
    network: nn.Module,
    inputs: Mapping[str, Tensor],
    sizes: Mapping[str, int],
    *,
    training: bool,
) -> None:
    """One run with probes: each node's shapes and MACs, and the sum of MACs."""
    taps, _ = record(network, inputs)
    wanted = expected_taps(graph, sizes, training=training)
    assert sorted(taps) == sorted(item.tap for item in wanted)
    total = 0
    for item in wanted:
        tap = taps[item.tap]
        shapes = [tuple(evaluate(n, sizes) for n in out.shape) for out in item.node.outputs]
        theirs = [tuple(value.shape) for value in tap.values]
        if isinstance(item.node.op, Operator) and item.node.op.unused_outputs:
            shapes = shapes[: len(theirs)]  # attention does not compute what nobody reads
        assert theirs == shapes, item.path
        macs = 0
        if isinstance(item.node.op, Operator) and not item.node.layers:  # each layer has its taps
            cost = operator_cost(item.node)
            macs = evaluate(cost.macs, sizes)
        assert tap.macs == macs, f"{item.path}: {macs} MACs, torch counts {tap.macs}"
        total += macs
    costs = count_costs(graph).main
    claimed = costs.total.macs + (costs.training.macs if training else 0)
    assert evaluate(claimed, sizes) == total


def check_outputs(spec: Spec, rng: Random) -> None:
    """Every node's value in double precision, by the emitted file and by the numpy interpreter."""
    made, graph = elaborated(spec.text())
    network = live(torch_source(made, graph, probes=True).text)
    randomise(network, seed=rng.randrange(1000))
    sizes = larger(spec, rng)
    inputs = random_inputs(graph, sizes, seed=rng.randrange(1000))
    taps, outputs = record(network, inputs)
    weights = {key: tensor.numpy() for key, tensor in network.state_dict().items()}
    theirs = interpret(graph, weights, {name: value.numpy() for name, value in inputs.items()})
    for item in expected_taps(graph):
        if item.path not in theirs.nodes:
            continue
        for ours, known in zip(taps[item.tap].values, theirs.nodes[item.path], strict=True):
            np.testing.assert_allclose(ours.numpy(), known, rtol=1e-7, atol=1e-9, err_msg=item.path)
    alone = len([output for output in graph.outputs if not output.training]) == 1
    for name, their in theirs.outputs.items():
        value = outputs if alone else getattr(outputs, name)
        np.testing.assert_allclose(value.numpy(), their, rtol=1e-7, atol=1e-9, err_msg=name)


# --- against itself ------------------------------------------------------------------------------
def check_probes(spec: Spec, rng: Random) -> None:
    """With probes or without: the same outputs, gradients, statistics and random numbers."""
    made, graph = elaborated(spec.text())
    inputs = random_inputs(graph, spec.sizes, seed=3)
    for training in (True, False):
        runs = []
        for probes in (False, True):
            network = live(torch_source(made, graph, probes=probes).text).train(training)
            randomise(network, seed=4)
            runs.append(_run(network, inputs))
        for one, other in zip(*runs, strict=True):
            assert one.shape == other.shape and torch.equal(
                one.nan_to_num(nan=7.0), other.nan_to_num(nan=7.0)
            )


def _run(network: nn.Module, inputs: Mapping[str, Tensor]) -> list[Tensor]:
    torch.manual_seed(5)
    given = {
        name: value.clone().requires_grad_(value.is_floating_point())
        for name, value in inputs.items()
    }
    outputs = network(**given)
    values = [v for v in (outputs if isinstance(outputs, tuple) else (outputs,)) if v is not None]
    loss = sum((value.square().sum() for value in values), torch.zeros((), dtype=torch.float64))
    if loss.requires_grad:
        loss.backward()
    tensors = [*values, torch.get_rng_state(), *network.state_dict().values()]
    gradients = [tensor.grad for tensor in (*given.values(), *network.parameters())]
    tensors += [torch.zeros(()) if gradient is None else gradient for gradient in gradients]
    return [tensor.detach() for tensor in tensors]


def check_memo(spec: Spec, rng: Random) -> None:
    """Elaborating every use anew gives the same nodes, figures, findings and code."""
    text = spec.text()
    found = []
    for memoise in (True, False):
        made, graph = elaborated(text, memoise=memoise)
        flat = flat_graph(graph)
        found.append(
            (
                list(flat.nodes(data=True)),
                list(flat.edges(data=True)),
                [d.message for d in made.collector.diagnostics],
                *(torch_source(made, graph, probes=probes).text for probes in (False, True)),
            )
        )
    assert found[0] == found[1]


def check_format(spec: Spec, rng: Random) -> None:
    """Printing and parsing again gives the same tree, and printing again the same text."""
    text = spec.text()
    once = format_source(Source("test.net", text))
    assert format_source(Source("test.net", once)) == once
    trees = []
    for form in (text, once):
        collector = Collector()
        trees.append(parse(Source("test.net", form), collector))
        collector.raise_errors()
    assert trees[0] == trees[1]
    assert _code(text) == _code(once)


def _code(text: str) -> str:
    """The emitted file without its head, which has the text's hash."""
    made, graph = elaborated(text)
    return torch_source(made, graph).text.split('"""', 2)[2]


def check_sizes(spec: Spec, rng: Random) -> None:
    """Symbolic shapes and costs at random sizes are those of the network with the sizes fixed."""
    sizes = larger(spec, rng)
    _, symbolic = elaborated(spec.text())
    _, fixed = elaborated(spec.text(sizes))
    ours, theirs = _shapes(symbolic, sizes), _shapes(fixed, {})
    assert ours == theirs
    assert _figures(symbolic, sizes) == _figures(fixed, {})


def _shapes(graph: Graph, sizes: Mapping[str, int]) -> dict[str, Any]:
    flat = flat_graph(graph)
    return {
        path: tuple(tuple(evaluate(n, sizes) for n in shape) for shape in data["output_shape"])
        for path, data in flat.nodes(data=True)
    }


def _figures(graph: Graph, sizes: Mapping[str, int]) -> tuple[Any, ...]:
    costs = count_costs(graph).main
    flops = {name: evaluate(count, sizes) for name, count in costs.total.flops.items()}
    return costs.total.params, evaluate(costs.total.macs, sizes), flops


CHECKS = {
    "torch": check_against_torch,
    "outputs": check_outputs,
    "probes": check_probes,
    "memo": check_memo,
    "format": check_format,
    "sizes": check_sizes,
}
