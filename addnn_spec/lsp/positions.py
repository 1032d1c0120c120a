"""Places of a text as the protocol counts them: lines from 0, and code units within the line."""

from __future__ import annotations

import re
from bisect import bisect_right

from lsprotocol import types

from addnn_spec.source import Span

_LINE_END = re.compile("\r\n|\n|\r")
_UTF16 = types.PositionEncodingKind.Utf16


class Positions:
    """The lines of a source's text, which has neither a byte order mark nor CRLF; the document has
    a mark if `marked`."""

    def __init__(self, text: str, *, marked: bool = False, encoding: str = _UTF16) -> None:
        self.text = text
        self._encoding = encoding
        self._ends = [match.start() for match in _LINE_END.finditer(text)]
        self._starts = [0, *(match.end() for match in _LINE_END.finditer(text))]
        self._ends.append(len(text))
        self._mark = "\ufeff" if marked else ""

    def position(self, offset: int) -> types.Position:
        """Return the place of a character."""
        line = bisect_right(self._starts, offset) - 1
        before = self.text[self._starts[line] : offset]
        return types.Position(line, self._units(before if line else self._mark + before))

    def offset(self, position: types.Position) -> int:
        """Return the character at a place; at the end of the line if that is shorter."""
        if position.line >= len(self._starts):
            return len(self.text)
        start, end = self._starts[position.line], self._ends[position.line]
        line = self.text[start:end] if position.line else self._mark + self.text[start:end]
        # Almost every line: a character is one unit in each encoding.
        if line.isascii():
            return min(start + position.character, end)
        units = place = 0
        while place < len(line) and units < position.character:
            units += self._units(line[place])
            place += 1
        return min(start + max(place - (0 if position.line else len(self._mark)), 0), end)

    def range(self, span: Span) -> types.Range:
        """Return the places where a span begins and ends."""
        return self.between(span.start, span.end)

    def between(self, start: int, end: int) -> types.Range:
        return types.Range(self.position(start), self.position(end))

    def line(self, offset: int) -> int:
        """Return the line of a character, from 0."""
        return bisect_right(self._starts, offset) - 1

    def line_end(self, line: int) -> int:
        """Return the offset at which a line ends."""
        return self._ends[line]

    def line_start(self, line: int) -> int:
        return self._starts[line]

    @property
    def lines(self) -> int:
        return len(self._starts)

    def _units(self, text: str) -> int:
        if text.isascii() or self._encoding == types.PositionEncodingKind.Utf32:
            return len(text)
        if self._encoding == types.PositionEncodingKind.Utf8:
            return len(text.encode(errors="replace"))
        return len(text.encode("utf-16-le", errors="replace")) // 2
