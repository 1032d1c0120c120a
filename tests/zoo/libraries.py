"""References out of other people's libraries: `torchvision("resnet18", size=32)`."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from importlib import import_module
from typing import Any, cast

from torch import nn

from tests import oracles
from tests.zoo.prove import Reference


def torchvision(model: str, arguments: dict[str, Any] | None = None, **how: Any) -> Reference:
    """A classification network of torchvision's; `how` are `Reference`'s fields."""
    return Reference(
        f"torchvision.{model}",
        lambda: _quiet(lambda: getattr(oracles.torchvision().models, model)(**(arguments or {}))),
        **how,
    )


def timm(model: str, arguments: dict[str, Any] | None = None, **how: Any) -> Reference:
    """A network of timm's, by the name under which it is registered."""

    def build() -> Any:
        oracles.torchvision()  # timm imports it
        return import_module("timm").create_model(model, **(arguments or {}))

    return Reference(f"timm.{model}", lambda: _quiet(build), **how)


def pytorchcv(model: str, arguments: dict[str, Any] | None = None, **how: Any) -> Reference:
    """A network of pytorchcv's."""

    def build() -> Any:
        oracles.torchvision()  # pytorchcv imports it, too
        provider = import_module("pytorchcv.model_provider")
        return provider.get_model(model, **(arguments or {}))

    return Reference(f"pytorchcv.{model}", lambda: _quiet(build), **how)


def _quiet(build: Callable[[], Any]) -> nn.Module:
    """Their own warnings, of deprecated names and slow initialisation, are theirs."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return cast(nn.Module, build())
