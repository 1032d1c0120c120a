"""The nodes of a live module, in the order of a trial run, with what each of them reads.

What a value was made from is read off autograd's graph, which sees functional operations, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from addnn_spec.diagnostics import Refusal
from addnn_spec.probes import layouts
from addnn_spec.probes.nodes import ProbeNode, with_places
from addnn_spec.runtime.run_record import Kind
from addnn_spec.runtime.sequence_steps import Layout
from addnn_spec.runtime.taps import HOLDERS, Taps, trial

_FAMILIES = {
    "activation": "activation",
    "batchnorm": "normalization",
    "normalization": "normalization",
    "instancenorm": "normalization",
    "dropout": "dropout",
}
_PASSING = (nn.Identity, nn.modules.dropout._DropoutNd)  # noqa: SLF001 - torch has no other name
_RESHAPING = (nn.Flatten, nn.Unflatten)
_FAMILIES_OF = ((nn.RNNBase, "recurrent"), (nn.MultiheadAttention, "attention"),
                (nn.TransformerEncoderLayer, "transformer"),
                (nn.TransformerDecoderLayer, "transformer"))  # fmt: skip
_OUTPUTS: dict[type | None, dict[str, str]] = {
    nn.LSTM: {"1": "h", "2": "c"},
    nn.GRU: {"1": "h"},
    nn.RNN: {"1": "h"},
    nn.LSTMCell: {"1": "c"},
    nn.MultiheadAttention: {"1": "weights"},
}
"""The names of the other outputs, by their place."""
_ACTIVATIONS = (
    *("Celu", "Elu", "Gelu", "Glu", "Hardsigmoid", "Hardswish", "Hardtanh", "LeakyRelu"),
    *("LogSigmoid", "LogSoftmax", "Mish", "Prelu", "Relu", "Selu", "Sigmoid", "Silu", "Softmax"),
    *("Softplus", "Tanh"),
)
"""As autograd names them."""


def plain(module: nn.Module) -> nn.Module:
    """Return a module that hooks can read: the one that a compiled module was made from.

    Raises `DiagnosticError` (E0607) for a ScriptModule, whose parts run without Python.
    """
    if isinstance(module, torch.jit.ScriptModule):
        raise Refusal(
            "E0607",
            f"{type(module).__name__} is a ScriptModule: its values cannot be read",
            help="give the nn.Module that it was scripted or traced from",
        )
    inner = getattr(module, "_orig_mod", None)
    return inner if isinstance(inner, nn.Module) else module


def takes_whole_numbers(module: nn.Module) -> bool:
    """Return True if a part of a module is an embedding: then inputs of whole numbers are not made
    floats."""
    return any(isinstance(part, nn.Embedding | nn.EmbeddingBag) for part in module.modules())


def module_nodes(
    module: nn.Module, inputs: Sequence[Tensor], mode: str, names: Sequence[str] = ()
) -> list[ProbeNode]:
    """Return what the taps, or the hooks, of a live module see, in the order of a trial run.

    Raises `DiagnosticError` (E0617) where the module does not run on the inputs.
    """
    trace = _Trace(module, mode)
    given = [
        # The second copy is made of the first, so that the input has a function in autograd's
        # graph.
        value.clone().requires_grad_().clone() if value.is_floating_point() else value
        for value in inputs
    ]
    whole = [v.shape[1] for v in inputs if v.ndim == 2 and not v.is_floating_point()]
    trace.steps = whole[0] if whole else 0
    trace.given = {id(value.grad_fn) for value in given if value.grad_fn is not None}
    taps = Taps(module, lambda key, call, value: trace.receive(key, call, value, taps.raw), names)
    trial(taps, given, mode, traced=True)
    main = next((node.label for node in reversed(trace.nodes) if not node.port), "")
    return with_places(trace.nodes, main)


class _Trace:
    """Gathers the nodes, and which value was made by which of them."""

    def __init__(self, module: nn.Module, mode: str) -> None:
        self.parts = dict(module.named_modules())
        if len(self.parts) == 1:  # one layer, by its class
            self.parts = {type(module).__name__: module}
        self.mode = mode
        self.nodes: list[ProbeNode] = []
        self.given: set[int] = set()
        self.made: dict[Any, ProbeNode] = {}
        """The node that each function of autograd's graph is the last of."""
        self.function: dict[str, Any] = {}
        self.steps = 0
        """The steps of an input of whole numbers; 0 without one."""
        self.untraced: list[str] = []
        """Inputs that autograd does not follow: integers."""

    def receive(self, key: str, call: int, value: Tensor, raw: Sequence[Tensor]) -> None:
        """Receive a value; `raw` holds the values of its steps, or the value alone."""
        key, _, place = key.partition(":")
        if not key:
            return
        part = self.parts.get(key)
        if place:
            self._other(part, key, call, value, place)
            return
        function = raw[0].grad_fn
        parameters = sum(p.numel() for p in part.parameters(recurse=False)) if part else 0
        has_parts = part is not None and next(part.children(), None) is not None
        is_input = part is None and (
            id(function) in self.given or (function is None and not self.nodes)
        )
        feeds = [] if is_input else self._sources(function)
        labels = tuple(node.label for node in feeds) or (() if is_input else tuple(self.untraced))
        kind: Kind = (
            "input" if is_input
            else "layer" if parameters
            else "block" if has_parts
            else "merge" if part is None and len(labels) > 1
            else "module"
        )  # fmt: skip
        name = type(part).__name__ if part is not None else key.strip("()").rpartition(".")[2]
        samples = int(isinstance(part, nn.RNNBase) and not part.batch_first)
        value = value.movedim(samples, 0) if value.ndim > samples else value
        node = ProbeNode(
            path=key,
            call=call,
            key=key,
            key_call=call,
            kind=kind,
            operator="input" if is_input else name,
            depth=len(self.nodes),
            block=key.rpartition(".")[0],
            feeds=labels,
            shape=tuple(value.shape[1:]),
            samples=samples,
            parameters=0 if call else parameters,
            layout=self._layout(part, value, feeds),
            family=_family(part, function),
        )
        node = self._rooted(node, part, feeds, function, value)
        self.nodes.append(node)
        self.function[node.label] = function
        if is_input and function is None:
            self.untraced.append(node.label)
        # A block returns what its last layer made: the value stays that layer's.
        if not (kind == "block" and function in self.made):
            self._made(raw, node)

    def _made(self, raw: Sequence[Tensor], node: ProbeNode) -> None:
        """Record which node made a value, or the values of its steps."""
        self.made.update((part.grad_fn, node) for part in raw if part.grad_fn is not None)

    def _other(
        self, part: nn.Module | None, key: str, call: int, value: Tensor, place: str
    ) -> None:
        """Receive another output of the layer whose first output has just been received."""
        main = next(node for node in reversed(self.nodes) if node.key == key)
        if main.kind == "input" or value.ndim == 0:
            return
        name = _OUTPUTS.get(type(part), {}).get(place, place)
        function = value.grad_fn
        samples = int(isinstance(part, nn.RNNBase) and value.ndim == 3)
        value = value.movedim(samples, 0)
        label = f"{key}:{name}"
        root = f"{label}#{call + 1}" if call else label
        node = replace(
            main,
            path=label,
            call=call,
            key=f"{key}:{place}",
            key_call=call,
            kind="module",
            depth=len(self.nodes),
            feeds=(main.label,),
            root=root,
            exact_root=root,
            shape=tuple(value.shape[1:]),
            samples=samples,
            port=1,
            parameters=0,
            layout=None if samples else self._layout(None, value, [main]),
        )
        self.nodes.append(node)
        self.function[node.label] = function
        if function is not None:
            self.made.setdefault(function, node)

    def _layout(
        self, part: nn.Module | None, value: Tensor, feeds: Sequence[ProbeNode]
    ) -> Layout | None:
        """Return where the steps are: as the layer's class says; else the one dimension that has
        the size of the inputs of whole numbers [N, T]; else as in what it reads."""
        shape = tuple(value.shape[1:])
        name = "" if part is None else type(part).__name__
        family = next((f for kind, f in _FAMILIES_OF if isinstance(part, kind)), "")
        known = layouts.made(name, family, shape, [])
        if known is not None:
            return known
        if value.is_floating_point() and shape.count(self.steps) == 1:
            return Layout(
                shape.index(self.steps), 1 if shape[0] == self.steps and len(shape) == 2 else None
            )
        return layouts.made("", "", shape, [(node.layout, node.shape) for node in feeds])

    def _sources(self, function: Any) -> list[ProbeNode]:
        """Return the nearest nodes that a value was made from, in the order of computing."""
        found: dict[str, ProbeNode] = {}
        seen: set[Any] = set()
        waiting = [function]
        while waiting:
            here = waiting.pop()
            if here is None or here in seen:
                continue
            seen.add(here)
            if here in self.made:
                found[self.made[here].label] = self.made[here]
            else:
                # Not beyond a node that is known: only the nearest ones feed a value.
                waiting += [before for before, _ in here.next_functions]
        return sorted(found.values(), key=lambda node: node.depth)

    def _rooted(
        self,
        node: ProbeNode,
        part: nn.Module | None,
        feeds: Sequence[ProbeNode],
        function: Any,
        value: Tensor,
    ) -> ProbeNode:
        """Return a node with the node whose values it has, if it only passes them on or reshapes
        them."""
        own = replace(node, root=node.label, exact_root=node.label)
        if len(feeds) != 1:
            return own
        source = feeds[0]
        if node.kind == "block" and type(part).__name__ in HOLDERS:
            return replace(node, root=source.root, exact_root=node.label)
        same = function in self.made
        if same and (node.kind == "block" or (isinstance(part, _PASSING) and self.mode == "eval")):
            return replace(node, root=source.root, exact_root=source.exact_root)
        direct = (
            same
            or [before for before, _ in function.next_functions]
            == [known for known, by in self.made.items() if by is source][-1:]
        )
        if (
            isinstance(part, _RESHAPING)
            and direct
            and value[0].numel() == torch.Size(source.shape).numel()
        ):
            return replace(own, root=source.root)
        return own


def _family(part: nn.Module | None, function: Any) -> str:
    if part is None:
        name = type(function).__name__.partition("Backward")[0] if function is not None else ""
        return "activation" if name in _ACTIVATIONS else ""
    if isinstance(part, nn.MultiheadAttention):
        return "attention"
    package, _, module = type(part).__module__.rpartition(".")
    return _FAMILIES.get(module, "") if package == "torch.nn.modules" else ""
