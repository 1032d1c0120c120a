"""The parts of a drawing: boxes, clusters of boxes, arrows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Iterable
from dataclasses import dataclass, field, replace
from typing import NamedTuple

_FAR = 4  # boxes


class Mark(NamedTuple):
    """What a drawing shows of a node besides: a fill that replaces its kind's, and a few words."""

    fills: tuple[str, ...] = ()
    note: str = ""


@dataclass(frozen=True, slots=True)
class Box:
    """A node. `kind` chooses its look: the family of an operator, "block", "input", "output",
    "junction" (where one tensor goes several ways), "parameter", "buffer"."""

    id: int
    kind: str
    title: str = ""
    arguments: str = ""
    path: str = ""
    name: str = ""
    """The path's last part, where a label or a number gave it."""
    params: int = 0
    times: int = 1
    training: bool = False
    shared_with: str = ""
    """The module whose weights it uses, where several nodes do."""
    sign: bool = False
    """Its title is a sign of formulas, and nothing besides."""
    marks: tuple[Mark, ...] = ()
    """Those of all that it stands for, each once."""


@dataclass(slots=True)
class Cluster:
    """An open block, brace or cell, with what is inside."""

    id: int
    kind: str
    title: str
    arguments: str
    path: str
    name: str
    times: int = 1
    training: bool = False
    shared_with: str = ""
    items: list[Box | Cluster] = field(default_factory=list)
    first_shown: bool = False
    """The others of the run have other sizes."""


@dataclass(frozen=True, slots=True)
class Arrow:
    """A tensor that flows from one box to another. The main arrow into a box is the one on the
    longest way to it. "cell" arrows lead from an operator to what it runs inside."""

    source: int
    target: int
    label: str = ""
    training: bool = False
    main: bool = False
    kind: str = "data"


@dataclass(frozen=True, slots=True)
class Picture:
    """A network as it will be drawn."""

    caption: str
    direction: str
    items: tuple[Box | Cluster, ...]
    arrows: tuple[Arrow, ...]
    boxes: int
    clusters: int


def settled(arrows: Iterable[Arrow], junctions: Container[int]) -> list[Arrow]:
    """Return the arrows, the main ones marked, and each tensor's shape at the first of its arrows
    only.

    What comes out of a junction is the tensor that went in.
    The main arrow into a box is the one on the longest way to it: it is drawn straight. One that
    skips so much that nobody would look at its beginning tells its shape again, if it is not the
    main one's.
    """
    listed = list(arrows)
    length: dict[int, int] = defaultdict(int)
    best: dict[int, Arrow] = {}
    for arrow in listed:
        # Arrows come in the order of computing: a source's length is final when it is read.
        if length[arrow.source] + 1 > length[arrow.target]:
            length[arrow.target] = length[arrow.source] + 1
            best[arrow.target] = arrow
    seen: set[tuple[int, str]] = set()
    found = []
    for arrow in listed:
        main = best[arrow.target]
        far = length[arrow.target] - length[arrow.source] > _FAR and arrow.label != main.label
        known = (arrow.source, arrow.label) in seen and not far
        seen.add((arrow.source, arrow.label))
        if arrow.target in junctions:
            seen.add((arrow.target, arrow.label))
        found.append(replace(arrow, label="" if known else arrow.label, main=arrow is main))
    return found
