"""The parser's position when a token cannot come next."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cached_property
from itertools import count

from addnn_spec.source import Source
from addnn_spec.syntax.lexer import Token
from addnn_spec.syntax.parse_table import END
from addnn_spec.syntax.parser_stack import OPENING, ParserStack

ITEMS = frozenset(["FROM", "FN", "BLOCK", "NETWORK"])
STATEMENTS = frozenset(
    ["LET", "RETURN", "INPUT", "OUTPUT", "MODULE", "PARAMETER", "BUFFER", "ASSERT"]
)

_COMMENT = re.compile(r"#[^\n]*")
_NONE = Token("", "", 0, 0)


class Situation:
    """The token that was found, what is around it, and what could have come instead."""

    def __init__(
        self, source: Source, stack: ParserStack, tokens: Sequence[Token], position: int
    ) -> None:
        self.source = source
        self.stack = stack
        self._tokens = tokens
        self._position = position
        self.found = tokens[position]

    @property
    def in_hole(self) -> bool:
        """True if it is in the braces of a string."""
        return self.stack.start == "hole"

    @cached_property
    def expected(self) -> frozenset[str]:
        """The kinds of token that could have come."""
        return self.stack.expected()

    @cached_property
    def opener(self) -> Token | None:
        """The innermost bracket that is still open."""
        brackets = self.stack.open_brackets()
        return brackets[-1][1] if brackets else None

    @property
    def closes_something(self) -> bool:
        """True if a closing bracket was found that belongs to an open one, maybe further out."""
        brackets = self.stack.open_brackets()
        return any(OPENING[token.kind] == self.found.kind for _, token in brackets)

    @property
    def next(self) -> Token:
        """The token after the found one."""
        return self.at(1)

    @property
    def previous(self) -> Token:
        """The token before the found one."""
        return self.at(-1)

    def at(self, distance: int) -> Token:
        """Return the token `distance` further on; one of no kind outside of the text."""
        position = self._position + distance
        return self._tokens[position] if 0 <= position < len(self._tokens) else _NONE

    def indentation(self, place: int) -> int:
        """Return how far the line is indented in which a token of the text begins."""
        text, token = self.source.text, self._tokens[place]
        line = text[text.rfind("\n", 0, token.start) + 1 : token.start]
        return len(line) - len(line.lstrip(" \t"))

    @cached_property
    def left_open(self) -> tuple[Token, Token] | None:
        """A brace within the open one that the indentation says was left open, and what stands
        where it should have been closed.

        The `}` that stands further left than the line of its `{` was meant for another.
        """
        tokens, here = self._tokens, self._position
        first = next((i for i in range(here, -1, -1) if tokens[i] == self.opener), here)
        opened: list[int] = []
        for place in range(first, here):
            if tokens[place].kind == "LBRACE":
                opened.append(place)
            elif tokens[place].kind == "RBRACE" and opened:
                begun = opened.pop()
                least = self.indentation(begun)
                if opened and self.indentation(place) < least:
                    lines = (i for i in range(begun + 1, place) if self.begins_line_at(i - here))
                    back = next((i for i in lines if self.indentation(i) <= least), place)
                    return tokens[begun], tokens[back]
        return None

    @property
    def heads_body(self) -> bool:
        """True if a name, nothing or more in brackets, and `{` follow the found token."""
        # From the token after the name.
        depth, distance = 0, 2
        while self.next.kind == "NAME" and (kind := self.at(distance).kind) not in ("", END):
            if depth == 0 and kind != "LPAR":
                return kind == "LBRACE"
            depth += {"LPAR": 1, "RPAR": -1}.get(kind, 0)
            distance += 1
        return False

    @property
    def ends_body(self) -> bool:
        """True if a `}` without its `{` follows, before the next item."""
        depth = distance = 0
        while (kind := self.at(distance).kind) not in ("", END):
            if kind in ITEMS and self.begins_line_at(distance):
                return False
            depth += {"LBRACE": 1, "RBRACE": -1}.get(kind, 0)
            if depth < 0:
                return True
            distance += 1
        return False

    @property
    def closed_later(self) -> bool:
        """True if a `}` without its `{` follows anywhere."""
        return self._matching(0, -1) is not None

    @property
    def length_of_item(self) -> int:
        """How many tokens the item has that the found one begins, where it is in a body."""
        if self.found.kind in ("BLOCK", "NETWORK"):
            brace = next((n for n in count() if self.at(n).kind in ("LBRACE", END)), 0)
            end = self._matching(brace + 1, -1)
            if end is not None and self.at(brace).kind == "LBRACE":
                return end + 1
        length = 1
        while not self._begins_anything(length):
            length += 1
        return length

    def _begins_anything(self, distance: int) -> bool:
        """Return True if a statement or an item begins with that token, or a body ends there."""
        token = self.at(distance)
        named = token.kind == "NAME" and self.at(distance + 1).kind in ("EQUAL", "COMMA")
        begins = token.kind in STATEMENTS | ITEMS | {"IF", "FOR"} or named
        return token.kind in ("RBRACE", END) or (begins and self.begins_line_at(distance))

    def _matching(self, distance: int, depth: int) -> int | None:
        """Return how far on the `}` is that lowers the depth of braces to this one, or None."""
        now = 0
        while (kind := self.at(distance).kind) not in ("", END):
            now += {"LBRACE": 1, "RBRACE": -1}.get(kind, 0)
            if now == depth:
                return distance
            distance += 1
        return None

    @property
    def begins_line(self) -> bool:
        """True if nothing but white space and comments stands before it in its line."""
        return self.begins_line_at(0)

    def begins_line_at(self, distance: int) -> bool:
        """Return True if the token `distance` further on is the first of its line."""
        before, token = self.at(distance - 1), self.at(distance)
        return before is _NONE or "\n" in self.source.text[before.end : token.start]

    @property
    def after_rubbish(self) -> bool:
        """True if characters that are no token, or an open string, were reported right before."""
        text, before = self.source.text, self.previous
        between = text[before.end : self.found.start]
        open_string = before.kind == "STRING" and text[before.end - 1 : before.end] != '"'
        return open_string or bool(_COMMENT.sub("", between).strip())

    def allows(self, *kinds: str) -> bool:
        """Return True if these tokens could have come here."""
        return self.stack.accepts(kinds)

    def reads(self, *kinds: str) -> bool:
        """Return True if the stack ends in these tokens."""
        entries = self.stack.entries[-len(kinds) :]
        return len(entries) == len(kinds) and all(
            isinstance(entry.value, Token) and entry.value.kind == kind
            for entry, kind in zip(entries, kinds, strict=True)
        )

    def inside(self, *kinds: str) -> bool:
        """Return True if one of these tokens was read since the innermost open `{`."""
        braces = [i for i, token in self.stack.open_brackets() if token.kind == "LBRACE"]
        start = braces[-1] if braces else -1
        return any(i > start and token.kind in kinds for i, token in self.stack.tokens())
