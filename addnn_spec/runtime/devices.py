"""Devices and precisions that a network runs in, and what to say where it cannot."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from copy import deepcopy
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor, nn

from addnn_spec.diagnostics import DiagnosticCode, Refusal
from addnn_spec.runtime.foreign_errors import reason

T = TypeVar("T")
R = TypeVar("R")

DTYPES = {"float32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass(frozen=True)
class Place:
    """A device, and the type of the floats there."""

    device: torch.device
    dtype: torch.dtype

    @classmethod
    def of(cls, device: str, precision: str) -> Place:
        """Return the place with these names of a device and a precision.

        Raises `DiagnosticError` as `own_device` does.
        """
        return cls(own_device(device), DTYPES[precision])

    def network(self, module: nn.Module) -> nn.Module:
        """Return the module itself, or a copy of it here.

        Raises `DiagnosticError` (E0619) where it cannot be copied, or not to this device.
        """
        tensors = [*module.parameters(), *module.buffers()]
        if all(t.device == self.device and self._type(t) == t.dtype for t in tensors):
            return module
        try:
            # `to` changes a module in place, and this one is the user's.
            return deepcopy(module).to(self.device, self.dtype)
        except Exception as error:  # a module's own, of any kind
            raise refusal(error, f"the network does not go to {self.device}") from error

    def inputs(self, values: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Return the network's inputs on this device, in its type of floats."""
        return tuple(
            value.to(self.device, self._type(value), non_blocking=True) for value in values
        )

    def pinned(self, values: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Return the inputs in CPU memory that a GPU can read while this process goes on."""
        return tuple(value.to(self._type(value)).pin_memory() for value in values)

    def _type(self, tensor: Tensor) -> torch.dtype:
        return self.dtype if tensor.is_floating_point() else tensor.dtype


def picked(name: str) -> str:
    """Return `cuda` for `auto` where there is one, else `cpu`; any other name as it is."""
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    return name


def own_device(name: str) -> torch.device:
    """Return the device of a name: `cpu`, `cuda:1`, `auto`, or `cuda`, which is that of this
    process's number on its machine under `torchrun`, else torch's current one.

    Raises `DiagnosticError`: E0607 for another name, E0619 where there is no such device.
    """
    device: torch.device | None = None
    name = picked(name)
    with suppress(RuntimeError):
        device = torch.device(name)
    if device is None or device.type not in ("cpu", "cuda"):
        raise Refusal("E0607", f"{name} is no device", help="auto, cpu, cuda or cuda:1")
    if device.type == "cpu":
        return torch.device("cpu")
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if (device.index or 0) >= count:
        last = f"the last is cuda:{count - 1}" if count else None
        raise Refusal("E0619", f"there is no {name} here", help=last)
    if ":" in name:
        return device
    own = os.environ.get("LOCAL_RANK")
    return torch.device("cuda", torch.cuda.current_device() if own is None else int(own) % count)


@contextmanager
def device_errors() -> Iterator[None]:
    """Turn what a device cannot do into a `Refusal` (E0619)."""
    try:
        yield
    except (torch.OutOfMemoryError, torch.AcceleratorError) as error:
        raise refusal(error, "the device has failed") from error


def refusal(error: Exception, message: str, code: DiagnosticCode = "E0619") -> Refusal:
    """Return the refusal for an error of a device; for one of memory, that memory did not
    suffice."""
    notes = (reason(error),)
    if isinstance(error, torch.OutOfMemoryError):
        help = "a smaller budget or batch, or --device cpu"
        return Refusal("E0619", "the device's memory is full", notes=notes, help=help)
    return Refusal(code, message, notes=notes)


def ahead(reader: ThreadPoolExecutor, read: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
    """Yield what is read of each item, the next one being read meanwhile."""
    waiting: Future[R] | None = None
    for item in items:
        # The next one is under way before this one is waited for.
        before, waiting = waiting, reader.submit(read, item)
        if before is not None:
            yield before.result()
    if waiting is not None:
        yield waiting.result()
