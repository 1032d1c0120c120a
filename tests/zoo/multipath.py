"""References of the densely connected networks."""

from __future__ import annotations

from tests.zoo.cv import any_size
from tests.zoo.libraries import pytorchcv, torchvision
from tests.zoo.prove import Reference, renamed

_264 = {"block_config": (6, 12, 64, 48)}

_BC = renamed(
    (r"^features\.init_block", "features.conv0"),
    (r"stage2\.trans2\.conv\.bn", "transition1.norm"),
    (r"stage2\.trans2\.conv\.conv", "transition1.conv"),
    (r"stage3\.trans3\.conv\.bn", "transition2.norm"),
    (r"stage3\.trans3\.conv\.conv", "transition2.conv"),
    (r"stage(\d)\.unit(\d+)\.conv(\d)\.bn", r"denseblock\1.denselayer\2.norm\3"),
    (r"stage(\d)\.unit(\d+)\.conv(\d)\.conv", r"denseblock\1.denselayer\2.conv\3"),
    (r"post_activ\.bn", "norm4"),
    (r"^output", "classifier"),
)


def _bc(model: str, slow: bool = False) -> Reference:
    return any_size(pytorchcv(model, size=12, weights=_BC, slow=slow))


REFERENCES: dict[str, Reference] = {
    "DenseNet121": torchvision("densenet121", size=33),
    "DenseNet161": torchvision("densenet161", size=33),
    "DenseNet169": torchvision("densenet169", size=33),
    "DenseNet201": torchvision("densenet201", size=33),
    "DenseNet264": torchvision("DenseNet", _264, size=33, slow=True),
    "DenseNetBC_100_12": _bc("densenet100_k12_bc_cifar10"),
    "DenseNetBC_190_40": _bc("densenet190_k40_bc_cifar10", slow=True),
    "DenseNetBC_250_24": _bc("densenet250_k24_bc_cifar10", slow=True),
}
