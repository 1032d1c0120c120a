"""GAT, compiled from gat.net by addnn-spec 0.1.0.

Inputs: x: float[V, 1433], adjacency: float[V, V].
Parameters: 92,373.
Multiply-accumulates: 770,231,024.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class GATConv(nn.Module):
    """Every node looks at its neighbours and itself, in each head with weights of its own; the
    heads' results `[V, heads, size]` are joined, or averaged.
    """

    def __init__(
        self, in_features: int, size: int, heads: int = 1, concat: bool = True, dropout: float = 0.6
    ) -> None:
        super().__init__()
        self.heads = heads
        self.size = size
        self.concat = concat
        self.att_src = nn.Parameter(torch.empty(1, heads, size))
        nn.init.xavier_uniform_(self.att_src)
        self.att_dst = nn.Parameter(torch.empty(1, heads, size))
        nn.init.xavier_uniform_(self.att_dst)
        self.bias = nn.Parameter(torch.zeros(heads * size if concat else size))
        self.lin = nn.Linear(in_features, heads * size, bias=False)
        self.dropout = nn.Dropout(p=dropout)

    def forward(self, x: Tensor, adjacency: Tensor) -> Tensor:
        h = self.lin(x).reshape(-1, self.heads, self.size)  # [V, heads, size]
        source = (h * self.att_src).sum(-1).transpose(0, 1)  # [heads, V]
        target = (h * self.att_dst).sum(-1).transpose(0, 1)  # [heads, V]
        scores = F.leaky_relu(target.unsqueeze(2) + source.unsqueeze(1), negative_slope=0.2)
        adjacency = adjacency + torch.eye(x.shape[0], dtype=x.dtype, device=x.device)  # [V, V]
        weights = self.dropout(F.softmax(scores.masked_fill(adjacency == 0, -60000.0), dim=-1))
        y: Tensor = (weights @ h.transpose(0, 1)).transpose(0, 1)  # [V, heads, size]
        if self.concat:
            y = y.flatten(1)  # [V, C]
        else:
            y = y.mean(1)  # [V, C]
        y = y + self.bias  # [V, C]
        return y


class GAT(nn.Module):
    def __init__(
        self,
        features: int = 1433,
        hidden: int = 8,
        heads: int = 8,
        classes: int = 7,
        dropout: float = 0.6,
    ) -> None:
        super().__init__()
        self.dropout = nn.Dropout(p=dropout)
        self.conv1 = GATConv(features, hidden, heads=heads, dropout=dropout)
        self.dropout_2 = nn.Dropout(p=dropout)
        self.conv2 = GATConv(heads * hidden, classes, concat=False, dropout=dropout)

    def forward(self, x: Tensor, adjacency: Tensor) -> Tensor:
        h = self.dropout(x)  # [V, features]
        h = F.elu(self.conv1(h, adjacency))  # [V, heads * hidden]
        x = self.dropout_2(h)  # [V, heads * hidden]
        logits: Tensor = self.conv2(x, adjacency)  # [V, classes]
        return logits
