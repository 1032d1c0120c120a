"""An independent interpreter of a network's graph, in numpy: the oracle for its outputs.

It walks the hierarchical graph as `addnn_spec/graph.py` describes it, and takes what each operator
does from `tests/numpy_operators.py`. Neither emitted code nor torch is used. Evaluation mode.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np

from addnn_spec.graph import Buffer, Graph, ModuleRef, Node, Parameter, Placeholder, Ref, WeightOf
from addnn_spec.ops.base import HigherOperator, Operator
from addnn_spec.ops.higher import Scan
from addnn_spec.ops.indexing import IndexSlice
from addnn_spec.sizes import SymbolicSize, symbols
from addnn_spec.sizes import evaluate as evaluate_size
from tests.numpy_operators import OPERATORS, Array, Weights


class UnsupportedError(Exception):
    """An operator, or an option of one, outside the interpreter's core."""


class Result(NamedTuple):
    """The outputs of every node by its path, and the network's outputs by name."""

    nodes: dict[str, tuple[Array, ...]]
    outputs: dict[str, Array | tuple[Array, ...]]


def evaluate(graph: Graph, weights: Weights, inputs: Mapping[str, Array]) -> Result:
    """Run a network on arrays.

    `weights` has the learned and fixed tensors by `state_dict` key, `inputs` an array for each
    input by name. What only training outputs need is left out. Raises UnsupportedError.
    """
    run = _Run(weights, _sizes(graph, inputs))
    given = [inputs[name] for name in graph.input_names if name in inputs]
    placeholders = [id for id, name in zip(graph.inputs, graph.input_names, strict=True)
                    if name in inputs]  # fmt: skip
    values = run.graph(graph, _Scope("", "", {}), dict(zip(placeholders, given, strict=True)))
    outputs: dict[str, Array | tuple[Array, ...]] = {}
    for output in graph.outputs:
        if not output.training:
            parts = tuple(values[ref] for ref in output.refs)
            outputs[output.name] = parts if output.listed or len(parts) > 1 else parts[0]
    return Result(run.nodes, outputs)


class _Scope(NamedTuple):
    """Where a graph runs: the prefix of its nodes' paths, that of its weights, its module ports."""

    path: str
    home: str
    ports: Mapping[str, str]

    def home_of(self, module: ModuleRef) -> str:
        return self.ports[module.name] if module.port else f"{self.home}{module.name}"


class _Run:
    def __init__(self, weights: Weights, sizes: Mapping[str, int]) -> None:
        self.weights = weights
        self.sizes = sizes
        self.nodes: dict[str, tuple[Array, ...]] = {}

    def graph(self, graph: Graph, scope: _Scope, given: Mapping[int, Array]) -> dict[Ref, Array]:
        """The values in a graph, for those of its placeholders."""
        values = {Ref(id): value for id, value in given.items()}
        for node in graph.nodes():
            if isinstance(node.op, Placeholder) or node.training:
                continue
            flow = [None if ref is None else values[ref] for ref in node.inputs]
            for name in node.names():
                outputs = self._node(graph, node, name, scope, flow)
                self.nodes[f"{scope.path}{name}"] = outputs
                flow = [*outputs, *flow[len(outputs) :]]
            values |= {Ref(node.id, port): value for port, value in enumerate(outputs)}
        return values

    def _node(
        self, graph: Graph, node: Node, name: str, scope: _Scope, flow: list[Array | None]
    ) -> tuple[Array, ...]:
        home = scope.home_of(node.module) if node.module else f"{scope.home}{name}"
        match node.op:
            case Graph() as called:
                inner = _Scope(f"{scope.path}{name}.", f"{home}.", self._ports(called, node, scope))
                return self._call(called, inner, flow)
            case HigherOperator() as operator:
                return self._over_time(operator, node, home, scope, flow)
            case Operator() as operator:
                return self._operator(operator, home, flow)
            case Parameter():
                return (self.weights[home],)
            case Buffer(numbers):
                return (np.broadcast_to(np.asarray(numbers), self._shape(node)),)
            case WeightOf(weight):
                return (self.weights[f"{home}.{weight}"],)
        raise UnsupportedError(f"a node of kind {type(node.op).__name__}")

    @staticmethod
    def _ports(called: Graph, node: Node, scope: _Scope) -> dict[str, str]:
        return dict(zip(called.module_ports, map(scope.home_of, node.bound_modules), strict=True))

    def _call(
        self, called: Graph, scope: _Scope, flow: Sequence[Array | None]
    ) -> tuple[Array, ...]:
        pairs = zip(called.inputs, flow, strict=True)
        values = self.graph(called, scope, {id: v for id, v in pairs if v is not None})
        return tuple(values[ref] for output in called.outputs for ref in output.refs)

    def _over_time(
        self,
        operator: HigherOperator,
        node: Node,
        home: str,
        scope: _Scope,
        flow: list[Array | None],
    ) -> tuple[Array, ...]:
        """What the operator's layer makes of each step `x[:, t]`; the results are stacked."""
        if getattr(operator, "steps", None) is not None or getattr(operator, "dim", 1) != 1:
            raise UnsupportedError(f"{type(operator).__name__} with options")
        ((argument, layer),) = node.layers
        inner = _Scope(
            f"{home}.{argument}.", f"{home}.{argument}.", self._ports(layer, node, scope)
        )
        sequence, *others = flow
        assert sequence is not None
        count = len(node.outputs) - 1 if isinstance(operator, Scan) else 0
        states: Sequence[Array | None] = others[:count]
        fixed = others[count:]
        steps = list(range(sequence.shape[1]))
        if getattr(operator, "reverse", False):
            steps.reverse()
        made: dict[int, Array] = {}
        for step in steps:
            outputs = self._call(layer, inner, [sequence[:, step], *states, *fixed])
            made[step], states = outputs[0], outputs[1:]
        stacked = np.stack([made[step] for step in sorted(made)], 1)
        return stacked, *(state for state in states if state is not None)

    def _operator(
        self, operator: Operator, home: str, flow: list[Array | None]
    ) -> tuple[Array, ...]:
        name = type(operator).__name__
        if name not in OPERATORS:
            raise UnsupportedError(name)
        for option in ("weight_norm", "spectral_norm", "weight_standardization", "return_indices"):
            if getattr(operator, option, False):
                raise UnsupportedError(f"{name} with {option}")
        last = home.rpartition(".")[2]
        prefix = home[:-1] if last == "_" else f"{home}."  # `_` is its scope's own layer
        own = {
            key[len(prefix) :]: value
            for key, value in self.weights.items()
            if key.startswith(prefix)
        }
        fields = {
            field: self._known(getattr(operator, field)) for field in type(operator).model_fields
        }
        inputs = [value for value in flow if value is not None]
        value = OPERATORS[name](SimpleNamespace(**fields), own, *inputs)
        return value if isinstance(value, tuple) else (np.asarray(value),)

    def _known(self, value: Any) -> Any:
        """An attribute with its symbolic sizes at the sizes of this run."""
        if isinstance(value, SymbolicSize):
            return evaluate_size(value, self.sizes)
        if isinstance(value, tuple):
            return tuple(self._known(item) for item in value)
        if isinstance(value, IndexSlice):
            return slice(self._known(value.start), self._known(value.stop), value.step)
        return value

    def _shape(self, node: Node) -> tuple[int, ...]:
        return tuple(evaluate_size(size, self.sizes) for size in node.outputs[0].shape)


def _sizes(graph: Graph, inputs: Mapping[str, Array]) -> dict[str, int]:
    """The symbolic sizes, read from the inputs' shapes: where a dimension is one by itself."""
    found: dict[str, int] = {}
    for id, name in zip(graph.inputs, graph.input_names, strict=True):
        if name in inputs:
            declared = graph.node(id).outputs[0].shape
            for size, length in zip(declared, inputs[name].shape, strict=True):
                named = symbols(size)
                if len(named) == 1 and str(size) == named[0].name:
                    found[named[0].name] = length
    return found


__all__ = ["Result", "UnsupportedError", "evaluate"]
