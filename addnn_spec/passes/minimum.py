"""How small the symbolic sizes may be: where a convolution or pool would have nothing left."""

from __future__ import annotations

from addnn_spec.graph import Graph
from addnn_spec.sizes import Facts, SymbolicSize


def minimum_sizes(graph: Graph, *, training: bool = False) -> dict[str, int]:
    """The smallest value of each symbolic size for which every size in evaluation is at least 1.

    With `training`, also every size that only training outputs need. Only sizes with one symbol are
    looked at; a symbol that may be 1 is left out.
    """
    facts = Facts()
    found: dict[str, int] = {}
    for size in _sizes(graph, training):
        for name, least in (facts.minimum_for_positive(size) or {}).items():
            found[name] = max(found.get(name, 1), least)
    return {name: least for name, least in sorted(found.items()) if least > 1}


def _sizes(graph: Graph, training: bool) -> set[SymbolicSize]:
    """The distinct symbolic sizes of a network's nodes, training-only ones on request."""
    found: set[SymbolicSize] = set()
    seen = {id(graph)}
    waiting = [graph]
    while waiting:
        for node in waiting.pop().nodes():
            if node.training and not training:
                continue
            for output in node.outputs:
                found.update(size for size in output.shape if isinstance(size, SymbolicSize))
            called = [inner for _, inner in node.layers]
            for inner in [node.calls, *called] if node.calls else called:
                if id(inner) not in seen:
                    seen.add(id(inner))
                    waiting.append(inner)
    return found
