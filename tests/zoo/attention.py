"""References of the networks with attention."""

from __future__ import annotations

from collections import OrderedDict
from importlib import import_module
from typing import Any, cast

from torch import nn

from tests import oracles
from tests.zoo.cv import any_size, staged
from tests.zoo.libraries import pytorchcv
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


REFERENCES: dict[str, Reference] = {
    "CBAMResNet50": any_size(pytorchcv("cbam_resnet50", size=33, weights=staged())),
    "CBAMResNeXt101_32x4d": Reference(
        "pytorchcv.CbamBlock",
        _resnext_with_cbam,
        size=33,
        weights=renamed((r"bn3\.bn\.", "bn3."), (r"bn3\.cbam\.", "cbam.")),
    ),
    "ResidualAttention56": any_size(pytorchcv("resattnet56", size=32, weights=_ATTENTION)),
    "ResidualAttention92": any_size(
        pytorchcv("resattnet92", size=32, weights=_ATTENTION, slow=True)
    ),
}
