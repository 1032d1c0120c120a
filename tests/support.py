"""What tests of the compiler share: from a text to its graph, its paths, its findings."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from typing import NamedTuple, TypeVar

import pytest
from _pytest.mark import ParameterSet

from addnn_spec.compiler import Session, check_text
from addnn_spec.graph import Graph, Placeholder
from addnn_spec.limits import Limits
from addnn_spec.passes.unfold import unfold
from addnn_spec.source import Source

T = TypeVar("T")
_MADE = 0.36
"""Seconds that the entries take on a machine that makes the additions in 0.1 s."""


class _Entry(NamedTuple):
    """As small as what a parse makes millions of."""

    value: str
    start: int
    end: int


def slowness() -> float:
    """Return how many times slower than usual this machine runs Python now, at least 1.

    Beside other processes, what fills memory is slowed down more than what computes.
    """
    start, total = time.process_time(), 0
    for number in range(2_000_000):
        total += number
    computed = time.process_time()
    entries = {(n, "x"): _Entry("x", n, n) for n in range(400_000)}
    made = time.process_time() - computed
    assert entries
    return max(1.0, (computed - start) / 0.1, made / _MADE)


def in_time(seconds: float, usual: float) -> bool:
    """Return True if what took `seconds` of CPU ends in `usual` on a usual machine.

    How slow this one is takes a second to measure: it is asked only where that matters.
    """
    return seconds < usual or seconds < usual * slowness()


def examples(count: int) -> int:
    """Return how many examples hypothesis tries: `count`, twenty times as many in a long run."""
    return count * (20 if os.environ.get("HYPOTHESIS_PROFILE") == "long" else 1)


def seldom(values: Iterable[T], often: int) -> list[T | ParameterSet]:
    """Return the values as parameters, all but each `often`-th for the long run only."""
    return [
        pytest.param(value, marks=pytest.mark.slow) if place % often else value
        for place, value in enumerate(values)
    ]


def session(text: str, *, memoise: bool = True, limits: Limits | None = None) -> Session:
    return Session(Source("test.net", text), memoise=memoise, limits=limits)


def graph_of(text: str, network: str | None = None, *, memoise: bool = True) -> Graph:
    """The graph of a text's only network, or of the one named. Fails on any error."""
    found = session(text, memoise=memoise)
    graph = found.graph(network or found.networks[-1])
    assert graph is not None, [d.message for d in found.collector.diagnostics]
    return graph


def in_network(body: str, shape: str = "float[N, 8]") -> str:
    """A network around statements that take `x` and give `y`."""
    return f"network Test {{\n  input x: {shape}\n  {body}\n}}"


def paths(graph: Graph) -> list[str]:
    """The paths of all nodes but the inputs, in order."""
    return [item.path for item in unfold(graph).nodes if not isinstance(item.node.op, Placeholder)]


def codes(text: str) -> list[str]:
    """The codes of everything found in a text, in order of place."""
    return [found.code for found in check_text(text)]
