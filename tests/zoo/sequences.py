"""References of sequences: torch's own, torchvision's, transformers', a tutorial's decoder."""

from __future__ import annotations

import math
from importlib import import_module
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from tests import oracles
from tests.zoo.elsewhere import EQUATIONS
from tests.zoo.libraries import torchvision
from tests.zoo.prove import Reference, Weights, mapped, renamed


class _Translation(nn.Module):
    """torch's Transformer between one embedding and its transpose, as the paper's figure 1."""

    def __init__(self, vocabulary: int = 37000, width: int = 512, depth: int = 6) -> None:
        super().__init__()
        how: dict[str, Any] = {"dim_feedforward": 4 * width, "batch_first": True}
        encoder, decoder = nn.TransformerEncoderLayer, nn.TransformerDecoderLayer
        self.embedding = nn.Embedding(vocabulary, width)
        self.transformer = nn.Transformer(
            width,
            8,
            custom_encoder=nn.TransformerEncoder(
                encoder(width, 8, **how), depth, enable_nested_tensor=False
            ),
            custom_decoder=nn.TransformerDecoder(decoder(width, 8, **how), depth),
            batch_first=True,
        )

    def forward(self, source: Tensor, target: Tensor) -> Tensor:
        weight = self.embedding.weight
        after = nn.Transformer.generate_square_subsequent_mask(
            target.shape[1], device=weight.device, dtype=weight.dtype
        )
        x = self.transformer(
            self._embedded(source), self._embedded(target), tgt_mask=after, tgt_is_causal=True
        )
        return functional.linear(x, weight)

    def _embedded(self, words: Tensor) -> Tensor:
        """With sines at the even features, cosines at the odd ones: the paper's section 3.5."""
        x: Tensor = self.embedding(words)
        _, length, width = x.shape
        position = torch.arange(length, dtype=x.dtype, device=x.device)[:, None]
        frequency = 1e4 ** (-torch.arange(0, width, 2, dtype=x.dtype, device=x.device) / width)
        waves = torch.zeros(length, width, dtype=x.dtype, device=x.device)
        waves[:, ::2] = torch.sin(position * frequency)
        waves[:, 1::2] = torch.cos(position * frequency)
        return x * math.sqrt(width) + waves


class _Tagger(nn.Module):
    """A layer of torch's between an embedding and a label for each word."""

    def __init__(
        self, layer: type[nn.RNN | nn.LSTM | nn.GRU], small: bool, hidden: int, **how: Any
    ) -> None:
        super().__init__()
        words, width, hidden = (20, 6, 6) if small else (9000, 300, hidden)
        self.embed = nn.Embedding(words, width)
        self.rnn = layer(width, hidden, batch_first=True, **how)
        self.fc = nn.Linear(hidden * (2 if self.rnn.bidirectional else 1), 17)

    def forward(self, words: Tensor) -> Tensor:
        found: Tensor = self.fc(self.rnn(self.embed(words))[0])
        return found


def _tagger(layer: type[nn.RNN | nn.LSTM | nn.GRU], hidden: int = 500, **how: Any) -> Reference:
    return Reference(
        f"torch.nn.{layer.__name__}",
        lambda: _Tagger(layer, True, hidden, **how),
        settings={"vocabulary": 20, "width": 6, "hidden": 6},
        full=lambda: _Tagger(layer, False, hidden, **how),
        dims={"T": 5},
        counted=False,
        gradients=True,
    )


class _Tutorial(nn.Module):
    """PyTorch's tutorial on translation: a word after the other, the memory filled with zeros."""

    def __init__(
        self,
        source: int = 9000,
        target: int = 10000,
        width: int = 300,
        hidden: int = 500,
        longest: int = 100,
    ) -> None:
        super().__init__()
        self.longest = longest
        self.embed = nn.Embedding(source, width)
        self.encoder = nn.GRU(width, hidden)
        self.embed_target = nn.Embedding(target, width)
        self.dropout = nn.Dropout(0.1)
        self.attn = nn.Linear(width + hidden, longest)
        self.attn_combine = nn.Linear(width + hidden, hidden)
        self.gru = nn.GRU(hidden, hidden)
        self.out = nn.Linear(hidden, target)

    def forward(self, words: Tensor, given: Tensor) -> Tensor:
        hidden = self.out.weight.new_zeros(1, len(words), self.gru.hidden_size)
        states = []
        for word in words.T:
            state, hidden = self.encoder(self.embed(word)[None], hidden)
            states.append(state[0])
        blank = [torch.zeros_like(states[0])] * (self.longest - len(states))
        memory = torch.stack(states + blank, 1)
        logits = []
        for word in given.T:
            embedded = self.dropout(self.embed_target(word)[None])
            weights = self.attn(torch.cat((embedded[0], hidden[0]), 1)).softmax(1)
            applied = torch.bmm(weights[:, None], memory)[:, 0]
            combined = self.attn_combine(torch.cat((embedded[0], applied), 1)).relu()
            state, hidden = self.gru(combined[None], hidden)
            logits.append(self.out(state[0]))
        return torch.stack(logits, 1)


def _bert(**sizes: int) -> nn.Module:
    return _transformers("BertConfig", "BertModel", sizes)


def _gpt2(**sizes: int) -> nn.Module:
    return _transformers("GPT2Config", "GPT2LMHeadModel", sizes)


def _transformers(config: str, model: str, sizes: dict[str, int]) -> nn.Module:
    """A network of transformers'; its eager attention is what torch counts in full."""
    oracles.torchvision()  # transformers imports it
    transformers = import_module("transformers")
    made = getattr(transformers, config)(**sizes, attn_implementation="eager")
    return cast(nn.Module, getattr(transformers, model)(made))


def _call_bert(module: nn.Module, tokens: Tensor, segments: Tensor, mask: Tensor) -> Any:
    """It looks into the mask, which without values (on meta, to be counted) it cannot."""
    seen = None if mask.is_meta else mask
    found = module(input_ids=tokens, token_type_ids=segments, attention_mask=seen)
    return found.last_hidden_state, found.pooler_output


def _gpt2_weights(weights: Weights) -> Weights:
    """As published; the head is tied to the embedding."""
    tied = weights.pop("lm_head.weight", None)
    assert tied is None or torch.equal(tied, weights["transformer.wte.weight"])
    return mapped("gpt2")(weights)


def _vit(model: str, size: int) -> Reference:
    """At a few patches, counted at the native size."""
    return torchvision(
        model,
        {"image_size": size},
        settings={"size": size},
        full=lambda: torchvision(model).build(),
        slow=True,
    )


REFERENCES: dict[str, Reference] = {
    "RNNTagger": _tagger(nn.RNN),
    "LSTMTagger": _tagger(nn.LSTM),
    "GRUTagger": _tagger(nn.GRU),
    "BiLSTMTagger": _tagger(nn.LSTM, 250, num_layers=2, bidirectional=True),
    "Seq2Seq_Tutorial": Reference(
        EQUATIONS,
        lambda: _Tutorial(20, 15, 6, 5, 9),
        settings={"source": 20, "target": 15, "width": 6, "hidden": 5, "longest": 9},
        weights=renamed((r"^(attn|gru)", r"decoder.cell.\1"), (r"(cell\.gru.*)_l0$", r"\1")),
        full=_Tutorial,
        dims={"S": 7, "T": 4},
        counted=False,
        gradients=True,
    ),
    "Transformer": Reference(
        "torch.nn.Transformer",
        lambda: _Translation(vocabulary=20, width=32, depth=2),
        settings={"vocabulary": 20, "width": 32, "hidden": 128, "depth": 2},
        full=_Translation,
        dims={"S": 7, "T": 5},
        gradients=True,
    ),
    "ViT": Reference(
        "torchvision.VisionTransformer",
        lambda: oracles.torchvision().models.VisionTransformer(12, 4, 2, 3, 24, 96, num_classes=10),
        settings={"patch": 4, "width": 24, "depth": 2, "heads": 3, "size": 12, "classes": 10},
        gradients=True,
    ),
    "ViT_B_16": _vit("vit_b_16", 48),
    "ViT_B_32": _vit("vit_b_32", 96),
    "ViT_L_16": _vit("vit_l_16", 48),
    "BERT": Reference(
        "transformers.BertModel",
        lambda: _bert(
            vocab_size=20,
            hidden_size=24,
            num_hidden_layers=2,
            num_attention_heads=3,
            intermediate_size=96,
            max_position_embeddings=16,
        ),
        settings={"vocabulary": 20, "context": 16, "width": 24, "depth": 2, "heads": 3},
        full=_bert,
        dims={"T": 12},
        gradients=True,
        integers=2,  # the segments
        call=_call_bert,
    ),
    "GPT2": Reference(
        "transformers.GPT2LMHeadModel",
        lambda: _gpt2(vocab_size=20, n_positions=16, n_embd=24, n_layer=2, n_head=3),
        settings={"vocabulary": 20, "context": 16, "width": 24, "depth": 2, "heads": 3},
        full=_gpt2,
        weights=_gpt2_weights,
        dims={"T": 12},
        gradients=True,
        output=lambda found: found.logits,
    ),
}
