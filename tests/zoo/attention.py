"""References of the networks with attention."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from importlib import import_module
from typing import Any, cast

from torch import Tensor, nn
from torch.nn import functional

from tests import oracles
from tests.zoo.cv import any_size, staged
from tests.zoo.elsewhere import EQUATIONS
from tests.zoo.libraries import pytorchcv, torchvision
from tests.zoo.prove import Reference, renamed

_ATTENTION = staged(
    (r"init_blocks\.", "before."),
    (r"hg\.skip_seq\.skip1\.", "trunk."),
    (r"hg\.skip_seq\.skip(\d)\.skip1\.", r"skip\1."),
    (r"hg\.(?:down|up)_seq\.(\w+)\.res_blocks\.", r"\1."),
    (r"middle_block\.conv1\.bn", "mask.0"),
    (r"middle_block\.conv1\.conv", "mask.2"),
    (r"middle_block\.conv2\.bn", "mask.3"),
    (r"middle_block\.conv2\.conv", "mask.5"),
    (r"final_block\.", "after."),
)


def _resnext_with_cbam() -> nn.Module:
    """torchvision's ResNeXt, with pytorchcv's two gates at the end of each block's residual."""
    models = oracles.torchvision().models.resnet
    depths = [3, 4, 23, 3]
    module = models.ResNet(models.Bottleneck, depths, groups=32, width_per_group=4)
    gates: Any = import_module("pytorchcv.models.cbamresnet")
    for block in [part for part in module.modules() if isinstance(part, models.Bottleneck)]:
        cbam = gates.CbamBlock(block.bn3.num_features)
        block.bn3 = nn.Sequential(OrderedDict(bn=block.bn3, cbam=cbam))
    return cast(nn.Module, module)


class _Unit(nn.Module):
    """He et al. 2016: a bottleneck with full pre-activation."""

    def __init__(self, width: int, out: int, stride: int = 1) -> None:
        super().__init__()
        inner = out // 4
        self.bn1, self.conv1 = nn.BatchNorm2d(width), nn.Conv2d(width, inner, 1, bias=False)
        self.bn2, self.conv2 = (
            nn.BatchNorm2d(inner),
            nn.Conv2d(inner, inner, 3, stride, 1, bias=False),
        )
        self.bn3, self.conv3 = nn.BatchNorm2d(inner), nn.Conv2d(inner, out, 1, bias=False)
        changes = width != out or stride != 1
        self.downsample = nn.Conv2d(width, out, 1, stride, bias=False) if changes else None

    def forward(self, x: Tensor) -> Tensor:
        active = self.bn1(x).relu()
        skip = self.downsample(active) if self.downsample else x
        y = self.conv2(self.bn2(self.conv1(active)).relu())
        return cast(Tensor, skip + self.conv3(self.bn3(y).relu()))


class _Attention(nn.Module):
    """Wang et al. 2017: a trunk of two units, and a mask that goes `depth` halvings down."""

    def __init__(self, width: int, depth: int) -> None:
        super().__init__()
        self.before = nn.Sequential(_Unit(width, width))
        self.trunk = nn.Sequential(_Unit(width, width), _Unit(width, width))
        for i in range(1, depth + 1):
            self.add_module(f"down{i}", nn.Sequential(_Unit(width, width)))
            self.add_module(f"up{i}", nn.Sequential(_Unit(width, width)))
            if i > 1:
                self.add_module(f"skip{i}", _Unit(width, width))
        layers = (nn.BatchNorm2d(width), nn.ReLU(), nn.Conv2d(width, width, 1, bias=False))
        again = (nn.BatchNorm2d(width), nn.ReLU(), nn.Conv2d(width, width, 1, bias=False))
        self.mask = nn.Sequential(*layers, *again, nn.Sigmoid())
        self.after = _Unit(width, width)
        self.depth = depth

    def forward(self, x: Tensor) -> Tensor:
        x = self.before(x)
        trunk = self.trunk(x)
        mask = self._hourglass(x, trunk, 1) if self.depth else x
        return cast(Tensor, self.after((1 + self.mask(mask)) * trunk))

    def _hourglass(self, x: Tensor, skip: Tensor, level: int) -> Tensor:
        """What goes down from `level`, with what is below it, and what passes by."""
        y = self.get_submodule(f"down{level}")(functional.max_pool2d(x, 3, 2, 1))
        if level < self.depth:
            around = y + self.get_submodule(f"skip{level + 1}")(y)
            y = self._hourglass(y, around, level + 1)
        y = self.get_submodule(f"up{level}")(y)
        size = [2 * length for length in y.shape[2:]]
        return skip + functional.interpolate(y, size, mode="bilinear", align_corners=True)


class ResidualAttentionCifar(nn.Module):
    """12 modules a stage, on the widths of PreActResNet164."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16)
        width = 16
        for i, out in enumerate((64, 128, 256)):
            modules = (_Attention(out, 2 - i) for _ in range(12))
            unit = _Unit(width, out, 2 if i else 1)
            self.add_module(f"layer{i + 1}", nn.Sequential(unit, *modules))
            width = out
        self.layer4 = nn.Sequential(*(_Unit(256, 256) for _ in range(3)))
        self.bn, self.fc = nn.BatchNorm2d(256), nn.Linear(256, 10)

    def forward(self, image: Tensor) -> Tensor:
        x = self.bn1(self.conv1(image)).relu()
        for i in range(1, 5):
            x = self.get_submodule(f"layer{i}")(x)
        return cast(Tensor, self.fc(self.bn(x).relu().mean(dim=(2, 3))))


def _whole(model: str) -> Callable[[], nn.Module]:
    """torchvision's, of its own size."""
    return lambda: cast(nn.Module, getattr(oracles.torchvision().models, model)())


def _small_maxvit_t() -> nn.Module:
    """For small images, which no more than 2 × 2 parts of 2 × 2 places fill at the end."""
    models = oracles.torchvision().models.maxvit
    widths, depths = [64, 128, 256, 512], [2, 2, 5, 2]
    return cast(nn.Module, models.MaxVit((64, 64), 64, 2, widths, depths, 32, 0.2))


REFERENCES: dict[str, Reference] = {
    "CBAMResNet50": any_size(pytorchcv("cbam_resnet50", size=33, weights=staged())),
    "CBAMResNeXt101_32x4d": Reference(
        "pytorchcv.CbamBlock",
        _resnext_with_cbam,
        change="with torchvision's ResNeXt around it",
        size=33,
        weights=renamed((r"bn3\.bn\.", "bn3."), (r"bn3\.cbam\.", "cbam.")),
    ),
    "ResidualAttention56": any_size(pytorchcv("resattnet56", size=32, weights=_ATTENTION)),
    "ResidualAttention92": any_size(
        pytorchcv("resattnet92", size=32, weights=_ATTENTION, slow=True)
    ),
    "ResidualAttention452": Reference(EQUATIONS, ResidualAttentionCifar, size=8),
    "SwinT": torchvision("swin_t", settings={"size": 60}, full=_whole("swin_t"), slow=True),
    "SwinV2T": torchvision("swin_v2_t", settings={"size": 60}, full=_whole("swin_v2_t"), slow=True),
    "MaxViT_T": Reference(
        "torchvision.maxvit_t",
        _small_maxvit_t,
        settings={"size": 64, "partition": 2},
        full=_whole("maxvit_t"),
        slow=True,
    ),
}
