"""How small the symbolic sizes may be: where a convolution or pool would have nothing left."""

from __future__ import annotations

from addnn_spec.graph import Graph
from addnn_spec.passes.unfold import walk_graphs
from addnn_spec.sizes import Facts, Size, SymbolicSize


def minimum_sizes(graph: Graph) -> dict[str, int]:
    """The smallest value of each symbolic size for which every size in the network is at least 1.

    Only sizes with one symbol are looked at; a symbol that may be 1 is left out.
    """
    facts = Facts()
    seen: set[Size] = set()
    found: dict[str, int] = {}
    for inner in walk_graphs(graph):
        for node in inner.nodes():
            for output in node.outputs:
                for size in output.shape:
                    if isinstance(size, SymbolicSize) and size not in seen:
                        seen.add(size)
                        for name, least in (facts.minimum_for_positive(size) or {}).items():
                            found[name] = max(found.get(name, 1), least)
    return {name: least for name, least in sorted(found.items()) if least > 1}
