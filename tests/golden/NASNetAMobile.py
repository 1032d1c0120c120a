"""NASNetAMobile, compiled from nasnet.net by addnn-spec 0.1.0.

Inputs: image: float[N, 3, 224, 224].
Parameters: 5,289,978.
Multiply-accumulates: 563,638,816.
"""

from __future__ import annotations

import math
from collections import OrderedDict

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Conv2dSame(nn.Conv2d):
    """A convolution padded as TensorFlow pads: each output size is ceil(input / stride)."""

    def forward(self, input: Tensor) -> Tensor:
        pads: list[int] = []
        for dim in (1, 0):
            size, stride = input.shape[2 + dim], self.stride[dim]
            reach = (self.kernel_size[dim] - 1) * self.dilation[dim] + 1
            total = max((-(-size // stride) - 1) * stride + reach - size, 0)
            pads += [total // 2, total - total // 2]
        return super().forward(F.pad(input, pads))


class Separable(nn.Module):
    def __init__(self, in_channels: int, width: int, kernel: int, stride: int) -> None:
        super().__init__()
        self.depthwise_conv2d = Conv2dSame(
            in_channels, in_channels, kernel, stride=stride, groups=in_channels, bias=False
        )
        self.pointwise_conv2d = nn.Conv2d(in_channels, width, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        x = self.depthwise_conv2d(x)  # [N, in_channels, H', H']
        x = self.pointwise_conv2d(x)  # [N, width, H', H']
        return x


class Separables(nn.Module):
    """Every separable convolution is applied twice."""

    def __init__(self, in_channels: int, width: int, kernel: int, stride: int = 1) -> None:
        super().__init__()
        self.separable_1 = Separable(in_channels, width, kernel, stride)
        self.bn_sep_1 = nn.BatchNorm2d(width, eps=0.001)
        self.separable_2 = Separable(width, width, kernel, 1)
        self.bn_sep_2 = nn.BatchNorm2d(width, eps=0.001)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(x)  # [N, in_channels, H, H]
        x = F.relu(self.bn_sep_1(self.separable_1(x)), inplace=True)  # [N, width, H', H']
        x = self.bn_sep_2(self.separable_2(x))  # [N, width, H', H']
        return x


class ActConvBn(nn.Module):
    def __init__(self, in_channels: int, width: int, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, width, 1, stride=stride, bias=False)
        self.bn = nn.BatchNorm2d(width, eps=0.001)

    def forward(self, x: Tensor) -> Tensor:
        x = self.bn(self.conv(F.relu(x)))  # [N, width, H, H]
        return x


class Normal(nn.Module):
    def __init__(
        self,
        in_channels: int,
        in_height: int,
        current_channels: int,
        current_height: int,
        width: int,
    ) -> None:
        super().__init__()
        self.in_height = in_height
        self.current_height = current_height
        self.pool = nn.AvgPool2d(3, stride=1, padding=1, count_include_pad=False)
        if in_height != current_height:
            self.path_1 = nn.Sequential(
                OrderedDict(
                    avgpool=nn.AvgPool2d(1, stride=2),
                    conv=nn.Conv2d(in_channels, width // 2, 1, bias=False),
                ),
            )
            self.path_2 = nn.Sequential(
                OrderedDict(
                    {
                        "0": nn.ZeroPad2d((-1, 1, -1, 1)),
                        "1": nn.AvgPool2d(1, stride=2),
                        "conv": nn.Conv2d(in_channels, width // 2, 1, bias=False),
                    },
                ),
            )
            self.final_path_bn = nn.BatchNorm2d(2 * (width // 2), eps=0.001)
        else:
            self.conv_prev_1x1 = ActConvBn(in_channels, width)
        self.conv_1x1 = ActConvBn(current_channels, width)
        self.comb_iter_0_left = Separables(width, width, 5)
        self.comb_iter_0_right = Separables(2 * (width // 2), width, 3)
        self.comb_iter_1_left = Separables(2 * (width // 2), width, 5)
        self.comb_iter_1_right = Separables(2 * (width // 2), width, 3)
        self.comb_iter_4_left = Separables(width, width, 3)

    def forward(self, previous: Tensor, current: Tensor) -> Tensor:
        if self.in_height != self.current_height:
            x = F.relu(previous)  # [N, in_channels, H, H]
            a = self.path_1(x)  # [N, width // 2, H', H']
            b = self.path_2(x)  # [N, width // 2, H', H']
            p = self.final_path_bn(torch.cat((a, b), dim=1))  # [N, width, H', H']
        else:
            p = self.conv_prev_1x1(previous)  # [N, width, H, H]
        h = self.conv_1x1(current)  # [N, width, H', H']
        a = self.comb_iter_0_left(h) + self.comb_iter_0_right(p)  # [N, width, H', H']
        b = self.comb_iter_1_left(p) + self.comb_iter_1_right(p)  # [N, width, H', H']
        c = self.pool(h) + p  # [N, width, H', H']
        d = self.pool(p) + self.pool(p)  # [N, width, H', H']
        e = self.comb_iter_4_left(h) + h  # [N, width, H', H']
        return torch.cat((p, a, b, c, d, e), dim=1)  # [N, C, H', H']


def same(x: Tensor, kernel: int, stride: int) -> Tensor:
    """TensorFlow's padding for a window that steps: what is odd of it goes to the end."""
    height = x.shape[2]
    total = max((math.ceil(height / stride) - 1) * stride + kernel - height, 0)
    before = total // 2
    after = total - total // 2
    return F.pad(x, (before, after, before, after))  # [N, C, H', H']


def max_pool(x: Tensor, stride: int = 1) -> Tensor:
    padding = 1 if stride == 1 else x.shape[2] % 2
    ceil_mode = stride > 1
    return F.max_pool2d(x, 3, stride=stride, padding=padding, ceil_mode=ceil_mode)  # [N, C, H', H']


class Reduction(nn.Module):
    def __init__(
        self,
        in_channels: int,
        in_height: int,
        current_channels: int,
        current_height: int,
        width: int,
    ) -> None:
        super().__init__()
        self.in_height = in_height
        self.current_height = current_height
        self.pool = nn.AvgPool2d(3, stride=1, padding=1, count_include_pad=False)
        if in_height != current_height:
            self.path_1 = nn.Sequential(
                OrderedDict(
                    avgpool=nn.AvgPool2d(1, stride=2),
                    conv=nn.Conv2d(in_channels, width // 2, 1, bias=False),
                ),
            )
            self.path_2 = nn.Sequential(
                OrderedDict(
                    {
                        "0": nn.ZeroPad2d((-1, 1, -1, 1)),
                        "1": nn.AvgPool2d(1, stride=2),
                        "conv": nn.Conv2d(in_channels, width // 2, 1, bias=False),
                    },
                ),
            )
            self.final_path_bn = nn.BatchNorm2d(2 * (width // 2), eps=0.001)
        else:
            self.conv_prev_1x1 = ActConvBn(in_channels, width)
        self.conv_1x1 = ActConvBn(current_channels, width)
        self.comb_iter_0_left = Separables(width, width, 5, stride=2)
        self.comb_iter_0_right = Separables(2 * (width // 2), width, 7, stride=2)
        self.comb_iter_1_right = Separables(2 * (width // 2), width, 7, stride=2)
        self.comb_iter_2_right = Separables(2 * (width // 2), width, 5, stride=2)
        self.comb_iter_4_left = Separables(width, width, 3)

    def forward(self, previous: Tensor, current: Tensor) -> Tensor:
        if self.in_height != self.current_height:
            x = F.relu(previous)  # [N, 32, 111, 111]
            a = self.path_1(x)  # [N, 11, 56, 56]
            b = self.path_2(x)  # [N, 11, 56, 56]
            p = self.final_path_bn(torch.cat((a, b), dim=1))  # [N, 22, 56, 56]
        else:
            p = self.conv_prev_1x1(previous)  # [N, width, H, H]
        h = self.conv_1x1(current)  # [N, width, H', H']
        a = self.comb_iter_0_left(h) + self.comb_iter_0_right(p)  # [N, width, H'', H'']
        b = max_pool(h, stride=2) + self.comb_iter_1_right(p)  # [N, width, H'', H'']
        c = F.avg_pool2d(same(h, 3, 2), 3, stride=2) + self.comb_iter_2_right(p)
        d = self.pool(a) + b  # [N, width, H'', H'']
        e = self.comb_iter_4_left(a) + max_pool(h, stride=2)  # [N, width, H'', H'']
        return torch.cat((b, c, d, e), dim=1)  # [N, C, H'', H'']


class Stem(nn.Module):
    """The first cell: there is nothing before what it sees."""

    def __init__(self, in_channels: int, width: int) -> None:
        super().__init__()
        self.pool = nn.AvgPool2d(3, stride=1, padding=1, count_include_pad=False)
        self.conv_1x1 = ActConvBn(in_channels, width)
        self.comb_iter_0_left = Separables(width, width, 5, stride=2)
        self.comb_iter_0_right = Separables(in_channels, width, 7, stride=2)
        self.comb_iter_1_right = Separables(in_channels, width, 7, stride=2)
        self.comb_iter_2_right = Separables(in_channels, width, 5, stride=2)
        self.comb_iter_4_left = Separables(width, width, 3)

    def forward(self, x: Tensor) -> Tensor:
        h = self.conv_1x1(x)  # [N, 11, 111, 111]
        a = self.comb_iter_0_left(h) + self.comb_iter_0_right(x)  # [N, 11, 56, 56]
        b = max_pool(h, stride=2) + self.comb_iter_1_right(x)  # [N, 11, 56, 56]
        c = F.avg_pool2d(same(h, 3, 2), 3, stride=2) + self.comb_iter_2_right(x)  # [N, 11, 56, 56]
        d = self.pool(a) + b  # [N, 11, 56, 56]
        e = self.comb_iter_4_left(a) + max_pool(h, stride=2)  # [N, 11, 56, 56]
        return torch.cat((b, c, d, e), dim=1)  # [N, 44, 56, 56]


class NASNetAMobile(nn.Module):
    def __init__(self, classes: int = 1000, channels: int = 3) -> None:
        super().__init__()
        self.conv0 = nn.Sequential(
            OrderedDict(
                conv=nn.Conv2d(channels, 32, 3, stride=2, bias=False),
                bn=nn.BatchNorm2d(32, eps=0.001),
            ),
        )
        self.cell_stem_0 = Stem(32, 11)
        self.cell_stem_1 = Reduction(32, 111, 44, 56, 22)
        self.cell_0 = Normal(44, 56, 88, 28, 44)
        self.cell_1 = Normal(88, 28, 264, 28, 44)
        self.cell_2 = Normal(264, 28, 264, 28, 44)
        self.cell_3 = Normal(264, 28, 264, 28, 44)
        self.reduction_cell_0 = Reduction(264, 28, 264, 28, 88)
        self.cell_4 = Normal(264, 28, 352, 14, 88)
        self.cell_5 = Normal(352, 14, 528, 14, 88)
        self.cell_6 = Normal(528, 14, 528, 14, 88)
        self.cell_7 = Normal(528, 14, 528, 14, 88)
        self.reduction_cell_1 = Reduction(528, 14, 528, 14, 176)
        self.cell_8 = Normal(528, 14, 704, 7, 176)
        self.cell_9 = Normal(704, 7, 1056, 7, 176)
        self.cell_10 = Normal(1056, 7, 1056, 7, 176)
        self.cell_11 = Normal(1056, 7, 1056, 7, 176)
        self.dropout = nn.Dropout()
        self.last_linear = nn.Linear(1056, classes)

    def forward(self, image: Tensor) -> Tensor:
        x = self.conv0(image)  # [N, 32, 111, 111]
        p = self.cell_stem_0(x)  # [N, 44, 56, 56]
        h = self.cell_stem_1(x, p)  # [N, 88, 28, 28]
        h_2 = self.cell_0(p, h)  # [N, 264, 28, 28]
        h = self.cell_1(h, h_2)  # [N, 264, 28, 28]
        h_2 = self.cell_2(h_2, h)  # [N, 264, 28, 28]
        h = self.cell_3(h, h_2)  # [N, 264, 28, 28]
        h = self.reduction_cell_0(h_2, h)  # [N, 352, 14, 14]
        h_2 = self.cell_4(h_2, h)  # [N, 528, 14, 14]
        h = self.cell_5(h, h_2)  # [N, 528, 14, 14]
        h_2 = self.cell_6(h_2, h)  # [N, 528, 14, 14]
        h = self.cell_7(h, h_2)  # [N, 528, 14, 14]
        h = self.reduction_cell_1(h_2, h)  # [N, 704, 7, 7]
        h_2 = self.cell_8(h_2, h)  # [N, 1056, 7, 7]
        h = self.cell_9(h, h_2)  # [N, 1056, 7, 7]
        h_2 = self.cell_10(h_2, h)  # [N, 1056, 7, 7]
        h = self.cell_11(h, h_2)  # [N, 1056, 7, 7]
        x = F.adaptive_avg_pool2d(F.relu(h), 1).flatten(1)  # [N, 1056]
        logits: Tensor = self.last_linear(self.dropout(x))  # [N, classes]
        return logits
