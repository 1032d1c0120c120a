"""What is particular to convolutions: costs by a loop, TensorFlow's padding, refusals."""

from __future__ import annotations

from itertools import product

import pytest
import torch
from torch.nn import functional

from addnn_spec.diagnostics import Refusal
from addnn_spec.ops.base import TensorType
from addnn_spec.ops.convolution import (
    Conv1d,
    Conv2d,
    Conv2dSame,
    Conv3d,
    ConvTranspose2d,
)
from addnn_spec.ops.reach import Reach
from addnn_spec.sizes import SymbolicSize
from addnn_spec.sizes.symbolic import Symbol
from tests.ops.harness import build, float64, outputs_of, run

MAP = TensorType("float", (2, 4, 9, 9))


def test_macs_by_a_loop() -> None:
    layer = Conv2d(out_channels=6, kernel_size=(3, 2), stride=2, padding=1, groups=2)
    count = 0
    assert layer.infer(MAP).shape == (2, 6, 5, 5)
    for _ in product(range(2), range(6), range(5), range(5)):
        for _ in product(range(4 // 2), range(3), range(2)):
            count += 1
    assert layer.macs(MAP) == count


@pytest.mark.parametrize(("groups", "macs"), [(1, 1_048_576), (4, 262_144)])
def test_transposed_macs_by_input_positions(groups: int, macs: int) -> None:
    layer = ConvTranspose2d(out_channels=32, kernel_size=4, stride=2, groups=groups)
    assert layer.macs(TensorType("float", (2, 16, 8, 8))) == macs


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "dilation"),
    [(5, 3, 2, 1), (8, 3, 2, 1), (7, 5, 3, 2), (6, 1, 4, 1), (9, 2, 1, 1)],
)
def test_same_padding_is_tensorflows(size: int, kernel: int, stride: int, dilation: int) -> None:
    """TensorFlow's rule, written as it stands in its documentation, then a plain convolution."""
    layer = Conv2dSame(out_channels=3, kernel_size=kernel, stride=stride, dilation=dilation)
    x_type = TensorType("float", (1, 2, size, size))
    module = build(layer, (x_type,))
    assert module is not None
    with float64():
        x = torch.randn(1, 2, size, size)
    (y,) = run(layer, (x_type,), (x,), module)
    filter_size = (kernel - 1) * dilation + 1
    if size % stride == 0:
        along = max(filter_size - stride, 0)
    else:
        along = max(filter_size - size % stride, 0)
    before, after = along // 2, along - along // 2
    expected = functional.conv2d(
        functional.pad(x, (before, after, before, after)),
        module.get_parameter("weight"),
        module.get_parameter("bias"),
        stride,
        0,
        dilation,
    )
    torch.testing.assert_close(y, expected, rtol=1e-12, atol=1e-12)
    reach = layer.reach(x_type)[2]
    assert reach is not None
    assert reach.low == -before


def test_reach() -> None:
    layer = Conv2d(out_channels=3, kernel_size=(3, 4), padding="same", dilation=(2, 1))
    assert layer.reach(MAP)[2:] == (Reach(2, -2, 2), Reach(3, -1, 2))


def test_symbolic_size_has_no_smallest() -> None:
    height = SymbolicSize.of(Symbol("H", 224))
    x = TensorType("float", (1, 3, height, 224))
    assert Conv2d(out_channels=8, kernel_size=7, stride=2, padding=3).infer(x).shape == (
        1,
        8,
        (height - 1) // 2 + 1,
        112,
    )


@pytest.mark.parametrize(
    ("layer", "x", "code", "argument"),
    [
        (Conv2d(out_channels=6, kernel_size=30), MAP, "E0304", "kernel_size"),
        (Conv2d(out_channels=6, kernel_size=5, dilation=3), MAP, "E0304", "kernel_size"),
        (Conv2d(out_channels=6, kernel_size=3, groups=3), MAP, "E0305", "groups"),
        (Conv2d(out_channels=6, kernel_size=3, groups=4), MAP, "E0305", "groups"),
        (Conv2d(out_channels=6, kernel_size=3, padding="same", stride=2), MAP, "E0201", "stride"),
        (Conv2d(out_channels=6, kernel_size=(3, 3, 3)), MAP, "E0201", "kernel_size"),
        (
            Conv2d(out_channels=6, kernel_size=3, padding=9, padding_mode="reflect"),
            MAP,
            "E0304",
            "padding",
        ),
        (
            Conv2d(out_channels=6, kernel_size=3, padding=10, padding_mode="circular"),
            MAP,
            "E0304",
            "padding",
        ),
        (Conv1d(out_channels=6, kernel_size=3), MAP, "E0302", None),
        (Conv3d(out_channels=6, kernel_size=3), MAP, "E0302", None),
        (Conv2d(out_channels=6, kernel_size=3), TensorType("int", MAP.shape), "E0307", None),
        (
            ConvTranspose2d(out_channels=6, kernel_size=3, output_padding=1),
            MAP,
            "E0201",
            "output_padding",
        ),
        (
            ConvTranspose2d(out_channels=6, kernel_size=1, padding=5),
            MAP,
            "E0304",
            "padding",
        ),
    ],
)
def test_refusals(
    layer: Conv1d | Conv2d | Conv3d | ConvTranspose2d,
    x: TensorType,
    code: str,
    argument: str | None,
) -> None:
    with pytest.raises(Refusal) as caught:
        outputs_of(layer, (x,))
    assert (caught.value.code, caught.value.about) == (code, argument)


def test_the_message_for_a_large_kernel() -> None:
    with pytest.raises(Refusal) as caught:
        Conv2d(out_channels=6, kernel_size=30).infer(TensorType("float", (1, 3, 8, 8)))
    assert caught.value.message == "Conv2d's kernel of 30 is larger than its padded input, 8 wide"
