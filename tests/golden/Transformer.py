"""Transformer, compiled from transformer.net by addnn-spec 0.1.0.

Inputs: source: int[N, S], target: int[N, T].
Parameters: 63,082,496.
Multiply-accumulates: 6,482,739,200.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def position_angles(x: Tensor, base: float) -> Tensor:
    """The angles `t / base^(2i/E)` of x, whose last dimensions are T and E: `[T, ceil(E/2)]`."""
    length, features = x.shape[-2:]
    dtype = torch.promote_types(x.dtype, torch.float32)
    position = torch.arange(length, device=x.device, dtype=dtype)
    even = torch.arange(0, features, 2, device=x.device, dtype=dtype)
    return position[:, None] / base ** (even / features)


class PositionalEncoding(nn.Module):
    """Adds sines and cosines of the position (Vaswani et al., 2017)."""

    def __init__(self, base: float = 10000.0) -> None:
        super().__init__()
        self.base = base

    def forward(self, x: Tensor) -> Tensor:
        angles = position_angles(x, self.base)
        waves = torch.stack((angles.sin(), angles.cos()), dim=-1).flatten(1)
        return x + waves[:, : x.shape[-1]].to(x.dtype)


def causal_mask(query: Tensor, key: Tensor) -> Tensor:
    """True where a query must not look, at the keys after it: `[L, S]`."""
    ones = torch.ones(query.shape[1], key.shape[1], dtype=torch.bool, device=query.device)
    return ones.triu(1)


class DecoderLayer(nn.Module):
    def __init__(self, in_features: int, heads: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.self_attn = nn.MultiheadAttention(
            in_features, heads, dropout=dropout, batch_first=True
        )
        self.dropout1 = nn.Dropout(p=dropout)
        self.norm1 = nn.LayerNorm(in_features)
        self.multihead_attn = nn.MultiheadAttention(
            in_features, heads, dropout=dropout, batch_first=True
        )
        self.dropout2 = nn.Dropout(p=dropout)
        self.norm2 = nn.LayerNorm(in_features)
        self.linear1 = nn.Linear(in_features, hidden)
        self.dropout = nn.Dropout(p=dropout)
        self.linear2 = nn.Linear(hidden, in_features)
        self.dropout3 = nn.Dropout(p=dropout)
        self.norm3 = nn.LayerNorm(in_features)

    def forward(self, x: Tensor, memory: Tensor) -> Tensor:
        seen, _ = self.self_attn(
            x,
            x,
            x,
            attn_mask=causal_mask(x, x),
            is_causal=True,
            need_weights=False,
        )
        x = self.norm1(x + self.dropout1(seen))  # [N, T, 512]
        read, _ = self.multihead_attn(x, memory, memory, need_weights=False)  # [N, T, 512]
        x = self.norm2(x + self.dropout2(read))  # [N, T, 512]
        y = self.dropout(F.relu(self.linear1(x)))  # [N, T, 2048]
        y = self.linear2(y)  # [N, T, 512]
        x = self.norm3(x + self.dropout3(y))  # [N, T, 512]
        return x


class Decoder(nn.Module):
    def __init__(
        self, in_features: int, depth: int, heads: int, hidden: int, dropout: float
    ) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            DecoderLayer(in_features, heads, hidden, dropout) for _ in range(depth)
        )

    def forward(self, x: Tensor, memory: Tensor) -> Tensor:
        for layer in self.layers:
            x = layer(x, memory)  # [N, T, 512]
        return x


class EncoderLayer(nn.Module):
    def __init__(self, in_features: int, heads: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.self_attn = nn.MultiheadAttention(
            in_features, heads, dropout=dropout, batch_first=True
        )
        self.dropout1 = nn.Dropout(p=dropout)
        self.norm1 = nn.LayerNorm(in_features)
        self.linear1 = nn.Linear(in_features, hidden)
        self.dropout = nn.Dropout(p=dropout)
        self.linear2 = nn.Linear(hidden, in_features)
        self.dropout2 = nn.Dropout(p=dropout)
        self.norm2 = nn.LayerNorm(in_features)

    def forward(self, x: Tensor) -> Tensor:
        attended, _ = self.self_attn(x, x, x, need_weights=False)  # [N, S, 512]
        x = self.norm1(x + self.dropout1(attended))  # [N, S, 512]
        y = self.dropout(F.relu(self.linear1(x)))  # [N, S, 2048]
        y = self.linear2(y)  # [N, S, 512]
        x = self.norm2(x + self.dropout2(y))  # [N, S, 512]
        return x


class Encoder(nn.Module):
    def __init__(
        self, in_features: int, depth: int, heads: int, hidden: int, dropout: float
    ) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            *(EncoderLayer(in_features, heads, hidden, dropout) for _ in range(depth)),
        )

    def forward(self, x: Tensor) -> Tensor:
        x = self.layers(x)  # [N, S, 512]
        return x


class EncoderDecoder(nn.Module):
    def __init__(
        self,
        in_features: int,
        target_features: int,
        depth: int,
        heads: int,
        hidden: int,
        dropout: float,
    ) -> None:
        super().__init__()
        self.encoder = Encoder(in_features, depth, heads, hidden, dropout)
        self.decoder = Decoder(target_features, depth, heads, hidden, dropout)

    def forward(self, source: Tensor, target: Tensor) -> Tensor:
        memory = self.encoder(source)  # [N, S, 512]
        target = self.decoder(target, memory)  # [N, T, 512]
        return target


class Transformer(nn.Module):
    def __init__(self, vocabulary: int = 37000) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, 512)
        nn.init.normal_(self.embedding.weight, std=512**-0.5)
        self.position = PositionalEncoding()
        self.drop = nn.Dropout(p=0.1)
        self.transformer = EncoderDecoder(512, 512, 6, 8, 2048, 0.1)

    def forward(self, source: Tensor, target: Tensor) -> Tensor:
        read = self.drop(self.position(self.embedding(source) * 512**0.5))  # [N, S, 512]
        written = self.drop(self.position(self.embedding(target) * 512**0.5))  # [N, T, 512]
        states = self.transformer(read, written)  # [N, T, 512]
        return F.linear(states, self.embedding.weight)  # [N, T, vocabulary]
