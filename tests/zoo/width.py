"""References of the networks that explore width."""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module
from typing import Any, cast
from unittest.mock import patch

import torch
from torch import Tensor, nn
from torch.nn import functional

from tests import oracles
from tests.zoo.cv import any_size, made, staged
from tests.zoo.libraries import pytorchcv, timm, torchvision
from tests.zoo.prove import Reference, mapped

_RESNET: dict[str, Any] = {"weights": mapped("pytorchcv_resnet"), "keys": "pytorchcv_resnet"}
_PRERESNET: dict[str, Any] = {
    "weights": mapped("pytorchcv_preresnet"),
    "keys": "pytorchcv_preresnet",
}


def _wrn(depth: int, widen: int, slow: bool = False) -> Reference:
    arguments = {"num_classes": 10, "blocks": depth, "width_factor": widen}
    return any_size(made("wrn_cifar.get_wrn_cifar", arguments, **_PRERESNET, size=9, slow=slow))


def _resnext29(groups: int) -> Reference:
    arguments = {"num_classes": 10, "blocks": 29, "cardinality": groups, "bottleneck_width": 64}
    path = "resnext_cifar.get_resnext_cifar"
    return any_size(made(path, arguments, **_RESNET, size=9, slow=True))


def _regnet(model: str, **how: Any) -> Reference:
    """torchvision computes the widths with tensors: on the CPU, wherever the network is made."""
    reference = torchvision(model, size=33, **how)

    def build() -> nn.Module:
        oracles.torchvision()
        params: Any = import_module("torchvision.models.regnet").BlockParams
        made = params.from_init_params

        def on_cpu(**sizes: Any) -> Any:
            with torch.device("cpu"):
                return made(**sizes)

        with patch.object(params, "from_init_params", on_cpu):
            return reference.build()

    return replace(reference, build=build)


def _pyramid(model: str, last: str, size: int = 9, **how: Any) -> Reference:
    weights = staged((r"^post_activ\.bn", "bn_final"), (r"(layer\d\.\d+)\.bn\.", rf"\1.{last}."))
    return any_size(pytorchcv(model, size=size, weights=weights, **how))


def _pyramid200(alpha: int) -> Reference:
    """pytorchcv's own function rounds widths to the nearest: its class is given the paper's."""
    widths, done = [], 0
    for depth in (3, 24, 36, 3):
        widths.append([4 * (64 + alpha * k // 66) for k in range(done + 1, done + depth + 1)])
        done += depth
    arguments = {"channels": widths, "init_block_channels": 64, "bottleneck": True}
    weights = staged((r"^post_activ\.bn", "bn_final"), (r"(layer\d\.\d+)\.bn\.", r"\1.bn4."))
    path = "pyramidnet.PyramidNet"
    change = "with widths rounded down"
    return any_size(made(path, arguments, weights=weights, change=change, size=33, slow=True))


def _xception_same() -> Reference:
    """timm's network with Keras' eps, and pools that pad where TensorFlow does.

    At 43×43 as at 299×299, only the second pool sees an even size.
    """
    reference = timm("legacy_xception")

    def build() -> nn.Module:
        module = reference.build()
        for part in module.modules():
            if isinstance(part, nn.BatchNorm2d):
                part.eps = 0.001
        rep = cast(nn.Sequential, module.get_submodule("block2.rep"))
        rep[-1] = _AtTheEnd()
        return module

    change = "with TensorFlow's eps and pool"
    return replace(reference, build=build, full=build, settings={"size": 43}, change=change)


class _AtTheEnd(nn.Module):
    """A pool of 3 by 2, padded at the right and the bottom."""

    def forward(self, x: Tensor) -> Tensor:
        return functional.max_pool2d(functional.pad(x, (0, 1, 0, 1), value=-torch.inf), 3, 2)


REFERENCES: dict[str, Reference] = {
    "RegNetX_400MF": _regnet("regnet_x_400mf"),
    "RegNetX_800MF": _regnet("regnet_x_800mf"),
    "RegNetX_1_6GF": _regnet("regnet_x_1_6gf"),
    "RegNetX_3_2GF": _regnet("regnet_x_3_2gf", slow=True),
    "RegNetX_8GF": _regnet("regnet_x_8gf", slow=True),
    "RegNetX_16GF": _regnet("regnet_x_16gf", slow=True),
    "RegNetX_32GF": _regnet("regnet_x_32gf", slow=True),
    "RegNetY_400MF": _regnet("regnet_y_400mf"),
    "RegNetY_800MF": _regnet("regnet_y_800mf"),
    "RegNetY_1_6GF": _regnet("regnet_y_1_6gf", slow=True),
    "RegNetY_3_2GF": _regnet("regnet_y_3_2gf", slow=True),
    "RegNetY_8GF": _regnet("regnet_y_8gf", slow=True),
    "RegNetY_16GF": _regnet("regnet_y_16gf", slow=True),
    "RegNetY_32GF": _regnet("regnet_y_32gf", slow=True),
    "WRN16_8": _wrn(16, 8),
    "WRN28_10": _wrn(28, 10),
    "WRN40_4": _wrn(40, 4),
    "WideResNet50_2": torchvision("wide_resnet50_2", size=33),
    "WideResNet101_2": torchvision("wide_resnet101_2", size=33),
    "PyramidNet110_a270": _pyramid("pyramidnet110_a270_cifar10", "bn3"),
    "PyramidNet164_a270": _pyramid("pyramidnet164_a270_bn_cifar10", "bn4", slow=True),
    "PyramidNet": _pyramid(
        "pyramidnet101_a360",
        "bn4",
        size=33,
        settings={"depths": [3, 4, 23, 3], "alpha": 360, "nearest": True},
        slow=True,
    ),
    "PyramidNet200_a300": _pyramid200(300),
    "PyramidNet200_a450": _pyramid200(450),
    "Xception": timm("legacy_xception", size=37),
    "Xception_same": _xception_same(),
    "ResNeXt50_32x4d": torchvision("resnext50_32x4d", size=33),
    "ResNeXt101_32x8d": torchvision("resnext101_32x8d", size=33),
    "ResNeXt101_64x4d": torchvision("resnext101_64x4d", size=33),
    "ResNeXt101_32x4d": timm("resnext101_32x4d", size=33),
    "ResNeXt29_32x4d": any_size(pytorchcv("resnext29_32x4d_cifar10", **_RESNET, size=9)),
    "ResNeXt29_8x64d": _resnext29(8),
    "ResNeXt29_16x64d": _resnext29(16),
}
