"""Networks of today that are not packaged: how they are written, against others' modules."""

from __future__ import annotations

from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from torch import Tensor, nn

from tests import oracles
from tests.zoo.prove import Inputs, Reference, Weights, compare, prove

SPECS = Path(__file__).parents[1] / "benchmarks" / "specs"


class _Level(nn.Module):
    """A U-Net of pix2pix from level `depth` on, with the keys of its authors."""

    def __init__(self, width: int, inner: int, below: nn.Module | None = None) -> None:
        super().__init__()
        down = nn.Conv2d(width, inner, 4, 2, 1, bias=False)
        comes = inner if below is None else 2 * inner
        up = nn.ConvTranspose2d(comes, width, 4, 2, 1, bias=False)
        middle = [] if below is None else [nn.BatchNorm2d(inner), below]
        self.model = nn.Sequential(
            nn.LeakyReLU(0.2), down, *middle, nn.ReLU(), up, nn.BatchNorm2d(width)
        )

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x, self.model(x)], 1)


class _Pix2Pix(nn.Module):
    def __init__(self, width: int = 64, depth: int = 8) -> None:
        super().__init__()
        below = _Level(8 * width, 8 * width)
        for _ in range(depth - 5):
            below = _Level(8 * width, 8 * width, below)
        for factor in (8, 4, 2):
            below = _Level(factor * width // 2, factor * width, below)
        down = nn.Conv2d(3, width, 4, 2, 1, bias=False)
        up = nn.ConvTranspose2d(2 * width, 3, 4, 2, 1)
        layers = nn.Sequential(down, below, nn.ReLU(), up, nn.Tanh())
        self.model = nn.ModuleDict({"model": layers})

    def forward(self, x: Tensor) -> Tensor:
        return cast(Tensor, self.model["model"](x))


def pix2pix(**how: int) -> Reference:
    return Reference("", partial(_Pix2Pix, **how), settings=how)


def t5(width: int, depth: int, heads: int, size: int, hidden: int, vocabulary: int) -> Reference:
    """transformers' T5Model, its norms in the type of its weights."""

    def build() -> nn.Module:
        oracles.torchvision()  # transformers imports it
        library = import_module("transformers")
        config = library.T5Config(
            vocab_size=vocabulary,
            d_model=width,
            d_kv=size,
            d_ff=hidden,
            num_layers=depth,
            num_heads=heads,
            attn_implementation="eager",
        )
        model = library.T5Model(config)
        for module in model.modules():
            if type(module).__name__ == "T5LayerNorm":
                module.forward = partial(_rms_norm, module)
        return cast(nn.Module, model)

    return Reference(
        "",
        build,
        weights=_shared_once,
        output=lambda value: value[0],
        dims={"S": 19, "T": 21},
        settings={
            "width": width,
            "depth": depth,
            "heads": heads,
            "size": size,
            "hidden": hidden,
            "vocabulary": vocabulary,
        },
        inputs=_somewhere,
        call=_of_words,
        integers=min(vocabulary, 1000),
        counted=False,
    )


def _rms_norm(module: Any, x: Tensor) -> Tensor:
    return nn.functional.rms_norm(x, module.weight.shape, module.weight, module.variance_epsilon)


def _shared_once(weights: Weights) -> Weights:
    """The table of words stands three times in the reference's state dict."""
    return {key: value for key, value in weights.items() if "embed_tokens" not in key}


def _somewhere(inputs: Inputs) -> Inputs:
    """No sentence without words."""
    tokens, mask, written = inputs
    return tokens, mask | (torch.arange(mask.shape[1]) == 0), written


def _of_words(model: Any, tokens: Tensor, mask: Tensor, written: Tensor) -> Any:
    return model(
        input_ids=tokens, attention_mask=mask, decoder_input_ids=written, return_dict=False
    )


def test_levels_within_levels() -> None:
    compare(str(SPECS / "pix2pix.net"), pix2pix(width=4, depth=5))


def test_attention_with_a_table_a_bias_or_a_memory() -> None:
    compare(str(SPECS / "t5.net"), t5(12, 3, 2, 6, 16, 50))


@pytest.mark.slow
def test_levels_of_full_size() -> None:
    compare(str(SPECS / "pix2pix.net"), pix2pix())


@pytest.mark.slow
def test_t5_small() -> None:
    prove(str(SPECS / "t5.net"), t5(512, 6, 8, 64, 2048, 32128))
