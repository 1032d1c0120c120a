"""Lists of modules that a loop of the text makes: `Residual(2 ** (i % 10)) for i in range(20)`.

The children of a list that come from one `for` of the text differ in what its variables say. Where
the text says each argument over these variables, so does the constructor: every turn is computed,
for every use of the class, and must give what the graph has.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from addnn_spec.backends.torch_code.columns import Columns
from addnn_spec.backends.torch_code.parameters import Leaves
from addnn_spec.backends.torch_code.python import Unreadable
from addnn_spec.backends.torch_code.readings import Text
from addnn_spec.backends.torch_code.translation import python_name
from addnn_spec.backends.torch_code.tree import (
    NONE,
    Column,
    Each,
    InTurn,
    Name,
    Origin,
    Tree,
    rewrite,
    walk,
)
from addnn_spec.backends.torch_code.vectors import is_padding_mode
from addnn_spec.ops.code import Arg, Call
from addnn_spec.source import Span
from addnn_spec.syntax import ast

_THROUGH: Mapping[str, Callable[..., Any]] = {
    "enumerate": enumerate,
    "reversed": reversed,
    "zip": zip,
}
"""What a `for` may go through besides a list, as in Python."""
_UNREAD = "_"


@dataclass(frozen=True, slots=True)
class _Header:
    """What a loop goes through: in Python, and its variables in each turn."""

    loop: Span
    targets: ast.Targets
    iterable: Tree
    turns: Sequence[Mapping[str, Any]]

    def inside(self, origin: Origin) -> Origin:
        """Return an origin as it is said inside the loop, whatever the turn."""
        match origin:
            case InTurn(inner, loop) if loop == self.loop:
                return inner
            case InTurn(inner):
                return replace(origin, origin=self.inside(inner))
        return origin


class Turns:
    """The loops of a class's text that make its lists of modules."""

    def __init__(self, text: Text, columns: Columns) -> None:
        self._text = text
        self._columns = columns

    def module_list(
        self, children: Sequence[Tree], leaves: Sequence[Leaves], at: Span
    ) -> Tree | None:
        """Return the call that makes a list; None if no loop of the text says all its turns.

        `children` are the modules' constructors, `leaves` what their columns stand for; `at` is the
        place in the text that all of them come from.
        """
        skeletons, rows = zip(*(_apart(tree, leaves) for tree in children), strict=True)
        if any(skeleton != skeletons[0] for skeleton in skeletons):
            return None
        loop = next(self._text.loops(at), None)
        header = None if loop is None else self._header(loop)
        if header is None or len(header.turns) != len(children):
            return None
        said = [self._said(turns, header) for turns in zip(*rows, strict=True)]
        if None in said:
            return None
        # Only now: a class has no parameter that an argument would have read of a list not made so.
        taken = [_tree(take()) for take in said if take is not None]
        element = rewrite(skeletons[0], lambda t: taken[t.index] if isinstance(t, Column) else None)
        read = {node.text for node in walk(element) if isinstance(node, Name)}
        over = self._columns.taken(header.iterable, "", frozenset())
        iterable, targets = _without_count(over, _written(header.targets, read))
        return Call("nn.ModuleList", (Arg(Each(iterable, element, targets)),))

    def _said(self, turns: Sequence[Leaves], header: _Header) -> Callable[[], Tree] | None:
        """Return what makes one argument of all turns, as the text says it; None if it does not."""
        first = turns[0]
        variables = frozenset(header.turns[0])
        for origin in map(header.inside, first.origins):
            for tree in self._text.inside(variables).trees(origin):
                pairs = zip(turns, header.turns, strict=True)
                if all(
                    self._columns.scope.gives_in_turn(tree, leaves.vector, turn)
                    for leaves, turn in pairs
                ):
                    return partial(self._columns.taken, tree, first.word, variables)
        # What no text of the loop says may still be the same in all turns: a column like any other.
        if all(leaves.vector == first.vector for leaves in turns):
            return partial(self._columns.resolve, first)
        return None

    # --- headers ---------------------------------------------------------------------------------
    def _header(self, loop: ast.For | ast.Repeat) -> _Header | None:
        try:
            if isinstance(loop, ast.Repeat):
                if loop.index is None:
                    return None
                targets = ast.Targets((loop.index,), loop.index.span)
                iterable, values = self._range(ast.Number(0, "0", loop.span), loop.count)
            else:
                targets = loop.targets
                iterable, values = self._iterable(loop.iterable)
            turns = [dict(_bound(targets, value)) for value in values]
            if any(is_padding_mode(value) for turn in turns for value in turn.values()):
                return None  # a loop's variable would be any string to a type checker
            return _Header(loop.span, targets, iterable, turns)
        except Unreadable:
            return None

    def _range(self, start: ast.Expr, stop: ast.Expr) -> tuple[Tree, Sequence[Any]]:
        (first, a), (last, b) = self._value(start), self._value(stop)
        if type(a) is not int or type(b) is not int:
            raise Unreadable
        bounds = (last,) if a == 0 and type(first) is int else (first, last)
        return Call("range", tuple(map(Arg, bounds))), range(a, b)

    def _iterable(self, expr: ast.Expr | ast.Range) -> tuple[Tree, Sequence[Any]]:
        if isinstance(expr, ast.Range):
            return self._range(expr.start, expr.stop)
        if isinstance(expr, ast.Call) and isinstance(expr.callee, ast.Name):
            through = _THROUGH.get(expr.callee.name)
            if through is not None and expr.args and all(a.name is None for a in expr.args):
                trees, values = zip(*(self._through(a.value) for a in expr.args), strict=True)
                return Call(expr.callee.name, tuple(map(Arg, trees))), list(through(*values))
        tree, value = self._value(expr)
        if not isinstance(value, tuple):
            raise Unreadable
        return tree, value

    def _through(self, expr: ast.Expr) -> tuple[Tree, Any]:
        """Return what `zip` or `enumerate` is given: a list, or the number to begin with."""
        try:
            return self._iterable(expr)
        except Unreadable:
            return self._value(expr)

    def _value(self, expr: ast.Expr) -> tuple[Tree, Any]:
        """Read an expression of a loop's header, and its value: it must be the same in all uses."""
        for tree in self._text.expression(expr):
            values = [
                self._columns.scope.computed(tree, use) for use in range(len(self._columns.uses))
            ]
            if all(value == values[0] for value in values):
                return tree, values[0]
        raise Unreadable


def _apart(tree: Tree, leaves: Sequence[Leaves]) -> tuple[Tree, list[Leaves]]:
    """Return the tree with its columns counted from 0 on, and what these stand for."""
    found: list[Leaves] = []

    def number(node: Tree) -> Tree | None:
        if isinstance(node, Column):
            found.append(leaves[node.index])
            return Column(len(found) - 1)
        return None

    return rewrite(tree, number), found


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


def _written(targets: ast.Targets, read: set[str]) -> tuple[str, ...]:
    """Return the targets of a loop, `_` for what the element does not read."""
    return tuple(
        f"({', '.join(_written(target, read))})"
        if isinstance(target, ast.Targets)
        else python_name(target.name)
        if python_name(target.name) in read
        else _UNREAD
        for target in targets.items
    )


def _without_count(iterable: Tree, targets: tuple[str, ...]) -> tuple[Tree, tuple[str, ...]]:
    """Return the header without `enumerate`, where nobody reads the number."""
    if not isinstance(iterable, Call) or iterable.fn != "enumerate":
        return iterable, targets
    if len(targets) != 2 or targets[0] != _UNREAD:
        return iterable, targets
    inner = targets[1]
    return iterable.args[0].value, (inner[1:-1] if inner.startswith("(") else inner,)


def _tree(value: Tree) -> Tree:
    """Return a tree for `rewrite`, to which None means that nothing is to be replaced."""
    return NONE if value is None else value
