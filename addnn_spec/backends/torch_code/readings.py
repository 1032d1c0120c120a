"""Readings: how the text of a block says a value, as Python over the block's own names.

A literal of the graph has lost the expression that gave it. Where the text writes that expression
in the block itself, the class can say the same: `3 * width`. An expression is translated name by
name, and then computed as Python would compute it, for every use of the block: only if each use
gets its own value is the translation a reading. So a wrong translation is never wrong code.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import copy
from functools import cached_property, partial, reduce
from itertools import chain, islice, product
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, get_args

from addnn_spec.backends.torch_code.names import FILE_NAMES, RESERVED, Namespace
from addnn_spec.backends.torch_code.python import (
    FUNCTIONS,
    THROUGH,
    Unreadable,
    common_type,
    type_of,
    value_of,
)
from addnn_spec.backends.torch_code.tree import (
    NONE,
    Choice,
    Combined,
    InTurn,
    ItemOf,
    Listing,
    Name,
    Origin,
    SizeOf,
    Tree,
    Use,
    Variable,
    Within,
    is_literal,
    put,
    rewrite,
)
from addnn_spec.backends.torch_code.unrolled import in_turn, simplified, turn_variables
from addnn_spec.ops.code import REQUIRED, Arg, Call, Infix, Item, Prefix, Seq
from addnn_spec.source import Span
from addnn_spec.syntax import ast
from addnn_spec.syntax.walk import walk
from addnn_spec.values import Definition
from addnn_spec.values import Function as LanguageFunction

if TYPE_CHECKING:
    from addnn_spec.elaborate.scope import Env

_SIZES = {"channels": 1, "length": 1, "features": -1, "height": -2, "width": -1}
_EXPRESSIONS = get_args(ast.Expr)
_COMBINATIONS = 8
_DEPTH = 20
"""As many uses are gone through, one inside the other."""


def python_name(name: str) -> str:
    """Return a name of the text as Python may have it: a trailing underscore where it is taken."""
    return f"{name}_" if name in RESERVED or name in FILE_NAMES else name


def size_name(input: str, dim: int) -> Name:
    """Name an input's size until the class has a parameter for it."""
    return Name(f"{input}.shape[{dim}]")


class Text:
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
        self._others: dict[int, Text] = {}
        self.variables = frozenset[str]()
        """Of the loop that is around."""

    def inside(self, variables: frozenset[str]) -> Text:
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
            for name, value in _bindings(item)
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

    def is_local(self, name: str) -> bool:
        """Tell if a name is a parameter of the block, a `let` of it, or the loop's variable."""
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
            names, turn = self._turn(place)
            for tree, holds in self.inside(names).conditions(place.origin):
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

    def _given(self, place: Span) -> Iterator[tuple[Tree, bool]]:
        """Yield what tells if a layer is there that is given, or one of two by a `let`."""
        name = self._at(place)
        if not isinstance(name, ast.Name):
            return
        chosen = self.lets.get(name.name)
        if isinstance(chosen, ast.Conditional):
            for tree in self.expression(chosen.condition):
                yield tree, True
                yield tree, False
        elif self.is_local(name.name):
            yield Infix("is not", Name(python_name(name.name)), NONE), True

    def _around(self, place: Span) -> Iterator[tuple[ast.Expr, bool]]:
        around = [
            node
            for node in walk(self.node)
            if isinstance(node, ast.If | ast.Conditional) and holds(node.span, place)
        ]
        for node in reversed(around):
            if holds(node.then.span, place):
                yield node.condition, True
            elif node.otherwise is not None and holds(node.otherwise.span, place):
                yield node.condition, False

    def loops(self, place: Span) -> Iterator[ast.For | ast.Repeat]:
        """Yield the loops around a place, innermost first."""
        around = [
            node
            for node in walk(self.node)
            if isinstance(node, ast.For | ast.Repeat) and holds(node.body.span, place)
        ]
        yield from reversed(around)

    def item(self, origin: Origin, place: int) -> Origin | None:
        """Return the place of an item of a list, or of arguments that are collected into one."""
        if isinstance(origin, Within):
            inner = self._other(origin.use.definition).item(origin.origin, place)
            return None if inner is None else Within(inner, origin.use)
        if isinstance(origin, InTurn):
            inner = self.item(origin.origin, place)
            return None if inner is None else InTurn(inner, origin.loop, origin.number)
        if not isinstance(origin, Span) or origin.source is not self.node.span.source:
            return None
        found = self._expressions.get(_key(origin))
        items = found.items if isinstance(found, ast.ListExpr | ast.TupleExpr) else None
        items = items or self._gathered.get(_key(origin), ())
        return items[place].span if place < len(items) else None

    # --- translations ----------------------------------------------------------------------------
    def trees(self, origin: Origin, depth: int = 0) -> Iterator[Tree]:
        """Yield the translations of an origin, the likeliest first."""
        if isinstance(origin, SizeOf):
            yield from self._size_of(origin)
        elif isinstance(origin, Within):
            yield from self._within(origin, depth)
        elif isinstance(origin, InTurn):
            names, turn = self._turn(origin)
            for tree in self.inside(names).trees(origin.origin, depth):
                yield in_turn(tree, turn)
        elif isinstance(origin, ItemOf):
            item = self.item(origin.origin, origin.place)
            if item is not None:
                yield from self.trees(item, depth)
                return
            for tree in self.trees(origin.origin, depth):
                yield simplified(Item(tree, (origin.place,)))
        elif isinstance(origin, Combined):
            yield from self._combined(origin, depth)
        elif isinstance(origin, Span) and origin.source is self.node.span.source:
            found = self._at(origin)
            if found is not None:
                yield from self.expression(found)
            several = self._gathered.get(_key(origin), ())
            if len(several) > 1:
                yield from self.expression(ast.TupleExpr(several, origin))

    def _size_of(self, origin: SizeOf) -> Iterator[Tree]:
        if not isinstance(self.node, ast.Network):
            yield size_name(origin.input, origin.dim)
            return
        for node in walk(self.node):
            if isinstance(node, ast.Input) and node.target.name == origin.input:
                yield from self.expression(node.shape.dims[origin.dim].value)

    def _turn(self, origin: InTurn) -> tuple[frozenset[str], Mapping[str, Tree]]:
        """Return the variables of a loop, and what they are in a turn, as far as it can be said."""
        found: dict[str, Tree] = {}
        for node in walk(self.node):
            if isinstance(node, ast.For | ast.Repeat) and _key(node.span) == _key(origin.loop):
                found = dict(turn_variables(node, origin.number, self._first))
        return frozenset(found), {python_name(name): tree for name, tree in found.items()}

    def _first(self, expr: ast.Expr) -> Tree:
        found = next(self.expression(expr), None)
        if found is None:
            raise Unreadable
        return found

    def _combined(self, origin: Combined, depth: int) -> Iterator[Tree]:
        """Yield a size over what its parts may be, one of the likeliest for each."""
        parts = [
            (part,)
            if isinstance(part, int)
            else tuple(islice(chain.from_iterable(self.trees(o, depth + 1) for o in part), 2))
            for part in origin.parts
        ]
        for trees in islice(product(*parts), _COMBINATIONS):
            if origin.op == "+" and all(tree == trees[0] for tree in trees):
                yield simplified(Infix("*", len(trees), trees[0]))
            else:
                yield simplified(reduce(partial(Infix, origin.op), trees))

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
        if rank is None:
            return size_name(name, dim)
        if not -rank <= dim < rank:
            raise Unreadable
        return size_name(name, dim % rank)

    # --- other blocks ----------------------------------------------------------------------------
    def _other(self, definition: Definition) -> Text:
        if id(definition.node) not in self._others:
            inputs = definition.node.inputs if isinstance(definition.node, ast.Block) else ()
            names = ["x"] if inputs is None else [param.name for param in inputs]
            self._others[id(definition.node)] = Text(
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
        """Return a tree over a block's names as one over this block's, in a use of it."""
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


def argument_name(definition: Definition, name: str) -> str:
    """Name what a block is given that is written out here, where this text does not say it."""
    return f"{ARGUMENT}{definition.name}:{definition.node.span.start}:{name}"


ARGUMENT = "@"
"""How the name of a written-out block's argument begins, until the class has a parameter for it."""


def _bindings(item: ast.Let) -> Iterator[tuple[str, ast.Expr]]:
    """Yield the names of a `let`, each with what it stands for: an item of a list for one of many.

    Not those in a list within the list: nothing shorter says them.
    """
    targets, value = item.targets.items, item.value
    while isinstance(value, ast.Paren):
        value = value.inner
    values: tuple[ast.Expr, ...] = (value,)
    if len(targets) > 1:
        if isinstance(value, ast.TupleExpr | ast.ListExpr):
            values = value.items
        elif isinstance(value, ast.Name | ast.Attribute | ast.Subscript | ast.Comprehension):
            values = tuple(_item(value, place) for place in range(len(targets)))
        else:
            values = ()
    if len(values) == len(targets):
        for target, one in zip(targets, values, strict=True):
            if isinstance(target, ast.Target):
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


class Function:
    """A function of the language that the file has as Python's.

    `seen` are the values that its parameters had, and its result, in the order of the signature:
    they are what its annotations are made of.
    """

    def __init__(self, name: str, node: ast.Fn, env: Env, functions: Functions) -> None:
        self.name = name
        self.node = node
        self.env = env
        self.functions = functions
        self.names = {param.name for param in node.params}
        self.seen: list[list[Any]] = [[] for _ in range(len(node.params) + 1)]
        self.tree: Tree = None
        """Its result; None until it is translated."""

    def is_local(self, name: str) -> bool:
        """Return True if a name is a parameter."""
        return name in self.names

    def constant(self, name: str, otherwise: Any) -> Any:
        """Return the value of a name of the file."""
        found = self.env.find(name)
        return otherwise if found is None else found.value

    def size(self, name: str, dim: int) -> Name:
        """Refuse: a function reads no tensor."""
        raise Unreadable

    @property
    def parameters(self) -> list[tuple[str, Tree]]:
        """The names of the parameters with their defaults, REQUIRED where there is none."""
        translate = Translator(self, "/").translate
        return [
            (
                python_name(param.name),
                REQUIRED if param.default is None else translate(param.default),
            )
            for param in self.node.params
        ]

    def call(self, args: Sequence[Any], named: Mapping[str, Any]) -> Any:
        """Compute the function, and remember what it was given."""
        values: dict[str, Any] = dict(named)
        for place, (name, default) in enumerate(self.parameters):
            if place < len(args):
                values[name] = args[place]
            elif name not in values:
                if default is REQUIRED:
                    raise Unreadable
                values[name] = value_of(default, values.__getitem__, self.functions)
            self.seen[place].append(values[name])
        if self.tree is None:
            raise Unreadable  # it calls itself
        result = value_of(self.tree, values.__getitem__, self.functions)
        self.seen[-1].append(result)
        return result

    def returns(self) -> type | None:
        """Return the type of its result, as a type checker finds it."""
        types = {
            name: common_type(seen)
            for (name, _), seen in zip(self.parameters, self.seen, strict=False)
        }
        return None if self.tree is None else type_of(self.tree, types.get, self.functions)


class Functions(dict[str, Function]):
    """The functions of a file, by their names in Python."""

    def __init__(self) -> None:
        super().__init__()
        self._names = Namespace()
        self._made: dict[int, Function] = {}

    def named(self, value: LanguageFunction) -> str:
        """Name a function of the language in the file, which has it from now on."""
        found = self._made.get(id(value.node))
        if found is None:
            name = self._names.unique(value.node.name)
            found = self._made[id(value.node)] = Function(name, value.node, value.env, self)
            self[name] = found
            found.tree = Translator(found, "/").translate(value.node.value)
        if found.tree is None:
            raise Unreadable
        return found.name


class Scope(Protocol):
    """Whose names an expression reads."""

    functions: Functions

    def is_local(self, name: str) -> bool:
        """Return True if a name is a parameter, or a `let`."""

    def constant(self, name: str, otherwise: Any) -> Any:
        """Return the value of a name of the file."""

    def size(self, name: str, dim: int) -> Name:
        """Return the size of an input; raises `Unreadable`."""


class Translator:
    """Writes an expression of the language as Python."""

    def __init__(self, scope: Scope, division: str) -> None:
        self._scope = scope
        self._division = division
        self._variables: set[str] = set()
        """Those of the lists around."""

    def translate(self, expr: Any) -> Tree:
        """Write an expression as Python; raises `Unreadable` where it reads what a class lacks."""
        rule = self._RULES.get(type(expr))
        if rule is None:
            raise Unreadable
        return rule(self, expr)

    def _number(self, expr: ast.Number | ast.Constant) -> Tree:
        return NONE if expr.value is None else expr.value

    def _text(self, expr: ast.Text) -> Tree:
        if not all(isinstance(part, str) for part in expr.parts):
            raise Unreadable
        return "".join(map(str, expr.parts))

    def _unary(self, expr: ast.Unary) -> Tree:
        if expr.op == "-" and isinstance(expr.value, ast.Number):
            return -expr.value.value
        return Prefix(expr.op, self.translate(expr.value))

    def _binary(self, expr: ast.Binary) -> Tree:
        left, right = self.translate(expr.left), self.translate(expr.right)
        if expr.op in ("==", "!=") and right == NONE:
            return Infix("is" if expr.op == "==" else "is not", left, right)
        return Infix(self._division if expr.op == "/" else expr.op, left, right)

    def _conditional(self, expr: ast.Conditional) -> Tree:
        parts = (expr.then, expr.condition, expr.otherwise)
        return Choice(*map(self.translate, parts))

    def _attribute(self, expr: ast.Attribute) -> Tree:
        """Translate `x.channels`."""
        if not isinstance(expr.value, ast.Name) or expr.name not in _SIZES:
            raise Unreadable
        return self._scope.size(expr.value.name, _SIZES[expr.name])

    def _subscript(self, expr: ast.Subscript) -> Tree:
        """Translate `x.shape[1]`, or an item of a list."""
        value, *others = expr.value, *expr.items
        if len(others) != 1 or isinstance(others[0], ast.Slice):
            raise Unreadable
        if isinstance(value, ast.Attribute) and value.name == "shape":
            dim = self.translate(others[0])
            if not isinstance(value.value, ast.Name) or type(dim) is not int:
                raise Unreadable
            return self._scope.size(value.value.name, dim)
        item = Item(self.translate(value), (self.translate(others[0]),))
        return simplified(item) if isinstance(item.value, Listing) else item

    def _call(self, expr: ast.Call) -> Tree:
        """Translate a call of a function of the language, or of the user's."""
        if not isinstance(expr.callee, ast.Name) or expr.args is None or expr.body is not None:
            raise Unreadable
        name = expr.callee.name
        given = tuple(
            Arg(self.translate(arg.value), None if arg.name is None else python_name(arg.name))
            for arg in expr.args
        )
        value = None if self._scope.is_local(name) else self._scope.constant(name, None)
        if isinstance(value, LanguageFunction):
            return Call(self._scope.functions.named(value), given)
        if value is None and name in FUNCTIONS and all(arg.name is None for arg in given):
            return Call(FUNCTIONS[name], given)
        raise Unreadable

    def _name(self, expr: ast.Name) -> Tree:
        name = expr.name
        if name in self._variables:
            return Variable(python_name(name))
        if self._scope.is_local(name):
            return Name(python_name(name))
        value = self._scope.constant(name, ...)
        if not is_literal(value):
            raise Unreadable
        return NONE if value is None else value

    def _sequence(self, expr: ast.ListExpr | ast.TupleExpr) -> Tree:
        """Return a literal where all items are: so it is written as any other."""
        trees = tuple(self.translate(item) for item in expr.items)
        return trees if all(map(is_literal, trees)) else Seq(trees)

    def _comprehension(self, expr: ast.Comprehension) -> Tree:
        """Return a list over what loops go through; a variable of one is not given anew in it."""
        given: set[str] = set()
        targets, iterables, conditions = [], [], []
        for clause in expr.clauses:
            iterables.append(self._iterable(clause.iterable))
            names = [item.name for item in clause.targets.items if isinstance(item, ast.Target)]
            if len(names) != len(clause.targets.items) or self._variables.intersection(names):
                raise Unreadable
            given.update(names)
            self._variables.update(names)
            targets.append(", ".join(map(python_name, names)))
            held = clause.condition
            conditions.append(True if held is None else self.translate(held))
        element = self.translate(expr.item)
        self._variables -= given
        return Listing(element, tuple(targets), tuple(iterables), tuple(conditions))

    def _iterable(self, expr: ast.Expr) -> Tree:
        """Translate what a list goes through: `enumerate(…)` and the like are no values."""
        if isinstance(expr, ast.Call) and isinstance(expr.callee, ast.Name):
            name, args = expr.callee.name, expr.args or ()
            if name in THROUGH and not self._scope.is_local(name) and not any(a.name for a in args):
                return Call(name, tuple(Arg(self._iterable(arg.value)) for arg in args))
        return self.translate(expr)

    def _range(self, expr: ast.Range) -> Tree:
        start, stop = self.translate(expr.start), self.translate(expr.stop)
        return Call("range", tuple(map(Arg, (stop,) if start == 0 else (start, stop))))

    _RULES: ClassVar[dict[type, Callable[[Translator, Any], Tree]]] = {
        ast.Number: _number,
        ast.Constant: _number,
        ast.Text: _text,
        ast.Paren: lambda self, expr: self.translate(expr.inner),
        ast.ListExpr: _sequence,
        ast.TupleExpr: _sequence,
        ast.Name: _name,
        ast.Unary: _unary,
        ast.Binary: _binary,
        ast.Conditional: _conditional,
        ast.Attribute: _attribute,
        ast.Subscript: _subscript,
        ast.Comprehension: _comprehension,
        ast.Range: _range,
        ast.Call: _call,
    }
