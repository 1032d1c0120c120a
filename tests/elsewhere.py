"""A stand-in for a GPU: tensors whose values lie on the CPU, and that behave as if on CUDA.

Within `elsewhere()` a tensor made on `GPU`, or sent there, reports that device, computes as the CPU
does, and refuses what CUDA refuses: operations with tensors of another device (but those without
dimensions), `numpy()`, and indices, results and random generators of another device. With
`free=True` it takes the liberties that CUDA takes, too: the order of a sum depends on the shape,
sums by index come in any order, and a sort that is not stable leaves equal values in any order.

It cannot show what memory, streams, asynchronous errors and CUDA's own kernels do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

CPU = torch.device("cpu")
GPU = torch.device("cuda:0")
OTHER = torch.device("cuda:1")
_order: list[torch.Generator] = []
"""Draws the order of sums by index, where liberties are taken."""
_values: list[torch.device] = []
"""Where values lie really."""


class Elsewhere(Tensor):
    """A tensor that is said to lie on another device."""

    place: torch.device

    @classmethod
    def __torch_function__(
        cls,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        return _call(func, args, dict(kwargs or {}))

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        with torch._C.DisableTorchFunction():
            copied = _put(self.detach().clone(), self.place).requires_grad_(self.requires_grad)
        if getattr(self, "_is_param", False):
            copied._is_param = True
        memo[id(self)] = copied
        return copied


class _Mode(TorchFunctionMode):
    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        return _call(func, args, dict(kwargs or {}))


@contextmanager
def elsewhere(*, free: bool = False, values: str = "cpu") -> Iterator[dict[int, Tensor]]:
    """Within it there are the devices `GPU` and `OTHER`; yields their random states by number.

    With `values="meta"` there are no values, and what is sent there must come from "meta".
    """
    states = {number: torch.zeros(4, dtype=torch.uint8) for number in (0, 1)}
    cuda: dict[str, Callable[..., Any]] = {
        "is_available": lambda: True,
        "device_count": lambda: len(states),
        "current_device": lambda: 0,
        "get_rng_state": lambda device=0: states[torch.device("cuda", device).index].clone(),
        "set_rng_state": lambda state, device=0: states[device].copy_(state),
        "manual_seed_all": lambda seed: [state.fill_(seed % 251) for state in states.values()],
    }
    with ExitStack() as stack:
        for name, replaced in cuda.items():
            stack.enter_context(patch.object(torch.cuda, name, replaced))
        stack.enter_context(patch.object(Tensor, "pin_memory", lambda value: value))
        if free:
            _order.append(torch.Generator().manual_seed(0))
            stack.callback(_order.pop)
        _values.append(torch.device(values))
        stack.callback(_values.pop)
        stack.enter_context(_Mode())
        yield states


def _call(func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    with torch._C.DisableTorchFunction():
        name = getattr(func, "__name__", "")
        if func == Tensor.device.__get__:
            return _place(args[0])
        if func == Tensor.is_cuda.__get__:  # type: ignore[attr-defined]
            return _place(args[0]).type == "cuda"
        tensors = list(_tensors((args, kwargs)))
        places = {_place(tensor) for tensor in tensors}
        if name in ("numpy", "__array__") and places != {CPU}:
            raise TypeError("can't convert cuda:0 device type tensor to numpy. Use Tensor.cpu()")
        if name == "_has_compatible_shallow_copy_type":
            return len(places) == 1
        if name in ("cpu", "cuda"):
            func, args, name = Tensor.to, (args[0], torch.device(name)), "to"
        target, args, kwargs = _sent(name, args, kwargs)
        if target is None:
            target = _common(name, args, kwargs)
        generator = kwargs.get("generator")
        if generator is not None and generator.device.type != target.type:
            raise RuntimeError(f"{name}: Expected a '{target.type}' device type for generator")
        if name == "mm" and kwargs.pop("out_dtype", None) is not None:  # CUDA's alone
            args = tuple(value.float() for value in args)
        if _order and target != CPU:
            args, kwargs = _freely(name, args, kwargs)
            if name in ("sort", "argsort") and not kwargs.get("stable"):
                return _placed(_unstable(name, *args, **kwargs), target, tensors)
        return _placed(func(*args, **kwargs), target, tensors)


def _sent(
    name: str, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[torch.device | None, tuple[Any, ...], dict[str, Any]]:
    """Where a call says that its result lies, and the call as the CPU understands it."""
    given = [*args[1:], kwargs.get("other")] if name == "to" else []
    target = next(filter(None, map(_device, [kwargs.get("device"), *given])), None)
    if target is None:
        return None, args, kwargs
    real = CPU if target == CPU else _values[-1]
    if "device" in kwargs:
        kwargs = {**kwargs, "device": real}
    if name == "to":
        args = tuple(real if isinstance(v, str | torch.device) else v for v in args)
        kwargs = {**kwargs, "copy": target != _place(args[0]) or kwargs.get("copy", False)}
    return target, args, kwargs


def _common(name: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> torch.device:
    """The device of all tensors of a call, if CUDA would take them together."""
    first = args[0] if args and isinstance(args[0], Tensor) else None
    asked = list(_tensors((args, kwargs)))
    written = list(_tensors(kwargs.get("out")))
    if first is not None and ((name.endswith("_") and name[:2] != "__") or name[:3] == "__i"):
        written.append(first)
    if first is not None and name in ("__getitem__", "__setitem__"):
        written.append(first)
        indices = list(_tensors(args[1]))
        asked = [first, *indices, *_tensors(args[2:])]
        if _place(first) != CPU:  # indices may come from the CPU
            asked = [t for t in asked if _place(t) != CPU or not any(t is i for i in indices)]
        if name == "__setitem__" and not indices:  # a copy
            asked = [first]
    if name == "copy_":
        asked = [args[0]]
    common = next((_place(t) for t in (*written, *asked) if t.ndim or _place(t) != CPU), CPU)
    for tensor in (*asked, *written):
        scalar = tensor.ndim == 0 and not any(tensor is other for other in written)
        if _place(tensor) != common and not (scalar and _place(tensor) == CPU):
            raise RuntimeError(
                f"{name}: Expected all tensors to be on the same device, but found at least two "
                f"devices, {common} and {_place(tensor)}!"
            )
    return common


def _freely(
    name: str, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The same call, its sums in another order."""
    first = args[0] if args else None
    if not isinstance(first, Tensor) or not first.is_floating_point():
        return args, kwargs
    if name in ("sum", "mean") and first.ndim:
        dims = kwargs.get("dim", args[1] if len(args) > 1 else None)
        dims = tuple(range(first.ndim)) if dims is None else dims
        for dim in (dims,) if isinstance(dims, int) else dims:
            others = first.numel() // max(first.shape[dim], 1)
            drawn = torch.Generator().manual_seed(others)
            first = first.index_select(dim, torch.randperm(first.shape[dim], generator=drawn))
        return (first, *args[1:]), kwargs
    fixed = torch.are_deterministic_algorithms_enabled()
    if name in ("index_add_", "index_add") and not fixed:
        dim, index, source = args[1:4]
        order = torch.randperm(len(index), generator=_order[-1])
        return (first, dim, index[order], source.index_select(dim, order), *args[4:]), kwargs
    return args, kwargs


def _unstable(name: str, values: Tensor, dim: int = -1, *, descending: bool = False) -> Any:
    """A sort with equal values in the reverse of their order."""
    found = torch.sort(values.flip(dim), dim=dim, descending=descending, stable=True)
    indices = values.shape[dim] - 1 - found.indices
    return indices if name == "argsort" else torch.return_types.sort((found.values, indices))


def _placed(value: Any, place: torch.device, given: list[Tensor]) -> Any:
    """A result, with its tensors at a device."""
    if isinstance(value, Tensor):
        return value if any(value is tensor for tensor in given) else _put(value, place)
    if isinstance(value, tuple | list):
        return type(value)([_placed(item, place, given) for item in value])
    return value


def _put(tensor: Tensor, place: torch.device) -> Tensor:
    if place == CPU:
        return tensor.as_subclass(Tensor) if isinstance(tensor, Elsewhere) else tensor
    put = tensor.as_subclass(Elsewhere)
    put.place = place
    return put


def _place(tensor: Tensor) -> torch.device:
    return tensor.place if isinstance(tensor, Elsewhere) else CPU


def _tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, tuple | list):
        for item in value:
            yield from _tensors(item)
    elif isinstance(value, dict):
        yield from _tensors(tuple(value.values()))


def _device(value: Any) -> torch.device | None:
    """The device that an argument names, or lies on."""
    if isinstance(value, Tensor):
        return _place(value)
    if not isinstance(value, str | torch.device):
        return None
    device = torch.device(value)
    return GPU if device == torch.device("cuda") else device
