"""References of the deep networks."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from torch import Tensor, nn
from torch.nn import functional

from tests.zoo.cv import made
from tests.zoo.libraries import pytorchcv, timm, torchvision
from tests.zoo.prove import Reference, Weights, mapped


def _changed(reference: Reference, change: Callable[[Any], None], told: str = "") -> Reference:
    """A reference in which something small is exchanged."""

    def build() -> nn.Module:
        module = reference.build()
        change(module)
        return module

    return replace(reference, build=build, change=told)


def _any_size(module: Any) -> None:
    """pytorchcv's last pools fit one size of image only."""
    module.features.final_pool = nn.AdaptiveAvgPool2d(1)


class _ShortcutA(nn.Module):
    """Every second pixel, and as many channels of zeros as there are."""

    def forward(self, x: Tensor) -> Tensor:
        return functional.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, 0, x.shape[1]))


def _shortcuts_of_the_paper(module: Any) -> None:
    for name in ("stage2", "stage3"):
        module.features.get_submodule(f"{name}.unit1").identity_conv = _ShortcutA()
    _any_size(module)


_PAPER = "with zeros in the shortcuts"
_STRIDE = "with the stride in the first 1×1"
_RESNET: dict[str, Any] = {"weights": mapped("pytorchcv_resnet"), "keys": "pytorchcv_resnet"}
_PRERESNET: dict[str, Any] = {
    "weights": mapped("pytorchcv_preresnet"),
    "keys": "pytorchcv_preresnet",
}


def _cifar(blocks: str, **how: Any) -> Reference:
    reference = pytorchcv(f"resnet{blocks}_cifar10", size=8, **_RESNET, **how)
    return _changed(reference, _shortcuts_of_the_paper, _PAPER)


def _cifar_of(depth: int) -> Reference:
    """Of a depth that pytorchcv has no name for."""
    arguments = {"num_classes": 10, "blocks": depth, "bottleneck": False}
    path = "resnet_cifar.get_resnet_cifar"
    reference = made(path, arguments, size=8, **_RESNET)
    return _changed(reference, _shortcuts_of_the_paper, _PAPER)


def _preresnet(blocks: str, **how: Any) -> Reference:
    reference = pytorchcv(f"preresnet{blocks}_cifar10", size=8, **_PRERESNET, **how)
    return _changed(reference, _any_size)


def _stride_first(module: Any) -> None:
    for name in ("stage2", "stage3"):
        body = module.features.get_submodule(f"{name}.unit1.body")
        body.conv1.conv.stride, body.conv2.conv.stride = (2, 2), (1, 1)


def _resnet_v1(depth: int, **how: Any) -> Reference:
    reference = pytorchcv(f"resnet{depth}", size=33, **_RESNET, **how)
    return _changed(reference, _any_size)


_STAGES = {"1": ("", "repeat"), "2": ("mixed_6a", "repeat_1"), "3": ("mixed_7a", "repeat_2")}
_STEM = ("conv2d_1a", "conv2d_2a", "conv2d_2b", "conv2d_3b", "conv2d_4a", "conv2d_4b")


def _inception_resnet_v1_weights(weights: Weights) -> Weights:
    return {_inception_resnet_v1_key(key): value for key, value in weights.items()}


def _inception_resnet_v1_key(key: str) -> str:
    def unit(found: re.Match[str]) -> str:
        stage, number = found[1], int(found[2])
        reduction, repeat = _STAGES[stage]
        if (stage, number) == ("3", 7):
            return "block8."
        if reduction and number == 1:
            return f"{reduction}."
        return f"{repeat}.{number - (2 if reduction else 1)}."

    def branch(found: re.Match[str]) -> str:
        number, single = int(found[1]) - 1, "mixed_6a.branches.branch1" in key
        place = "" if found[2] is None or single else f"{int(found[2]) - 1}."
        return f"branch{number}.{place}"

    key = re.sub(r"features\.init_block\.conv(\d)", lambda m: _STEM[int(m[1]) - 1], key)
    key = re.sub(r"features\.stage(\d)\.unit(\d+)\.", unit, key)
    key = re.sub(r"^(repeat\w*\.\d+|block8)\.conv\.", r"\1.conv2d.", key)
    key = re.sub(r"branches\.branch(\d)\.(?:conv_list\.conv(\d)|conv)\.", branch, key)
    return key.removeprefix("output.")


REFERENCES: dict[str, Reference] = {
    "ResNet18": torchvision("resnet18", size=33),
    "ResNet34": torchvision("resnet34", size=33),
    "ResNet50": torchvision("resnet50", size=33),
    "ResNet101": torchvision("resnet101", size=33),
    "ResNet152": torchvision("resnet152", size=33),
    "ResNet50_v1": _resnet_v1(50),
    "ResNet101_v1": _resnet_v1(101, slow=True),
    "ResNet152_v1": _resnet_v1(152, slow=True),
    "ResNet20_cifar": _cifar("20"),
    "ResNet32_cifar": _cifar_of(32),
    "ResNet44_cifar": _cifar_of(44),
    "ResNet56_cifar": _cifar("56"),
    "ResNet110_cifar": _cifar("110"),
    "ResNet1202_cifar": _cifar("1202", slow=True),
    "PreActResNet110": _preresnet("110"),
    "PreActResNet164": _preresnet("164bn"),
    "PreActResNet1001": _preresnet("1001", slow=True),
    "PreActResNet164_v1": _changed(_preresnet("164bn"), _stride_first, _STRIDE),
    "PreActResNet1001_v1": _changed(_preresnet("1001", slow=True), _stride_first, _STRIDE),
    "InceptionV3": torchvision(
        "inception_v3", {"init_weights": False}, size=75, training_size=299, batch=2
    ),
    "InceptionV4": timm("inception_v4", size=75),
    "InceptionResNetV1": _changed(
        pytorchcv("inceptionresnetv1", size=75, weights=_inception_resnet_v1_weights), _any_size
    ),
    "InceptionResNetV2": timm("inception_resnet_v2", size=75, slow=True),
}
