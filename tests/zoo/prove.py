"""Proof that a packaged network is the network of a reference implementation.

The reference's weights load strictly into the emitted module, and both give the same outputs in
float64. So that the comparison means something, every weight is random, BatchNorm's statistics are
measured, two inputs must give clearly different outputs, and mutants of the emitted file must give
others than the file itself.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from types import ModuleType
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd
from torch.nn.modules.dropout import _DropoutNd
from torch.overrides import TorchFunctionMode
from torch.utils.flop_counter import FlopCounterMode

from addnn_spec import Network, load
from addnn_spec.passes.dims import symbolic_sizes
from addnn_spec.passes.memory import at
from addnn_spec.runtime.keymap import read_keymap
from addnn_spec.runtime.weight_files import Stored
from addnn_spec.runtime.weights import GivenTensors
from tests.zoo.mutants import CIRCULAR, mutants

Weights = dict[str, Tensor]
Inputs = tuple[Tensor, ...]

TOLERANCE = 1e-9
"""Of outputs, relative to the largest."""
DISTINCT = 1e-2
"""What two inputs' outputs must differ by, relative to their size."""
CAUGHT = 1e-6
"""What a mutant's output must differ by, relative to its size."""


def unchanged(value: Any) -> Any:
    return value


@dataclass(frozen=True)
class Reference:
    """Another implementation of a packaged network, and how the two are held together."""

    name: str
    """`torchvision.resnet18`: what the spec's head comment says, after "as"."""
    build: Callable[[], nn.Module]
    size: int | None = None
    """Height and width at which outputs are compared; None where they are fixed."""
    training_size: int | None = None
    """The same in training mode, where what only training computes needs larger ones."""
    weights: Callable[[Weights], Weights] = unchanged
    """From the reference's state dict to the network's: see `renamed`."""
    keys: str = ""
    """The packaged key map that does so, if one does."""
    change: str = ""
    """What `build` exchanges in it, after the name in the spec's head comment."""
    output: Callable[[Any], Any] = unchanged
    """From the reference's output to the network's, in its order."""
    dims: Mapping[str, int] = field(default_factory=dict)
    """Other symbolic sizes."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Parameters of the network."""
    integers: int = 10
    """Integer inputs are below this."""
    inputs: Callable[[Inputs], Inputs] = unchanged
    """From random inputs to those of the comparison, where not any numbers will do: regions."""
    call: Callable[..., Any] | None = None
    """How the reference is called, if not with the network's inputs: `call(module, *inputs)`."""
    gradients: bool = False
    """Gradients of every weight are compared too."""
    training: bool = True
    """Training mode is compared too (it must be deterministic without dropout)."""
    counted: bool = True
    """torch counts the reference's operations: not so with recurrent layers, or other inputs."""
    batch: int = 3
    full: Callable[[], nn.Module] | None = None
    """The reference at full size, for the counts, where `build` and `settings` make it smaller."""
    slow: bool = False


def renamed(*rules: tuple[str, str]) -> Callable[[Weights], Weights]:
    """A key map: each rule is a pattern and its replacement, applied in order to every key."""

    def rename(weights: Weights) -> Weights:
        found: Weights = {}
        for key, value in weights.items():
            for pattern, replacement in rules:
                key = re.sub(pattern, replacement, key)
            assert key not in found, f"two weights are called {key}"
            found[key] = value
        return found

    return rename


def mapped(keys: str) -> Callable[[Weights], Weights]:
    """The packaged key map `keys`."""

    def rename(weights: Weights) -> Weights:
        given = GivenTensors(Stored(weights), keys)
        given.mapped(read_keymap(keys))
        return dict(given)

    return rename


def prove(name: str, reference: Reference) -> None:
    """Hold the packaged network `name` against its reference. Raises `AssertionError`."""
    network = load(name, **reference.settings)
    text = network.source()
    with _exact():
        if reference.full:
            whole = replace(reference, build=reference.full, settings={}, full=None)
            _check_counts(load(name), whole)
        else:
            _check_counts(network, reference)
        torch.manual_seed(0)
        theirs = _prepared(reference, inputs_of(network, reference, 0, training=True))
        weights = reference.weights(_copied(theirs.state_dict()))
        ours = build(text, network.graph.name, weights)
        _check_evaluation(network, reference, ours, theirs)
        if reference.gradients:
            _check_gradients(network, reference, ours, theirs)
        _check_mutants(network, reference, text, weights, ours)
        if reference.training:
            _check_training(network, reference, ours, theirs)


@torch.no_grad()
def compare(name: str, reference: Reference) -> None:
    """Hold outputs in evaluation against the reference's, and nothing else: quick."""
    network = load(name, **reference.settings)
    theirs = _prepared(reference, inputs_of(network, reference, 0))
    weights = reference.weights(_copied(theirs.state_dict()))
    ours = build(network.source(), network.graph.name, weights)
    _check_evaluation(network, reference, ours, theirs)


def build(text: str, name: str, weights: Weights | None = None, device: str = "cpu") -> nn.Module:
    """The module that an emitted file defines, with `weights` (shared, not copied) if given."""
    file = ModuleType("emitted")
    exec(compile(text, "emitted.py", "exec"), file.__dict__)
    with torch.device("meta" if weights is not None else device):
        module = cast(nn.Module, getattr(file, name)())
    if weights is not None:
        module.load_state_dict(weights, strict=True, assign=True)
        if any(tensor.is_meta for tensor in module.buffers()):  # some are not in the state dict
            module = cast(nn.Module, getattr(file, name)().double())
            module.load_state_dict(weights, strict=True)
    return module.eval()


def inputs_of(network: Network, reference: Reference, seed: int, training: bool = False) -> Inputs:
    """Random inputs, at the size of the comparison."""
    generator = torch.Generator().manual_seed(seed)
    graph = network.graph
    size = (training and reference.training_size) or reference.size
    wanted = {"N": reference.batch, "H": size, "W": size, **reference.dims}
    dims = {n: v for n in symbolic_sizes(graph) if (v := wanted.get(n)) is not None}
    found = []
    for id in graph.inputs:
        node = graph.node(id)
        if node.training and not training:
            continue
        shape = [at(size, dims) for size in node.outputs[0].shape]
        match node.outputs[0].dtype:
            case "float":
                found.append(torch.randn(shape, generator=generator, dtype=torch.float64))
            case "int":
                found.append(torch.randint(reference.integers, shape, generator=generator))
            case _:
                found.append(torch.rand(shape, generator=generator) < 0.5)
    return reference.inputs(tuple(found))


def tensors(value: Any) -> list[Tensor]:
    """The tensors of an output, whatever holds them; None is none."""
    if isinstance(value, Tensor):
        return [value]
    if value is None:
        return []
    items = value.values() if isinstance(value, Mapping) else value
    return [tensor for item in items for tensor in tensors(item)]


def difference(a: list[Tensor], b: list[Tensor]) -> float:
    """The largest difference of two outputs, relative to the size of the first; never NaN."""
    assert [t.shape for t in a] == [t.shape for t in b]
    largest = 0.0
    for one, other in zip(a, b, strict=True):
        one, other = one.double(), other.double()
        found = ((one - other).abs().max() / one.abs().max()).item()
        largest = max(largest, math.inf if math.isnan(found) else found)
    return largest


@contextmanager
def _exact() -> Iterator[None]:
    """Without torch's fast path of attention, which counts and computes differently."""
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(True)


def _copied(weights: Mapping[str, Tensor]) -> Weights:
    """A state dict whose buffers are copies: training moves them. Parameters are not copied."""
    return {
        key: value if isinstance(value, nn.Parameter) or value.ndim > 1 else value.clone()
        for key, value in weights.items()
    }


def _prepared(reference: Reference, inputs: Inputs) -> nn.Module:
    """The reference with random weights, measured statistics, and no dropout."""
    with _Uninitialised():
        module = reference.build()
    module = module.double()
    _without_chance(module)
    norms = {id(p) for m in module.modules() if not list(m.children()) for p in _scales(m)}
    with torch.no_grad():
        for parameter in dict.fromkeys(module.parameters()):
            if id(parameter) in norms:
                parameter.uniform_(0.5, 1.5)
            elif parameter.ndim < 2:
                parameter.normal_(0, 0.1)
            else:
                gain = 2 if parameter.ndim > 2 else 1
                parameter.normal_(0, math.sqrt(gain / math.prod(parameter.shape[1:])))
    _measure(module, reference, inputs)
    return module.eval()


class _Uninitialised(TorchFunctionMode):
    """Draws no numbers for parameters: it takes longer than the proof, and they are set anew."""

    DRAWS = (Tensor.normal_, Tensor.uniform_, Tensor.erfinv_)

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        if func in self.DRAWS and isinstance(args[0], nn.Parameter):
            return args[0]
        return func(*args, **(kwargs or {}))


def _scales(module: nn.Module) -> Iterator[Tensor]:
    """What a module multiplies by: 1-D weights."""
    weight = getattr(module, "weight", None)
    if isinstance(weight, Tensor) and weight.ndim == 1:
        yield weight


def _without_chance(module: nn.Module) -> None:
    for part in module.modules():
        if isinstance(part, _DropoutNd):
            part.p = 0.0
        for name in ("drop_prob", "drop_rate", "dropout", "dropout_p"):
            if isinstance(getattr(part, name, None), float):
                setattr(part, name, 0.0)
        if type(part).__name__ == "StochasticDepth":
            part.p = 0.0  # type: ignore[assignment]


def _measure(module: nn.Module, reference: Reference, inputs: Inputs) -> None:
    """BatchNorm's statistics: the mean of two training passes."""
    norms = [part for part in module.modules() if isinstance(part, _BatchNorm)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = None
        norm.reset_running_stats()
    module.train()
    with torch.no_grad():
        for turn in range(2 if norms else 0):
            _call(module, reference, reference.inputs(tuple(_other(t, turn) for t in inputs)))
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum


def _other(tensor: Tensor, seed: int) -> Tensor:
    """Another input of the same kind."""
    if not tensor.is_floating_point():
        return tensor
    generator = torch.Generator().manual_seed(1000 + seed)
    return torch.randn(tensor.shape, generator=generator, dtype=tensor.dtype)


def _call(module: nn.Module, reference: Reference, inputs: Inputs) -> list[Tensor]:
    call = reference.call
    value = call(module, *inputs) if call else module(*inputs)
    return tensors(reference.output(value))


@torch.no_grad()
def _check_evaluation(
    network: Network, reference: Reference, ours: nn.Module, theirs: nn.Module
) -> None:
    first, second = (inputs_of(network, reference, seed) for seed in (1, 2))
    expected = _call(theirs, reference, first)
    assert difference(expected, tensors(ours(*first))) < TOLERANCE
    other = tensors(ours(*second))
    for one, two in zip(expected, other, strict=True):
        apart = ((one - two).norm() / one.norm()).item()
        assert apart > DISTINCT, f"two inputs give nearly the same: {apart:.2g}"


def _check_gradients(
    network: Network, reference: Reference, ours: nn.Module, theirs: nn.Module
) -> None:
    """Of one weighted sum of the outputs, by every weight, relative to the weight's own.

    Some are nothing in theory (a key's bias moves all scores alike), and only small in practice.
    """
    inputs = inputs_of(network, reference, 1)
    found: list[Weights] = []
    for module, outputs in (
        (ours, tensors(ours(*inputs))),
        (theirs, _call(theirs, reference, inputs)),
    ):
        torch.manual_seed(4)
        total = torch.stack([(out * torch.randn_like(out)).sum() for out in outputs]).sum()
        parameters = dict(module.named_parameters())
        gradients = torch.autograd.grad(total, list(parameters.values()))
        found.append(dict(zip(parameters, gradients, strict=True)))
    given, expected = found[0], reference.weights(found[1])
    assert given.keys() == expected.keys()
    floor = 1e-3 * max(gradient.abs().max() for gradient in expected.values())
    for key, gradient in expected.items():
        apart = (gradient - given[key]).abs().max() / max(gradient.abs().max(), floor)
        assert apart < TOLERANCE, key


@torch.no_grad()
def _check_mutants(
    network: Network, reference: Reference, text: str, weights: Weights, ours: nn.Module
) -> None:
    inputs = inputs_of(network, reference, 1)
    expected = tensors(ours(*inputs))
    tried = 0
    for mutation, mutant in mutants(text):
        if mutation == CIRCULAR and not _pads(ours):
            continue
        tried += 1
        apart = _mutant(mutant, network.graph.name, weights, inputs, expected)
        assert apart > CAUGHT, f"{mutation} changes the output by {apart:.2g} only"
    swapped = _swapped(weights)
    if swapped is not None:
        tried += 1
        apart = _mutant(text, network.graph.name, swapped, inputs, expected)
        assert apart > CAUGHT, f"swapped weights change the output by {apart:.2g} only"
    assert tried, "there is nothing to mutate"


def _pads(module: nn.Module) -> bool:
    """Whether a convolution pads: a parameter `padding` of a class may be 0 in all its uses."""
    convs = (part for part in module.modules() if isinstance(part, _ConvNd))
    return any(isinstance(conv.padding, str) or any(conv.padding) for conv in convs)


def _mutant(
    text: str, name: str, weights: Weights, inputs: Inputs, expected: list[Tensor]
) -> float:
    """How far a mutant is from what it was made of: infinitely, where shapes no longer fit."""
    try:
        found = tensors(build(text, name, weights)(*inputs))
    except (RuntimeError, ValueError):
        return math.inf
    if [t.shape for t in found] != [t.shape for t in expected]:
        return math.inf
    return difference(expected, found)


def _swapped(weights: Weights) -> Weights | None:
    """The weights with the first two equally large ones exchanged, if there are two."""
    seen: dict[torch.Size, str] = {}
    for key, value in weights.items():
        if value.ndim < 2 or not value.is_floating_point():
            continue
        other = seen.setdefault(value.shape, key)
        if weights[other] is not value:
            return {**weights, key: weights[other], other: value}
    return None


@torch.no_grad()
def _check_training(
    network: Network, reference: Reference, ours: nn.Module, theirs: nn.Module
) -> None:
    """Outputs in training mode, and what it does to the statistics."""
    _without_chance(ours)
    inputs = inputs_of(network, reference, 3, training=True)
    ours.train()
    theirs.train()
    expected = _call(theirs, reference, inputs)
    assert difference(expected, tensors(ours(*inputs))) < TOLERANCE
    after = reference.weights(dict(theirs.state_dict()))
    for key, value in ours.named_buffers():
        if key in after:
            torch.testing.assert_close(value, after[key], rtol=TOLERANCE, atol=TOLERANCE, msg=key)


def _check_counts(network: Network, reference: Reference) -> None:
    """Parameters, and MACs at the native size, of summary, emitted module and reference."""
    ours = build(network.source(), network.graph.name, device="meta")
    with torch.device("meta"):
        theirs = reference.build().eval()
    summary = network.summary()
    params = summary.total.params + summary.training.params
    assert params == sum(p.numel() for p in ours.parameters())
    assert params == sum(p.numel() for p in theirs.parameters())
    if not reference.counted:
        return
    native = Reference(reference.name, reference.build, integers=reference.integers, batch=1)
    inputs = tuple(on_meta(tensor) for tensor in inputs_of(network, native, 0))
    macs = at(summary.total.macs, {"N": 1})
    assert macs == counted(lambda: ours(*inputs))
    assert macs == counted(lambda: _call(theirs, reference, inputs))


def on_meta(tensor: Tensor) -> Tensor:
    """The input without its values, in the networks' own precision."""
    return (tensor.float() if tensor.is_floating_point() else tensor).to("meta")


def counted(run: Callable[[], Any]) -> int:
    """The MACs of what `run` does, as torch counts them."""
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        run()
    return int(counter.get_total_flops()) // 2
