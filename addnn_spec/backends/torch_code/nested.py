"""Modules that are given to modules: `Level(64, 128, below=Level(128, 256))`.

One in another is an argument; where they go deeper, each is a variable that the next one reads,
the innermost first: as many lines as levels, and a loop where these are equal.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TypeGuard

from addnn_spec.backends.torch_code.tree import (
    Each,
    Factory,
    Lambda,
    Name,
    Tree,
    rewrite,
    walk,
    without_defaults,
)
from addnn_spec.ops.code import Arg, Call


@dataclass(slots=True)
class Level:
    """A variable that is set to a module made of it, `times` in a row."""

    name: str
    tree: Tree
    times: int = 1


def unnested(tree: Tree, unique: Callable[[str], str]) -> tuple[list[Level], Tree]:
    """Return the modules to be made before a tree, innermost first, and the tree over them."""
    levels: list[Level] = []
    classes: dict[str, str] = {}
    """What each variable is: one that is read may become the level around it."""

    def inner(call: Call, *, deep: bool, once: bool = True) -> Call:
        args = tuple(Arg(given(arg, deep=deep, once=once), arg.name) for arg in call.args)
        return Call(call.fn, args)

    def given(arg: Arg, *, deep: bool, once: bool) -> Tree:
        value = arg.value
        if not _is_module(value):
            return value
        call = without_defaults(value.call)
        assert isinstance(call, Call)
        if not once:  # each turn of a loop makes its own
            return inner(call, deep=True, once=False)
        if not (deep or any(_is_module(part) for part in walk(call))):
            return call
        made = inner(call, deep=True)
        read = (part.text for part in walk(made) if isinstance(part, Name))
        reused = next((name for name in read if classes.get(name) == call.fn), None)
        name = reused or unique(arg.name or "layer")
        classes[name] = call.fn
        # The level made of the same variable in the same way is one more turn of a loop.
        if levels and (levels[-1].name, levels[-1].tree) == (name, made):
            levels[-1].times += 1
        else:
            levels.append(Level(name, made))
        return Name(name)

    def change(node: Tree, *, once: bool = True) -> Tree | None:
        if isinstance(node, Each | Lambda) and once:
            return rewrite(node, partial(change, once=False))
        if isinstance(node, Call) and any(_is_module(arg.value) for arg in node.args):
            return inner(node, deep=False, once=once)
        return None

    return levels, rewrite(tree, change)


def _is_module(tree: Tree) -> TypeGuard[Factory]:
    return isinstance(tree, Factory) and tree.module
