"""Networks written by hand from the tables and figures of their papers, as references."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any, ClassVar, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from tests import oracles
from tests.zoo.elsewhere import EQUATIONS
from tests.zoo.genotype import AmoebaNetD
from tests.zoo.prove import Reference, renamed


def _normalised(x: Tensor, alpha: float, beta: float = 0.75, k: float = 2, n: int = 5) -> Tensor:
    """Krizhevsky's local response normalisation: the plain sum over n neighbouring maps."""
    around = functional.pad(x**2, (0, 0, 0, 0, n // 2, n // 2))
    total = torch.stack([around[:, i : i + x.shape[1]] for i in range(n)]).sum(dim=0)
    return x / (k + alpha * total) ** beta


class AlexNetOnTwoGPUs(nn.Module):
    """Krizhevsky et al. 2012, section 3.5: the halves meet at the third layer, and at the sixth."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 96, 11, 4)
        self.conv2 = nn.Conv2d(48, 256, 5, padding=2)
        self.conv3 = nn.Conv2d(256, 384, 3, padding=1)
        self.conv4 = nn.Conv2d(192, 384, 3, padding=1)
        self.conv5 = nn.Conv2d(192, 256, 3, padding=1)
        self.fc6, self.fc7 = nn.Linear(9216, 4096), nn.Linear(4096, 4096)
        self.fc8 = nn.Linear(4096, 1000)

    @staticmethod
    def _apart(x: Tensor, conv: nn.Conv2d) -> Tensor:
        """Each half of the kernels sees the maps on its own GPU only."""
        assert conv.bias is not None
        parts = zip(x.chunk(2, dim=1), conv.weight.chunk(2), conv.bias.chunk(2), strict=True)
        return torch.cat([functional.conv2d(*part, padding=conv.padding) for part in parts], dim=1)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.max_pool2d(_normalised(self.conv1(x).relu(), 0.0001), 3, 2)
        x = functional.max_pool2d(_normalised(self._apart(x, self.conv2).relu(), 0.0001), 3, 2)
        x = self._apart(self.conv3(x).relu(), self.conv4).relu()
        x = functional.max_pool2d(self._apart(x, self.conv5).relu(), 3, 2).flatten(1)
        return cast(Tensor, self.fc8(self.fc7(self.fc6(x).relu()).relu()))


class GoogLeNet(nn.Module):
    """Szegedy et al. 2015, table 1 and section 5."""

    TABLE: ClassVar = {
        "3a": (64, 96, 128, 16, 32, 32),
        "3b": (128, 128, 192, 32, 96, 64),
        "4a": (192, 96, 208, 16, 48, 64),
        "4b": (160, 112, 224, 24, 64, 64),
        "4c": (128, 128, 256, 24, 64, 64),
        "4d": (112, 144, 288, 32, 64, 64),
        "4e": (256, 160, 320, 32, 128, 128),
        "5a": (256, 160, 320, 32, 128, 128),
        "5b": (384, 192, 384, 48, 128, 128),
    }
    """#1×1, #3×3 reduce, #3×3, #5×5 reduce, #5×5, pool proj."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3)
        self.reduce2, self.conv2 = nn.Conv2d(64, 64, 1), nn.Conv2d(64, 192, 3, padding=1)
        width = 192
        for name, (ones, reduce3, threes, reduce5, fives, pool) in self.TABLE.items():
            convs = {
                "conv1x1": nn.Conv2d(width, ones, 1),
                "reduce3x3": nn.Conv2d(width, reduce3, 1),
                "conv3x3": nn.Conv2d(reduce3, threes, 3, padding=1),
                "reduce5x5": nn.Conv2d(width, reduce5, 1),
                "conv5x5": nn.Conv2d(reduce5, fives, 5, padding=2),
                "pool_proj": nn.Conv2d(width, pool, 1),
            }
            self.add_module(f"inception{name}", nn.ModuleDict(convs))
            width = ones + threes + fives + pool
        for i, width in ((1, 512), (2, 528)):
            parts = {
                "conv": nn.Conv2d(width, 128, 1),
                "fc1": nn.Linear(2048, 1024),
                "fc2": nn.Linear(1024, 1000),
            }
            self.add_module(f"aux{i}", nn.ModuleDict(parts))
        self.fc = nn.Linear(1024, 1000)

    def _module(self, x: Tensor, name: str) -> Tensor:
        convs = cast(nn.ModuleDict, self.get_submodule(f"inception{name}"))
        branches = (
            convs["conv1x1"](x),
            convs["conv3x3"](convs["reduce3x3"](x).relu()),
            convs["conv5x5"](convs["reduce5x5"](x).relu()),
            convs["pool_proj"](functional.max_pool2d(x, 3, 1, 1)),
        )
        return torch.cat(branches, dim=1).relu()

    def _auxiliary(self, x: Tensor, name: str) -> Tensor:
        parts = cast(nn.ModuleDict, self.get_submodule(name))
        x = parts["conv"](functional.avg_pool2d(x, 5, 3)).relu().flatten(1)
        return cast(Tensor, parts["fc2"](parts["fc1"](x).relu()))

    def forward(self, x: Tensor) -> list[Tensor]:
        def pool(x: Tensor) -> Tensor:  # with what hangs over the edge
            return functional.max_pool2d(x, 3, 2, ceil_mode=True)

        x = _normalised(pool(self.conv1(x).relu()), 0.00002, k=1)
        x = self.conv2(self.reduce2(x).relu()).relu()
        x = pool(_normalised(x, 0.00002, k=1))
        auxiliary = []
        for name in self.TABLE:
            if name in ("4a", "5a"):
                x = pool(x)
            x = self._module(x, name)
            if name in ("4a", "4d") and self.training:
                auxiliary.append(self._auxiliary(x, "aux1" if name == "4a" else "aux2"))
        return [self.fc(x.mean(dim=(2, 3))), *auxiliary]


class Highway(nn.Module):
    """Srivastava et al. 2015, what is carried being 1 − T, on the 17 convolutions of FitNet 4."""

    STAGES = ((32, 32, 32, 48, 48), (80,) * 6, (128,) * 6)

    def __init__(self) -> None:
        super().__init__()
        width = 3
        for i, widths in enumerate(self.STAGES, 1):
            layers = nn.ModuleList()
            for out in widths:
                layer = {"conv": nn.Conv2d(width, out, 3, padding=1)}
                if out == width:
                    layer["transform"] = nn.Conv2d(width, out, 3, padding=1)
                layers.append(nn.ModuleDict(layer))
                width = out
            self.add_module(f"stage{i}", layers)
        self.classifier = nn.Conv2d(128, 10, 1)

    def forward(self, y: Tensor) -> Tensor:
        for i in range(1, 4):
            for layer in cast(nn.ModuleList, self.get_submodule(f"stage{i}")):
                parts = cast(nn.ModuleDict, layer)
                h = parts["conv"](y).relu()
                if "transform" in parts:
                    t = parts["transform"](y).sigmoid()
                    h = h * t + y * (1 - t)
                y = h
            if i < 3:
                y = functional.max_pool2d(y, 2)
        return cast(Tensor, self.classifier(y).mean(dim=(2, 3)))


def _pair(width: int, out: int, padding: int) -> nn.Sequential:
    """U-Net's two 3×3 convolutions."""
    convs = [nn.Conv2d(a, out, 3, padding=padding) for a in (width, out)]
    return nn.Sequential(convs[0], nn.ReLU(), convs[1], nn.ReLU())


class UNet(nn.Module):
    """Ronneberger et al. 2015, figure 1: widths 64 to 1024 down, and up again."""

    def __init__(self, width: int = 64, channels: int = 1, padding: int = 0) -> None:
        super().__init__()
        widths = [width * 2**i for i in range(5)]
        for i, (a, b) in enumerate(pairwise([channels, *widths[:4]]), 1):
            self.add_module(f"down{i}", _pair(a, b, padding))
        self.middle = _pair(widths[3], widths[4], padding)
        for i, (narrow, wide) in enumerate(pairwise(widths), 1):
            self.add_module(f"upconv{i}", nn.ConvTranspose2d(wide, narrow, 2, 2))
            self.add_module(f"up{i}", _pair(wide, narrow, padding))
        self.head = nn.Conv2d(width, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        copied = []
        for i in range(1, 5):
            x = self.get_submodule(f"down{i}")(x)
            copied.append(x)
            x = functional.max_pool2d(x, 2)
        x = self.middle(x)
        for i in range(4, 0, -1):
            x = self.get_submodule(f"upconv{i}")(x)
            edge = (copied[i - 1].shape[2] - x.shape[2]) // 2
            cropped = functional.pad(copied[i - 1], (-edge,) * 4)
            x = self.get_submodule(f"up{i}")(torch.cat([cropped, x], dim=1))
        return cast(Tensor, self.head(x))


class _SCSE(nn.Module):
    """Roy et al. 2018: channels squeezed to a half, and places; their sum."""

    def __init__(self, width: int) -> None:
        super().__init__()
        fc1, fc2 = nn.Conv2d(width, width // 2, 1), nn.Conv2d(width // 2, width, 1)
        self.cse = nn.ModuleDict({"fc1": fc1, "fc2": fc2})
        self.sse = nn.ModuleDict({"conv": nn.Conv2d(width, 1, 1)})

    def forward(self, x: Tensor) -> Tensor:
        z = self.cse["fc2"](self.cse["fc1"](x.mean(dim=(2, 3), keepdim=True)).relu())
        return cast(Tensor, x * z.sigmoid() + x * self.sse["conv"](x).sigmoid())


class _SCSEStage(nn.Module):
    def __init__(self, width: int, out: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(width, out, 3, padding=1, bias=False)
        self.conv2 = nn.Conv2d(out, out, 3, padding=1, bias=False)
        self.bn1, self.bn2 = nn.BatchNorm2d(out), nn.BatchNorm2d(out)
        self.scse = _SCSE(out)

    def forward(self, x: Tensor) -> Tensor:
        x = self.bn1(self.conv1(x)).relu()
        return cast(Tensor, self.scse(self.bn2(self.conv2(x)).relu()))


class SCSEUNet(nn.Module):
    """A padded U-Net with a gate after every stage."""

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        widths = [width * 2**i for i in range(5)]
        for i, (a, b) in enumerate(pairwise([3, *widths[:4]]), 1):
            self.add_module(f"down{i}", _SCSEStage(a, b))
        self.bottom = _SCSEStage(widths[3], widths[4])
        for i, (narrow, wide) in enumerate(pairwise(widths), 1):
            self.add_module(f"up{i}", nn.ConvTranspose2d(wide, narrow, 2, 2))
            self.add_module(f"merge{i}", _SCSEStage(wide, narrow))
        self.head = nn.Conv2d(width, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        copied = []
        for i in range(1, 5):
            copied.append(self.get_submodule(f"down{i}")(x))
            x = functional.max_pool2d(copied[-1], 2)
        x = self.bottom(x)
        for i in range(4, 0, -1):
            x = torch.cat([copied[i - 1], self.get_submodule(f"up{i}")(x)], dim=1)
            x = self.get_submodule(f"merge{i}")(x)
        return cast(Tensor, self.head(x))


class _Competitive(nn.Module):
    """Hu et al. 2018: a pre-activation block whose residual competes with the skip."""

    def __init__(self, width: int, out: int, stride: int) -> None:
        super().__init__()
        self.bn1, self.bn2 = nn.BatchNorm2d(width), nn.BatchNorm2d(out)
        self.conv1 = nn.Conv2d(width, out, 3, stride, 1, bias=False)
        self.conv2 = nn.Conv2d(out, out, 3, 1, 1, bias=False)
        self.downsample = nn.Conv2d(width, out, 1, stride, bias=False) if width != out else None
        few = out // 16
        parts = {
            "conv": nn.Conv2d(1, few, 1, bias=False),
            "bn": nn.BatchNorm2d(few),
            "fc1": nn.Linear(2 * out, few, bias=False),
            "fc2": nn.Linear(few, out, bias=False),
        }
        self.se = nn.ModuleDict(parts)

    def forward(self, x: Tensor) -> Tensor:
        active = self.bn1(x).relu()
        residual = self.conv2(self.bn2(self.conv1(active)).relu())
        skip = x if self.downsample is None else self.downsample(active)
        means = torch.stack([t.mean(dim=(2, 3)) for t in (residual, skip)], dim=2)[:, None]
        seen = self.se["bn"](self.se["conv"](means)).mean(dim=1).flatten(1)
        gate = self.se["fc2"](self.se["fc1"](seen).relu()).sigmoid()
        return cast(Tensor, residual * gate[:, :, None, None] + skip)


class CompetitiveWRN(nn.Module):
    """WRN-28-10 of such blocks, on images normalised by their batch."""

    def __init__(self) -> None:
        super().__init__()
        self.bn0, self.conv1 = (
            nn.BatchNorm2d(3, affine=False),
            nn.Conv2d(3, 16, 3, 1, 1, bias=False),
        )
        self.bn1 = nn.BatchNorm2d(16)
        widths = [16, 160, 320, 640]
        for i, (width, out) in enumerate(pairwise(widths), 1):
            blocks = [_Competitive(width, out, 1 if i == 1 else 2)]
            blocks += [_Competitive(out, out, 1) for _ in range(3)]
            self.add_module(f"layer{i}", nn.Sequential(*blocks))
        self.bn, self.fc = nn.BatchNorm2d(640), nn.Linear(640, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.bn1(self.conv1(self.bn0(x)))
        for i in range(1, 4):
            x = self.get_submodule(f"layer{i}")(x)
        return cast(Tensor, self.fc(self.bn(x).relu().mean(dim=(2, 3))))


class ChannelBoosted(nn.Module):
    """A ResNet-18 on the image and on what two auto-encoders, one and two halvings deep, make."""

    def __init__(self) -> None:
        super().__init__()
        conv, back = nn.Conv2d, nn.ConvTranspose2d
        one: dict[str, list[nn.Module]] = {
            "encoder": [conv(3, 32, 3, 2, 1)],
            "decoder": [back(32, 16, 2, 2)],
        }
        two: dict[str, list[nn.Module]] = {
            "encoder": [conv(3, 32, 3, 2, 1), conv(32, 64, 3, 2, 1)],
            "decoder": [back(64, 32, 2, 2), back(32, 16, 2, 2)],
        }
        for i, parts in enumerate((one, two), 1):
            chains = {name: nn.ModuleList(layers) for name, layers in parts.items()}
            self.add_module(f"auxiliary{i}", nn.ModuleDict(chains))
            self.add_module(f"restore{i}", nn.Conv2d(16, 3, 1))
        self.body = oracles.torchvision().models.resnet18()
        self.body.conv1 = nn.Conv2d(3 + 16 + 16, 64, 7, 2, 3, bias=False)

    def forward(self, image: Tensor) -> list[Tensor]:
        boosted, restored = [image], []
        for i in (1, 2):
            x = image
            for chain in cast(nn.ModuleDict, self.get_submodule(f"auxiliary{i}")).values():
                for layer in cast(nn.ModuleList, chain):
                    x = layer(x).relu()
            boosted.append(x)
            if self.training:
                restored.append(self.get_submodule(f"restore{i}")(x))
        return [self.body(torch.cat(boosted, dim=1)), *restored]


def _by_hand(build: Callable[[], nn.Module], **how: Any) -> Reference:
    return Reference(EQUATIONS, build, **how)


_UNET = renamed((r"\.0\.(weight|bias)", r".conv1.\1"), (r"\.2\.(weight|bias)", r".conv2.\1"))
_GOOGLENET = renamed((r"((?:inception|aux)\w+\.[crp]\w+|conv\d|reduce2)\.(\w+)$", r"\1.conv2d.\2"))
_BOOSTED = renamed((r"^body\.", ""), (r"coder\.1\.", "coder.2."))
_AMOEBANET = renamed(
    (r"\.reduce2\.(conv|bn)\.", r".reduce2.actconvbn.\1."),
    (r"\.reduce2\.(path_\d|final_path_bn)\.", r".reduce2.halve.\1."),
)

REFERENCES: dict[str, Reference] = {
    "AlexNet_two_groups": _by_hand(AlexNetOnTwoGPUs),
    "GoogLeNet_paper": _by_hand(GoogLeNet, weights=_GOOGLENET, batch=2),
    "CMPE_SE_WRN28_10": _by_hand(CompetitiveWRN, size=8),
    "ChannelBoostedCNN": _by_hand(ChannelBoosted, weights=_BOOSTED, size=36),
    "Highway19": _by_hand(Highway, size=16),
    "UNet": _by_hand(lambda: UNet(4), settings={"width": 4}, full=UNet, weights=_UNET, batch=1),
    "UNet_padded": _by_hand(
        lambda: UNet(8, 3, 1),
        settings={"width": 8},
        full=lambda: UNet(64, 3, 1),
        weights=_UNET,
        size=32,
    ),
    "SCSEUNet": _by_hand(lambda: SCSEUNet(8), settings={"base": 8}, full=SCSEUNet, size=32),
    "AmoebaNetD": _by_hand(
        lambda: AmoebaNetD(3, 32),
        settings={"cells": 3, "filters": 32},
        full=AmoebaNetD,
        weights=_AMOEBANET,
        size=64,
    ),
}
