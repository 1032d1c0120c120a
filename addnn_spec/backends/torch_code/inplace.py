"""Activations that overwrite their input, which saves a pass over memory.

Only an activation that can (`in_place`), and that alone reads a tensor which was just made and that
its maker needs no more (`fresh_output`): the operators' classes say both. With probes nothing is
overwritten, since a tap may have kept the tensor.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from addnn_spec.backends.torch_code.body import Branch, Item
from addnn_spec.backends.torch_code.class_draft import DraftStep
from addnn_spec.backends.torch_code.tree import Tree, Value, rewrite
from addnn_spec.ops.code import Arg, Call

IN_PLACE = "inplace"
"""The argument: no leaf, for it is no choice of the text."""


def module_in_place(tree: Tree) -> Tree:
    """Return the constructor of an activation that follows a fresh tensor in a chain."""
    assert isinstance(tree, Call)
    return Call(tree.fn, (*tree.args, Arg(True, IN_PLACE, False)))


def without_in_place(tree: Tree) -> Tree:
    """Return the tree of modules none of which overwrites its input."""

    def change(node: Tree) -> Tree | None:
        if isinstance(node, Call) and any(arg.name == IN_PLACE for arg in node.args):
            return Call(node.fn, tuple(arg for arg in node.args if arg.name != IN_PLACE))
        return None

    return rewrite(tree, change)


def steps_in_place(items: list[Item], counts: Counter[int]) -> None:
    """Let activations overwrite their input where that is safe; changes the steps in place."""
    fresh: set[int] = set()
    for item in items:
        for step in (*item.then, *item.orelse) if isinstance(item, Branch) else (item,):
            if step.fresh:
                fresh.update(step.outputs)
    for place, item in enumerate(items):
        if isinstance(item, Branch):
            item.then = [_in_place(step, fresh, counts) for step in item.then]
            item.orelse = [_in_place(step, fresh, counts) for step in item.orelse]
        else:
            items[place] = _in_place(item, fresh, counts)


def _in_place(step: DraftStep, fresh: set[int], counts: Counter[int]) -> DraftStep:
    tree = step.tree
    if not step.in_place or step.run or not isinstance(tree, Call):
        return step
    read = tree.args[0].value
    # Another reader would see the overwritten values, and so would the gradient of a maker that
    # keeps its output (no `fresh_output`).
    if not isinstance(read, Value) or read.index not in fresh or counts[read.index] != 1:
        return step
    return replace(step, tree=Call(tree.fn, (*tree.args, Arg(True, "inplace"))))
