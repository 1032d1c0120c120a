"""Receptive fields against torch: inputs are perturbed place by place.

No output changes by a place that its field does not hold; and the field's ends, or where it is the
whole map the map's ends, are seen by some output. What padding repeats of a map's border counts as
padding: outputs whose field reaches beyond the map are left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

import pytest
import torch
from torch import Tensor

from addnn_spec.backends.torch_code import emit
from addnn_spec.ops import find
from addnn_spec.ops.applied import Applied
from addnn_spec.ops.base import Example, TensorType
from addnn_spec.ops.checks import name_of
from addnn_spec.passes.receptive import Field, receptive_fields
from tests.ops.harness import all_examples, build, outputs_of, run, tensors_of
from tests.ops.test_smallest_sizes import network_of
from tests.support import graph_of, in_network
from tests.zoo.prove import build as build_module

pytestmark = [
    pytest.mark.filterwarnings("ignore:Using padding='same':UserWarning"),
    pytest.mark.filterwarnings("ignore:Anomaly:UserWarning"),
]
SPARSER = {
    "AdaptiveAvgPool", "AdaptiveMaxPool", "All", "Any", "Arg", "ConvTranspose", "CumSum", "Gather",
    "IndexReduce", "IndexSelect", "Interpolate", "MaxUnpool", "Min", "MultiScaleRoIAlign",
    "PixelShuffle", "RoI", "RotaryEmbedding", "Upsampl", "ZeroInsertion",
}  # fmt: skip
"""Whose fields are the most that any index, box or place may see: not all is seen in an example."""


def field_of(example: Example) -> Field | None:
    network = network_of(example, outputs_of(example.operator, example.inputs))
    return receptive_fields(network).get("y")


def is_map(x: TensorType | None) -> bool:
    return x is not None and x.dtype == "float" and x.rank >= 3


def influences(example: Example, axes: int) -> Iterator[tuple[tuple[int, ...], list[list[int]]]]:
    """Each place of the first input's map, with the places of the first output that it changes."""
    operator, inputs, _ = example
    module, tensors = build(operator, inputs), tensors_of(example)
    first = tensors[0]
    assert first is not None
    first = first.abs() + 0.5  # where logarithms and roots are
    before = run(operator, inputs, [first, *tensors[1:]], module)[0]
    for place in product(*(range(size) for size in first.shape[2 : 2 + axes])):
        changed: set[tuple[int, ...]] = set()
        for draw in range(3):
            torch.manual_seed(draw)
            other = first.clone()
            at: tuple[Any, ...] = (slice(None), slice(None), *place)
            other[at] += torch.rand_like(other[at]) * 5 + 0.1
            after = run(operator, inputs, [other, *tensors[1:]], module)[0]
            changed |= {tuple(one) for one in differing(before, after)}
        yield place, [list(one) for one in changed]


def differing(before: Tensor, after: Tensor) -> list[list[int]]:
    if before.dtype == torch.float64:
        apart = ~torch.isclose(before, after, rtol=0, atol=1e-11, equal_nan=True)
    else:
        apart = before != after
    found: list[list[int]] = apart.nonzero().tolist()
    return found


def check(example: Example) -> bool:
    """Hold an operator's field against torch; return whether it has one."""
    field = field_of(example)
    x = example.inputs[0]
    if field is None or x is None or not is_map(x):
        return False
    axes = len(field.size)
    drivers = driving(example)
    offsets: list[set[Any]] = [set() for _ in range(axes)]
    for place, changed in influences(example, axes):
        for output in changed:
            for axis, (at, size) in enumerate(zip(place, field.size, strict=True)):
                if size is None:
                    offsets[axis].add(at)
                    continue
                low, high = seen(example, axis, output, drivers[axis])
                if low >= 0 and high < x.shape[2 + axis]:  # type: ignore[operator]
                    assert low <= at <= high, (place, output, field)
                    offsets[axis] |= {("low", at == low), ("high", at == high)}
    if not any(name_of(example.operator).startswith(name) for name in SPARSER):
        for axis, size in enumerate(field.size):
            reached = offsets[axis]
            if size is None:
                assert {0, int(x.shape[2 + axis]) - 1} <= reached
            elif reached:
                assert {("low", True), ("high", True)} <= reached, (axis, field)
    return True


def driving(example: Example) -> list[Any]:
    """What moves along each axis, from the operator's own words."""
    reaches = Applied(*example[:2]).reach(0, outputs_of(*example[:2]))
    assert reaches is not None
    return list(reaches[2:])


def seen(example: Example, axis: int, output: list[int], reach: Any) -> tuple[float, float]:
    at = 0 if reach.to is None else output[reach.to]
    return reach.low + reach.stride * at, reach.high + reach.stride * at


EXAMPLES = [
    pytest.param(example, id=name)
    for name, example in all_examples()
    if example.inputs and is_map(example.inputs[0])
]
MIXING: list[tuple[str, dict[str, Any]]] = [
    ("Softmax", {"dim": -1}),
    ("Softmin", {"dim": 2}),
    ("LogSoftmax", {"dim": -2}),
    ("GumbelSoftmax", {"dim": 3}),
    ("Normalize", {"dim": 2}),
    ("CumSum", {"dim": 2}),
    ("Sort", {"dim": 2}),
    ("TopK", {"k": 2, "dim": 2}),
    ("FFT2", {}),
    ("Flip", {"dims": (2, 3)}),
    ("Roll", {"shifts": 1, "dims": 3}),
    ("LayerNorm", {"normalized_shape": (3, 4, 5)}),
    ("InstanceNorm2d", {"track_running_stats": True}),
    ("Softmax2d", {}),
    ("Slice", {"dim": 3, "start": 1, "step": 2}),
    ("Upsample", {"scale_factor": (3, 2), "mode": "bilinear"}),
    ("Interpolate", {"scale_factor": 2, "mode": "nearest-exact"}),
]
CHAINS = [
    "Conv2d(2, 3, 2) -> ConvTranspose2d(2, 4, 2, padding = 1) -> Pad([1, 2, 0, 1]) -> AvgPool2d(2)",
    'Upsample(scale_factor = 2, mode = "bilinear") -> Conv2d(2, 3, 2, padding = 1)',
    "{ y = x -> AvgPool2d(2) -> Upsample(scale_factor = 2) return y + x }",
    "Permute([0, 2, 3, 1]) -> LayerNorm -> Permute([0, 3, 1, 2]) -> Conv2d(2, 3, padding = 1)",
    "Conv2d(2, [3, 1]) -> Slice(2, 1, 6) -> Slice(3, step = 2) -> Transpose(2, 3) -> MaxPool2d(2)",
    "{ gate = x -> AdaptiveAvgPool2d(1) -> Sigmoid return x * gate }",
    "CumSum(2) -> Conv2d(2, 3)",
    "PixelUnshuffle(2) -> Conv2d(8, 3, padding = 1) -> PixelShuffle(2)",
    "Flip([2]) -> Conv2d(2, [3, 1], 2)",
    "InstanceNorm2d -> Conv2d(2, 3)",
]


@pytest.mark.parametrize(("name", "fields"), MIXING, ids=[name for name, _ in MIXING])
def test_what_mixes_or_moves_places(name: str, fields: dict[str, Any]) -> None:
    kind = find(name)
    assert kind is not None
    inputs = (TensorType("float", (2, 3, 4, 5)), *(None,) * (len(kind.input_names) - 1))
    assert check(Example(kind(**fields), inputs)) is (name != "Roll")


@pytest.mark.parametrize("chain", CHAINS)
def test_of_chains(chain: str) -> None:
    text = in_network(f"output y = x -> {chain}", "float[1, 2, 8, 8]")
    graph = graph_of(text)
    field = list(receptive_fields(graph).values())[-1]
    torch.manual_seed(0)
    module = build_module(emit(graph).text, graph.name).eval()
    x = torch.rand(1, 2, 8, 8)
    with torch.no_grad():
        before = module(x)
        sizes = [0, 0]
        for axis in (0, 1):
            seen_by: dict[tuple[int, ...], set[int]] = {}
            for place in range(8):
                other = x.clone()
                at: list[Any] = [0, slice(None), slice(None), slice(None)]
                at[2 + axis] = place
                other[tuple(at)] += torch.rand_like(other[tuple(at)]) + 0.5
                for output in differing(before.double(), module(other).double()):
                    seen_by.setdefault(tuple(output), set()).add(place)
            sizes[axis] = max(max(places) - min(places) + 1 for places in seen_by.values())
    assert [8 if size is None else size for size in field.size] == sizes


@pytest.mark.slow
@pytest.mark.parametrize("example", EXAMPLES)
def test_every_example(example: Example) -> None:
    check(example)


@pytest.mark.parametrize("example", EXAMPLES[::17])
def test_a_share_of_examples(example: Example) -> None:
    check(example)
