"""Minimum sizes: the smallest at which torch runs the same layers."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from addnn_spec.compiler import check_text
from addnn_spec.diagnostics import DiagnosticError
from addnn_spec.network import load
from addnn_spec.passes.costs import count_costs
from addnn_spec.passes.dims import check_dims, symbolic_sizes
from addnn_spec.passes.minimum import minimum_sizes, smallest_sizes
from addnn_spec.sizes import defaults
from tests.support import codes, graph_of, in_network

LAYERS: list[tuple[str, nn.Module]] = [
    ("Conv2d(1, 7)", nn.Conv2d(1, 1, 7)),
    (
        "Conv2d(1, 5, stride = 3, padding = 1) -> MaxPool2d(3, 2)",
        nn.Sequential(nn.Conv2d(1, 1, 5, 3, 1), nn.MaxPool2d(3, 2)),
    ),
    (
        "Conv2d(1, 3, dilation = 2) -> MaxPool2d(2, ceil_mode = true) -> Conv2d(1, 2)",
        nn.Sequential(
            nn.Conv2d(1, 1, 3, dilation=2), nn.MaxPool2d(2, ceil_mode=True), nn.Conv2d(1, 1, 2)
        ),
    ),
    (
        "ConvTranspose2d(1, 2, stride = 2) -> Conv2d(1, 6) -> AvgPool2d(2)",
        nn.Sequential(nn.ConvTranspose2d(1, 1, 2, 2), nn.Conv2d(1, 1, 6), nn.AvgPool2d(2)),
    ),
]


def runs(module: nn.Module, height: int) -> bool:
    try:
        output: torch.Tensor = module.to("meta")(torch.empty(1, 1, height, 64, device="meta"))
    except RuntimeError:
        return False
    return output.numel() > 0


@pytest.mark.parametrize(("text", "module"), LAYERS)
def test_is_the_smallest_that_torch_runs(text: str, module: nn.Module) -> None:
    graph = graph_of(f"network Net {{ input x: float[N, 1, H = 64, 64] output y = x -> {text} }}")
    least = minimum_sizes(graph).get("H", 1)
    assert runs(module, least)
    assert not any(runs(module, height) for height in range(1, least))
    check_dims(graph, {"H": least})
    if least > 1:
        with pytest.raises(DiagnosticError) as raised:
            check_dims(graph, {"H": least - 1})
        assert [found.code for found in raised.value.diagnostics] == ["E0304"]


def test_alexnet() -> None:
    # torchvision's documentation gives 63 as AlexNet's min_size
    assert minimum_sizes(load("AlexNet").graph) == {"H": 63, "W": 63}


def test_where_every_size_does_there_is_none() -> None:
    assert minimum_sizes(load("ResNet18").graph) == {}


def test_inception_v3() -> None:
    # torchvision's documentation: 75 is its min_size; in training it expects 299, for its
    # auxiliary classifier
    graph = load("InceptionV3").graph
    assert minimum_sizes(graph) == {"H": 75, "W": 75}
    assert minimum_sizes(graph, training=True) == {"H": 299, "W": 299}


def test_what_only_training_needs_sets_no_minimum() -> None:
    text = """network Test {
      input x: float[N, 1, H = 32]
      output y = x -> Conv1d(1, 5)
      output aux = x -> Conv1d(1, 9) when training
    }"""
    graph = graph_of(text)
    assert minimum_sizes(graph) == {"H": 5}
    assert minimum_sizes(graph, training=True) == {"H": 9}


def total_macs(text: str) -> int:
    return defaults(count_costs(graph_of(text)).main.total.macs)


def test_costs_are_counted_where_the_network_works() -> None:
    # by hand: without a default 7 rows make one output of 3 * 7 * 7 * 16 products in each column
    text = "network Net {{ input x: float[N, 3, {}, W = 9] output y = x -> Conv2d(16, 7) }}"
    assert total_macs(text.format("H")) == 3 * 7 * 7 * 16 * 3
    assert total_macs(text.format("H = 8")) == 3 * 7 * 7 * 16 * 2 * 3
    (found,) = check_text(text.format("H = 6"))
    assert (found.code, found.message) == ("E0304", "H = 6 is too small: it must be 7 or more")
    assert found.primary is not None
    assert found.primary.span.text == "H = 6"


def test_without_a_default_an_asserted_congruence_is_kept() -> None:
    text = """network Net {
      input x: float[N, 3, H, W = 9]
      assert H % 2 == 1
      output y = x -> Conv2d(4, 5, 2) -> MaxPool2d(2)
    }"""
    graph = graph_of(text)  # (H - 5) // 2 + 1 >= 2, H odd
    assert minimum_sizes(graph) == {"H": 7, "W": 7}
    last = graph.node(graph.outputs[0].refs[0].node).outputs[0]
    assert [defaults(size) for size in last.shape] == [1, 4, 1, 1]


def test_a_size_without_a_default_is_the_least_that_agrees_with_what_is_asserted() -> None:
    text = """network Test {
      input x: float[N, 3, H, W, D = 20]
      assert H % 8 == 0
      assert H > 20
      assert W % 32 == 4
      assert D % 10 == 0
      output y = x -> Conv3d(4, (1, 5, 1))
    }"""
    graph = graph_of(text)
    found = {symbol.name: symbol.default for symbol in symbolic_sizes(graph).values()}
    assert found == {"N": 1, "H": 24, "W": 36, "D": 20}  # a kernel of 5 rules out W = 4
    assert codes(text.replace("D = 20", "D = 15")) == ["E0314"]


def told(body: str, shape: str = "float[N, 4, H, W]") -> list[str]:
    """What must hold of several sizes, in evaluation and then in training."""
    evaluation, training = smallest_sizes(graph_of(in_network(body, shape)))
    return [
        " and ".join(
            [f"{name} ≥ {n}" for name, n in one.sizes.items()] + [*map(str, one.conditions)]
        )
        for one in (evaluation, training)
    ]


def test_conditions_on_several_sizes() -> None:
    # torch 2.13, nn.functional: `_verify_batch_size` multiplies all sizes but the channels
    assert told("output y = x -> InstanceNorm2d") == ["H ≥ 2 or W ≥ 2"] * 2
    assert told("output y = x -> GroupNorm(4)") == ["N ≥ 2 or H ≥ 2 or W ≥ 2"] * 2
    assert told("output y = x -> GroupNorm(2)") == ["", ""]
    assert told("output y = x -> BatchNorm2d") == ["", "N ≥ 2 or H ≥ 2 or W ≥ 2"]
    assert told("output y = x -> Mean([2, 3]) -> BatchNorm1d") == ["", "N ≥ 2"]


def test_of_conditions_the_strongest_is_told() -> None:
    # by hand: 2 rows of 2x2 windows are 4 rows; one of them is enough for the first norm
    body = "output y = x -> BatchNorm2d -> MaxPool2d(2) -> BatchNorm2d"
    assert told(body) == ["H ≥ 2 and W ≥ 2", "H ≥ 2 and W ≥ 2 and N ≥ 2 or H ≥ 4 or W ≥ 4"]
    assert (
        told("output y = x -> Conv2d(4, 3) -> InstanceNorm2d -> Conv2d(4, [2, 1])")
        == ["H ≥ 4 and W ≥ 3"] * 2
    )


def test_assertions_count() -> None:
    body = "assert H % 16 == 0\n assert W > 40\n output y = x -> Conv2d(4, 20)"
    assert told(body) == ["H ≥ 32 and W ≥ 41"] * 2
    assert told("assert H == W\n output y = x -> Conv2d(4, 5)") == ["H ≥ 5 and W ≥ 5"] * 2


def test_windows_of_a_map_fit_each_way() -> None:
    # (1 - 2) * (1 - 2) is one window, which is none
    assert told("output y = x -> Unfold(3)") == ["H ≥ 3 and W ≥ 3"] * 2


def test_a_constant_says_places() -> None:
    text = """block Take()(a, index) { return (a, index) -> IndexSelect(1) }
    network Test {
      input x: float[N, L]
      buffer near: int[2] = [0, 2]
      buffer far: int[2] = [0, 8]
      output a = (x, near) -> Take
      output b = x -> { return (x, far) -> Take }
    }"""
    assert minimum_sizes(graph_of(text)) == {"L": 9}
    assert minimum_sizes(graph_of(text.replace("[0, 8]", "[0, 1]"))) == {"L": 3}
    assert codes(text.replace("[N, L]", "[N, 8]")) == ["E0306"]
    assert codes(text.replace("[0, 2]", "[-1, 2]")) == ["E0306"]


def test_what_holds_of_several_sizes_holds_at_the_defaults() -> None:
    graph = graph_of(in_network("output y = x -> InstanceNorm2d", "float[N, 4, H, W]"))
    found = {symbol.name: symbol.default for symbol in symbolic_sizes(graph).values()}
    assert found == {"N": 1, "H": 1, "W": 2}
    check_dims(graph, {"H": 2, "W": 1})
    with pytest.raises(DiagnosticError) as raised:
        check_dims(graph, {"H": 1, "W": 1})
    (wrong,) = raised.value.diagnostics
    assert wrong.code == "E0304"
    assert wrong.message == "H = 1, W = 1 is too small for Test: H ≥ 2 or W ≥ 2 must hold"


def test_what_training_never_does() -> None:
    graph = graph_of(in_network("output y = x -> BatchNorm2d", "float[1, 4, 1, 1]"))
    evaluation, training = smallest_sizes(graph)
    assert (evaluation.never, training.never != "") == ("", True)


def test_a_product_of_sizes_holds_at_the_defaults() -> None:
    graph = graph_of(in_network("output y = x -> Var(dim = [2, 3])", "float[N, 4, H, W]"))
    found = {symbol.name: symbol.default for symbol in symbolic_sizes(graph).values()}
    assert found == {"N": 1, "H": 1, "W": 2}  # torch divides by H*W - 1
    check_dims(graph, {"H": 2, "W": 1})
    with pytest.raises(DiagnosticError):
        check_dims(graph, {"W": 1})
