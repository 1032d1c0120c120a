"""References of the networks for small devices."""

from __future__ import annotations

import re
from collections.abc import Callable

from tests.zoo.cv import any_size
from tests.zoo.libraries import pytorchcv, timm, torchvision
from tests.zoo.prove import Reference, Weights, renamed

_PART = re.compile(r"^blocks\.(\d\.\d)\.(\w+)\.")


def _as_torchvision(place: str, *rules: tuple[str, str]) -> Callable[[Weights], Weights]:
    """From timm's names to torchvision's, which number what timm names, in the same order.

    `place` is where torchvision has a unit, with its stage and number or its count from the image;
    `rules` are for what stands outside the units.
    """
    rest = renamed(
        (r"^conv_stem\.", "features.0.0."),
        (r"^bn1\.", "features.0.1."),
        (r"\.conv_reduce\.", ".fc1."),
        (r"\.conv_expand\.", ".fc2."),
        *rules,
    )

    def rename(weights: Weights) -> Weights:
        units: dict[str, dict[str, str]] = {}  # the elements of each, by timm's names

        def element(found: re.Match[str]) -> str:
            unit, part = found.groups()
            parts = units.setdefault(unit, {})
            if part not in parts:  # a convolution and its norm are one element
                count = sum(not name.startswith("bn") for name in parts)
                norm = part.startswith("bn")
                parts[part] = str(count) if part == "se" else f"{count - norm}.{int(norm)}"
            stage, number = unit.split(".")
            where = place.format(stage=int(stage) + 1, number=number, count=len(units))
            return f"{where}.{parts[part]}."

        return rest({_PART.sub(element, key): value for key, value in weights.items()})

    return rename


_EFFICIENTNET = _as_torchvision(
    "features.{stage}.{number}.block",
    (r"^conv_head\.", "features.8.0."),
    (r"^bn2\.", "features.8.1."),
    (r"^classifier\.", "classifier.1."),
)
_MOBILENET_V2 = _as_torchvision(
    "features.{count}.conv",
    (r"(features\.1\.conv\.1|\.conv\.2)\.0\.", r"\1."),  # the last has no activation, and is
    (r"features\.1\.conv\.1\.1\.", "features.1.conv.2."),  # numbered apart from its norm
    (r"\.conv\.2\.1\.", ".conv.3."),
    (r"^conv_head\.", "features.18.0."),
    (r"^bn2\.", "features.18.1."),
    (r"^classifier\.", "classifier.1."),
)


def _mobilenet_v3(last: int) -> Callable[[Weights], Weights]:
    """With `last` for the last convolution's place; timm has a 1×1 for the first linear layer."""
    rename = _as_torchvision(
        "features.{count}.block",
        (rf"^features\.{last}\.block\.0\.", f"features.{last}."),
        (r"^classifier\.", "classifier.3."),
        (r"^conv_head\.", "classifier.0."),
    )

    def with_linear(weights: Weights) -> Weights:
        named = rename(weights)
        return {**named, "classifier.0.weight": named["classifier.0.weight"].flatten(1)}

    return with_linear


_TENSORFLOW = {"pad_type": "same", "bn_eps": 0.001}

REFERENCES: dict[str, Reference] = {
    "MobileNetV1": any_size(pytorchcv("mobilenet_w1", size=33)),
    "MobileNetV1_x0_75": any_size(pytorchcv("mobilenet_w3d4", size=33)),
    "MobileNetV1_x0_5": any_size(pytorchcv("mobilenet_wd2", size=33)),
    "MobileNetV1_x0_25": any_size(pytorchcv("mobilenet_wd4", size=33)),
    "MobileNetV2": torchvision("mobilenet_v2", size=33),
    "MobileNetV2_same": timm("mobilenetv2_100", _TENSORFLOW, size=33, weights=_MOBILENET_V2),
    "MobileNetV3_Large": torchvision("mobilenet_v3_large", size=33),
    "MobileNetV3_Small": torchvision("mobilenet_v3_small", size=33),
    "MobileNetV3_Large_same": timm(
        "tf_mobilenetv3_large_100", {"bn_momentum": 0.01}, size=33, weights=_mobilenet_v3(16)
    ),
    "MobileNetV3_Small_same": timm(
        "tf_mobilenetv3_small_100", {"bn_momentum": 0.01}, size=33, weights=_mobilenet_v3(12)
    ),
    "ShuffleNetV1_g1": any_size(pytorchcv("shufflenet_g1_w1", size=33)),
    "ShuffleNetV1_g2": any_size(pytorchcv("shufflenet_g2_w1", size=33)),
    "ShuffleNetV1_g3": any_size(pytorchcv("shufflenet_g3_w1", size=33)),
    "ShuffleNetV1_g4": any_size(pytorchcv("shufflenet_g4_w1", size=33)),
    "ShuffleNetV1_g8": any_size(pytorchcv("shufflenet_g8_w1", size=33)),
    "ShuffleNetV2_x0_5": torchvision("shufflenet_v2_x0_5", size=33),
    "ShuffleNetV2_x1_0": torchvision("shufflenet_v2_x1_0", size=33),
    "ShuffleNetV2_x1_5": torchvision("shufflenet_v2_x1_5", size=33),
    "ShuffleNetV2_x2_0": torchvision("shufflenet_v2_x2_0", size=33),
    "EfficientNetB0_same": timm("tf_efficientnet_b0", size=33, weights=_EFFICIENTNET),
    **{f"EfficientNetB{i}": torchvision(f"efficientnet_b{i}", size=33) for i in range(8)},
}
