"""String literals: plain text, and text with `{expression}` holes (`{{` and `}}` are braces)."""

from __future__ import annotations

import re
from collections.abc import Callable

from addnn_spec.syntax import ast
from addnn_spec.syntax.lexer import Token
from addnn_spec.syntax.syntax_errors import Findings

_BRACE = re.compile(r"\{\{|\}\}|[{}]")


class Strings:
    """Reads string literals. `read_hole(start, end)` parses an expression in one; it returns None
    where it reported an error."""

    def __init__(
        self, findings: Findings, read_hole: Callable[[int, int], ast.Expr | None]
    ) -> None:
        self._findings = findings
        self._read_hole = read_hole

    def plain(self, token: Token) -> ast.Text:
        """Return a string whose braces mean nothing."""
        text = token.text[1:-1]
        span = self._findings.span(token.start, token.end)
        return ast.Text((text,) if text else (), span)

    def template(self, token: Token) -> ast.Text:
        """Return a string with holes."""
        # Most strings have no holes.
        if "{" not in token.text and "}" not in token.text:
            return self.plain(token)
        parts: list[str | ast.Expr] = []
        literal = ""
        position, end = token.start + 1, token.start + len(token.text) - 1
        text = self._findings.source.text
        while found := _BRACE.search(text, position, end):
            literal += text[position : found.start()]
            position = found.end()
            if len(found.group()) == 2:
                literal += found.group()[0]
                continue
            hole, position = self._hole(found, end)
            if hole is not None:
                parts += [literal, hole] if literal else [hole]
                literal = ""
        literal += text[position:end]
        if literal:
            parts.append(literal)
        return ast.Text(tuple(parts), self._findings.span(token.start, token.end))

    def _hole(self, brace: re.Match[str], end: int) -> tuple[ast.Expr | None, int]:
        """Return the expression after `{`, and where the text goes on."""
        start = brace.end()
        if brace.group() == "}":
            note = "a brace that is meant as such is written twice: `}}`"
            self._findings.error("E0009", "`}` without a `{`", brace.start(), start, help=note)
            return None, start
        closing = brace.string.find("}", start, end)
        inner = brace.string[start:closing]
        if closing < 0:
            message, note = "this `{` is never closed", "`{{` is a brace that is meant as such"
        elif not inner.strip():
            message, note = "there is no expression in the braces", "write `{i}`, or `{{}}`"
        elif "{" in inner or "#" in inner:
            message, note = "only an expression stands in the braces", "give it a name with `let`"
        else:
            return self._read_hole(start, closing), closing + 1
        stop = end if closing < 0 or "{" in inner else closing + 1
        self._findings.error("E0009", message, brace.start(), stop, help=note)
        return None, stop
