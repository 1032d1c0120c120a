"""The parser's stack, and the question what may come next."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from addnn_spec.syntax.lexer import Token
from addnn_spec.syntax.parse_table import END, ParseTable

OPENING = {"LPAR": "RPAR", "LSQB": "RSQB", "LBRACE": "RBRACE"}
_CLOSING = frozenset(OPENING.values())
_LIMIT = 4000  # more than nesting of 100 can need; what is longer is a run of prefix operators


class StackEntry(NamedTuple):
    """What was read: its value (a token for a token), its place, how deep it nests."""

    value: Any
    start: int
    end: int
    depth: int


class ParserStack:
    """The parser's stack: states, and an entry for each state but the first."""

    limit = _LIMIT

    def __init__(self, table: ParseTable, start: str) -> None:
        self._table = table
        self.start = start
        self.states = [table.starts[start]]
        self.entries: list[StackEntry] = []
        self._ends = frozenset(table.ends.values())

    def cut(self, size: int) -> None:
        """Drop all but the first `size` entries."""
        del self.entries[size:]
        del self.states[size + 1 :]

    def tokens(self) -> list[tuple[int, Token]]:
        """Return the tokens that are read but not yet part of anything, with their places on the
        stack."""
        entries = enumerate(self.entries)
        return [(i, entry.value) for i, entry in entries if isinstance(entry.value, Token)]

    def open_brackets(self) -> list[tuple[int, Token]]:
        """Return the brackets that are not closed, from the outside in, with their places on the
        stack."""
        found: list[tuple[int, Token]] = []
        for place, token in self.tokens():
            if token.kind in OPENING:
                found.append((place, token))
            elif token.kind in _CLOSING:
                found.pop()
        return found

    def accepts(self, kinds: Sequence[str], size: int | None = None) -> bool:
        """Return True if these tokens may come next, if all but the first `size` entries are
        dropped."""
        # The stack itself stays: what would be pushed is kept apart, what would be popped is
        # counted.
        base = len(self.states) - 1 if size is None else size
        pushed: list[int] = []
        for kind in kinds:
            while True:
                state = pushed[-1] if pushed else self.states[base]
                action = self._table.actions[state].get(kind)
                if action is None:
                    return False
                if action >= 0:
                    pushed.append(action)
                    break
                rule = self._table.rules[~action]
                base -= max(rule.length - len(pushed), 0)
                del pushed[max(len(pushed) - rule.length, 0) :]
                state = pushed[-1] if pushed else self.states[base]
                pushed.append(self._table.gotos[state][rule.origin])
                if kind == END and pushed[-1] in self._ends:
                    return True
        return True

    def expected(self) -> frozenset[str]:
        """Return the kinds of token that may come next."""
        possible = self._table.actions[self.states[-1]]
        # An LALR table reduces before it notices some errors: each kind is tried to its end.
        return frozenset(kind for kind in possible if self.accepts((kind,)))
