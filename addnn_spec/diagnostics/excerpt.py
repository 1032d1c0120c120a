"""Lines of a spec as they are shown: safe for any terminal, aligned, never long."""

from __future__ import annotations

import unicodedata

WIDEST = 200  # columns of an excerpt
LONGEST_TEXT = 1_000  # characters of a message, note or label
_TAB = "    "


def safe(text: str) -> str:
    """Return one line of text that is safe for any terminal or log.

    Controls are spelt out, and the middle of a long text is left out.
    """
    if len(text) > LONGEST_TEXT:
        half = LONGEST_TEXT // 2
        text = f"{text[:half]} … {text[-half:]}"
    return text if text.isascii() and text.isprintable() else "".join(map(_glyph, text))


def visible(text: str) -> str:
    """Return text that is safe for any terminal or log: of its controls only line ends are left."""
    if text.replace("\n", "").isprintable():
        return text
    return "".join(c if c == "\n" else _glyph(c) for c in text)


def _glyph(character: str) -> str:
    """Return a visible, harmless stand-in for what is not printable."""
    code = ord(character)
    if character == "\t":
        return _TAB
    if code < 0x20:
        # Unicode has a picture of each control character, in the same order.
        return chr(0x2400 + code)
    if code == 0x7F:
        return "\u2421"
    return character if character.isprintable() else f"<U+{code:04X}>"


def _columns(shown: str) -> int:
    """Return the terminal columns that a shown text takes: wide characters two, combining ones
    none."""
    if shown.isascii():
        return len(shown)
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1
        for c in shown
    )


class Excerpt:
    """A window of one line, at most `WIDEST` columns, that contains column `focus` (from 0)."""

    __slots__ = ("_ends", "_lead", "_start", "text")

    def __init__(self, line: str, focus: int) -> None:
        first, last = _window(line, focus)
        self._start = first
        self._lead = 1 if first > 0 else 0
        shown = [_glyph(c) for c in line[first:last]]
        self._ends = [0]  # columns before each character of the window, then their sum
        for glyph in shown:
            self._ends.append(self._ends[-1] + _columns(glyph))
        tail = "…" if last < len(line) else ""
        self.text = ("…" * self._lead + "".join(shown) + tail).rstrip()

    def mark(self, start: int, end: int) -> tuple[int, int]:
        """Return the columns of the line's characters `start` … `end - 1`, at least one column."""
        first, last = self._column(start), self._column(end)
        return first, max(last, first + 1)

    def _column(self, index: int) -> int:
        within = min(max(index - self._start, 0), len(self._ends) - 1)
        return self._lead + self._ends[within]


def _window(line: str, focus: int) -> tuple[int, int]:
    """Return the part of a line that is shown: all of it, or what stands around `focus`."""
    if len(line) <= WIDEST and _columns("".join(map(_glyph, line))) <= WIDEST:
        return 0, len(line)
    room = WIDEST - 2  # for an ellipsis at either end
    # A quarter of the window stands before the focus: what follows says more.
    first = last = max(0, min(focus - room // 4, len(line)))
    while last < len(line):
        room -= _columns(_glyph(line[last]))
        if room < 0:
            break
        last += 1
    return first, last
