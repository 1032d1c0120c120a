"""Recovery at a token that cannot come next: report it, mend it or skip to sound text.

A small slip that has one likely remedy (a missing comma, arrow or bracket, `=` for `==`) is
mended, so nothing is lost. Otherwise the text is skipped up to the next statement or closing brace,
or, where the head of a body is wrong, up to that body; and the parser's stack is cut back to where
that may stand.
"""

from __future__ import annotations

from addnn_spec.syntax import ast
from addnn_spec.syntax.lexer import Token
from addnn_spec.syntax.messages import explain
from addnn_spec.syntax.parse_table import END
from addnn_spec.syntax.parser_position import ITEMS, STATEMENTS, Situation
from addnn_spec.syntax.parser_stack import ParserStack
from addnn_spec.syntax.syntax_errors import Findings

# What a head needs at least, after its first word, before its body may stand.
_HEADS = {
    "NETWORK": ("NAME",),
    "BLOCK": ("NAME",),
    "IF": ("NAME",),
    "FOR": ("NAME", "IN", "NAME"),
    "REPEAT": ("NAME",),
}


class Recovery:
    """Lets a parse go on after a syntax error."""

    def __init__(self, findings: Findings, stack: ParserStack, tokens: list[Token]) -> None:
        self._findings = findings
        self._stack = stack
        self._tokens = tokens
        self._skipped_to = -1

    def recover(self, position: int) -> int | None:
        """Return the position to go on at; None if there is nothing to go on with (in a string's
        hole)."""
        situation = Situation(self._findings.source, self._stack, self._tokens, position)
        # Where the text was skipped to, and after rubbish, an error has been told: another would be
        # its consequence.
        if position != self._skipped_to and not situation.after_rubbish:
            finding = explain(situation)
            token = finding.at
            self._findings.error(
                finding.code,
                finding.message,
                token.start,
                token.end,
                finding.label,
                finding.help,
                finding.other,
            )
            if finding.repair is not None:
                inserted, dropped = finding.repair
                if not inserted:
                    return position + dropped
                self._tokens[position : position + dropped] = inserted
                return position
        if self._stack.start != "file":
            return None
        return self._skip(position)

    def _skip(self, position: int) -> int:
        # Skipping must go forward, or the same token would be met for ever.
        first = position + 1 if position == self._skipped_to else position
        resumed = self._next_sound(first)
        self._skipped_to = resumed
        return resumed

    def _next_sound(self, first: int) -> int:
        """Skip to a token that may stand where the stack can be cut to, and cut it there."""
        braces = brackets = 0
        refused = set[str]()  # kinds that may stand nowhere on this stack
        for position in range(first, len(self._tokens)):
            kind = self._tokens[position].kind
            # A long text of such tokens would ask the stack again for each of them.
            if kind in refused and kind not in ITEMS and not braces:
                continue
            situation = Situation(self._findings.source, self._stack, self._tokens, position)
            if kind == END or (kind in ITEMS and situation.begins_line):
                self._close(position)
                return position
            if kind == "LBRACE":
                if not braces and self._begins_body(situation, brackets) and self._enter(position):
                    return position
                braces += 1
            elif kind == "RBRACE" and braces:
                braces -= 1
            elif kind in ("LPAR", "LSQB"):
                brackets += 1
            elif kind in ("RPAR", "RSQB"):
                brackets -= 1
            elif not braces and self._resumes(situation, brackets):
                if self._finish(situation) or self._cut(kind):
                    return position
                refused.add(kind)
        return len(self._tokens) - 1

    def _resumes(self, situation: Situation, brackets: int) -> bool:
        """Return True if the token there ends a body or begins a statement."""
        kind = situation.found.kind
        if kind == "RBRACE" or kind in STATEMENTS:
            return True
        if not situation.begins_line or brackets + self._open_brackets() > 0:
            return False
        return kind in ("IF", "FOR") or (
            kind == "NAME" and situation.next.kind in ("EQUAL", "COMMA")
        )

    def _begins_body(self, situation: Situation, brackets: int) -> bool:
        """Return True if a body may begin there: an item's does so too after a bracket left
        open."""
        if brackets + self._open_brackets() <= 0:
            return True
        return not self._body() and situation.begins_line_at(1)

    def _enter(self, position: int) -> bool:
        """Cut the stack to where the `{` there may stand, in what is being read, in no brackets.

        What the head of a body lacks is put in: names that stand for nothing.
        """
        stack, body = self._stack, self._body()
        brackets = [place for place, _ in stack.open_brackets() if place >= body]
        for size in range(min(brackets, default=len(stack.entries)), body, -1):
            if stack.accepts(("LBRACE",), size):
                stack.cut(size)
                return True
            last = stack.entries[size - 1].value
            kind = last.kind if isinstance(last, Token) else ""
            if isinstance(last, ast.Body) or kind == "RBRACE":
                return False  # a body that is read already: this is another's
            missing = _HEADS.get(kind)
            if missing is not None and stack.accepts((*missing, "LBRACE"), size):
                stack.cut(size)
                start = self._tokens[position].start
                self._tokens[position:position] = [Token(m, "", start, start) for m in missing]
                return True
        return False

    def _body(self) -> int:
        """Return how many entries there are up to the innermost open `{`, itself included; 0 if
        none is open."""
        braces = [i for i, token in self._stack.open_brackets() if token.kind == "LBRACE"]
        return braces[-1] + 1 if braces else 0

    def _open_brackets(self) -> int:
        body = self._body()
        return sum(place >= body for place, _ in self._stack.open_brackets())

    def _cut(self, kind: str) -> bool:
        """Cut the stack to where `kind` may stand: `}` anywhere in the body, else a statement."""
        stack, body = self._stack, self._body()
        entries = stack.entries
        between = body < len(entries) and isinstance(entries[body].value, list)
        top = len(entries) if kind == "RBRACE" else body + int(between)
        for size in range(top, body - 1, -1):
            if stack.accepts((kind,), size):
                stack.cut(size)
                return True
        return False

    def _finish(self, situation: Situation) -> bool:
        """End a statement that is not written to its end, where the next begins a line.

        What is whole of it is kept: the elements of a chain up to the one that is being written.
        """
        kind = situation.found.kind
        if kind == "RBRACE" or not situation.begins_line:
            return False
        stack, body = self._stack, self._body()
        wanted = (kind, situation.next.kind) if kind == "NAME" else (kind,)
        brackets = [place for place, _ in stack.open_brackets() if place >= body]
        for size in range(min(brackets, default=len(stack.entries)), body + 1, -1):
            last = stack.entries[size - 1].value
            goes_on = isinstance(last, Token) and last.kind == "ARROW"
            if not goes_on and stack.accepts(wanted, size):
                stack.cut(size)
                return True
        return False

    def _close(self, position: int) -> None:
        """Close an open body before an item or the end of the file; or cut back to the items."""
        if self._body() and self._cut("RBRACE"):
            start = self._tokens[position].start
            self._tokens.insert(position, Token("RBRACE", "", start, start))
        else:
            self._cut(self._tokens[position].kind)
