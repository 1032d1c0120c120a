"""Layers that a block is given, where not all of its uses are given the same."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from addnn_spec.runtime.build import import_source
from tests.backends.torch_code.emitted import (
    body_of,
    built,
    check_style,
    classes,
    keys_of,
    source_of,
)
from tests.backends.torch_code.test_readings import check_weights
from tests.support import graph_of, in_network

NORMS = (
    "block Unit(width, norm = BatchNorm2d, act = ReLU) { "
    "return x -> conv: Conv2d(width, 3) -> norm: norm -> act } "
    "block Stage(width, norm) { return x -> a: Unit(width, norm) -> b: Unit(2 * width, norm) } "
    "network Test { input x: float[N, 4, 32, 32] output y = x -> a: Stage(8, BatchNorm2d) "
    "-> b: Stage(4, GroupNorm(2)) -> c: Unit(8) -> d: Unit(8, BatchNorm2d(eps = 0.01)) "
    "-> e: Unit(6, none) }"
)

LEVELS = (
    "block Level(width, below = none, rate = 0.0) { "
    "y = x -> model: { Conv2d(width, 4, stride = 2, padding = 1) "
    "-> if below != none { BatchNorm2d -> below } "
    "-> ReLU -> ConvTranspose2d(x.channels, 4, stride = 2, padding = 1) -> Dropout(rate) } "
    "return (x, y) -> Concat } "
    "network Test { input x: float[N, 3, 64, 64] let below = Level(16) "
    "for i in 0..3 { let below = Level(16, below, 0.5) } "
    "for width in [8, 4] { let below = Level(width, below) } output y = x -> l: below }"
)

BLOCKS = (
    "block Slow(width, k) { return x -> a: Linear(width * k) -> b: Linear(width) } "
    "block Fast(width) { return x -> a: Linear(width) } "
    "block Outer(layer, other = none) { x = x -> layer: layer "
    "if other != none { x = x + (x -> other: other) -> scale: Linear(x.features) } return x } "
    "network Test { input x: float[N, 8] output y = x -> a: Outer(Slow(8, 2), Fast(8)) "
    "-> b: Outer(Fast(6)) -> c: Outer(ReLU, Slow(6, 3)) }"
)


def test_a_norm_is_made_for_the_size_that_the_block_says() -> None:
    source = source_of(NORMS)
    assert "norm: Callable[[int], nn.Module] | None = nn.BatchNorm2d" in source
    assert "self.norm = norm(width) if norm is not None else None" in source
    assert "Stage(4, 8, nn.BatchNorm2d)" in source
    assert "lambda num_channels: nn.GroupNorm(2, num_channels)" in source
    assert "norm=lambda num_features: nn.BatchNorm2d(num_features, eps=0.01)" in source
    assert "norm=None" in source
    assert classes(source) == ["Unit", "Stage", "Test"]
    check_weights(NORMS)


def test_a_level_is_given_the_level_below() -> None:
    source = source_of(LEVELS)
    assert classes(source) == ["Level", "Test"]
    assert "below: nn.Module | None = None" in source
    assert "2 * width if below is not None else width" in source
    assert body_of(source, "Test", "__init__") == [
        "super().__init__()",
        "below = Level(16, 16)",
        "for _ in range(2):\n    below = Level(16, 16, below=below, rate=0.5)",
        "below = Level(8, 16, below=below, rate=0.5)",
        "below = Level(4, 8, below=below)",
        "self.l = Level(3, 4, below=below)",
    ]
    check_weights(LEVELS)


def test_a_level_is_what_its_text_says() -> None:
    """Also a depth that the network has not."""
    level = import_source(source_of(LEVELS), "Test").Level
    x = torch.rand(1, 5, 16, 16)
    inner = level(6, 7)
    module = level(5, 6, below=inner).eval()
    conv, norm, _, act, up, _ = module.model
    with torch.no_grad():
        below = norm(conv(x))
        y = up(act(torch.cat((below, inner.model(below)), 1)))
        assert torch.equal(module(x), torch.cat((x, y), 1))


def test_a_block_that_is_given_is_made_where_it_is_given() -> None:
    source = source_of(BLOCKS)
    assert classes(source) == ["Fast", "Slow", "Outer", "Test"]
    assert "self.a = Outer(8, Slow(8, 8, 2), other=Fast(8, 8))" in source
    assert "self.c = Outer(6, nn.ReLU(), other=Slow(6, 6, 3))" in source
    check_weights(BLOCKS)


def test_a_module_is_no_attribute_of_two_names() -> None:
    keys = built(graph_of(BLOCKS)).state_dict()
    assert {key.split(".")[1] for key in keys} == {"layer", "other", "scale"}


def test_a_layer_of_a_size_is_given_as_a_module() -> None:
    """The block says what it takes from it: `act_features`, which no condition hides."""
    text = (
        "block First(a = 3, act = Tanh) { "
        "v = x -> if a > 3 { ReLU } -> { Linear(a) -> act -> Linear(6) } return x + v } "
        "network Test { input x: float[N, 6] "
        "output y = x -> First(a = 4) -> First(act = Linear(6)) -> First(a = 5) }"
    )
    source = source_of(text)
    assert "First(6, nn.Linear(3, 6), 6)" in source
    assert "nn.Linear(act_features, 6)" in source
    check_weights(text)


def test_two_layers_that_a_block_is_given_are_two_variables() -> None:
    text = (
        "block Two(left, right) { return (x -> left: left) + (x -> right: right) } "
        "block Leaf(k) { return x -> a: Linear(k) -> b: Linear(4) } "
        "network Test { input x: float[N, 4] "
        "output y = x -> top: Two(Two(Leaf(1), Leaf(2)), Two(Leaf(3), Leaf(4))) }"
    )
    source = source_of(text)
    assert classes(source) == ["Leaf", "Two", "Test"]
    check_weights(text)


PASSED_ON = (
    "block Slow(k) { return x -> a: Linear(k) -> b: Linear(8) } "
    "block Fast { return x -> a: Linear(8) } "
    "block Outer(layer) { return x + (x -> layer: layer) } "
    "block Stage(layer, n) { x = x -> s: repeat n { Outer(layer) } "
    "return x -> t: Outer(layer) -> u: Outer(layer) } "
    "network Test { input x: float[N, 8] "
    "output y = x -> a: Stage(Slow(3), 4) -> b: Stage(Fast, 4) -> c: Outer(Slow(5)) }"
)

DEEP = (
    "block Leaf(k) { return x -> a: Linear(k) -> b: Linear(4) } "
    "block Level(below) { return x + (x -> below: below) } "
    "network Test { input x: float[N, 4] "
    "output y = x -> s: repeat 4 { Level(Level(Leaf(3))) } -> l: Level(Leaf(2)) }"
)


@pytest.mark.parametrize("text", [PASSED_ON, DEEP], ids=["passed on", "deep"])
def test_each_layer_has_weights_of_its_own(text: str) -> None:
    """Not those of one module that several are given."""
    check_weights(text)
    module = built(graph_of(text))
    tensors = [p for _, p in module.named_parameters(remove_duplicate=False)]
    assert len({id(tensor) for tensor in tensors}) == len(tensors)


@pytest.mark.slow
def test_given_layers_are_typed(tmp_path: Path) -> None:
    t5 = (Path(__file__).parents[3] / "tests" / "benchmarks" / "specs" / "t5.net").read_text(
        encoding="utf-8"
    )
    texts = (NORMS, LEVELS, BLOCKS, ALWAYS_GIVEN, t5)
    check_style(tmp_path, *map(source_of, texts), types=True)


ALWAYS_GIVEN = (
    "block Unit(act = none, rows = none) {\n"
    "  y = x -> Linear(4)\n"
    "  if act != none { y = y -> act }\n"
    "  if rows != none { y = y -> Linear(rows) }\n"
    "  return y -> Linear(4)\n"
    "}\n"
)
ALWAYS_GIVEN += in_network("output y = x -> Unit(ReLU, 5) -> Unit(Tanh, 6)")


def test_what_all_uses_give_is_not_optional() -> None:
    source = source_of(ALWAYS_GIVEN)
    assert "def __init__(self, in_features: int, act: Callable[[], nn.Module], rows: int)" in source
    left_out = " ".join(source_of(ALWAYS_GIVEN.replace("Unit(Tanh, 6)", "Unit(Tanh)")).split())
    assert "act: Callable[[], nn.Module], rows: int | None = None )" in left_out


def test_the_size_that_a_given_layer_makes_is_no_multiple_of_what_is_there() -> None:
    text = (
        "block Unit(n = 1, act = none) { return x -> Linear(3) -> act -> Linear(8) }\n"
        + in_network("output y = x -> Unit(2, Linear(6)) -> Unit(act = Tanh)")
    )
    source = source_of(text)
    assert "self.linear_2 = nn.Linear(act_features, 8)" in source
    assert "Unit(8, nn.Linear(3, 6), 6)" in source
    assert "Unit(8, nn.Tanh(), 3)" in source
    graph = graph_of(text)
    assert {k: tuple(v.shape) for k, v in built(graph).state_dict().items()} == keys_of(graph)
