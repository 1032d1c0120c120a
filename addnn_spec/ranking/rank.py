"""Algorithm 2: pre-trained networks ranked by the index of their features on one's own data."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from addnn_spec.diagnostics import Diagnostic, DiagnosticError
from addnn_spec.network import load
from addnn_spec.probes.nodes import graph_nodes
from addnn_spec.probes.run import Request, run_probe
from addnn_spec.ranking.feature_node import feature_node
from addnn_spec.ranking.models import Model
from addnn_spec.ranking.subset import Subset, greedy_subset
from addnn_spec.report.verdicts import Difference, paired
from addnn_spec.runtime.measuring import Rows
from addnn_spec.runtime.record import IndexRecord, RunRecord, Split
from addnn_spec.sizes import symbols


@dataclass(frozen=True)
class Ranked:
    """A model's features on the data. Models of one `place` do not differ by more than error."""

    model: Model
    node: str
    run: RunRecord
    subset: Subset | None = None
    place: int = 0

    def on(self, split: Split) -> IndexRecord | None:
        """The indices of the features on a split."""
        return self.run.node(self.node).on(split)


def rank_models(
    models: Sequence[Model],
    train: Any,
    test: Any,
    request: Request,
    *,
    subset: int = 0,
    tell: Callable[[Ranked], None] = lambda ranked: None,
) -> list[Ranked]:
    """The models, best first, by the index of order 1 on train. `request`'s preparation is each
    model's own. `subset` is the most features to choose greedily, 0 for none; they are chosen on
    train, and scored on test.

    Raises `DiagnosticError` as `probe` does, and E0612 for a subset without test data.
    """
    found = []
    for model in models:
        found.append(_measured(model, train, test, request, subset))
        tell(found[-1])
    if len({ranked.run.data.train.sha256 for ranked in found}) > 1:
        message = "the models were not given the same samples"
        raise DiagnosticError(Diagnostic("E0613", message))
    return placed(found)


def placed(found: Sequence[Ranked]) -> list[Ranked]:
    """Sorted by the index on train; a model shares the place of the first one there whose paired
    difference from it, on the same samples, is within two standard errors."""
    ordered = sorted(found, key=lambda ranked: -_train(ranked).value)
    leader = 0
    result: list[Ranked] = []
    for number, ranked in enumerate(ordered):
        if number and behind(ordered[leader], ranked).word != "no change measured":
            leader = number
        result.append(replace(ranked, place=leader + 1))
    return result


def behind(first: Ranked, second: Ranked) -> Difference:
    """The paired difference, second minus first, on train."""
    return paired(_train(first).samples(), _train(second).samples())


def _train(ranked: Ranked) -> IndexRecord:
    found = ranked.on("train")
    if found is None:
        notes = tuple(ranked.run.notes)
        message = f"{ranked.model.title} has no index at {ranked.node}"
        raise DiagnosticError(Diagnostic("E0614", message, notes=notes))
    return found


def _measured(model: Model, train: Any, test: Any, request: Request, limit: int) -> Ranked:
    network = load(model.net, model.network)
    node = model.node
    if node is None:
        sizes = {
            symbol.name: 1
            for id in network.graph.inputs
            for size in network.graph.node(id).outputs[0].shape
            for symbol in symbols(size)
        }
        node = feature_node(network.graph, graph_nodes(network.graph, sizes)).label
    chosen: list[Subset] = []

    def choose(rows: Rows) -> float:
        if rows.test is None:
            message = "a subset is chosen on train and scored on test: give --test"
            raise DiagnosticError(Diagnostic("E0612", message))
        chosen.append(greedy_subset(rows, limit))
        return chosen[-1].chosen[chosen[-1].best - 1]

    settings = replace(request.settings, order=2, measures={"subset": choose} if limit else {})
    asked = replace(
        request, nodes=(node,), preparation=model.preparation, settings=settings, output=None
    )
    run = run_probe(network, train, test, model.weights, asked).record
    return Ranked(model, node, run, chosen[0] if chosen else None)


def intervals(index: IndexRecord) -> dict[str, tuple[float, float]]:
    """Each value with its standard error, as the standard deviation (ddof 1) over the root of m.

    The mean of m hits p has √(p(1 − p)/(m − 1)); a soft index of order 2 takes 0, ½ and 1, their
    shares known from the hard and the anti index. Values whose terms are not known have NaN.
    """
    found = {name: (value, math.nan) for name, value in index.values.items()}
    first = next(iter(found))
    found[first] = (index.value, index.standard_error)
    if index.index == "separation":
        for name, (p, _) in found.items():
            if not name.startswith("soft"):
                found[name] = (p, math.sqrt(max(p * (1 - p), 0.0) / (index.m - 1)))
        if {"hard2", "soft2", "anti2"} <= found.keys():
            soft, hard, anti = (found[name][0] for name in ("soft2", "hard2", "anti2"))
            square = hard + (1 - hard - anti) / 4
            error = math.sqrt(max(square - soft * soft, 0.0) / (index.m - 1))
            found["soft2"] = (soft, error)
    return found
