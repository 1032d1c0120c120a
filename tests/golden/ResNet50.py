"""ResNet50, compiled from resnet.net by addnn-spec 0.1.0.

Inputs: image: float[N, 3, H, W].
Parameters: 25,557,032.
Multiply-accumulates: 4,089,184,256.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn


class Bottleneck(nn.Module):
    """A 3×3 convolution between two 1×1: one narrows, one widens."""

    def __init__(
        self,
        in_channels: int,
        width: int,
        stride: int = 1,
        groups: int = 1,
        base: int = 64,
        dilation: int = 1,
    ) -> None:
        super().__init__()
        inner = width * base // 64 * groups
        out = 4 * width
        changes = stride != 1 or in_channels != out
        self.conv1 = nn.Conv2d(in_channels, inner, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(inner)
        self.conv2 = nn.Conv2d(
            inner,
            inner,
            3,
            stride=stride,
            padding=dilation,
            dilation=dilation,
            groups=groups,
            bias=False,
        )
        self.bn2 = nn.BatchNorm2d(inner)
        self.conv3 = nn.Conv2d(inner, out, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(out)
        self.downsample: nn.Module | None = None
        if changes:
            self.downsample = nn.Sequential(
                nn.Conv2d(in_channels, out, 1, stride=stride, bias=False),
                nn.BatchNorm2d(out),
            )

    def forward(self, x: Tensor) -> Tensor:
        main = F.relu(self.bn1(self.conv1(x)), inplace=True)  # [N, width, H, W]
        main = F.relu(self.bn2(self.conv2(main)), inplace=True)  # [N, width, H', W']
        main = self.bn3(self.conv3(main))  # [N, out, H', W']
        skip = x
        if self.downsample is not None:
            skip = self.downsample(x)  # [N, out, H', W']
        return F.relu(main + skip, inplace=True)  # [N, out, H', W']


class ResNet50(nn.Module):
    def __init__(self, classes: int = 1000, channels: int = 3) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, 64, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        self.layer1 = nn.Sequential(Bottleneck(64, 64), *(Bottleneck(256, 64) for _ in range(2)))
        self.layer2 = nn.Sequential(
            Bottleneck(256, 128, stride=2),
            *(Bottleneck(512, 128) for _ in range(3)),
        )
        self.layer3 = nn.Sequential(
            Bottleneck(512, 256, stride=2),
            *(Bottleneck(1024, 256) for _ in range(5)),
        )
        self.layer4 = nn.Sequential(
            Bottleneck(1024, 512, stride=2),
            *(Bottleneck(2048, 512) for _ in range(2)),
        )
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(2048, classes)

    def forward(self, image: Tensor) -> Tensor:
        x = F.relu(self.bn1(self.conv1(image)), inplace=True)
        x = self.maxpool(x)  # [N, 64, floor((H + 3)/4), floor((W + 3)/4)]
        x = self.layer1(x)  # [N, 256, floor((H + 3)/4), floor((W + 3)/4)]
        x = self.layer2(x)  # [N, 512, floor((H + 7)/8), floor((W + 7)/8)]
        x = self.layer3(x)  # [N, 1024, floor((H + 15)/16), floor((W + 15)/16)]
        x = self.layer4(x)  # [N, 2048, floor((H + 31)/32), floor((W + 31)/32)]
        logits: Tensor = self.fc(self.avgpool(x).flatten(1))  # [N, classes]
        return logits
