"""Where the text gives a number of a layer: the literals that it is made of."""

from __future__ import annotations

from collections.abc import Iterator

from addnn_spec.graph import Graph, Node, Turn
from addnn_spec.ops.base import Operator
from addnn_spec.passes.ties import Stand, stands_of
from addnn_spec.source import Span
from addnn_spec.syntax import ast
from addnn_spec.syntax.walk import walk
from addnn_spec.values import Definition


class Untraced(Exception):
    """A number that comes from more than literals, names and products of them."""


class Literals:
    """The literals of a network's text, by the layers that read them."""

    def __init__(self, graph: Graph, file: ast.File) -> None:
        self.graph = graph
        self.file = file
        self._trees: dict[int, dict[tuple[int, int], object]] = {}

    def of_field(self, path: str, field: str) -> list[ast.Number]:
        """Return the literals that a layer's attribute is made of; none where it has its default.

        Raises `Untraced` where it is made of anything else.
        """
        stands = list(stands_of(self.graph, path))
        value = self._argument(stands, field)
        return [] if value is None else list(self._leaves(value, stands))

    def of_body(self, value: ast.Expr) -> list[ast.Number]:
        """Return the literals that an expression of the network's own body is made of."""
        first = next(node for node in self.graph.nodes() if node.within is None)
        return self.of(value, [Stand(first, self.graph)])

    def of(self, value: ast.Expr, stands: list[Stand]) -> list[ast.Number]:
        """Return the literals that an expression is made of that is read where the innermost node
        stands. Raises `Untraced` where it is made of anything else."""
        return list(self._leaves(value, stands))

    def _argument(self, stands: list[Stand], field: str) -> object | None:
        """Return what the text gives for a layer's attribute; None where it gives nothing."""
        node = stands[-1].node
        span = dict(node.written).get(field)
        if span is not None:
            return self._at(_around(stands), span)
        layer = self._at(_around(stands), node.span)  # a turn's arguments are not noted
        if isinstance(layer, ast.Element):
            layer = layer.core
        if not isinstance(layer, ast.Layer) or not isinstance(node.op, Operator):
            return None
        names = [name for name in node.op.positional_fields() if name not in node.op.layers]
        for place, argument in enumerate(layer.args or ()):
            by_place = names[place] if place < len(names) and not argument.name else None
            if field in (argument.name, by_place):
                return argument.value
        return None

    def _at(self, definition: Definition, span: Span) -> object:
        """Return what stands at a place of a block or network."""
        tree = self._trees.get(id(definition.node))
        if tree is None:
            tree = self._trees[id(definition.node)] = {
                (one.span.start, one.span.end): one for one in walk(definition.node)
            }
        if span.source is not definition.node.span.source:
            raise Untraced
        return tree.get((span.start, span.end))

    def _leaves(self, node: object, stands: list[Stand]) -> Iterator[ast.Number]:
        match node:
            case ast.Number():
                yield node
            case ast.Argument() | ast.Unary(op="-"):
                yield from self._leaves(node.value, stands)
            case ast.Paren():
                yield from self._leaves(node.inner, stands)
            case ast.Binary(op="*" | "/" | "//"):
                yield from self._leaves(node.left, stands)
                yield from self._leaves(node.right, stands)
            case ast.Name():
                yield from self._leaves(*self._named(node.name, stands))
            case ast.Subscript(value=ast.Name() as name, items=(ast.Number() as place,)):
                found, around = self._named(name.name, stands)
                if not isinstance(found, ast.ListExpr | ast.TupleExpr):
                    raise Untraced
                if not isinstance(place.value, int) or place.value >= len(found.items):
                    raise Untraced
                yield from self._leaves(found.items[place.value], around)
            case _:
                raise Untraced

    def _named(self, name: str, stands: list[Stand]) -> tuple[ast.Expr, list[Stand]]:
        """Return what a name stands for that is read where the innermost node stands, and where
        that is read."""
        for depth in range(len(stands) - 1, -1, -1):
            node, graph = stands[depth]
            here = stands[: depth + 1]
            turn = self._turn(node, name, here)
            if turn is not None:
                return turn, here
            if graph.definition is None:
                continue
            block = graph.definition.node
            value = _let(block.body.items, name)
            if value is not None:
                return value, here
            if any(param.name == name for param in block.params):
                return self._given(stands[:depth], block, name)
            value = _let(self.file.items, name)
            if value is None or block.span.source is not self.file.span.source:
                raise Untraced
            return value, here
        raise Untraced

    def _given(
        self, stands: list[Stand], block: ast.Block | ast.Network, name: str
    ) -> tuple[ast.Expr, list[Stand]]:
        """Return what a use gives for a parameter, or its default."""
        names = [param.name for param in block.params]
        if stands:
            layer = self._at(_around(stands), stands[-1].node.span)
            if isinstance(layer, ast.Element):
                layer = layer.core
            if not isinstance(layer, ast.Layer) or layer.name != block.name:
                raise Untraced
            for place, argument in enumerate(layer.args or ()):
                if name in (argument.name, None if argument.name else names[place]):
                    return argument.value, stands
        default = block.params[names.index(name)].default
        if default is None or (not stands and name in self.graph.given):
            raise Untraced
        return default, stands

    def _turn(self, node: Node, name: str, stands: list[Stand]) -> ast.Expr | None:
        """Return what a loop gives a name in the turn that a node stands in; None where none does.

        Lists are gone through, and `zip` of lists.
        """
        around = node.within
        while around is not None:
            if not isinstance(around, Turn):
                raise Untraced
            loop = self._at(_around(stands), around.loop)
            if isinstance(loop, ast.Element):
                loop = loop.core
            if isinstance(loop, ast.For):
                place = next(
                    (
                        n
                        for n, target in enumerate(loop.targets.items)
                        if isinstance(target, ast.Target) and target.name == name
                    ),
                    None,
                )
                if place is not None:
                    return item_of_turn(loop, place, around.number)
            around = around.outer
        return None


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


def _let(items: tuple[object, ...], name: str) -> ast.Expr | None:
    """Return the value of the one `let` that gives a name; None where there is none.

    Raises `Untraced` where there are several, or one that takes a list apart.
    """
    found = [
        item
        for item in items
        if isinstance(item, ast.Let)
        and any(one.name == name for one in walk(item.targets) if isinstance(one, ast.Target))
    ]
    if not found:
        return None
    if len(found) > 1 or len(found[0].targets.items) > 1:
        raise Untraced
    return found[0].value


def _around(stands: list[Stand]) -> Definition:
    """Return the block or network whose text the innermost node is of."""
    return next(s.graph.definition for s in reversed(stands) if s.graph.definition is not None)


__all__ = ["Literals", "Untraced", "item_of_turn"]
