"""`forward` as statements: calls put into one another where that reads well, and variables named.

A step without a name in the text whose value is used once, by the next step, is written inside it:
`F.relu(self.bn1(self.conv1(x)))`. At most one convolution or matrix product stands in a statement,
and what calls a block is a statement of its own. With taps nothing is put together.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from addnn_spec.backends.torch_code.body import Join
from addnn_spec.backends.torch_code.class_draft import DraftStep, Pattern
from addnn_spec.backends.torch_code.code_text import flat
from addnn_spec.backends.torch_code.forward_loops import Loop, Rolled
from addnn_spec.backends.torch_code.tree import (
    Child,
    Key,
    Name,
    Submodule,
    Tree,
    Value,
    rewrite,
    walk,
)
from addnn_spec.ops.code import Arg, Call, Infix, Prefix
from addnn_spec.source import Span

_NESTED = 3
"""How deep calls may stand in calls: deeper ones are hard to read."""
_LONG = 76
"""Characters that a statement may have after others were written into it."""
_MOST = _LONG // len("f(x), ")
"""Statements that may be written into one: more would be longer than `_LONG`."""


@dataclass
class Assign:
    """A statement that computes values; `step` is the outermost one."""

    step: DraftStep
    tree: Tree
    spans: tuple[Span, ...]
    depth: int = 1
    heavy: int = 0
    targets: str = ""
    annotation: str = ""
    carried: str = ""
    """In a run: the variable that the first turn reads."""

    @property
    def training(self) -> bool:
        """Whether only outputs of training need it: it stands after evaluation has returned."""
        return self.step.training


@dataclass
class Copy:
    """`targets = source`: what a value is in one arm."""

    targets: str
    source: str
    annotation: str = ""


@dataclass
class Fork:
    """`if flag: … else: …`, and the values that it leaves behind."""

    test: Tree
    then: list[Assign] = field(default_factory=list)
    orelse: list[Assign] = field(default_factory=list)
    before: list[Copy] = field(default_factory=list)
    """Assignments in front of it: what a value is if the arm is not taken."""
    then_copies: list[Copy] = field(default_factory=list)
    else_copies: list[Copy] = field(default_factory=list)
    joins: list[Join] = field(default_factory=list)
    training: bool = False


@dataclass
class ForStatement:
    """`for layer in self.layers: …`, with what is given before the first turn."""

    loop: Loop
    body: list[Assign]
    before: list[Copy] = field(default_factory=list)
    collected: list[tuple[str, str]] = field(default_factory=list)
    """The variable of each list that the turns append to, and what they append."""
    training: bool = False


Statement = Assign | Fork | ForStatement


def use_counts(items: Iterable[Rolled], outputs: Iterable[Tree]) -> Counter[int]:
    """Count how often each value is read."""
    counts: Counter[int] = Counter()
    for item in items:
        for tree in _trees(item):
            counts.update(node.index for node in walk(tree) if isinstance(node, Value))
    for output in outputs:
        counts.update(node.index for node in walk(output) if isinstance(node, Value))
    return counts


def _trees(item: Rolled) -> Iterable[Tree]:
    if isinstance(item, DraftStep):
        return [item.tree]
    if isinstance(item, Loop):  # what is carried has a variable: it is read by the next turn, too
        carried = [Value(v) for c in item.carried for v in (c.start, c.made, c.made)]
        collected = [Value(c.made) for c in item.collected for _ in range(2)]
        return [*carried, *collected, *(step.tree for step in item.body)]
    joined = [tree for join in item.joins for tree in (join.then, join.orelse)]
    return [step.tree for step in (*item.then, *item.orelse)] + joined


def statements(
    items: Sequence[Rolled],
    outputs: Sequence[Tree],
    flags: Mapping[int, Tree],
    composite: Callable[[Tree], Tree],
    probes: bool,
) -> list[Statement]:
    """Return the items as statements; `composite` turns children into the text that calls them."""
    counts = use_counts(items, outputs)
    made: list[Statement] = []
    straight: list[DraftStep] = []
    for item in items:
        if isinstance(item, DraftStep):
            straight.append(item)
            continue
        made += _fused(straight, counts, composite, probes)
        straight = []
        if isinstance(item, Loop):
            inner = _fused(item.body, counts, composite, probes)
            made.append(ForStatement(item, inner, training=item.body[0].training))
            continue
        made.append(
            Fork(
                flags[item.flag],
                _fused(item.then, counts, composite, probes),
                _fused(item.orelse, counts, composite, probes),
                joins=item.joins,
            )
        )
    return [*made, *_fused(straight, counts, composite, probes)]


def without_copies(
    made: Iterable[Statement], outputs: Iterable[Tree]
) -> tuple[list[Statement], list[Tree]]:
    """Return the statements without those of the form `y = x`, x in place of y in all others."""
    same: dict[int, Value] = {}

    def put(tree: Tree) -> Tree:
        return rewrite(tree, lambda t: same.get(t.index) if isinstance(t, Value) else None)

    kept: list[Statement] = []
    for statement in made:
        if isinstance(statement, Assign):
            statement.tree = put(statement.tree)
            if isinstance(statement.tree, Value) and not statement.step.loop:  # a loop taps it
                same[statement.step.outputs[0]] = statement.tree
                continue
        elif isinstance(statement, ForStatement):
            for inner in statement.body:
                inner.tree = put(inner.tree)
        else:
            for inner in (*statement.then, *statement.orelse):
                inner.tree = put(inner.tree)
            statement.joins = [
                replace(
                    join,
                    then=same.get(join.then.index, join.then),
                    orelse=same.get(join.orelse.index, join.orelse),
                )
                for join in statement.joins
            ]
        kept.append(statement)
    return kept, [put(output) for output in outputs]


def _fused(
    steps: Sequence[DraftStep], counts: Counter[int], called: Callable[[Tree], Tree], probes: bool
) -> list[Assign]:
    done: list[Assign] = []
    pending: list[Assign] = []
    for step in steps:
        tree = called(step.tree)
        if probes:
            if not step.loop:
                tree = Call("self.tap", (Arg(Key(step.name)), Arg(tree)))
            done.append(Assign(step, tree, (step.span,)))
            continue
        depth = 0 if isinstance(tree, Infix | Prefix) else 1
        assign = Assign(step, tree, (step.span,), depth, int(step.heavy or step.composite))
        taken = [] if step.loop else _operands(assign, pending)
        while taken and not _fits(assign, taken):
            # The earliest goes first: what is left is still a row that ends right before this step.
            taken = taken[1:] if len(taken) > 1 else []
        del pending[len(pending) - len(taken) :]
        assign = _put(assign, taken)
        if _may_wait(assign, counts):
            pending.append(assign)
        else:
            done += [*pending, assign]
            pending = []
    return [*done, *pending]


def _operands(assign: Assign, pending: list[Assign]) -> list[Assign]:
    """Return the last pending statements, as far as the step reads them in just this order."""
    # Calls within a call are evaluated in the order in which they stand in it. Steps are moved
    # there only if that is the order they had: layers that draw random numbers draw the same ones.
    last = [p.step.outputs[0] for p in pending[-_MOST:]]
    read = [node.index for node in walk(assign.tree) if isinstance(node, Value)]
    wanted = [value for value in read if value in last][-_MOST:]
    count = len(wanted)
    while count and last[-count:] != wanted[-count:]:
        count -= 1
    return pending[len(pending) - count :] if count else []


def _fits(assign: Assign, taken: list[Assign]) -> bool:
    whole = _put(assign, taken)
    if whole.depth > _NESTED or whole.heavy > 1:
        return False
    if any(assign.step.composite or other.step.composite for other in taken):
        if any(other.step.types != assign.step.types for other in taken):
            return False  # a block's call stays in sight where the shape changes
    # Variables have no names yet: a name of usual length stands for each.
    named = rewrite(whole.tree, lambda t: Name("value") if isinstance(t, Value) else None)
    return all(_atomic(node) for node in walk(named)) and len(flat(named)) <= _LONG


def _atomic(node: Tree) -> bool:
    """Return True if a node can be measured as text: columns are resolved before."""
    return not isinstance(node, Child | Submodule)


def _put(assign: Assign, taken: list[Assign]) -> Assign:
    if not taken:
        return assign
    trees = {other.step.outputs[0]: other.tree for other in taken}
    tree = rewrite(assign.tree, lambda t: trees.get(t.index) if isinstance(t, Value) else None)
    return replace(
        assign,
        tree=tree,
        spans=(*(span for other in taken for span in other.spans), *assign.spans),
        depth=assign.depth + max(other.depth for other in taken),
        heavy=assign.heavy + max(other.heavy for other in taken),
    )


def _may_wait(assign: Assign, counts: Counter[int]) -> bool:
    step = assign.step
    return (
        len(step.outputs) == 1
        and step.pattern is None
        and counts[step.outputs[0]] == 1
        and not step.names[0]
        and not step.loop
    )


def pattern_text(pattern: Pattern, names: Sequence[str]) -> str:
    """Write the targets of an assignment: `y, (h, c)`; names are "_" for what is not used."""
    items = [_item(part, names) for part in pattern]
    return f"({items[0]},)" if len(items) == 1 else ", ".join(items)


def _item(part: object, names: Sequence[str]) -> str:
    if part is None:
        return "_"
    if isinstance(part, tuple):
        inner = [_item(item, names) for item in part]
        if all(name == "_" for name in inner):
            return "_"
        return f"({', '.join(inner)}{',' if len(inner) == 1 else ''})"
    assert isinstance(part, int)
    return names[part]
