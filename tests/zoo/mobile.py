"""References of the networks for small devices."""

from __future__ import annotations

import re

from tests.zoo.cv import any_size
from tests.zoo.libraries import pytorchcv, timm, torchvision
from tests.zoo.prove import Reference, Weights, renamed

_PARTS = {  # of the first stage, which does not expand, and of the others
    True: {"conv_dw": "0.0", "bn1": "0.1", "se": "1", "conv_pw": "2.0", "bn2": "2.1"},
    False: {"conv_pw": "0.0", "bn1": "0.1", "conv_dw": "1.0", "bn2": "1.1", "se": "2"}
    | {"conv_pwl": "3.0", "bn3": "3.1"},
}


def _as_torchvision(weights: Weights) -> Weights:
    """From timm's names of an EfficientNet to torchvision's."""

    def block(found: re.Match[str]) -> str:
        stage, unit, part = found.groups()
        return f"features.{int(stage) + 1}.{unit}.block.{_PARTS[stage == '0'][part]}."

    rename = renamed(
        (r"^conv_stem\.", "features.0.0."),
        (r"^bn1\.", "features.0.1."),
        (r"^conv_head\.", "features.8.0."),
        (r"^bn2\.", "features.8.1."),
        (r"^classifier\.", "classifier.1."),
        (r"\.conv_reduce\.", ".fc1."),
        (r"\.conv_expand\.", ".fc2."),
    )
    pattern = re.compile(r"^blocks\.(\d)\.(\d)\.(\w+)\.")
    return rename({pattern.sub(block, key): value for key, value in weights.items()})


REFERENCES: dict[str, Reference] = {
    "MobileNetV1": any_size(pytorchcv("mobilenet_w1", size=33)),
    "MobileNetV1_x0_75": any_size(pytorchcv("mobilenet_w3d4", size=33)),
    "MobileNetV1_x0_5": any_size(pytorchcv("mobilenet_wd2", size=33)),
    "MobileNetV1_x0_25": any_size(pytorchcv("mobilenet_wd4", size=33)),
    "MobileNetV2": torchvision("mobilenet_v2", size=33),
    "MobileNetV3_Large": torchvision("mobilenet_v3_large", size=33),
    "MobileNetV3_Small": torchvision("mobilenet_v3_small", size=33),
    "ShuffleNetV1_g1": any_size(pytorchcv("shufflenet_g1_w1", size=33)),
    "ShuffleNetV1_g2": any_size(pytorchcv("shufflenet_g2_w1", size=33)),
    "ShuffleNetV1_g3": any_size(pytorchcv("shufflenet_g3_w1", size=33)),
    "ShuffleNetV1_g4": any_size(pytorchcv("shufflenet_g4_w1", size=33)),
    "ShuffleNetV1_g8": any_size(pytorchcv("shufflenet_g8_w1", size=33)),
    "ShuffleNetV2_x0_5": torchvision("shufflenet_v2_x0_5", size=33),
    "ShuffleNetV2_x1_0": torchvision("shufflenet_v2_x1_0", size=33),
    "ShuffleNetV2_x1_5": torchvision("shufflenet_v2_x1_5", size=33),
    "ShuffleNetV2_x2_0": torchvision("shufflenet_v2_x2_0", size=33),
    "EfficientNetB0_same": timm("tf_efficientnet_b0", size=33, weights=_as_torchvision),
    **{f"EfficientNetB{i}": torchvision(f"efficientnet_b{i}", size=33) for i in range(8)},
}
