"""EfficientNetB0, compiled from efficientnet.net by addnn-spec 0.1.0.

Inputs: image: float[N, 3, H, W].
Parameters: 5,288,548.
Multiply-accumulates: 385,814,752.
"""

from __future__ import annotations

from collections.abc import Callable

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


def rounded(v: int, by: int = 8) -> int:
    return max(by, int(v + by / 2) // by * by)


def divisible(v: int, by: int = 8) -> int:
    return rounded(v, by) + (by if rounded(v, by) < 0.9 * v else 0)


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
        act: Callable[[], nn.Module] | None,
        kernel: int = 3,
        stride: int = 1,
        groups: int = 1,
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
        if act is not None:
            layers.append(act())
        super().__init__(*layers)


class MBConv(nn.Module):
    def __init__(
        self, in_channels: int, width: int, kernel: int, stride: int, expand: int, drop: float
    ) -> None:
        super().__init__()
        inner = divisible(in_channels * expand)
        squeeze = max(1, in_channels // 4)
        block: list[nn.Module] = []
        if inner != in_channels:
            block.append(ConvNormAct(in_channels, inner, nn.SiLU, kernel=1))
        block += [
            ConvNormAct(inner, inner, nn.SiLU, kernel=kernel, stride=stride, groups=inner),
            SqueezeExcitation(inner, squeeze),
            ConvNormAct(inner, width, None, kernel=1),
        ]
        self.block = nn.Sequential(*block)
        self.stochastic_depth: nn.Module | None = None
        if stride == 1 and in_channels == width:
            self.stochastic_depth = StochasticDepth(drop, "row")

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.block(x)  # [N, width, H', W']
        if self.stochastic_depth is not None:
            y = x + self.stochastic_depth(y)  # [N, in_channels, H, W]
        return y


class EfficientNetB0(nn.Module):
    def __init__(self, classes: int = 1000, channels: int = 3) -> None:
        super().__init__()
        self.features = nn.Sequential(
            ConvNormAct(channels, 32, nn.SiLU, stride=2),
            nn.Sequential(MBConv(32, 16, 3, 1, 1, 0.0)),
            nn.Sequential(MBConv(16, 24, 3, 2, 6, 0.0125), MBConv(24, 24, 3, 1, 6, 0.025)),
            nn.Sequential(
                MBConv(24, 40, 5, 2, 6, 0.037500000000000006),
                MBConv(40, 40, 5, 1, 6, 0.05),
            ),
            nn.Sequential(
                *(
                    MBConv(in_channels, 80, 3, stride, 6, drop)
                    for in_channels, stride, drop in (
                        (40, 2, 0.0625),
                        (80, 1, 0.07500000000000001),
                        (80, 1, 0.08750000000000001),
                    )
                ),
            ),
            nn.Sequential(
                *(
                    MBConv(in_channels, 112, 5, 1, 6, drop)
                    for in_channels, drop in ((80, 0.1), (112, 0.1125), (112, 0.125))
                ),
            ),
            nn.Sequential(
                *(
                    MBConv(in_channels, 192, 5, stride, 6, drop)
                    for in_channels, stride, drop in (
                        (112, 2, 0.1375),
                        (192, 1, 0.15000000000000002),
                        (192, 1, 0.1625),
                        (192, 1, 0.17500000000000002),
                    )
                ),
            ),
            nn.Sequential(MBConv(192, 320, 3, 1, 6, 0.1875)),
            ConvNormAct(320, 1280, nn.SiLU, kernel=1),
        )
        self.classifier = nn.Sequential(nn.Dropout(p=0.2), nn.Linear(1280, classes))

    def forward(self, image: Tensor) -> Tensor:
        x = self.features(image)  # [N, 1280, floor((H + 31)/32), floor((W + 31)/32)]
        x = F.adaptive_avg_pool2d(x, 1).flatten(1)  # [N, 1280]
        logits: Tensor = self.classifier(x)  # [N, classes]
        return logits
