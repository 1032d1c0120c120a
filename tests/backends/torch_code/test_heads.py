"""Sizes that only `forward` needs are read off its inputs, at its head."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.backends.torch_code.emitted import body_of, built, check_style, source_of
from tests.support import graph_of


def _text(body: str, input: str = "float[N, 4, 6, 8]") -> str:
    return (
        f"block Own(k = 2) {{ {body} }} network Test {{ input x: {input} output y = x -> a: Own }}"
    )


@pytest.mark.parametrize(
    ("lets", "shape", "head"),
    [
        ("", "n, x.channels * x.height, x.width", "in_channels, height, width = x.shape[1:]"),
        ("let h, w = x.shape[2:]", "n, 4, h * w", "h, w = x.shape[2:]"),
        ("let c, h = x.shape[1:3]", "n, c * h, 8", "c, h = x.shape[1:3]"),
        ("let c, w = (x.channels, x.width)", "n, c // k, k, 6 * w", "c, _, w = x.shape[1:]"),
        ("let h = x.height", "n, 4 * h // k, k, h - 4, 4", "h = x.shape[2]"),
        ("let t = x.height // k", "n, 4, t, k, 8", "t = x.shape[2] // self.k"),
    ],
)
def test_what_is_read_several_times_is_a_variable(lets: str, shape: str, head: str) -> None:
    text = _text(f"let n = x.shape[0] {lets} return x -> conv: Conv2d(4, 1) -> Reshape({shape})")
    assert head in body_of(source_of(text), "Own")[:2]
    assert built(graph_of(text))(torch.zeros(3, 4, 6, 8)).shape[0] == 3


def test_what_is_read_once_stands_there() -> None:
    text = _text("return x -> conv: Conv2d(4, 1) -> Flatten(1, 2) -> Unflatten(1, [4, x.height])")
    (returned,) = body_of(source_of(text), "Own")
    assert "(4, x.shape[2])" in returned


def test_a_condition_without_layers_asks_the_tensor() -> None:
    text = (
        "block Own(window) { let h = x.height x = x -> conv: Conv2d(4, 1) "
        "if window < h { x = x -> Roll([1], [2]) } return x } "
        "network Test { input x: float[N, 4, 8, 8] "
        "output y = x -> a: Own(4) -> MaxPool2d(2) -> b: Own(4) }"
    )
    source = source_of(text)
    assert "def __init__(self, window: int) -> None:" not in source  # its convolution has channels
    assert "def __init__(self, in_channels: int, window: int) -> None:" in source
    assert body_of(source, "Own")[0] == "h = x.shape[2]"
    assert "if self.window < h:" in source


def test_a_condition_asks_the_constructor_where_that_knows_the_size() -> None:
    text = (
        "block Own(width) { y = x -> conv: Conv2d(width, 1) "
        "if x.channels == width { y = x + y } return y } "
        "network Test { input x: float[N, 4, 8, 8] output y = x -> a: Own(4) -> b: Own(8) }"
    )
    assert "if self.in_channels == self.width:" in source_of(text)


def test_a_size_that_is_symbolic_in_one_use_is_left_to_torch() -> None:
    text = (
        "block Rows(k) { let n, c, h, w = x.shape return x -> conv: Conv2d(c, 1) "
        "-> Reshape(n, c, h // k, k, w) } "
        "network Test { input x: float[N, 4, 8, 8] "
        "output y = x -> a: Rows(2) output z = Ones([1, 4, 8, 8]) -> b: Rows(4) }"
    )
    source = source_of(text)
    assert "reshape(-1, c, h // self.k, self.k, w)" in source
    assert [tuple(t.shape) for t in built(graph_of(text))(torch.zeros(3, 4, 8, 8))] == [
        (3, 4, 4, 2, 8),
        (1, 4, 2, 4, 8),
    ]


def test_an_input_of_training_is_not_asked_in_evaluation() -> None:
    text = (
        "network Test { input x: float[N, 8] input target: float[M, K] when training "
        "output y = x -> a: Linear(2) output loss = (target -> Reshape(target.shape[1], "
        "target.shape[0])) + Zeros([target.shape[1], target.shape[0]]) when training }"
    )
    assert built(graph_of(text)).eval()(torch.zeros(3, 8)).shape == (3, 2)


def test_a_tensor_keeps_the_name_that_the_text_gives_it() -> None:
    text = (
        "network Test { input batch: float[N, 8] channels = batch -> a: Linear(4) "
        "output y = channels + Zeros([batch.shape[0], 4]) + Ones([batch.shape[0], 4]) }"
    )
    source = source_of(text)
    assert "def forward(self, batch: Tensor)" in source
    assert "batch_2 = batch.shape[0]" in source
    assert built(graph_of(text))(torch.zeros(3, 8)).shape == (3, 4)


def test_sizes_that_are_far_apart_are_read_one_by_one() -> None:
    text = (
        "block Own { let n, w = (x.shape[0], x.shape[4]) y = x -> conv: Conv3d(4, 1) "
        "return (y -> Reshape(n, w, 120)) + (Zeros([n, w, 1]) -> Sigmoid) } "
        "network Test { input x: float[N, 4, 5, 6, 7] output y = x -> a: Own }"
    )
    assert body_of(source_of(text), "Own")[:2] == ["n = x.shape[0]", "w = x.shape[4]"]
    assert built(graph_of(text))(torch.zeros(3, 4, 5, 6, 7)).shape == (3, 7, 120)


def test_a_symbolic_size_of_a_sequence_is_a_length() -> None:
    text = (
        "network Test { input x: float[2, T] "
        "output y = Ones([x.shape[1], 2]) + Zeros([x.shape[1], 1]) output z = x -> Sigmoid }"
    )
    assert body_of(source_of(text), "Test")[0] == "length = x.shape[1]"
    assert built(graph_of(text))(torch.zeros(2, 6)).y.shape == (6, 2)


def test_a_sum_of_symbolic_sizes_is_read_off_where_each_is() -> None:
    text = (
        "network Test { input x: float[N, 4, H = 8, W = 6] output y = x -> a: Conv2d(4, 1) "
        "output z = Ones([H + W, H * W + W]) }"
    )
    found = built(graph_of(text))(torch.zeros(2, 4, 5, 3))
    assert found.z.shape == (8, 18)


@pytest.mark.slow  # a type checker
def test_they_are_typed_and_formatted(tmp_path: Path) -> None:
    body = "let h = x.height let t = h ** k return (x -> Reshape(x.shape[0], 4 * h, 8)) * (t - h)"
    text = _text(f"x = x -> conv: Conv2d(4, 1) {body}")
    assert "t = h**self.k" in source_of(text)
    check_style(tmp_path, source_of(text), types=True)
