"""Linear CKA between the nodes of a run, from each node's inner products."""

from __future__ import annotations

import torch
from torch import Tensor

from addnn_spec.indices.geometry import column_chunks
from addnn_spec.indices.measures import centred_gram
from addnn_spec.runtime.processes import Exchange
from addnn_spec.runtime.run_record import CkaRecord


class Between:
    """Each node's centred inner products of the training rows, divided by their norm, float32.

    CKA is ``<K, L> / (||K|| ||L||)`` of these (Kornblith et al. 2019, equation 4 with linear
    kernels, which is `linear_cka`).
    """

    def __init__(self) -> None:
        self.kept: dict[str, Tensor | None] = {}

    def keep(self, label: str, gram: Tensor) -> None:
        """Keep a node's inner products (m, m), float64, about any point."""
        centred = centred_gram(gram)
        norm = centred.norm()
        # Divided once, so that a pair of nodes costs one product of two matrices; float32 halves
        # what all nodes together hold.
        self.kept[label] = (centred / norm).float() if float(norm) > 0 else None

    def record(self, owners: dict[str, int], m: int, exchange: Exchange) -> CkaRecord | None:
        """Return CKA of all pairs, in the order of `owners`, which tells the process that keeps
        each node; at process 0, elsewhere None."""
        grams = [self._fetch(label, owner, m, exchange) for label, owner in owners.items()]
        if exchange.rank != 0:
            return None
        rows = [[_similarity(a, b) for b in grams[: place + 1]] for place, a in enumerate(grams)]
        count = range(len(grams))
        values = tuple(tuple(rows[max(i, j)][min(i, j)] for j in count) for i in count)
        return CkaRecord(nodes=tuple(owners), values=values)

    def _fetch(self, label: str, owner: int, m: int, exchange: Exchange) -> Tensor | None:
        kept = self.kept.get(label)
        rows = torch.zeros(0, m) if kept is None else kept
        counts = [0] * exchange.size
        # Of all the processes only the owner's rows are wanted, by the first.
        counts[owner] = m
        sent = rows if len(rows) else torch.zeros(m if exchange.rank == owner else 0, m)
        parts = exchange.gather(sent, counts, 0)
        found = parts[owner] if parts else None
        # Zeros are what a node without CKA sends: a kept matrix has norm 1.
        return None if found is None or not bool(found.any()) else found


def _similarity(left: Tensor | None, right: Tensor | None) -> float | None:
    if left is None or right is None:
        return None
    parts = zip(torch.split(left, 256), torch.split(right, 256), strict=True)
    # Summed in doubles, some rows at a time; rounding may lead beyond 1.
    return min(float(sum((a.double() * b).sum() for a, b in parts)), 1.0)


def gram_of(rows: Tensor) -> Tensor:
    """Return inner products (m, m), float64, of rows (m, d) about their mean."""
    total = torch.zeros(len(rows), len(rows), dtype=torch.float64, device=rows.device)
    for columns in column_chunks(rows.shape[1]):
        part = rows[:, columns].double()
        # Inner products of values far from 0 would lose what differs between samples.
        part -= part.mean(dim=0)
        total += part @ part.T
    return total
