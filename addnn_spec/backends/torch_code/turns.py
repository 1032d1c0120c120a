"""Modules that a loop of the text makes: `Residual(2 ** (i % 10)) for i in range(20)`.

The modules that come from one loop of the text, in a list or a Sequential, differ in what its
variables say. Where the text says each argument over these variables, so does the constructor:
every turn is computed, for every use of the class, and must give what the graph has. A size that
flows from turn to turn is what the text says in the turn before. What the text does not say so
goes over the values themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from addnn_spec.backends.torch_code.forward_loops import Unrolled
from addnn_spec.backends.torch_code.literal_columns import Columns
from addnn_spec.backends.torch_code.loop_headers import Header, Headers, narrowed, paired, through
from addnn_spec.backends.torch_code.parameters import CALLED, Leaves
from addnn_spec.backends.torch_code.readings import BlockText
from addnn_spec.backends.torch_code.tree import (
    NONE,
    Change,
    Column,
    Combined,
    Each,
    Factory,
    InTurn,
    Leaf,
    Name,
    Star,
    TextLoop,
    Tree,
    Turning,
    rewrite,
    same,
    walk,
)
from addnn_spec.backends.torch_code.unrolled import in_turn
from addnn_spec.backends.torch_code.value_loops import FEW, LOOP, ChildElement, in_runs
from addnn_spec.backends.torch_code.vectors import ABSENT, is_constant, some
from addnn_spec.ops.code import Arg, Call, Literal, Seq
from addnn_spec.source import Span

Resolve = Callable[[Leaves], Tree]
"""Makes a column an expression over the class's parameters."""


class Turns:
    """The loops of a class's text that make its modules."""

    def __init__(self, text: BlockText | None, columns: Columns) -> None:
        self._text = text
        self._columns = columns
        self._headers = None if text is None else Headers(text, columns)

    def module_list(
        self, children: Sequence[Tree], leaves: Sequence[Leaves], at: Span
    ) -> Tree | None:
        """Return the call that makes a list; None if no loop of the text says all its turns.

        `children` are the modules' constructors, `leaves` what their columns stand for; at `at` is
        the place in the text that all of them come from.
        """
        skeletons, rows = zip(*(_apart(tree, leaves) for tree in children), strict=True)
        if any(skeleton != skeletons[0] for skeleton in skeletons):
            return None
        loop = None if self._text is None else next(self._text.loops(at), None)
        if loop is None or self._headers is None:
            return None
        header = self._headers.read(loop, [len(children)] * len(self._columns.uses))
        if header is None or header.targets is None:
            return None
        columns = [_in_turns(turns) for turns in zip(*rows, strict=True)]
        said = [self._headers.said(column, header) for column in columns]
        if any(s is None and not _is_steady(c) for s, c in zip(said, columns, strict=True)):
            return None
        # Only now: a class has no parameter that an argument would have read of a list not made so.
        taken = [
            self._columns.resolve(_of_a_turn(column))
            if tree is None
            else self._headers.taken(tree, column.word, header)
            for tree, column in zip(said, columns, strict=True)
        ]
        element = _with_columns(skeletons[0], taken)
        over, targets = through(header.iterable, header.targets, _read((element,)))
        return Call("nn.ModuleList", (Arg(Each(self._headers.over(over), element, targets)),))

    def elements(
        self,
        loop: TextLoop,
        columns: Sequence[Leaves],
        resolve: Resolve,
        put: Change,
        *,
        said: bool,
    ) -> list[Tree]:
        """Return what a loop of the text makes in a Sequential, or in a list.

        `resolve` makes columns expressions, `put` all that is the same in every turn. Raises
        `Unrolled` if what must be `said` by the text is not.
        """
        return _Elements(loop, columns, resolve, put, self._headers).made(said=said)


class _Place(NamedTuple):
    """A literal of a loop: in the first turn, and its values in all turns."""

    first: Leaves
    turns: Leaves


class _Elements:
    """The elements that one loop of the text makes in a Sequential."""

    def __init__(
        self,
        loop: TextLoop,
        columns: Sequence[Leaves],
        resolve: Resolve,
        put: Change,
        headers: Headers | None,
    ) -> None:
        assert isinstance(loop.count, Column)
        self._loop = loop
        self._count = columns[loop.count.index]
        self._resolve = resolve
        self._put = put
        self._headers = headers
        self._moving: dict[int, _Place] = {}
        """What differs between the turns of a use, by its column."""
        self._steady: dict[int, Leaves] = {}
        for first, turns in _turning(loop):
            if _is_steady(columns[turns]):
                self._steady[turns] = _of_a_turn(columns[turns])
            else:
                self._moving[turns] = _Place(columns[first], columns[turns])

    def made(self, *, said: bool) -> list[Tree]:
        """Return the elements: loops, or turns that are written out."""
        if not self._moving:
            return self._alike(self._resolve(self._count), self._turn({}))
        header = None if self._headers is None else self._headers.at(self._count)
        found = None
        if self._headers is not None and header is not None:
            found = self._through(self._headers, header)
        if said and not found:
            raise Unrolled
        return found or self._over_values(header)

    def _turn(self, trees: Mapping[int, Tree]) -> tuple[Tree, ...]:
        """Return the elements of a turn, with these trees for what differs."""

        def turning(node: Tree) -> Tree | None:
            if isinstance(node, Turning) and isinstance(node.turns, Column):
                at = node.turns.index
                return _tree(trees[at] if at in trees else self._resolve(self._steady[at]))
            return node if isinstance(node, TextLoop) else None

        elements = self._loop.elements
        return tuple(rewrite(rewrite(element, turning), self._put) for element in elements)

    def _alike(self, count: Tree, elements: tuple[Tree, ...]) -> list[Tree]:
        """Return so many turns that are alike."""
        if count == 1:
            return [*elements]
        # A loop within a loop is longer than two turns of a few elements.
        if count == FEW and len(elements) > 1:
            return [*elements, *elements]
        return [_star(Call("range", (Arg(count),)), (f"{LOOP}_",), elements)]

    # --- over what the text goes through ---------------------------------------------------------
    def _through(self, headers: Headers, header: Header) -> list[Tree] | None:
        """Return the text's own loop; None if it does not say what differs between the turns."""
        said: dict[int, Tree] = {}
        flows: dict[int, Tree] = {}
        for at, place in self._moving.items():
            own = headers.said(place.turns, header)
            flow = headers.flowing(place.turns, header) if own is None else None
            if own is not None:
                said[at] = own
            elif flow is not None:
                flows[at] = flow
            else:
                return None
        if (
            header.repeats
            and all(headers.settles(tree, header, 1) for tree in said.values())
            and all(headers.settles(tree, header, 0) for tree in flows.values())
        ):
            return self._first_and_others(headers, header, said | flows)
        if header.targets is None or (header.known and self._are_few()):
            return None
        if flows:
            return self._flowing(headers, header, said, flows)
        elements = self._turn(self._taken(headers, header, said))
        over, targets = through(header.iterable, header.targets, _read(elements))
        return [_star(headers.over(over), targets, elements)]

    def _taken(
        self, headers: Headers, header: Header, trees: Mapping[int, Tree]
    ) -> dict[int, Tree]:
        return {
            at: headers.taken(tree, self._moving[at].turns.word, header)
            for at, tree in trees.items()
        }

    def _are_few(self) -> bool:
        return all(turns is ABSENT or turns <= FEW for turns in self._count.vector)

    def _is_known(self) -> bool:
        """Return True if what differs between the turns is the same in all uses."""
        return all(is_constant(place.turns.vector) for place in self._moving.values())

    def _first_and_others(
        self, headers: Headers, header: Header, trees: Mapping[int, Tree]
    ) -> list[Tree]:
        """Return the first turn of a `repeat`, and the others, which are alike."""
        count = self._count
        others = self._resolve(
            count._replace(
                vector=tuple(n if n is ABSENT else n - 1 for n in count.vector),
                origins=tuple(Combined("-", ((origin,), 1)) for origin in count.origins),
            )
        )
        first = self._turn({at: self._resolve(self._moving[at].first) for at in trees})
        # From the second turn on the text says the same in all: the second one stands for them.
        second = dict.fromkeys(header.variables, 1)
        later = {
            at: tree if header.variables.isdisjoint(_read((tree,))) else in_turn(tree, second)
            for at, tree in trees.items()
        }
        return [*first, *self._alike(others, self._turn(self._taken(headers, header, later)))]

    def _flowing(
        self,
        headers: Headers,
        header: Header,
        said: Mapping[int, Tree],
        flows: Mapping[int, Tree],
    ) -> list[Tree] | None:
        """Return a loop whose turns read what the turn before has made."""
        assert header.targets is not None
        (at, made), *others = flows.items()
        first, turns = self._moving[at]
        # There is one variable for what flows: all that does has to be the same.
        if any((self._moving[a].first.vector, t) != (first.vector, made) for a, t in others):
            return None
        name = f"{LOOP}{turns.word.removeprefix(CALLED)}"
        flowing = dict.fromkeys(flows, Name(name))
        read = _read(self._turn({**said, **flowing}))
        over, targets = narrowed(header.iterable, header.targets, read | _read((made,)))
        if paired(over, targets, (name, None, made), read) is None and self._is_known():
            return None  # rows of numbers are shorter
        elements = self._turn(self._taken(headers, header, said) | flowing)
        read = _read(elements)
        over, targets = narrowed(header.iterable, header.targets, read | _read((made,)))
        over, start = headers.over(over), self._resolve(first)
        pairs = paired(over, targets, (name, start, made), read)
        if pairs is not None:
            return [_star(*pairs, elements)]
        made = headers.taken(made, turns.word, header)
        before, inner = through(over, targets, _read((made,)))
        flow = Seq((start, Star(Each(before, made, inner))))
        over, names = through(over, targets, read)
        # What flows has one item more, which the last turn makes and none reads.
        sides = Call("zip", (Arg(flow), Arg(over), Arg(False, "strict")))
        return [
            _star(sides, (name, names[0] if len(names) == 1 else f"({', '.join(names)})"), elements)
        ]

    # --- over values -----------------------------------------------------------------------------
    def _over_values(self, header: Header | None) -> list[Tree]:
        """Return the turns over their own values, which the text does not say."""
        if self._is_known():
            return list(self._written_out(self._scheduled(header)))
        moving = self._moving.items()
        names = {at: f"{LOOP}{place.turns.hint}" for at, place in moving}
        rows = tuple(
            count if count is ABSENT else _rows([place.turns.vector[use] for _, place in moving])
            for use, count in enumerate(self._count.vector)
        )
        over = self._resolve(Leaves(rows, "turns"))
        elements = self._turn({at: Name(name) for at, name in names.items()})
        return [_star(over, tuple(names.values()), elements)]

    def _scheduled(self, header: Header | None) -> Mapping[int, Sequence[Tree]]:
        """Return what is an item of a list that the text computes, in each turn: `rates[3]`."""
        found: dict[int, Sequence[Tree]] = {}
        if self._headers is None or header is None:
            return found
        turns = next((turns for turns in header.turns if turns), ())
        for at, place in self._moving.items():
            tree = self._headers.said(place.turns, header)
            if tree is not None and self._headers.is_scheduled(tree):
                found[at] = [
                    self._headers.taken(in_turn(tree, turn), place.turns.word, header)
                    for turn in turns
                ]
        return found

    def _written_out(self, scheduled: Mapping[int, Sequence[Tree]]) -> Iterator[Tree]:
        """Yield the turns with numbers, those in a row that are alike as a loop."""
        values = {at: some(place.turns.vector) for at, place in self._moving.items()}
        names = {at: place.turns.word.removeprefix(CALLED) for at, place in self._moving.items()}
        children: list[Tree] = []
        for turn, row in enumerate(zip(*map(_items, values.values()), strict=True)):
            trees: dict[int, Tree] = {
                at: Leaf(v, names[at]) for at, v in zip(values, row, strict=True)
            }
            children += self._turn(trees | {at: said[turn] for at, said in scheduled.items()})
        for tree in in_runs([ChildElement(str(at), tree) for at, tree in enumerate(children)]):
            yield rewrite(tree, lambda t: _tree(t.value) if isinstance(t, Leaf) else None)


def _rows(columns: Sequence[Any]) -> tuple[Any, ...]:
    """Return what a loop goes through in one use: values, or rows of several."""
    return tuple(columns[0]) if len(columns) == 1 else tuple(zip(*columns, strict=True))


def _items(values: Literal | Factory) -> tuple[Literal, ...]:
    assert isinstance(values, tuple)
    return values


def _turning(loop: TextLoop) -> list[tuple[int, int]]:
    """Return the columns of a loop: of the first turn, and of all; not those of loops within."""
    found: list[tuple[int, int]] = []

    def note(node: Tree) -> Tree | None:
        if isinstance(node, Turning):
            assert isinstance(node.first, Column) and isinstance(node.turns, Column)
            found.append((node.first.index, node.turns.index))
        return node if isinstance(node, Turning | TextLoop) else None

    for element in loop.elements:
        rewrite(element, note)
    return found


def _star(over: Tree, targets: tuple[str, ...], elements: tuple[Tree, ...]) -> Tree:
    """Return `*(element for … in …)`; several elements of a turn are gone through in it."""
    if len(elements) == 1:
        return Star(Each(over, elements[0], targets))
    layer = f"{LOOP}layer"
    return Star(Each(over, Each(Seq(elements), Name(layer), (layer,)), targets))


def _read(elements: Sequence[Tree]) -> set[str]:
    """Return the names that modules read."""
    return {n.text for element in elements for n in walk(element) if isinstance(n, Name)}


def _is_steady(turns: Leaves) -> bool:
    """Return True if a literal is the same in all turns of each use."""
    there = [values for values in turns.vector if values is not ABSENT]
    return all(same(value, values[0]) for values in there for value in _distinct(values))


def _distinct(values: Sequence[Any]) -> Iterable[Any]:
    """Return the values, those that many turns share once."""
    return {id(value): value for value in values}.values()


def _of_a_turn(turns: Leaves) -> Leaves:
    """Return a literal that is the same in all turns as a literal of one turn."""
    return turns._replace(
        vector=tuple(v if v is ABSENT else v[0] for v in turns.vector),
        origins=tuple(o for o in turns.origins if not (isinstance(o, InTurn) and o.number < 0)),
    )


def _in_turns(turns: Sequence[Leaves]) -> Leaves:
    """Return the leaves of all turns as one column, whose values are those of the turns."""
    return turns[0]._replace(vector=tuple(zip(*(t.vector for t in turns), strict=True)))


def _with_columns(skeleton: Tree, taken: Sequence[Tree]) -> Tree:
    return rewrite(skeleton, lambda t: _tree(taken[t.index]) if isinstance(t, Column) else None)


def _apart(tree: Tree, leaves: Sequence[Leaves]) -> tuple[Tree, list[Leaves]]:
    """Return the tree with its columns counted from 0 on, and what these stand for."""
    found: list[Leaves] = []

    def number(node: Tree) -> Tree | None:
        if isinstance(node, Column):
            found.append(leaves[node.index])
            return Column(len(found) - 1)
        return None

    return rewrite(tree, number), found


def _tree(value: Tree) -> Tree:
    """Return a tree for `rewrite`, to which None means that nothing is to be replaced."""
    return NONE if value is None else value
