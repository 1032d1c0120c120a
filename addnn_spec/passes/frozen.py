"""Which learned values `--freeze` keeps as they are."""

from __future__ import annotations

from bisect import bisect_left
from itertools import accumulate
from math import prod

from msgspec import Struct

from addnn_spec.diagnostics import Refusal
from addnn_spec.graph import OWN, Graph, Node
from addnn_spec.passes.memory import at
from addnn_spec.passes.state_dict import node_tensors, weights_of
from addnn_spec.patterns import matches, suggestion


class Frozen(Struct, frozen=True):
    """The frozen parameters of a network: their sorted keys, and the running sums of their
    sizes."""

    keys: tuple[str, ...]
    before: tuple[int, ...]

    @property
    def total(self) -> int:
        """How many learned values are frozen."""
        return self.before[-1]

    def of(self, node: Node, owner: str) -> int:
        """Count the frozen values of a node whose weights live at `owner`."""
        keys = own_keys(node, owner.removesuffix(OWN)) or (owner,)
        return sum(map(self.at, keys))

    def at(self, path: str) -> int:
        """Count the frozen values of the parameter or of all below a path."""
        # Keys are sorted and sums kept: a count costs two searches, however many parameters there
        # are. "\0" comes right after the path itself.
        own = self._between(path, f"{path}\0")
        return own + self._between(f"{path}.", f"{path}/")  # "/" comes right after "."

    def _between(self, first: str, end: str) -> int:
        low, high = (bisect_left(self.keys, key) for key in (first, end))
        return self.before[high] - self.before[low]


NOTHING_FROZEN = Frozen((), (0,))


def own_keys(node: Node, prefix: str) -> tuple[str, ...]:
    """Return the keys of a node's weights if the node is its graph's own layer, which has no path
    of its own."""
    keys = (key for key, _ in node_tensors(node)) if node.name == OWN else ()
    return tuple(f"{prefix}{key}" for key in keys)


def frozen_parameters(graph: Graph, pattern: str) -> Frozen:
    """Find the learned values that have a key that matches a pattern of paths.

    Raises `DiagnosticError` (E0607) where none has.
    """
    weights = weights_of(graph)
    learned = {name: entry.shape for name, entry in weights.items() if entry.learned}
    if not any(matches(name, pattern) for name in weights):
        message, help = f"no parameter has a name like {pattern}", suggestion(pattern, learned)
        raise Refusal("E0607", message, help=help)
    keys = sorted(name for name in learned if matches(name, pattern))
    counts = (prod(at(size, None) for size in learned[name]) for name in keys)
    return Frozen(tuple(keys), (0, *accumulate(counts)))
