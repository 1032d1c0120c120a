"""What a network's nodes give, and how near samples are there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from addnn_spec.design.cuts import HeadInput
from addnn_spec.design.sample_parts import Part
from addnn_spec.ops.indexing import GetItem, IndexSlice
from addnn_spec.runtime.taps import Taps

_BATCH = 256
MOST_VALUES = 4096
"""Maps of more values are averaged to 4 × 4 places before a loss looks at them."""


class _Stopped(Exception):
    pass


class NodeReader:
    """Forward passes up to one node, which give its value.

    With `start`, what is given is what that node before it gave, and the way to there is run for
    `example` alone, one sample of the network's input.
    """

    def __init__(
        self, module: nn.Module, path: str, start: str = "", example: Tensor | None = None
    ) -> None:
        self.module = module
        self.path = path
        self.start = start
        self.example = example
        self.found: list[Tensor] = []
        self.taps = Taps(module, self._receive)
        self.within = self.taps.installed()

    def _receive(self, key: str, call: int, value: Tensor) -> None:
        if key == self.path and call == 0:
            self.found.append(value)
            # What comes after this node is of no interest.
            raise _Stopped

    def __enter__(self) -> Callable[[Tensor], Tensor]:
        self.within.__enter__()
        return self._continue if self.start else self._read

    def __exit__(self, *_: object) -> None:
        self.within.__exit__(None, None, None)

    def _read(self, x: Tensor) -> Tensor:
        self.found.clear()
        with suppress(_Stopped):
            self.taps.run(x)
        return self.found[0]

    def _continue(self, x: Tensor) -> Tensor:
        assert self.example is not None
        owner, _, name = self.start.rpartition(".")
        held = self.module.get_submodule(owner).__dict__
        tap = held["tap"]
        # A tap returns its value: here it puts the kept values in the place of those of the
        # example.
        held["tap"] = lambda key, value: x if key == name else tap(key, value)
        try:
            return self._read(self.example)
        finally:
            held["tap"] = tap


@torch.no_grad()
def values_at(
    module: nn.Module, readings: Mapping[str, HeadInput], x: Tensor, device: str
) -> dict[str, Tensor]:
    """Return the values of nodes of a probed module, by path, as rows in the way a head would read
    them."""
    found: dict[str, list[Tensor]] = {path: [] for path in readings}

    def receive(key: str, call: int, value: Tensor) -> None:
        if key in found and call == 0:
            found[key].append(_rows(value, readings[key]).cpu())

    module.to(device).eval()
    taps = Taps(module, receive)
    with taps.installed():
        for part in torch.split(x, _BATCH):
            taps.run(part.to(device))
    return {path: torch.cat(parts) for path, parts in found.items()}


def _rows(value: Tensor, reading: HeadInput) -> Tensor:
    if isinstance(reading.op, GetItem):
        picked = value[tuple(map(_place, reading.op.index))]
        assert isinstance(picked, Tensor)
        return picked.flatten(1)
    if reading.op is not None:
        return value.mean(reading.op.dim).flatten(1)
    return value.flatten(2).mean(2) if reading.averages else value.flatten(1)


def _place(item: object) -> Any:
    return slice(item.start, item.stop, item.step) if isinstance(item, IndexSlice) else item


def pooled(value: Tensor) -> Tensor:
    """Return a map of many values averaged to 4 × 4 places."""
    if value.dim() == 4 and value[0].numel() > MOST_VALUES:
        return functional.adaptive_avg_pool2d(value, 4)
    return value


def distances(x: Tensor, y: Tensor) -> Tensor:
    """Return the distances of each row of `x` to each of `y`, without shortcuts of rounding."""
    return torch.cdist(
        x.flatten(1).double(), y.flatten(1).double(), compute_mode="donot_use_mm_for_euclid_dist"
    )


def near_scores(apart: Tensor, fit: Part, chosen: Part) -> Tensor:
    """Return each chosen sample's score by its nearest fitting sample, by the distances of `apart`:
    1 if it has the same label; for targets minus the squared difference."""
    nearest = fit.y[apart.argmin(1)]
    if fit.y.dim() == 1:
        return (nearest == chosen.y).double()
    return -(nearest - chosen.y).double().square().sum(1)
