"""A graph while it is written: its statements to be, and the names in it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from addnn_spec.design.texts import RESERVED
from addnn_spec.design.turn_steps import TurnOutput
from addnn_spec.graph import Graph

_LINE = 70
_LABELLED = re.compile(r'(\w+|"[^"]*"): ')


@dataclass(slots=True)
class WrittenChain:
    """A statement to be: `names = head -> element -> element`."""

    head: str
    elements: list[str] = field(default_factory=list)
    names: tuple[str, ...] = ()
    tail: tuple[TurnOutput, ...] = ()

    @property
    def text(self) -> str:
        """The expression, in lines where it is long: they begin with what has a label."""
        text = " -> ".join([self.head, *self.elements])
        if len(text) <= _LINE:
            return text
        breaks = {True: "\n", False: " "}
        links = [f"{breaks[_LABELLED.match(one) is not None]}-> {one}" for one in self.elements]
        return f"{self.head}{''.join(links)}"


class Out(NamedTuple):
    """An output of the network."""

    name: str
    keys: tuple[TurnOutput, ...]
    listed: bool
    training: bool


class WrittenGraph:
    """One graph while it is written."""

    def __init__(
        self, graph: Graph, prefix: str, flows: Sequence[int], taken: Iterable[str] = RESERVED
    ) -> None:
        self.graph = graph
        self.prefix = prefix
        self.flows = flows
        self.taken = set(taken)
        """Names that mean something here, of the scopes around, too."""
        self.values: dict[TurnOutput, str] = {}
        """What names each tensor; "x" what flows in."""
        self.counts: Counter[str] = Counter()
        self.reads: Counter[TurnOutput] = Counter()
        self.first: list[str] = []
        """Statements that stand before all others."""
        self.ports: dict[str, str] = {}
        self.own_modules: dict[str, str] = {}

    def free(self, wanted: str) -> str:
        """Return a name near `wanted` that means nothing else here."""
        name = re.sub(r"\W", "_", wanted.rpartition(".")[2]).strip("_").lower()
        if not name or name[0].isdigit():
            name = f"y{name}"
        number, found = 1, name
        while found in self.taken:
            number += 1
            found = f"{name}{number}"
        self.taken.add(found)
        return found
