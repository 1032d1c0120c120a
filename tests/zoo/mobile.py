"""References of the networks for small devices."""

from __future__ import annotations

from tests.zoo.cv import any_size
from tests.zoo.libraries import pytorchcv, torchvision
from tests.zoo.prove import Reference

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
    **{f"EfficientNetB{i}": torchvision(f"efficientnet_b{i}", size=33) for i in range(8)},
}
