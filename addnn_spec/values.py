"""Compile-time values: what an expression of the language can be before anything runs.

Numbers, booleans, strings, `none` and lists are Python's own (lists as tuples); sizes may be
symbolic. This module holds the other kinds: layers, and the exact keys that tell values apart.
"""

from __future__ import annotations

import struct
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from addnn_spec.ops.base import Operator
from addnn_spec.ops.init import Init
from addnn_spec.sizes import SymbolicSize
from addnn_spec.source import Span
from addnn_spec.syntax import ast

if TYPE_CHECKING:
    from addnn_spec.elaborate.frame import Value
    from addnn_spec.elaborate.scope import Env


@dataclass(frozen=True, slots=True)
class Brace:
    """A brace given as a layer, with the names around it."""

    body: ast.Body
    env: Env = field(repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class BraceText:
    """A labelled brace or loop, with the names of its file."""

    node: ast.Body | ast.Repeat | ast.For
    env: Env = field(repr=False, compare=False)
    written: tuple[tuple[str, Span], ...]
    """Where it first reads each value that it has from around."""


@dataclass(frozen=True, slots=True)
class Definition:
    """A block or network of a file, with that file's names."""

    node: ast.Block | ast.Network
    env: Env = field(repr=False, compare=False)

    @property
    def name(self) -> str:
        return self.node.name


@dataclass(frozen=True, slots=True)
class LayerValue:
    """An operator, block or brace with some of its arguments given; applying it completes it.

    `given` maps attribute and input names to values, `spans` to the places they were written.
    """

    target: type[Operator] | Definition | Brace
    given: tuple[tuple[str, Value], ...] = ()
    spans: tuple[tuple[str, Span], ...] = field(default=(), compare=False, repr=False)

    @property
    def name(self) -> str:
        """The operator's or block's name; a brace has none."""
        if isinstance(self.target, Definition):
            return self.target.name
        return "" if isinstance(self.target, Brace) else self.target.__name__


@dataclass(frozen=True, slots=True)
class Function:
    """A `fn` of a file, with that file's names."""

    node: ast.Fn
    env: Env = field(repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Builtin:
    """A function of the language itself, `max` or `enumerate`."""

    name: str


def key(value: Value) -> Hashable:
    """Return a hashable key, equal only for values that mean the same in every way.

    Python holds `1`, `True` and `1.0` to be equal, and `0.0` and `-0.0`; a block may not.
    """
    kind = type(value)
    if kind is int or kind is str or kind is bool or value is None:
        return (kind.__name__, value)
    if kind is float:
        # The bits: they tell 0.0 from -0.0, and a NaN is equal to itself.
        return ("float", struct.pack("<d", value))
    if isinstance(value, tuple):
        return ("list", *(key(item) for item in value))
    if isinstance(value, LayerValue):
        target = value.target
        named = (
            target
            if isinstance(target, type)
            else (id(target.node), id(target.env))
            if (isinstance(target, Definition))
            else (id(target.body), id(target.env))
        )
        return ("layer", named, tuple((name, key(item)) for name, item in value.given))
    if isinstance(value, SymbolicSize | Init):
        return (kind.__name__, value)
    return (kind.__name__, value.identity() if hasattr(value, "identity") else id(value))


def kind_of(value: object) -> str:
    """Return what a value is, in the user's words, with its article."""
    if value is None:
        return "none"
    for types, words in _KINDS:
        if isinstance(value, types):
            return words
    return str(getattr(value, "kind", "a value"))


_KINDS: tuple[tuple[Any, str], ...] = (
    (bool, "a boolean"),
    (int, "a number"),
    (float, "a number"),
    (str, "a string"),
    (tuple, "a list"),
    (SymbolicSize, "a symbolic size"),
    (LayerValue, "a layer"),
    (Function | Builtin, "a function"),
    (Init, "an initialiser"),
)


def show(value: object) -> str:
    """Return a value as the language writes it; a layer with its arguments."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return "none"
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, tuple):
        return "[" + ", ".join(show(item) for item in value) + "]"
    if isinstance(value, LayerValue):
        given = ", ".join(f"{name} = {show(item)}" for name, item in value.given)
        name = value.name or "{ … }"
        return f"{name}({given})" if given else name
    if isinstance(value, Init):
        return f"{value.name}({', '.join(f'{name} = {show(item)}' for name, item in value.args)})"
    return str(value)
