from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from addnn_spec.diagnostics import did_you_mean, near

OPERATORS = [
    "AvgPool2d", "BatchNorm2d", "Conv1d", "Conv2d", "Conv3d", "ConvTranspose2d", "Dropout",
    "Flatten", "GELU", "Linear", "LSTM", "MaxPool2d", "ReLU", "ReLU6", "SiLU", "Softmax",
]  # fmt: skip
ARGUMENTS = ["out_channels", "kernel_size", "stride", "padding", "dilation", "groups", "bias"]


@pytest.mark.parametrize(
    ("name", "first"),
    [
        ("relu", "ReLU"),
        ("Relu", "ReLU"),
        ("conv2d", "Conv2d"),
        ("Conv_2d", "Conv2d"),
        ("Linaer", "Linear"),
        ("BatchNorm2D", "BatchNorm2d"),
        ("MaxPooling2d", "MaxPool2d"),
        ("Dropuot", "Dropout"),
    ],
)
def test_slips_of_operators(name: str, first: str) -> None:
    assert near(name, OPERATORS)[0] == first


@pytest.mark.parametrize(
    ("name", "first"),
    [("kernelsize", "kernel_size"), ("out_chanels", "out_channels"), ("strides", "stride")],
)
def test_slips_of_arguments(name: str, first: str) -> None:
    assert near(name, ARGUMENTS)[0] == first


@pytest.mark.parametrize("name", ["Transformer", "x", "ab", "Attention", "", "q" * 10_000])
def test_nothing_is_suggested_for_another_word(name: str) -> None:
    assert near(name, OPERATORS) == []


def test_at_most_n_the_nearest_first_then_by_name() -> None:
    assert near("Conv4d", OPERATORS) == ["Conv1d", "Conv2d", "Conv3d"]
    assert near("Conv4d", reversed(OPERATORS), n=2) == ["Conv1d", "Conv2d"]


def test_another_number_is_near_by_how_much_it_differs() -> None:
    networks = ["ResNet", "ResNet18", "ResNet34", "ResNet50", "ResNet101", "ResNet152", "LeNet5"]
    assert near("ResNet49", networks) == ["ResNet50", "ResNet34", "ResNet18"]
    assert near("resnet151", networks) == ["ResNet152", "ResNet101", "ResNet50"]
    assert near("x7", ["x6", "x8"]) == []


def test_one_letter_that_is_typed_twice() -> None:
    assert near("yy", ["x", "y", "z", "yz", "yyy"]) == ["y"]
    assert near("y", ["yy", "xy"]) == ["yy"]
    assert near("y", ["x", "z"]) == []


def test_the_sentence() -> None:
    assert did_you_mean("relu", ["ReLU", "Tanh"]) == 'did you mean "ReLU"?'
    assert did_you_mean("Conv4d", OPERATORS) == 'did you mean "Conv1d", "Conv2d" or "Conv3d"?'
    assert did_you_mean("Attention", OPERATORS) is None


@given(st.text("abcdefgh", min_size=6, max_size=20), st.data())
def test_two_neighbours_swapped_are_found(name: str, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(name) - 2))
    slip = name[:at] + name[at + 1] + name[at] + name[at + 2 :]
    assert near(slip, [name]) == ([name] if slip != name else [])
