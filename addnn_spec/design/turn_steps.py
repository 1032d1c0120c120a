"""The turns of a graph's nodes, one after the other, and what each reads."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

from addnn_spec.graph import Graph, Node, Placeholder, Ref
from addnn_spec.ops.base import Operator


class TurnOutput(NamedTuple):
    """An output of one turn of a node, in the graph that is being written."""

    node: int
    port: int
    turn: int = 0


@dataclass(frozen=True, slots=True)
class TurnStep:
    """A turn of a node."""

    graph: Graph
    node: Node
    path: str
    name: str

    def inputs(self, key: TurnOutput, optional: bool = False) -> list[Any]:
        """Return the tensors that the turn reads."""
        found: list[TurnOutput | None] = []
        for place, ref in enumerate(self.node.inputs):
            # From the second turn on the first inputs are what the turn before gave.
            if key.turn and place < len(self.node.outputs):
                found.append(TurnOutput(key.node, place, key.turn - 1))
            else:
                found.append(None if ref is None else key_of(self.graph, ref))
        return found if optional else [one for one in found if one is not None]

    def flow(self, key: TurnOutput) -> list[TurnOutput | None]:
        """Return what flows into the element, in order."""
        keys = self.inputs(key, optional=True)
        op = self.node.op
        if isinstance(op, Graph):
            return keys[:1]
        assert isinstance(op, Operator)
        if op.variadic:  # what is named behind the list is given by name
            return keys[: len(keys) + 1 - len(op.input_names)]
        flowing: list[TurnOutput | None] = []
        for name, one in zip(op.input_names, keys, strict=False):
            if one is None or name in op.named_inputs:
                break
            flowing.append(one)
        return flowing

    def others(self, key: TurnOutput) -> list[tuple[str, TurnOutput]]:
        """Return the inputs that are given by name."""
        op = self.node.op
        if isinstance(op, Graph) or not isinstance(op, Operator):
            return []
        keys = self.inputs(key, optional=True)
        count = len(self.flow(key))
        names = op.input_names[1:] if op.variadic else op.input_names[count:]
        named = zip(names, keys[count:], strict=False)
        return [(name, one) for name, one in named if one is not None]

    def ends_cut(self, cut: str) -> bool:
        return cut.startswith(f"{self.path}.")


def captured(graph: Graph, id: int) -> bool:
    op = graph.node(id).op
    return isinstance(op, Placeholder) and op.captured


def key_of(graph: Graph, ref: Ref) -> TurnOutput:
    """Return the key of the tensor that a reference means; of a run, that of its last turn."""
    return TurnOutput(ref.node, ref.port, graph.node(ref.node).times - 1)


def live_steps(
    steps: list[tuple[TurnOutput, TurnStep]], ends: Iterable[TurnOutput]
) -> list[tuple[TurnOutput, TurnStep]]:
    """Return the steps that the ends need, in order."""
    wanted = {(key.node, key.turn) for key in ends}
    found = []
    for key, step in reversed(steps):
        if (key.node, key.turn) in wanted:
            found.append((key, step))
            wanted |= {(one.node, one.turn) for one in step.inputs(key)}
    return found[::-1]


__all__ = ["TurnOutput", "TurnStep", "captured", "key_of", "live_steps"]
