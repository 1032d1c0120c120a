"""Which parameters that a network leaves open can be parameters of its class?

A variant is the graph of the network with one number changed. Its graphs are further uses of the
same classes, so every expression of a class must hold for them, too. If a class cannot express a
variant by another argument, the number is no parameter of the network's class, and the file is made
again without the variant.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from addnn_spec.graph import Graph


class Variants:
    """The variants of a network, and those that its classes cannot say."""

    def __init__(self, network: Graph, variants: Sequence[Graph]) -> None:
        self.network = network
        self.unsaid: set[Graph] = set()
        # Variants are elaborated with the network's own cache: what a number does not reach is the
        # same graph object in both, so `id` tells what is new.
        own = {id(graph) for graph in network.below()}
        self.graphs: list[Graph] = []
        """The graphs that only variants have, callers before what they call."""
        self._of: dict[int, list[Graph]] = {}
        """By `id` of a graph that only variants have, these."""
        for variant in variants:
            new = [graph for graph in variant.below() if id(graph) not in own]
            many = len(new) > max(_FEW, len(own) // 2)  # nearly all would be made anew
            if many or _stated(variant) != _stated(network):  # `forward` checks what is stated
                self.unsaid.add(variant)
                continue
            # In front: these may call what an earlier variant has, which calls none of them.
            self.graphs[:0] = [graph for graph in new if id(graph) not in self._of]
            for graph in new:
                # Two variants may have one graph in common, which the cache made once.
                self._of.setdefault(id(graph), []).append(variant)

    @property
    def open(self) -> frozenset[str]:
        """The parameters of the network's class."""
        variants = {id(v): v for found in self._of.values() for v in found}.values()
        return frozenset(
            name for variant in variants for name in variant.given - self.network.given
        )

    def lost(self, graph: Graph) -> bool:
        """Return True for a graph that only variants have which no class can express."""
        # A graph that another variant has as well is still wanted.
        return self.has(graph) and self.unsaid.issuperset(self._of[id(graph)])

    def has(self, graph: Graph) -> bool:
        """Return True for a graph that only variants have."""
        return id(graph) in self._of

    def leave(self, graphs: Iterable[Graph]) -> None:
        """Record that no class says these graphs."""
        for graph in graphs:
            self.unsaid.update(self._of.get(id(graph), ()))


def _stated(network: Graph) -> list[str]:
    """List what the `assert`s of a network state about its sizes."""
    return [str(one.fact) for one in network.assertions]


_FEW = 3
"""So many new graphs are no reason to give up a variant, however small the network is."""
