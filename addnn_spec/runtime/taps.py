"""Reading every node's value while a network runs, and leaving no trace.

An emitted `--probes` module lets each value pass `self.tap(name, value)`; any other module is read
by hooks at its submodules, which see no functional values.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from inspect import signature
from typing import Any

import torch
from torch import Tensor, nn

from addnn_spec.diagnostics import Refusal
from addnn_spec.indices.geometry import deterministic, full_precision
from addnn_spec.runtime.devices import refusal

Receive = Callable[[str, int, Tensor], None]
"""Gets a node's key, the number of its call in this forward pass (from 0), and its value."""


def names_taken(module: nn.Module, names: Sequence[str]) -> tuple[str, ...]:
    """Return the names of inputs if `forward` takes them all by name; else none, and they are given
    in order."""
    if is_probed(module) or len(names) < 1:
        return ()
    taken = signature(module.forward).parameters
    return tuple(names) if all(name in taken for name in names) else ()


def is_probed(module: nn.Module) -> bool:
    """Return True if a module was emitted with `--probes`."""
    return any(cls.__name__ == "Probed" and hasattr(cls, "tap") for cls in type(module).__mro__)


def first_tensor(value: Any) -> Tensor | None:
    """Return the first tensor of a nested tuple: a recurrent layer's output, before its states; of
    a dictionary its `logits`, if it has such."""
    if isinstance(value, Tensor):
        return value
    if isinstance(value, Mapping):
        logits = value.get("logits")
        return logits if isinstance(logits, Tensor) else first_tensor(list(value.values()))
    if isinstance(value, tuple | list):
        for item in value:
            found = first_tensor(item)
            if found is not None:
                return found
    return None


class Taps:
    """The taps of one module; `run` is one forward pass.

    Keys are the names of `named_modules()`, joined with the local names of the values in an emitted
    module; a module without parts goes by its class. What is received is the network's own tensor:
    copy what must last. Inputs are given by `names`, where there are such, else in order.
    """

    def __init__(self, module: nn.Module, receive: Receive, names: Sequence[str] = ()) -> None:
        self.module = module
        self.names = tuple(names)
        self.receive = receive
        self.probed = is_probed(module)
        self._calls: Counter[str] = Counter()
        arguments = signature(module.forward).parameters
        taken = {name for name, _ in module.named_children()}
        self.input_keys = tuple(f"({name})" if name in taken else name for name in arguments)
        """What hooks call inputs: as `forward` does, in brackets where a submodule has the name."""

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Within it every forward pass is read; after it the module is as it was."""
        with ExitStack() as stack:
            for name, module in self.module.named_modules():
                if self.probed and is_probed(module):
                    self._tap(module, f"{name}." if name else "", stack)
                elif not self.probed:
                    if module is self.module and next(module.children(), None) is None:
                        name = type(module).__name__
                    handle = module.register_forward_hook(self._hook(name))
                    stack.callback(handle.remove)
            if not self.probed:
                handle = self.module.register_forward_pre_hook(self._inputs, with_kwargs=True)
                stack.callback(handle.remove)
            yield

    def run(self, *inputs: Tensor) -> Any:
        """One forward pass; calls are counted from 0 again."""
        self._calls.clear()
        if self.names:
            return self.module(**dict(zip(self.names, inputs, strict=True)))
        return self.module(*inputs)

    def _tap(self, module: nn.Module, prefix: str, stack: ExitStack) -> None:
        def tap(name: str, value: Any) -> Any:
            self._receive(prefix + name, value)
            return value

        held = module.__dict__
        before = held.get("tap")
        held["tap"] = tap
        if before is None:
            stack.callback(held.pop, "tap")
        else:
            stack.callback(held.__setitem__, "tap", before)

    def _hook(self, name: str) -> Callable[[nn.Module, Any, Any], None]:
        def hook(module: nn.Module, inputs: Any, value: Any) -> None:  # noqa: ARG001
            self._receive(name, value)

        return hook

    def _inputs(self, module: nn.Module, inputs: Any, named: Mapping[str, Any]) -> None:
        for name, value in zip(self.input_keys, inputs, strict=False):
            self._receive(name, value)
        for name, value in named.items():
            self._receive(name if name in self.input_keys else f"({name})", value)

    def _receive(self, key: str, value: Any) -> None:
        call = self._calls[key]
        self._calls[key] += 1
        tensor = first_tensor(value)
        if tensor is not None:
            self.receive(key, call, tensor)


@contextmanager
def untouched(
    module: nn.Module,
    mode: str = "eval",
    *,
    traced: bool = False,
    device: torch.device | None = None,
) -> Iterator[None]:
    """Put a module into evaluation (or `"train"`) mode under `inference_mode`, and all back after.

    `traced` has autograd note instead what each value was made from. `device` is where its inputs
    lie, if that is not the CPU.

    Each submodule's mode, the buffers (running statistics), the random states of torch, and the
    settings of float32 products, of cuDNN and of deterministic algorithms are as before; inside,
    what is computed again has the same bits where torch has a way.
    """
    modes = [(part, part.training) for part in module.modules()]
    buffers = [(value, value.clone()) for value in module.buffers()] if mode == "train" else []
    tensors = (*module.parameters(), *module.buffers())
    devices = {torch.device("cpu"), device or torch.device("cpu"), *(t.device for t in tensors)}
    numbers = sorted(one.index or 0 for one in devices if one.type == "cuda")
    try:
        with torch.random.fork_rng(devices=numbers), ExitStack() as stack:
            stack.enter_context(_repeatable())
            for one in devices:
                stack.enter_context(full_precision(one))
            stack.enter_context(torch.enable_grad() if traced else torch.inference_mode())
            module.train(mode == "train")
            yield
    finally:
        for part, training in modes:
            part.training = training
        with torch.no_grad():
            for value, before in buffers:
                value.copy_(before)


def trial(
    taps: Taps, inputs: Sequence[Tensor], mode: str = "eval", *, traced: bool = False
) -> None:
    """One forward pass that leaves no trace.

    Raises `DiagnosticError` (E0614) where the module does not run on the inputs.
    """
    device = next((value.device for value in inputs), None)
    with untouched(taps.module, mode, traced=traced, device=device), taps.installed():
        try:
            taps.run(*inputs)
        except Refusal:
            raise
        except Exception as error:  # a live module raises what it likes
            raise not_run(error) from error


def not_run(error: Exception) -> Refusal:
    """Return what to say where a forward pass has failed."""
    return refusal(error, "the network does not run on these data")


@contextmanager
def _repeatable() -> Iterator[None]:
    """Deterministic algorithms; cuDNN without TF32, and without trying which is the fastest.

    torch warns of what it cannot vouch for: of cuBLAS, which is repeatable on one stream, and of
    operations without a deterministic form. Whether bits differ is seen where they matter.
    """
    backend: Any = torch.backends.cudnn
    before = (backend.deterministic, backend.benchmark)
    precisions = [(part, part.fp32_precision) for part in (backend.conv, backend.rnn)]
    try:
        backend.deterministic, backend.benchmark = True, False
        for part, _ in precisions:
            part.fp32_precision = "ieee"
        with deterministic(), warnings.catch_warnings():
            warnings.filterwarnings("ignore", r"(?s).*[Dd]eterministic (behavior|implementation)")
            yield
    finally:
        backend.deterministic, backend.benchmark = before
        for part, precision in precisions:
            part.fp32_precision = precision
