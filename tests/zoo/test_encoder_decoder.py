"""The library's stacks of Transformer layers against torch.nn's, weights and gradients too."""

from __future__ import annotations

import warnings
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tests.zoo.emitted import emitted_text, random


def hidden(*shape: int) -> Tensor:
    """A mask that is true at the ends of the rows."""
    places = torch.arange(shape[1]).expand(shape)
    return places >= shape[1] - torch.arange(shape[0])[:, None]


def ours(block: str, layer: str, **inputs: str) -> nn.Module:
    declared = " ".join(f"input {name}: {shape}" for name, shape in inputs.items())
    flow = ", ".join(name for name in ("src", "tgt", "memory") if name in inputs)
    return emitted_text(
        f'from "encoder_decoder.net" import {block}\n'
        f"network Net {{ {declared} output y = ({flow}) -> stack: {layer} }}"
    )


def assert_same(
    module: nn.Module, reference: nn.Module, inputs: tuple[Tensor, ...], theirs: dict[str, Tensor]
) -> None:
    """Equal outputs and gradients, with the weights of one loaded into the other."""
    state = {key.removeprefix("stack."): value for key, value in module.state_dict().items()}
    reference.double().eval().load_state_dict(state, strict=True)
    found, expected = module(*inputs), reference(**theirs)
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-11)
    weights = random(*found.shape, seed=9)
    for output in (found, expected):
        (output * weights).sum().backward()
    given = {key.removeprefix("stack."): p.grad for key, p in module.named_parameters()}
    for key, parameter in reference.named_parameters():
        torch.testing.assert_close(given[key], parameter.grad, rtol=1e-9, atol=1e-10, msg=key)


LAYER: dict[str, Any] = {"nhead": 4, "dim_feedforward": 24, "batch_first": True}


@pytest.mark.parametrize("norm", [False, True])
def test_encoder(norm: bool) -> None:
    module = ours(
        "TransformerEncoder",
        f"TransformerEncoder(TransformerEncoderLayer(4, 24), 3, {'LayerNorm' if norm else 'none'},"
        " mask = mask, src_key_padding_mask = src_key_padding_mask)",
        src="float[N, S, 16]",
        mask="bool[S, S]",
        src_key_padding_mask="bool[N, S]",
    )
    layer = nn.TransformerEncoderLayer(16, **LAYER)
    reference = nn.TransformerEncoder(
        layer, 3, nn.LayerNorm(16) if norm else None, enable_nested_tensor=False
    )
    near = (torch.arange(6)[:, None] - torch.arange(6)).abs() > 3
    inputs = {"src": random(3, 6, 16), "mask": near, "src_key_padding_mask": hidden(3, 6)}
    assert_same(module, reference, tuple(inputs.values()), inputs)


def test_decoder() -> None:
    module = ours(
        "TransformerDecoder",
        "TransformerDecoder(TransformerDecoderLayer(4, 24, norm_first = true), 2, LayerNorm,"
        " tgt_mask = tgt_mask)",
        tgt="float[N, T, 16]",
        memory="float[N, S, 16]",
        tgt_mask="float[T, T]",
    )
    layer = nn.TransformerDecoderLayer(16, norm_first=True, **LAYER)
    reference = nn.TransformerDecoder(layer, 2, nn.LayerNorm(16))
    inputs = {"tgt": random(2, 5, 16), "memory": random(2, 6, 16, seed=2)}
    inputs["tgt_mask"] = random(5, 5, seed=3)
    assert_same(module, reference, tuple(inputs.values()), inputs)


def test_transformer() -> None:
    module = ours(
        "Transformer",
        'Transformer(4, 2, 3, 24, activation = "gelu", norm_first = true, bias = false,'
        " tgt_is_causal = true, src_key_padding_mask = src_key_padding_mask,"
        " memory_key_padding_mask = src_key_padding_mask)",
        src="float[N, S, 16]",
        tgt="float[N, T, 16]",
        src_key_padding_mask="bool[N, S]",
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of nested tensors, which norm_first forgoes
        reference = nn.Transformer(
            16, 4, 2, 3, 24, activation="gelu", batch_first=True, norm_first=True, bias=False
        )
    src, tgt, pad = random(3, 6, 16), random(3, 5, 16, seed=2), hidden(3, 6)
    masks: dict[str, Tensor] = {"src_key_padding_mask": pad, "memory_key_padding_mask": pad}
    masks["tgt_mask"] = torch.ones(5, 5, dtype=torch.bool).triu(1)
    assert_same(module, reference, (src, tgt, pad), {"src": src, "tgt": tgt, **masks})
