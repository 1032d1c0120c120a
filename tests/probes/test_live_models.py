"""Live models of other libraries, at small sizes: all run, and known nodes hold what they must."""

from __future__ import annotations

import warnings
from importlib import import_module
from typing import Any, cast

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from addnn_spec import probe
from addnn_spec.diagnostics import DiagnosticError
from addnn_spec.indices import separation_index
from tests import oracles

GENERATOR = np.random.default_rng(0)
TOKENS = GENERATOR.integers(1, 30, (24, 6))
LABELS = np.arange(24) % 3
LENGTHS = GENERATOR.integers(2, 7, 24)
MASK = (np.arange(6) < LENGTHS[:, None]).astype(np.int64)
IMAGES = GENERATOR.random((24, 3, 32, 32)).astype(np.float32)


def built(name: str) -> nn.Module:
    oracles.torchvision()  # transformers imports it
    hf: Any = import_module("transformers")
    torch.manual_seed(0)
    small: dict[str, Any] = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2,
                             "intermediate_size": 32}  # fmt: skip
    if name == "GPT2":
        config = hf.GPT2Config(vocab_size=30, n_positions=8, n_embd=16, n_layer=2, n_head=2)
        return cast(nn.Module, hf.GPT2LMHeadModel(config).eval())
    if name == "BERT":
        config = hf.BertConfig(vocab_size=30, max_position_embeddings=8, **small)
        return cast(nn.Module, hf.BertForSequenceClassification(config).eval())
    if name == "Llama":
        config = hf.LlamaConfig(vocab_size=30, max_position_embeddings=8, num_key_value_heads=1,
                                pad_token_id=0, **small)  # fmt: skip
        return cast(nn.Module, hf.LlamaForCausalLM(config).eval())
    config = hf.ViTConfig(image_size=32, patch_size=16, **small)
    return cast(nn.Module, hf.ViTForImageClassification(config).eval())


def value_at(module: nn.Module, path: str, **inputs: Tensor) -> Tensor:
    """Return what a part of a module gives, by a hook of its own."""
    seen: list[Any] = []
    handle = module.get_submodule(path).register_forward_hook(lambda *a: seen.append(a[2]))
    with torch.no_grad():
        module(**inputs)
    handle.remove()
    return seen[0] if isinstance(seen[0], Tensor) else seen[0][0]


@pytest.mark.parametrize(
    ("name", "path"),
    [("GPT2", "transformer.h.1"), ("Llama", "model.layers.1"), ("BERT", "bert.encoder.layer.1")],
)
def test_transformers_on_their_residual_stream(name: str, path: str) -> None:
    """Tokens stay whole numbers, inputs go by name; last, first, mean, a number, and a mask."""
    module = built(name)
    data = ({"input_ids": TOKENS, "attention_mask": MASK}, LABELS)
    stream = value_at(module, path, input_ids=torch.from_numpy(TOKENS),
                      attention_mask=torch.from_numpy(MASK))  # fmt: skip
    assert stream.shape == (24, 6, 16)
    inside = torch.from_numpy(MASK)[..., None]
    rows = {
        ("last", None): stream[:, -1],
        ("first", None): stream[:, 0],
        ("mean", None): stream.mean(dim=1),
        ("1", None): stream[:, 1],
        ("last", "attention_mask"): stream[torch.arange(24), torch.from_numpy(LENGTHS) - 1],
        ("mean", "attention_mask"): (stream * inside).sum(dim=1) / inside.sum(dim=1),
    }
    for (rule, mask), expected in rows.items():
        run = probe(module, train=data, nodes=path, sequence=rule, mask=mask, order=1).record
        (node,) = run.nodes
        assert node.train is not None and node.dimensions == 16
        assert node.train.value == float(separation_index(expected, LABELS))
    gap = probe(module, train=data, nodes=path, reduction="gap", order=1).record.nodes[0]
    assert gap.train is not None and gap.dimensions == 16
    assert gap.train.value == float(separation_index(stream.mean(dim=1), LABELS))


@pytest.mark.parametrize("name", ["GPT2", "BERT", "Llama", "ViT"])
def test_all_nodes_of_transformers(name: str) -> None:
    x: Any = IMAGES if name == "ViT" else {"input_ids": TOKENS, "attention_mask": MASK}
    run = probe(built(name), train=(x, LABELS), nodes="all", order=1, sequence="mean").record
    measured = [node for node in run.nodes if node.train is not None]
    assert len(measured) > 15 and run.nodes[-1].done
    stream = [n for n in measured if n.shape == (6, 16) or n.shape == (5, 16)]
    assert stream and all(node.dimensions == 16 for node in stream)


@pytest.mark.slow
@pytest.mark.parametrize(
    "build",
    [
        lambda: oracles.torchvision().models.resnet18(),
        lambda: import_module("timm").create_model("vit_tiny_patch16_224", img_size=32),
        lambda: import_module("timm").create_model("mobilenetv3_small_050"),
    ],
    ids=["resnet18", "vit_tiny", "mobilenetv3"],
)
def test_all_nodes_of_image_models(build: Any) -> None:
    oracles.torchvision()
    run = probe(build().eval(), train=(IMAGES, LABELS), nodes="all", order=1).record
    assert sum(node.done for node in run.nodes) > 20 and run.nodes[-1].done


class Items(torch.utils.data.Dataset[Any]):
    """Dictionaries, as libraries of text make them."""

    def __len__(self) -> int:
        return 24

    def __getitem__(self, place: int) -> dict[str, Any]:
        return {
            "input_ids": torch.from_numpy(TOKENS[place]),
            "attention_mask": torch.from_numpy(MASK[place]),
            "labels": int(LABELS[place]),
        }


class Pairs(Items):
    def __getitem__(self, place: int) -> Any:
        item = super().__getitem__(place)
        return item, item.pop("labels")


def test_items_that_are_dictionaries() -> None:
    module = built("BERT")
    arrays = ({"input_ids": TOKENS, "attention_mask": MASK}, LABELS)
    runs = [probe(module, train=data, nodes="output", order=1).record
            for data in (arrays, Items(), Pairs())]  # fmt: skip
    values = [run.nodes[0].train.value for run in runs if run.nodes[0].train is not None]
    assert len(values) == 3 and len(set(values)) == 1


def test_an_embedding_takes_whole_numbers() -> None:
    module = nn.Sequential(nn.Embedding(30, 8), nn.Flatten(), nn.Linear(48, 3)).eval()
    run = probe(module, train=(TOKENS, LABELS), nodes="all").record
    node = run.node("0").train
    expected = module[0](torch.from_numpy(TOKENS))
    assert node is not None and node.value == float(separation_index(expected.detach(), LABELS))


def test_a_module_that_is_one_layer() -> None:
    x = IMAGES.reshape(24, -1)[:, :8]
    layer = nn.Linear(8, 4)
    run = probe(layer, train=(x, LABELS), nodes="all").record
    assert [node.label for node in run.nodes] == ["input", "Linear"]
    node = run.node("Linear").train
    expected = layer(torch.from_numpy(x)).detach()
    assert node is not None and node.value == float(separation_index(expected, LABELS))


def test_modules_in_half_precision_and_compiled_ones() -> None:
    module = nn.Sequential(nn.Linear(8, 6), nn.ReLU(), nn.Linear(6, 3)).eval()
    x = IMAGES.reshape(24, -1)[:, :8]
    plain = probe(module, train=(x, LABELS)).record
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        wrapped = cast(nn.Module, torch.compile(module))
    compiled = probe(wrapped, train=(x, LABELS)).record
    assert [n.label for n in compiled.nodes] == [n.label for n in plain.nodes]
    assert compiled.nodes == plain.nodes
    half = probe(module.half(), train=(x, LABELS)).record
    assert half.nodes[-1].train is not None and module[0].weight.dtype == torch.float16


def test_script_modules_are_refused_in_words() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        scripted = torch.jit.trace(nn.Linear(8, 3), torch.zeros(1, 8))  # type: ignore[no-untyped-call]
    with pytest.raises(DiagnosticError, match=r"E0607.*is a ScriptModule"):
        probe(scripted, train=(IMAGES.reshape(24, -1)[:, :8], LABELS))
