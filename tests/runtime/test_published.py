"""Published weights load without a line of code: through a folder, and a packaged key map."""

from __future__ import annotations

import warnings
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from addnn_spec import load
from addnn_spec.runtime.foreign_errors import WeightsNote
from tests import oracles

EXACT = 1e-12
SIZES = {"vocab_size": 20, "n_positions": 16, "n_embd": 24, "n_layer": 2, "n_head": 3}
OURS = {"vocabulary": 20, "context": 16, "width": 24, "depth": 2, "heads": 3}


def equal(ours: Tensor, theirs: Tensor) -> bool:
    return bool((ours - theirs).abs().max() <= EXACT * theirs.abs().max())


def gpt2(name: str) -> Any:
    oracles.torchvision()  # transformers imports it
    transformers = import_module("transformers")
    config = transformers.GPT2Config(**SIZES, attn_implementation="eager")
    torch.manual_seed(0)
    model = getattr(transformers, name)(config)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(0, 0.3)
    return model.eval()


def built(weights: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", WeightsNote)  # the tied head
        module = load("GPT2", settings=OURS).build(weights, keys="gpt2")
    return module.double().eval()


@pytest.mark.parametrize("shards", ["5GB", "10KB"])
def test_gpt2s_folder(tmp_path: Path, shards: str) -> None:
    theirs = gpt2("GPT2LMHeadModel")
    theirs.save_pretrained(tmp_path, max_shard_size=shards)
    assert (tmp_path / "model.safetensors.index.json").exists() == (shards == "10KB")
    tokens = torch.randint(20, (3, 12))
    with torch.no_grad():
        assert equal(built(tmp_path)(tokens), theirs.double()(tokens).logits)


@pytest.mark.parametrize("name", ["GPT2LMHeadModel", "GPT2Model"])
@pytest.mark.parametrize("old", [False, True])
def test_gpt2s_state_dict(tmp_path: Path, name: str, old: bool) -> None:
    """Of the model with its head and without; old files hold the causal mask, too."""
    theirs = gpt2(name)
    state = dict(theirs.state_dict())
    before = "transformer." if name == "GPT2LMHeadModel" else ""
    if old:
        state |= {f"{before}h.{i}.attn.bias": torch.ones(1, 1, 16, 16).tril() for i in (0, 1)}
        state |= {f"{before}h.{i}.attn.masked_bias": torch.tensor(-1e4) for i in (0, 1)}
    torch.save(state, tmp_path / "pytorch_model.bin")
    tokens = torch.randint(20, (3, 12))
    with torch.no_grad():
        found = theirs.double()(tokens)
        expected = found.logits if before else found.last_hidden_state @ theirs.wte.weight.T
        assert equal(built(tmp_path)(tokens), expected)


def test_gpt2_without_a_key_map_says_what_would_help(tmp_path: Path) -> None:
    from addnn_spec.diagnostics import DiagnosticError

    state = {
        key.removeprefix("transformer."): v for key, v in gpt2("GPT2Model").state_dict().items()
    }
    with pytest.raises(DiagnosticError, match=r"'\*\.c_attn\.weight' = \{ transpose = true"):
        load("GPT2", settings=OURS).build(state)


def test_berts_with_its_heads(tmp_path: Path) -> None:
    oracles.torchvision()
    transformers = import_module("transformers")
    config = transformers.BertConfig(
        vocab_size=20, hidden_size=24, num_hidden_layers=2, num_attention_heads=3,
        intermediate_size=96, max_position_embeddings=16, attn_implementation="eager",
    )  # fmt: skip
    torch.manual_seed(0)
    theirs = transformers.BertForPreTraining(config).eval()
    state = {
        key.replace("LayerNorm.weight", "LayerNorm.gamma"): value
        for key, value in theirs.state_dict().items()
    }
    torch.save(state, tmp_path / "pytorch_model.bin")
    network = load("BERT", vocabulary=20, context=16, width=24, depth=2, heads=3)
    ours = network.build(tmp_path, keys="bert").double().eval()
    tokens, segments = torch.randint(20, (3, 12)), torch.randint(2, (3, 12))
    mask = torch.ones(3, 12)
    with torch.no_grad():
        inner = theirs.double().bert(tokens, mask, segments)
        inputs = [tokens, segments, mask.bool()][: len(network.graph.inputs)]
        found = ours(*inputs)
    assert equal(found[0], inner.last_hidden_state)


@pytest.mark.parametrize("name", ["resnet18"])
def test_pytorchcvs_resnet(tmp_path: Path, name: str) -> None:
    oracles.torchvision()  # pytorchcv imports it
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs: Any = import_module("pytorchcv.model_provider").get_model(name)
    theirs.features.final_pool = nn.AdaptiveAvgPool2d(1)
    torch.save(theirs.state_dict(), tmp_path / f"{name}.pth")
    ours = load("ResNet18").build(tmp_path, keys="pytorchcv_resnet")
    images = torch.randn(2, 3, 64, 64, dtype=torch.float64)
    with torch.no_grad():
        assert equal(ours.double().eval()(images), theirs.double().eval()(images))
