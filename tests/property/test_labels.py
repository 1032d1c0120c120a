"""Labels with dots that collide, or put layers among those of loops, braces and blocks.

What must come of each is derived by hand from docs/language.md, "Names": a set of paths, or E0403
where a path is there twice, or a label puts nodes inside a layer or block.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from random import Random
from typing import Literal, NamedTuple

import pytest

from addnn_spec.backends.torch_source import torch_source
from addnn_spec.passes.state_dict import weights_of
from addnn_spec.passes.unfold import flatten
from tests.property.seeds import count_of, failures_of
from tests.property.test_nests import built, check_code

COUNT = count_of(10_000)
FEW = 60


Kind = Literal["layer", "block", "brace", "loop"]


@dataclass
class Part:
    """An element of a chain: a layer, a block, a brace, or a loop of `turns` turns."""

    kind: Kind
    label: str = ""
    """Empty for a layer or block that is numbered by its place."""
    inside: list[Part] = field(default_factory=list)
    turns: int = 1
    header: str = ""

    @property
    def text(self) -> str:
        label = f'"{self.label}": ' if self.label else ""
        core = {"layer": "Linear(8)", "block": "B"}.get(self.kind)
        return label + (core or f"{self.header} {{ {chain(self.inside)} }}".lstrip())

    def nodes(self, path: str) -> Iterator[Node]:
        """The nodes at a path and below it, but those inside of a block."""
        if self.kind in ("layer", "block"):
            yield Node(path, path + ".fc" * (self.kind == "block"))
            return
        yield Node(path)
        if self.kind == "brace":
            yield from nodes_in(self.inside, f"{path}.")
            return
        for k in range(self.turns):
            if len(self.inside) == 1 and not self.inside[0].label:
                yield from self.inside[0].nodes(f"{path}.{k}")
            else:
                yield Node(f"{path}.{k}")
                yield from nodes_in(self.inside, f"{path}.{k}.")


class Node(NamedTuple):
    """A path that something has. `layer` is that of the Linear there; empty for a scope, in which
    other labels may put more."""

    path: str
    layer: str = ""


def chain(parts: Sequence[Part]) -> str:
    return " -> ".join(part.text for part in parts)


def nodes_in(parts: Sequence[Part], prefix: str) -> Iterator[Node]:
    """The nodes of a numbered chain."""
    for place, part in enumerate(parts):
        yield from part.nodes(f"{prefix}{part.label or place}")


def random_part(rng: Random, depth: int, *, numbered: bool) -> Part:
    layers: list[Kind] = ["layer", "layer", "block"]
    scopes: list[Kind] = ["brace", "loop", "loop"]
    kind = rng.choice(layers + scopes * (depth > 0))
    label = ".".join(rng.choices("abt012", k=rng.choice([1, 1, 2, 2, 3])))
    if kind in ("layer", "block"):
        return Part(kind, "" if numbered and rng.random() < 0.4 else label)
    inside = [random_part(rng, depth - 1, numbered=True) for _ in range(rng.choice([1, 1, 2, 3]))]
    turns = rng.randint(1, 3)
    loops = [f"repeat {turns}", f"for _ in 0..{turns}", f"for k in {[8] * turns}"]
    return Part(kind, label, inside, turns, rng.choice(loops) if kind == "loop" else "")


def collides(nodes: Sequence[Node]) -> bool:
    """Whether a path is there twice, or something is inside of a layer, a block or an input."""
    paths = [node.path for node in nodes]
    closed = {node.path for node in nodes if node.layer} | {"image"}
    around = {path[:dot] for path in paths for dot in range(len(path)) if path[dot] == "."}
    return len(set(paths)) < len(paths) or bool(closed & around)


def check_seed(seed: int) -> bool:
    """Whether the labels of a seed collide. E0403 tells, or all is at its path, and in order."""
    rng = Random(seed)
    parts = [random_part(rng, 2, numbered=False) for _ in range(rng.randint(2, 4))]
    text = (
        "block B { return x -> fc: Linear(8) }\n"
        f"network Net {{\n  input image: float[N, 8]\n  output result = image -> {chain(parts)}\n}}"
    )
    nodes = [node for part in parts for node in part.nodes(part.label)]
    layers = [node.layer for node in nodes if node.layer]
    wrong = collides(nodes)
    for memoise in (True, False):
        made, graph, codes = built(text, memoise=memoise)
        assert codes == ({"E0403"} if wrong else set()), text
        if graph is None:
            continue
        flat = flatten(graph)
        assert list(flat.nodes) == ["image", *layers], text
        assert [edge[:2] for edge in flat.edges] == list(pairwise(["image", *layers])), text
        keys = {f"{layer}.{name}" for layer in layers for name in ("weight", "bias")}
        assert set(weights_of(graph)) == keys, text
        if memoise:
            probes = seed % 2 == 0
            check_code(torch_source(made, graph, probes=probes).text, graph, probes=probes)
    return wrong


def test_random_labels() -> None:
    found = [check_seed(seed) for seed in range(FEW)]
    assert FEW // 5 < sum(found) < FEW  # both are tried


@pytest.mark.slow
def test_seeded_labels() -> None:
    assert not failures_of(check_seed, COUNT)
