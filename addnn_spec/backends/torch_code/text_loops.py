"""What loops of the text make in a Sequential, or in a list of modules.

If the turns of a loop are the same code, they are one `TextLoop`, which holds the values of its
literals in all turns. How it is written is decided when the class is known in whose text the loop
stands (`turns`).
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import groupby
from typing import NamedTuple, cast

from addnn_spec.backends.torch_code.readings import BlockText
from addnn_spec.backends.torch_code.tree import (
    Column,
    Factory,
    InTurn,
    Leaf,
    Origin,
    TextLoop,
    Tree,
    Turning,
    rewrite,
    same,
)
from addnn_spec.backends.torch_code.value_loops import (
    FEW,
    ChildElement,
    apart_of,
    in_loops,
    in_runs,
)
from addnn_spec.graph import run_name
from addnn_spec.ops.code import Literal
from addnn_spec.source import Span


def loops_unlike(uses: Iterable[Sequence[ChildElement]], text: BlockText | None) -> set[Span]:
    """Return the loops of the text that are written out in all uses of a brace or block.

    Their turns are not the same code in the first use; or it has few of a loop that asks in each
    turn which it is. So a further use leaves the code of those before it as it is.
    """
    found: dict[Span, bool] = {}
    for elements in uses:
        for loop, group in _by_loop(
            [child for element in elements for child in each_turn(element)]
        ):
            if loop is not None and loop not in found and group[0].loop is not None:
                few = group[0].loop.turns <= FEW
                asks = few and text is not None and text.asks_turn(loop)
                found[loop] = asks or text_loop(group) is None
    return {loop for loop, unlike in found.items() if unlike}


def positional(children: Sequence[ChildElement], unlike: Container[Span]) -> Iterator[Tree]:
    """Yield the children of a Sequential: a loop of the text as one, and runs of others."""
    waiting: list[ChildElement] = []
    for loop, group in _by_loop(children):
        made = None if loop is None or loop in unlike else text_loop(group)
        if made is None:
            waiting += group
            continue
        yield from in_runs(waiting)
        waiting = []
        yield made
    yield from in_runs(waiting)


def _by_loop(children: Sequence[ChildElement]) -> Iterator[tuple[Span | None, list[ChildElement]]]:
    for loop, group in groupby(children, key=lambda child: child.loop and child.loop.loop):
        yield loop, list(group)


def each_turn(element: ChildElement) -> Iterator[ChildElement]:
    """Yield a run's elements one by one."""
    if element.times == 1:
        yield element
        return
    head, first = run_name(element.name)
    for number in range(first, first + element.times):
        yield element._replace(name=f"{head}{number}", times=1)


def text_loop(children: Sequence[ChildElement]) -> TextLoop | None:
    """Return what all turns of a loop of the text make; None where these are not the same code."""
    loop = children[0].loop
    assert loop is not None
    size, rest = divmod(len(children), loop.turns)
    if rest or not size:
        return None
    columns = [_Turns.of(children[place::size]) for place in range(size)]
    elements = []
    for turns in columns:
        skeleton = turns.distinct[0].skeleton
        if any(one.skeleton != skeleton for one in turns.distinct):
            return None
        inner = in_loops(skeleton)
        leaves = [
            turns.alike(at, loop.loop) if at in inner else turns.literal(at, loop.loop)
            for at in range(len(turns.distinct[0].leaves))
        ]
        if None in leaves:
            return None
        elements.append(_filled(skeleton, leaves))
    return TextLoop(Leaf(loop.turns, "depth", (loop.loop,)), tuple(elements))


class _Turn(NamedTuple):
    """An element taken apart: equal turns share one, whose number is that of the first of them."""

    number: int
    skeleton: Tree
    leaves: list[Leaf]


class _Turns(NamedTuple):
    """An element of a loop in all its turns, by their places in `distinct`."""

    distinct: list[_Turn]
    places: list[int]

    @classmethod
    def of(cls, children: Sequence[ChildElement]) -> _Turns:
        """Take the elements apart."""
        known: dict[int, int] = {}
        places = [known.setdefault(id(child.tree), len(known)) for child in children]
        firsts = [places.index(place) for place in range(len(known))]
        return cls([_Turn(at, *apart_of(children[at].tree)) for at in firsts], places)

    def literal(self, at: int, loop: Span) -> Tree | None:
        """Return a literal of all turns of a loop; None where these are given other layers.

        Its origins are those that it has in every turn, said in turn 0; and those that it has in
        every turn but the first, where the turn before is -1: what flows from turn to turn.
        """
        first = self.distinct[0].leaves[at]
        if isinstance(first.value, Factory):
            return self.alike(at, loop)
        here = _common(self.distinct, at, loop, 0)
        before = _common([turn for turn in self.distinct if turn.number], at, loop, -1)
        origins = (*here, *(origin for origin in before if origin not in here))
        own = [turn.leaves[at].value for turn in self.distinct]
        values = cast("Literal", tuple(map(own.__getitem__, self.places)))
        return Turning(first, Leaf(values, first.hint, origins, first.size))

    def alike(self, at: int, loop: Span) -> Leaf | None:
        """Return a literal that is the same in all turns of a loop, None where it is not."""
        first = self.distinct[0].leaves[at]
        if not all(same(turn.leaves[at].value, first.value) for turn in self.distinct):
            return None
        return Leaf(first.value, first.hint, _common(self.distinct, at, loop, 0), first.size)


def _filled(skeleton: Tree, leaves: Sequence[Tree]) -> Tree:
    return rewrite(skeleton, lambda t: leaves[t.index] if isinstance(t, Column) else None)


def _common(turns: Sequence[_Turn], at: int, loop: Span, lag: int) -> tuple[Origin, ...]:
    """Return the origins that a leaf has in all these turns, said in the turn or in the one
    before."""

    def said(origin: Origin, turn: int) -> Origin | None:
        if isinstance(origin, InTurn) and origin.loop == loop:
            return replace(origin, number=lag) if origin.number == turn + lag else None
        return origin

    rows = [dict.fromkeys(said(o, turn.number) for o in turn.leaves[at].origins) for turn in turns]
    first = rows[0] if rows else {}
    return tuple(o for o in first if o is not None and all(o in row for row in rows))
