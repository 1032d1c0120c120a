"""Text with a name, and places in it: every later stage points back here."""

from __future__ import annotations

from bisect import bisect_right
from typing import NamedTuple


class Source:
    """The text of one file. Two sources are equal only if they are the same object.

    `name` is the path as it is shown to the user; `text` has LF line ends and no BOM. `packaged`
    tells that it is of the standard library, which is no user's to mend.
    """

    __slots__ = ("_line_starts", "name", "packaged", "text")

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self.text = text
        self.packaged = False
        self._line_starts: list[int] | None = None

    def __repr__(self) -> str:
        return f"Source({self.name!r}, {len(self.text)} characters)"

    @property
    def line_starts(self) -> list[int]:
        """The offset of each line's first character; made when first asked for."""
        if self._line_starts is None:
            lengths = [len(line) + 1 for line in self.text.split("\n")]
            starts = [0]
            for length in lengths[:-1]:
                starts.append(starts[-1] + length)
            self._line_starts = starts
        return self._line_starts

    def position(self, offset: int) -> tuple[int, int]:
        """Return the line and column of a character, both from 1; columns count code points.

        Raises `ValueError` if `offset` is not within 0 … len(text).
        """
        if not 0 <= offset <= len(self.text):
            raise ValueError(f"offset {offset} is outside {self!r}")
        line = bisect_right(self.line_starts, offset)
        return line, offset - self.line_starts[line - 1] + 1

    def line(self, number: int) -> str:
        """Return the text of line `number` (from 1), without its line end."""
        start = self.line_starts[number - 1]
        end = self.text.find("\n", start)
        return self.text[start:] if end < 0 else self.text[start:end]


class Span(NamedTuple):
    """The characters `start` … `end - 1` of a source."""

    source: Source
    start: int
    end: int

    @property
    def text(self) -> str:
        """What stands there."""
        return self.source.text[self.start : self.end]

    @property
    def position(self) -> tuple[int, int]:
        """Line and column of the first character, both from 1."""
        return self.source.position(self.start)

    def to(self, other: Span) -> Span:
        """Return the span from this one's start to the end of `other`, in the same source."""
        return Span(self.source, self.start, other.end)
