"""The parts of a drawing: boxes, clusters of boxes, arrows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace


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


def labelled_once(arrows: Iterable[Arrow]) -> Iterator[Arrow]:
    """A tensor's shape at one of its arrows only: the first."""
    seen: set[tuple[int, str]] = set()
    for arrow in arrows:
        known = (arrow.source, arrow.label) in seen
        seen.add((arrow.source, arrow.label))
        yield replace(arrow, label="") if known else arrow


def with_main(arrows: Iterable[Arrow]) -> list[Arrow]:
    """Mark, of the arrows into each box, the one on the longest way: it is drawn straight."""
    listed = list(arrows)
    length: dict[int, int] = defaultdict(int)
    best: dict[int, int] = {}
    for index, arrow in enumerate(listed):
        if length[arrow.source] + 1 > length[arrow.target]:
            length[arrow.target] = length[arrow.source] + 1
            best[arrow.target] = index
    main = set(best.values())
    return [replace(arrow, main=index in main) for index, arrow in enumerate(listed)]
