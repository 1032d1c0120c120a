"""Loops that the uses of a block run through with other numbers of turns, brought to one form.

A draft has every turn of a `for` statement. Where another use has more of them, each draft gets
two, the first and one that reads it, and its modules are one list, which holds what the text's loop
makes: so drafts have equal structures, and `forward_loops` makes one loop of the two turns again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from addnn_spec.backends.torch_code.body import ClassBody
from addnn_spec.backends.torch_code.class_draft import ChildDraft, Draft, DraftStep
from addnn_spec.backends.torch_code.forward_loops import COUNTER, FEW, Loop, Types, rolled
from addnn_spec.backends.torch_code.text_loops import text_loop
from addnn_spec.backends.torch_code.tree import (
    Child,
    Column,
    InTurn,
    Leaf,
    Name,
    Star,
    Tree,
    Value,
    rewrite,
    split,
)
from addnn_spec.backends.torch_code.value_loops import ChildElement, list_of
from addnn_spec.graph import Turn
from addnn_spec.ops.code import Arg, Call, Infix, Seq


@dataclass(frozen=True, slots=True)
class _List:
    """A list of modules, one for each turn of a loop of the text."""

    child: ChildDraft
    turns: int


def folded(drafts: Sequence[Draft]) -> list[Draft] | None:
    """Return drafts whose loops of the text have two turns each; None if no loop can.

    A loop can whose turns are the same code in every use that has it.
    """
    known = [_lists(draft) for draft in drafts]
    paths = _in_all(drafts, known)
    while paths:
        sides = [
            _Side(draft, {path: found for path, found in lists.items() if path in paths})
            for draft, lists in zip(drafts, known, strict=True)
        ]
        unlike = set().union(*(side.unlike for side in sides))
        # A list that is written out may keep others from being loops: all are tried again without
        # it.
        paths -= unlike
        if not unlike:
            break
    if not paths:
        return None
    made = [side.of_two_turns(sides) for side in sides]
    found = [draft for draft in made if draft is not None]
    return found if len(found) == len(drafts) else None


def keeps_turns(body: ClassBody) -> bool:
    """Return True if the turns of all lists are loops: no arm that some take is part of one."""
    listed = {child.path for child, _ in body.children if child.listed}
    guarded = {child.path for child, guard in body.children if child.listed and guard is not None}
    if not listed or guarded:
        return not guarded
    items = [
        replace(item, tree=rewrite(item.tree, _any_column)) if isinstance(item, DraftStep) else item
        for item in body.items
    ]
    found, _ = rolled(items, body.outputs, dict.fromkeys(listed, FEW), dict(body.types), None)
    # All columns are alike here: turns may differ in their literals, and yet be one loop.
    return listed == {path for item in found if isinstance(item, Loop) for path in item.lists}


def _any_column(tree: Tree) -> Tree | None:
    return Column(0) if isinstance(tree, Column) else None


def _in_all(drafts: Sequence[Draft], known: Sequence[Mapping[str, _List]]) -> set[str]:
    """Return the paths of lists that all drafts have as such, if they have anything there."""
    paths = {path for lists in known for path in lists}
    return {
        path
        for path in paths
        if all(
            path in lists or not any(_below(child, path) for child in draft.children)
            for draft, lists in zip(drafts, known, strict=True)
        )
        and any(lists[path].turns >= FEW for lists in known if path in lists)
    }


def _below(child: ChildDraft, path: str) -> bool:
    return child.path.startswith(f"{path}.")


def _lists(draft: Draft) -> dict[str, _List]:
    """Return the lists of modules of a draft that a loop of the text makes, by their paths."""
    paths = dict.fromkeys(child.path.rpartition(".")[0] for child in draft.children)
    found = {path: _list(draft, path) for path in paths if path}
    return {path: made for path, made in found.items() if made is not None}


def _list(draft: Draft, path: str) -> _List | None:
    """Return the modules below a path as a list; None if they are not one for each turn."""
    children = [child for child in draft.children if _below(child, path)]
    elements = []
    for number, child in enumerate(children):
        place = child.place
        plain = not (child.tensor or child.inits or child.run)
        if child.path != f"{path}.{number}" or not plain or not isinstance(place, InTurn):
            return None
        if (place.number, place.turns) != (number, len(children)):
            return None
        turn = Turn(place.loop, number, place.turns, None)
        elements.append(ChildElement(str(number), child.tree, loop=turn))
    loop = elements[0].loop
    if loop is None or any(e.loop is None or e.loop.loop != loop.loop for e in elements):
        return None
    made = text_loop(elements)
    if made is None:
        return None
    return _List(replace(children[0], path=path, tree=list_of([made]), listed=True), len(children))


class _Unlike(Exception):
    """Turns cannot be written in the form of two."""


@dataclass
class _Written:
    """Steps with their loops written out, each with the item that it comes from."""

    steps: list[DraftStep]
    outputs: list[Tree]
    values: int
    made: list[tuple[int, int]]
    """For each step its item, and its place in that."""

    def skeleton(self) -> object:
        """Return what does not differ between uses of one structure."""
        return [
            (_bare(s.tree), s.outputs, s.pattern, s.training, s.loop, s.run, s.span, s.names)
            for s in self.steps
        ], [_bare(output) for output in self.outputs]


class _Side:
    """A draft with the lists that are folded, and its loops over them."""

    def __init__(self, draft: Draft, lists: Mapping[str, _List]) -> None:
        self._draft = draft
        self._lists = lists
        turns = {path: found.turns for path, found in lists.items()}
        types: Types = {value: [type] for value, (_, type) in enumerate(draft.inputs)}
        types |= {v: [t] for s in draft.steps for v, t in zip(s.outputs, s.types, strict=True)}
        self._items, self._outputs = rolled(draft.steps, draft.outputs, turns, types, None)
        loops = [item for item in self._items if isinstance(item, Loop)]
        self.rolled = {path for loop in loops for path in loop.lists}
        self.unlike = {p for p, n in turns.items() if n >= FEW and p not in self.rolled}
        """The lists whose turns are not the same code."""

    def of_two_turns(self, sides: Sequence[_Side]) -> Draft | None:
        """Return the draft with two turns of each loop.

        What a single turn hands on is seen in another use, which has several.
        """
        try:
            made = self.written({})
            single = frozenset(self._lists.keys() - self.rolled)
            if single:
                made = self._extended(single, made, sides)
        except _Unlike:
            return None
        draft = replace(self._draft, steps=made.steps, outputs=made.outputs, values=made.values)
        draft.children = []
        for child in self._draft.children:
            path = next((path for path in self._lists if _below(child, path)), None)
            if path is None:
                draft.children.append(child)
            elif child.path == f"{path}.0":
                draft.children.append(self._lists[path].child)
        return draft

    def _extended(self, single: frozenset[str], own: _Written, sides: Sequence[_Side]) -> _Written:
        """Return what was written with a second turn of the loops over these lists."""
        for side in sides:
            if not single <= side.rolled:
                continue
            short, long = side.written(dict.fromkeys(single, 1)), side.written({})
            if short.skeleton() != own.skeleton():
                continue
            # Backwards, so that of several turns of another loop the first one counts.
            mine = dict(zip(reversed(short.made), reversed(own.steps), strict=True))
            steps = [
                replace(mine[at], tree=_with_leaves(step.tree, mine[at].tree), outputs=step.outputs)
                for step, at in zip(long.steps, long.made, strict=True)
            ]
            return replace(long, steps=steps)
        raise _Unlike

    def written(self, turns: Mapping[str, int]) -> _Written:
        """Write out so many turns of the loops, by a list that each goes through, else two."""
        writer = _Writer(len(self._draft.inputs))
        for at, item in enumerate(self._items):
            if isinstance(item, DraftStep):
                writer.add(item, item.tree, (at, 0))
            else:
                assert isinstance(item, Loop)
                count = next((turns[path] for path in item.lists if path in turns), FEW)
                writer.write_out(item, count, at)
        outputs = [writer.put(output) for output in self._outputs]
        return _Written(writer.steps, outputs, writer.count, writer.made)


class _Writer:
    """Writes out the turns of loops, their values counted anew."""

    def __init__(self, inputs: int) -> None:
        self.steps: list[DraftStep] = []
        self.made: list[tuple[int, int]] = []
        self.count = inputs
        self._values: dict[int, Tree] = {value: Value(value) for value in range(inputs)}

    def add(self, step: DraftStep, tree: Tree, at: tuple[int, int]) -> None:
        """Add a step."""
        outputs = tuple(range(self.count, self.count + len(step.outputs)))
        self.steps.append(replace(step, tree=self.put(tree), outputs=outputs))
        self.made.append(at)
        self.count += len(outputs)
        self._values |= zip(step.outputs, map(Value, outputs), strict=True)

    def put(self, tree: Tree) -> Tree:
        """Return a tree over the new values; a list that turns have made is its items."""

        def change(node: Tree) -> Tree | None:
            if isinstance(node, Value):
                return self._values[node.index]
            if isinstance(node, Seq) and any(isinstance(item, Star) for item in node.items):
                items: list[Tree] = []
                for item in node.items:
                    made = self.put(item.value if isinstance(item, Star) else item)
                    starred = isinstance(item, Star) and isinstance(made, Seq)
                    items += made.items if starred and isinstance(made, Seq) else [made]
                return Seq(tuple(items), node.brackets)
            return None

        return rewrite(tree, change)

    def write_out(self, loop: Loop, turns: int, at: int) -> None:
        """Add turns of a loop."""
        lists: dict[int, list[Tree]] = {collected.value: [] for collected in loop.collected}
        for turn in range(turns):
            read = {c.before: self._values[c.made if turn else c.start] for c in loop.carried}
            self._values |= read
            for place, step in enumerate(loop.body):
                self.add(step, _in_turn(step.tree, loop, turn), (at, place))
            for collected in loop.collected:
                lists[collected.value].append(self._values[collected.made])
        self._values |= {value: Seq(tuple(items)) for value, items in lists.items()}


def _in_turn(tree: Tree, loop: Loop, turn: int) -> Tree:
    """Return a step of a loop's body as it is in a turn."""
    paths = {variable: path for path, variable in loop.lists.items()}

    def change(node: Tree) -> Tree | None:
        match node:
            case Call(fn, args) if fn in paths:
                given = tuple(Arg(of(arg.value), arg.name, arg.default) for arg in args)
                return Child(f"{paths[fn]}.{turn}", given)
            case Infix("*", _, Name(text)) if text == COUNTER:
                raise _Unlike  # any two numbers are a progression
            case Infix("+", Name(text), int(start)) if text == COUNTER:
                return start + turn
            case Name(text) if text == COUNTER:
                return turn
        return None

    def of(tree: Tree) -> Tree:
        return rewrite(tree, change)

    return of(tree)


def _with_leaves(tree: Tree, own: Tree) -> Tree:
    """Return a tree with the leaves of another that has the same skeleton."""
    leaves: list[Leaf] = []
    split(own, leaves)
    skeleton = split(tree, [])
    return rewrite(skeleton, lambda t: leaves[t.index] if isinstance(t, Column) else None)


def _bare(tree: Tree) -> Tree:
    """Return a tree without leaves, whose sequences are lists."""

    def change(node: Tree) -> Tree | None:
        if isinstance(node, Seq) and not node.brackets:
            return Seq(tuple(rewrite(item, change) for item in node.items), True)
        return None

    return rewrite(split(tree, []), change)
