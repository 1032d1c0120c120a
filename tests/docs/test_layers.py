"""The page of the kinds of layers: what it names exists, and the network it points to has it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from addnn_spec import load
from addnn_spec.catalogue import packaged
from addnn_spec.passes.summary import Row, summarize

PAGE = Path(__file__).parents[2] / "docs" / "layers.md"
ROWS = re.findall(
    r"^\| ([^|]+) \| `(\w+)` \| `(\w+)` \| [^|]+ \|$",
    PAGE.read_text(encoding="utf-8"),
    re.MULTILINE,
)


@cache
def layers(network: str) -> frozenset[str]:
    """The operators and blocks that a packaged network uses, at any depth."""

    def below(rows: Iterator[Row]) -> Iterator[str]:
        for row in rows:
            yield row.op
            yield from below(row.rows())

    return frozenset(below(iter(summarize(load(network).graph).rows)))


def test_all_rows_are_read() -> None:
    text = PAGE.read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    assert len(ROWS) == len(lines) - 2 * text.count("\n## ")


@pytest.mark.parametrize(("kind", "layer", "network"), ROWS)
def test_the_network_has_the_layer(kind: str, layer: str, network: str) -> None:
    assert network in packaged()
    assert layer in layers(network)
