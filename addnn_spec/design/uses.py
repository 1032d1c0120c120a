"""How a use of a block is written when some of what is in it has changed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice, product
from typing import Any

from addnn_spec.compiler import Session
from addnn_spec.design.copied_blocks import Taken
from addnn_spec.design.narrowing import Narrowed
from addnn_spec.design.writing import TextChanges, Uses
from addnn_spec.graph import Graph
from addnn_spec.ops.base import Operator, TensorType
from addnn_spec.passes.memory import at
from addnn_spec.passes.unfold import FlatNode, FlatTensor, Unfolded, unfold
from addnn_spec.source import Source
from addnn_spec.values import Definition, LayerValue


class UsesOf:
    """How uses of blocks are written: as before, or with other numbers, if that gives what was
    planned; else they are written out."""

    def __init__(
        self, unfolded: Unfolded, taken: Taken, changes: TextChanges, narrowed: Narrowed | None
    ) -> None:
        self.taken = taken
        self.changes = changes
        self.narrowed = narrowed
        self.nodes = unfolded.nodes
        self.below: dict[str, list[FlatNode]] = {}
        for item in self.nodes:
            for place, letter in enumerate(item.path):
                if letter == ".":
                    self.below.setdefault(item.path[:place], []).append(item)
        self.sessions: dict[tuple[str, int], Session] = {}
        self.tried: dict[object, dict[str, Operator]] = {}

    def __call__(self, graph: Graph, path: str) -> Uses | None:
        definition, inside = graph.definition, self.below.get(path, [])
        if definition is None or graph.kind != "block":
            return None
        if not any(self._moves(item) for item in inside):
            return self.taken.call(definition, graph.arguments)
        flowing = self._flowing(inside)
        if self.narrowed is None or flowing is None or len(graph.outputs) != 1:
            return None
        wanted = {
            item.path[len(path) + 1 :]: self.changes.operators.get(item.path, item.node.op)
            for item in inside
        }
        # Tried by elaborating them: what a parameter does in a block no rule can tell.
        for arguments in self._candidates(graph, inside):
            if self._made(definition, arguments, flowing) == wanted:
                return self.taken.call(definition, arguments)
        return None

    def _moves(self, item: FlatNode) -> bool:
        """Return True if a node's operator has changed, or a size of what it reads or makes."""
        if item.path in self.changes.operators:
            return True
        values = [value for value in item.inputs if value is not None]
        values += [FlatTensor(item.index, port) for port in range(len(item.node.outputs))]
        return any(self._type(value) != self._type(value, old=True) for value in values)

    def _type(self, value: FlatTensor, *, old: bool = False) -> TensorType:
        type = self.nodes[value.source].node.outputs[value.port]
        return type if old or self.narrowed is None else self.narrowed.type(value, type)

    def _flowing(self, inside: list[FlatNode]) -> TensorType | None:
        """Return the type of the one tensor that flows into a block; None where there are more."""
        own = {item.index for item in inside}
        values = {value for item in inside for value in item.inputs if value is not None}
        around = [value for value in values if value.source not in own]
        return self._type(around[0]) if len(around) == 1 else None

    def _candidates(
        self, graph: Graph, inside: list[FlatNode]
    ) -> Iterator[tuple[tuple[str, Any], ...]]:
        """Yield a block's arguments, as they are and with the new widths in them."""
        sizes: dict[int, set[int]] = {}
        for item in inside:
            values = [FlatTensor(item.index, port) for port in range(len(item.node.outputs))]
            for value in values:
                lane = None if self.narrowed is None else self.narrowed.widths.lanes.get(value)
                if lane is not None:
                    old, new = (self._type(value, old=o).shape[lane.axis] for o in (True, False))
                    if isinstance(old, int) and isinstance(new, int):
                        sizes.setdefault(old, set()).add(new)
        # Blocks often take a part of the width they give, as bottlenecks do: `width = planes // 4`.
        for factor in (2, 4):
            for old, news in list(sizes.items()):
                if old % factor == 0:
                    found = {new // factor for new in news if new % factor == 0}
                    sizes.setdefault(old // factor, set()).update(found)
        yield graph.arguments
        options = [list(_options(value, sizes)) for _, value in graph.arguments]
        names = [name for name, _ in graph.arguments]
        for chosen in islice(product(*options), 1, _MOST_TRIED):
            yield tuple(zip(names, chosen, strict=True))

    def _made(
        self, definition: Definition, arguments: tuple[tuple[str, Any], ...], flowing: TensorType
    ) -> dict[str, Operator]:
        """Return the operators inside a use of a block, by path."""
        key = (id(definition.node), repr(arguments), str(flowing))
        if key not in self.tried:
            self.tried[key] = self._elaborated(definition, arguments, flowing)
        return self.tried[key]

    def _elaborated(
        self, definition: Definition, arguments: tuple[tuple[str, Any], ...], flowing: TensorType
    ) -> dict[str, Operator]:
        sizes = {f"size{place}": at(size, None) for place, size in enumerate(flowing.shape)}
        session = self._session(flowing.dtype, len(sizes))
        graph = session.graph("Tried", {"layer": LayerValue(definition, arguments), **sizes})
        if graph is None or session.collector.has_errors:
            self.sessions.clear()  # its findings stay with it
            return {}
        found = unfold(graph).nodes
        return {n.path[2:]: n.node.op for n in found if n.path.startswith("b.")}  # type: ignore[misc]

    def _session(self, dtype: str, rank: int) -> Session:
        """Return a text with a network of one layer, for tensors of this rank."""
        if (dtype, rank) not in self.sessions:
            names = ", ".join(f"size{place}" for place in range(rank))
            body = f"input given: {dtype}[{names}] output made = given -> b: layer"
            text = f"network Tried(layer, {names}) {{ {body} }}"
            self.sessions[dtype, rank] = Session(Source("tried", text))
        return self.sessions[dtype, rank]


_MOST_TRIED = 32


def _options(value: Any, sizes: Mapping[int, set[int]]) -> Iterator[Any]:
    """Yield values that an argument may have now: its old one, and ones with new widths in place of
    old."""
    yield value
    if type(value) is int:
        yield from sorted(sizes.get(value, set()) - {value}, reverse=True)
    elif isinstance(value, tuple) and all(type(item) is int for item in value):
        new = tuple(max(sizes.get(item, {item})) for item in value)
        if new != value:
            yield new
