"""The body of a class: the drafts of its uses laid over one another.

Drafts of equal structure differ in their leaves only: these are the columns. Drafts whose
structures differ in taken arms of `if` are aligned by `arms`.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field, replace

from addnn_spec.backends.torch_code.class_draft import ChildDraft, Draft, DraftStep
from addnn_spec.backends.torch_code.names import identifier
from addnn_spec.backends.torch_code.parameters import CALLED, Arm, Leaves
from addnn_spec.backends.torch_code.tree import (
    Column,
    Leaf,
    Origin,
    Tree,
    Value,
    rewrite,
    split,
)
from addnn_spec.backends.torch_code.vectors import ABSENT
from addnn_spec.ops.base import TensorType


@dataclass(frozen=True, slots=True)
class Join:
    """A tensor that is one of two, by the arm that was taken."""

    value: int
    then: Value
    orelse: Value


@dataclass
class Branch:
    """Steps that only some uses have: `if flag: then … else: orelse …`."""

    flag: int
    then: list[DraftStep] = field(default_factory=list)
    orelse: list[DraftStep] = field(default_factory=list)
    joins: list[Join] = field(default_factory=list)


Item = DraftStep | Branch

_MOST_ORIGINS = 24
"""As many origins of a column are kept."""


@dataclass(frozen=True, slots=True)
class Guard:
    """The condition of a child: only uses whose flag has this value have it."""

    flag: int
    present: bool


@dataclass(frozen=True, slots=True)
class Flag:
    """A condition that tells uses apart: those that take an arm of an `if` from the others."""

    name: str
    values: tuple[bool, ...]
    """By use."""
    places: tuple[Origin, ...] = ()
    """What only the uses have whose value is true."""
    others: tuple[Origin, ...] = ()
    """What only the others have."""

    @property
    def arms(self) -> tuple[Arm, Arm]:
        """What the uses have whose value is true, and what the others have."""
        return (
            Arm(self.places, self.values),
            Arm(self.others, tuple(not value for value in self.values)),
        )


@dataclass
class ClassBody:
    """What the constructor makes and `forward` computes, literals as columns over the uses."""

    drafts: list[Draft]
    children: list[tuple[ChildDraft, Guard | None]] = field(default_factory=list)
    items: list[Item] = field(default_factory=list)
    outputs: list[Tree] = field(default_factory=list)
    columns: list[Leaves] = field(default_factory=list)
    types: dict[int, list[TensorType | None]] = field(default_factory=dict)
    """Of each value, by use; None in a use without it."""
    flags: list[Flag] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Apart:
    """A draft taken apart: skeletons and their leaves, part by part."""

    draft: Draft
    children: tuple[tuple[ChildDraft, tuple[Leaf, ...]], ...]
    steps: tuple[tuple[DraftStep, tuple[Leaf, ...]], ...]

    def key(self, probes: bool, places: bool) -> Hashable:
        """Return what drafts of one class have in common, with or without the places of the text.

        Two arms of an `if` may do the same at two places.
        """
        return (
            tuple(step.span for step, _ in self.steps) if places else (),
            tuple(name for name, _ in self.draft.inputs),
            tuple(self.draft.ports.items()),
            tuple((c.path, c.tree, c.inits, c.tensor, c.run, c.listed) for c, _ in self.children),
            tuple(
                (s.tree, s.outputs, s.pattern, s.training, s.loop, s.run, s.name if probes else "")
                for s, _ in self.steps
            ),
            tuple(self.draft.outputs),
        )


def structures(drafts: Sequence[Draft], probes: bool, *, places: bool = False) -> list[list[Apart]]:
    """Group the drafts by structure, in order of first use."""
    apart = [_taken_apart(draft) for draft in drafts]
    if len(apart) == 1:
        return [apart]
    groups: dict[Hashable, list[Apart]] = {}
    for item in apart:
        groups.setdefault(item.key(probes, places), []).append(item)
    return list(groups.values())


def _taken_apart(draft: Draft) -> Apart:
    children = []
    for child in draft.children:
        leaves: list[Leaf] = []
        tree = split(child.tree, leaves)
        inits = tuple(split(code, leaves) for code in child.inits)
        children.append((replace(child, tree=tree, inits=inits), tuple(leaves)))
    steps = []
    for step in draft.steps:
        leaves = []
        tree = split(step.tree, leaves)
        steps.append((replace(step, tree=tree) if leaves else step, tuple(leaves)))
    return Apart(draft, tuple(children), tuple(steps))


def body_of_equals(group: Sequence[Apart]) -> ClassBody:
    """Make the body of drafts of one structure."""
    first = group[0]
    body = ClassBody([item.draft for item in group])
    body.outputs = list(first.draft.outputs)
    for index in range(len(first.draft.inputs)):
        body.types[index] = [item.draft.inputs[index][1] for item in group]
    for place, (child, _) in enumerate(first.children):
        base = add_columns(body, [item.children[place][1] for item in group], child.path)
        inits = tuple(moved(code, base) for code in child.inits)
        body.children.append((replace(child, tree=moved(child.tree, base), inits=inits), None))
    for place, (step, leaves) in enumerate(first.steps):
        base = add_columns(body, [item.steps[place][1] for item in group], step.name)
        body.items.append(replace(step, tree=moved(step.tree, base)) if leaves else step)
        for port, value in enumerate(step.outputs):
            body.types[value] = [item.steps[place][0].types[port] for item in group]
    return body


def add_columns(body: ClassBody, rows: Sequence[tuple[Leaf, ...] | None], name: str) -> int:
    """Add columns for a part's leaves, one row a use, None for a use without the part; return the
    place of the first column."""
    base = len(body.columns)
    label = name.rpartition(".")[2]
    for place, leaf in enumerate(next(row for row in rows if row is not None)):
        vector = tuple([ABSENT if row is None else row[place].value for row in rows])
        hint = leaf.hint if label.isdigit() or not label else identifier(f"{label}_{leaf.hint}")
        named = leaf.size and not leaf.hint.startswith("in_")
        word = f"{CALLED}{leaf.hint}" if named else leaf.hint
        body.columns.append(Leaves(vector, hint, word, _common_origins(rows, place)))
    return base


def _common_origins(rows: Sequence[tuple[Leaf, ...] | None], place: int) -> tuple[Origin, ...]:
    """Return the origins that the leaves of the uses have, the likeliest first."""
    found: dict[Origin, None] = {}
    for row in rows:
        if row is not None:
            found |= dict.fromkeys(row[place].origins)
    return tuple(found)[:_MOST_ORIGINS]


def moved(tree: Tree, base: int) -> Tree:
    """Return the skeleton of a part with its columns counted from `base`."""
    return rewrite(tree, lambda t: Column(base + t.index) if isinstance(t, Column) else None)
