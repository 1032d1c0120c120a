"""Forward learning: block after block, each by a local loss on what the one before gives; and depth
by the cross-index.

A block is an element of the network's main chain at its first level with the weightless elements
behind it; of a labelled repeat, a turn. Blocks before the one that learns stand still, in
evaluation. Nothing of the judging samples is seen before the end.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from typing import Literal, get_args

import torch
from pydantic import BaseModel, ConfigDict
from torch import Tensor, nn

from addnn_spec.design.compressing import compared, head_recipe, size_of, train_head
from addnn_spec.design.forward_rules import (
    forward_forward,
    labelled,
    learn_clusters,
    wrong_labels,
)
from addnn_spec.design.kept_values import KeptValues
from addnn_spec.design.node_values import NodeReader, distances, near_scores, pooled
from addnn_spec.design.plan import Plan
from addnn_spec.design.record import Comparison, Size
from addnn_spec.design.refit import value_at
from addnn_spec.design.repeats import turns_of
from addnn_spec.design.sample_parts import Parts, check_output, check_runs, read_parts
from addnn_spec.design.separating import (
    local_triplet,
    similarity,
    soft_separation,
    soft_smoothness,
)
from addnn_spec.design.training import (
    Progress,
    Recipe,
    Tell,
    augmented,
    batches,
    hits,
    loss_of,
    pass_seconds,
    predict,
    recalibrate,
    silent,
    told_time,
    train,
    untold,
)
from addnn_spec.diagnostics import Refusal
from addnn_spec.graph import Graph, Node, Placeholder
from addnn_spec.passes.state_dict import weights_of
from addnn_spec.passes.unfold import giver_of
from addnn_spec.runtime.settings import Preparation, Task

Local = Literal[
    "soft-si", "triplet", "sim", "pred", "predsim", "smoothness", "forward-forward", "k-means"
]
LOSSES: tuple[Local, ...] = get_args(Local)
_PATIENCE = 2
"""So many turns in a row may fail to raise the cross-index before a repeat ends."""
_INDEXED = 1000
"""The cross-index looks for neighbours among so many fitting samples."""


class LearnedStage(BaseModel):
    """A block that has learned: its cross-index, and against the best turn before it."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    block: str
    cross: float
    error: float
    seconds: float


class GrowthRecord(BaseModel):
    """`grown.design.json`, schema version 1."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    schema_version: Literal[1] = 1
    network: str
    source: str
    data: tuple[str, ...]
    task: Literal["classification", "regression"]
    samples: dict[str, int]
    loss: str
    recipe: dict[str, float | int | str]
    turns: dict[str, int]
    """By repeat that could grow: the depth that was found."""
    curve: tuple[LearnedStage, ...]
    size: Size
    accuracy: float
    backprop: float | None
    """Of the grown spec, trained by backpropagation for as many epochs."""
    comparison: Comparison | None
    """What has grown, less backpropagation."""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Growing:
    """How a network is to grow."""

    loss: Local = "soft-si"
    recipe: Recipe = field(default_factory=lambda: Recipe(epochs=4, batch=128))
    max_repeat: Mapping[str, int] = field(default_factory=dict)
    control: bool = True
    margin: float = 0.005


@dataclass(frozen=True)
class Grown:
    """A plan of the depth that was found, its trained module, and the record."""

    plan: Plan
    module: nn.Module
    record: GrowthRecord


@dataclass(frozen=True, slots=True)
class LearningStage:
    """What learns at once: the scopes of its weights, and the node that gives its value."""

    name: str
    scopes: tuple[str, ...]
    gives: str
    repeat: str = ""


def blocks_of(graph: Graph) -> tuple[list[LearningStage], str]:
    """Return a network's blocks in order, and the scope of its head, the last layer with weights.

    Raises `Refusal` (E0620) where the main chain has skips over a block's border.
    """
    chain = _chain(graph)
    weighted = [place for place, node in enumerate(chain) if _weighted(graph, node)]
    if len(weighted) < 2:
        raise Refusal("E0620", f"{graph.name} has no two elements with weights on its main chain")
    found: list[LearningStage] = []
    for place, end in pairwise(weighted):
        node = chain[place]
        rest = [n for n in chain[place + 1 : end] if not n.name.startswith("flatten")]
        last = giver_of((rest or [node])[-1])
        found += _turns(node, last)
    return found, chain[weighted[-1]].name


def _chain(graph: Graph) -> list[Node]:
    nodes = [node for node in graph.nodes() if not node.training]
    inner = [node for node in nodes if not isinstance(node.op, Placeholder)]
    before = next(node.id for node in nodes if isinstance(node.op, Placeholder))
    for node in inner:
        read = {ref.node for ref in node.inputs if ref is not None}
        if read != {before} or len(node.outputs) != 1:
            raise Refusal(
                "E0620",
                f"{node.name} of {graph.name} does not read what stands before it, alone: such a "
                "network does not learn block after block",
                help="put what a skip goes around into one block, or brace with a label",
            )
        before = node.id
    return inner


def _weighted(graph: Graph, node: Node) -> bool:
    return any(key.startswith(f"{node.name}.") for key in weights_of(graph))


def _turns(node: Node, last: str) -> Iterator[LearningStage]:
    inner = node.calls
    if inner is None or inner.kind != "repeat":
        yield LearningStage(node.name, (node.name,), last)
        return
    turns = [n for n in inner.nodes() if not isinstance(n.op, Placeholder)]
    names = [(n, name) for n in turns for name in n.names()]
    for place, (turn, name) in enumerate(names):
        path = f"{node.name}.{name}"
        ends = last if place == len(names) - 1 else giver_of(turn, f"{node.name}.", name)
        yield LearningStage(path, (path,), ends, node.name)


def grow(
    plan: Plan,
    data: object,
    test: object = None,
    *,
    how: Growing,
    task: Task | None = None,
    preparation: Preparation | None = None,
    progress: Progress = silent,
    tell: Tell = untold,
) -> Grown:
    """Train a network block after block, with as many turns as the cross-index asks for.

    `tell` gets the time that it will take, before the start. What is stopped ends behind the last
    block that has learned, with a head of its own.

    Raises `DiagnosticError`: E0620 for what cannot grow, E0612 and E0617 for data that do not fit.
    """
    recipe = how.recipe
    parts = read_parts(plan.graph, data, test, seed=recipe.seed, task=task, preparation=preparation)
    check_output(plan.graph, parts)
    if how.loss == "forward-forward" and (
        parts.task == "regression" or parts.fit.x[0].numel() < len(parts.classes)
    ):
        raise Refusal(
            "E0620", "forward-forward puts labels into samples: it wants classes, and room"
        )
    source = plan
    for path, most in how.max_repeat.items():
        turns_of(plan.graph, path)
        plan = plan.repeated(path, most)
    blocks_of(plan.graph)
    job = _Job(plan, parts, how, progress)
    check_runs(job.module, parts, recipe.device)
    tell(told_time(job.seconds_to_come()))
    try:
        job.run()
    except KeyboardInterrupt:
        job.stop()
    return job.done(source)


class _Job:
    def __init__(self, plan: Plan, parts: Parts, how: Growing, progress: Progress) -> None:
        self.plan = plan
        self.parts = parts
        self.how = how
        self.progress = progress
        self.curve: list[LearnedStage] = []
        self.turns: dict[str, int] = {}
        self.learned: list[LearningStage] = []
        self.notes: list[str] = []
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(how.recipe.seed)
            self.module = plan.network.build(probes=True)
        self.frozen = KeptValues(parts.fit.x, how.recipe.device)

    def run(self) -> None:
        done: set[str] = set()
        best: Tensor | None = None
        best_name, failed, repeat = "", 0, ""
        while True:
            blocks, _ = blocks_of(self.plan.graph)
            block = next((one for one in blocks if one.name not in done), None)
            if block is None:
                return
            found = self._learned(block)
            done.add(block.name)
            self.learned.append(block)
            # Only a repeat that may grow is asked where it stops.
            if block.repeat not in self.how.max_repeat:
                continue
            if block.repeat != repeat:
                best, best_name, failed, repeat = found, block.name, 0, block.repeat
            elif best is not None and _rises(best, found):
                best, best_name, failed = found, block.name, 0
            else:
                failed += 1
            last = block.name == [one for one in blocks if one.repeat == repeat][-1].name
            if failed >= _PATIENCE or last:
                self._end(repeat, 1 + int(best_name.rpartition(".")[2]), done)

    def _end(self, repeat: str, turns: int, done: set[str]) -> None:
        """End a repeat with its best turn; later turns are removed."""
        self.turns[repeat] = turns
        if turns < turns_of(self.plan.graph, repeat)[0]:
            self.plan = self.plan.repeated(repeat, turns)
            state = self.module.state_dict()
            self.module = self.plan.network.build(probes=True)
            self.module.load_state_dict({key: state[key] for key in self.module.state_dict()})
            self.frozen.forget()  # of the last turn
        # The turns that are left have learned, or are gone.
        done |= {
            one.name for one in blocks_of(self.plan.graph)[0] if repeat in (one.repeat, one.name)
        }

    def stop(self) -> None:
        """End behind the last block that has learned. Raises `KeyboardInterrupt` if none has."""
        if not self.learned:
            raise KeyboardInterrupt
        last = self.learned[-1]
        classes = len(self.parts.classes) or int(self.parts.judge.y.shape[1])
        self.plan = self.plan.cut(last.gives, classes=classes)
        self.notes.append(f"stopped early: it ends behind {last.name}")
        state = self.module.state_dict()
        self.module = self.plan.network.build(probes=True)
        own = self.module.state_dict().keys()
        self.module.load_state_dict({k: v for k, v in state.items() if k in own}, strict=False)

    def seconds_to_come(self) -> dict[str, float]:
        """Return about how long each part will take, by a pass of the whole network."""
        recipe, blocks = self.how.recipe, blocks_of(self.plan.graph)[0]
        one = pass_seconds(self.module, self.parts.fit.x, recipe.device) * len(self.parts.fit)
        frozen = [
            place / len(blocks)
            for place, (before, _) in enumerate(pairwise(blocks), 1)
            if self._changes or not self.frozen.fits(self.module, before.gives)
        ]
        passes = 3 + sum(frozen)  # each goes back through itself alone
        found = {"the blocks": passes * one * recipe.epochs}
        if self.how.control:
            found["backpropagation"] = 3 * one * recipe.epochs
        return found

    # -------------------------------------------------------------------------------- one block

    def _learned(self, block: LearningStage) -> Tensor:
        """Train a block; return for each choosing sample whether its nearest fitting sample, at
        the block's value, has its label."""
        start = time.process_time()
        self._train(block)
        fit, chosen = self.parts.fit.first(_INDEXED), self.parts.choose
        own, other = self._values(block, fit.x), self._values(block, chosen.x)
        found = near_scores(distances(other, own), fit, chosen)
        error = float(found.std(correction=0)) / len(found) ** 0.5
        seconds = round(time.process_time() - start, 2)
        self.curve.append(
            LearnedStage(block=block.name, cross=float(found.mean()), error=error, seconds=seconds)
        )
        return found

    def _train(self, block: LearningStage) -> None:
        if self.how.loss == "k-means":
            self._cluster(block)
            return
        recipe, fit = self.how.recipe, self.parts.fit
        device = torch.device(recipe.device)
        self.module.to(device).eval()
        if self._changes:
            self.frozen.forget()
        else:
            self.frozen.move(self.module, self._before(block), block.gives)
        parameters = []
        for name, parameter in self.module.named_parameters():
            learns = any(name.startswith(f"{scope}.") for scope in block.scopes)
            parameter.requires_grad_(learns)
            parameters += [parameter] if learns else []
        for scope in block.scopes:
            self.module.get_submodule(scope).train()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(recipe.seed)
            loss, more = self._loss(block)
            optimizer = recipe.made([*parameters, *more])
            steps = recipe.epochs * max(1, -(-len(fit) // recipe.batch))
            # A small rate at the end, so that the last batches do not decide.
            falling = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, steps)
            generator = torch.Generator().manual_seed(recipe.seed)
            with self.frozen.reader(self.module, block.gives) as read:
                for epoch in range(recipe.epochs):
                    for places in batches(len(fit), recipe.batch, generator):
                        optimizer.zero_grad(set_to_none=True)
                        given = self.frozen.values[places]
                        given = augmented(given, recipe.augment, generator)
                        y = fit.y[places]
                        if self.how.loss == "forward-forward":
                            classes = len(self.parts.classes)
                            other = wrong_labels(y, classes, generator)
                            right = read(labelled(given, y, classes).to(device))
                            wrong = read(labelled(given, other, classes).to(device))
                            found = forward_forward(right, wrong)
                        else:
                            found = loss(pooled(read(given.to(device))), y.to(device))
                        found.backward()  # type: ignore[no-untyped-call]
                        optimizer.step()
                        falling.step()
                    self.progress((epoch + 1) / recipe.epochs, f"learning {block.name}")
        self.module.eval()

    @property
    def _changes(self) -> bool:
        """Return whether the samples differ from epoch to epoch: moved at random, or with another
        label in them."""
        return self.how.recipe.augment != "none" or self.how.loss == "forward-forward"

    def _before(self, block: LearningStage) -> str:
        """Return the node that a block reads from; "" for the first block."""
        blocks, _ = blocks_of(self.plan.graph)
        place = blocks.index(block)
        return blocks[place - 1].gives if place else ""

    def _cluster(self, block: LearningStage) -> None:
        """Let the layers of a block learn by k-means, one after the other, norms in between."""
        device = self.how.recipe.device
        generator = torch.Generator().manual_seed(self.how.recipe.seed)
        x = self.parts.fit.x[:_INDEXED].to(device)
        self.module.to(device).eval()
        layers = [m for scope in block.scopes for m in self.module.get_submodule(scope).modules()]
        for place, layer in enumerate(layers):
            if list(layer.parameters(recurse=False)):
                with torch.no_grad():
                    given = value_at(self.module, layer, x, given=True)
                if learn_clusters(layer, given, generator):
                    recalibrate(self.module, self.parts.fit.x[:_INDEXED], device)
            self.progress((place + 1) / len(layers), f"learning {block.name}")

    def _loss(
        self, block: LearningStage
    ) -> tuple[Callable[[Tensor, Tensor], Tensor], list[Tensor]]:
        """Return the local loss, and the parameters that it has of its own."""
        kind, task = self.how.loss, self.parts.task
        if task == "regression" or kind == "smoothness":
            return soft_smoothness, []
        if kind in ("soft-si", "triplet", "forward-forward"):
            return (soft_separation if kind == "soft-si" else local_triplet), []
        classes = len(self.parts.classes)

        def similar(x: Tensor, y: Tensor) -> Tensor:
            return similarity(x, y, classes)

        if kind == "sim":
            return similar, []
        width = self._values(block, self.parts.fit.x[:2]).shape[1]
        head = nn.Linear(width, classes).to(self.how.recipe.device)
        predicts = loss_of(task)

        def predicted(x: Tensor, y: Tensor) -> Tensor:
            return predicts(head(x.flatten(1)), y)

        if kind == "pred":
            return predicted, list(head.parameters())

        def both(x: Tensor, y: Tensor) -> Tensor:
            # The weights of Nøkland and Eidnes.
            return 0.99 * similar(x, y) + 0.01 * predicted(x, y)

        return both, list(head.parameters())

    @torch.no_grad()
    def _values(self, block: LearningStage, x: Tensor) -> Tensor:
        was = [(one, one.training) for one in self.module.modules()]
        self.module.eval()
        with NodeReader(self.module, block.gives) as read:
            device = self.how.recipe.device
            parts = [pooled(read(part.to(device))).cpu() for part in torch.split(x, 256)]
        for one, training in was:
            one.training = training
        return torch.cat(parts).flatten(1)

    # ------------------------------------------------------------------------------------ the end

    def done(self, source: Plan) -> Grown:
        parts, how = self.parts, self.how
        head = "head" if self.notes else blocks_of(self.plan.graph)[1]
        state = {key: value.cpu() for key, value in self.module.state_dict().items()}
        module = self.plan.network.build()
        module.load_state_dict(state)
        kept = {key for key in state if not key.startswith(f"{head}.")}
        recipe = head_recipe(parts, how.recipe)
        train_head(module, kept, parts, recipe, self.progress)
        found = self._hits(module)
        control = backprop = None
        try:
            control, backprop = self._control(found) if how.control else (None, None)
        except KeyboardInterrupt:
            self.notes.append("stopped early: without the control")
        record = GrowthRecord(
            network=source.graph.name,
            source=source.network.session.source.name,
            data=parts.names,
            task=parts.task,
            samples={"fit": len(parts.fit), "choose": len(parts.choose), "judge": len(parts.judge)},
            loss=how.loss if parts.classes or how.loss == "k-means" else "smoothness",
            recipe=asdict(how.recipe),
            turns=self.turns,
            curve=tuple(self.curve),
            size=size_of(self.plan),
            accuracy=float(found.mean()),
            backprop=backprop,
            comparison=control,
            notes=tuple(self.notes),
        )
        plan = self.plan if self.plan.slices else self.plan.alone()
        return Grown(plan, module.to("cpu").eval(), record)

    def _control(self, found: Tensor) -> tuple[Comparison, float]:
        """Return how the grown network compares with backpropagation, and the accuracy of the
        latter."""
        how, parts = self.how, self.parts
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(how.recipe.seed)
            other = self.plan.network.build()
        fit, task = parts.fit, parts.task
        train(other, fit.x, fit.y, task, how.recipe, self.progress, what="backpropagation")
        against = self._hits(other)
        return compared("less backpropagation", against, found, how.margin), float(against.mean())

    def _hits(self, module: nn.Module) -> Tensor:
        judge = self.parts.judge
        return hits(predict(module, judge.x, self.how.recipe.device), judge.y, self.parts.task)


def _rises(before: Tensor, after: Tensor) -> bool:
    """Return True if the paired difference is above two standard errors."""
    each = after - before
    error = float(each.std(correction=0)) / math.sqrt(len(each))
    return float(each.mean()) > 2 * error
