"""Arguments in torch's order: which calls warn (W0111), and which can be meant as they stand."""

from __future__ import annotations

import pytest

from addnn_spec.compiler import check_text


def codes(call: str, shape: str) -> list[str]:
    network = f"network Net {{ input x: float{shape}\n y = x -> l: {call}\n output z = y }}"
    return [found.code for found in check_text(network)]


@pytest.mark.parametrize(
    ("channels", "call"),
    [
        (3, "Conv2d(3, 64, 3, 2, 1)"),
        (3, "Conv2d(3, 64, 3)"),
        (3, "Conv2d(3, 64, 7, 2, 3)"),
        (3, "Conv2d(3, 64, (3, 3), (2, 2), (1, 1))"),
        (3, "Conv2d(3, 8, 3)"),
        (3, "Conv2d(3, 12, 3)"),
        (3, "Conv2d(3, 6, 3, 1, 1)"),
        (3, "Conv2d(3, 96, 11, 4)"),
        (3, "Conv2d(3, 96, 4, 4)"),
        (3, "Conv2d(3, 16, 2)"),
        (3, "Conv2d(3, 64, 3, padding = 1)"),
        (1, "Conv2d(1, 6, 5)"),
        (1, "Conv2d(1, 6, 5, 1, 2)"),
        (1, "Conv2d(1, 10, 5)"),
        (10, "Conv2d(10, 20, 5)"),
        (64, "Conv2d(64, 64, 3, 1, 1)"),
        (64, "Conv2d(64, 3, 3, 1, 1)"),
        (64, "Conv2d(64, 3, 7)"),
        (64, "Conv2d(64, 1, 4, 1, 1)"),
        (64, "Conv2d(64, 10, 1)"),
        (64, "Conv2d(64, 128, 1)"),
        (64, "ConvTranspose2d(64, 32, 2, 2)"),
        (64, "ConvTranspose2d(64, 3, 4, 2, 1)"),
        (64, "ConvTranspose2d(64, 3, 3, 2, 1, 1)"),
        (100, "ConvTranspose2d(100, 512, 4, 1, 0)"),
        (3, "Conv2dSame(3, 32, 3, 2)"),
    ],
)
def test_a_convolution_of_torch_warns(channels: int, call: str) -> None:
    assert codes(call, f"[N, {channels}, 224, 224]") == ["W0111"]


@pytest.mark.parametrize(
    ("channels", "call"),
    [
        (64, "Conv2d(64, 3)"),
        (64, "Conv2d(64, 3, 1)"),
        (64, "Conv2d(64, 3, 1, 1)"),
        (64, "Conv2d(64, 3, 2, 1)"),
        (64, "Conv2d(64, 1, 2)"),
        (64, "Conv2d(64, 2, 2)"),
        (64, "Conv2d(64, 3, 3)"),
        (64, "Conv2d(64, 7, 2, 3)"),
        (64, "Conv2d(64, 7, 4, 3)"),  # overlapping patches
        (64, "Conv2d(64, 11, 4, 2)"),  # AlexNet's first
        (64, "Conv2d(64, 4, 1, 1)"),  # PatchGAN's last
        (64, "Conv2d(64, 8, 4)"),
        (64, "Conv2d(64, 3, 1, 4, 4)"),
        (64, "Conv2d(64, 31, 1, 15, groups = 64)"),
        (16, "Conv2d(16, 4, 2, 1)"),
        (16, "Conv2d(16, 16, 16)"),
        (3, "Conv2d(3, 16, 16)"),
        (3, "Conv2d(3, 7, 1, 3)"),
        (3, "Conv2d(3, 4, 2, 1)"),
        (1, "Conv2d(1, 7, padding = 3)"),
        (1, "Conv2d(1, 3, 1, 1)"),
        (21, "ConvTranspose2d(21, 64, 32)"),  # FCN's last
        (21, "ConvTranspose2d(21, 16, 8, 4)"),
        (64, "ConvTranspose2d(64, 4, 2, 1)"),
        (3, "Conv2d(3, kernel_size = 64, stride = 3)"),
        (3, "Conv2d(3, 64, 3, in_channels = 3)"),
        (8, "Conv2d(3, 64, 3, 2, 1)"),
    ],
)
def test_what_can_be_meant_as_it_stands_is_silent(channels: int, call: str) -> None:
    assert codes(call, f"[N, {channels}, 224, 224]") == []


@pytest.mark.parametrize(
    ("features", "call", "warns"),
    [
        (8, "GRU(8, 16)", True),
        (4, "RNN(4, 8)", True),
        (64, "LSTM(64, 128)", True),
        (8, "GRU(8, 2)", False),
        (16, "LSTM(16, 8)", False),
        (64, "TransformerEncoderLayer(64, 8)", True),
        (64, "TransformerEncoderLayer(8, 64)", False),
        (4, "TransformerEncoderLayer(4, 8)", False),
    ],
)
def test_layers_over_steps(features: int, call: str, warns: bool) -> None:
    assert codes(call, f"[N, T, {features}]") == ["W0111"] * warns


def test_one_head_of_attention() -> None:
    network = "network Net {{ input x: float[N, T, 8]\n y, _ = (x, x, x) -> {}\n output z = y }}"
    calls = ("MultiheadAttention(8, 1)", "MultiheadAttention(1, 1)")
    found = [[f.code for f in check_text(network.format(call))] for call in calls]
    assert found == [["W0111"], []]


def test_each_place_warns_though_equal_layers_share_one_operator() -> None:
    call = "Conv2d(3, 16, 3, 1, 1)"
    network = (
        f"network Net {{ input x: float[N, 3, 64, 64]\n output y = [x -> {call}, x -> {call}] }}"
    )
    assert [found.code for found in check_text(network)] == ["W0111", "W0111"]
