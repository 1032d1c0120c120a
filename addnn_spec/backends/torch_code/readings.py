"""Readings: how the text of a block says a value, as Python over the block's own names.

A literal of the graph has lost the expression that gave it. Where the text writes that expression
in the block itself, the class can say the same: `3 * width`. An expression is translated name by
name, and then computed as Python would compute it, for every use of the block: only if each use
gets its own value is the translation a reading. So a wrong translation is never wrong code.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from copy import copy
from dataclasses import replace
from functools import cached_property, partial, reduce
from itertools import chain, islice, product
from typing import Any, ClassVar, get_args

from addnn_spec.backends.torch_code.python import (
    Unreadable,
)
from addnn_spec.backends.torch_code.translation import (
    SIZES,
    Functions,
    Translator,
    python_name,
    size_name,
)
from addnn_spec.backends.torch_code.tree import (
    NONE,
    ArgumentOf,
    Combined,
    InTurn,
    ItemOf,
    Name,
    Origin,
    SizeOf,
    Tree,
    Use,
    Within,
    put,
    rewrite,
)
from addnn_spec.backends.torch_code.unrolled import in_turn, simplified, turn_variables
from addnn_spec.ops.code import Infix, Item
from addnn_spec.ops.init import INITS, bound_arguments
from addnn_spec.source import Span
from addnn_spec.syntax import ast
from addnn_spec.syntax.walk import walk
from addnn_spec.values import Definition

_EXPRESSIONS = get_args(ast.Expr)
_COMBINATIONS = 8
"""As many ways to put the parts of a size together are tried."""
_DEPTH = 20
"""As many uses are gone through, one inside the other."""


class BlockText:
    """The text of a block: its expressions by their places, and its names."""

    def __init__(
        self,
        definition: Definition,
        ranks: Mapping[str, int | None],
        functions: Functions,
        fixed: Mapping[str, Any] | None = None,
    ) -> None:
        self.fixed = fixed or {}
        """Of a network, the parameters that are numbers in its class."""
        self.definition = definition
        self.functions = functions
        self.node = definition.node
        self._ranks = ranks
        """The rank of each input, where it is known."""
        self._others: dict[int, BlockText] = {}
        self.variables = frozenset[str]()
        """Of the loop that is around."""

    def inside(self, variables: frozenset[str]) -> BlockText:
        """Return the text as it reads inside a loop with these variables."""
        inner = copy(self)
        inner.variables = self.variables | variables
        return inner

    # --- what stands where -----------------------------------------------------------------------
    @cached_property
    def _expressions(self) -> dict[tuple[int, int], Any]:
        found: dict[tuple[int, int], Any] = {}
        for node in walk(self.node):
            if isinstance(node, ast.Argument):
                # The place of a named argument is all of `stride = 2`; what it says is the value.
                found[_key(node.span)] = node.value
            elif isinstance(node, _EXPRESSIONS):
                found.setdefault(_key(node.span), node)
        return found

    def _at(self, place: Span) -> ast.Expr | None:
        """Return the expression at a place; a layer that is applied by its name is that name."""
        found: ast.Expr | None = self._expressions.get(_key(place))
        name = place.source.text[place.start : place.end]
        if found is None and name.isidentifier():
            return ast.Name(name, place)
        return found

    @cached_property
    def _loops(self) -> dict[tuple[int, int], ast.For | ast.Repeat | ast.Clause]:
        kinds = (ast.For, ast.Repeat, ast.Clause)
        return {_key(node.span): node for node in walk(self.node) if isinstance(node, kinds)}

    @cached_property
    def _choices(self) -> list[ast.If | ast.Conditional]:
        # Kept: each node of the block asks for those around it.
        return [node for node in walk(self.node) if isinstance(node, ast.If | ast.Conditional)]

    @cached_property
    def _turns_of(self) -> dict[tuple[int, int], ast.Expr]:
        """For each loop that counts, how often it runs."""
        found: dict[tuple[int, int], ast.Expr] = {}
        for node in walk(self.node):
            if isinstance(node, ast.Repeat):
                found[_key(node.span)] = node.count
            elif isinstance(node, ast.For) and isinstance(node.iterable, ast.Range):
                start = node.iterable.start
                if isinstance(start, ast.Number) and start.value == 0:
                    found[_key(node.span)] = node.iterable.stop
        return found

    @cached_property
    def _gathered(self) -> dict[tuple[int, int], tuple[ast.Expr, ...]]:
        """For each positional argument, it and those after it: what `Reshape(n, c, h)` collects."""
        found: dict[tuple[int, int], tuple[ast.Expr, ...]] = {}
        for node in walk(self.node):
            if isinstance(node, ast.Call | ast.Layer) and node.args:
                positional = [arg for arg in node.args if arg.name is None]
                for place, arg in enumerate(positional):
                    found[_key(arg.span)] = tuple(a.value for a in positional[place:])
        return found

    @cached_property
    def bound(self) -> list[str]:
        """The names that the block's body gives, as often as it gives them."""
        return [node.name for node in walk(self.node) if isinstance(node, ast.Target)]

    @cached_property
    def lets(self) -> dict[str, ast.Expr]:
        """What the block's `let`s stand for: those that are given once, and always."""
        return {
            name: value
            for item in self.node.body.items
            if isinstance(item, ast.Let)
            for name, value in _bound(item.targets, item.value)
            if self.bound.count(name) == 1
        }

    @cached_property
    def sizes(self) -> dict[str, str]:
        """The `let`s that are an input's size: by that size, what the text calls it."""
        found: dict[str, str] = {}
        for name, expr in self.lets.items():
            for tree in self.expression(expr):
                if isinstance(tree, Name) and ".shape[" in tree.text:
                    found.setdefault(tree.text, python_name(name))
        return found

    @cached_property
    def axes(self) -> dict[tuple[str, int], str]:
        """What the text calls dimensions of inputs: `x.length`."""
        found: dict[tuple[str, int], str] = {}
        for node in walk(self.node):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                rank = self._ranks.get(node.value.name)
                if rank is not None and node.name in SIZES:
                    found.setdefault((node.value.name, SIZES[node.name] % rank), node.name)
        return found

    def is_local(self, name: str) -> bool:
        """Return True for a parameter of the block, a `let` of it, or a variable of the loop
        around."""
        if name in self.variables:
            return True
        return (name in self.defaults and name not in self.fixed) or name in self.lets

    def constant(self, name: str, otherwise: Any) -> Any:
        """Return the value of a name of the file, where the block has no other meaning for it."""
        if name in self.fixed and name not in self.bound:
            return self.fixed[name]
        found = None if name in self.bound else self.definition.env.find(name)
        return otherwise if found is None else found.value

    @cached_property
    def defaults(self) -> dict[str, ast.Expr | None]:
        """The block's parameters in order, with their defaults."""
        return {param.name: param.default for param in self.node.params}

    def conditions(self, place: Origin) -> Iterator[tuple[Tree, bool]]:
        """Yield the conditions around a place, innermost first, and whether each holds there."""
        if isinstance(place, InTurn):
            for inside, turn in self._turns(place):
                for tree, holds in inside.conditions(place.origin):
                    yield in_turn(tree, turn), holds
        elif isinstance(place, Within):
            use = place.use
            for tree, holds in self._other(use.definition).conditions(place.origin):
                try:
                    yield self._replaced(tree, use, 0), holds
                except Unreadable:
                    continue
            yield from self.conditions(put(use.span, use.outer))
        elif isinstance(place, Span):
            yield from self._given(place)
            for expr, holds in self._around(place):
                for tree in self.expression(expr):
                    yield tree, holds

    def later_conditions(self, place: Origin) -> Iterator[Tree]:
        """Yield the conditions of `if`s behind a place, which tell whether something reads it."""
        if not isinstance(place, Span):
            return
        behind = (
            node.condition
            for node in self._choices
            if node.span.start >= place.end and not _does_nothing(node)
        )
        for expr in behind:
            yield from self.expression(expr)

    def _given(self, place: Span) -> Iterator[tuple[Tree, bool]]:
        """Yield what tells if a layer is there that is given, or one of two by a `let`."""
        name = self._at(place)
        if not isinstance(name, ast.Name):
            return
        chosen = self.lets.get(name.name)
        if isinstance(chosen, ast.Conditional):
            for tree in self.expression(chosen.condition):
                # Either side of the `let` may be the layer at this place: the values of the uses
                # tell.
                yield tree, True
                yield tree, False
        elif self.is_local(name.name):
            yield Infix("is not", Name(python_name(name.name)), NONE), True

    def _around(self, place: Span) -> Iterator[tuple[ast.Expr, bool]]:
        for node in reversed(self._choices):
            if holds(node.then.span, place):
                yield node.condition, True
            elif node.otherwise is not None and holds(node.otherwise.span, place):
                yield node.condition, False

    def loops(self, place: Span) -> Iterator[ast.For | ast.Repeat]:
        """Yield the loops around a place, innermost first."""
        for node in reversed(self._loops.values()):
            if isinstance(node, ast.For | ast.Repeat) and holds(node.body.span, place):
                yield node

    def loop(self, place: Span) -> ast.For | ast.Repeat | None:
        """Return the loop at a place, where this text has it."""
        own = place.source is self.node.span.source
        found = self._loops.get(_key(place)) if own else None
        return found if isinstance(found, ast.For | ast.Repeat) else None

    def asks_turn(self, place: Span) -> bool:
        """Return True for a loop in which a condition reads what differs from turn to turn."""
        loop = self.loop(place)
        if loop is None:
            return False
        turning = {node.name for node in walk(loop) if isinstance(node, ast.Target)}
        conditions = (n.condition for n in walk(loop) if isinstance(n, ast.If | ast.Conditional))
        read = (node for condition in conditions for node in walk(condition))
        return any(isinstance(node, ast.Name) and node.name in turning for node in read)

    def item(self, origin: Origin, place: int) -> Origin | None:
        """Return the place of an item of a list, or of arguments that are collected into one."""

        def find(text: BlockText, whole: Span) -> Span | None:
            found = text._expressions.get(_key(whole))
            items = found.items if isinstance(found, ast.ListExpr | ast.TupleExpr) else None
            items = items or text._gathered.get(_key(whole), ())
            return items[place].span if place < len(items) else None

        return self.part(origin, find)

    def argument(self, origin: Origin, name: str) -> Origin | None:
        """Return the place of an initialiser's argument; of a number that stands for one, its
        own."""

        def find(text: BlockText, whole: Span) -> Span | None:
            found = text._at(whole)
            if isinstance(found, ast.Name):
                found = text.lets.get(found.name, found)
            match found:
                case ast.Call(callee=ast.Name(name=init)) if init in INITS:
                    args = found.args or ()
                    positional = [arg.value.span for arg in args if arg.name is None]
                    named = {arg.name: arg.value.span for arg in args if arg.name is not None}
                    given = bound_arguments(init, positional, named)
                    needed = (p.name for p in INITS[init].parameters if p.default is None)
                    return given.get(name) or given.get(next(needed, ""))
            return whole

        return self.part(origin, find)

    def part(self, origin: Origin, find: Callable[[BlockText, Span], Span | None]) -> Origin | None:
        """Return a part of what the text gives, wherever it does."""
        if isinstance(origin, Within):
            inner = self._other(origin.use.definition).part(origin.origin, find)
            return None if inner is None else Within(inner, origin.use)
        if isinstance(origin, InTurn):
            inner = self.part(origin.origin, find)
            return None if inner is None else replace(origin, origin=inner)
        if not isinstance(origin, Span) or origin.source is not self.node.span.source:
            return None
        return find(self, origin)

    # --- translations ----------------------------------------------------------------------------
    def trees(self, origin: Origin, depth: int = 0) -> Iterator[Tree]:
        """Yield the translations of an origin, the likeliest first."""
        rule = self._RULES.get(type(origin))
        if rule is not None:
            yield from rule(self, origin, depth)

    def _written(self, place: Span, _: int) -> Iterator[Tree]:
        if place.source is not self.node.span.source:
            return
        found = self._turns_of.get(_key(place)) or self._at(place)
        if found is not None:
            yield from self.expression(found)
        several = self._gathered.get(_key(place), ())
        if len(several) > 1:
            yield from self.expression(ast.TupleExpr(several, place))

    def _item_of(self, origin: ItemOf, depth: int) -> Iterator[Tree]:
        item = self.item(origin.origin, origin.place)
        if item is not None:
            yield from self.trees(item, depth)
            return
        for tree in self.trees(origin.origin, depth):
            yield simplified(Item(tree, (origin.place,)))

    def _argument_of(self, origin: ArgumentOf, depth: int) -> Iterator[Tree]:
        place = self.argument(origin.origin, origin.name)
        if place is not None:
            yield from self.trees(place, depth)

    def _in_turn(self, origin: InTurn, depth: int) -> Iterator[Tree]:
        for inside, turn in self._turns(origin):
            for tree in inside.trees(origin.origin, depth):
                yield in_turn(tree, turn)

    def _size_of(self, origin: SizeOf, _: int) -> Iterator[Tree]:
        if not isinstance(self.node, ast.Network):
            yield size_name(origin.input, origin.dim)
            return
        for node in walk(self.node):
            if isinstance(node, ast.Input) and node.target.name == origin.input:
                yield from self.expression(node.shape.dims[origin.dim].value)

    def _turns(self, origin: InTurn) -> Iterator[tuple[BlockText, Mapping[str, Tree]]]:
        """Yield the text inside a loop with what its variables are in a turn, as far as it can be
        said: counted from the first turn, and from the last."""
        loop = self._loops.get(_key(origin.loop))
        for number in (origin.number, origin.number - origin.turns):
            found = {} if loop is None else dict(turn_variables(loop, number, self._first))
            names = frozenset(found)
            yield self.inside(names), {python_name(name): tree for name, tree in found.items()}

    def _first(self, expr: ast.Expr) -> Tree:
        found = next(self.expression(expr), None)
        if found is None:
            raise Unreadable
        return found

    def _combined(self, origin: Combined, depth: int) -> Iterator[Tree]:
        """Yield a size over what its parts may be, one of the likeliest for each."""
        found = [
            (part,)
            if isinstance(part, int)
            # Two for each part: all combinations of them are tried.
            else tuple(islice(chain.from_iterable(self.trees(o, depth + 1) for o in part), 2))
            for part in origin.parts
        ]
        for trees in islice(product(*found), _COMBINATIONS):
            if origin.op == "+" and all(tree == trees[0] for tree in trees):
                yield simplified(Infix("*", len(trees), trees[0]))
                continue
            whole = self._whole(trees) if origin.op == "*" else trees
            for parts in (whole, trees) if whole != trees else (trees,):
                yield simplified(reduce(partial(Infix, origin.op), parts))

    def _whole(self, factors: tuple[Tree, ...]) -> tuple[Tree, ...]:
        """Return factors without a part and what it is a part by: `h * (c // h)` is `c`."""
        for part in factors:
            own = self.lets.get(part.text) if isinstance(part, Name) else None
            match part if own is None else next(self.expression(own), None):
                case Infix("//" | "/", whole, by) if by in factors:
                    rest = list(factors)
                    rest.remove(part)
                    rest.remove(by)
                    return (whole, *rest)
        return factors

    def expression(self, expr: ast.Expr) -> Iterator[Tree]:
        """Yield an expression as Python; a division of whole numbers may be exact in the text."""
        divides = any(isinstance(node, ast.Binary) and node.op == "/" for node in walk(expr))
        for division in ("/", "//") if divides else ("/",):
            try:
                yield Translator(self, division).translate(expr)
            except Unreadable:
                return

    def size(self, name: str, dim: int) -> Name:
        """Name an input's size, counted from the last dimension where its rank is not known."""
        if name not in self._ranks:
            raise Unreadable
        rank = self._ranks[name]
        # Of another block it is not known: its uses may have inputs of several ranks.
        if rank is None:
            return size_name(name, dim)
        if not -rank <= dim < rank:
            raise Unreadable
        return size_name(name, dim % rank)

    # --- other blocks ----------------------------------------------------------------------------
    def _other(self, definition: Definition) -> BlockText:
        if id(definition.node) not in self._others:
            inputs = definition.node.inputs if isinstance(definition.node, ast.Block) else ()
            names = ["x"] if inputs is None else [param.name for param in inputs]
            self._others[id(definition.node)] = BlockText(
                definition, dict.fromkeys(names), self.functions
            )
        return self._others[id(definition.node)]

    def _within(self, origin: Within, depth: int) -> Iterator[Tree]:
        """Yield what the text of a block says, in a use of it that stands in this text."""
        if depth > _DEPTH:
            return
        for tree in self._other(origin.use.definition).trees(origin.origin, depth + 1):
            try:
                yield self._replaced(tree, origin.use, depth)
            except Unreadable:
                return

    def _replaced(self, tree: Tree, use: Use, depth: int) -> Tree:
        """Return a tree over another block's names, in a use of it, as one over this block's
        names."""
        other, written = self._other(use.definition), dict(use.written)
        names = {python_name(name): name for name in (*other.defaults, *other.lets)}

        def first(trees: Iterator[Tree]) -> Tree:
            found = next(trees, None)
            if found is None:
                raise Unreadable
            return found

        def change(node: Tree) -> Tree | None:
            if not isinstance(node, Name) or node == NONE:
                return None
            name = names.get(node.text)
            if name is None:
                return self._size(node, use, depth)
            if name in written:
                found = next(self.trees(put(written[name], use.outer), depth + 1), None)
                # What this text does not say may become a parameter of the class
                # (`Scope.argument_tree`).
                return Name(argument_name(use.definition, name)) if found is None else found
            expr = other.defaults.get(name) or other.lets.get(name)
            if expr is None:
                raise Unreadable
            return self._replaced(first(other.expression(expr)), use, depth + 1)

        if depth > _DEPTH:
            raise Unreadable
        return rewrite(tree, change)

    def _size(self, name: Name, use: Use, depth: int) -> Tree:
        input, _, dim = name.text.removesuffix("]").partition(".shape[")
        if not dim.lstrip("-").isdigit():
            raise Unreadable
        for origin in use.sizes(input, int(dim)):
            for tree in self.trees(origin, depth + 1):
                return tree
        raise Unreadable

    _RULES: ClassVar[dict[type, Callable[[BlockText, Any, int], Iterator[Tree]]]] = {
        Span: _written,
        SizeOf: _size_of,
        ItemOf: _item_of,
        ArgumentOf: _argument_of,
        Within: _within,
        InTurn: _in_turn,
        Combined: _combined,
    }


def _does_nothing(node: ast.If | ast.Conditional) -> bool:
    """Return True for an `if` that gives names what they stand for already."""
    gives = [part for part in walk(node) if isinstance(part, ast.Bind)]
    same = (part.targets.span.text == ", ".join(v.span.text for v in part.values) for part in gives)
    return bool(gives) and all(same)


def argument_name(definition: Definition, name: str) -> str:
    """Name what a block is given that is written out here, where this text does not say it."""
    return f"{ARGUMENT}{definition.name}:{definition.node.span.start}:{name}"


ARGUMENT = "@"
"""How the name of a written-out block's argument begins, until the class has a parameter for it."""


def _bound(targets: ast.Targets, value: ast.Expr) -> Iterator[tuple[str, ast.Expr]]:
    """Yield the names of a `let`, each with what it stands for: an item of a list for one of
    many."""
    while isinstance(value, ast.Paren):
        value = value.inner
    values: tuple[ast.Expr, ...] = (value,)
    if len(targets.items) > 1:
        if isinstance(value, ast.TupleExpr | ast.ListExpr):
            values = value.items
        elif isinstance(value, ast.Name | ast.Attribute | ast.Subscript | ast.Comprehension):
            values = tuple(_item(value, place) for place in range(len(targets.items)))
        else:
            values = ()
    if len(values) == len(targets.items):
        for target, one in zip(targets.items, values, strict=True):
            if isinstance(target, ast.Targets):
                yield from _bound(target, one)
            else:
                yield target.name, one


def _item(value: ast.Expr, place: int) -> ast.Subscript:
    """Return an item of a list; of a part of a list, `x.shape[1:3]`, the item of the whole."""
    match value:
        case ast.Subscript(whole, (ast.Slice(start, _, None),)) if _number(start) is not None:
            return _item(whole, place + (_number(start) or 0))
    index: ast.Expr = ast.Number(abs(place), str(abs(place)), value.span)
    if place < 0:
        index = ast.Unary("-", index, value.span)
    return ast.Subscript(value, (index,), value.span)


def _number(expr: ast.Expr | None) -> int | None:
    """Return the whole number that an expression is, 0 where there is none."""
    match expr:
        case None:
            return 0
        case ast.Number(int(value)):
            return value
        case ast.Unary("-", ast.Number(int(value))):
            return -value
    return None


def _key(span: Span) -> tuple[int, int]:
    return (span.start, span.end)


def holds(outer: Span, inner: Span) -> bool:
    return outer.source is inner.source and outer.start <= inner.start and inner.end <= outer.end
