"""Text to syntax tree: a table-driven LALR(1) parser that recovers from errors.

The table comes from grammar/net.lark by lark (see `generate`). The tree is built as rules are
recognised, without recursion, by `TreeBuilder`.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from addnn_spec.diagnostics import Collector
from addnn_spec.source import Source, Span
from addnn_spec.syntax import ast
from addnn_spec.syntax.lexer import Lexer, Token
from addnn_spec.syntax.parse_table import END, ParseRule, ParseTable, load_table
from addnn_spec.syntax.parser_stack import ParserStack, StackEntry
from addnn_spec.syntax.recovery import Recovery
from addnn_spec.syntax.strings import Strings
from addnn_spec.syntax.syntax_errors import MAX_NESTING, Findings, StopError
from addnn_spec.syntax.tree_builder import TreeBuilder

# What counts as a level of nesting. Bodies, brackets, and operators that group to the right.
_NESTING = frozenset(
    [
        "chain_body",
        "statement_body",
        "args",
        "list_",
        "tuple_",
        "paren",
        "comprehension",
        "subscripts",
        "shape",
        "targets",
        "negative",
        "not_",
        "power",
        "conditional",
        "else_if",
    ]
)


def parse(source: Source, collector: Collector) -> ast.File:
    """Return the syntax tree of a file.

    Mistakes go to `collector`; where there are any, the tree holds what could be read. It nests at
    most 100 levels deep, and chains of operators have at most 200 terms, whatever the text.
    """
    findings = Findings(source, collector)
    lexer = Lexer(findings)
    items: tuple[ast.Item, ...] = ()
    with _collector_off():
        try:
            lexer.check_characters()
            items = _Parser(findings, lexer).parse("file", lexer.tokens()) or ()
        except StopError:
            pass
    return ast.File(items, tuple(lexer.comments), Span(source, 0, len(source.text)))


@contextmanager
def _collector_off() -> Iterator[None]:
    """Switch off the collector of cycles: it would take most of the time of a long parse."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


class _Reduction(NamedTuple):
    """A rule with the builder's method."""

    rule: ParseRule
    build: Any
    nests: int


class _Parser:
    """Parses files, and the holes of their strings."""

    def __init__(self, findings: Findings, lexer: Lexer) -> None:
        self._findings = findings
        self._lexer = lexer
        self._table: ParseTable = load_table()
        self._gotos: dict[tuple[int, int, str], int] = {}
        builder = TreeBuilder(findings, Strings(findings, self._read_hole))
        self._reductions = [
            _Reduction(
                rule,
                getattr(builder, rule.action) if rule.action else None,
                int(rule.action in _NESTING),
            )
            for rule in self._table.rules
        ]

    def _read_hole(self, start: int, end: int) -> ast.Expr | None:
        value: ast.Expr | None = self.parse("hole", self._lexer.tokens(start, end))
        return value

    def parse(self, start: str, tokens: list[Token]) -> Any:
        """Return what the builder makes of the tokens; None if they are no `start` at all."""
        table = self._table
        actions, reductions = table.actions, self._reductions
        stack = ParserStack(table, start)
        states, entries = stack.states, stack.entries
        recovery = Recovery(self._findings, stack, tokens)
        position = 0
        while True:
            token = tokens[position]
            action = actions[states[-1]].get(token.kind)
            if action is None:
                resumed = recovery.recover(position)
                if resumed is None:
                    return None
                position = resumed
            elif action >= 0:
                states.append(action)
                entries.append(StackEntry(token, token.start, token.end, 0))
                position += 1
                if len(states) > stack.limit:
                    self._findings.too_deep(token.start, token.end)
            else:
                reduction = reductions[~action]
                entry = self._reduce(reduction, stack, token)
                entries.append(entry)
                states.append(self._goto(states[-1], reduction.rule.origin, token.kind))
                if token.kind == END and states[-1] == table.ends[start]:
                    return entry.value

    def _reduce(self, reduction: _Reduction, stack: ParserStack, token: Token) -> StackEntry:
        """Take a rule's symbols off the stack, and make its value of theirs."""
        rule = reduction.rule
        length = rule.length
        if length:
            read = stack.entries[-length:]
            del stack.entries[-length:]
            del stack.states[-length:]
            start, end = read[0].start, read[-1].end
            # Carried along as rules are recognised, so that no tree is built that cannot be walked.
            depth = max([entry.depth for entry in read]) + reduction.nests
            if depth > MAX_NESTING:
                self._findings.too_deep(start, end)
        else:
            read = []
            start = end = token.start
            depth = reduction.nests
        values = [read[i][0] for i in rule.children] if rule.plain else _children(rule, read)  # type: ignore[index]
        if reduction.build is not None:
            value = reduction.build(Span(self._findings.source, start, end), *values)
        else:
            value = values if rule.helper else values[0]
        return StackEntry(value, start, end, depth)

    def _goto(self, state: int, origin: int, kind: str) -> int:
        """Return the state after a rule, and after all that would only rename the value next."""
        # Few of these are ever asked, and each thousands of times.
        key = (state, origin, kind)
        target = self._gotos.get(key)
        if target is None:
            target = self._gotos[key] = self._table.goto(state, origin, kind)
        return target


def _children(rule: ParseRule, read: list[StackEntry]) -> list[Any]:
    """Return a rule's children where some are missing or lists; the first list is reused: it
    grows."""
    children: list[Any] = []
    for place, index in enumerate(rule.children):
        if index is None:
            children.append(None)
        elif index >= 0:
            children.append(read[index].value)
        # A list that grows by one item a reduction would be copied in quadratic time.
        elif place == 0:
            children = read[~index].value
        else:
            children += read[~index].value
    return children
