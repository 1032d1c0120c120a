"""What the variables of a loop stand for in one of its turns: `widths[2]` for `width`.

Turns that are written out have the text of the loop, where a variable is an item of what the loop
goes through. What can be computed then is: `2 * 2 ** 1` is 4, and of `active or 1 > 0` nothing is
left.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from addnn_spec.backends.torch_code.python import Unreadable, value_of
from addnn_spec.backends.torch_code.tree import (
    NONE,
    Choice,
    Listing,
    Name,
    Tree,
    Variable,
    is_literal,
    rewrite,
)
from addnn_spec.ops.code import Arg, Call, Infix, Item, Prefix, Seq, Slice
from addnn_spec.syntax import ast

Translate = Callable[[ast.Expr], Tree]
"""Writes an expression of the loop's header as Python; raises `Unreadable`."""


def turn_variables(
    loop: ast.For | ast.Repeat | ast.Clause, number: int, translate: Translate
) -> Iterator[tuple[str, Tree]]:
    """Yield the variables of a loop with what they are in its `number`-th turn.

    From 0, or from -1, which is the last one. What cannot be said is left out.
    """
    if not isinstance(loop, ast.Repeat):
        yield from _variables(loop.targets, loop.iterable, number, translate)
    elif loop.index is not None:
        turns = ast.Range(ast.Number(0, "0", loop.span), loop.count, loop.span)
        yield from _variables(loop.index, turns, number, translate)


def _variables(
    target: ast.Target | ast.Targets, iterable: ast.Expr, number: int, translate: Translate
) -> Iterator[tuple[str, Tree]]:
    """Yield the names of a loop's target, each with its part of the item of that turn."""
    if isinstance(target, ast.Targets) and len(target.items) == 1:
        (target,) = target.items
    sides = _sides(iterable)
    if isinstance(target, ast.Targets) and len(target.items) == len(sides):
        for name, side in zip(target.items, sides, strict=True):
            yield from _variables(name, side, number, translate)
        return
    try:
        yield from _bound(target, _item(iterable, number, translate))
    except Unreadable:
        return


def _item(iterable: ast.Expr, number: int, translate: Translate) -> Tree:
    """Return the item that a loop goes through in a turn."""
    sides = _sides(iterable)
    if sides:
        return Seq(tuple(_item(side, number, translate) for side in sides))
    if isinstance(iterable, ast.Paren):
        return _item(iterable.inner, number, translate)
    if isinstance(iterable, ast.Range):
        # Counted from the end, the turn is `n - 1`; from the start, `first + 1`.
        end, step = (iterable.stop, "-") if number < 0 else (iterable.start, "+")
        return simplified(Infix(step, translate(end), abs(number)))
    name, given = _called(iterable)
    # Turn 0 has the last item, -1; turn -1 has item 0.
    if name == "reversed" and given:
        return _item(given[0], -1 - number, translate)
    if name == "range" and len(given) in (1, 2):
        start = given[0] if len(given) > 1 else ast.Number(0, "0", iterable.span)
        return _item(ast.Range(start, given[-1], iterable.span), number, translate)
    return simplified(Item(translate(iterable), (number,)))


def _sides(iterable: ast.Expr) -> tuple[ast.Expr, ...]:
    """Return what `zip` or `enumerate` goes through side by side."""
    name, given = _called(iterable)
    if name != "enumerate" or not given:
        return given if name == "zip" else ()
    at = iterable.span
    # As if the text had said `zip(0..len(xs), xs)`: the turn's number is then read off a range, and
    # can be counted from the end, too.
    length = ast.Call(ast.Name("len", at), (ast.Argument(None, given[0], at),), None, at)
    if len(given) == 1:
        return (ast.Range(ast.Number(0, "0", at), length, at), given[0])
    return (ast.Range(given[1], ast.Binary("+", given[1], length, at, at), at), given[0])


def _called(expr: ast.Expr) -> tuple[str, tuple[ast.Expr, ...]]:
    """Return the function that an expression calls, and what it is given without a name."""
    if isinstance(expr, ast.Call) and isinstance(expr.callee, ast.Name):
        return expr.callee.name, tuple(arg.value for arg in expr.args or () if arg.name is None)
    return "", ()


def _bound(target: ast.Target | ast.Targets, value: Tree) -> Iterator[tuple[str, Tree]]:
    """Yield the names of a target, each with its part of a value that is unpacked to it."""
    if isinstance(target, ast.Target):
        yield target.name, value
    elif len(target.items) == 1:
        yield from _bound(target.items[0], value)
    else:
        for place, one in enumerate(target.items):
            yield from _bound(one, simplified(Item(value, (place,))))


def in_turn(tree: Tree, variables: Mapping[str, Tree]) -> Tree:
    """Return a tree of a loop's body as it is in a turn with these variables."""

    def put(node: Tree) -> Tree | None:
        if isinstance(node, Name) and node.text in variables:
            return _value(variables[node.text])
        return None

    return simplified(rewrite(tree, put))


def _value(tree: Tree) -> Tree:
    """Return a tree for `rewrite`, to which None means that nothing is to be replaced."""
    return NONE if tree is None else tree


def simplified(tree: Tree) -> Tree:
    """Return the tree with what is known computed: numbers, items of lists, decided conditions."""
    parts = _PARTS.get(type(tree))
    if parts is None:
        return tree
    tree, known = parts(tree)
    if known:
        return _computed(tree)
    rule = _RULES.get(type(tree))
    return tree if rule is None else rule(tree)


def _of_infix(tree: Infix) -> tuple[Tree, bool]:
    left, right = simplified(tree.left), simplified(tree.right)
    return Infix(tree.op, left, right), is_literal(left) and is_literal(right)


def _of_prefix(tree: Prefix) -> tuple[Tree, bool]:
    value = simplified(tree.value)
    return Prefix(tree.op, value), is_literal(value)


def _of_choice(tree: Choice) -> tuple[Tree, bool]:
    parts = (tree.then, tree.condition, tree.orelse)
    return Choice(*map(simplified, parts)), False


def _of_item(tree: Item) -> tuple[Tree, bool]:
    value, index = simplified(tree.value), tuple(map(simplified, tree.index))
    parts = (bound for part in index for bound in _bounds(part))
    return Item(value, index), is_literal(value) and all(map(is_literal, parts))


def _bounds(index: Tree) -> tuple[Tree, ...]:
    return (index.start, index.stop, index.step) if isinstance(index, Slice) else (index,)


def _of_slice(tree: Slice) -> tuple[Tree, bool]:
    return Slice(*(None if part is None else simplified(part) for part in _bounds(tree))), False


def _of_call(tree: Call) -> tuple[Tree, bool]:
    args = tuple(Arg(simplified(arg.value), arg.name, arg.default) for arg in tree.args)
    known = tree.fn in _OF_LISTS and all(is_literal(arg.value) for arg in args)
    return Call(tree.fn, args), known


def _of_seq(tree: Seq) -> tuple[Tree, bool]:
    return Seq(tuple(map(simplified, tree.items)), tree.brackets), False


_OF_LISTS = frozenset({"len", "max", "min", "sum"})
_PARTS: dict[type, Callable[[Any], tuple[Tree, bool]]] = {
    Call: _of_call,
    Infix: _of_infix,
    Slice: _of_slice,
    Prefix: _of_prefix,
    Choice: _of_choice,
    Item: _of_item,
    Seq: _of_seq,
}
"""By kind of node: it with simplified parts, and whether all of them are literals."""


def _joined(tree: Infix) -> Tree:
    match tree:
        case Infix("and", bool(left), right):
            return right if left else False
        case Infix("or", bool(left), right):
            return True if left else right
        case Infix("and", left, True) | Infix("or", left, False):
            return left
        case Infix("*", int(1), one) | Infix("*" | "//" | "**", one, int(1)):
            return one
        case Infix("+", int(0), one) | Infix("+" | "-", one, int(0)):
            return one
        # Numbers come first: `2 * x * 3` is `6 * x`.
        case Infix("*", Infix("*", int(left), inner), int(right)):
            return Infix("*", left * right, inner)
        case Infix("*", inner, int(right)):
            return Infix("*", right, inner)
    return tree


def _chosen(tree: Choice) -> Tree:
    if isinstance(tree.condition, bool):
        return tree.then if tree.condition else tree.orelse
    return tree.then if tree.then == tree.orelse else tree


def _taken(tree: Item) -> Tree:
    match tree:
        case Item(Seq(items), (int(place),)) if -len(items) <= place < len(items):
            return items[place]
        case Item(Choice(then, condition, orelse), index):
            return _chosen(
                Choice(_taken(Item(then, index)), condition, _taken(Item(orelse, index)))
            )
        case Item(tuple(items), (int(place),)) if -len(items) <= place < len(items):
            return items[place]
        case Item(Listing(element, (target,), (Seq(items),), (True,)), (int(place),)):
            if -len(items) <= place < len(items):
                return _with(element, target, items[place])
        case Item(
            Listing(element, (target,), (Call("range", (Arg(count),)),), (True,)), (int(place),)
        ):
            if type(count) is int and place < 0:
                place += count
            if place >= 0:
                return simplified(_with(element, target, place))
        case Item(Item(value, (Slice(None, None, -1),)), (int(place),)):
            return Item(value, (-1 - place,))
    return tree


def _with(element: Tree, variable: str, value: Tree) -> Tree:
    """Return an item of a list: its element, with a value for the variable."""
    return rewrite(element, lambda t: value if t == Variable(variable) else None)


_RULES: dict[type, Callable[[Any], Tree]] = {Infix: _joined, Choice: _chosen, Item: _taken}


def _computed(tree: Tree) -> Tree:
    """Return the literal that a tree of literals computes to; the tree if Python would raise."""
    values: dict[str, Any] = {}
    try:
        value = value_of(tree, values.__getitem__, {})
    except Unreadable:
        return tree
    # None means "not replaced" to `rewrite`.
    return value if is_literal(value) and value is not None else tree
