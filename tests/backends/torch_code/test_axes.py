"""What sizes of inputs are called: by the operator that takes them, or by the text."""

from __future__ import annotations

import re

import pytest

from addnn_spec.backends.torch_code.axes import axis
from tests.backends.torch_code.emitted import source_of


@pytest.mark.parametrize(
    ("rank", "taken", "said", "names"),
    [
        (2, {}, {}, ["features"]),
        (3, {1: "in_channels"}, {}, ["channels", "length"]),
        (3, {1: "num_features"}, {}, ["channels", "length"]),
        (3, {2: "normalized_shape"}, {}, ["length", "features"]),
        (3, {}, {1: "channels"}, ["channels", "length"]),
        (3, {}, {}, ["length", "features"]),
        (3, {1: "in_features"}, {}, ["features", "features"]),
        (3, {1: "in_features", 2: "embed_dim"}, {}, ["length", "features"]),
        (3, {1: "in_features"}, {1: "length"}, ["length", "features"]),
        (4, {1: "in_channels"}, {}, ["channels", "height", "width"]),
        (4, {1: "in_features"}, {1: "channels"}, ["channels", "height", "width"]),
        (4, {3: "normalized_shape"}, {}, ["height", "width", "features"]),
        (4, {}, {3: "features"}, ["height", "width", "features"]),
        (4, {}, {3: "width"}, ["channels", "height", "width"]),
        (4, {}, {}, ["size_1", "size_2", "size_3"]),
        (5, {1: "num_channels"}, {}, ["channels", "depth", "height", "width"]),
        (6, {1: "in_channels"}, {}, ["channels", "size_2", "size_3", "size_4", "size_5"]),
    ],
)
def test_a_dimension_is_called_by_what_takes_it(
    rank: int, taken: dict[int, str], said: dict[int, str], names: list[str]
) -> None:
    assert [axis(dim, rank, taken, said) for dim in range(1, rank)] == names


_TOKENS = "float[2, 5, 8]"
_IMAGE = "float[2, 5, 6, 8]"


@pytest.mark.parametrize(
    ("input", "body", "signature"),
    [
        # A table of positions: neither size is one of channels.
        (_TOKENS, "parameter p: [1, x.length, 8] return x + p", "seq_length: int"),
        (_TOKENS, "parameter p: [1, x.shape[1], 8] return x + p", "seq_length: int"),
        (
            _TOKENS,
            "parameter p: [1, x.shape[1], x.features] return x + p -> LayerNorm",
            "seq_length: int, in_features: int",
        ),
        (
            _TOKENS,
            "return x + (x -> Transpose(1, 2) -> Linear(x.length) -> Transpose(1, 2)) -> LayerNorm",
            "seq_length: int, in_features: int",
        ),
        (
            _TOKENS,
            "parameter scale: [1, x.shape[1], 1] return x * scale -> Conv1d(4, 1)",
            "in_channels: int",
        ),
        # An image with its channels last.
        (
            _IMAGE,
            "parameter p: [x.shape[1], x.shape[2], x.shape[3]] return x + p -> LayerNorm",
            "in_height: int, in_width: int, in_features: int",
        ),
        (_IMAGE, "parameter p: [x.shape[1], 1, 1] return x * p", "in_size_1: int"),
        (_IMAGE, "parameter p: [x.channels, 1, 1] return x * p", "in_channels: int"),
        (_IMAGE, "let h = x.shape[1] parameter p: [h, 1, 1] return x * p", "h: int"),
    ],
)
def test_the_constructor_is_given(input: str, body: str, signature: str) -> None:
    text = f"block Own() {{ {body} }} network Test {{ input x: {input} output y = x -> a: Own }}"
    source = source_of(text)
    (found,) = re.findall(r"def __init__\(self, (.*)\) -> None:", source)
    assert found == signature, source


def test_another_input_is_called_after_itself() -> None:
    source = source_of(
        "block Own()(x, memory) { parameter p: [memory.length, 1] return x + memory * p } "
        "network Test { input x: float[2, 5, 8] input m: float[2, 5, 8] "
        "output y = (x, m) -> a: Own }"
    )
    assert "def __init__(self, memory_length: int) -> None:" in source


def test_who_hands_a_size_on_has_its_name() -> None:
    source = source_of(
        "block Position() { parameter p: [1, x.length, 8] return x + p } "
        "block Own() { return x -> first: Position -> GELU } "
        "network Test { input x: float[2, 5, 8] output y = x -> a: Own }"
    )
    assert "self.first = Position(seq_length)" in source
    assert "self.a = Own(5)" in source
