"""The value and the type that Python finds for an expression tree, computed without running it."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from types import NoneType, UnionType
from typing import Any, Protocol, get_args

from addnn_spec.backends.torch_code.tree import (
    NONE,
    Choice,
    Listing,
    Name,
    Tree,
    Variable,
    is_literal,
)
from addnn_spec.ops.code import Arg, Call, Infix, Item, Prefix, Seq, Slice
from addnn_spec.sizes import SymbolicSize

Values = Callable[[str], Any]
"""Gives the values of the names that a tree reads; raises KeyError where one has none."""

_CALLED: dict[str, Callable[..., Any]] = {
    "abs": abs,
    "float": float,
    "int": int,
    "len": len,
    "math.ceil": math.ceil,
    "math.floor": math.floor,
    "math.log": math.log,
    "math.log2": math.log2,
    "math.sqrt": math.sqrt,
    "max": max,
    "min": min,
    "round": round,
    "sum": sum,
}
FUNCTIONS = {name.rpartition(".")[2]: name for name in _CALLED}
"""The language's functions that Python has, by their names in the language."""

THROUGH: dict[str, Callable[..., Iterable[Any]]] = {
    "enumerate": enumerate,
    "range": range,
    "reversed": reversed,
    "zip": zip,
}
"""What a list may go through besides a list."""

_MOST_ITEMS = 20_000
"""Lists of more items are not computed."""

_MOST_BITS = 4_096
"""Numbers of more digits are not computed."""


Kind = type | UnionType | None
"""A type of numbers, which may be None besides; None where it is another."""


class Unreadable(Exception):
    """An expression has no translation, or no value in this use."""


class PythonFunction(Protocol):
    """A function of the emitted file."""

    def call(self, args: Sequence[Any], named: Mapping[str, Any]) -> Any:
        """Compute its result."""

    def returns(self) -> Kind:
        """Return the type of its result, as a type checker finds it."""


_Functions = Mapping[str, PythonFunction]


def value_of(tree: Tree, values: Values, functions: _Functions) -> Any:
    """Compute a tree as Python would.

    Raises:
        Unreadable: where Python would raise, or where a name has no value.
    """
    try:
        return _Computer(values, functions).value(tree)
    except (ArithmeticError, TypeError, ValueError, LookupError, RecursionError) as error:
        raise Unreadable from error


class _Computer:
    def __init__(self, values: Values, functions: _Functions) -> None:
        self._values = values
        self._functions = functions
        self._variables: dict[str, Any] = {}
        """Those of the lists that are being made."""
        self._items = 0

    def value(self, tree: Tree) -> Any:
        value = self.value
        match tree:
            case Name(text) | Variable(text):
                return self._named(tree, text)
            case Infix("and", left, right):
                return value(left) and value(right)
            case Infix("or", left, right):
                return value(left) or value(right)
            case Infix(op, left, right):
                return _OPERATORS[op](value(left), value(right))
            case Prefix("-", inner):
                return -value(inner)
            case Prefix("not", inner):
                return not value(inner)
            case Choice(then, condition, orelse):
                return value(then if value(condition) else orelse)
            case Seq(items):
                return tuple(map(value, items))
            case Item(inner, (Slice(start, stop, step),)):
                bounds = (None if part is None else value(part) for part in (start, stop, step))
                return value(inner)[slice(*bounds)]
            case Item(inner, (index,)):
                return value(inner)[value(index)]
            case Call(fn, args):
                return self._called(fn, args)
        return self._other(tree)

    def _named(self, tree: Tree, name: str) -> Any:
        if isinstance(tree, Variable):
            return self._variables[name]
        return None if tree == NONE else self._values(name)

    def _other(self, tree: Tree) -> Any:
        if isinstance(tree, Listing):
            return (list if tree.brackets else tuple)(self._listed(tree, 0))
        if is_literal(tree):
            return tree
        raise Unreadable

    def _listed(self, tree: Listing, depth: int) -> Iterator[Any]:
        """Yield the items of a list, from its `depth`-th `for` on."""
        if depth == len(tree.targets):
            self._items += 1
            if self._items > _MOST_ITEMS:
                raise Unreadable
            yield self.value(tree.element)
            return
        target = tree.targets[depth]
        for item in self._through(tree.iterables[depth]):
            self._variables |= _bound(target, item)
            if self.value(tree.conditions[depth]):
                yield from self._listed(tree, depth + 1)

    def _through(self, tree: Tree) -> Iterable[Any]:
        """Return what a `for` goes through."""
        found: Iterable[Any] | float | str = self._given(tree)
        if isinstance(found, int | float | str):
            raise Unreadable
        return found

    def _given(self, tree: Tree) -> Any:
        if isinstance(tree, Call) and tree.fn in THROUGH:
            return THROUGH[tree.fn](*map(self._given, _positional(tree.args)), **_named(tree.args))
        return self.value(tree)

    def _called(self, fn: str, args: tuple[Arg, ...]) -> Any:
        if fn == "range":
            return _short(range(*map(self.value, _positional(args))))
        if fn == "tuple":
            return tuple(islice(self._through(args[0].value), _MOST_ITEMS))
        positional = [self.value(value) for value in _positional(args)]
        if fn in _CALLED:
            return _CALLED[fn](*positional)
        named = {name: self.value(value) for name, value in _named(args).items()}
        return self._functions[fn].call(positional, named)


def _bound(target: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Yield the names of a target, `i, (a, b)`, each with its part of a value."""
    parts = [""]
    for sign in target:
        # A comma in brackets is one of an inner target.
        if sign == "," and parts[-1].count("(") == parts[-1].count(")"):
            parts.append("")
        else:
            parts[-1] += sign
    if len(parts) == 1:
        yield target, value
        return
    for part, one in zip(map(str.strip, parts), value, strict=True):
        yield from _bound(part[1:-1] if part[0] == "(" else part, one)


def _positional(args: tuple[Arg, ...]) -> list[Tree]:
    return [arg.value for arg in args if arg.name is None]


def _named(args: tuple[Arg, ...]) -> dict[str, Tree]:
    return {arg.name: arg.value for arg in args if arg.name is not None}


def _short(items: range) -> range:
    """Return a range that may be summed or searched."""
    if len(items) > _MOST_ITEMS:
        raise Unreadable
    return items


_FACTORS = (int, float, SymbolicSize)


def _product(left: Any, right: Any) -> Any:
    if isinstance(left, int) and isinstance(right, int):
        if left.bit_length() + right.bit_length() > _MOST_BITS:
            raise Unreadable
    elif isinstance(left, tuple) and isinstance(right, int):
        if len(left) * right > _MOST_ITEMS:
            raise Unreadable
    elif not (isinstance(left, _FACTORS) and isinstance(right, _FACTORS)):
        raise Unreadable  # a word times a number is no arithmetic of the language
    return left * right


def _power(left: Any, right: Any) -> Any:
    if isinstance(left, int) and isinstance(right, int):
        # A spec may say `9 ** 9 ** 9`.
        if left.bit_length() * abs(right) > _MOST_BITS:
            raise Unreadable
    return left**right


_OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": _product,
    "/": operator.truediv,
    "//": operator.floordiv,
    "%": operator.mod,
    "**": _power,
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "is": operator.is_,
    "is not": operator.is_not,
    "in": lambda left, right: left in right,
    "not in": lambda left, right: left not in right,
}

# --------------------------------------------------------------------------------------------------
# Types

_RESULTS: dict[str, type] = {
    "float": float,
    "int": int,
    "len": int,
    "math.ceil": int,
    "math.floor": int,
    "math.log": float,
    "math.log2": float,
    "math.sqrt": float,
    "round": int,
}
_BOOLEAN = frozenset({"==", "!=", "<", "<=", ">", ">=", "is", "is not", "in", "not in"})
_NUMBERS = (bool, int, float)


def common_type(values: Iterable[Any]) -> Kind:
    """Return the widest type of numbers, of None besides; None where something else is there."""
    found = {type(value) for value in values}
    numbers = _wider(*found - {NoneType})
    return numbers | None if numbers is not None and NoneType in found else numbers


def _wider(*types: Kind) -> type | None:
    if not types or not all(found in _NUMBERS for found in types):
        return None
    return max((found for found in types if isinstance(found, type)), key=_NUMBERS.index)


def type_of(tree: Tree, names: Callable[[str], Kind], functions: _Functions) -> Kind:
    """Return the type that a type checker finds for a tree: int, float or bool, None if another."""
    return _Typing(names, functions).of(tree)


class _Typing:
    def __init__(self, names: Callable[[str], Kind], functions: _Functions) -> None:
        self._names = names
        self._functions = functions

    def of(self, tree: Tree) -> Kind:
        match tree:
            case Name(text):
                return self._names(text)
            case Infix(op, left, right):
                return self._joined(op, left, right)
            case Prefix(op, value):
                return bool if op == "not" else self.of(value)
            case Choice(then, condition, orelse):
                there, otherwise = self._where(condition, True), self._where(condition, False)
                return _wider(there.of(then), otherwise.of(orelse))
            case Seq(items):
                return _wider(*map(self.of, items))  # of what min, max and sum choose among
            case Item():
                return int  # what is compared with its value besides
            case Call(fn, args):
                return self._called(fn, args)
        return type(tree) if type(tree) in _NUMBERS else None

    def _where(self, condition: Tree, holds: bool) -> _Typing:
        """Return the types where a condition holds, or does not: what is not None is a number."""
        match condition:
            case Infix("is" | "is not" as op, Name(text), none) if none == NONE:
                if holds is (op == "is not"):
                    return _Typing(lambda n: _given(self._names(n), n == text), self._functions)
        return self

    def _joined(self, op: str, left: Tree, right: Tree) -> Kind:
        if op in _BOOLEAN or op == "/":
            return float if op == "/" else bool
        wide = _wider(self.of(left), self.of(right))
        return wide if op in ("and", "or") or wide is not bool else int

    def _called(self, fn: str, args: tuple[Arg, ...]) -> Kind:
        if fn in self._functions:
            return self._functions[fn].returns()
        if fn in ("max", "min", "sum") and len(args) == 1 and not isinstance(args[0].value, Seq):
            return int  # of a list by its name, as an item of it
        return _RESULTS.get(fn) or _wider(*(self.of(arg.value) for arg in args))


def _given(found: Kind, there: bool) -> Kind:
    """Return a type without the None beside it, if the value is known not to be None."""
    return get_args(found)[0] if there and isinstance(found, UnionType) else found


# --------------------------------------------------------------------------------------------------
# Conditions


def negated(tree: Tree) -> Tree:
    """Return what holds where a condition does not."""
    if isinstance(tree, Infix) and tree.op in _OPPOSITE:
        return Infix(_OPPOSITE[tree.op], tree.left, tree.right)
    if isinstance(tree, Prefix) and tree.op == "not":
        return tree.value
    return Prefix("not", tree)


_OPPOSITE = {"==": "!=", "!=": "==", "is": "is not", "is not": "is", "in": "not in"}
_OPPOSITE |= {"not in": "in", "<": ">=", ">=": "<", ">": "<=", "<=": ">"}
