"""What a loop of the text goes through: in Python, and in each use of a class.

`for i, w in enumerate(widths)` is read as `enumerate(widths)`, which gives i and w their values in
every turn. Where a turn reads what the turn before made of w, a loop has both: `for in_features, w
in pairwise((in_features, *widths))`.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from addnn_spec.backends.torch_code.literal_columns import Columns
from addnn_spec.backends.torch_code.parameters import Leaves
from addnn_spec.backends.torch_code.python import Unreadable
from addnn_spec.backends.torch_code.readings import BlockText
from addnn_spec.backends.torch_code.translation import python_name
from addnn_spec.backends.torch_code.tree import (
    Factory,
    InTurn,
    Name,
    Origin,
    Star,
    Tree,
    is_literal,
    same,
    walk,
)
from addnn_spec.backends.torch_code.vectors import ABSENT, is_padding_mode
from addnn_spec.ops.code import Arg, Call, Seq
from addnn_spec.source import Span
from addnn_spec.syntax import ast

_THROUGH: Mapping[str, Callable[..., Any]] = {
    "enumerate": enumerate,
    "reversed": reversed,
    "zip": zip,
}
"""What a `for` may go through besides a list, as in Python."""
_UNREAD = "_"
_STRICT = Arg(True, "strict")
"""The language's `zip` wants lists of one length."""
_TRIED = range(8)
"""Turns of a `repeat` for which an expression is computed, to see if it is the same in all."""


@dataclass(frozen=True, slots=True)
class Header:
    """What a loop goes through, in Python, and its variables in each turn of each use."""

    loop: Span
    targets: ast.Targets | None
    """None where the loop only counts."""
    iterable: Tree
    repeats: bool
    """Whether it is a `repeat`."""
    turns: Sequence[Sequence[Mapping[str, Any]]]

    @property
    def variables(self) -> frozenset[str]:
        """The names that it gives."""
        return frozenset(() if self.targets is None else _names(self.targets))

    @property
    def known(self) -> bool:
        """Whether it goes through literals only: the class has no name for what it reads."""
        return not any(isinstance(node, Name) for node in walk(self.iterable))

    def inside(self, origin: Origin, lag: int) -> Origin | None:
        """Return an origin as seen from inside a turn, said in that turn or `lag` turns before.

        None for what is said in another turn.
        """
        match origin:
            case InTurn(inner, loop, number) if loop == self.loop:
                # `text_loops` marks what is said in each turn by 0, and what is said in the turn
                # before by -1.
                return inner if number == -lag else None
            case InTurn(inner):
                inside = self.inside(inner, lag)
                return None if inside is None else replace(origin, origin=inside)
        return origin


class Headers:
    """Reads the loops of a class's text."""

    def __init__(self, text: BlockText, columns: Columns) -> None:
        self._text = text
        self._columns = columns
        self._around: InTurn | None = None

    def at(self, count: Leaves) -> Header | None:
        """Return the header of the loop that makes so many turns, where this text has it."""
        for origin in count.origins:
            place = _innermost(origin)
            loop = None if place is None else self._text.loop(place)
            found = None if loop is None else self.read(loop, count.vector, origin)
            if found is not None:
                return found
        return None

    def read(
        self, loop: ast.For | ast.Repeat, counts: Sequence[Any], origin: Origin | None = None
    ) -> Header | None:
        """Return the header of a loop that makes so many turns in each use; some may lack it.

        `origin` tells the turn of a loop around it that it stands in.
        """
        self._around = origin if isinstance(origin, InTurn) else None
        there = [count is not ABSENT for count in counts]
        try:
            if isinstance(loop, ast.Repeat):
                index = loop.index
                targets = None if index is None else ast.Targets((index,), index.span)
                iterable, values = self._range(ast.Number(0, "0", loop.span), loop.count, there)
            else:
                targets = loop.targets
                iterable, values = self._iterable(loop.iterable, there)
            turns: list[list[Mapping[str, Any]]] = [
                [dict(_bound(targets, value)) for value in found] if targets else [{}] * len(found)
                for found in values
            ]
        except Unreadable:
            return None
        if any(is_padding_mode(v) for use in turns for turn in use for v in turn.values()):
            return None  # a loop's variable would be any string to a type checker
        made = [len(found) for found in turns]
        # Another number of turns means that this is not the loop that made them.
        alike = all(n is ABSENT or n == own for n, own in zip(counts, made, strict=True))
        return (
            Header(loop.span, targets, iterable, isinstance(loop, ast.Repeat), turns)
            if alike
            else None
        )

    def _range(
        self, start: ast.Expr, stop: ast.Expr, there: Sequence[bool]
    ) -> tuple[Tree, list[Any]]:
        (first, a), (last, b) = self._value(start, there), self._value(stop, there)
        bounds = (last,) if first == 0 and type(first) is int else (first, last)
        values: list[Any] = []
        for one, other, has in zip(a, b, there, strict=True):
            if has and not type(one) is type(other) is int:
                raise Unreadable
            values.append(range(one, other) if has else ())
        return Call("range", tuple(map(Arg, bounds))), values

    def _iterable(self, expr: ast.Expr, there: Sequence[bool]) -> tuple[Tree, list[Any]]:
        """Return what a loop goes through in Python, and in each use."""
        if isinstance(expr, ast.Range):
            return self._range(expr.start, expr.stop, there)
        if isinstance(expr, ast.Call) and isinstance(expr.callee, ast.Name):
            name, given = expr.callee.name, [arg.value for arg in expr.args or ()]
            if name == "range" and len(given) in (1, 2):
                start = given[0] if len(given) > 1 else ast.Number(0, "0", expr.span)
                return self._range(start, given[-1], there)
            through = _THROUGH.get(name)
            if through is not None and given and all(a.name is None for a in expr.args or ()):
                trees, rows = zip(*(self._side(arg, there) for arg in given), strict=True)
                values = [
                    list(through(*(row[use] for row in rows))) if has else ()
                    for use, has in enumerate(there)
                ]
                if name == "reversed" and isinstance(trees[0], tuple):
                    return trees[0][::-1], values
                strict = (_STRICT,) if name == "zip" else ()
                return Call(name, (*map(Arg, trees), *strict)), values
        tree, values = self._value(expr, there)
        if not all(isinstance(value, tuple) for value in values):
            raise Unreadable
        return tree, values

    def _side(self, expr: ast.Expr, there: Sequence[bool]) -> tuple[Tree, list[Any]]:
        """Return what `zip` or `enumerate` is given: a list, or the number to begin with."""
        try:
            return self._iterable(expr, there)
        except Unreadable:
            return self._value(expr, there)

    def _value(self, expr: ast.Expr, there: Sequence[bool]) -> tuple[Tree, list[Any]]:
        """Read an expression of a header, and its value in each use that has the loop."""
        for tree in self._sayings(expr):
            computed = self._columns.scope.computed
            return tree, [computed(tree, use) if has else () for use, has in enumerate(there)]
        raise Unreadable

    def _sayings(self, expr: ast.Expr) -> Iterator[Tree]:
        """Yield an expression as Python, also in the turn of a loop around."""
        if self._around is None or isinstance(expr, ast.Number):
            return self._text.expression(expr)
        return self._text.trees(_at(self._around, expr.span))

    # --- what the text says in a loop ------------------------------------------------------------
    def taken(self, tree: Tree, word: str, header: Header) -> Tree:
        """Return an expression in a loop over parameters; those that it reads are the class's from
        now on."""
        return self._columns.taken(tree, word, header.variables)

    def is_scheduled(self, tree: Tree) -> bool:
        """Return True for an item of a list that the text computes in a `let`."""
        return self._columns.is_scheduled(tree)

    def over(self, iterable: Tree) -> Tree:
        """Return what a loop goes through over parameters; those that it reads are the class's from
        now on."""
        return self._columns.taken(iterable, "", frozenset())

    def said(self, turns: Leaves, header: Header) -> Tree | None:
        """Return the text's expression for a column that gives its value in every turn; None if
        there is none."""
        return self._found(turns, header, 0)

    def flowing(self, turns: Leaves, header: Header) -> Tree | None:
        """Return the text's expression for a column that gives, in each turn, its value in the
        next."""
        return self._found(turns, header, 1)

    def settles(self, tree: Tree, header: Header, first: int) -> bool:
        """Return True if what the text says is the same in all turns of a `repeat` from one on."""
        try:
            for use, turns in enumerate(header.turns):
                variables = [dict.fromkeys(header.variables, turn) for turn in _TRIED]
                computed = [
                    self._columns.scope.computed(tree, use, turn)
                    for turn in variables[first:]
                    if turns
                ]
                if not all(same(value, computed[0]) for value in computed):
                    return False
        except Unreadable:
            return False
        return True

    def _found(self, leaves: Leaves, header: Header, lag: int) -> Tree | None:
        """Return the text's expression that gives the values of all turns, each `lag` turns
        before."""
        text = self._text.inside(header.variables)
        said = {origin: header.inside(origin, lag) for origin in leaves.origins}
        # What is said in this loop is likelier than what is as large elsewhere.
        for _, inside in sorted(said.items(), key=lambda pair: pair[0] == pair[1]):
            for tree in () if inside is None else text.trees(inside):
                if self._gives(tree, leaves, header, lag):
                    return tree
        return None

    def _gives(self, tree: Tree, leaves: Leaves, header: Header, lag: int) -> bool:
        gives = self._columns.scope.gives_in_turn
        try:
            return all(
                value is ABSENT or gives(tree, use, turn, value)
                for use, values in enumerate(leaves.vector)
                if values is not ABSENT
                # A value of turn t + lag is to be what the text says over the variables of turn t.
                for value, turn in _distinct(values[lag:], header.turns[use])
            )
        except Unreadable:
            return False


def _distinct(
    values: Sequence[Any], turns: Sequence[Mapping[str, Any]]
) -> Iterable[tuple[Any, Mapping[str, Any]]]:
    """Return pairs of a turn's value and variables, once for equal turns."""
    pairs = zip(values, turns, strict=False)  # what the last turn makes may be nobody's
    # Equal turns share their objects, so `id` is enough to compute the text once for all of them.
    return {(id(value), id(turn)): (value, turn) for value, turn in pairs}.values()


def _innermost(origin: Origin) -> Span | None:
    """Return the place of the text that is said in turns of loops around it."""
    while isinstance(origin, InTurn):
        origin = origin.origin
    return origin if isinstance(origin, Span) else None


def _at(around: InTurn, place: Span) -> InTurn:
    """Return another place of the text, in the same turns."""
    inner = around.origin
    return replace(around, origin=_at(inner, place) if isinstance(inner, InTurn) else place)


# --- variables ------------------------------------------------------------------------------------
def _names(targets: ast.Targets) -> Iterator[str]:
    for target in targets.items:
        if isinstance(target, ast.Targets):
            yield from _names(target)
        elif target.name != _UNREAD:
            yield python_name(target.name)


def _bound(targets: ast.Targets, value: Any) -> Iterator[tuple[str, Any]]:
    """Yield the variables of a loop in one turn."""
    items = targets.items
    values = (value,) if len(items) == 1 else value
    if not isinstance(values, tuple) or len(values) != len(items):
        raise Unreadable
    for target, one in zip(items, values, strict=True):
        if isinstance(target, ast.Targets):
            yield from _bound(target, one)
        elif target.name != _UNREAD:
            yield python_name(target.name), one


def through(
    iterable: Tree, targets: ast.Targets, read: Container[str]
) -> tuple[Tree, tuple[str, ...]]:
    """Return what a loop goes through and its targets, without what is not read."""
    iterable, targets = narrowed(iterable, targets, read)
    return iterable, _written(targets, read)


def narrowed(
    iterable: Tree, targets: ast.Targets, read: Container[str]
) -> tuple[Tree, ast.Targets]:
    """Return a loop without the sides of `zip` and the numbers that nobody reads."""

    def is_read(target: ast.Target | ast.Targets) -> bool:
        return any(name in read for name in _names(_several(target)))

    match iterable:
        case Call("enumerate", args) if len(targets.items) == 2:
            number, item = targets.items
            if not is_read(number):
                return narrowed(args[0].value, _several(item), read)
        case Call("zip", args) if len(targets.items) == len(args) - 1:
            pairs = zip(targets.items, args[:-1], strict=True)
            kept = [(target, arg) for target, arg in pairs if is_read(target)]
            if len(kept) == 1:
                ((target, arg),) = kept
                return narrowed(arg.value, _several(target), read)
            if kept:
                items = tuple(target for target, _ in kept)
                sides = (*(arg for _, arg in kept), _STRICT)
                return Call("zip", sides), ast.Targets(items, targets.span)
    return iterable, targets


def _several(target: ast.Target | ast.Targets) -> ast.Targets:
    return target if isinstance(target, ast.Targets) else ast.Targets((target,), target.span)


def _written(targets: ast.Targets, read: Container[str]) -> tuple[str, ...]:
    return tuple(_target(target, read) for target in targets.items)


def _target(target: ast.Target | ast.Targets, read: Container[str]) -> str:
    if isinstance(target, ast.Targets):
        return f"({', '.join(_written(target, read))})"
    name = python_name(target.name)
    return name if name in read else _UNREAD


# --- what flows from turn to turn -----------------------------------------------------------------
def paired(
    iterable: Tree, targets: ast.Targets, flow: tuple[str, Tree, Tree], read: Container[str]
) -> tuple[Tree, tuple[str, ...]] | None:
    """Return a loop that has, beside a variable, the value of it in the turn before.

    `flow` is what flows: a name for it, the first one, and what each turn makes of it. None if that
    is no variable which takes the items of a list.
    """
    name, first, made = flow
    if len(targets.items) == 1:
        (target,) = targets.items
        # `pairwise` gives items of the list: what flows has to be an item, not made of one.
        if not isinstance(target, ast.Target) or Name(python_name(target.name)) != made:
            return None
        pairs = Call("pairwise", (Arg(_after(first, iterable)),))
        return pairs, (name, _target(target, read))
    for place, side in _sides(iterable, len(targets.items)).items():
        found = paired(side.value, _several(targets.items[place]), flow, read)
        if found is not None:
            assert isinstance(iterable, Call)
            args = tuple(Arg(found[0]) if arg is side else arg for arg in iterable.args)
            names = list(_written(targets, read))
            names[place] = f"({', '.join(found[1])})"
            return Call(iterable.fn, args), tuple(names)
    return None


def _sides(iterable: Tree, targets: int) -> dict[int, Arg]:
    """Return by place what each target goes through; a counter goes through nothing."""
    match iterable:
        case Call("zip", args) if len(args) == targets + 1:
            return dict(enumerate(args[:-1]))
        case Call("enumerate", args) if targets == 2:
            return {1: args[0]}
    return {}


def _after(first: Tree, rest: Tree) -> Tree:
    """Return a list of one and others."""
    if is_literal(first) and not isinstance(first, Factory) and isinstance(rest, tuple):
        return (first, *rest)
    items: tuple[Tree, ...] = (Star(rest),)
    if isinstance(rest, tuple | Seq):
        items = rest if isinstance(rest, tuple) else rest.items
    return Seq((first, *items))
