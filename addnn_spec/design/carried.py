"""Comments of lines that stay, where the text around them is written anew."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from addnn_spec.design.patches import within
from addnn_spec.diagnostics import Collector
from addnn_spec.source import Source
from addnn_spec.syntax import ast
from addnn_spec.syntax.parser import parse
from addnn_spec.syntax.printer import format_source
from addnn_spec.syntax.walk import names_read


@dataclass(slots=True)
class _Line:
    """A line of code, the comment behind it, and those in lines of their own before it."""

    text: str
    code: str
    behind: str = ""
    before: list[str] = field(default_factory=list)
    added_behind: str = ""
    added_before: list[str] = field(default_factory=list)

    def rows(self) -> Iterator[str]:
        """Yield the line with the comments that were added to it."""
        indent = self.text[: len(self.text) - len(self.text.lstrip())]
        yield from (f"{indent}{one}" for one in self.added_before)
        yield f"{self.text}  {self.added_behind}".rstrip()


def with_comments(text: str, source: Source, network: str, now: str) -> str:
    """Return a text with the comments of an older text, at the lines that both have.

    Lines are looked for in the block or network of the same name, `now` the name of what was
    `network`; the network's in those of its blocks, too, that are there no longer.
    """
    tree, new = parse(source, Collector()), parse(Source(source.name, text), Collector())
    spans = [item.span for item in tree.items]
    inside = [one for one in tree.comments if any(within(one.span, span) for span in spans)]
    # Only what went missing is put back: where the text was patched, its comments are still there.
    lost = Counter(one.text for one in inside) - Counter(one.text for one in new.comments)
    if not lost:
        return text
    # The new text is laid out canonically, so the old one must be for its lines to be found.
    laid_out = Source(source.name, format_source(source))
    before = parse(laid_out, Collector())
    (_, old), (lines, found) = _lines_of(before), _lines_of(new)
    read = _reached(before, {network, now})
    old[now] = old.pop(network, [])
    for name in found:
        _carry(old.get(name, []), found[name], lost)
    for name in (one for one in old if one in read - found.keys()):
        _carry(old[name], found[now], lost)
    return "\n".join(row for line in lines for row in line.rows())


def _lines_of(tree: ast.File) -> tuple[list[_Line], dict[str, list[_Line]]]:
    """Return the lines of a file, and those of its blocks and networks, by name."""
    source = tree.span.source
    comments = {one.span.position[0]: one for one in tree.comments}
    lines = [_Line(row, row.strip()) for row in source.text.split("\n")]
    for number, comment in comments.items():
        line = lines[number - 1]
        line.code = line.code.removesuffix(comment.text).strip()
        line.behind = comment.text if line.code else ""
    before: list[str] = []
    for number, line in enumerate(lines, 1):
        if line.code:
            line.before, before = before, []
        else:
            before = [*before, comments[number].text] if number in comments else []
    found = {}
    for item in tree.items:
        if isinstance(item, ast.Block | ast.Network):
            first, _ = item.span.position
            last, _ = source.position(item.span.end)
            found[item.name] = lines[first - 1 : last]
    return lines, found


def _reached(tree: ast.File, names: set[str]) -> set[str]:
    """Return the names that items of a file read, directly or through others."""
    items = {one.name: one for one in tree.items if not isinstance(one, ast.Import | ast.Let)}
    found: set[str] = set()
    waiting = names & items.keys()
    while waiting:
        found |= waiting
        read = set().union(*(names_read(items[name]) for name in waiting))
        waiting = (read & items.keys()) - found
    return found


def _carry(old: list[_Line], new: list[_Line], lost: Counter[str]) -> None:
    """Give new lines the comments of the old lines that are equal; a line that was lost is put back
    with its comment.

    A line that is there more often than it was, or less often, is taken for another.
    """
    were, are = _by_code(old), _by_code(new)
    same = [code for code in were if len(were[code]) == len(are.get(code, ()))]
    pairs = [pair for code in same for pair in zip(were[code], are[code], strict=True)]
    for was, line in pairs:
        if not line.behind and lost[was.behind] > 0:
            lost[was.behind] -= 1
            line.behind = line.added_behind = was.behind
        if not line.before and all(lost[one] > 0 for one in was.before):
            lost.subtract(was.before)
            line.before = line.added_before = was.before


def _by_code(lines: list[_Line]) -> dict[str, list[_Line]]:
    found: dict[str, list[_Line]] = {}
    for line in lines:
        if re.search(r"\w", line.code):
            found.setdefault(line.code, []).append(line)
    return found


__all__ = ["with_comments"]
