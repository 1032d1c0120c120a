"""Configurations of the operators whose sizes depend on more than their examples show."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

from addnn_spec.ops import find
from addnn_spec.ops.base import Example, TensorType

WINDOWS = [  # kernel, stride, padding, dilation
    (3, 1, 0, 1),
    (3, 2, 1, 1),
    (5, 3, 2, 1),
    (2, 2, 0, 2),
    (2, 2, 1, 1),
    (4, 1, 2, 1),
    (2, 3, 0, 1),
    (3, 2, 1, 2),
    (1, 2, 0, 1),
    (2, 5, 1, 1),
    (4, 2, 1, 3),
]
MODES = ("zeros", "reflect", "replicate", "circular")
SIDES = [
    (0, 0), (1, 1), (2, 1), (3, 3), (0, 4), (-1, 0), (0, -2), (-3, 0), (-3, 5), (5, -3),
    (-2, -2), (-1, 3), (-4, 4), (3, -1),
]  # fmt: skip

Configuration = tuple[str, dict[str, Any], tuple[TensorType, ...]]


def configurations() -> Iterator[tuple[str, Example]]:
    """All of them, with a name for the test."""
    for dims in (1, 2, 3):
        for family in (_convolutions, _pools, _unpools, _pads, _norms):
            for name, fields, inputs in family(dims):
                kind = find(name)
                assert kind is not None
                given = ", ".join(f"{field}={value}" for field, value in fields.items())
                yield f"{name}({given})", Example(kind(**fields), inputs)


def _map(dims: int) -> TensorType:
    return TensorType("float", (2, 4, 7, 6, 5)[: dims + 2])


def _convolutions(dims: int) -> Iterator[Configuration]:
    x = (_map(dims),)
    for kernel, stride, padding, dilation in WINDOWS:
        window = {"out_channels": 2, "kernel_size": kernel, "stride": stride, "dilation": dilation}
        for mode in MODES:
            yield f"Conv{dims}d", window | {"padding": padding, "padding_mode": mode}, x
        for more in range(min(2, max(stride, dilation))):
            padded = window | {"padding": padding, "output_padding": more}
            yield f"ConvTranspose{dims}d", padded, x
        if dims == 2:
            yield "Conv2dSame", window, x
            unfolded = {"kernel_size": kernel, "stride": stride, "dilation": dilation}
            yield "Unfold", unfolded | {"padding": padding}, x
    for (kernel, dilation), mode in product([(2, 1), (3, 1), (5, 1), (3, 2), (4, 3)], MODES):
        same = {"out_channels": 2, "kernel_size": kernel, "padding": "same", "dilation": dilation}
        yield f"Conv{dims}d", same | {"padding_mode": mode}, x


def _pools(dims: int) -> Iterator[Configuration]:
    x = (_map(dims),)
    for (kernel, stride, padding, dilation), ceil_mode in product(WINDOWS, (False, True)):
        window = {"kernel_size": kernel, "stride": stride, "padding": padding}
        ceil = {"ceil_mode": ceil_mode}
        yield f"MaxPool{dims}d", window | ceil | {"dilation": dilation}, x
        if dilation > 1:
            continue
        yield f"AvgPool{dims}d", window | ceil, x
        yield f"AvgPool{dims}d", window | ceil | {"count_include_pad": False}, x
        free = {"kernel_size": kernel, "stride": stride}
        yield f"LPPool{dims}d", free | ceil | {"norm_type": 2.0}, x
        if dims == 2 and not ceil_mode:
            yield "MixedPool2d", window, x
            yield "StochasticPool2d", free, x
        if dims == 2:
            yield "SumPool2d", window | ceil, x
            yield "MinPool2d", window | ceil, x
    for size in (1, 3):
        yield f"AdaptiveAvgPool{dims}d", {"output_size": size}, x
        yield f"AdaptiveMaxPool{dims}d", {"output_size": size}, x
    if dims > 1:
        for kernel, size in [(2, 4), (3, 4), (1, 5), (2, 1)]:
            yield f"FractionalMaxPool{dims}d", {"kernel_size": kernel, "output_size": size}, x
        for kernel, ratio in [(2, 0.5), (3, 0.3), (1, 0.9)]:
            yield f"FractionalMaxPool{dims}d", {"kernel_size": kernel, "output_ratio": ratio}, x


def _unpools(dims: int) -> Iterator[Configuration]:
    shape = (2, 3, 4, 5, 6)[: dims + 2]
    inputs = (TensorType("float", shape), TensorType("int", shape))
    for kernel, stride, padding, dilation in WINDOWS:
        if dilation == 1:
            window = {"kernel_size": kernel, "stride": stride, "padding": padding}
            yield f"MaxUnpool{dims}d", window, inputs
    for kernel, stride, size in product((1, 2, 3), (1, 2), (3, 7, 9)):
        window = {"kernel_size": kernel, "stride": stride}
        yield f"MaxUnpool{dims}d", window | {"output_size": (size,) * dims}, inputs


def _pads(dims: int) -> Iterator[Configuration]:
    x = (_map(dims),)
    places = set()
    for sides in SIDES:
        for pad in (sides * dims, sides + (0, 0) * (dims - 1), (0, 0) * (dims - 1) + sides):
            places.add(pad)
    for pad in sorted(places):
        for mode in ("constant", *MODES[1:]):
            yield "Pad", {"pad": pad, "mode": mode}, x
        for kind in ("Reflection", "Replication", "Circular", "Zero"):
            yield f"{kind}Pad{dims}d", {"padding": pad}, x
        yield f"ConstantPad{dims}d", {"padding": pad, "value": 1.0}, x


def _norms(dims: int) -> Iterator[Configuration]:
    x, vectors = (_map(dims),), (TensorType("float", (2, 4)),)
    options: list[dict[str, Any]] = [{}, {"affine": True}, {"affine": False}]
    for option, own in product(options, (True, False)):
        fields = option | {"track_running_stats": own}
        yield f"InstanceNorm{dims}d", fields, x
        yield f"BatchNorm{dims}d", fields, x
        yield "SyncBatchNorm", fields, x
        if dims == 1:
            yield "BatchNorm1d", fields, vectors
    for groups in (1, 2, 4):
        yield "GroupNorm", {"num_groups": groups}, x
        if dims == 1:
            yield "GroupNorm", {"num_groups": groups}, vectors
    yield "LocalResponseNorm", {"size": 3}, x
