"""BERT, compiled from bert.net by addnn-spec 0.1.0.

Inputs: tokens: int[N, T], segments: int[N, T], attention_mask: bool[N, T].
Parameters: 109,482,240.
Multiply-accumulates: 48,318,971,904.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class ScaledDotProductAttention(nn.Module):
    """Scaled dot-product attention as a layer; dropout acts in training only."""

    def __init__(
        self,
        dropout_p: float = 0.0,
        is_causal: bool = False,
        scale: float | None = None,
        enable_gqa: bool = False,
    ) -> None:
        super().__init__()
        self.dropout_p = dropout_p
        self.is_causal = is_causal
        self.scale = scale
        self.enable_gqa = enable_gqa

    def forward(
        self, query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None = None
    ) -> Tensor:
        return F.scaled_dot_product_attention(
            query,
            key,
            value,
            attn_mask=attn_mask,
            dropout_p=self.dropout_p if self.training else 0.0,
            is_causal=self.is_causal,
            scale=self.scale,
            enable_gqa=self.enable_gqa,
        )


class Pooler(nn.Module):
    def __init__(self, in_features: int) -> None:
        super().__init__()
        self.dense = nn.Linear(in_features, in_features)

    def forward(self, x: Tensor) -> Tensor:
        return torch.tanh(self.dense(x[:, 0]))  # [N, 768]


class Intermediate(nn.Module):
    def __init__(self, in_features: int) -> None:
        super().__init__()
        self.dense = nn.Linear(in_features, 4 * in_features)

    def forward(self, x: Tensor) -> Tensor:
        return F.gelu(self.dense(x))  # [N, T, 3072]


class Output(nn.Module):
    """Added to what was before, and normalised."""

    def __init__(self, in_features: int, skip_features: int, dropout: float) -> None:
        super().__init__()
        self.dense = nn.Linear(in_features, skip_features)
        self.dropout = nn.Dropout(p=dropout)
        self.LayerNorm = nn.LayerNorm(skip_features, eps=1e-12)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        x = self.dropout(self.dense(x))  # [N, T, 768]
        x = self.LayerNorm(x + skip)  # [N, T, 768]
        return x


class SelfAttention(nn.Module):
    def __init__(self, in_features: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(in_features, in_features)
        self.key = nn.Linear(in_features, in_features)
        self.value = nn.Linear(in_features, in_features)
        self.attention = ScaledDotProductAttention(dropout_p=dropout)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        d = x.shape[2] // self.heads
        q = torch.unflatten(self.query(x), -1, (self.heads, d)).transpose(1, 2)  # [N, 12, T, 64]
        k = torch.unflatten(self.key(x), -1, (self.heads, d)).transpose(1, 2)  # [N, 12, T, 64]
        v = torch.unflatten(self.value(x), -1, (self.heads, d)).transpose(1, 2)  # [N, 12, T, 64]
        y: Tensor = self.attention(q, k, v, mask).transpose(1, 2).flatten(2)  # [N, T, 768]
        return y


class Attention(nn.Module):
    def __init__(self, in_features: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.self = SelfAttention(in_features, heads, dropout)
        self.output = Output(in_features, in_features, dropout)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        attended = self.self(x, mask)  # [N, T, 768]
        x = self.output(attended, x)  # [N, T, 768]
        return x


class Layer(nn.Module):
    def __init__(self, in_features: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.attention = Attention(in_features, heads, dropout)
        self.intermediate = Intermediate(in_features)
        self.output = Output(4 * in_features, in_features, dropout)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        x = self.attention(x, mask)  # [N, T, 768]
        y = self.intermediate(x)  # [N, T, 3072]
        x = self.output(y, x)  # [N, T, 768]
        return x


class Encoder(nn.Module):
    def __init__(self, in_features: int, depth: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.layer = nn.ModuleList(Layer(in_features, heads, dropout) for _ in range(depth))

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        for layer in self.layer:
            x = layer(x, mask)  # [N, T, 768]
        return x


class Embeddings(nn.Module):
    def __init__(self, vocabulary: int, width: int, context: int, dropout: float) -> None:
        super().__init__()
        self.word_embeddings = nn.Embedding(vocabulary, width, padding_idx=0)
        nn.init.normal_(self.word_embeddings.weight, std=0.02)
        self.position_embeddings = nn.Embedding(context, width)
        nn.init.normal_(self.position_embeddings.weight, std=0.02)
        self.token_type_embeddings = nn.Embedding(2, width)
        nn.init.normal_(self.token_type_embeddings.weight, std=0.02)
        self.LayerNorm = nn.LayerNorm(width, eps=1e-12)
        self.dropout = nn.Dropout(p=dropout)

    def forward(self, x: Tensor, segments: Tensor) -> Tensor:
        x = self.word_embeddings(x) + self.token_type_embeddings(segments)  # [N, T, 768]
        y = self.position_embeddings(torch.arange(x.shape[1], device=x.device))  # [T, 768]
        x = x + y  # [N, T, 768]
        x = self.dropout(self.LayerNorm(x))  # [N, T, 768]
        return x


class BERTOutput(NamedTuple):
    states: Tensor
    pooled: Tensor


class BERT(nn.Module):
    def __init__(self, vocabulary: int = 30522, depth: int = 12) -> None:
        super().__init__()
        self.embeddings = Embeddings(vocabulary, 768, 512, 0.1)
        self.encoder = Encoder(768, depth, 12, 0.1)
        self.pooler = Pooler(768)

    def forward(self, tokens: Tensor, segments: Tensor, attention_mask: Tensor) -> BERTOutput:
        if tokens.shape[1] > 512:
            raise ValueError("there are no more positions than the context has")
        x = self.embeddings(tokens, segments)  # [N, T, 768]
        mask = attention_mask.unsqueeze(1).unsqueeze(1)  # [N, 1, 1, T]
        states = self.encoder(x, mask)  # [N, T, 768]
        pooled = self.pooler(states)  # [N, 768]
        return BERTOutput(states, pooled)
