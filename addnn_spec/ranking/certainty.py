"""Which test samples' nearest-neighbour prediction an error up to γ cannot change."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from addnn_spec.diagnostics import Diagnostic, DiagnosticError
from addnn_spec.indices import Guarantee, guarantee, neighbours
from addnn_spec.network import Network
from addnn_spec.probes.nodes import graph_nodes
from addnn_spec.probes.run import Request, run_probe
from addnn_spec.ranking.feature_node import output_node
from addnn_spec.runtime.measuring import Measure, Rows
from addnn_spec.runtime.record import RunRecord
from addnn_spec.sizes import symbols


@dataclass(frozen=True)
class Certainty:
    """What can be guaranteed at a node.

    Attributes:
        node: where distances are taken, in whose units γ is.
        guarantee: for each test sample.
        predicted: the class of each test sample's nearest training sample, (n,) codes.
        right: the share of these that are the label: cross-SI.
        agreement: the share that the network's own prediction agrees with; None where its output
            is not one value a class.
    """

    node: str
    guarantee: Guarantee
    predicted: Tensor
    right: float
    agreement: float | None
    run: RunRecord


def certainty(
    network: Network,
    train: Any,
    test: Any,
    weights: Any,
    request: Request,
    gamma: float,
    at: str | None = None,
) -> Certainty:
    """The guarantee at a node, the network's input unless `at` says another.

    Raises `DiagnosticError` as `probe` does; E0612 for targets, or without test data.
    """
    nodes = graph_nodes(network.graph, dict.fromkeys(_symbols(network), 1))
    inputs = [node.label for node in nodes if node.kind == "input"]
    if at is None and len(inputs) != 1:
        message = f"{network.name} has {len(inputs)} inputs"
        raise DiagnosticError(Diagnostic("E0607", message, help="choose a node: --at"))
    node = at or inputs[0]
    rows, run = _rows(network, train, test, weights, request, node)
    if run.data.task != "classification" or rows.test is None or rows.test_labels is None:
        message = "a guarantee needs classes, and test data"
        raise DiagnosticError(Diagnostic("E0612", message))
    try:
        found = guarantee(rows.train, rows.labels, gamma, rows.test)
        nearest = neighbours(rows.test, 1, references=rows.train).indices[:, 0]
    except ValueError as error:
        raise DiagnosticError(Diagnostic("E0614", f"{node}: {error}")) from error
    predicted = rows.labels[nearest.cpu()]
    last = output_node(network.graph, nodes).label
    outputs, _ = _rows(network, train, test, weights, request, last)
    answers = network_classes(outputs.test, run.data.classes)
    agreement = None if answers is None else float((answers == predicted).double().mean())
    right = float((predicted == rows.test_labels).double().mean())
    return Certainty(node, found, predicted, right, agreement, run)


def network_classes(outputs: Tensor | None, classes: Sequence[str]) -> Tensor | None:
    """The codes (n,) of the classes that outputs (n, c) are highest for; None where they are not
    one a class. Whole-numbered classes are the outputs' numbers; others stand in their order. An
    output that is no class of the data's has the code −1."""
    if outputs is None or outputs.ndim != 2 or outputs.shape[1] < len(classes):
        return None
    highest = outputs.argmax(dim=1).cpu()
    if all(name.isdecimal() for name in classes):
        codes = {int(name): code for code, name in enumerate(classes)}
        return torch.tensor([codes.get(int(answer), -1) for answer in highest])
    return highest if outputs.shape[1] == len(classes) else None


def _symbols(network: Network) -> set[str]:
    graph = network.graph
    shapes = [graph.node(id).outputs[0].shape for id in graph.inputs]
    return {symbol.name for shape in shapes for size in shape for symbol in symbols(size)}


def _rows(
    network: Network, train: Any, test: Any, weights: Any, request: Request, node: str
) -> tuple[Rows, RunRecord]:
    """The values of one node on train and test, held whole."""
    held: list[Rows] = []

    def keep(rows: Rows) -> float:
        held.append(rows)
        return 0.0

    measures: dict[str, Measure] = {"rows": keep}
    settings = replace(request.settings, order=1, measures=measures)
    asked = replace(request, nodes=(node,), settings=settings, output=None)
    run = run_probe(network, train, test, weights, asked).record
    if len(held) != 1:
        message = f"{node} has no values that can be held: choose one node, or a larger --budget"
        raise DiagnosticError(Diagnostic("E0614", message, notes=run.notes))
    return held[0], run
