"""Reading every node's value while a network runs, and leaving no trace.

An emitted `--probes` module lets each value pass `self.tap(name, value)`; any other module is read
by hooks at its submodules, which see no functional values.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from inspect import signature
from typing import Any

import torch
from torch import Tensor, nn

from addnn_spec.diagnostics import Refusal
from addnn_spec.indices.precision import deterministic, full_precision
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
    return next(iter(tensors_of(value).values()), None)


def tensors_of(value: Any) -> dict[str, Tensor]:
    """Return the tensors of what a layer gives: that of `first_tensor` under "", the others by
    their keys in a dictionary, or their place among all that a tuple holds (`2`: an LSTM's c)."""
    if isinstance(value, Tensor):
        return {"": value}
    found = {name: part for name, part in _leaves(value) if part is not None}
    main = "logits" if "logits" in found else next(iter(found), "")
    return {"" if name == main else name: found[name] for name in sorted(found, key=main.__ne__)}


def _leaves(value: Any) -> Iterator[tuple[str, Tensor | None]]:
    if value is None or isinstance(value, Tensor):
        yield "", value
    elif isinstance(value, Mapping):
        for key, part in value.items():
            for name, leaf in _leaves(part):
                yield f"{key}.{name}" if name else str(key), leaf
    elif isinstance(value, tuple | list):
        parts = [leaf for part in value for _, leaf in _leaves(part)]
        yield from ((str(place), leaf) for place, leaf in enumerate(parts))


class _Turns:
    """What is seen while a holder has its layer go over the steps of a sequence.

    `sizes` are samples and steps where the steps lie side by side in the batch (TimeDistributed).
    Else the layer runs once a step (Scan), and values are kept until the last.
    """

    def __init__(self, holder: nn.Module, sizes: tuple[int, int] | None) -> None:
        self.sizes = sizes
        self.cell = getattr(holder, "cell", None)
        self.backwards = bool(getattr(holder, "reverse", False))
        self.calls: Counter[str] = Counter()
        self.kept: dict[tuple[str, int], list[Tensor]] = {}

    def keep(self, key: str, value: Tensor) -> None:
        """Keep the value of one step."""
        self.kept.setdefault((key, self.calls[key]), []).append(value)
        self.calls[key] += 1

    def side_by_side(self, value: Tensor, sizes: tuple[int, int]) -> Tensor:
        """Return a value whose steps lie in the batch as [N, T, …]; one that does not depend on the
        sample as [1, …]."""
        if value.ndim == 0 or len(value) != sizes[0] * sizes[1]:
            return value[None]
        return value.reshape(*sizes, *value.shape[1:])

    def stacked(self, values: Sequence[Tensor]) -> Tensor:
        """Return the values of all steps as [N, T, …]."""
        # A reversed scan begins at the last step.
        values = values[::-1] if self.backwards else values
        if values[0].ndim == 0 or len({part.shape for part in values}) > 1:
            return values[0][None]
        return torch.stack(tuple(values), 1)


HOLDERS = ("Scan", "Repeated", "TimeDistributed")
"""What an emitted file calls the modules that run a layer over steps."""


class Taps:
    """The taps of one module; `run` is one forward pass.

    Keys are the names of `named_modules()`, joined with the local names of the values in an emitted
    module; a module without parts goes by its class. Of a value of several tensors the first has
    the key, the others theirs behind a colon (`lstm:1`). What is inside a layer that runs over the
    steps of a sequence is received once, with all steps: [N, T, …]. What is received is the
    network's own tensor: copy what must last. Inputs are given by `names`, where there are such,
    else in order. `keys` are all that is wanted of such steps, if not every value is.

    Attributes:
        raw: what the value that is being received was put together from: itself, or each step's.
    """

    def __init__(
        self,
        module: nn.Module,
        receive: Receive,
        names: Sequence[str] = (),
        keys: Collection[str] | None = None,
    ) -> None:
        self.module = module
        self.names = tuple(names)
        self.receive = receive
        self.probed = is_probed(module)
        self.raw: Sequence[Tensor] = ()
        self._keys = keys
        self._calls: Counter[str] = Counter()
        self._turns: list[_Turns] = []
        arguments = signature(module.forward).parameters
        taken = {name for name, _ in module.named_children()}
        self.input_keys = tuple(f"({name})" if name in taken else name for name in arguments)
        """What hooks call inputs: as `forward` does, in brackets where a submodule has the name."""

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Read every forward pass inside it; afterwards the module is as it was."""
        with ExitStack() as stack:
            for name, module in self.module.named_modules():
                if self.probed and is_probed(module):
                    self._tap(module, f"{name}." if name else "", stack)
                elif self.probed and type(module).__name__ in HOLDERS:
                    self._hold(module, stack)
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
        """Do one forward pass; calls are counted from 0 again."""
        self._calls.clear()
        self._turns.clear()
        if self.names:
            return self.module(**dict(zip(self.names, inputs, strict=True)))
        return self.module(*inputs)

    def _tap(self, module: nn.Module, prefix: str, stack: ExitStack) -> None:
        def tap(name: str, value: Any) -> Any:
            self._receive(prefix + name, value)
            return value

        # In the instance's own dictionary: once it is out again, the class's method is back.
        held = module.__dict__
        before = held.get("tap")
        held["tap"] = tap
        if before is None:
            stack.callback(held.pop, "tap")
        else:
            stack.callback(held.__setitem__, "tap", before)

    def _hold(self, holder: nn.Module, stack: ExitStack) -> None:
        """Gather what the layer of a holder gives over the steps."""
        distributed = type(holder).__name__ == "TimeDistributed"

        def begin(module: nn.Module, inputs: Any) -> None:
            sizes = inputs[0].shape[:2] if distributed else None
            self._turns.append(_Turns(module, sizes))

        def step(module: nn.Module, inputs: Any) -> None:  # noqa: ARG001
            # At each step the calls within the cell are counted from 0 again.
            if self._turns and self._turns[-1].cell is module:
                self._turns[-1].calls.clear()

        def end(module: nn.Module, inputs: Any, value: Any) -> None:  # noqa: ARG001
            turns = self._turns.pop()
            for (key, _), values in turns.kept.items():
                self._take(key, turns.stacked(values), values)

        stack.callback(holder.register_forward_pre_hook(begin).remove)
        stack.callback(holder.register_forward_hook(end).remove)
        if not distributed:
            stack.callback(holder.get_submodule("cell").register_forward_pre_hook(step).remove)

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
        for name, part in tensors_of(value).items():
            self._take(f"{key}:{name}" if name else key, part, (part,))

    def _take(self, key: str, value: Tensor, raw: Sequence[Tensor]) -> None:
        """Receive a value, put together from `raw`, unless steps around are still going on."""
        for place in reversed(range(len(self._turns))):
            turns = self._turns[place]
            if turns.sizes is None:
                if self._keys is None or key in self._keys:
                    turns.keep(key, value)
                return
            value = turns.side_by_side(value, turns.sizes)
        call = self._calls[key]
        self._calls[key] += 1
        self.raw = raw
        self.receive(key, call, value)


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
    # In training norms update their running statistics.
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
    """Do one forward pass that leaves no trace.

    Raises `DiagnosticError` (E0617) where the module does not run on the inputs.
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
    """Return the refusal where a forward pass has failed."""
    return refusal(error, "the network does not run on these data", "E0617")


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
