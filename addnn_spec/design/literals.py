"""Where the text gives a number of a layer: the literals that it is made of."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from addnn_spec.graph import Graph
from addnn_spec.ops.base import Operator
from addnn_spec.passes.ties import stands_of
from addnn_spec.passes.tracing import Enclosing, Frames, Names, Stand, frames_of
from addnn_spec.source import Span
from addnn_spec.syntax import ast
from addnn_spec.syntax.node import SyntaxNode
from addnn_spec.syntax.walk import targets_of


class Untraced(Exception):
    """A number that is not made of literals, names and products of these alone."""


class NumberInText(NamedTuple):
    """A whole number of the text: a literal, or a sum or power of literals alone."""

    span: Span
    value: int


class _Place(NamedTuple):
    """An expression, and what is around the place where it is read."""

    value: object
    frames: Frames


_Item = _Place | list["_Item"] | None
"""What a name stands for: an expression, several things, or what no literal makes: the number of a
turn, or an item of a list that is computed."""


class Literals:
    """The literals of a network's text, by the layers that read them.

    With `follow`, what reads the size of a tensor (`x.channels // 4`) is taken to follow it.
    """

    def __init__(self, graph: Graph, file: ast.File, *, follow: bool = True) -> None:
        self.graph = graph
        self.file = file
        self.follow = follow
        self._names = Names()

    def of_field(self, path: str, field: str) -> list[NumberInText]:
        """Return the literals that a layer's attribute is made of; none where it has its default,
        or follows a tensor.

        Raises `Untraced` where it is made of anything else.
        """
        stands = list(stands_of(self.graph, path))
        value = self._argument(stands, field)
        return [] if value is None else self._found(value, frames_of(stands))

    def of_body(self, value: ast.Expr) -> list[NumberInText]:
        """Return the literals that an expression of the network's own body is made of."""
        assert self.graph.definition is not None
        return self._found(value, (Enclosing(body=self.graph.definition),))

    def of(self, value: ast.Expr, stands: list[Stand]) -> list[NumberInText]:
        """Return the literals that an expression is made of, read where the innermost node stands.
        Raises `Untraced` if it is made of anything else."""
        return self._found(value, frames_of(stands))

    def _found(self, value: object, frames: Frames) -> list[NumberInText]:
        found = list(self._leaves(value, frames))
        if not found:
            raise Untraced
        # A factor that is a tensor's size makes the whole follow the tensor: no literal needs to
        # change.
        return [] if None in found else [leaf for leaf in found if leaf is not None]

    def _argument(self, stands: list[Stand], field: str) -> object | None:
        """Return what the text gives for a layer's attribute; None where it gives nothing."""
        node, frames = stands[-1].node, frames_of(stands)
        span = dict(node.written).get(field)
        if span is not None:
            return self._at(span, frames)
        layer = self._at(node.span, frames)  # a turn's arguments are not noted
        if not isinstance(layer, ast.Layer) or not isinstance(node.op, Operator):
            return None
        names = [name for name in node.op.positional_fields() if name not in node.op.layers]
        for place, argument in enumerate(layer.args or ()):
            by_place = names[place] if place < len(names) and not argument.name else None
            if field in (argument.name, by_place):
                return argument.value
        return None

    def _at(self, span: Span, frames: Frames) -> SyntaxNode:
        found = self._names.expression(span, frames)
        if found is None:
            raise Untraced
        return found

    def _leaves(self, node: object, frames: Frames) -> Iterator[NumberInText | None]:
        """Yield the literals that an expression is a product of, and None for a tensor's size."""
        match node:
            case ast.Number(value=int() as value):
                yield NumberInText(node.span, value)
            case ast.Argument() | ast.Unary(op="-"):
                yield from self._leaves(node.value, frames)
            case ast.Paren():
                yield from self._leaves(node.inner, frames)
            case ast.Binary():
                yield from self._of_binary(node, frames)
            case ast.Name():
                yield from self._of_item(self._named(node, frames))
            case ast.Attribute() | ast.Subscript(value=ast.Attribute()) if self.follow:
                yield None
            case ast.Subscript(value=value, items=(ast.Number(value=int() as place),)):
                yield from self._of_item(self._at_place(_Place(value, frames), place))
            case ast.Call(callee=ast.Name(name="int" | "round"), args=(argument,)):
                yield from self._leaves(argument, frames)
            case _ if not isinstance(node, ast.Number):
                raise Untraced

    def _of_binary(self, node: ast.Binary, frames: Frames) -> Iterator[NumberInText | None]:
        if node.op in ("*", "/", "//"):
            yield from self._leaves(node.left, frames)
            if node.op == "*":
                yield from self._leaves(node.right, frames)
        elif not self._counted(node, frames):
            raise Untraced
        elif (number := _constant(node)) is not None:
            yield NumberInText(node.span, number)

    def _of_item(self, item: _Item) -> Iterator[NumberInText | None]:
        if isinstance(item, list):
            raise Untraced
        if item is not None:
            yield from self._leaves(*item)

    def _counted(self, node: object, frames: Frames) -> bool:
        """Return whether an expression is made of literals and loop variables that count turns."""
        match node:
            case ast.Number():
                return True
            case ast.Paren():
                return self._counted(node.inner, frames)
            case ast.Binary():
                return self._counted(node.left, frames) and self._counted(node.right, frames)
            case ast.Name():
                item = self._named(node, frames)
                return item is None or (isinstance(item, _Place) and self._counted(*item))
            case _:
                return False

    # -------------------------------------------------------------------------------------- names

    def _named(self, name: ast.Name, frames: Frames) -> _Item:
        """Return what a name stands for."""
        body = next((frame.body for frame in frames if frame.body is not None), None)
        here = self.file.span.source if body is None else body.node.span.source
        if name.span.source is not here:
            raise Untraced
        # Several readings, such as after an `if`, fall through to the last case: not traced.
        match self._names.traced(name.name, name.span.start, frames):
            case []:
                let = _let(self.file.items, name.name)
                if let is None or here is not self.file.span.source:
                    raise Untraced
                return self._part(let.targets, _Place(let.value, ()), name.name)
            case [(ast.Let() as let, around)]:
                return self._part(let.targets, _Place(let.value, around), name.name)
            case [(ast.Repeat(), _)]:
                return None
            case [(ast.For() | ast.Clause() as loop, (Enclosing(turn=turn), *_) as around)] if turn:
                given = self._in_turn(loop.iterable, turn.number, around[1:])
                return self._part(loop.targets, given, name.name)
            case [(ast.Param() as param, (frame, *_) as around)]:
                return self._given(param, frame, around)
            case _:
                raise Untraced

    def _given(self, param: ast.Param, frame: Enclosing, frames: Frames) -> _Place:
        """Return what a use gives for a parameter, or its default."""
        outside = frames[1:]
        if param.name in frame.given:
            return _Place(self._at(frame.given[param.name], outside), outside)
        if param.default is None or (not outside and param.name in self.graph.given):
            raise Untraced
        return _Place(param.default, frames)

    def _in_turn(self, iterable: ast.Expr, turn: int, frames: Frames) -> _Item:
        """Return the item that a loop gives in a turn, also through `zip` and `enumerate`."""
        if isinstance(iterable, ast.Range):
            return None
        called = iterable.callee if isinstance(iterable, ast.Call) else None
        if isinstance(iterable, ast.Call) and isinstance(called, ast.Name):
            lists = [argument.value for argument in iterable.args or ()]
            # A loop over `zip` gives an item of each list.
            if called.name == "zip":
                return [self._in_turn(one, turn, frames) for one in lists]
            if called.name == "enumerate" and lists:
                return [None, self._in_turn(lists[0], turn, frames)]
        return self._at_place(_Place(iterable, frames), turn)

    def _at_place(self, item: _Item, place: int) -> _Item:
        """Return the item at a place of a list."""
        if isinstance(item, _Place):
            match item.value:
                case ast.Argument(value=value):
                    return self._at_place(_Place(value, item.frames), place)
                case ast.Name() as name:
                    return self._at_place(self._named(name, item.frames), place)
                case ast.Call() | ast.Comprehension():
                    return None
                case ast.ListExpr(items=items) | ast.TupleExpr(items=items):
                    item = [_Place(one, item.frames) for one in items]
        if item is None:
            return None
        if not isinstance(item, list) or place >= len(item):
            raise Untraced
        return item[place]

    def _part(self, targets: ast.Targets, given: _Item, name: str) -> _Item:
        """Return the part of an item that one of several targets gets."""
        if len(targets.items) == 1 and isinstance(targets.items[0], ast.Target):
            return given
        for place, one in enumerate(targets.items):
            if isinstance(one, ast.Target) and one.name == name:
                return self._at_place(given, place)
            if isinstance(one, ast.Targets) and name in _names(one):
                return self._part(one, self._at_place(given, place), name)
        raise Untraced


def _constant(node: object) -> int | None:
    """Return the whole number that an expression of literals is; None where names are in it."""
    match node:
        case ast.Number(value=int() as value):
            return value
        case ast.Paren():
            return _constant(node.inner)
        case ast.Binary(op="+" | "-" | "**"):
            left, right = _constant(node.left), _constant(node.right)
            if left is None or right is None:
                return None
            if node.op == "**":
                return int(left**right) if 0 <= right < _MOST_POWER else None
            return left + right if node.op == "+" else left - right
        case _:
            return None


_MOST_POWER = 64


def item_of_turn(loop: ast.For, place: int, turn: int) -> ast.Expr:
    """Return what the target at a place is in a turn."""
    given: ast.Expr = loop.iterable
    several = len(loop.targets.items) > 1
    if isinstance(given, ast.Call) and isinstance(given.callee, ast.Name):
        args = given.args or ()
        if given.callee.name != "zip" or place >= len(args) or not several:
            raise Untraced
        given, several = args[place].value, False
    if not isinstance(given, ast.ListExpr) or turn >= len(given.items):
        raise Untraced
    found = given.items[turn]
    if several:
        if not isinstance(found, ast.TupleExpr | ast.ListExpr):
            raise Untraced
        found = found.items[place]
    return found


def _names(targets: ast.Targets) -> set[str]:
    return {one.name for one in targets_of(targets)}


def _let(items: tuple[object, ...], name: str) -> ast.Let | None:
    """Return the one `let` that gives a name; None where there is none.

    Raises `Untraced` where there are several.
    """
    found = [item for item in items if isinstance(item, ast.Let) and name in _names(item.targets)]
    if len(found) > 1:
        raise Untraced
    return found[0] if found else None


__all__ = ["Literals", "NumberInText", "Untraced", "item_of_turn"]
