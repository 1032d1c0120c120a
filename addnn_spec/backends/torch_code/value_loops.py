"""Elements in a row that differ in literals only, as one loop over these.

With equal arguments it is `(… for _ in range(n))`; where one argument goes up by equal steps it
goes over a `range`; else over a tuple.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import groupby, pairwise
from typing import NamedTuple, cast

from addnn_spec.backends.torch_code.tree import (
    Column,
    Each,
    InTurn,
    Leaf,
    Name,
    Origin,
    Star,
    Template,
    TextLoop,
    Tree,
    Turning,
    identity,
    is_literal,
    rewrite,
    split,
    walk,
)
from addnn_spec.backends.torch_code.vectors import Vector, is_constant, is_padding_mode
from addnn_spec.graph import Turn
from addnn_spec.ops.code import Arg, Call, Literal, Seq

LOOP = "@"
"""Marks a loop's variables until the class's parameters are known: see `with_loop_names`."""


COUNTER = LOOP + "0"
"""What counts labels: no variable of the text, which may be called `i` as well."""


_MARKED = re.compile(LOOP + r"\w+")


FEW = 2
"""So many elements with differing arguments, or fewer, are written out."""


class ChildElement(NamedTuple):
    """A child of a Sequential: `times` in a row, named from `name` upwards."""

    name: str
    tree: Tree
    times: int = 1
    loop: Turn | None = None
    """The turn of the outermost loop of the text that it is made in."""


def in_runs(children: Sequence[ChildElement]) -> Iterator[Tree]:
    """Yield the children, those in a row that are alike as a loop."""
    for run in in_a_row(children):
        found = loop_of(run)
        if found is not None:
            yield _star(found)
        elif len(run) > 1 and any(isinstance(n, TextLoop) for n in walk(run[0].tree)):
            yield from _in_runs_of_loops(run)
        else:
            yield from (child.tree for child in run)


def _star(loop: ValueLoop) -> Tree:
    return Star(Each(loop.iterable, loop.element, loop.targets))


def _in_runs_of_loops(children: Sequence[ChildElement]) -> Iterator[Tree]:
    """Yield children that hold loops of the text which differ from child to child.

    If the children are alike once those loops go over their values, they are a loop themselves.
    """
    plain = [child._replace(tree=_over_values(child.tree)) for child in children]
    place = 0
    for run in in_a_row(plain):
        found = loop_of(run)
        if found is not None:
            yield _star(found)
        else:
            yield from (child.tree for child in children[place : place + len(run)])
        place += len(run)


class ValueLoop(NamedTuple):
    """A run as a loop: `element for targets in iterable`."""

    element: Tree
    targets: tuple[str, ...]
    iterable: Tree
    length: int


def in_a_row(children: Sequence[ChildElement]) -> Iterator[list[ChildElement]]:
    """Group children: equal ones in a row, else those in a row that differ in literals only."""
    run: list[ChildElement] = []
    for equal, group in _equal(children):
        if equal:
            yield from _alike(run)
            run = []
            yield group
        else:
            run += group
    yield from _alike(run)


def _equal(children: Sequence[ChildElement]) -> Iterator[tuple[bool, list[ChildElement]]]:
    known: dict[int, tuple[Tree, str]] = {}  # turns of a run share one tree: compared once

    def key(child: ChildElement) -> tuple[Tree, str]:
        if id(child.tree) not in known:
            known[id(child.tree)] = identity(child.tree)
        return known[id(child.tree)]

    for _, found in groupby(children, key=key):
        group = list(found)
        yield len(group) > 1, group


def _alike(children: Sequence[ChildElement]) -> Iterator[list[ChildElement]]:
    for _, found in groupby(children, key=lambda child: split(child.tree, [])):
        group = list(found)
        if len(group) > FEW:
            yield group
        else:
            yield from ([child] for child in group)


def _over_values(tree: Tree) -> Tree:
    """Return the tree with the loops of the text in it over their values: in a loop of numbers."""

    def spread(parts: Iterable[Tree]) -> Iterator[Tree]:
        for part in parts:
            if isinstance(part, TextLoop):
                yield from in_runs(_by_turn(part))
            else:
                yield _over_values(part)

    def change(node: Tree) -> Tree | None:
        match node:
            case Call(fn, args) if any(isinstance(arg.value, TextLoop) for arg in args):
                return Call(fn, tuple(map(Arg, spread(arg.value for arg in args))))
            case Call("nn.ModuleList", (Arg(Seq(items)),)):
                return list_of(spread(items))
        return None

    return rewrite(tree, change)


def _by_turn(loop: TextLoop) -> list[ChildElement]:
    """Return the elements that a loop makes, turn by turn, with the literals of each turn."""

    def of(turn: int, tree: Tree) -> Tree:
        def change(node: Tree) -> Tree | None:
            if isinstance(node, TextLoop):
                return node  # it has its own turns
            if not isinstance(node, Turning):
                return None
            first, turns = cast("Leaf", node.first), cast("Leaf", node.turns)
            values = cast("tuple[Literal, ...]", turns.value)
            return first if turn == 0 else replace(turns, value=values[turn])

        return rewrite(tree, change)

    count = cast("int", cast("Leaf", loop.count).value)
    made = [_over_values(of(turn, element)) for turn in range(count) for element in loop.elements]
    return [ChildElement(str(place), tree) for place, tree in enumerate(made)]


def loop_of(run: Sequence[ChildElement]) -> ValueLoop | None:
    """Return the run as a loop, or None if it is better written out."""
    if len(run) < 2:
        return None
    trees = {id(child.tree): child.tree for child in run}
    made = {key: apart_of(tree) for key, tree in trees.items()}
    # One object is one turn's tree, seen once; of several each turn has its row.
    apart = list(made.values()) if len(made) == 1 else [made[id(child.tree)] for child in run]
    skeleton, rows = apart[0][0], [leaves for _, leaves in apart]
    if any(other != skeleton for other, _ in apart):
        return None
    vectors = [tuple(leaf.value for leaf in column) for column in zip(*rows, strict=True)]
    varying = [place for place, vector in enumerate(vectors) if not is_constant(vector)]
    # An inner loop's own literals are written once for all turns of the outer one.
    if not in_loops(skeleton).isdisjoint(varying):
        return None
    if any(not is_literal(value) for place in varying for value in vectors[place]):
        return None
    # More variables than turns: the elements themselves are shorter.
    if len({vectors[place] for place in varying}) > len(run):
        return None
    if any(is_padding_mode(value) for place in varying for value in vectors[place]):
        return None  # a loop's variable would be any string to a type checker
    names = _targets([rows[0][place].hint for place in varying], [vectors[p] for p in varying])
    shared: dict[int, str] = dict(zip(varying, names, strict=True))

    def put(tree: Tree) -> Tree | None:
        if isinstance(tree, Column):
            return Name(shared[tree.index]) if tree.index in shared else _in_all(rows, tree.index)
        return None

    element = rewrite(skeleton, put)
    if not varying:
        counter = Call("range", (Arg(Leaf(len(run), "depth")),))
        return ValueLoop(element, (f"{LOOP}_",), counter, len(run))
    targets = tuple(dict.fromkeys(names))
    columns = [vectors[varying[names.index(target)]] for target in targets]
    return ValueLoop(element, targets, _iterable(columns), len(run))


def _in_all(rows: Sequence[Sequence[Leaf]], place: int) -> Leaf:
    """Return a leaf that all turns have, with what all of them say of it."""
    first, *others = (row[place] for row in rows)
    if not others:
        return first
    # Turns after the first may read what the one before made: only what all say counts.
    said = set.intersection(*({_in_any_turn(o) for o in leaf.origins} for leaf in others))
    found = tuple(origin for origin in first.origins if _in_any_turn(origin) in said)
    return Leaf(first.value, first.hint, found)


def _in_any_turn(origin: Origin) -> Origin:
    """Return an origin without the turn that it is said in: in all of them the value is one."""
    if isinstance(origin, InTurn):
        return replace(origin, origin=_in_any_turn(origin.origin), number=0)
    return origin


def _targets(hints: list[str], vectors: list[Vector]) -> list[str]:
    """Return a loop variable for each varying column; equal columns share one."""
    names: list[str] = []
    for place, vector in enumerate(vectors):
        twin = next((k for k in range(place) if vectors[k] == vector), None)
        if twin is not None:
            names.append(names[twin])
            continue
        wish, number = f"{LOOP}{hints[place]}", 2
        while wish in names:
            wish, number = f"{LOOP}{hints[place]}_{number}", number + 1
        names.append(wish)
    return names


def _iterable(columns: list[Vector]) -> Tree:
    if len(columns) == 1:
        return progression(columns[0]) or Leaf(columns[0], "turns")
    return Leaf(tuple(zip(*columns, strict=True)), "turns")


def progression(vector: Vector) -> Tree | None:
    """Return `range(start, stop, step)` for integers that go up or down by equal steps, or None."""
    if not all(type(value) is int for value in vector):
        return None
    step = vector[1] - vector[0]
    if step == 0 or any(b - a != step for a, b in pairwise(vector)):
        return None
    start, stop = vector[0], vector[-1] + step
    bounds = [stop] if start == 0 and step == 1 else [start, stop] + ([step] if step != 1 else [])
    return Call("range", tuple(Arg(Leaf(bound, "turns")) for bound in bounds))


def with_loop_names(tree: Tree) -> Tree:
    """Give the tree's loop variables real names, other than the names that they read."""
    loops = [node for node in walk(tree) if isinstance(node, Each)]
    inside = (node for loop in loops for node in walk(loop.element))  # a header is read around it
    read = {node.text.partition(".")[0] for node in inside if isinstance(node, Name)}
    if not loops:
        return tree
    # Inner and outer loops share it: a variable must not hide one of the loop around it.
    renamed: dict[str, str] = {}

    def name(marked: str) -> str:
        if marked not in renamed:
            wish = "i" if marked == COUNTER else marked.removeprefix(LOOP)
            while wish in read or wish in renamed.values():
                wish += "_"
            renamed[marked] = wish
        return renamed[marked]

    def real(text: str) -> str:
        return _MARKED.sub(lambda match: name(match.group()), text)

    def change(node: Tree) -> Tree | None:
        if isinstance(node, Name) and LOOP in node.text:
            return Name(real(node.text))
        if isinstance(node, Template):
            return Template(node.head, real(node.variable))
        if isinstance(node, Each):
            targets = tuple(real(target) for target in node.targets)
            return Each(rewrite(node.iterable, change), rewrite(node.element, change), targets)
        return None

    return rewrite(tree, change)


def apart_of(tree: Tree) -> tuple[Tree, list[Leaf]]:
    leaves: list[Leaf] = []
    return split(tree, leaves), leaves


def in_loops(skeleton: Tree) -> set[int]:
    """Return the columns of the loops within: these have no other turns in each turn around."""
    loops = (node for node in walk(skeleton) if isinstance(node, TextLoop))
    return {node.index for loop in loops for node in walk(loop) if isinstance(node, Column)}


def list_of(modules: Iterable[Tree]) -> Tree:
    """Return the list of these modules, that of what a loop makes without brackets."""
    items = tuple(modules)
    match items:
        case (Star(Each() as each),):
            return Call("nn.ModuleList", (Arg(each),))
    return Call("nn.ModuleList", (Arg(Seq(items, True)),))
