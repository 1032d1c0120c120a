"""Inputs that are lists of tensors: one parameter `features: list[Tensor]` for any length.

A block's list input arrives as inputs `features_0`, `features_1`, … (a list of one as `features`).
Where every use reads the whole list, in order, the class takes it as one argument; then uses with
lists of different lengths are one class.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from addnn_spec.backends.torch_code.tree import Tree, Value, rewrite
from addnn_spec.graph import Graph, Ref
from addnn_spec.ops.code import Item, Seq
from addnn_spec.syntax import ast

_NUMBERED = re.compile(r"(\w+)_(\d+)")


class ListInput(NamedTuple):
    """`length` inputs, from the place `first` on, that are one list."""

    name: str
    first: int
    length: int


def list_inputs(graphs: Sequence[Graph]) -> dict[int, tuple[ListInput, ...]]:
    """Find the list inputs of a block's uses, by `id` of the graph: what all uses read whole."""
    names = {found.name for graph in graphs for found in _long(graph)}
    split = {graph: tuple(_split(graph, names)) for graph in graphs} if names else {}
    broken = {
        found.name for graph in split for found in split[graph] if not _read_whole(graph, found)
    }
    return {
        id(graph): tuple(item for item in split[graph] if item.name not in broken)
        for graph in split
    }


def _long(graph: Graph) -> list[ListInput]:
    """Return the inputs that are lists of two or more; the text may have an input `f_0` itself."""
    node = graph.definition.node if graph.definition is not None else None
    given = node.inputs if isinstance(node, ast.Block) else None
    own = {"x"} if given is None else {param.name for param in given}
    return [found for found in _numbered_inputs(graph.input_names) if found.name in own]


def _numbered_inputs(names: Sequence[str]) -> Iterable[ListInput]:
    """Yield runs of names `base_0`, `base_1`, … of two or more."""
    place = 0
    while place < len(names):
        match = _NUMBERED.fullmatch(names[place])
        count = 0
        if match and match.group(2) == "0":
            while names[place + count : place + count + 1] == (f"{match.group(1)}_{count}",):
                count += 1
        if match and count > 1:
            yield ListInput(match.group(1), place, count)
        place += max(count, 1)


def _split(graph: Graph, names: set[str]) -> Iterable[ListInput]:
    long = _long(graph)
    yield from long
    for place, name in enumerate(graph.input_names):
        if name in names and name not in {found.name for found in long}:
            yield ListInput(name, place, 1)


def _read_whole(graph: Graph, found: ListInput) -> bool:
    """Return True if each node that reads of the list reads all of it, in order, once."""
    whole = [Ref(id) for id in graph.inputs[found.first : found.first + found.length]]
    parts = set(whole)
    for node in graph.nodes():
        read = [ref for ref in node.inputs if ref in parts]
        if read and (read != whole or not _next_to_each_other(node.inputs, whole)):
            return False
    # An item that is returned is read by itself.
    return parts.isdisjoint(ref for output in graph.outputs for ref in output.refs)


def _next_to_each_other(refs: Sequence[Ref | None], whole: list[Ref]) -> bool:
    start = refs.index(whole[0])
    return list(refs[start : start + len(whole)]) == whole


def collapsed(tree: Tree, lengths: dict[int, int]) -> Tree:
    """Replace each sequence of all items of a list by the list; `lengths` by its value."""

    if not lengths:
        return tree

    def change(node: Tree) -> Tree | None:
        if not isinstance(node, Seq) or not node.items:
            return None
        first = node.items[0]
        if not isinstance(first, Item) or not isinstance(first.value, Value):
            return None
        count = lengths.get(first.value.index, 0)
        whole = tuple(Item(first.value, (place,)) for place in range(count))
        return first.value if node.items == whole else None

    return rewrite(tree, change)
