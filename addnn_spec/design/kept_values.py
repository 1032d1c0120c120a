"""What blocks that stand still give, computed once."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from addnn_spec.design.node_values import NodeReader

KEPT = 2**30
"""So many bytes of values are kept at most; what is larger is computed whenever it is read."""
_BATCH = 256


class KeptValues:
    """The values of all samples at a node before which nothing is trained any more, on the CPU.

    Attributes:
        start: the node; "" is the network's input.
        values: what it gives, by sample.
    """

    def __init__(self, x: Tensor, device: str) -> None:
        self.x = x
        self.device = device
        self.forget()

    def forget(self) -> None:
        """Begin at the network's input again."""
        self.start, self.values = "", self.x

    def reader(self, module: nn.Module, path: str) -> NodeReader:
        """Return passes from the values to a node."""
        return NodeReader(module, path, self.start, self.x[:1].to(self.device))

    @torch.no_grad()
    def move(self, module: nn.Module, start: str, path: str) -> None:
        """Keep the values at a node, from which later passes begin. Begin at the network's input if
        the values are too large, or if passes from there would give something else."""
        kept = start == self.start or self._kept(module, start)
        if not (kept and self._same(module, path)):
            self.forget()

    @torch.no_grad()
    def fits(self, module: nn.Module, path: str) -> bool:
        """Return whether a node's values can be kept: they are one row a sample, and not too
        large."""
        with NodeReader(module, path) as read:
            some = read(self.x[:2].to(self.device))
        return len(some) == len(self.x[:2]) and some[0].nbytes * len(self.x) <= KEPT

    def _kept(self, module: nn.Module, start: str) -> bool:
        if not self.fits(module, start):
            return False
        count = len(self.x)
        with self.reader(module, start) as read:
            some = read(self.values[:1].to(self.device)).cpu()
            found = some.new_empty(count, *some.shape[1:])
            for begin in range(0, count, _BATCH):
                part = slice(begin, begin + _BATCH)
                found[part] = read(self.values[part].to(self.device)).cpu()
        self.start, self.values = start, found
        return True

    def _same(self, module: nn.Module, path: str) -> bool:
        """Return True if two samples give the same from the kept values as from the network's
        input. They do not where the number of samples is read off that input."""
        try:
            with self.reader(module, path) as read:
                found = read(self.values[:2].to(self.device))
        except RuntimeError:  # a shape that is not there
            return False
        with NodeReader(module, path) as read:
            wanted = read(self.x[:2].to(self.device))
        # The same numbers may be summed in another order: a difference of kind is far larger.
        far = 1e-3 * float(wanted.abs().max())
        return found.shape == wanted.shape and torch.allclose(found, wanted, 1e-3, far)


__all__ = ["KEPT", "KeptValues"]
