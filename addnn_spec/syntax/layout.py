"""Lays out text within a width: groups that stand in one line or are broken, and filled lines."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

INDENT = 2


@dataclass(frozen=True, slots=True)
class LineBreak:
    """Where a line may be broken; `flat` stands there if it is not."""

    flat: str = " "
    hard: bool = False
    blank: bool = False  # with an empty line after it


@dataclass(frozen=True, slots=True)
class Joined:
    """One after the other."""

    parts: tuple[Doc, ...]
    breaks: bool


@dataclass(frozen=True, slots=True)
class Indent:
    """Further in, where lines begin."""

    inner: Doc
    breaks: bool


@dataclass(frozen=True, slots=True)
class Group:
    """In one line if it fits, else broken at all of its own lines."""

    inner: Doc
    breaks: bool
    brace: bool = False
    """Where a line is too long, braces are broken before what stands in front of them."""


@dataclass(frozen=True, slots=True)
class Fill:
    """As much as fits in each line; after the first break, `indent` further in."""

    head: Doc
    rest: tuple[tuple[LineBreak, Doc], ...]
    indent: int
    breaks: bool


@dataclass(frozen=True, slots=True)
class IfBroken:
    """A text that stands only where the group around is broken."""

    text: str


@dataclass(frozen=True, slots=True)
class Suffix:
    """A comment that waits for the end of its line, and is the last thing in it."""

    text: str


Doc = str | LineBreak | Joined | Indent | Group | Fill | IfBroken | Suffix

_NONE, _BRACES, _ALL = range(3)
"""Which groups are broken where it is asked whether something fits."""

HARD = LineBreak(hard=True)
SOFT = LineBreak("")
SPACE = LineBreak()


def breaks(doc: Doc) -> bool:
    """Return True if it cannot stand in one line."""
    if isinstance(doc, LineBreak):
        return doc.hard
    return isinstance(doc, Suffix) or (not isinstance(doc, str | IfBroken) and doc.breaks)


def concat(*parts: Doc) -> Joined:
    """Return the parts, one after the other."""
    return Joined(parts, any(breaks(part) for part in parts))


def indent(*parts: Doc) -> Indent:
    """Return the parts, further in."""
    inner = concat(*parts)
    return Indent(inner, inner.breaks)


def group(*parts: Doc, brace: bool = False) -> Group:
    """Return the parts, in one line if that fits."""
    inner = concat(*parts)
    return Group(inner, inner.breaks, brace)


def fill(head: Doc, rest: Iterable[tuple[LineBreak, Doc]], further: int = INDENT) -> Fill:
    """Return the head and the rest, each after its line, as many in a line as fit."""
    links = tuple(rest)
    broken = breaks(head) or any(line.hard or breaks(doc) for line, doc in links)
    return Fill(head, links, further, broken)


def join(separator: Sequence[Doc], docs: Iterable[Doc]) -> list[Doc]:
    """Return the docs with the separator between them."""
    parts: list[Doc] = []
    for doc in docs:
        parts += [*separator, doc] if parts else [doc]
    return parts


@dataclass(frozen=True, slots=True)
class _Rest:
    """What is left of a fill: links from `index` on."""

    fill: Fill
    index: int
    base: int

    @property
    def more(self) -> bool:
        """True if there is another link."""
        return self.index < len(self.fill.rest)


def render(doc: Doc, width: float) -> str:
    """Return the text of a document. Does not recurse."""
    return _Renderer(width).run(doc)


class _Renderer:
    def __init__(self, width: float) -> None:
        self._width = width
        self._lines: list[str] = []
        self._line: list[str] = []
        self._column = 0
        self._suffixes: list[str] = []
        self._stack: list[tuple[int, bool, Doc | _Rest]] = []

    def run(self, doc: Doc) -> str:
        self._stack.append((0, False, doc))
        while self._stack:
            self._step(*self._stack.pop())
        self._end_line()
        return "\n".join(self._lines)

    def _step(self, level: int, flat: bool, doc: Doc | _Rest) -> None:
        push = self._stack.append
        match doc:
            case str():
                self._write(doc)
            case LineBreak():
                self._break(level, doc) if doc.hard or not flat else self._write(doc.flat)
            case Joined():
                self._stack += [(level, flat, part) for part in reversed(doc.parts)]
            case Indent():
                push((level + INDENT, flat, doc.inner))
            case Group():
                flat = flat or (not doc.breaks and self._fits(True, doc.inner, self._column))
                push((level, flat, doc.inner))
            case Fill():
                push((level, flat, _Rest(doc, 0, level)))
                push((level, flat, doc.head))
            case _Rest():
                self._link(level, flat, doc)
            case IfBroken():
                self._write("" if flat else doc.text)
            case Suffix():
                self._suffixes.append(doc.text)

    def _link(self, level: int, flat: bool, rest: _Rest) -> None:
        """Lay out the next link of a fill.

        In this line if it fits there; else in the next one if it fits there; then the same with its
        braces broken; else in this one if it can be broken further on. What must break anyway fits
        if it does so up to there: so it is laid out alike when it is read back.
        """
        if not rest.more:
            return
        line, doc = rest.fill.rest[rest.index]
        self._stack.append((level, flat, _Rest(rest.fill, rest.index + 1, rest.base)))
        here = concat(line.flat, doc)
        further = rest.base + rest.fill.indent
        if flat or not (line.hard or self._moves(here, doc, further)):
            self._stack.append((level, flat, here))
            return
        # After the first break the rest of the fill stands further in, too.
        self._stack[-1] = (further, flat, self._stack[-1][2])
        self._stack += [(further, flat, doc), (further, flat, line)]

    def _moves(self, here: Doc, there: Doc, level: int) -> bool:
        """Return True if a link goes to a new line."""
        for broken in (_NONE, _BRACES):
            if self._fits(False, here, self._column, broken):
                return False
            if self._fits(False, there, level, broken):
                return True
        return not self._fits(False, here, self._column, _ALL)

    def _write(self, text: str) -> None:
        self._line.append(text)
        self._column += len(text)

    def _break(self, level: int, line: LineBreak) -> None:
        self._end_line()
        if line.blank:
            self._lines.append("")
        self._line = [" " * level]
        self._column = level

    def _end_line(self) -> None:
        text = "".join(self._line).rstrip(" ")
        self._lines.append("  ".join(filter(None, [text, *self._suffixes])))
        self._suffixes.clear()
        self._line = []

    def _fits(self, flat: bool, doc: Doc, column: int, broken: int = _NONE) -> bool:
        """Return True if `doc`, and what follows it, ends within the width, or has a line break
        there.

        Groups in `doc` stand in one line if they may, but those that are to be `broken`; in what
        follows, all are.
        """
        left = self._width - column
        todo: list[tuple[bool, int, Doc | _Rest]] = [(flat, broken, doc)]
        # What follows on the stack shares the last line with `doc`: a closing bracket or a comma.
        outer = len(self._stack)
        while left >= 0:
            if not todo:
                if outer == 0:
                    return True
                outer -= 1
                _, mode, following = self._stack[outer]
                todo.append((mode, _ALL, following))
            mode, broken, part = todo.pop()
            if isinstance(part, LineBreak) and (part.hard or not mode):
                return True
            # A comment ends its line, and before the next link of a fill the line may be broken.
            if isinstance(part, Suffix) or (isinstance(part, _Rest) and part.more and not mode):
                return True
            left -= _length(part, mode)
            todo += [
                (inner_mode, broken, inner) for inner_mode, inner in _inside(part, mode, broken)
            ]
        return False


def _length(part: Doc | _Rest, flat: bool) -> int:
    """Return how much of a line the part itself takes."""
    match part:
        case str():
            return len(part)
        case LineBreak():
            return len(part.flat)
        case IfBroken():
            return 0 if flat else len(part.text)
    return 0


def _inside(part: Doc | _Rest, flat: bool, broken: int) -> list[tuple[bool, Doc | _Rest]]:
    """Return what is in a part, last first, and whether it stands in one line."""
    match part:
        case Joined():
            return [(flat, inner) for inner in reversed(part.parts)]
        case Indent():
            return [(flat, part.inner)]
        case Group():
            open = part.breaks or broken == _ALL or (part.brace and broken == _BRACES)
            return [(flat or not open, part.inner)]
        case Fill():
            return [(flat, _Rest(part, 0, 0)), (flat, part.head)]
        case _Rest() if part.more:
            line, inner = part.fill.rest[part.index]
            return [(flat, _Rest(part.fill, part.index + 1, 0)), (flat, inner), (flat, line)]
    return []
