"""Every convolution of torchvision's networks, called in torch's order and in ours."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import nn

from addnn_spec.compiler import check_text
from addnn_spec.diagnostics import Diagnostic
from addnn_spec.values import show
from tests.oracles import torchvision

NETWORKS = (
    "alexnet", "convnext_tiny", "densenet121", "efficientnet_b0", "mnasnet1_0", "mobilenet_v2",
    "mobilenet_v3_large", "resnet50", "shufflenet_v2_x1_0", "squeezenet1_1", "swin_t", "vgg16",
    "vit_b_16",
)  # fmt: skip

Sizes = tuple[int, ...]


def convolutions() -> Iterator[tuple[int, int, Sizes, int]]:
    """Of each convolution its input channels, output channels, window, and groups."""
    with torch.device("meta"):
        for name in NETWORKS:
            for module in torchvision().models.get_model(name, weights=None).modules():
                if isinstance(module, nn.Conv2d) and module.kernel_size[0] == module.kernel_size[1]:
                    assert not isinstance(module.padding, str)
                    window = (module.kernel_size[0], module.stride[0], module.padding[0])
                    yield module.in_channels, module.out_channels, window, module.groups


def written(values: Sizes) -> Iterator[Sizes]:
    """The arguments in full, and without those at the end that are the defaults."""
    yield values
    *rest, stride, padding = values
    if padding == 0:
        yield (*rest, stride)
        if stride == 1:
            yield tuple(rest)


def found(channels: int, values: Sizes, groups: int) -> list[Diagnostic]:
    call = f"Conv2d({show(values)[1:-1]}, groups = {groups})"
    shape = f"float[N, {channels}, 256, 256]"
    return check_text(f"network Net {{ input x: {shape}\n output y = x -> conv: {call} }}")


@pytest.mark.slow
def test_in_torchs_order_all_but_the_ambiguous_are_told_with_the_call_that_is_meant() -> None:
    silent = set()
    for inputs, outputs, window, groups in sorted(set(convolutions())):
        for values in written((inputs, outputs, *window)) if groups == 1 else ():
            told = found(inputs, values, groups)
            meant = f"write Conv2d({show(values[1:])[1:-1]}, groups = 1)"
            assert all(f"{diagnostic.help}".count(meant) for diagnostic in told), values
            if not told:
                silent.add(values)
    assert silent <= {(96, 4, 1), (96, 4, 1, 1)}  # 4 channels out, or a kernel of 4?


@pytest.mark.slow
def test_in_our_order_none_is_told() -> None:
    for _, outputs, window, groups in sorted(set(convolutions())):
        for values in written((outputs, *window)):
            assert found(outputs, values, groups) == [], values
