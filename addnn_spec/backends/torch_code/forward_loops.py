"""Loops of `forward`: steps in a row that do the same with one child after another, rolled up.

A `for` of the text arrives as its turns, written out. Turns become one loop over an `nn.ModuleList`
again where each is the same code: what it reads is the same in all turns, made in the turn, made in
the turn before (*carried*), or counts the turns (`past[i]`). What the turns make may be collected
in a list, if the list is all that is read of it. A loop says what its turns said, or it is none.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import NamedTuple, TypeGuard

from addnn_spec.backends.torch_code.body import Branch, Item
from addnn_spec.backends.torch_code.class_draft import ChildDraft, DraftStep
from addnn_spec.backends.torch_code.names import turn_name
from addnn_spec.backends.torch_code.readings import holds
from addnn_spec.backends.torch_code.tree import (
    Change,
    Child,
    Leaf,
    Name,
    Star,
    Tree,
    Value,
    rewrite,
    walk,
)
from addnn_spec.ops.base import TensorType
from addnn_spec.ops.code import Arg, Call, Infix, Seq
from addnn_spec.source import Span
from addnn_spec.syntax import ast
from addnn_spec.syntax.walk import walk as walk_text

FEW = 2
"""Fewer turns than these are written out."""
COUNTER = "i"

Types = dict[int, list[TensorType | None]]


class Carried(NamedTuple):
    """What turns hand on: the first reads `start`, others `before`; each makes `made`."""

    start: int
    before: int
    made: int


class Collected(NamedTuple):
    """The list `value` of what the turns make; `made` is a turn's."""

    value: int
    made: int
    name: str
    """What the text calls the list; nothing where it has no name."""


@dataclass
class Loop:
    """Steps that are done for each child of some lists of modules."""

    lists: dict[str, str]
    """By the path of each list, the variable that goes through it."""
    turns: int
    counted: bool
    """The body reads the number of the turn."""
    body: list[DraftStep]
    carried: list[Carried]
    collected: list[Collected]
    unlike: frozenset[int]
    """Values whose type is another in each turn."""


Rolled = Item | Loop


class Unrolled(Exception):
    """Turns that stand for those of a loop are not one loop."""


def module_lists(children: Sequence[ChildDraft]) -> dict[str, int]:
    """Return the paths that hold modules called 0 … n − 1 and nothing else, with n."""
    found: dict[str, list[str]] = {}
    for child in children:
        if child.listed:
            found[child.path] = [str(turn) for turn in range(FEW)]
        parts = child.path.split(".")
        for depth in range(1, len(parts)):
            module = depth == len(parts) - 1 and not child.tensor and child.run is None
            found.setdefault(".".join(parts[:depth]), []).append(parts[depth] if module else "")
    return {
        prefix: len(names)
        for prefix, names in found.items()
        if len(names) >= FEW and names == [str(place) for place in range(len(names))]
    }


def rolled(
    items: Sequence[Rolled],
    outputs: Sequence[Tree],
    lists: Mapping[str, int],
    types: Types,
    text: ast.Block | ast.Network | None,
) -> tuple[list[Rolled], list[Tree]]:
    """Return the items with their turns as loops, and the outputs over what the loops make.

    `types` gets the lists that loops collect: they have none.
    """
    found: list[Rolled] = list(items)
    results = list(outputs)
    for path, turns in lists.items():
        calls = [
            place
            for place, item in enumerate(found)
            if isinstance(item, DraftStep) and path in _lists_of(item)
        ]
        # A list whose modules are called elsewhere, too, or not all of them, is no loop of
        # `forward`.
        if len(calls) != turns or turns < FEW:
            continue
        period = calls[1] - calls[0]
        # Turns of one loop have as many steps each.
        if any(b - a != period for a, b in pairwise(calls)):
            continue
        for first in _firsts(found, calls[0], period):
            made = _Roller(found, results, lists, types, text).roll(first, period, turns)
            if made is not None:
                found, results = made
                break
    return found, results


def _lists_of(step: DraftStep) -> set[str]:
    """Return the paths that a step calls numbered children of."""
    paths = (node.path.rpartition(".") for node in walk(step.tree) if isinstance(node, Child))
    return {prefix for prefix, _, name in paths if name.isdigit()}


def _firsts(items: Sequence[Rolled], call: int, period: int) -> list[int]:
    """List where the first turn may begin; first of all where its steps are in the text's order."""
    starts = [start for start in range(call - period + 1, call + 1) if start >= 0]

    def disorder(start: int) -> int:
        steps = [item for item in items[start : start + period] if isinstance(item, DraftStep)]
        places = [step.span.start for step in steps]
        return sum(a > b for a, b in pairwise(places))

    return sorted(starts, key=lambda start: (disorder(start), call - start))


class _Output(NamedTuple):
    """An output of a step of the body, in each turn."""

    step: int
    port: int


class _Unlike(Exception):
    """The turns are not the same code."""


class _Parts(NamedTuple):
    """A step taken apart: what all turns have in common, and what they may differ in."""

    skeleton: Tree
    leaves: tuple[Value | Child | Leaf | int, ...]


def _parts(tree: Tree) -> _Parts:
    leaves: list[Value | Child | Leaf | int] = []

    def take(node: Tree) -> Tree | None:
        if isinstance(node, Child):
            leaves.append(Child(node.path, ()))
            return Call(
                "", tuple(Arg(rewrite(a.value, take), a.name, a.default) for a in node.args)
            )
        if isinstance(node, Value) or _is_number(node):
            leaves.append(node)
            return Name("")
        if isinstance(node, bool | float):  # equal numbers of another type mean something else
            return Name(repr(node))
        return None

    return _Parts(rewrite(tree, take), tuple(leaves))


def _is_number(node: Tree) -> TypeGuard[Leaf | int]:
    """Return True for a whole number, also where it is not yet known how the text says it."""
    return type(node.value if isinstance(node, Leaf) else node) is int


class _Roller:
    """Rolls the turns of one loop."""

    def __init__(
        self,
        items: Sequence[Rolled],
        outputs: Sequence[Tree],
        lists: Mapping[str, int],
        types: Types,
        text: ast.Block | ast.Network | None,
    ) -> None:
        self._text = text
        self._items = items
        self._outputs = outputs
        self._sizes = lists
        self._types = types
        self._lists: dict[str, str] = {}
        self._counted = False
        self._carried: dict[int, Carried] = {}
        self._place: dict[int, tuple[int, int, int]] = {}
        """Of each value that the turns make: the turn, the step in it, the output of that."""

    def roll(self, first: int, period: int, turns: int) -> tuple[list[Rolled], list[Tree]] | None:
        """Roll the turns from `first` on; return all items and the outputs, None if unlike."""
        stop = first + period * turns
        steps = self._items[first:stop]
        if len(steps) < period * turns or not all(isinstance(step, DraftStep) for step in steps):
            return None
        rows = [
            [
                step
                for step in steps[turn * period : (turn + 1) * period]
                if isinstance(step, DraftStep)
            ]
            for turn in range(turns)
        ]
        for turn, row in enumerate(rows):
            for place, step in enumerate(row):
                for port, value in enumerate(step.outputs):
                    self._place[value] = (turn, place, port)
        try:
            body = [
                self._body(place, list(column))
                for place, column in enumerate(zip(*rows, strict=True))
            ]
            collected, after, outputs = self._after(self._items[stop:], rows)
        except _Unlike:
            return None
        if not self._lists:
            return None
        loop = Loop(
            self._lists,
            turns,
            self._counted,
            body,
            list(self._carried.values()),
            collected,
            frozenset(self._unlike(rows)),
        )
        return [*self._items[:first], loop, *after], outputs

    # --- the body --------------------------------------------------------------------------------
    def _body(self, place: int, turns: list[DraftStep]) -> DraftStep:
        """Make one step of the body from the same step of all turns: the last turn's, rewritten."""
        last = turns[-1]
        for step in turns:
            if step.loop or step.run or step.pattern != self._pattern(step, last):
                raise _Unlike
            if (step.names, step.training) != (last.names, last.training):
                raise _Unlike
            if step.span != last.span:  # what the text writes out is written out
                raise _Unlike
        parts = [_parts(step.tree) for step in turns]
        if any(part.skeleton != parts[-1].skeleton for part in parts):
            raise _Unlike
        leaves = [
            self._leaf(place, list(column))
            for column in zip(*(part.leaves for part in parts), strict=True)
        ]
        waiting = iter(leaves)

        def put(node: Tree) -> Tree | None:
            if isinstance(node, Child):
                called = next(waiting)
                args = tuple(Arg(rewrite(a.value, put), a.name, a.default) for a in node.args)
                if isinstance(called, Child):
                    return Child(called.path, args)
                assert isinstance(called, Name)
                return Call(called.text, args)
            if isinstance(node, Value) or _is_number(node):
                return next(waiting)
            return None

        return replace(last, tree=rewrite(last.tree, put))

    def _pattern(self, step: DraftStep, last: DraftStep) -> object:
        """Return the pattern a step would have, if it unpacked its outputs as the last one does."""
        return last.pattern if len(step.outputs) == len(last.outputs) else object()

    def _leaf(self, place: int, column: list[Value | Child | Leaf | int]) -> Tree:
        last = column[-1]
        if isinstance(last, Child):
            return self._child([leaf.path for leaf in column if isinstance(leaf, Child)])
        if isinstance(last, Value):
            self._value(place, [leaf.index for leaf in column if isinstance(leaf, Value)])
            return last
        leaves = [leaf.value if isinstance(leaf, Leaf) else leaf for leaf in column]
        numbers = [number for number in leaves if isinstance(number, int)]
        return last if len(set(numbers)) == 1 else self._number(numbers)

    def _child(self, paths: list[str]) -> Tree:
        if len(set(paths)) == 1:
            return Child(paths[0], ())
        prefix = paths[0].rpartition(".")[0]
        if paths != [f"{prefix}.{turn}" for turn in range(self._sizes.get(prefix, 0))]:
            raise _Unlike
        if prefix not in self._lists:
            wish = turn_name(prefix)
            self._lists[prefix] = (
                wish if wish not in self._lists.values() else f"{wish}_{len(self._lists) + 1}"
            )
        return Name(self._lists[prefix])

    def _number(self, numbers: list[int]) -> Tree:
        start, step = numbers[0], numbers[1] - numbers[0]
        if numbers != [start + turn * step for turn in range(len(numbers))]:
            raise _Unlike
        if step == 0:
            return start
        if step != 1 and len(numbers) == FEW:
            raise _Unlike  # any two numbers are a progression
        self._counted = True
        tree: Tree = Name(COUNTER)
        if step != 1:
            tree = Infix("*", step, tree)
        return Infix("+", tree, start) if start else tree

    def _value(self, place: int, values: list[int]) -> None:
        """Check that a value is the same in all turns, made in the same turn, or carried from the
        one before."""
        if len(set(values)) == 1 and values[0] not in self._place:
            return
        last = self._place.get(values[-1])
        if last is None:
            raise _Unlike
        made_in, step, port = last
        # What the turn before made is still in its variable only where no earlier step of this turn
        # has made it anew.
        lag = len(values) - 1 - made_in
        found = [self._place.get(value) for value in values]
        wanted = [(turn - lag, step, port) for turn in range(len(values))]
        if lag == 0 and step < place and found == wanted:
            return
        if lag != 1 or step < place or found[1:] != wanted[1:] or found[0] is not None:
            raise _Unlike
        carried = Carried(values[0], values[-1], self._made(values[-1]))
        if self._carried.setdefault(carried.made, carried) != carried:
            raise _Unlike

    def _made(self, before: int) -> int:
        """Return the value of the last turn that corresponds to this one of the turn before."""
        turn, place, port = self._place[before]
        return next(v for v, at in self._place.items() if at == (turn + 1, place, port))

    # --- after the loop --------------------------------------------------------------------------
    def _after(
        self, items: Sequence[Rolled], rows: list[list[DraftStep]]
    ) -> tuple[list[Collected], list[Rolled], list[Tree]]:
        """Return what is collected, and the items and outputs after the loop over it."""
        turns = len(rows)
        lists: dict[_Output, Collected] = {}

        def collect(output: _Output) -> Value:
            if output not in lists:
                step, port = output
                value = max(self._types) + 1
                self._types[value] = []
                last = rows[-1][step]
                name = list_name(self._text, last.names[port], last.span)
                lists[output] = Collected(value, last.outputs[port], name)
            return Value(lists[output].value)

        def put(node: Tree) -> Tree | None:
            if isinstance(node, Seq):
                found = list(self._gathered(node.items, turns))
                if len(found) < len(node.items):
                    trees = tuple(
                        collect(item) if isinstance(item, _Output) else rewrite(item, put)
                        for item in found
                    )
                    if len(trees) == 1 and isinstance(found[0], _Output):
                        return trees[0]
                    starred = (
                        Star(tree) if isinstance(item, _Output) else tree
                        for item, tree in zip(found, trees, strict=True)
                    )
                    return Seq(tuple(starred), node.brackets)
            if isinstance(node, Value):
                at = self._place.get(node.index)
                # Behind a loop the variables hold what the last turn made.
                if at is not None and at[0] != turns - 1:
                    raise _Unlike
            return None

        after = [_changed(item, lambda tree: rewrite(tree, put)) for item in items]
        outputs = [rewrite(output, put) for output in self._outputs]
        return list(lists.values()), after, outputs

    def _gathered(self, items: Sequence[Tree], turns: int) -> Iterator[Tree | _Output]:
        """Yield the items of a sequence; those that are one output of all turns, in order, as that
        output."""
        place = 0
        while place < len(items):
            at = [
                self._place.get(item.index) if isinstance(item, Value) else None
                for item in items[place : place + turns]
            ]
            first = at[0]
            if first and at == [(turn, *first[1:]) for turn in range(turns)]:
                yield _Output(*first[1:])
                place += turns
            else:
                yield items[place]
                place += 1

    def _unlike(self, rows: list[list[DraftStep]]) -> Iterator[int]:
        for column in zip(*rows, strict=True):
            for port, value in enumerate(column[-1].outputs):
                types = [self._types[step.outputs[port]] for step in column]
                if any(other != types[0] for other in types):
                    yield value


def _changed(item: Rolled, change: Change) -> Rolled:
    """Return the item with all its trees changed."""
    if isinstance(item, DraftStep):
        return replace(item, tree=change(item.tree))
    if isinstance(item, Loop):
        for carried in item.carried:
            change(Value(carried.start))
        return replace(item, body=[replace(step, tree=change(step.tree)) for step in item.body])
    return Branch(
        item.flag,
        [replace(step, tree=change(step.tree)) for step in item.then],
        [replace(step, tree=change(step.tree)) for step in item.orelse],
        [
            replace(join, then=_value(change(join.then)), orelse=_value(change(join.orelse)))
            for join in item.joins
        ],
    )


def _value(tree: Tree) -> Value:
    assert isinstance(tree, Value)
    return tree


def list_name(text: ast.Block | ast.Network | None, item: str, place: Span) -> str:
    """Return what the text calls the list that it adds an item to at a place: `ys = ys + [y]`."""
    if text is None or not item:
        return ""
    for loop in walk_text(text):
        if not isinstance(loop, ast.For | ast.Repeat) or not holds(loop.body.span, place):
            continue
        for node in walk_text(loop.body):
            match node:
                case ast.Bind(
                    targets=ast.Targets(items=(ast.Target(name=name),)),
                    values=(ast.Binary(op="+", left=ast.Name(name=old), right=added),),
                ) if name == old and any(
                    isinstance(part, ast.Name) and part.name == item for part in walk_text(added)
                ):
                    return name
    return ""
