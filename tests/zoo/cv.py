"""What pytorchcv's networks have in common: their names, and a last pool of fixed size."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from typing import Any, cast

from torch import nn

from tests import oracles
from tests.zoo.prove import Reference, Weights, renamed

_BODY = (
    (r"body\.conv(\d)\.(bn|conv)\.", r"\2\1."),
    (r"identity_conv\.conv\.", "downsample.0."),
    (r"identity_conv\.bn\.", "downsample.1."),
    (r"identity_conv\.", "downsample."),
)


def staged(*rules: tuple[str, str]) -> Callable[[Weights], Weights]:
    """A key map to torchvision's names: `layer1.0` for units of stages, then `rules`."""
    rename = renamed(
        *rules,
        *_BODY,
        (r"^init_block\.(?:conv\.)?(bn|conv)\.", r"\g<1>1."),
        (r"^init_block\.weight", "conv1.weight"),
        (r"^post_activ\.", ""),
        (r"^output\.", "fc."),
    )

    def weights(found: Weights) -> Weights:
        return rename({_unit(key): value for key, value in found.items()})

    return weights


def _unit(key: str) -> str:
    """Units are counted from one."""
    key = re.sub(
        r"stage(\d+)\.unit(\d+)\.", lambda found: f"layer{found[1]}.{int(found[2]) - 1}.", key
    )
    key = re.sub(r"\.blocks\.block(\d+)\.", lambda found: f".{int(found[1]) - 1}.", key)
    return key.removeprefix("features.")


def any_size(reference: Reference) -> Reference:
    """`reference` with a last pool that fits any size, not the native one only."""

    def build() -> nn.Module:
        module = reference.build()
        cast(nn.Module, module.features).final_pool = nn.AdaptiveAvgPool2d(1)
        return module

    return replace(reference, build=build)


def made(path: str, arguments: dict[str, Any], **how: Any) -> Reference:
    """A network that pytorchcv has under no name: `made("wrn_cifar.get_wrn_cifar", …)`."""
    file, name = path.split(".")

    def build() -> nn.Module:
        oracles.torchvision()  # pytorchcv imports it
        module = import_module(f"pytorchcv.models.{file}")
        return cast(nn.Module, getattr(module, name)(**arguments))

    return Reference(f"pytorchcv.{name}", build, **how)
