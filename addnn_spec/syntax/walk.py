"""Going through a syntax tree."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from operator import attrgetter
from typing import Any, cast

from addnn_spec.source import Span
from addnn_spec.syntax import ast
from addnn_spec.syntax.node import SyntaxNode

_Parts = Callable[[Any], Sequence[object]]
_PARTS: dict[type, _Parts | None] = {}


def _parts_of(kind: type) -> _Parts | None:
    """Return what gives the fields of a kind of node, last first; None for what is no node."""
    if kind not in _PARTS:
        _PARTS[kind] = _getter(kind) if issubclass(kind, SyntaxNode) else None
    return _PARTS[kind]


def _getter(kind: type[SyntaxNode]) -> _Parts:
    names = [name for name in reversed(kind.fields) if not name.endswith("span")]
    if not names:
        return _nothing
    # Each text is walked many times: this runs in C, but gives no tuple of a single name.
    getter = attrgetter(*names)
    return getter if len(names) > 1 else lambda node: (getter(node),)


def _nothing(_: object) -> tuple[()]:
    return ()


def children(node: object) -> list[object]:
    """Return what a node's fields hold, last first; nothing for what is no node."""
    if isinstance(node, tuple):
        return list(reversed(node))
    parts = _parts_of(type(node))
    return list(parts(node)) if parts else []


def walk(node: object) -> Iterator[SyntaxNode]:
    """Yield every node of a tree, in the order of the text, the root first. Without recursion."""
    waiting: list[object] = [node]
    while waiting:
        found = waiting.pop()
        kind = type(found)
        if kind is tuple:
            waiting += cast("tuple[object, ...]", found)[::-1]
            continue
        parts = _PARTS[kind] if kind in _PARTS else _parts_of(kind)
        if parts is not None:
            yield cast("SyntaxNode", found)
            waiting += parts(found)


def names_read(node: object) -> frozenset[str]:
    """Return the names that a tree reads: in expressions, as layers, in the holes of strings."""
    return frozenset(found.name for found in walk(node) if isinstance(found, ast.Name | ast.Layer))


def targets_of(targets: ast.Targets) -> Iterator[ast.Target]:
    """Yield all names of a `let`, a `for` or a binding, those in brackets, too."""
    for item in targets.items:
        if isinstance(item, ast.Targets):
            yield from targets_of(item)
        else:
            yield item


def weight_name(statement: ast.Parameter | ast.Buffer) -> str:
    """Return what a learned or fixed tensor is called in its body."""
    if statement.target is not None:
        return statement.target.name
    return "".join(part for part in statement.label.parts if isinstance(part, str))


def names_given(node: SyntaxNode) -> Iterator[tuple[str, Span]]:
    """Yield the names that a statement, a loop or a clause itself gives, and where they stand."""
    match node:
        case ast.Let() | ast.Bind() | ast.For() | ast.Clause():
            yield from ((target.name, target.span) for target in targets_of(node.targets))
        case ast.Repeat(index=ast.Target(name, span)):
            yield name, span
        case ast.Output(value=None):
            return  # it reads the name
        case ast.Typed() | ast.Module() | ast.Input() | ast.Output():
            yield node.target.name, node.target.span
        case ast.Parameter() | ast.Buffer():
            yield weight_name(node), node.span
