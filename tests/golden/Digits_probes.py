"""Digits, compiled from digits.net by addnn-spec 0.1.0.

Inputs: image: float[N, 1, 8, 8].
Parameters: 29,818.
Multiply-accumulates: 391,104.
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


class ConvBn(Probed, nn.Module):
    def __init__(self, in_channels: int, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, width, 3, padding=1, bias=False)
        self.bn = nn.BatchNorm2d(width)

    def forward(self, x: Tensor) -> Tensor:
        x = self.tap("conv", self.conv(x))  # [N, width, H, H]
        x = self.tap("bn", self.bn(x))  # [N, width, H, H]
        x = self.tap("relu", F.relu(x))  # [N, width, H, H]
        return x


class Digits(Probed, nn.Module):
    def __init__(self, classes: int = 10, channels: int = 1) -> None:
        super().__init__()
        self.stage1 = Tapped(ConvBn(channels, 16), ConvBn(16, 16))
        self.stage2 = Tapped(ConvBn(16, 32), ConvBn(32, 32))
        self.fc1 = nn.Linear(128, 96)
        self.dropout = nn.Dropout(p=0.2)
        self.fc2 = nn.Linear(96, classes)

    def forward(self, image: Tensor) -> Tensor:
        image = self.tap("image", image)
        x = self.tap("stage1", self.stage1(image))  # [N, 16, 8, 8]
        x = self.tap("maxpool2d", F.max_pool2d(x, 2))  # [N, 16, 4, 4]
        x = self.tap("stage2", self.stage2(x))  # [N, 32, 4, 4]
        x = self.tap("adaptiveavgpool2d", F.adaptive_avg_pool2d(x, 2))  # [N, 32, 2, 2]
        x = self.tap("flatten", x.flatten(1))  # [N, 128]
        x = self.tap("fc1", self.fc1(x))  # [N, 96]
        x = self.tap("relu", F.relu(x))  # [N, 96]
        x = self.tap("dropout", self.dropout(x))  # [N, 96]
        logits: Tensor = self.tap("fc2", self.fc2(x))  # [N, classes]
        return logits
