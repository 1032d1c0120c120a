"""Patterns of dotted paths, `layer[1-3].*`: what they match, and what to suggest if nothing.

`*` matches dots, too. A pattern that matches a path matches all inside: `layer4` is `layer4.*`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from itertools import islice

from addnn_spec.diagnostics.near_names import near

_TOLD = 8
"""So many names are told where none is near."""


def heads(path: str) -> Iterator[str]:
    """Yield what holds a path, the outermost first, and the path itself: `a`, `a.b`, `a.b.c`."""
    for place, char in enumerate(path):
        if char == ".":
            yield path[:place]
    yield path


def matches(path: str, pattern: str) -> bool:
    """Return True if a pattern is of a path, or of what holds it."""
    return any(head == pattern or fnmatchcase(head, pattern) for head in heads(path))


def suggestion(pattern: str, paths: Iterable[str]) -> str:
    """Return what a pattern that matches none of the paths may have been meant for."""
    known = dict.fromkeys(head for path in paths for head in heads(path))
    close = near(pattern.removesuffix(".*"), known)
    if close:
        return f"did you mean {' or '.join(close)}?"
    first = list(islice((name for name in known if "." not in name), _TOLD + 1))
    more = ", …" if len(first) > _TOLD else ""
    return f"there are {', '.join(first[:_TOLD])}{more}" if first else "there are none"
