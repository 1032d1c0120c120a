"""References of the networks that explore the spatial extent of filters."""

from __future__ import annotations

from typing import Any

from tests.zoo.libraries import pytorchcv, torchvision
from tests.zoo.prove import Reference, renamed


def _auxiliary_in_order(output: Any) -> Any:
    """torchvision gives the second auxiliary classifier's output before the first's."""
    if isinstance(output, tuple):
        logits, second, first = output
        return logits, first, second
    return output


_ZFNET = renamed(
    (r"features\.stage([12])\.unit1\.conv", r"conv\1"),
    (r"features\.stage3\.unit1\.conv", "conv3"),
    (r"features\.stage3\.unit2\.conv", "conv4"),
    (r"features\.stage3\.unit3\.conv", "conv5"),
    (r"output\.fc1\.fc", "fc6"),
    (r"output\.fc2\.fc", "fc7"),
    (r"output\.fc3", "fc8"),
)

REFERENCES: dict[str, Reference] = {
    "AlexNet": torchvision("alexnet", size=63),
    "ZFNet": pytorchcv("zfnet", weights=_ZFNET),
    "VGG11": torchvision("vgg11", size=32),
    "VGG13": torchvision("vgg13", size=32),
    "VGG16": torchvision("vgg16", size=32),
    "VGG19": torchvision("vgg19", size=32),
    "VGG11_bn": torchvision("vgg11_bn", size=32),
    "VGG13_bn": torchvision("vgg13_bn", size=32),
    "VGG16_bn": torchvision("vgg16_bn", size=32),
    "VGG19_bn": torchvision("vgg19_bn", size=32),
    "GoogLeNet": torchvision(
        "googlenet", {"init_weights": False}, size=64, output=_auxiliary_in_order
    ),
}
