"""Attention within windows: small nets of the packaged blocks, against torchvision's classes."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest
from torch import nn

from tests import oracles
from tests.zoo.libraries import torchvision
from tests.zoo.prove import Reference, compare

SWIN = {"width": 8, "depths": [2, 2], "heads": [2, 4], "drop": 0.2, "classes": 5}


def swin(window: int, **how: Any) -> nn.Module:
    models = oracles.torchvision().models.swin_transformer
    network = models.SwinTransformer(
        [4, 4], 8, [2, 2], [2, 4], [window, window], num_classes=5, **how
    )
    return cast(nn.Module, network)


@pytest.mark.parametrize(("size", "window"), [(32, 4), (40, 4), (36, 3)])
def test_windows_that_tile_the_map_and_that_do_not(size: int, window: int) -> None:
    """8, 10, 9 places a side, then half: padded, and shifted where windows are several."""
    settings = {**SWIN, "size": size, "window": window}
    compare("SwinTransformer", Reference("", lambda: swin(window), settings=settings))


def test_the_second_version(tmp_path: Path) -> None:
    models = oracles.torchvision().models.swin_transformer
    parts = {"block": models.SwinTransformerBlockV2, "downsample_layer": models.PatchMergingV2}
    small = tmp_path / "small.net"
    small.write_text(
        'from "swin.net" import SwinTransformer\n'
        'from "swin_v2.net" import Layer, PatchMerging\n'
        "network Small = SwinTransformer("
        "8, [2, 2], [2, 4], 4, 0.2, Layer, PatchMerging, size = 40, classes = 5)\n"
    )
    compare(str(small), Reference("", lambda: swin(4, **parts)))


def test_windows_and_grids() -> None:
    def build() -> nn.Module:
        models = oracles.torchvision().models.maxvit
        return cast(
            nn.Module, models.MaxVit((32, 32), 8, 2, [8, 16], [1, 2], 4, 0.2, num_classes=5)
        )

    widths = {"stem": 8, "widths": [8, 16], "depths": [1, 2], "head": 4, "classes": 5}
    compare(
        "MaxViT",
        Reference("", build, settings={**widths, "drop": 0.2, "size": 32, "partition": 2}),
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "model"), [("SwinT", "swin_t"), ("SwinV2T", "swin_v2_t"), ("MaxViT_T", "maxvit_t")]
)
def test_networks_of_full_size(name: str, model: str) -> None:
    compare(name, torchvision(model, batch=1))
