"""Diagnostics for people: excerpts with gutters and carets, in the manner of rustc."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator

from msgspec import Struct

from addnn_spec.diagnostics.excerpt import WIDEST, Excerpt, safe
from addnn_spec.diagnostics.model import Diagnostic, Label
from addnn_spec.source import Source

_COLOURS = {"error": "1;31", "warning": "1;33", "note": "1;36", "frame": "1;34", "help": "1;32"}


class _Paint:
    """ANSI colours, or none."""

    def __init__(self, color: bool) -> None:
        self._color = color

    def code(self, text: str) -> str:
        """Colour a part of a spec."""
        if not self._color:
            return text
        from addnn_spec.highlighting import in_colour

        return in_colour(text)

    def __call__(self, text: str, style: str) -> str:
        return f"\x1b[{_COLOURS[style]}m{text}\x1b[0m" if self._color and text else text


class _Mark(Struct, frozen=True):
    """A label on one line: characters `start` … `end - 1`, counted from 0 within the line."""

    line: int
    start: int
    end: int
    text: str
    primary: bool


def render_text(diagnostics: Iterable[Diagnostic], *, color: bool = False) -> str:
    """Return each diagnostic with its excerpts, notes and help, separated by empty lines."""
    paint = _Paint(color)
    blocks = ["\n".join(_block(diagnostic, paint)) for diagnostic in diagnostics]
    return "\n\n".join(blocks) + "\n" if blocks else ""


def _block(diagnostic: Diagnostic, paint: _Paint) -> Iterator[str]:
    severity = diagnostic.severity
    yield (paint(f"{severity}[{diagnostic.code}]", severity) + f": {safe(diagnostic.message)}")
    sources = _by_source(diagnostic)
    digits = max((len(str(m.line)) for marks in sources.values() for m in marks), default=1)
    for number, (source, marks) in enumerate(sources.items()):
        if number:
            yield paint(" " * digits + " |", "frame")
        arrow = "-->" if marks[0].primary else ":::"
        place = f"{safe(source.name)}:{marks[0].line}:{marks[0].start + 1}"
        yield paint(" " * digits + arrow, "frame") + f" {place}"
        if source.text:
            yield from _excerpts(source, marks, digits, severity, paint)
    yield from _remarks(diagnostic, digits, bool(sources), paint)


def _remarks(diagnostic: Diagnostic, digits: int, framed: bool, paint: _Paint) -> Iterator[str]:
    gutter = " " * digits + " "
    if framed and (diagnostic.notes or diagnostic.help):
        yield paint(gutter + "|", "frame")
    for note in diagnostic.notes:
        yield paint(gutter + "=", "frame") + f" {safe(note)}"
    if diagnostic.help:
        yield paint(gutter + "=", "frame") + f" {paint('help', 'help')}: {safe(diagnostic.help)}"


def _by_source(diagnostic: Diagnostic) -> dict[Source, list[_Mark]]:
    """Return the marks of each file, the primary one first, files in order of first mention."""
    found: dict[Source, list[_Mark]] = defaultdict(list)
    if diagnostic.primary is not None:
        found[diagnostic.primary.span.source].append(_mark(diagnostic.primary, primary=True))
    for label in diagnostic.labels:
        found[label.span.source].append(_mark(label, primary=False))
    return found


def _mark(label: Label, *, primary: bool) -> _Mark:
    """Return where a label is drawn; for a span of several lines, in its first."""
    span = label.span
    line, column = span.position
    start = column - 1
    end = min(start + span.end - span.start, len(span.source.line(line)))
    return _Mark(line, start, max(end, start + 1), label.text, primary)


def _excerpts(
    source: Source, marks: list[_Mark], digits: int, severity: str, paint: _Paint
) -> Iterator[str]:
    """Yield the marked lines in order; one line between two marked ones is shown, more become
    dots."""
    gutter = paint(" " * digits + " |", "frame")
    yield gutter
    previous = 0
    for number, on_line in _by_line(source, marks):
        if previous and number == previous + 2:
            yield _numbered(previous + 1, Excerpt(source.line(previous + 1), 0), digits, paint)
        elif previous and number > previous + 2:
            yield paint("...", "frame")
        excerpt = Excerpt(source.line(number), on_line[0].start)
        yield _numbered(number, excerpt, digits, paint)
        for row in _rows(excerpt, on_line, severity, paint):
            yield f"{gutter} {row}"
        previous = number


def _numbered(number: int, excerpt: Excerpt, digits: int, paint: _Paint) -> str:
    gutter = paint(f"{number:>{digits}} |", "frame")
    return f"{gutter} {paint.code(excerpt.text)}" if excerpt.text else gutter


def _by_line(source: Source, marks: list[_Mark]) -> Iterator[tuple[int, list[_Mark]]]:
    """Yield marks that are drawn together: those of one line, but each its own where the line is
    long."""
    for number in sorted({mark.line for mark in marks}):
        on_line = [mark for mark in marks if mark.line == number]
        if len(source.line(number)) <= WIDEST:
            yield number, on_line
        else:
            yield from ((number, [mark]) for mark in on_line)


def _rows(excerpt: Excerpt, marks: list[_Mark], severity: str, paint: _Paint) -> Iterator[str]:
    """Yield the row of carets, the rightmost text beside it, the others hanging below."""
    placed = sorted(
        ((excerpt.mark(mark.start, mark.end), mark) for mark in marks), key=lambda p: p[0]
    )
    (_, rightmost), others = placed[-1], placed[:-1]
    hanging = [(first, mark) for (first, _), mark in others if mark.text]
    carets = _carets([(*columns, mark.primary) for columns, mark in placed], severity, paint)
    yield f"{carets} {_said(rightmost, severity, paint)}".rstrip()
    if hanging:
        yield _bars([first for first, _ in hanging])
    while hanging:
        first, mark = hanging.pop()
        bars = _bars([column for column, _ in hanging if column < first])
        yield bars.ljust(first) + _said(mark, severity, paint)


def _said(mark: _Mark, severity: str, paint: _Paint) -> str:
    return paint(safe(mark.text), severity if mark.primary else "frame")


def _carets(marks: list[tuple[int, int, bool]], severity: str, paint: _Paint) -> str:
    """`^^^` under the primary span and `---` under the others; the primary wins."""
    row = [" "] * max(last for _, last, _ in marks)
    for first, last, primary in sorted(marks, key=lambda m: m[2]):
        row[first:last] = ("^" if primary else "-") * (last - first)
    styles = {"^": severity, "-": "frame"}
    runs: list[str] = []
    for character in row:
        if runs and runs[-1][0] == character:
            runs[-1] += character
        else:
            runs.append(character)
    return "".join(paint(run, styles[run[0]]) if run[0] in styles else run for run in runs)


def _bars(columns: list[int]) -> str:
    row = [" "] * (max(columns, default=-1) + 1)
    for column in columns:
        row[column] = "|"
    return "".join(row)
