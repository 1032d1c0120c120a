"""Expressions of the language as Python, over the names that a class can have.

Functions of the text that are called become functions of the file.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from addnn_spec.backends.torch_code.names import FILE_NAMES, RESERVED, Namespace
from addnn_spec.backends.torch_code.python import (
    FUNCTIONS,
    THROUGH,
    Kind,
    Unreadable,
    common_type,
    negated,
    type_of,
    value_of,
)
from addnn_spec.backends.torch_code.tree import (
    NONE,
    Choice,
    Listing,
    Name,
    Tree,
    Variable,
    is_literal,
)
from addnn_spec.backends.torch_code.unrolled import simplified
from addnn_spec.ops.code import REQUIRED, Arg, Call, Infix, Item, Prefix, Seq, Slice
from addnn_spec.syntax import ast
from addnn_spec.syntax.walk import walk
from addnn_spec.values import Function as LanguageFunction

if TYPE_CHECKING:
    from addnn_spec.elaborate.scope import Env

SIZES = {"channels": 1, "length": 1, "features": -1, "height": -2, "width": -1}
"""The attributes of a tensor that are sizes, by dimension."""


def python_name(name: str) -> str:
    """Return a name of the text as Python may have it: a trailing underscore where it is taken."""
    return f"{name}_" if name in RESERVED or name in FILE_NAMES else name


def size_name(input: str, dim: int) -> Name:
    """Name an input's size until the class has a parameter for it."""
    return Name(f"{input}.shape[{dim}]")


class FileFunction:
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
        """Refuse a size: a function reads no tensor."""
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

    def returns(self) -> Kind:
        """Return the type of its result, as a type checker finds it."""
        types = {
            name: common_type(seen)
            for (name, _), seen in zip(self.parameters, self.seen, strict=False)
        }
        return None if self.tree is None else type_of(self.tree, types.get, self.functions)


class Functions(dict[str, FileFunction]):
    """The functions of a file, by their names in Python."""

    def __init__(self) -> None:
        super().__init__()
        self._names = Namespace()
        self._made: dict[int, FileFunction] = {}

    def named(self, value: LanguageFunction) -> str:
        """Name a function of the language in the file, which has it from now on."""
        found = self._made.get(id(value.node))
        if found is None:
            name = self._names.unique(value.node.name)
            found = self._made[id(value.node)] = FileFunction(name, value.node, value.env, self)
            self[name] = found
            found.tree = Translator(found, "/").translate(value.node.value)
        if found.tree is None:
            raise Unreadable
        return found.name


class ReadingScope(Protocol):
    """Whose names an expression reads."""

    functions: Functions

    def is_local(self, name: str) -> bool:
        """Return True if a name is a parameter, or a `let`."""

    def constant(self, name: str, otherwise: Any) -> Any:
        """Return the value of a name of the file."""

    def size(self, name: str, dim: int) -> Name:
        """Return the size of an input; raises `Unreadable`."""


_OF_LISTS = frozenset({"len", "max", "min", "sum"})


def _written(targets: ast.Targets) -> str:
    """Write what a loop gives names to: `i, (a, b)`."""
    return ", ".join(
        f"({_written(item)})" if isinstance(item, ast.Targets) else python_name(item.name)
        for item in targets.items
    )


def _linspace(start: Tree, end: Tree, count: Tree, variable: str) -> Listing:
    """Return the numbers from start to end: one is the start alone."""
    steps: Tree = Call("max", (Arg(Infix("-", count, 1)), Arg(1)))
    if type(count) is int:
        steps = max(count - 1, 1)
    whole = end if start == 0 else Infix("-", end, start)
    part = Infix("/", Infix("*", whole, Variable(variable)), steps)
    item = part if start == 0 else Infix("+", start, part)
    through = Call("range", (Arg(count),))
    return Listing(simplified(item), (variable,), (through,), (True,))


class Translator:
    """Writes an expression of the language as Python."""

    def __init__(self, scope: ReadingScope, division: str) -> None:
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
            # A literal like any other: as an operation it would be compared as a tree.
            return -expr.value.value
        return Prefix(expr.op, self.translate(expr.value))

    def _binary(self, expr: ast.Binary) -> Tree:
        left = self.translate(expr.left)
        right = (self._list if expr.op in ("in", "not in") else self.translate)(expr.right)
        if expr.op in ("==", "!=") and right == NONE:
            return Infix("is" if expr.op == "==" else "is not", left, right)
        if expr.op in ("==", "!=") and isinstance(right, bool):  # numbers equal to it are others
            return left if right is (expr.op == "==") else negated(left)
        return Infix(self._division if expr.op == "/" else expr.op, left, right)

    def _conditional(self, expr: ast.Conditional) -> Tree:
        parts = (expr.then, expr.condition, expr.otherwise)
        return Choice(*map(self.translate, parts))

    def _attribute(self, expr: ast.Attribute) -> Tree:
        """Translate `x.channels`."""
        if not isinstance(expr.value, ast.Name) or expr.name not in SIZES:
            raise Unreadable
        return self._scope.size(expr.value.name, SIZES[expr.name])

    def _subscript(self, expr: ast.Subscript) -> Tree:
        """Translate `x.shape[1]`, or an item or a part of a list."""
        value, *others = expr.value, *expr.items
        if len(others) != 1:
            raise Unreadable
        if isinstance(others[0], ast.Slice):
            return Item(self.translate(value), (self._slice(others[0]),))
        if isinstance(value, ast.Attribute) and value.name == "shape":
            dim = self.translate(others[0])
            if not isinstance(value.value, ast.Name) or type(dim) is not int:
                raise Unreadable
            return self._scope.size(value.value.name, dim)
        item = Item(self._list(value), (self.translate(others[0]),))
        return simplified(item) if isinstance(item.value, Listing | Item) else item

    def _slice(self, part: ast.Slice) -> Slice:
        bounds = (part.start, part.stop, part.step)
        return Slice(*(None if bound is None else self.translate(bound) for bound in bounds))

    def _call(self, expr: ast.Call) -> Tree:
        """Translate a call of a function of the language, or of the user's."""
        if not isinstance(expr.callee, ast.Name) or expr.args is None or expr.body is not None:
            raise Unreadable
        name = expr.callee.name
        value = None if self._scope.is_local(name) else self._scope.constant(name, None)
        if isinstance(value, LanguageFunction):
            given = tuple(
                Arg(self.translate(arg.value), None if arg.name is None else python_name(arg.name))
                for arg in expr.args
            )
            return Call(self._scope.functions.named(value), given)
        if value is not None or any(arg.name is not None for arg in expr.args):
            raise Unreadable
        return self._builtin(name, [arg.value for arg in expr.args])

    def _builtin(self, name: str, args: Sequence[ast.Expr]) -> Tree:
        """Translate a call of a function that the language has."""
        if name in FUNCTIONS:
            single = self._list if len(args) == 1 and name in _OF_LISTS else self.translate
            return Call(FUNCTIONS[name], tuple(Arg(single(arg)) for arg in args))
        if name == "reversed" and len(args) == 1:
            return Item(self.translate(args[0]), (Slice(None, None, -1),))
        if name == "linspace" and len(args) == 3:
            start, end, count = map(self.translate, args)
            return _linspace(start, end, count, self._fresh())
        if name in THROUGH and name != "reversed":
            return Call("tuple", (Arg(self._through(name, args)),))
        raise Unreadable

    def _fresh(self) -> str:
        """Return a name for a list's variable, which nothing else of the expression has."""
        names = (f"{letter}{number}" for number in ("", *range(2, 99)) for letter in "ijk")
        return next(n for n in names if not (self._scope.is_local(n) or n in self._variables))

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
        return trees if is_literal(trees) else Seq(trees)

    def _list(self, expr: ast.Expr) -> Tree:
        """Translate a list that is only read here: it may be any sequence that Python has."""
        match self.translate(expr):
            case Listing() as found:
                return replace(found, brackets=True)
            case Call("tuple", (Arg(Call("range") as found),)):
                return found
            case found:
                return found

    def _comprehension(self, expr: ast.Comprehension) -> Listing:
        """Return a list over what loops go through; a variable of one is not given anew in it.

        It is a tuple, as all lists are that parameters have: it may be compared, and joined.
        """
        given: set[str] = set()
        targets, iterables, conditions = [], [], []
        for clause in expr.clauses:
            iterables.append(self._iterable(clause.iterable))
            names = [node.name for node in walk(clause.targets) if isinstance(node, ast.Target)]
            if self._variables.intersection(names):
                raise Unreadable
            given.update(names)
            self._variables.update(names)
            targets.append(_written(clause.targets))
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
                return self._through(name, [arg.value for arg in args])
        return self._list(expr)

    def _through(self, name: str, args: Sequence[ast.Expr]) -> Call:
        strict = (Arg(True, "strict"),) if name == "zip" else ()  # as the language wants it
        return Call(name, (*(Arg(self._iterable(arg)) for arg in args), *strict))

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
