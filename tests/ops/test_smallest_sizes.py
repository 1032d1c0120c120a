"""Which sizes every operator takes, in evaluation and in training: those that torch runs.

Sizes of the inputs go from 1 to 14: one place at a time, all places of one number, all dimensions
after the channels, all but the channels. What the compiler takes with fixed sizes, and what it says
of a symbolic one, must be what torch does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import pytest
import torch
from msgspec.structs import replace
from torch import Tensor

from addnn_spec.diagnostics import Refusal
from addnn_spec.graph import Graph, Node, Placeholder, Ref
from addnn_spec.ops.base import Example, TensorType
from addnn_spec.ops.checks import name_of
from addnn_spec.passes.minimum import Smallest, smallest_sizes
from addnn_spec.sizes import Size, SizeError, Symbol, SymbolicSize, evaluate
from addnn_spec.source import Source, Span
from tests.ops.harness import all_examples, build, outputs_of, run, tensors_of
from tests.ops.size_configurations import configurations

pytestmark = [
    pytest.mark.filterwarnings("ignore:Using padding='same':UserWarning"),
    pytest.mark.filterwarnings("ignore:Initializing zero-element:UserWarning"),
]

SIZES = range(1, 15)
UNEQUAL = {"E0301", "E0303"}
"""Sizes that do not fit one another: torch may read beyond a tensor's end there."""
NOT_PROVABLE = UNEQUAL | {"E0305", "E0308"}
LENGTHS = {"CTCLoss", "GRU", "LSTM", "RNN"}
"""What takes lengths, of at least 1. All other integers are places, of which 0 is one."""
STRICTER = {
    "AdaptiveLogSoftmaxWithLoss": "torch makes clusters of weights without elements",
    "Chunk": "torch gives fewer parts than are asked for, which the text names",
    "RotaryEmbedding": "features turn in pairs",
    "CircularPad": "torch leaves memory as it was where all is cropped before it wraps",
    "Pad": "so here",
}

Inputs = tuple[TensorType | None, ...]
Places = frozenset[tuple[int, int]]


class Outcome(NamedTuple):
    """What torch does with inputs: the outputs' shapes, or None; and whether it trains."""

    shapes: list[tuple[int, ...]] | None
    trains: bool


def places_of(inputs: Inputs, *, every: bool) -> Iterator[Places]:
    """The groups of sizes that vary together, as input and dimension."""
    found = {(i, d): size for i, x in enumerate(inputs) if x for d, size in enumerate(x.shape)}
    if every:
        for size in set(found.values()):
            yield frozenset(place for place, other in found.items() if other == size)
            yield from (frozenset({place}) for place, other in found.items() if other == size)
            for dim in {d for (_, d), other in found.items() if other == size}:
                yield frozenset(p for p, other in found.items() if other == size and p[1] == dim)
    else:
        for dim in {d for _, d in found if d != 1}:
            yield frozenset(place for place in found if place[1] == dim)
    belongs: list[Callable[[int], bool]] = [lambda d: d > 1, lambda d: d != 1]
    for of in belongs:
        yield frozenset(place for place in found if of(place[1]))


def put(inputs: Inputs, places: Places, size: Size) -> Inputs:
    return tuple(
        x
        and TensorType(
            x.dtype, tuple(size if (i, d) in places else s for d, s in enumerate(x.shape))
        )
        for i, x in enumerate(inputs)
    )


def in_torch(example: Example) -> Outcome:
    shapes = _shapes(example, training=False)
    if shapes is None or not example.operator.stateful:
        return Outcome(shapes, shapes is not None)
    return Outcome(shapes, _shapes(example, training=True) is not None)


def _shapes(example: Example, *, training: bool) -> list[tuple[int, ...]] | None:
    operator, inputs, _ = example
    try:
        module = build(operator, inputs)
        if module is not None:
            module.train(training)
        outputs = run(operator, inputs, list(_tensors(example)), module)
    except (RuntimeError, ValueError, IndexError, AssertionError, UserWarning):
        return None  # a warning is of NaN
    return [tuple(x.shape) for x in outputs] if all(x.numel() for x in outputs) else None


def _tensors(example: Example) -> Iterator[Tensor | None]:
    least = 1 if name_of(example.operator) in LENGTHS else 0
    for x in tensors_of(example):
        yield torch.full_like(x, least) if x is not None and x.dtype == torch.int64 else x


def accepted(example: Example) -> list[tuple[int, ...]] | str:
    """The shapes that the compiler gives the outputs, or the code of its error."""
    operator, inputs, _ = example
    try:
        shapes = [kind.shape for kind in outputs_of(operator, inputs)]
        operator.weights(*inputs)
    except Refusal as error:
        return error.code
    if any(a > b for a, b in operator.requires(*inputs)):  # type: ignore[operator]
        return "E0303"
    return shapes  # type: ignore[return-value]


def network_of(example: Example, outputs: tuple[TensorType, ...]) -> Graph:
    """A network that is this operator alone."""
    span = Span(Source("test.net", ""), 0, 0)
    graph = Graph("network", "Test", span)
    refs: list[Ref | None] = []
    for kind in example.inputs:
        if kind is not None:
            graph.add(Node(len(graph.members), "x", Placeholder(), (), (kind,), span))
        refs.append(None if kind is None else Ref(len(graph.members) - 1))
    graph.inputs = tuple(graph.members)
    node = Node(len(graph.members), "y", example.operator, tuple(refs), outputs, span)
    graph.add(replace(node, types=example.inputs))
    return graph


class Told(NamedTuple):
    """What is told where sizes are one symbol, and whether what must be asserted holds at one."""

    evaluation: Smallest
    training: Smallest
    asserted: Callable[[int], bool]


def told(example: Example, places: Places) -> Told | None:
    """What is told of sizes that are one symbol; None where that is no network."""
    operator = example.operator
    inputs = put(example.inputs, places, SymbolicSize.of(Symbol("S")))
    try:
        outputs = outputs_of(operator, inputs)
        weights = operator.weights(*inputs).values()
    except Refusal as error:
        if error.code in NOT_PROVABLE:
            return None
        none = Smallest({}, never=error.message)  # another size, a fixed one, is no size
        return Told(none, none, bool)
    except SizeError:
        return None
    if any(isinstance(size, SymbolicSize) for weight in weights for size in weight.shape):
        return None
    network = network_of(example._replace(inputs=inputs), outputs)
    pairs = operator.requires(*inputs)

    def asserted(size: int) -> bool:
        return all(evaluate(a, {"S": size}) <= evaluate(b, {"S": size}) for a, b in pairs)

    return Told(*smallest_sizes(network), asserted)


def works(found: Smallest, size: int) -> bool:
    values = {"S": size}
    return (
        not found.never
        and size >= found.sizes.get("S", 1)
        and all(condition.holds(values) for condition in found.conditions)
    )


def check(example: Example, *, every: bool) -> int:
    """Hold all sizes of an example against torch; return how many cases that were."""
    cases = 0
    strict = any(name_of(example.operator).startswith(name) for name in STRICTER)
    for places in {group: None for group in places_of(example.inputs, every=every) if group}:
        known = None if strict else told(example, places)
        for size in SIZES:
            case = example._replace(inputs=put(example.inputs, places, size))
            shapes = accepted(case)
            if isinstance(shapes, str) and shapes in UNEQUAL:
                continue
            cases += 1
            outcome = in_torch(case)
            where = (sorted(places), size, shapes)
            if isinstance(shapes, str):
                assert strict or outcome.shapes is None, where
            else:
                assert outcome.shapes == shapes, where
            if not isinstance(shapes, str) and case.operator.stateful:
                _, training = smallest_sizes(network_of(case, outputs_of(*case[:2])))
                assert outcome.trains == (not training.never), where
            if known is not None and known.asserted(size):
                assert works(known.evaluation, size) == bool(outcome.shapes), where
                assert works(known.training, size) == outcome.trains, where
    return cases


EXAMPLES = [pytest.param(example, id=name) for name, example in all_examples()]
CONFIGURATIONS = [pytest.param(example, id=name) for name, example in configurations()]


@pytest.mark.slow
@pytest.mark.parametrize("example", EXAMPLES)
def test_every_example(example: Example) -> None:
    check(example, every=True)


@pytest.mark.slow
@pytest.mark.parametrize("example", CONFIGURATIONS)
def test_every_configuration(example: Example) -> None:
    assert check(example, every=False) >= len(SIZES)


@pytest.mark.parametrize("example", CONFIGURATIONS[::131])
def test_a_share_of_configurations(example: Example) -> None:
    assert check(example, every=False) >= len(SIZES)
