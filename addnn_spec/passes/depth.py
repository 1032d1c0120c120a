"""Depth: how many layers with weights stand on the longest path to an output of evaluation.

What counts is said in docs/costs.md. Each distinct graph is gone through once: of every output it
is known how far each input is at most; a run of equal turns is squared, not walked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from addnn_spec.graph import Graph, Node, Parameter, Placeholder, Ref, WeightOf
from addnn_spec.ops.base import Operator
from addnn_spec.passes.state_dict import node_tensors

_Far = Mapping[int, int]
"""The longest way to a tensor, in layers, from each input of its graph by number, from a tensor
made within (-1), and from a parameter (-2). A start from which no way leads has no entry."""
_WITHIN, _LEARNED = -1, -2


def depth(graph: Graph) -> int:
    """Count the layers with weights on the longest path of a network."""
    return _longest(graph, {})


def _longest(graph: Graph, known: dict[int, list[_Far]]) -> int:
    return max((max(far.values(), default=0) for far in _outputs(graph, known)), default=0)


def _outputs(graph: Graph, known: dict[int, list[_Far]]) -> list[_Far]:
    """Return how far each output is from the inputs; outputs of training have no entries."""
    if id(graph) not in known:
        found: dict[Ref, _Far] = {Ref(id): {i: 0} for i, id in enumerate(graph.inputs)}
        for node in graph.nodes():
            if not (node.training or isinstance(node.op, Placeholder)):
                given = [{} if ref is None else found[ref] for ref in node.inputs]
                turn = _turn(node, given, known)
                for port, far in enumerate(_run(turn, given, node.times)):
                    found[Ref(node.id, port)] = far
        refs = (ref for output in graph.outputs for ref in output.refs)
        known[id(graph)] = [found.get(ref, {}) for ref in refs]
    return known[id(graph)]


def _turn(node: Node, given: Sequence[_Far], known: dict[int, list[_Far]]) -> list[_Far]:
    """Return how far the outputs of a node are from its own inputs."""
    if node.calls is not None:
        return _outputs(node.calls, known)
    layers = max((_longest(layer, known) for _, layer in node.layers), default=0)
    length = layers + _own(node, given)
    start = _LEARNED if isinstance(node.op, Parameter | WeightOf) else _WITHIN
    # Without inputs the way begins here.
    far = dict.fromkeys(range(len(given)), length) or {start: length}
    return [far] * len(node.outputs)


def _own(node: Node, given: Sequence[_Far]) -> int:
    """Count the layers of an operator that has MACs, and weights: its own, or a parameter."""
    if not isinstance(node.op, Operator) or node.applied is None or node.applied.macs() == 0:
        return 0
    learned = any(entry.learned for _, entry in node_tensors(node))
    # A matrix product with a declared parameter is a layer with weights, where no input flows into
    # that operand.
    flows = any(_LEARNED in far and max(far) < 0 for far in given)
    return node.op.stacked * node.op.deep if learned or flows else 0


def _run(turn: Sequence[_Far], given: Sequence[_Far], times: int) -> list[_Far]:
    """Do so many turns; the outputs of each are the first inputs of the next."""
    if times == 1:
        return [_after(far, given) for far in turn]
    state = list(given)
    step = [*turn, *({place: 0} for place in range(len(turn), len(given)))]
    while times:
        # Turns compose as maps do: squaring reaches a million turns in twenty steps.
        if times % 2:
            state = [_after(far, state) for far in step]
        step = [_after(far, step) for far in step]
        times //= 2
    return state[: len(turn)]


def _after(far: _Far, given: Sequence[_Far]) -> _Far:
    """Return the distances `far` from some inputs, added to the distances of these inputs
    themselves."""
    found: dict[int, int] = {}
    for place, length in far.items():
        for start, before in ({place: 0} if place < 0 else given[place]).items():
            found[start] = max(found.get(start, 0), before + length)
    return found
