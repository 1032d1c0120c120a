"""References of the deep networks."""

from __future__ import annotations

import re
from dataclasses import replace

from torch import nn

from tests.zoo.libraries import pytorchcv, timm, torchvision
from tests.zoo.prove import Reference, Weights


def _inception_resnet_v1() -> Reference:
    """pytorchcv's, whose last pool fits 299×299 only, with one that fits any size."""
    reference = pytorchcv("inceptionresnetv1", size=75, weights=_inception_resnet_v1_weights)

    def build() -> nn.Module:
        module = reference.build()
        module.features.final_pool = nn.AdaptiveAvgPool2d(1)  # type: ignore[union-attr]
        return module

    return replace(reference, build=build)


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
    "ResNet34": torchvision("resnet34", size=33, slow=True),
    "ResNet50": torchvision("resnet50", size=33),
    "ResNet101": torchvision("resnet101", size=33, slow=True),
    "ResNet152": torchvision("resnet152", size=33, slow=True),
    "WideResNet50_2": torchvision("wide_resnet50_2", size=33, slow=True),
    "ResNeXt50_32x4d": torchvision("resnext50_32x4d", size=33),
    "InceptionV3": torchvision(
        "inception_v3", {"init_weights": False}, size=75, training_size=299, batch=2
    ),
    "InceptionV4": timm("inception_v4", size=75, slow=True),
    "InceptionResNetV1": _inception_resnet_v1(),
    "InceptionResNetV2": timm("inception_resnet_v2", size=75, slow=True),
}
