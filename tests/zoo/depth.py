"""References of the deep networks."""

from __future__ import annotations

from tests.zoo.libraries import torchvision
from tests.zoo.prove import Reference

REFERENCES: dict[str, Reference] = {
    "ResNet18": torchvision("resnet18", size=33),
    "ResNet34": torchvision("resnet34", size=33, slow=True),
    "ResNet50": torchvision("resnet50", size=33),
    "ResNet101": torchvision("resnet101", size=33, slow=True),
    "ResNet152": torchvision("resnet152", size=33, slow=True),
    "WideResNet50_2": torchvision("wide_resnet50_2", size=33, slow=True),
    "ResNeXt50_32x4d": torchvision("resnext50_32x4d", size=33),
}
