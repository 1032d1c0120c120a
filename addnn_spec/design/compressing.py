"""Compression: cut, narrow, fit, judge."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from addnn_spec.design.budget import narrowed_counts, tied_counts
from addnn_spec.design.choosing import By, channel_values, choose, greedy_channels
from addnn_spec.design.cut_point import NOTHING, Index, find_cut
from addnn_spec.design.plan import Plan
from addnn_spec.design.record import Comparison, DesignRecord, Score, Size
from addnn_spec.design.refit import Fitted, layers_of, refit
from addnn_spec.design.sample_parts import Part, Parts, check_output, check_runs, read_parts
from addnn_spec.design.training import (
    Progress,
    Recipe,
    Tell,
    hits,
    pass_seconds,
    predict,
    recalibrate,
    silent,
    told_time,
    train,
    untold,
)
from addnn_spec.runtime.settings import Preparation, Task

Controls = Literal["none", "random", "all"]
_HEAD_EPOCHS, _HEAD_STEPS, _HEAD_BATCH = 5, 1000, 64
_FITTED = 2000
"""Layers are fitted to so many samples, and norms take their statistics from them."""
_PEAK = 64
"""The rule of the peak looks at so many channels of a class at most."""


@dataclass(frozen=True)
class Aim:
    """The goal of a compression. At most one of `widths`, `params` and `macs` is given."""

    cut: str = "none"
    head: str = "linear"
    widths: float | Literal["peak"] | None = None
    params: float | None = None
    macs: float | None = None
    by: By = "bn"
    refit: bool = True
    keep_form: bool = False
    """Classes that the text ties keep one share of their channels: its loops stay."""
    margin: float = 0.005
    controls: Controls = "all"
    recipe: Recipe = field(default_factory=lambda: Recipe(epochs=0))
    original_epochs: int = 8

    @property
    def narrows(self) -> bool:
        return any(one is not None for one in (self.widths, self.params, self.macs))


@dataclass(frozen=True)
class Compressed:
    """A plan with its trained module, and the record."""

    plan: Plan
    module: nn.Module
    record: DesignRecord
    parts: Parts


def compress(
    plan: Plan,
    weights: Any,
    data: Any,
    test: Any = None,
    *,
    aim: Aim,
    keys: Any = None,
    task: Task | None = None,
    preparation: Preparation | None = None,
    progress: Progress = silent,
    tell: Tell = untold,
) -> Compressed:
    """Compress a trained network, and measure what that did.

    `tell` gets the time that it will take, before the start. What is stopped while it is trained
    on or while controls run is returned as it then is, with a note.

    Raises `DiagnosticError`: E0620 for what cannot be designed, E0612 and E0617 for data that do
    not fit.
    """
    recipe = aim.recipe
    parts = read_parts(plan.graph, data, test, seed=recipe.seed, task=task, preparation=preparation)
    check_output(plan.graph, parts)
    module = plan.network.build(weights, keys=keys).eval()
    check_runs(module, parts, recipe.device)
    job = _Job(plan, module, parts, aim, progress)
    tell(told_time(job.seconds_to_come()))
    at, index = None if aim.cut == "none" else aim.cut, NOTHING
    if aim.cut == "auto":
        at, index = find_cut(
            plan,
            weights,
            parts,
            keys=keys,
            seed=recipe.seed,
            device=recipe.device,
            progress=progress,
        )
        if at is None:
            job.notes.append("the index settles at no node that can be cut behind: nothing is cut")
    if at is not None:
        job.cut(at)
    if aim.narrows:
        job.narrow()
    try:
        job.tune()
        job.controls()
    except KeyboardInterrupt:
        job.notes.append("stopped early: what was to come is left out")
    named = Path(weights).name if isinstance(weights, str | Path) else None
    return job.done(named, at, index)


class _Job:
    def __init__(
        self, plan: Plan, module: nn.Module, parts: Parts, aim: Aim, progress: Progress
    ) -> None:
        self.first = self.plan = plan
        self.module = module
        self.parts = parts
        self.aim = aim
        self.recipe = aim.recipe
        self.progress = progress
        self.scores: list[Score] = []
        self.counts: dict[int, int] = {}
        self.classes: dict[str, tuple[int, int]] = {}
        self.fitted: list[Fitted] = []
        self.recipes: dict[str, dict[str, float | int | str]] = {}
        self.seconds: dict[str, float] = {}
        self.comparisons: list[Comparison] = []
        self.original = self._hits(module)
        self._score("original", self.original)
        self.notes: list[str] = []

    # --------------------------------------------------------------------------------------- edits

    def cut(self, path: str) -> None:
        start = time.process_time()
        classes = len(self.parts.classes) or int(self.parts.judge.y.shape[1])
        plan = self.plan.cut(path, self.aim.head, classes)
        module = plan.network.build()
        state = plan.apply(self.module.state_dict())
        module.load_state_dict(state, strict=False)
        recipe = head_recipe(self.parts, self.recipe)
        train_head(module, set(state), self.parts, recipe, self.progress)
        self.recipes["head"] = asdict(recipe)
        self.plan, self.module = plan, module
        self.seconds["cut"] = time.process_time() - start
        self._score("after the cut", self._hits(module))

    def narrow(self) -> None:
        start = time.process_time()
        part = self.parts.fit.first(_FITTED)
        if self.aim.widths == "peak":
            keep = self._peaks()
        else:
            aim = self.aim
            ratio = aim.widths if isinstance(aim.widths, float) else None
            self.counts = narrowed_counts(self.plan, ratio, aim.params, aim.macs)
            chosen = self.parts.fit
            keep = choose(
                self.plan,
                self.counts,
                self.aim.by,
                self.module,
                chosen.x,
                chosen.y,
                self.recipe.seed,
            )
        self.counts = {number: len(rows) for number, rows in keep.items()}
        before = self.plan.widths.classes
        self.classes = {before[n].name: (before[n].size, k) for n, k in self.counts.items()}
        self.wide, self.wide_module = self.plan, self.module
        self.plan, self.module, self.fitted = self._narrowed(keep, part, scored=True)
        self.seconds["narrow"] = time.process_time() - start

    def _peaks(self) -> dict[int, list[int]]:
        """Return the channels up to the peak of the index, greedily: the course's rule."""
        orders: dict[int, list[int]] = {}
        counts: dict[int, int] = {}
        chosen = self.parts.fit.first(500)
        for one in self.plan.widths.classes:
            if one.frozen or not one.readers:
                continue
            values = channel_values(self.plan, one, self.module, chosen.x)
            order, reached = greedy_channels(values, chosen.y, min(one.size, _PEAK))
            orders[one.number] = order
            counts[one.number] = 1 + reached.index(max(reached))
        if self.aim.keep_form:
            counts = tied_counts(self.plan, counts)
        return {number: sorted(orders[number][:count]) for number, count in counts.items()}

    def _narrowed(
        self, keep: Mapping[int, list[int]], part: Part, *, scored: bool = False
    ) -> tuple[Plan, nn.Module, list[Fitted]]:
        plan = self.wide.narrow(keep)
        module = plan.network.build()
        old = self.wide_module.state_dict()
        # The last edit alone: what comes before it is in these weights already.
        state = replace(plan, slices=plan.slices[-1:]).apply(old)
        module.load_state_dict(state)
        device = self.recipe.device
        fitted: list[Fitted] = []
        if scored:
            self._score("as cut out", self._hits(module))
        if self.aim.refit:
            layers = layers_of(self.wide, plan)
            fitted = refit(self.wide_module, module, layers, part.x, self.progress, device=device)
        # The statistics are those of the wide network's values, which no longer flow.
        recalibrate(module, part.x, device)
        if scored:
            self._score("fitted" if self.aim.refit else "norms taken anew", self._hits(module))
        return plan, module, fitted

    def tune(self) -> None:
        """Train the network further, if asked for, and keep the version that does better on the
        choosing samples."""
        if not self.recipe.epochs:
            return
        start = time.process_time()
        kept = {key: value.clone() for key, value in self.module.state_dict().items()}
        before = self._chosen(self.module)
        fit, task = self.parts.fit, self.parts.task
        try:
            train(self.module, fit.x, fit.y, task, self.recipe, self.progress, what="fine-tuning")
        finally:  # stopped, it is as good as it is
            self.recipes["fine-tuning"] = asdict(self.recipe)
            # On samples that neither trained nor judge, so that neither keeps a worse network.
            if self._chosen(self.module) < before:
                self.module.load_state_dict(kept)
            self._score("fine-tuned", self._hits(self.module))
            self.seconds["fine-tuning"] = time.process_time() - start

    # ------------------------------------------------------------------------------------- judging

    def controls(self) -> None:
        if self.aim.controls == "none":
            return
        if self.counts:
            start = time.process_time()
            seed = self.recipe.seed + 1
            nothing = self.parts.fit.first(2)
            args = (self.wide_module, nothing.x, nothing.y, seed)
            keep = choose(self.wide, self.counts, "random", *args)
            _, module, _ = self._narrowed(keep, self.parts.fit.first(_FITTED))
            if self.recipe.epochs:
                fit, task = self.parts.fit, self.parts.task
                train(module, fit.x, fit.y, task, self.recipe, self.progress, what="control")
            self._control("random channels, the same widths", module)
            self.seconds["random control"] = time.process_time() - start
        if self.aim.controls == "all":
            start = time.process_time()
            # Fresh weights by the seed, without touching the caller's random state.
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(self.recipe.seed)
                module = self.plan.network.build()
            recipe = replace(self.recipe, epochs=self.aim.original_epochs)
            self.recipes["from scratch"] = asdict(recipe)
            fit, task = self.parts.fit, self.parts.task
            train(module, fit.x, fit.y, task, recipe, self.progress, what="from scratch")
            self._control(f"the same spec from scratch, {recipe.epochs} epochs", module)
            self.seconds["scratch control"] = time.process_time() - start

    def _control(self, name: str, module: nn.Module) -> None:
        found = self._hits(module)
        self._score(name, found)
        self._compare(name, self.original, found)

    def _hits(self, module: nn.Module) -> Tensor:
        judge = self.parts.judge
        return hits(predict(module, judge.x, self.recipe.device), judge.y, self.parts.task)

    def _chosen(self, module: nn.Module) -> float:
        part = self.parts.choose
        made = predict(module, part.x, self.recipe.device)
        return float(hits(made, part.y, self.parts.task).mean())

    def _score(self, name: str, found: Tensor) -> None:
        self.scores.append(score_of(name, found))

    def _compare(self, name: str, before: Tensor, after: Tensor) -> None:
        self.comparisons.append(compared(name, before, after, self.aim.margin))

    def seconds_to_come(self) -> dict[str, float]:
        """Return about how long each part will take, by a pass of the original network."""
        aim, count = self.aim, len(self.parts.fit)
        one = pass_seconds(self.module, self.parts.fit.x, self.recipe.device)
        learning = 3 * one * count  # an epoch: forward, and twice as much backward
        layers = len(self.plan.widths.rules) if aim.narrows and aim.refit else 0
        fitting = layers * one * min(_FITTED, count)  # two passes, each half of the network
        found = {"passes": 3 * one * (count + len(self.parts.judge))}
        if aim.cut == "auto":
            found["the index"] = 4 * one * count
        if aim.narrows:
            found["fitting"] = fitting
        if self.recipe.epochs:
            found["fine-tuning"] = self.recipe.epochs * learning
        if aim.controls != "none" and aim.narrows:
            found["the random control"] = fitting + self.recipe.epochs * learning
        if aim.controls == "all":
            found["the control from scratch"] = aim.original_epochs * learning
        return found

    def done(self, weights: str | None, cut: str | None, index: Index) -> Compressed:
        parts = self.parts
        first = compared("this network", self.original, self._hits(self.module), self.aim.margin)
        record = DesignRecord(
            network=self.first.graph.name,
            source=self.first.network.session.source.name,
            weights=weights,
            data=parts.names,
            task=parts.task,
            samples={"fit": len(parts.fit), "choose": len(parts.choose), "judge": len(parts.judge)},
            seed=self.recipe.seed,
            cut=cut,
            by=self.aim.by if self.counts else "none",
            widths=self.classes,
            margin=self.aim.margin,
            before=size_of(self.first),
            after=size_of(self.plan),
            scores=tuple(self.scores),
            comparisons=(first, *self.comparisons),
            index=index,
            fitted=tuple((one.path, one.before, one.after) for one in self.fitted),
            recipes=self.recipes,
            notes=(*self.notes, *dict.fromkeys(self.plan.notes)),
            seconds={name: round(value, 1) for name, value in self.seconds.items()},
        )
        return Compressed(self.plan, self.module.to("cpu").eval(), record, parts)


def score_of(name: str, found: Tensor) -> Score:
    """Return the mean of the samples' scores, with its standard error."""
    error = float(found.std(correction=0)) / math.sqrt(len(found))
    return Score(name=name, value=float(found.mean()), error=error)


def compared(name: str, before: Tensor, after: Tensor, margin: float) -> Comparison:
    """Return whether a network is no worse than another by more than a margin: a paired test at two
    standard errors."""
    each = (after - before).double()
    value = float(each.mean())
    error = float(each.std(correction=0)) / math.sqrt(len(each))
    no_worse, worse = value - 2 * error >= -margin, value + 2 * error < -margin
    return Comparison(
        name=name,
        difference=value,
        error=error,
        verdict="no worse" if no_worse else "worse" if worse else "not shown",
        least_margin=max(0.0, 2 * error - value),
    )


def size_of(plan: Plan) -> Size:
    """Return a network's figures at the default sizes."""
    found = plan.network.summary()
    return Size(params=found.total.params, macs=int(found.total.macs), memory=found.memory.peak)


def head_recipe(parts: Parts, recipe: Recipe) -> Recipe:
    """Return how a new head is trained: Adam, 5 epochs or 1,000 steps, whichever is more."""
    steps = -(-len(parts.fit) // _HEAD_BATCH)
    epochs = max(_HEAD_EPOCHS, -(-_HEAD_STEPS // steps))
    return replace(
        recipe, epochs=epochs, batch=_HEAD_BATCH, optimizer="adam", lr=1e-3, augment="none"
    )


def train_head(
    module: nn.Module,
    kept: set[str],
    parts: Parts,
    recipe: Recipe,
    progress: Progress,
) -> None:
    """Train the new head alone; the other layers stay as they are, their norms in evaluation mode.

    A linear layer with a bias learns from values less their mean, at unit variance, and has that in
    its weights and biases in the end: local losses are blind to scale, and leave any.
    """
    # What stays gives the same in each epoch: it is computed once, and the head learns from that.
    features: list[Tensor] = []
    new = [name for name, _ in module.named_parameters() if name not in kept]
    first = module.get_submodule(new[0].rpartition(".")[0])

    def note(_: nn.Module, given: tuple[Tensor, ...]) -> None:
        features.append(given[0].cpu())

    handle = first.register_forward_pre_hook(note)
    predict(module, parts.fit.x, recipe.device)
    handle.remove()
    layers = [
        module.get_submodule(name) for name in dict.fromkeys(n.rpartition(".")[0] for n in new)
    ]
    chain: list[nn.Module] = []
    for layer in layers:
        chain += [nn.ReLU(), layer] if chain else [layer]
    given = torch.cat(features)
    linear = first if isinstance(first, nn.Linear) and first.bias is not None else None
    mean = given.mean(0)
    scale = (given - mean).square().mean().sqrt().clamp_min(1e-12)
    if linear is not None:
        given = (given - mean) / scale
    train(
        nn.Sequential(*chain),
        given,
        parts.fit.y,
        parts.task,
        recipe,
        progress,
        what="head",
    )
    if linear is not None:
        with torch.no_grad():
            # W((x - mean)/scale) + b is (W/scale)x + b - (W/scale)mean: the layer then takes x
            # itself.
            linear.to("cpu").weight.div_(scale)
            linear.bias.sub_(linear.weight @ mean)
