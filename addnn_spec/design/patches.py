"""Other text in the place of some: what an edit of a file comes to."""

from __future__ import annotations

import re
from typing import NamedTuple

from addnn_spec.source import Span


class Unpatched(Exception):
    """An edit that cannot be made by changing the text at a few places."""


class Patch(NamedTuple):
    """A replacement of a piece of the text."""

    start: int
    end: int
    text: str


def outermost(patches: list[Patch]) -> list[Patch]:
    """Return the patches without those that lie in others; an insertion is in none."""
    found: list[Patch] = []
    for one in sorted(set(patches), key=lambda patch: (patch.start, -patch.end)):
        # Sorted by start, the longer first: whatever begins within the last one kept lies in it, or
        # the two overlap, and there is no telling which is right.
        if found and one.start < found[-1].end:
            if one.end > found[-1].end:
                raise Unpatched
            continue
        found.append(one)
    return found


def applied(text: str, patches: list[Patch]) -> str:
    parts, place = [], 0
    for one in outermost(patches):
        parts += [text[place : one.start], one.text]
        place = one.end
    return "".join([*parts, text[place:]])


def whole_lines(span: Span) -> Patch:
    """Return the patch that takes a statement or an item out, with the comment right before it and
    the one behind it."""
    source = span.source
    number, column = span.position
    if source.line(number)[: column - 1].strip():
        return Patch(span.start, span.end, "")
    while number > 1 and source.line(number - 1).lstrip().startswith("#"):
        number -= 1
    start = source.line_starts[number - 1]
    rest = re.compile(r"[ \t]*(#[^\n]*)?\n?").match(source.text, span.end)
    return Patch(start, span.end if rest is None else rest.end(), "")


def within(inner: Span, outer: Span) -> bool:
    return inner.source is outer.source and outer.start <= inner.start and inner.end <= outer.end


def holds(span: Span, patch: Patch) -> bool:
    return span.start <= patch.start and patch.end <= span.end
