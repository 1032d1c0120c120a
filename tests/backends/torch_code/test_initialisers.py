"""Layers that are filled alike, by one function of the file."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
import torch

from addnn_spec.runtime.build import import_source
from tests.backends.torch_code.emitted import check_style, source_of
from tests.backends.torch_code.test_readings import check_weights

ALIKE = (
    "let Fill = Linear(weight_init = normal(0.02), bias_init = 0.5) "
    "block Unit(width) { return x -> a: Fill(width) -> b: Fill(width) } "
    "network Test { input x: float[N, 4] y = x -> u: Unit(4) -> v: Unit(3) "
    "output z = y -> head: { Fill(5) -> ReLU -> Fill(2) } }"
)


def functions(source: str) -> list[str]:
    """The functions of a file, beside `initialized`."""
    found = (n.name for n in ast.parse(source).body if isinstance(n, ast.FunctionDef))
    return [name for name in found if name != "initialized"]


def test_layers_that_are_filled_alike_share_a_function() -> None:
    source = source_of(ALIKE)
    assert functions(source) == ["init_linear"]
    assert "self.a = init_linear(nn.Linear(in_features, width))" in source
    assert "init_linear(nn.Linear(3, 5))," in source
    assert "initialized(" not in source
    check_weights(ALIKE)


def test_the_function_fills_what_the_text_says() -> None:
    torch.manual_seed(0)
    module = import_source(source_of(ALIKE), "Test").Test()
    torch.manual_seed(0)
    weights = []
    for inputs, outputs in ((4, 4), (4, 4), (4, 3), (3, 3), (3, 5), (5, 2)):
        layer = torch.nn.Linear(inputs, outputs)
        torch.nn.init.normal_(layer.weight, std=0.02)
        weights.append(layer.weight)
    found = [value for key, value in module.state_dict().items() if key.endswith("weight")]
    assert all(torch.equal(a, b) for a, b in zip(found, weights, strict=True))
    biases = [value for key, value in module.state_dict().items() if key.endswith("bias")]
    assert all(bool((bias == 0.5).all()) for bias in biases)


def test_several_classes_are_filled_by_a_function_of_any_layer() -> None:
    text = (
        "network Test { input x: float[N, 3, 8, 8] output y = x "
        "-> a: Conv2d(4, 3, weight_init = normal(0.02)) "
        "-> b: Conv2d(4, 3, weight_init = normal(0.02)) "
        "-> c: ConvTranspose2d(4, 3, weight_init = normal(0.02)) "
        "-> d: ConvTranspose2d(3, 3, weight_init = normal(0.02)) }"
    )
    source = source_of(text)
    assert "def init_weights(layer: nn.Module) -> nn.Module:" in source
    assert 'nn.init.normal_(layer.get_parameter("weight"), std=0.02)' in source
    check_weights(text)


@pytest.mark.parametrize(
    "layers",
    [
        "a: Fill(4) -> b: Fill(4)",  # a function would be no shorter
        "a: Fill(4) -> b: Linear(4, weight_init = normal(0.1))",
    ],
)
def test_what_is_filled_once_is_filled_where_it_is_made(layers: str) -> None:
    text = (
        "let Fill = Linear(weight_init = normal(0.02)) "
        f"network Test {{ input x: float[N, 4] output y = x -> {layers} }}"
    )
    source = source_of(text)
    assert functions(source) == []
    assert source.count("nn.init.normal_(self.") == 2


def test_a_fill_that_a_use_decides_is_no_function() -> None:
    text = (
        "block Unit(std) { return x -> a: Linear(4, weight_init = normal(std), bias_init = 0) "
        "-> b: Linear(4, weight_init = normal(std), bias_init = 0) "
        "-> c: Linear(4, weight_init = normal(std), bias_init = 0) } "
        "network Test { input x: float[N, 4] output y = x -> u: Unit(0.1) -> v: Unit(0.2) }"
    )
    source = source_of(text)
    assert functions(source) == []
    assert "nn.init.normal_(self.a.weight, std=std)" in source


def test_a_name_of_the_text_is_no_functions() -> None:
    text = ALIKE.replace("width", "init_linear")
    source = source_of(text)
    assert functions(source) == ["init_linear_2"]
    check_weights(text)


@pytest.mark.slow
def test_functions_that_fill_are_typed(tmp_path: Path) -> None:
    check_style(tmp_path, source_of(ALIKE), types=True)


NAMED = (
    "let sigma = 0.02 "
    "block Scaled(width, scale = 1, std = 0.5) { let half = std / 2 "
    "parameter gamma: [width] = scale parameter delta: [width] = normal(0, 2 * std) "
    "y = x -> fc: Linear(width, weight_init = normal(half), bias_init = scale) "
    "z = y -> net: { Linear(width, weight_init = normal(3 * std)) -> ReLU } "
    "return (z * gamma + delta) -> out: Linear(width, weight_init = normal(sigma)) } "
    "network Test { input x: float[N, 4] y = x -> a: Scaled(4) "
    "-> b: Scaled(4{uses}) output z = y -> head: Linear(2, weight_init = normal(sigma)) }"
)


@pytest.mark.parametrize("uses", ["", ", 3", ", std = 0.25", ", 0.5, 0.125"])
def test_what_the_text_names_is_named_in_code(uses: str) -> None:
    text = NAMED.replace("{uses}", uses)
    source = source_of(text)
    assert "scale: int = 1" in source or "scale: float = 1" in source
    assert "std: float = 0.5" in source
    for line in (
        "self.gamma = nn.Parameter(scale * torch.ones(width))",
        "nn.init.normal_(self.delta, mean=0, std=2 * std)",
        "half = std / 2",
        "nn.init.normal_(self.fc.weight, std=half)",
        "nn.init.constant_(self.fc.bias, scale)",
        'lambda m: nn.init.normal_(m.get_parameter("weight"), std=3 * std)',
        "nn.init.normal_(self.out.weight, std=0.02)",  # the file's own number has no name
    ):
        assert line in source, source
    check_weights(text)


def test_whole_numbers_of_the_text_fill_with_floats() -> None:
    text = (
        "let three = 3 fn twice(n) = 2 * n "
        "block B(n = 2) { parameter a: [4] = 3 parameter b: [4] = three "
        "parameter c: [4] = twice(2) parameter d: [4] = constant(3) parameter e: [4] = twice(n) "
        "parameter f: [] = n parameter g: [] = 3 parameter h: [4] = 0.5 * 3 "
        "return x * a * b * c * d * e * f * g * h } "
        "network Test { input x: float[N, 4] output y = x -> a: B -> b: B(3) }"
    )
    source = source_of(text)
    assert "self.a = nn.Parameter(torch.full((4,), 3.0))" in source
    assert "self.e = nn.Parameter(twice(n) * torch.ones(4))" in source
    state = import_source(source, "Test").Test().state_dict()
    assert {value.dtype for value in state.values()} == {torch.float32}
    found = [float(state[f"b.{name}"].flatten()[0]) for name in "abcdefgh"]
    assert found == [3, 3, 4, 3, 6, 3, 3, 1.5]


def test_a_whole_number_that_a_use_gives_fills_with_floats() -> None:
    module = import_source(source_of(NAMED.replace("{uses}", ", 3")), "Test").Test()
    gamma = module.state_dict()["b.gamma"]
    assert gamma.dtype == torch.float32
    assert gamma.tolist() == [3.0] * 4
