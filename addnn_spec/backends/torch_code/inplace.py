"""Activations that overwrite their input: a pass over memory less, where nobody else can see it.

Only a ReLU that alone reads a tensor which was just made, by a convolution, a batch norm or a
sum: none of these keeps its output for the backward pass. With probes nothing is overwritten,
since a tap may have kept the tensor.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from addnn_spec.backends.torch_code.body import Branch, Item
from addnn_spec.backends.torch_code.draft import Step
from addnn_spec.backends.torch_code.tree import Leaf, Tree, Value
from addnn_spec.ops.code import Arg, Call, Infix

_FUNCTIONS = frozenset({"F.relu", "F.relu6"})
_MODULES = frozenset({"nn.ReLU", "nn.ReLU6"})


def module_in_place(tree: Tree) -> Tree:
    """The constructor of an activation that follows a fresh tensor in a chain."""
    if isinstance(tree, Call) and tree.fn in _MODULES and not tree.args:
        return Call(tree.fn, (Arg(Leaf(True, "inplace"), "inplace", False),))
    return tree


def steps_in_place(items: list[Item], counts: Counter[int]) -> None:
    """Let activations overwrite their input where that is safe; changes the steps in place."""
    fresh: set[int] = set()
    for item in items:
        for step in (*item.then, *item.orelse) if isinstance(item, Branch) else (item,):
            if step.fresh or _is_sum(step):
                fresh.update(step.outputs)
    for place, item in enumerate(items):
        if isinstance(item, Branch):
            item.then = [_in_place(step, fresh, counts) for step in item.then]
            item.orelse = [_in_place(step, fresh, counts) for step in item.orelse]
        else:
            items[place] = _in_place(item, fresh, counts)


def _is_sum(step: Step) -> bool:
    return isinstance(step.tree, Infix) and step.tree.op == "+" and step.run is None


def _in_place(step: Step, fresh: set[int], counts: Counter[int]) -> Step:
    tree = step.tree
    if not isinstance(tree, Call) or tree.fn not in _FUNCTIONS or len(tree.args) != 1 or step.run:
        return step
    read = tree.args[0].value
    if not isinstance(read, Value) or read.index not in fresh or counts[read.index] != 1:
        return step
    return replace(step, tree=Call(tree.fn, (*tree.args, Arg(True, "inplace"))))
