"""EfficientNetB0, compiled from efficientnet.net by addnn-spec 0.1.0.

Inputs: image: float[N, 3, H, W].
Parameters: 5,288,548.
Multiply-accumulates: 385,814,752.
SHA-256 of the spec: b3f9adc1f96c055914198cc204459e79b23b30780d6ad51f064e4f19c0379a54
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class StochasticDepth(nn.Module):
    """Drops a residual branch in training: of the whole batch, or of each sample by itself."""

    def __init__(self, p: float, mode: str) -> None:
        super().__init__()
        self.p = p
        self.mode = mode

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.p == 0.0:
            return x
        samples = x.shape[0] if self.mode == "row" else 1
        kept = x.new_empty((samples,) + (1,) * (x.dim() - 1)).bernoulli_(1.0 - self.p)
        return x * kept / (1.0 - self.p) if self.p < 1.0 else x * kept


class SqueezeExcitation(nn.Module):
    def __init__(self, in_channels: int, squeeze: int) -> None:
        super().__init__()
        self.fc1 = nn.Conv2d(in_channels, squeeze, 1)
        self.fc2 = nn.Conv2d(squeeze, in_channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        scale = F.silu(self.fc1(F.adaptive_avg_pool2d(x, 1)))  # [N, squeeze, 1, 1]
        scale = torch.sigmoid(self.fc2(scale))  # [N, in_channels, 1, 1]
        return scale * x  # [N, in_channels, H, W]


class ConvNormAct(nn.Sequential):
    def __init__(
        self,
        in_channels: int,
        width: int,
        kernel: int = 1,
        stride: int = 1,
        groups: int = 1,
        with_silu: bool = False,
    ) -> None:
        layers: list[nn.Module] = [
            nn.Conv2d(
                in_channels,
                width,
                kernel,
                stride=stride,
                padding=kernel // 2,
                groups=groups,
                bias=False,
            ),
            nn.BatchNorm2d(width),
        ]
        if with_silu:
            layers.append(nn.SiLU())
        super().__init__(*layers)


class MBConv(nn.Module):
    def __init__(
        self,
        in_channels: int,
        width: int,
        kernel: int,
        drop: float,
        inner: int,
        stride: int = 1,
        stochastic_depth: bool = False,
        with_conv_norm_act: bool = False,
    ) -> None:
        super().__init__()
        block: list[nn.Module] = []
        if with_conv_norm_act:
            block.append(ConvNormAct(in_channels, 6 * in_channels, with_silu=True))
        block += [
            ConvNormAct(inner, inner, kernel=kernel, stride=stride, groups=inner, with_silu=True),
            SqueezeExcitation(inner, in_channels // 4),
            ConvNormAct(inner, width),
        ]
        self.block = nn.Sequential(*block)
        self.stochastic_depth = StochasticDepth(drop, "row") if stochastic_depth else None

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.block(x)  # [N, width, H', W']
        if self.stochastic_depth is not None:
            y = x + self.stochastic_depth(y)  # [N, in_channels, H, W]
        return y


class EfficientNetB0(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            ConvNormAct(3, 32, kernel=3, stride=2, with_silu=True),
            nn.Sequential(MBConv(32, 16, 3, 0.0, 32)),
            nn.Sequential(
                MBConv(16, 24, 3, 0.0125, 96, stride=2, with_conv_norm_act=True),
                MBConv(24, 24, 3, 0.025, 144, stochastic_depth=True, with_conv_norm_act=True),
            ),
            nn.Sequential(
                MBConv(24, 40, 5, 0.037500000000000006, 144, stride=2, with_conv_norm_act=True),
                MBConv(40, 40, 5, 0.05, 240, stochastic_depth=True, with_conv_norm_act=True),
            ),
            nn.Sequential(
                MBConv(40, 80, 3, 0.0625, 240, stride=2, with_conv_norm_act=True),
                MBConv(
                    80,
                    80,
                    3,
                    0.07500000000000001,
                    480,
                    stochastic_depth=True,
                    with_conv_norm_act=True,
                ),
                MBConv(
                    80,
                    80,
                    3,
                    0.08750000000000001,
                    480,
                    stochastic_depth=True,
                    with_conv_norm_act=True,
                ),
            ),
            nn.Sequential(
                MBConv(80, 112, 5, 0.1, 480, with_conv_norm_act=True),
                MBConv(112, 112, 5, 0.1125, 672, stochastic_depth=True, with_conv_norm_act=True),
                MBConv(112, 112, 5, 0.125, 672, stochastic_depth=True, with_conv_norm_act=True),
            ),
            nn.Sequential(
                MBConv(112, 192, 5, 0.1375, 672, stride=2, with_conv_norm_act=True),
                MBConv(
                    192,
                    192,
                    5,
                    0.15000000000000002,
                    1152,
                    stochastic_depth=True,
                    with_conv_norm_act=True,
                ),
                MBConv(192, 192, 5, 0.1625, 1152, stochastic_depth=True, with_conv_norm_act=True),
                MBConv(
                    192,
                    192,
                    5,
                    0.17500000000000002,
                    1152,
                    stochastic_depth=True,
                    with_conv_norm_act=True,
                ),
            ),
            nn.Sequential(MBConv(192, 320, 3, 0.1875, 1152, with_conv_norm_act=True)),
            ConvNormAct(320, 1280, with_silu=True),
        )
        self.classifier = nn.Sequential(nn.Dropout(p=0.2), nn.Linear(1280, 1000))

    def forward(self, image: Tensor) -> Tensor:
        x = self.features(image)  # [N, 1280, floor((H + 31)/32), floor((W + 31)/32)]
        x = F.adaptive_avg_pool2d(x, 1).flatten(1)  # [N, 1280]
        logits: Tensor = self.classifier(x)  # [N, 1000]
        return logits
