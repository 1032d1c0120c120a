"""Graphs for the tests of the passes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from addnn_spec.compiler import Session
from addnn_spec.graph import Graph


def graphs_of_file(path: Path) -> Iterator[Graph]:
    """The networks of a file that need no further arguments."""
    session = Session(path)
    for name in session.networks:
        if not session.needs(name):
            graph = session.graph(name)
            assert graph is not None, [str(found) for found in session.collector.diagnostics]
            yield graph
