"""Expressions of the language as Python, over the names that a class can have.

Functions of the text that are called become functions of the file.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

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
    Listing,
    Name,
    Tree,
    Variable,
    is_literal,
)
from addnn_spec.backends.torch_code.unrolled import simplified
from addnn_spec.ops.code import REQUIRED, Arg, Call, Infix, Item, Prefix, Seq
from addnn_spec.syntax import ast
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
        if not isinstance(expr.value, ast.Name) or expr.name not in SIZES:
            raise Unreadable
        return self._scope.size(expr.value.name, SIZES[expr.name])

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
        return trees if is_literal(trees) else Seq(trees)

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
