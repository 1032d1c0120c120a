"""What elaboration sees at each place of a text, for whoever shows it beside the text.

A `Watch` looks on while one network is elaborated. Equal uses of a block or a brace are elaborated
once: what was seen then is a `Seen`, and each use leads to it.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from typing import TYPE_CHECKING, TypeVar

from msgspec import Struct, field

from addnn_spec.source import Span

if TYPE_CHECKING:
    from addnn_spec.elaborate.frame import Value
    from addnn_spec.graph import Graph
    from addnn_spec.values import Definition

_T = TypeVar("_T")
_PAUSE = 100
_MOST = 64
"""Of one place so many values are kept: a loop makes them."""


class Seen(Struct, eq=False):
    """What one run of a body gave. `values` are those of its expressions and elements, by place;
    `flows` what flowed into the elements; `inner` the braces and loops in it."""

    values: dict[Span, list[Value]] = field(default_factory=dict)
    flows: dict[Span, list[Value]] = field(default_factory=dict)
    inner: list[Seen] = field(default_factory=list)
    graph: Graph | None = None

    def all(self) -> Iterator[Seen]:
        """Yield this run and the braces and loops in it, each once."""
        met: set[int] = set()
        waiting = [self]
        while waiting:
            seen = waiting.pop()
            if id(seen) not in met:
                met.add(id(seen))
                yield seen
                waiting += seen.inner


class SeenUse(Struct, frozen=True, eq=False):
    """A use of a block or network: at which path of the network, at which place of the text."""

    definition: Definition
    path: str
    span: Span
    seen: Seen


class Watch:
    """Looks on while names are defined, or one network is elaborated."""

    def __init__(self) -> None:
        self.top = Seen()
        self.uses: list[SeenUse] = []
        """Those of blocks, in the order in which they were elaborated."""
        self._count = 0
        self._now = self.top
        self._known: dict[Hashable, Seen] = {}

    def pause(self) -> None:
        """Let the watcher end the elaboration: it is asked now and then, and may raise."""

    def see(self, span: Span, value: Value) -> None:
        """Note what a place of the text gives."""
        self._count += 1
        if self._count % _PAUSE == 0:
            self.pause()
        places = self._now.values
        values = places.get(span)
        if values is None:
            places[span] = [value]
        elif len(values) < _MOST:
            values.append(value)

    def step(self, span: Span, before: Value, after: Value) -> None:
        """Note what flows into an element and out of it."""
        flows = self._now.flows.setdefault(span, [])
        if len(flows) < _MOST:
            flows.append(before)
        self.see(span, after)

    def inside(self, key: Hashable, build: Callable[[], _T]) -> _T:
        """Return what `build` gives; what is seen meanwhile belongs to the run of that key."""
        seen = self._known[key] = Seen()
        around, self._now = self._now, seen
        try:
            return build()
        finally:
            self._now = around

    def enter(self, key: Hashable, graph: Graph | None) -> None:
        """Note that the run of that key, which made `graph`, is a part of this one."""
        seen = self._known[key]
        seen.graph = graph
        self._now.inner.append(seen)

    def use(self, key: Hashable, definition: Definition, path: str, span: Span) -> None:
        """Note that the run of that key is a use of a block."""
        self.uses.append(SeenUse(definition, path, span, self._known[key]))
