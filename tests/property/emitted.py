"""Emitted source as live modules: imported, tapped, run; what torch makes of every node."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from itertools import count
from types import ModuleType
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from addnn_spec.graph import Buffer, Graph, ModuleRef, Node, Parameter, Placeholder, WeightOf
from addnn_spec.ops.applied import Applied
from addnn_spec.ops.base import HigherOperator
from addnn_spec.sizes import evaluate

_numbers = count()


@contextmanager
def imported(text: str) -> Iterator[ModuleType]:
    """The emitted file as a module, for as long as the context lasts."""
    name = f"emitted_{next(_numbers)}"
    module = ModuleType(name)
    sys.modules[name] = module
    try:
        exec(compile(text, f"{name}.py", "exec"), module.__dict__)
        yield module
    finally:
        del sys.modules[name]


class Tap(NamedTuple):
    """What one node computed, and the MACs that torch counted since the node before."""

    values: tuple[Tensor, ...]
    macs: int


Taps = dict[tuple[str, int], Tap]
"""By the tap's path (its module's name, a dot, its own) and how often it was called before."""


def record(network: nn.Module, inputs: Mapping[str, Tensor]) -> tuple[Taps, Any]:
    """Run a network with probes: every tap, and the outputs. MACs are counted on the way."""
    taps: Taps = {}
    calls: dict[str, int] = {}
    before = 0
    counter = FlopCounterMode(display=False)

    def tap(prefix: str, name: str, value: Any) -> Any:
        nonlocal before
        path = f"{prefix}.{name}" if prefix else name
        flops = counter.get_total_flops()
        key = path, calls.get(path, 0)
        calls[path] = key[1] + 1
        taps[key] = Tap(tuple(_tensors(value)), (flops - before) // 2)
        before = flops
        return value

    for prefix, module in network.named_modules():
        if hasattr(module, "tap"):
            module.tap = partial(tap, prefix)
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with counter, torch.no_grad():
            outputs = network(**inputs)
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)
    return taps, outputs


def _tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, tuple | list):
        for item in value:
            yield from _tensors(item)


class Expected(NamedTuple):
    """A node of the graph, at its path, and where a tap must report it."""

    path: str
    tap: tuple[str, int]
    graph: Graph
    node: Node


def expected_taps(
    graph: Graph, sizes: Mapping[str, int] | None = None, *, training: bool = False
) -> list[Expected]:
    """The nodes that run, calls included, in the graph's order.

    With sizes, those in layer arguments, too: they run at each of the layer's turns.
    """
    found: list[Expected] = []
    calls: dict[str, int] = {}

    def walk(graph: Graph, path: str, home: str, ports: Mapping[str, str], outer: bool) -> None:
        def home_of(module: ModuleRef) -> str:
            return ports[module.name] if module.port else f"{home}{module.name}"

        for node in graph.nodes():
            if isinstance(node.op, Parameter | Buffer | WeightOf):
                continue
            if isinstance(node.op, Placeholder) and not outer:
                continue
            if node.training and not training:
                continue
            for name in node.names():
                lives = home_of(node.module) if node.module else f"{home}{name}"
                if isinstance(node.op, Graph):
                    inner = zip(node.op.module_ports, map(home_of, node.bound_modules), strict=True)
                    walk(node.op, f"{path}{name}.", f"{lives}.", dict(inner), outer=False)
                if isinstance(node.op, HigherOperator) and sizes is not None:
                    ((argument, layer),) = node.layers
                    inner = zip(layer.module_ports, map(home_of, node.bound_modules), strict=True)
                    bound = dict(inner)
                    for _ in range(evaluate(Applied(node.op, node.types).turns(), sizes)):
                        around = f"{lives}.{argument}."
                        walk(layer, f"{path}{name}.{argument}.", around, bound, outer=False)
                tap = f"{home}{name}"
                use = calls.get(tap, 0)
                calls[tap] = use + 1
                found.append(Expected(f"{path}{name}", (tap, use), graph, node))

    walk(graph, "", "", {}, outer=True)
    return found


DTYPES = {"float": torch.float64, "int": torch.int64, "bool": torch.bool}


def random_inputs(
    graph: Graph, sizes: Mapping[str, int], device: str = "cpu", seed: int = 0
) -> dict[str, Tensor]:
    """Tensors for a network's inputs at these symbolic sizes; integers below 20."""
    generator = torch.Generator().manual_seed(seed)
    found = {}
    for id, name in zip(graph.inputs, graph.input_names, strict=True):
        type = graph.node(id).outputs[0]
        shape = tuple(evaluate(size, sizes) for size in type.shape)
        if type.dtype == "float":
            tensor = torch.randn(shape, generator=generator, dtype=torch.float64)
        else:
            tensor = torch.randint(0, 20, shape, generator=generator)
        found[name] = tensor.to(device)
    return found


def randomise(network: nn.Module, seed: int = 0) -> None:
    """Fill a network's state with random numbers, variances with positive ones."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for key, tensor in network.state_dict().items():
            if tensor.is_floating_point():
                values = torch.randn(tensor.shape, generator=generator, dtype=torch.float64) * 0.5
                tensor.copy_(values.abs() + 0.5 if key.endswith("running_var") else values)
