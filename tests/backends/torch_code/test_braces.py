"""Braces that are classes: what they read of the text around them are their parameters."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from addnn_spec.backends.torch_source import torch_source
from tests.backends.torch_code.emitted import built, source_of
from tests.interpreter import evaluate
from tests.support import graph_of, session

ENC = """
block Enc(width, k = 3) {
  y = x -> enc: {
    h = x -> Conv2d(width, k, padding="same")
    g = x -> Conv2d(2 * width, 1)
    f = h -> Conv2d(2 * width, 1)
    return f + g
  }
  return y
}
network Net(classes = 4) {
  input image: float[2, 3, 8, 8]
  output y = image -> a: Enc(2) -> b: Enc(5, k=1) -> Flatten -> head: {
    h = x -> Linear(classes)
    g = x -> Linear(classes)
    return h + g
  }
}
"""

TURNS = """
network Net {
  input image: float[2, 3, 8, 8]
  output y = image -> {
    for i in range(3) {
      "stage{i}": {
        let wide = 4 * (i + 1)
        h = x -> Conv2d(wide, 3, padding="same")
        g = x -> Conv2d(wide, 1)
        return h + g
      }
    }
  }
}
"""

NESTED = """
block Enc(width) {
  y = x -> outer: {
    z = x -> inner: {
      h = x -> Conv2d(width, 1)
      g = x -> Conv2d(width, 1)
      return h + g
    }
    w = x -> Conv2d(width, 1)
    return z + w
  }
  return y
}
network Net {
  input image: float[2, 3, 8, 8]
  output y = image -> Enc(2) -> Enc(5)
}
"""


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        (
            ENC,
            (
                "def __init__(self, in_channels: int, width: int, k: int) -> None:",
                'self.conv2d = nn.Conv2d(in_channels, width, k, padding="same")',
                "self.conv2d_2 = nn.Conv2d(in_channels, 2 * width, 1)",
                "self.conv2d_3 = nn.Conv2d(width, 2 * width, 1)",
                "self.enc = Enc(in_channels, width, k)",
                "def __init__(self, in_features: int, classes: int) -> None:",
                "self.linear = nn.Linear(in_features, classes)",
                "self.head = Head(640, 4)",
            ),
        ),
        (
            TURNS,
            (
                "def __init__(self, in_channels: int, i: int) -> None:",
                "wide = 4 * (i + 1)",
                'self.conv2d = nn.Conv2d(in_channels, wide, 3, padding="same")',
                "self.stage2 = Stage(8, 2)",
            ),
        ),
        (
            NESTED,
            (
                "self.inner = Inner(in_channels, width)",
                "self.outer = Outer(in_channels, width)",
            ),
        ),
    ],
)
def test_a_brace_has_what_it_reads_as_parameters(text: str, lines: tuple[str, ...]) -> None:
    source = source_of(text)
    told = [line.strip() for line in source.splitlines()]
    assert [line for line in lines if line not in told] == [], source


@pytest.mark.parametrize("text", [ENC, TURNS, NESTED])
def test_such_a_brace_computes_what_the_text_says(text: str) -> None:
    graph = graph_of(text)
    network = built(graph).double().eval()
    image = torch.rand(2, 3, 8, 8, dtype=torch.double)
    weights = {name: tensor.numpy() for name, tensor in network.state_dict().items()}
    wanted = evaluate(graph, weights, {"image": image.numpy()}).outputs["y"]
    with torch.no_grad():
        np.testing.assert_allclose(network(image).numpy(), wanted, rtol=1e-9)


def test_a_network_is_open_in_what_its_brace_reads() -> None:
    made = session(ENC)
    graph = made.graph("Net")
    assert graph is not None
    source = torch_source(made, graph).text
    assert "def __init__(self, classes: int = 4) -> None:" in source
    assert "self.head = Head(640, classes)" in source


def test_a_layer_that_a_brace_reads_is_no_parameter() -> None:
    graph = graph_of(
        "block Enc(width, act) { y = x -> enc: { h = x -> Linear(width) g = x -> Linear(width) "
        "-> act return h + g } return y } network Net { input x: float[2, 3] "
        "output y = x -> Enc(4, ReLU) -> Enc(5, ReLU) }"
    )
    braces = [found for found in graph.below() if found.kind == "body"]
    assert {found.arguments for found in braces} == {(("width", 4),), (("width", 5),)}


_TWICE = (
    "h = x -> Linear(width) g = x -> Linear(2) return h * width + (g -> Mean(-1, keepdim = true))"
)


@pytest.mark.parametrize(
    ("flow", "signature"),
    [
        ("x -> Linear(width)", "width: int"),
        ("x -> Linear(width) -> ReLU", "width: int"),
        ("x + (x -> Linear(width)) -> Linear(width)", "width: int"),
        ("(x -> Linear(2), x -> Linear(2)) -> Concat(-1) -> Linear(width)", "width: int"),
        ("x -> Linear(4)", "in_features: int, width: int"),  # as large by chance
        ("x", "in_features: int, width: int"),
        ("x + (x -> Linear(width))", "in_features: int, width: int"),  # what flows in is as large
    ],
)
def test_a_size_that_the_text_has_a_name_for_is_one_parameter(flow: str, signature: str) -> None:
    text = (
        f"block Own(width) {{ y = {flow} -> enc: {{ {_TWICE} }} return y }} "
        "network Net { input x: float[2, 4] output y = x -> Own(4) }"
    )
    enc = source_of(text).partition("class Enc")[2]
    assert f"def __init__(self, {signature}) -> None:" in enc, enc


def test_so_it_is_within_a_brace() -> None:
    source = source_of(
        "network Net(width = 4) { input x: float[2, 3] output y = x -> Linear(width) -> outer: { "
        f"z = x -> inner: {{ {_TWICE} }} return z + (x -> Exp) }} }}"
    )
    assert source.count("def __init__(self, width: int) -> None:") == 2
    assert "self.inner = Inner(width)" in source


def test_a_brace_that_gets_another_size_elsewhere_has_two() -> None:
    source = source_of(
        "block Own(width, other) { y = x -> Linear(other) -> enc: { " + _TWICE + " } return y } "
        "network Net { input x: float[2, 4] output y = x -> Own(4, 4) -> Own(4, 6) }"
    )
    assert "def __init__(self, in_features: int, width: int) -> None:" in source


def test_what_an_assert_states_is_no_parameter() -> None:
    """`forward` checks the number of the text, whatever a caller would give."""
    text = (
        "network Net(context = 8, width = 4) {\n  input x: float[N, T]\n  assert T <= context\n"
        "  output y = x -> Unsqueeze(2) -> enc: {\n    h = x -> Linear(width)\n"
        "    return h * context + (h -> Exp)\n  }\n}\n"
    )
    made = session(text)
    graph = made.graph("Net")
    assert graph is not None
    source = torch_source(made, graph).text
    assert "if x.shape[1] > 8:" in source
    assert "context: int" not in source.partition("class Net(")[2]
    assert "width: int = 4" in source.partition("class Net(")[2]
