"""Where the literals of a node come from: what the text gives a layer, or the sizes that flow in.

A leaf has several origins where several are likely: which of them is one is found by computing them
(`readings`). Sizes are followed back through the graph to what made them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any

from addnn_spec import graph as graphs
from addnn_spec.backends.torch_code.tree import (
    UNNAMED,
    ArgumentOf,
    Around,
    Combined,
    InTurn,
    ItemOf,
    Leaf,
    MadeBy,
    Origin,
    ParameterOf,
    SizeOf,
    Tree,
    TurnOf,
    Use,
    Within,
    put,
    rewrite,
    same,
    walk,
)
from addnn_spec.graph import Graph, Node, Placeholder, Ref, Turn
from addnn_spec.ops.applied import Applied
from addnn_spec.ops.indexing import GetItem
from addnn_spec.source import Span

_MOST = 12
"""As many origins are tried."""
_NEAR = 40
"""As many nodes are asked for a size."""
_JOINED, _DEEP = 6, 2
"""As many tensors that are joined are asked, and so deep."""

_LAST = frozenset({"in_features", "in1_features", "normalized_shape", "embed_dim", "input_size"})
"""What is a size of the last dimension first of all; others are channels."""


def operator_leaves(tree: Tree, graph: Graph, applied: Applied, node: Node) -> Tree:
    """Return the tree of an operator, its leaves with their origins."""
    places, inputs = dict(node.written), node.inputs
    items = iter(_items(tree, graph, applied, node))
    inferred: Mapping[str, Any] | None = None
    used: set[str] = set()

    def change(leaf: Tree) -> Tree | None:
        nonlocal inferred
        if not isinstance(leaf, Leaf):
            return None
        if leaf.hint in places and (
            # `value` is an argument of some layers, and the hint of what nothing names.
            leaf.hint != UNNAMED or same(getattr(applied.op, UNNAMED), leaf.value)
        ):
            return Leaf(leaf.value, leaf.hint, (placed(graph, node, places[leaf.hint]),))
        if inferred is None:
            inferred = applied.inferred()
        if leaf.hint in inferred:
            return Leaf(leaf.value, leaf.hint, _inferred(graph, inputs, leaf))
        fields = type(applied.op).model_fields
        if leaf.hint in fields and same(getattr(applied.op, leaf.hint), leaf.value):
            return Leaf(leaf.value, leaf.hint)  # the layer's own default
        equal = [name for name in places if same(getattr(applied.op, name, None), leaf.value)]
        if type(leaf.value) is bool and leaf.hint != UNNAMED:
            equal = [name for name in equal if name in leaf.hint]  # not torch's `batch_first=True`
        equal.sort(key=used.__contains__)  # `select(dim, index)`, both of them 1
        used.update(equal[:1])
        found = tuple(placed(graph, node, places[name]) for name in equal)
        return Leaf(leaf.value, leaf.hint, (*found, *next(items, ())))

    return rewrite(tree, change)


_FILLS = ("init", "weight_init", "bias_init")


def filling_leaves(tree: Tree, graph: Graph, node: Node) -> Tree:
    """Return what fills a tensor, its literals with their origins in the text's initialisers."""
    places = [place for name, place in node.written if name in _FILLS]

    def change(leaf: Tree) -> Tree | None:
        if not isinstance(leaf, Leaf) or leaf.origins or leaf.hint == "size":
            return None
        found = (placed(graph, node, ArgumentOf(place, leaf.hint)) for place in places)
        return Leaf(leaf.value, leaf.hint, tuple(found))

    return rewrite(tree, change)


def _items(tree: Tree, graph: Graph, applied: Applied, node: Node) -> Iterator[tuple[Origin, ...]]:
    """Yield the origins of the arguments without a name, where these are a list's items."""
    fields = type(applied.op).model_fields
    unnamed = [n for n in walk(tree) if isinstance(n, Leaf) and n.hint not in fields]
    if isinstance(applied.op, GetItem) and len(node.written) == len(unnamed):
        yield from ((placed(graph, node, place),) for _, place in node.written)
        return
    for name, place in node.written:
        value = getattr(applied.op, name, None)
        if isinstance(value, tuple) and len(value) == len(unnamed) > 1:
            for number in range(len(value)):
                yield (placed(graph, node, _item(node, name, place, number)),)
            return


def _item(node: Node, name: str, place: Span, number: int) -> Origin:
    """Return where the text gives an item of a list: an argument of its own, or in the list."""
    own = dict(node.written).get(f"{name}.{number}")
    return ItemOf(place, number) if own is None else own


def _inferred(graph: Graph, inputs: tuple[Ref | None, ...], leaf: Leaf) -> tuple[Origin, ...]:
    for ref in inputs:
        if ref is None or type(leaf.value) is not int:
            continue
        shape = graph.type_of(ref).shape
        dims = [dim for dim, size in enumerate(shape) if size == leaf.value]
        last = leaf.hint in _LAST
        # The batch is the least likely; the likeliest is the last one, or the channels.
        for dim in sorted(dims, key=lambda d: (d == 0, -d if last else abs(d - 1))):
            return size_origins(graph, ref, dim)
    return ()


def called_leaves(tree: Tree, graph: Graph, node: Node) -> Tree:
    """Return the constructor of what a node calls, its leaves with their origins in this graph."""
    called = node.calls
    assert called is not None
    written = dict(node.written if called.brace is None else called.brace.written)
    slots = {name: slot for slot, name in enumerate(called.input_names)}
    around = _around(graph, node.within)

    # What comes from a parameter or input there comes here from what the node gives it.
    def here(origin: Origin) -> Iterator[Origin]:
        if isinstance(origin, Combined):
            yield from _mapped(origin, here)
        elif isinstance(origin, ParameterOf):
            if origin.name in written:
                yield placed(graph, node, written[origin.name])
        elif isinstance(origin, SizeOf):
            slot = slots.get(origin.input)
            ref = None if slot is None else node.inputs[slot]
            if ref is not None:
                yield from size_origins(graph, ref, origin.dim)
        else:  # of a brace: its text is part of the text around it
            if around is not None:
                yield put(origin, around)
            yield origin

    def change(leaf: Tree) -> Tree | None:
        if not isinstance(leaf, Leaf):
            return None
        found = tuple(new for origin in leaf.origins for new in here(origin))
        return Leaf(leaf.value, leaf.hint, found, leaf.size)

    return rewrite(tree, change)


def placed(graph: Graph, node: Node, place: Origin) -> Origin:
    """Return a place of the text that a node comes from, in the use that it was written out of."""
    return put(place, _around(graph, node.within))


def text_order(place: Origin) -> tuple[int, ...]:
    """Return what puts places in the order in which the text computes them: operands first."""
    match place:
        case Within(origin, use):
            return (*_computed(use.span), *text_order(origin))
        case InTurn(origin, loop, number):
            return (*_computed(loop), number, *text_order(origin))
        case Span():
            return _computed(place)
    return ()


def _computed(place: Span) -> tuple[int, int]:
    # What ends first is computed first, and an inner expression before the one around it.
    return (place.end, -place.start)


def _around(graph: Graph, within: graphs.Around) -> Around:
    if within is None:
        return None
    if isinstance(within, Turn):
        return TurnOf(within.loop, within.number, within.turns, _around(graph, within.outer))

    def sizes(input: str, dim: int) -> tuple[Origin, ...]:
        ref = within.inputs.get(input)
        return () if ref is None else size_origins(graph, ref, dim)

    outer = _around(graph, within.outer)
    return Use(within.definition, within.written, within.span, outer, sizes)


def _mapped(combined: Combined, change: Callable[[Origin], Iterable[Origin]]) -> Iterator[Combined]:
    """Yield a combined size over the origins that its parts have somewhere else."""
    parts = tuple(
        part if isinstance(part, int) else tuple(new for old in part for new in change(old))
        for part in combined.parts
    )
    if all(parts):
        yield Combined(combined.op, parts)


@lru_cache(maxsize=4096)  # each block of a chain asks those before it, more than once
def size_origins(graph: Graph, ref: Ref, dim: int, depth: int = 0) -> tuple[Origin, ...]:
    """Find where the size of a tensor may come from, what is nearest first.

    A dimension below 0 counts from the last.
    """
    found: dict[Origin, None] = {}
    made: dict[Origin, None] = {}
    seen: set[tuple[Ref, int]] = set()
    waiting = [(ref, dim % graph.type_of(ref).rank)]
    arguments = {name for name, _ in graph.arguments}
    while waiting and len(found) < _MOST and len(seen) < _NEAR:
        # Breadth first: what is nearest is likeliest.
        place = waiting.pop(0)
        if place in seen:
            continue
        seen.add(place)
        ref, dim = place
        node = graph.node(ref.node)
        if isinstance(node.op, Placeholder):
            name = graph.input_names[graph.inputs.index(node.id)]
            found.setdefault(SizeOf(name, dim))
            continue
        size = node.outputs[ref.port].shape[dim]
        layer = node.span.text
        if layer in arguments:  # what it says inside is no text of this class
            made.setdefault(MadeBy(layer))
        else:
            found |= dict.fromkeys(_giving(graph, node, dim, size))
            found |= dict.fromkeys(_inside(graph, node, ref.port, dim))
            found |= dict.fromkeys(_combined(graph, node, dim, depth))
        waiting += _passing(graph, node, dim, size)
    # What the text says comes first: a given layer tells only that it made the size.
    return (*found, *made)


def _giving(graph: Graph, node: Node, dim: int, size: Any) -> Iterator[Origin]:
    """Yield the arguments of a layer that have the value, or whose item for the dimension has."""
    values = dict(node.calls.arguments) if node.calls is not None else {}
    for name, place in node.written:
        value = values.get(name) if node.calls is not None else getattr(node.op, name, None)
        if type(value) is int and value == size:
            yield placed(graph, node, place)
        elif isinstance(value, tuple) and len(value) == node.outputs[0].rank:
            if same(value[dim], size):
                yield placed(graph, node, _item(node, name, place, dim))


def _inside(graph: Graph, node: Node, port: int, dim: int) -> Iterator[Origin]:
    """Yield the origins that the text of a called brace or block gives a size of its output."""
    called = node.calls
    if called is None:
        return

    def outside(input: str, dim: int) -> tuple[Origin, ...]:
        place = called.input_names.index(input) if input in called.input_names else None
        ref = None if place is None else node.inputs[place]
        return () if ref is None else size_origins(graph, ref, dim)

    inner = [ref for output in called.outputs for ref in output.refs][port]
    outer = _around(graph, node.within)
    use = None
    if called.definition is not None:
        use = Use(called.definition, node.written, node.span, outer, outside)

    def around(origin: Origin) -> Iterator[Origin]:
        if isinstance(origin, Combined):
            yield from _mapped(origin, around)
        elif isinstance(origin, SizeOf):
            yield from outside(origin.input, origin.dim)
        else:
            yield put(origin, outer) if use is None else Within(origin, use)

    for origin in size_origins(called, inner, dim):
        yield from around(origin)


def _combined(graph: Graph, node: Node, dim: int, depth: int) -> Iterator[Origin]:
    """Yield what a size is made of, where the layer joins, divides or flattens its inputs."""
    applied = node.applied
    if depth > _DEEP or applied is None or len(node.inputs) > _JOINED:
        return
    composed = applied.composed(dim)
    if composed is None:
        return

    places = dict(node.written)

    def origins(part: tuple[int | str, int] | int) -> tuple[Origin, ...] | int:
        match part:
            case (int(input), inner):
                ref = node.inputs[input]
                return () if ref is None else size_origins(graph, ref, inner, depth + 1)
            case (str(name), item):
                at = places.get(name)
                return () if at is None else (placed(graph, node, _item(node, name, at, item)),)
        return part

    parts = tuple(map(origins, composed.parts))
    if all(parts):
        yield Combined(composed.op, parts)


def _passing(graph: Graph, node: Node, dim: int, size: Any) -> Iterator[tuple[Ref, int]]:
    """Yield the inputs of a node that have a size of its output, in the dimension that the layer
    moves there, else in the same one."""
    applied = node.applied
    for place, ref in enumerate(node.inputs):
        if ref is None:
            continue
        shape = graph.type_of(ref).shape
        dims = [d for d, s in enumerate(shape) if s == size]
        if len(dims) > 1 and applied is not None:
            reaches = applied.reach(place, node.outputs) or ()
            # Of several dimensions of this size, the one that the layer puts there.
            moved = [d for d in dims if d < len(reaches) and (r := reaches[d]) and r.to == dim]
            dims = moved or dims
        if dims:
            yield ref, min(dims, key=lambda d: d != dim)
