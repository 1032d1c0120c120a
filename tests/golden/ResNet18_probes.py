"""ResNet18, compiled from resnet.net by addnn-spec 0.1.0.

Inputs: image: float[N, 3, H, W].
Parameters: 11,689,512.
Multiply-accumulates: 1,814,073,344.
Options: --probes.
"""

from __future__ import annotations

from typing import TypeVar

import torch.nn.functional as F
from torch import Tensor, nn

Tapping = TypeVar("Tapping")


class Probed(nn.Module):
    """A module whose values pass `tap`, which a probe may replace."""

    def tap(self, name: str, value: Tapping) -> Tapping:
        return value


class Tapped(Probed, nn.Sequential):
    """A Sequential that taps every child."""

    def forward(self, x: Tensor) -> Tensor:
        for name, module in self.named_children():
            x = self.tap(name, module(x))
        return x


class Basic(Probed, nn.Module):
    """Two 3×3 convolutions around which the input is added."""

    def __init__(self, in_channels: int, width: int, stride: int = 1) -> None:
        super().__init__()
        changes = stride != 1 or in_channels != width
        self.conv1 = nn.Conv2d(in_channels, width, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.downsample: nn.Module | None = None
        if changes:
            self.downsample = Tapped(
                nn.Conv2d(in_channels, width, 1, stride=stride, bias=False),
                nn.BatchNorm2d(width),
            )

    def forward(self, x: Tensor) -> Tensor:
        main = self.tap("conv1", self.conv1(x))  # [N, width, H', W']
        main = self.tap("bn1", self.bn1(main))  # [N, width, H', W']
        main = self.tap("relu", F.relu(main))  # [N, width, H', W']
        main = self.tap("conv2", self.conv2(main))  # [N, width, H', W']
        main = self.tap("bn2", self.bn2(main))  # [N, width, H', W']
        skip = x
        if self.downsample is not None:
            skip = self.tap("downsample", self.downsample(x))  # [N, width, H', W']
        y: Tensor = self.tap("add", main + skip)  # [N, width, H', W']
        y = self.tap("relu_2", F.relu(y))  # [N, width, H', W']
        return y


class ResNet18(Probed, nn.Module):
    def __init__(self, classes: int = 1000, channels: int = 3) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, 64, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        self.layer1 = Tapped(*(Basic(64, 64) for _ in range(2)))
        self.layer2 = Tapped(Basic(64, 128, stride=2), Basic(128, 128))
        self.layer3 = Tapped(Basic(128, 256, stride=2), Basic(256, 256))
        self.layer4 = Tapped(Basic(256, 512, stride=2), Basic(512, 512))
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(512, classes)

    def forward(self, image: Tensor) -> Tensor:
        image = self.tap("image", image)
        x = self.tap("conv1", self.conv1(image))  # [N, 64, floor((H + 1)/2), floor((W + 1)/2)]
        x = self.tap("bn1", self.bn1(x))  # [N, 64, floor((H + 1)/2), floor((W + 1)/2)]
        x = self.tap("relu", F.relu(x))  # [N, 64, floor((H + 1)/2), floor((W + 1)/2)]
        x = self.tap("maxpool", self.maxpool(x))  # [N, 64, floor((H + 3)/4), floor((W + 3)/4)]
        x = self.tap("layer1", self.layer1(x))  # [N, 64, floor((H + 3)/4), floor((W + 3)/4)]
        x = self.tap("layer2", self.layer2(x))  # [N, 128, floor((H + 7)/8), floor((W + 7)/8)]
        x = self.tap("layer3", self.layer3(x))  # [N, 256, floor((H + 15)/16), floor((W + 15)/16)]
        x = self.tap("layer4", self.layer4(x))  # [N, 512, floor((H + 31)/32), floor((W + 31)/32)]
        x = self.tap("avgpool", self.avgpool(x))  # [N, 512, 1, 1]
        x = self.tap("flatten", x.flatten(1))  # [N, 512]
        logits: Tensor = self.tap("fc", self.fc(x))  # [N, classes]
        return logits
