"""GoogLeNet, compiled from googlenet.net by addnn-spec 0.1.0.

Inputs: image: float[N, 3, H, W].
Parameters: 6,624,904.
Multiply-accumulates: 1,498,376,192.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class ConvBn(nn.Module):
    def __init__(
        self, in_channels: int, width: int, kernel: int, stride: int = 1, padding: int = 0
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(
            in_channels, width, kernel, stride=stride, padding=padding, bias=False
        )
        self.bn = nn.BatchNorm2d(width, eps=0.001)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.bn(self.conv(x)), inplace=True)  # [N, width, H', W']


class Auxiliary(nn.Module):
    def __init__(self, in_channels: int, classes: int) -> None:
        super().__init__()
        self.conv = ConvBn(in_channels, 128, 1)
        self.fc1 = nn.Linear(2048, 1024)
        self.dropout = nn.Dropout(p=0.7)
        self.fc2 = nn.Linear(1024, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = F.adaptive_avg_pool2d(x, 4)  # [N, in_channels, 4, 4]
        x = self.conv(x)  # [N, 128, 4, 4]
        x = F.relu(self.fc1(x.flatten(1)))  # [N, 1024]
        x = self.fc2(self.dropout(x))  # [N, classes]
        return x


class Inception(nn.Module):
    """The widths of the paper's columns: #1×1, (#3×3 reduce, #3×3), (#5×5 reduce, #5×5), pool
    proj.
    """

    def __init__(
        self,
        in_channels: int,
        ones: int,
        threes: tuple[int, int],
        fives: tuple[int, int],
        pool: int,
    ) -> None:
        super().__init__()
        self.branch1 = ConvBn(in_channels, ones, 1)
        self.branch2 = nn.Sequential(
            ConvBn(in_channels, threes[0], 1),
            ConvBn(threes[0], threes[1], 3, padding=1),
        )
        self.branch3 = nn.Sequential(
            ConvBn(in_channels, fives[0], 1),
            ConvBn(fives[0], fives[1], 3, padding=1),
        )
        self.branch4 = nn.Sequential(
            nn.MaxPool2d(3, stride=1, padding=1, ceil_mode=True),
            ConvBn(in_channels, pool, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        a = self.branch1(x)  # [N, ones, H, W]
        b = self.branch2(x)  # [N, threes[1], H, W]
        c = self.branch3(x)  # [N, fives[1], H, W]
        d = self.branch4(x)  # [N, pool, H, W]
        return torch.cat((a, b, c, d), dim=1)  # [N, C, H, W]


class GoogLeNetOutput(NamedTuple):
    logits: Tensor
    aux1: Tensor
    aux2: Tensor


class GoogLeNet(nn.Module):
    def __init__(self, classes: int = 1000, channels: int = 3) -> None:
        super().__init__()
        self.conv1 = ConvBn(channels, 64, 7, stride=2, padding=3)
        self.maxpool1 = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        self.conv2 = ConvBn(64, 64, 1)
        self.conv3 = ConvBn(64, 192, 3, padding=1)
        self.maxpool2 = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        self.inception3a = Inception(192, 64, (96, 128), (16, 32), 32)
        self.inception3b = Inception(256, 128, (128, 192), (32, 96), 64)
        self.maxpool3 = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        self.inception4a = Inception(480, 192, (96, 208), (16, 48), 64)
        self.inception4b = Inception(512, 160, (112, 224), (24, 64), 64)
        self.inception4c = Inception(512, 128, (128, 256), (24, 64), 64)
        self.inception4d = Inception(512, 112, (144, 288), (32, 64), 64)
        self.inception4e = Inception(528, 256, (160, 320), (32, 128), 128)
        self.maxpool4 = nn.MaxPool2d(2, stride=2, ceil_mode=True)
        self.inception5a = Inception(832, 256, (160, 320), (32, 128), 128)
        self.inception5b = Inception(832, 384, (192, 384), (48, 128), 128)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.dropout = nn.Dropout(p=0.2)
        self.fc = nn.Linear(1024, classes)
        self.aux1 = Auxiliary(512, classes)
        self.aux2 = Auxiliary(528, classes)

    def forward(self, image: Tensor) -> Tensor | GoogLeNetOutput:
        x = self.conv1(image)  # [N, 64, floor((H + 1)/2), floor((W + 1)/2)]
        x = self.conv2(self.maxpool1(x))  # [N, 64, floor((H + 1)/4), floor((W + 1)/4)]
        x = self.conv3(x)  # [N, 192, floor((H + 1)/4), floor((W + 1)/4)]
        x = self.maxpool2(x)  # [N, 192, floor((H + 1)/8), floor((W + 1)/8)]
        x = self.inception3a(x)  # [N, 256, floor((H + 1)/8), floor((W + 1)/8)]
        x = self.inception3b(x)  # [N, 480, floor((H + 1)/8), floor((W + 1)/8)]
        x = self.maxpool3(x)  # [N, 480, floor((H + 1)/16), floor((W + 1)/16)]
        a4 = self.inception4a(x)  # [N, 512, floor((H + 1)/16), floor((W + 1)/16)]
        x = self.inception4b(a4)  # [N, 512, floor((H + 1)/16), floor((W + 1)/16)]
        x = self.inception4c(x)  # [N, 512, floor((H + 1)/16), floor((W + 1)/16)]
        d4 = self.inception4d(x)  # [N, 528, floor((H + 1)/16), floor((W + 1)/16)]
        x = self.inception4e(d4)  # [N, 832, floor((H + 1)/16), floor((W + 1)/16)]
        x = self.inception5a(self.maxpool4(x))  # [N, 832, floor((H + 17)/32), floor((W + 17)/32)]
        x = self.inception5b(x)  # [N, 1024, floor((H + 17)/32), floor((W + 17)/32)]
        x = self.dropout(self.avgpool(x).flatten(1))  # [N, 1024]
        logits: Tensor = self.fc(x)  # [N, classes]
        if not self.training:
            return logits
        aux1 = self.aux1(a4)  # [N, classes]
        aux2 = self.aux2(d4)  # [N, classes]
        return GoogLeNetOutput(logits, aux1, aux2)
