"""Fusion: the pair of nodes whose values together separate best, and one head behind both."""

from __future__ import annotations

import math
import time
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from itertools import product
from typing import Any, Literal

import torch
from pydantic import BaseModel, ConfigDict
from torch import Tensor, nn
from torch.nn.functional import one_hot

from addnn_spec.design.compressing import compared, head_recipe, score_of, size_of, train_head
from addnn_spec.design.cuts import Cut, cut_at
from addnn_spec.design.fusion import PARTS, Fusion, fused, places
from addnn_spec.design.node_values import distances, near_scores, values_at
from addnn_spec.design.plan import Plan
from addnn_spec.design.record import Comparison, Score, Size
from addnn_spec.design.sample_parts import Part, Parts, check_output, check_runs, read_parts
from addnn_spec.design.training import (
    Progress,
    Recipe,
    Tell,
    hits,
    pass_seconds,
    predict,
    silent,
    told_time,
    untold,
)
from addnn_spec.diagnostics import Refusal
from addnn_spec.passes.memory import at
from addnn_spec.runtime.settings import Preparation, Task

_RIDGE = 1e-2
_INDEXED = 1000
"""The cross-index looks for neighbours among so many fitting samples."""


class Pair(BaseModel):
    """Two nodes, and the cross-index of what they give together, with one standard error."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    a: str
    b: str
    cross: float
    error: float
    macs: int
    ties: bool
    """No difference from the best pair is measured, nor from the best linear head of those."""


class FusionRecord(BaseModel):
    """`fused.design.json`, schema version 1."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    schema_version: Literal[1] = 1
    networks: tuple[str, str]
    sources: tuple[str, str]
    data: tuple[str, ...]
    task: Literal["classification", "regression"]
    samples: dict[str, int]
    seed: int
    nodes: tuple[str, str]
    scales: tuple[float, float]
    """What each part's values are multiplied by: 1 over the root of their total variance."""
    pairs: tuple[Pair, ...]
    """All that were looked at, the best index first."""
    margin: float
    before: tuple[Size, Size]
    after: Size
    scores: tuple[Score, ...]
    comparisons: tuple[Comparison, ...]
    """Against the ensemble."""
    recipes: dict[str, dict[str, float | int | str]]
    seconds: dict[str, float]


@dataclass(frozen=True)
class Fusing:
    """How two networks are fused. `nodes` are one of each, or None: the index chooses."""

    nodes: tuple[str, str] | None = None
    head: str = "linear"
    margin: float = 0.005
    control: bool = True
    recipe: Recipe = field(default_factory=Recipe)


@dataclass(frozen=True)
class Fused:
    """A fusion with its trained module, and the record."""

    fusion: Fusion
    module: nn.Module
    record: FusionRecord


def fuse(
    plans: tuple[Plan, Plan],
    weights: tuple[Any, Any],
    data: Any,
    test: Any = None,
    *,
    how: Fusing,
    keys: Any = None,
    task: Task | None = None,
    preparation: Preparation | None = None,
    progress: Progress = silent,
    tell: Tell = untold,
) -> Fused:
    """Fuse two trained networks, and measure what that gives.

    `tell` gets the time that it will take, before the start. Stopped while the control runs, it is
    returned without it.

    Raises `DiagnosticError`: E0620 for what cannot be fused, E0612 for data that do not fit.
    """
    recipe, graph = how.recipe, plans[0].graph
    nodes = how.nodes or (places(plans[0])[-1:] + places(plans[1])[-1:])
    if len(nodes) != 2:
        name = next(plan.graph.name for plan in plans if not places(plan))
        raise Refusal("E0620", f"{name} has no node of its first level to be fused at")
    fused(*plans, (nodes[0], nodes[1]), head=how.head)  # refused before anything runs
    parts = read_parts(graph, data, test, seed=recipe.seed, task=task, preparation=preparation)
    for plan in plans:
        check_output(plan.graph, parts)
    modules = [
        plan.network.build(state, keys=keys, probes=True).eval()
        for plan, state in zip(plans, weights, strict=True)
    ]
    for module in modules:
        check_runs(module, parts, recipe.device)
    count = len(parts.fit) + len(parts.judge) + 2 * _INDEXED
    tell(
        told_time(
            {
                f"passes of {part}": 2 * count * pass_seconds(module, parts.fit.x, recipe.device)
                for part, module in zip(PARTS, modules, strict=True)
            }
        )
    )
    return _Job(plans, modules, parts, how, progress).run()


@dataclass(frozen=True, slots=True)
class _Place:
    """A node that a part may end with, and the distances between samples there, over the total
    variance."""

    cut: Cut
    apart: Tensor
    """Of choosing samples from fitting ones."""
    products: tuple[Tensor, Tensor]
    """Of fitting samples with one another, and of choosing samples with them, about the mean."""
    scale: float
    macs: int


class _Job:
    def __init__(
        self,
        plans: tuple[Plan, Plan],
        modules: list[nn.Module],
        parts: Parts,
        how: Fusing,
        progress: Progress,
    ) -> None:
        self.plans = plans
        self.modules = modules
        self.parts = parts
        self.how = how
        self.progress = progress
        self.seconds: dict[str, float] = {}
        self.recipe = head_recipe(parts, how.recipe)

    def run(self) -> Fused:
        start = time.process_time()
        sides = [self._side(side) for side in range(2)]
        pairs, chosen = self._pairs(sides)
        self.seconds["index"] = round(time.process_time() - start, 1)
        fusion, module = self._made(chosen)
        scores, found = [], self._hits(predict(module, self.parts.judge.x, self.recipe.device))
        outputs = [predict(one, self.parts.judge.x, self.recipe.device) for one in self.modules]
        if self.parts.task == "classification":
            outputs = [one.softmax(1) for one in outputs]
        for part, output in zip(PARTS, outputs, strict=True):
            scores.append(score_of(f"{part} alone", self._hits(output)))
        ensemble = self._hits((outputs[0] + outputs[1]) / 2)
        mean = "probabilities" if self.parts.task == "classification" else "outputs"
        scores += [score_of(f"mean of {mean}", ensemble), score_of("fused", found)]
        comparisons = [compared("fused", ensemble, found, self.how.margin)]
        if self.how.control and self.how.nodes is None and len(pairs) > 1:
            with suppress(KeyboardInterrupt):
                random = self._hits(self._random(sides))
                scores.append(score_of("a pair at random", random))
                comparisons.append(compared("a pair at random", ensemble, random, self.how.margin))
        record = self._record(fusion, chosen, pairs, scores, comparisons)
        return Fused(fusion, module.to("cpu").eval(), record)

    def _record(
        self,
        fusion: Fusion,
        chosen: tuple[_Place, _Place],
        pairs: list[Pair],
        scores: list[Score],
        comparisons: list[Comparison],
    ) -> FusionRecord:
        parts, (a, b) = self.parts, self.plans
        return FusionRecord(
            networks=(a.graph.name, b.graph.name),
            sources=(a.network.session.source.name, b.network.session.source.name),
            data=parts.names,
            task=parts.task,
            samples={"fit": len(parts.fit), "choose": len(parts.choose), "judge": len(parts.judge)},
            seed=self.recipe.seed,
            nodes=(chosen[0].cut.path, chosen[1].cut.path),
            scales=(chosen[0].scale, chosen[1].scale),
            pairs=tuple(pairs),
            margin=self.how.margin,
            before=(size_of(a), size_of(b)),
            after=size_of(fusion.plan),
            scores=tuple(scores),
            comparisons=tuple(comparisons),
            recipes={"head": asdict(self.recipe)},
            seconds=self.seconds,
        )

    def _side(self, side: int) -> list[_Place]:
        """Return the nodes of one network that are looked at."""
        plan = self.plans[side]
        names = places(plan) if self.how.nodes is None else [self.how.nodes[side]]
        cuts = [cut_at(plan.graph, plan.widths, name) for name in names]
        readings = {cut.item.path: cut.reading for cut in cuts}
        fit, choose = self.parts.fit.first(_INDEXED), self.parts.choose
        device = self.recipe.device
        own, other = (values_at(self.modules[side], readings, x, device) for x in (fit.x, choose.x))
        found = []
        for path, cut in zip(readings, cuts, strict=True):
            total = float(own[path].double().var(dim=0, correction=0).sum())
            # Neither part outweighs the other by the size of its values.
            scale = 1 / math.sqrt(total) if total > 0 else 1.0
            apart = (distances(other[path], own[path]) * scale).square()
            mean = own[path].mean(dim=0)
            near, asked = ((x[path] - mean).double() * scale for x in (own, other))
            products = near @ near.T, asked @ near.T
            found.append(_Place(cut, apart, products, scale, _macs(cut, plan)))
            self.progress(len(found) / len(cuts), f"distances of {PARTS[side]}")
        return found

    def _pairs(self, sides: list[list[_Place]]) -> tuple[list[Pair], tuple[_Place, _Place]]:
        """Return all pairs in the order of their index, and the cheapest of those that tie with the
        best: by the index, and then by the score of a linear head."""
        fit, choose = self.parts.fit.first(_INDEXED), self.parts.choose
        rows = []
        for a, b in product(*sides):
            # Squared distances of joined values are the sum of the parts': no pair is ever run
            # together.
            found = near_scores(a.apart + b.apart, fit, choose)
            rows.append(((a, b), found, a.macs + b.macs))
        tied = _ties([found for _, found, _ in rows])
        reads = [
            self._read(a, b, fit, choose) if ties else None
            for ((a, b), _, _), ties in zip(rows, tied, strict=True)
        ]
        best = iter(_ties([found for found in reads if found is not None]))
        tied = [ties and next(best) for ties in tied]
        cheapest = min(
            (row for row, ties in zip(rows, tied, strict=True) if ties), key=lambda row: row[2]
        )
        pairs = [
            Pair(
                a=a.cut.path,
                b=b.cut.path,
                cross=float(found.mean()),
                error=_error(found),
                macs=macs,
                ties=ties,
            )
            for ((a, b), found, macs), ties in zip(rows, tied, strict=True)
        ]
        return sorted(pairs, key=lambda pair: -pair.cross), cheapest[0]

    def _read(self, a: _Place, b: _Place, fit: Part, choose: Part) -> Tensor:
        """Return the choosing samples' scores by a linear head in closed form: ridge regression on
        both parts' values, for which inner products are enough."""
        own, other = (x + y for x, y in zip(a.products, b.products, strict=True))
        regresses = self.parts.task == "regression"
        y = fit.y.double() if regresses else one_hot(fit.y, len(self.parts.classes)).double()
        ridge = _RIDGE * own.diagonal().mean().clamp_min(1e-30)
        eye = torch.eye(len(own), dtype=own.dtype)
        # Ridge regression in its dual form: the system is as large as the samples, whatever the
        # values.
        made = y.mean(dim=0) + other @ torch.linalg.solve(own + ridge * eye, y - y.mean(dim=0))
        return hits(made, choose.y, self.parts.task)

    def _made(self, at: tuple[_Place, _Place], what: str = "") -> tuple[Fusion, nn.Module]:
        """Return two networks fused at two nodes, the head trained."""
        start = time.process_time()
        classes = len(self.parts.classes) or int(self.parts.judge.y.shape[1])
        fusion = fused(
            *self.plans,
            (at[0].cut.path, at[1].cut.path),
            scales=(at[0].scale, at[1].scale),
            head=self.how.head,
            classes=classes,
        )
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.recipe.seed)
            module = fusion.plan.network.build()
        state = fusion.apply(*(one.state_dict() for one in self.modules))
        module.load_state_dict(state, strict=False)
        train_head(module, set(state), self.parts, self.recipe, self.progress)
        self.seconds[f"{what}head"] = round(time.process_time() - start, 1)
        return fusion, module

    def _random(self, sides: list[list[_Place]]) -> Tensor:
        generator = torch.Generator().manual_seed(self.recipe.seed + 1)
        a, b = (side[int(torch.randint(len(side), (1,), generator=generator))] for side in sides)
        _, module = self._made((a, b), "random ")
        return predict(module, self.parts.judge.x, self.recipe.device)

    def _hits(self, output: Tensor) -> Tensor:
        return hits(output, self.parts.judge.y, self.parts.task)


def _macs(cut: Cut, plan: Plan) -> int:
    """Return the multiply-accumulates up to a node, at the default sizes."""
    nodes = plan.widths.unfolded.nodes
    applied = (nodes[index].node.applied for index in cut.live)
    return sum(at(one.macs(), None) for one in applied if one is not None)


def _error(each: Tensor) -> float:
    return float(each.std(correction=0)) / math.sqrt(len(each))


def _ties(rows: list[Tensor]) -> list[bool]:
    """Return for each whether it is less than the best by at most two standard errors."""
    best = max(rows, key=lambda row: float(row.mean()))
    return [float((best - row).mean()) <= 2 * _error(best - row) for row in rows]
