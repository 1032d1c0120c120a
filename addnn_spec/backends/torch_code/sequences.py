"""A child that is a Sequential in all uses of a class, some of which lack elements of it.

The elements are laid over one another like steps: what some lack stands in a `When`, and the
constructor appends it to a list of layers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from addnn_spec.backends.torch_code.body import moved
from addnn_spec.backends.torch_code.class_draft import ChildDraft
from addnn_spec.backends.torch_code.inplace import without_in_place
from addnn_spec.backends.torch_code.tree import Column, Leaf, Spanned, Tree, walk
from addnn_spec.ops.code import Arg, Call

_SEQUENTIAL = frozenset({"nn.Sequential", "Tapped", "super().__init__"})


class SequencePart(NamedTuple):
    """An element of a Sequential: its skeleton, columns from 0 on, and which leaves it has."""

    tree: Tree
    first: int
    stop: int

    @property
    def key(self) -> Tree:
        """What elements of other uses have in common with it, in place or not."""
        return without_in_place(self.tree)

    def leaves(self, whole: Sequence[Leaf]) -> tuple[Leaf, ...]:
        """Return its own leaves, of those of the Sequential."""
        return tuple(whole[self.first : self.stop])


def function_of(child: ChildDraft) -> str | None:
    """Name what makes the child, if it is a Sequential of numbered elements in one constructor."""
    made = child.tree.value if isinstance(child.tree, Spanned) else child.tree
    if not isinstance(made, Call) or made.fn not in _SEQUENTIAL or "." in child.path:
        return None
    named = any(arg.name or _is_ordered(arg) for arg in made.args)
    return None if named or child.inits or child.tensor or child.run else made.fn


def _is_ordered(arg: Arg) -> bool:
    return isinstance(arg.value, Call) and arg.value.fn == "OrderedDict"


def _call(child: ChildDraft) -> Call:
    """Return the call that makes the child."""
    made = child.tree.value if isinstance(child.tree, Spanned) else child.tree
    assert isinstance(made, Call)
    return made


def parts_of(child: ChildDraft) -> list[SequencePart]:
    """Return the elements of a Sequential that was taken apart."""
    made = _call(child)
    parts = []
    stop = 0
    for arg in made.args:
        columns = [node.index for node in walk(arg.value) if isinstance(node, Column)]
        first, stop = stop, stop + len(columns)
        parts.append(SequencePart(moved(arg.value, -first), first, stop))
    return parts


def with_parts(child: ChildDraft, elements: Sequence[Tree]) -> Tree:
    """Return the child's constructor with these elements."""
    call = Call(_call(child).fn, tuple(Arg(element) for element in elements))
    return Spanned(call, child.tree.span) if isinstance(child.tree, Spanned) else call
