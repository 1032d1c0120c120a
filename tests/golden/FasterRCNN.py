"""FasterRCNN, compiled from rcnn.net by addnn-spec 0.1.0.

Inputs: image: float[N, 3, H, W], boxes: float[R, 5].
Parameters: 41,808,406.
Multiply-accumulates: 134,379,721,216.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def roi_align(
    levels: list[Tensor],
    level: Tensor,
    boxes: Tensor,
    scale: Tensor,
    size: tuple[int, int],
    sampling_ratio: int = 2,
    aligned: bool = False,
) -> Tensor:
    """The means of samples in the bins of regions (image, x1, y1, x2, y2), each from its level."""

    def taps(start: Tensor, extent: Tensor, count: int, limit: Tensor) -> list[list[Tensor]]:
        """Where samples lie along one dimension: two neighbours, each with its weight."""
        step = (torch.arange(count, dtype=start.dtype, device=start.device) + 0.5) / count
        at = start[:, None] + extent[:, None] * step
        last = limit[:, None] - 1
        inside = (at >= -1) & (at <= last + 1)
        at = at.clamp(min=0).minimum(last.to(at.dtype))
        low = at.long()
        part = at - low
        return [[low, (1 - part) * inside], [(low + 1).minimum(last), part * inside]]

    height, width, first = torch.zeros_like(level), torch.zeros_like(level), torch.zeros_like(level)
    before = 0
    for i, features in enumerate(levels):
        height = height + (level == i) * features.shape[2]
        width = width + (level == i) * features.shape[3]
        first = first + (level == i) * before
        before = before + features.shape[2] * features.shape[3]
    values = torch.cat([features.flatten(2) for features in levels], dim=2)
    corners = boxes[:, 1:] * scale[:, None] - (0.5 if aligned else 0.0)
    start, extent = corners[:, :2], corners[:, 2:] - corners[:, :2]
    if not aligned:
        extent = extent.clamp(min=1.0)
    image = boxes[:, 0].long()[:, None, None]
    total = torch.zeros((), dtype=values.dtype, device=values.device)
    for row, down in taps(start[:, 1], extent[:, 1], size[0] * sampling_ratio, height):
        for column, across in taps(start[:, 0], extent[:, 0], size[1] * sampling_ratio, width):
            place = row[:, :, None] * width[:, None, None] + column[:, None, :]
            weight = down[:, :, None, None] * across[:, None, :, None]
            total = total + values[image, :, first[:, None, None] + place] * weight
    bins = (boxes.shape[0], size[0], sampling_ratio, size[1], sampling_ratio, values.shape[1])
    return total.reshape(bins).mean((2, 4)).permute(0, 3, 1, 2)


def multi_scale_roi_align(
    levels: list[Tensor],
    boxes: Tensor,
    size: tuple[int, int],
    stride: int = 4,
    sampling_ratio: int = 2,
) -> Tensor:
    """The means of samples in the bins of regions: large regions are taken from coarse levels."""
    area = (boxes[:, 3:] - boxes[:, 1:3]).clamp(min=0).prod(1)
    level = (4 + torch.log2(area.sqrt() / 224) + 1e-6).floor() - (stride.bit_length() - 1)
    level = level.clamp(0, len(levels) - 1).long()
    scale = 1 / (stride * 2**level).to(boxes.dtype)
    return roi_align(levels, level, boxes, scale, size, sampling_ratio)


class RoIHeads(nn.Module):
    """The classes and corners of each region, and its mask if that is wanted."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.box_head = nn.Sequential(
            OrderedDict(
                {
                    "fc6": nn.Linear(12544, 1024),
                    "1": nn.ReLU(),
                    "fc7": nn.Linear(1024, 1024),
                    "3": nn.ReLU(),
                },
            ),
        )
        self.box_predictor = nn.ModuleDict(
            {"cls_score": nn.Linear(1024, classes), "bbox_pred": nn.Linear(1024, 4 * classes)},
        )

    def forward(self, levels: list[Tensor], boxes: Tensor) -> tuple[Tensor, Tensor]:
        x = multi_scale_roi_align(levels, boxes, (7, 7)).flatten(1)  # [R, 12544]
        x = self.box_head(x)  # [R, 1024]
        scores = self.box_predictor["cls_score"](x)  # [R, classes]
        corners = self.box_predictor["bbox_pred"](x)  # [R, 4 * classes]
        return scores, corners


class RPNHead(nn.Module):
    """The region proposal network: for each of the boxes at each place, is it an object, and
    where.
    """

    def __init__(self, in_channels: int, anchors: int = 3) -> None:
        super().__init__()
        self.conv = nn.ModuleList(
            [
                nn.Sequential(
                    nn.Conv2d(in_channels, in_channels, 3, padding=1),
                    nn.ReLU(inplace=True),
                ),
            ],
        )
        self.cls_logits = nn.Conv2d(in_channels, anchors, 1)
        self.bbox_pred = nn.Conv2d(in_channels, 4 * anchors, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = self.conv[0](x)  # [N, 256, H, W]
        cls_logits = self.cls_logits(x)  # [N, 3, H, W]
        x = self.bbox_pred(x)  # [N, 12, H, W]
        return cls_logits, x


class RPN(nn.Module):
    """The same head for all levels."""

    def __init__(self) -> None:
        super().__init__()
        self.head = RPNHead(256)

    def forward(
        self,
        levels_0: Tensor,
        levels_1: Tensor,
        levels_2: Tensor,
        levels_3: Tensor,
        levels_4: Tensor,
    ) -> tuple[Tensor, ...]:
        y, y_2 = self.head(levels_0)
        y_3, y_4 = self.head(levels_1)
        y_5, y_6 = self.head(levels_2)
        y_7, y_8 = self.head(levels_3)
        y_9, y_10 = self.head(levels_4)
        return y, y_2, y_3, y_4, y_5, y_6, y_7, y_8, y_9, y_10


class FPN(nn.Module):
    """Each level is what the body found there, plus the coarser level; one more for large
    regions.
    """

    def __init__(
        self,
        in_channels: int,
        levels_1_channels: int,
        levels_2_channels: int,
        levels_3_channels: int,
        width: int = 256,
    ) -> None:
        super().__init__()
        self.inner_blocks = nn.ModuleList(
            [
                nn.Sequential(nn.Conv2d(in_channels, width, 1)),
                nn.Sequential(nn.Conv2d(levels_1_channels, width, 1)),
                nn.Sequential(nn.Conv2d(levels_2_channels, width, 1)),
                nn.Sequential(nn.Conv2d(levels_3_channels, width, 1)),
            ],
        )
        self.layer_blocks = nn.ModuleList(
            nn.Sequential(nn.Conv2d(width, width, 3, padding=1)) for _ in range(4)
        )

    def forward(
        self, levels_0: Tensor, levels_1: Tensor, levels_2: Tensor, levels_3: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        levels_0 = self.inner_blocks[0](levels_0)  # [N, 256, floor((H + 3)/4), floor((W + 3)/4)]
        levels_1 = self.inner_blocks[1](levels_1)  # [N, 256, floor((H + 7)/8), floor((W + 7)/8)]
        levels_2 = self.inner_blocks[2](levels_2)
        levels_3 = self.inner_blocks[3](levels_3)
        levels_2 = levels_2 + F.interpolate(levels_3, size=levels_2.shape[2:])
        levels_1 = levels_1 + F.interpolate(levels_2, size=levels_1.shape[2:])
        levels_0 = self.layer_blocks[0](levels_0 + F.interpolate(levels_1, size=levels_0.shape[2:]))
        levels_1 = self.layer_blocks[1](levels_1)  # [N, 256, floor((H + 7)/8), floor((W + 7)/8)]
        levels_2 = self.layer_blocks[2](levels_2)
        levels_3 = self.layer_blocks[3](levels_3)
        y = F.max_pool2d(levels_3, 1, stride=2)  # [N, 256, floor((H + 63)/64), floor((W + 63)/64)]
        return levels_0, levels_1, levels_2, levels_3, y


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


class Body(nn.Module):
    """The convolutional part: the outputs of its four stages, the finest first."""

    def __init__(self, in_channels: int, depths: tuple[int, int, int, int]) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, 64, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        self.layer1 = nn.Sequential(
            Bottleneck(64, 64),
            *(Bottleneck(256, 64) for _ in range(depths[0] - 1)),
        )
        self.layer2 = nn.Sequential(
            Bottleneck(256, 128, stride=2),
            *(Bottleneck(512, 128) for _ in range(depths[1] - 1)),
        )
        self.layer3 = nn.Sequential(
            Bottleneck(512, 256, stride=2),
            *(Bottleneck(1024, 256) for _ in range(depths[2] - 1)),
        )
        self.layer4 = nn.Sequential(
            Bottleneck(1024, 512, stride=2),
            *(Bottleneck(2048, 512) for _ in range(depths[3] - 1)),
        )

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        x = F.relu(self.bn1(self.conv1(x)), inplace=True)
        x = self.maxpool(x)  # [N, 64, floor((H + 3)/4), floor((W + 3)/4)]
        x = self.layer1(x)  # [N, 256, floor((H + 3)/4), floor((W + 3)/4)]
        x_2 = self.layer2(x)  # [N, 512, floor((H + 7)/8), floor((W + 7)/8)]
        x_3 = self.layer3(x_2)  # [N, 1024, floor((H + 15)/16), floor((W + 15)/16)]
        x_4 = self.layer4(x_3)  # [N, 2048, floor((H + 31)/32), floor((W + 31)/32)]
        return x, x_2, x_3, x_4


class Backbone(nn.Module):
    def __init__(self, in_channels: int) -> None:
        super().__init__()
        self.body = Body(in_channels, (3, 4, 6, 3))
        self.fpn = FPN(256, 512, 1024, 2048)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        body, body_2, body_3, body_4 = self.body(x)
        fpn, fpn_2, fpn_3, fpn_4, fpn_5 = self.fpn(body, body_2, body_3, body_4)
        return fpn, fpn_2, fpn_3, fpn_4, fpn_5


class FasterRCNNOutput(NamedTuple):
    objectness: tuple[Tensor, Tensor, Tensor, Tensor, Tensor]
    deltas: tuple[Tensor, Tensor, Tensor, Tensor, Tensor]
    scores: Tensor
    corners: Tensor


class FasterRCNN(nn.Module):
    def __init__(self, classes: int = 91, channels: int = 3) -> None:
        super().__init__()
        self.backbone = Backbone(channels)
        self.rpn = RPN()
        self.roi_heads = RoIHeads(classes)

    def forward(self, image: Tensor, boxes: Tensor) -> FasterRCNNOutput:
        backbone, backbone_2, backbone_3, backbone_4, backbone_5 = self.backbone(image)
        rpn, rpn_2, rpn_3, rpn_4, rpn_5, rpn_6, rpn_7, rpn_8, rpn_9, rpn_10 = self.rpn(
            backbone, backbone_2, backbone_3, backbone_4, backbone_5
        )
        scores, corners = self.roi_heads([backbone, backbone_2, backbone_3, backbone_4], boxes)
        return FasterRCNNOutput(
            (rpn, rpn_3, rpn_5, rpn_7, rpn_9),
            (rpn_2, rpn_4, rpn_6, rpn_8, rpn_10),
            scores,
            corners,
        )
