"""What gives a name at a place of a block or network, by its text alone.

A body is one scope, a brace of a chain another one inside of it; `if` and `for` statements open
none: what they name outlives them. So a name may be given several times, and the last one before a
place counts, unless it stands in an arm that may not run, or further down in a loop.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from addnn_spec.source import Span
from addnn_spec.syntax import ast
from addnn_spec.syntax.node import SyntaxNode
from addnn_spec.syntax.walk import children, names_given, targets_of

Binding = (
    ast.Param
    | ast.Let
    | ast.Bind
    | ast.Typed
    | ast.Input
    | ast.Output
    | ast.Module
    | ast.Parameter
    | ast.Buffer
    | ast.For
    | ast.Repeat
    | ast.Clause
)


class _Region(NamedTuple):
    """Where in the text something gives a name."""

    start: int
    end: int
    by: Binding
    certain: bool
    """False where that hangs on an arm that may not have run, or on the turn before."""


class _Arm(NamedTuple):
    """A body of an `if` or `for` statement."""

    body: Span
    after: int
    """Where the statement ends."""
    turns: bool


class _Scope(NamedTuple):
    """Where names are given: up to `end`, in arms of statements, the innermost last."""

    end: int
    arms: tuple[_Arm, ...] = ()


class Bindings:
    """The names that a block or network gives."""

    def __init__(self, definition: ast.Block | ast.Network) -> None:
        self._regions: dict[str, list[_Region]] = {}
        scope = _Scope(definition.span.end)
        inputs = (definition.inputs or ()) if isinstance(definition, ast.Block) else ()
        for param in (*definition.params, *inputs):
            self._expr(param.default)
            self._give(param.name, param, param.span.end, scope)
        self._statements(definition.body, scope)

    @property
    def names(self) -> frozenset[str]:
        """The names that it gives anywhere."""
        return frozenset(self._regions)

    def at(self, name: str, offset: int) -> list[Binding]:
        """Return what gives a name that is read at a character: nothing where the definition does
        not, several where it hangs on what runs."""
        found: dict[int, Binding] = {}  # by identity: equal texts at two places are two
        regions = [one for one in self._regions.get(name, ()) if one.start <= offset < one.end]
        regions.reverse()  # the last of those that start together comes first
        for region in sorted(regions, key=lambda one: one.start, reverse=True):
            found[id(region.by)] = region.by
            if region.certain:
                break
        return list(found.values())

    def _give(self, name: str, by: Binding, start: int, scope: _Scope) -> None:
        """Give a name from a character on."""
        regions = self._regions.setdefault(name, [])
        ends = [scope.end, *(arm.body.end for arm in scope.arms)]
        # Within its own arm it is certain; after each statement around, only if that arm ran.
        regions.append(_Region(start, ends[-1], by, certain=True))
        for arm, end in zip(scope.arms, ends, strict=False):
            regions.append(_Region(arm.after, end, by, certain=False))
            if arm.turns:
                # Above its own place in a loop it is what the turn before gave.
                regions.append(_Region(arm.body.start, start, by, certain=False))

    def _targets(self, targets: ast.Targets, by: Binding, start: int, scope: _Scope) -> None:
        for target in targets_of(targets):
            self._give(target.name, by, start, scope)

    # ------------------------------------------------------------------------------------- bodies

    def _statements(self, body: ast.Body, scope: _Scope) -> None:
        for item in body.items:
            if isinstance(item, ast.Element):
                self._core(item.core)
            else:
                self._statement(item, scope)

    def _brace(self, body: ast.Body) -> None:
        """Visit a brace of a chain; a lone `if` or `for` in it is one of a chain, too."""
        scope = _Scope(body.span.end)
        for item in body.items:
            if body.kind == "lone" and isinstance(item, ast.If | ast.For):
                self._core(item)
            elif isinstance(item, ast.Element):
                self._core(item.core)
            else:
                self._statement(item, scope)

    def _statement(self, statement: ast.Statement, scope: _Scope) -> None:
        after = statement.span.end
        match statement:
            case ast.If():
                self._if(
                    statement,
                    lambda arm: self._statements(arm, self._inside(arm, after, scope)),
                )
            case ast.For():
                self._expr(statement.iterable)
                inside = self._inside(statement.body, after, scope, turns=True)
                self._targets(statement.targets, statement, statement.body.span.start, inside)
                self._statements(statement.body, inside)
            case ast.Return() | ast.Assert():
                self._expr(statement)
            case _:
                self._expr(statement)
                for name, _ in names_given(statement):
                    self._give(name, statement, after, scope)

    def _inside(self, body: ast.Body, after: int, scope: _Scope, *, turns: bool = False) -> _Scope:
        return _Scope(scope.end, (*scope.arms, _Arm(body.span, after, turns)))

    def _if(self, statement: ast.If, go: Callable[[ast.Body], None]) -> None:
        chosen: ast.If | ast.Body | None = statement
        while isinstance(chosen, ast.If):
            self._expr(chosen.condition)
            go(chosen.then)
            chosen = chosen.otherwise
        if chosen is not None:
            go(chosen)

    # ------------------------------------------------------------------------------- what they hold

    def _core(self, core: SyntaxNode) -> None:
        """Visit an element of a chain."""
        match core:
            case ast.Body():
                self._brace(core)
            case ast.Repeat():
                self._expr(core.count)
                if core.index is not None:
                    start, end = core.body.span.start, core.body.span.end
                    self._give(core.index.name, core, start, _Scope(end))
                self._brace(core.body)
            case ast.If():
                self._if(core, self._brace)
            case ast.For():
                self._expr(core.iterable)
                self._targets(core.targets, core, core.body.span.start, _Scope(core.body.span.end))
                self._brace(core.body)
            case ast.Comprehension():
                self._comprehension(core)
            case _:
                self._expr(core)

    def _comprehension(self, node: ast.Comprehension) -> None:
        """Go through a comprehension: a clause gives names to what follows it, and to the item."""
        self._expr(node)
        for clause in node.clauses:
            # The item stands before the clauses that give it its names.
            self._targets(clause.targets, clause, node.span.start, _Scope(node.item.span.end))
            after = clause.iterable.span.end
            self._targets(clause.targets, clause, after, _Scope(node.span.end))

    def _expr(self, node: object) -> None:
        """Visit the children of a node that gives no names of its own."""
        for child in children(node):
            if isinstance(child, SyntaxNode):
                self._core(child)
            elif isinstance(child, tuple):
                self._expr(child)
