"""Runs: nodes in a row that do the same, each with what the one before made.

The graph has runs of its own (`times`), where the elaborator saw at once that turns are equal.
Those that it wrote out are found here: the code does not depend on what the elaborator shared.
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from addnn_spec.backends.torch_code.construction import Forms
from addnn_spec.backends.torch_code.tree import identity
from addnn_spec.graph import Graph, Node, Ref, run_name
from addnn_spec.ops.weighted import Initialized

FEW = 2
"""As many turns after the first are written out."""


def runs(graph: Graph, forms: Forms) -> Iterator[list[Node]]:
    """Yield all nodes in order, as the turns of runs: each a node that reads the one before."""
    for run in graph.runs(lambda before, node: _continues(graph, before, node, forms)):
        yield _turns(run)


def _continues(graph: Graph, before: Node, node: Node, forms: Forms) -> bool:
    if before.calls is None or node.calls is None or before.span != node.span:
        return False
    if (before.named or node.named) and not node.name.isdigit():
        return False  # each has a label of its own; a number is its place in a chain
    head, first = run_name(before.name)
    flowing = before.inputs[0]
    return (
        node.name == f"{head}{first + before.times}"
        and flowing is not None
        and graph.type_of(flowing) == before.outputs[0] == node.outputs[0]
        and node.bound_modules == before.bound_modules
        and node.training == before.training
        and (node.calls is before.calls or _alike(node.calls, before.calls, forms))
    )


def _alike(graph: Graph, other: Graph, forms: Forms) -> bool:
    one, two = forms[id(graph)], forms[id(other)]
    return (one.ports, one.lists, one.listed) == (two.ports, two.lists, two.listed) and (
        identity(one.constructor) == identity(two.constructor)
    )


def _turns(run: list[Node]) -> list[Node]:
    """List turns of nodes that continue one another; the value's name in the text is the last's."""
    if len(run) == 1 and run[0].times == 1:
        return run
    turns: list[Node] = []
    for node in run:
        count, inputs = len(node.outputs), node.inputs
        for name in node.names():
            turns.append(replace(node, name=name, times=1, inputs=inputs, value_names=()))
            inputs = (*(Ref(node.id, port) for port in range(count)), *node.inputs[count:])
    turns[-1] = replace(turns[-1], value_names=run[-1].value_names)
    return turns


def can_loop(turns: list[Node]) -> bool:
    """Return True if a run can be a loop: one tensor flows, and nothing is to be initialised."""
    node = turns[0]
    if len(turns) <= 1 + FEW or len(node.outputs) != 1 or "." in node.name:
        return False
    filled = isinstance(node.op, Initialized) and (node.op.weight_init or node.op.bias_init)
    return node.module is None and not filled and node.inputs[0] not in node.inputs[1:]
