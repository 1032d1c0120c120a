"""DenseNet121, compiled from densenet.net by addnn-spec 0.1.0.

Inputs: image: float[N, 3, H, W].
Parameters: 7,978,856.
Multiply-accumulates: 2,834,161,664.
"""

from __future__ import annotations

from collections import OrderedDict

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Transition(nn.Module):
    def __init__(self, in_channels: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(in_channels)
        self.conv = nn.Conv2d(in_channels, in_channels // 2, 1, bias=False)
        self.pool = nn.AvgPool2d(2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(F.relu(self.norm(x), inplace=True))  # [N, in_channels // 2, H, W]
        x = self.pool(x)  # [N, in_channels // 2, H', W']
        return x


class DenseLayer(nn.Module):
    """Every layer adds `growth` channels to all that went before."""

    def __init__(self, in_channels: int, growth: int) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm2d(in_channels)
        self.conv1 = nn.Conv2d(in_channels, 4 * growth, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(4 * growth)
        self.conv2 = nn.Conv2d(4 * growth, growth, 3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        new = self.conv1(F.relu(self.norm1(x), inplace=True))  # [N, 128, H, W]
        new = self.conv2(F.relu(self.norm2(new), inplace=True))  # [N, 32, H, W]
        return torch.cat((x, new), dim=1)  # [N, C, H, W]


class DenseNet121(nn.Module):
    def __init__(self, classes: int = 1000, channels: int = 3) -> None:
        super().__init__()
        self.features = nn.Sequential(
            OrderedDict(
                {
                    "conv0": nn.Conv2d(channels, 64, 7, stride=2, padding=3, bias=False),
                    "norm0": nn.BatchNorm2d(64),
                    "2": nn.ReLU(inplace=True),
                    "pool0": nn.MaxPool2d(3, stride=2, padding=1),
                    "denseblock1": nn.Sequential(
                        OrderedDict(
                            (f"denselayer{i}", DenseLayer(in_channels, 32))
                            for i, in_channels in enumerate(range(64, 256, 32), 1)
                        ),
                    ),
                    "transition1": Transition(256),
                    "denseblock2": nn.Sequential(
                        OrderedDict(
                            (f"denselayer{i}", DenseLayer(in_channels, 32))
                            for i, in_channels in enumerate(range(128, 512, 32), 1)
                        ),
                    ),
                    "transition2": Transition(512),
                    "denseblock3": nn.Sequential(
                        OrderedDict(
                            (f"denselayer{i}", DenseLayer(in_channels, 32))
                            for i, in_channels in enumerate(range(256, 1024, 32), 1)
                        ),
                    ),
                    "transition3": Transition(1024),
                    "denseblock4": nn.Sequential(
                        OrderedDict(
                            (f"denselayer{i}", DenseLayer(in_channels, 32))
                            for i, in_channels in enumerate(range(512, 1024, 32), 1)
                        ),
                    ),
                    "norm5": nn.BatchNorm2d(1024),
                },
            ),
        )
        self.classifier = nn.Linear(1024, classes)

    def forward(self, image: Tensor) -> Tensor:
        x = self.features(image)  # [N, 1024, floor((H + 3)/32), floor((W + 3)/32)]
        x = F.adaptive_avg_pool2d(F.relu(x), 1).flatten(1)  # [N, 1024]
        logits: Tensor = self.classifier(x)  # [N, classes]
        return logits
