"""One process, or several under `torchrun`.

Each process computes its share of the batches; a node's rows go, in the order of the batches, to
the one process that owns the node, and that does with them what a single process would. So the
results are the same, bit for bit.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Protocol

import torch
from torch import Tensor, distributed

from addnn_spec.diagnostics import Refusal

_PATIENCE = timedelta(minutes=30)


class Exchange(Protocol):
    """What passes between processes."""

    rank: int
    size: int

    def gather(self, rows: Tensor, counts: Sequence[int], owner: int) -> list[Tensor]:
        """Return each process's rows (n, d), `counts` of them; nothing at other ranks than the
        owner's."""
        ...

    def share(self, text: str) -> list[str]:
        """Return each process's text."""
        ...


class Alone:
    """A single process."""

    rank = 0
    size = 1

    def gather(self, rows: Tensor, counts: Sequence[int], owner: int) -> list[Tensor]:
        return [rows[: counts[0]]]

    def share(self, text: str) -> list[str]:
        return [text]


class ProcessGroup:
    """The processes of `torch.distributed`. A lost one is an error: `Refusal`, E0622."""

    def __init__(self, device: torch.device) -> None:
        self.rank = distributed.get_rank()
        self.size = distributed.get_world_size()
        self.device = device

    def gather(self, rows: Tensor, counts: Sequence[int], owner: int) -> list[Tensor]:
        most = max(counts)
        sent = torch.zeros(most, rows.shape[1], dtype=rows.dtype, device=self.device)
        sent[: len(rows)] = rows[:most]
        data = sent.view(torch.uint8)
        got = [torch.empty_like(data) for _ in counts] if self.rank == owner else None
        try:
            distributed.gather(data, got, dst=owner)
        except RuntimeError as error:
            raise _lost(error) from error
        if got is None:
            return []
        return [part.view(rows.dtype)[:n] for part, n in zip(got, counts, strict=True)]

    def share(self, text: str) -> list[str]:
        data = torch.frombuffer(bytearray(text.encode()), dtype=torch.uint8) if text else None
        length = torch.tensor([0 if data is None else len(data)], device=self.device)
        lengths = [torch.zeros_like(length) for _ in range(self.size)]
        try:
            distributed.all_gather(lengths, length)
            longest = max(int(n) for n in lengths)
            # Collective calls need equal sizes everywhere: texts are filled up to the longest.
            sent = torch.zeros(max(longest, 1), dtype=torch.uint8, device=self.device)
            if data is not None:
                sent[: len(data)] = data.to(self.device)
            parts = [torch.empty_like(sent) for _ in range(self.size)]
            distributed.all_gather(parts, sent)
        except RuntimeError as error:
            raise _lost(error) from error
        pairs = zip(parts, lengths, strict=True)
        return [bytes(part[: int(n)].cpu().numpy()).decode() for part, n in pairs]


def join(device: torch.device) -> Exchange:
    """Return the processes that `torchrun` started, or this one alone. Joins the group once.

    Raises `DiagnosticError` (E0622) where the others do not come.
    """
    if not distributed.is_available() or int(os.environ.get("WORLD_SIZE", "1")) < 2:
        return Alone()
    if not distributed.is_initialized():
        backend = "nccl" if device.type == "cuda" else "gloo"
        try:
            distributed.init_process_group(backend, timeout=_PATIENCE)
        except (RuntimeError, ValueError) as error:
            raise _lost(error) from error
    return ProcessGroup(device)


def rank() -> int:
    """Return this process's number; 0 alone."""
    together = distributed.is_available() and distributed.is_initialized()
    return distributed.get_rank() if together else 0


def leave() -> None:
    """End the group, where there is one."""
    if distributed.is_available() and distributed.is_initialized():
        with suppress(RuntimeError):
            distributed.destroy_process_group()


def _lost(error: Exception) -> Refusal:
    first = next(iter(str(error).splitlines()), "")[:200]
    return Refusal("E0622", "a worker is lost, and the run with it", notes=(first,))
