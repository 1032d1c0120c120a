"""Conditions of the text: under which of them the uses of a class take an arm."""

from __future__ import annotations

from functools import partial, reduce

from addnn_spec.backends.torch_code.parameters import Arm
from addnn_spec.backends.torch_code.python import negated
from addnn_spec.backends.torch_code.readings import BlockText
from addnn_spec.backends.torch_code.text_names import Scope
from addnn_spec.backends.torch_code.tree import Origin, Tree
from addnn_spec.ops.code import Infix


def condition_of(arm: Arm, text: BlockText, scope: Scope) -> tuple[Tree, bool] | None:
    """Return the condition that decides on an arm, and whether it holds there."""
    places, vector = arm
    found = [pair for place in places for pair in text.conditions(place)]
    # What is called is not None: no type checker sees that by another condition.
    for tree, holds in sorted(found, key=lambda pair: not _is_given(pair[0])):
        if scope.gives(tree, tuple(value is holds for value in vector)):
            return tree, holds
    return next(filter(None, (_together(place, vector, text, scope) for place in places)), None)


def _together(
    place: Origin, vector: tuple[bool, ...], text: BlockText, scope: Scope
) -> tuple[Tree, bool] | None:
    """Return the conditions of the text that together decide on an arm, as one.

    What stands in `if`s is taken where all of them hold, and not made where nothing reads it:
    that is told by the `if`s behind it.
    """
    taken = [use for use, value in enumerate(vector) if value]
    others = {use for use, value in enumerate(vector) if not value}
    parts: list[tuple[Tree, bool]] = []
    around = [tree for tree, _ in text.conditions(place)][::-1]
    # From the outside in. A condition counts if all that take the arm agree on it, and some use
    # that does not take it is excluded by it alone.
    for tree in (*around, *text.later_conditions(place)):
        # ABSENT where it cannot be computed.
        values = [scope.value_in(tree, use) for use in range(len(vector))]
        holds = {values[use] for use in taken}
        if len(holds) != 1 or not isinstance(value := holds.pop(), bool):
            continue
        left = {use for use in others if values[use] is value}
        if left != others:
            parts.append((tree, value))
            others = left
        if not others:
            break
    if others or not parts:
        return None
    if len(parts) == 1:
        return parts[0]
    wanted = (tree if value else negated(tree) for tree, value in parts)
    return reduce(partial(Infix, "and"), wanted), True


def _is_given(condition: Tree) -> bool:
    return isinstance(condition, Infix) and condition.op == "is not"
