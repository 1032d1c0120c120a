"""Braces as blocks: a brace that is a class has what it reads of the text around it as parameters.

The class is used with what these names stand for in the text around it: `Enc(width)`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from addnn_spec.backends.torch_code.origins import size_origins
from addnn_spec.backends.torch_code.readings import BlockText
from addnn_spec.backends.torch_code.translation import Functions, python_name
from addnn_spec.backends.torch_code.tree import ItemOf, Name, Origin, SizeOf, same
from addnn_spec.graph import Graph, Node
from addnn_spec.source import Span
from addnn_spec.syntax import ast
from addnn_spec.values import Definition


def definition_of(graph: Graph) -> Definition | None:
    """Return the block or network that a graph is; for a brace, the block that it would be."""
    brace = graph.brace
    if brace is None:
        return graph.definition
    params = tuple(ast.Param(name, None, place) for name, place in brace.written)
    node, span = brace.node, brace.node.span
    # A brace of one chain is read as the body whose only statement is the chain.
    if not isinstance(node, ast.Body):
        node = ast.Body("chain", (ast.Element(None, node, span, False),), span)
    return Definition(ast.Block("", params, None, node, span, span), brace.env)


Sizes = Mapping[tuple[str, int], str]
"""By size of an input, the name that it has in the text."""


def text_of(graph: Graph, functions: Functions, fixed: Mapping[str, Any]) -> BlockText | None:
    """Return the text that a graph comes from; of a network, some parameters are numbers."""
    definition = definition_of(graph)
    if definition is None:
        return None
    inputs = zip(graph.input_names, graph.inputs, strict=True)
    ranks = {name: graph.node(id).outputs[0].rank for name, id in inputs}
    return BlockText(definition, ranks, functions, fixed)


def named_sizes(graphs: Iterable[Graph]) -> dict[int, Sizes]:
    """Return the sizes of inputs that braces read by name, too, by `id`; callers come first.

    In `x -> Linear(width) -> enc: { … Linear(width) … }` what flows in has `width` features.
    """
    found: dict[int, Sizes] = {}
    for graph in graphs:
        braces = [node for node in graph.nodes() if any(g.brace for _, g in node.called)]
        text = text_of(graph, Functions(), {}) if braces else None
        for node in braces:
            for _, called in node.called:
                own: Sizes = {}
                if text is not None and called is node.calls:
                    own = dict(_named(graph, node, text, found.get(id(graph), {})))
                found[id(called)] = common([own, found.get(id(called), own)])
    return found


def common(sizes: Iterable[Sizes]) -> Sizes:
    """Return the names on which all agree."""
    return dict(set.intersection(*(set(one.items()) for one in sizes)))


def _named(
    graph: Graph, node: Node, text: BlockText, around: Sizes
) -> Iterator[tuple[tuple[str, int], str]]:
    """Yield the sizes that flow into a brace, as the text says them that it stands in."""
    called = node.calls
    assert called is not None
    read = {python_name(name): value for name, value in called.arguments}
    for ref, input in zip(node.inputs, called.input_names, strict=True):
        if ref is None:
            continue
        for dim, size in enumerate(graph.type_of(ref).shape):
            nearest = next(iter(size_origins(graph, ref, dim)), None)
            name = _name(nearest, text, around)
            # The name may mean something else inside the brace.
            if same(read.get(name), size):
                yield (input, dim), name


def _name(origin: Origin | None, text: BlockText, around: Sizes) -> str:
    """Return the name that an origin is in the text, if it is one."""
    if isinstance(origin, SizeOf):
        return around.get((origin.input, origin.dim), "")
    if not isinstance(origin, Span | ItemOf):
        return ""
    tree = next(text.trees(origin), None)
    return tree.text if isinstance(tree, Name) else ""
