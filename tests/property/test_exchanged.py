"""Names that are exchanged, copied and carried: the emitted file computes what the graph says.

In blocks of one use, of several, and in arms and loops; the interpreter of tests/ gives the values.
"""

from __future__ import annotations

import warnings
from random import Random

import pytest

from addnn_spec.backends.torch_source import torch_source
from tests.property.seeds import count_of, failures_of
from tests.property.test_nests import built, check_code

COUNT = count_of(5_000)
NAMES = ("a", "b", "c")
BROKEN = (75, 381)
"""Seeds whose networks were once compiled wrongly, or not at all."""


class _Writer:
    """Writes statements over three tensors of one shape."""

    def __init__(self, rng: Random) -> None:
        self._rng = rng

    def _statement(self, depth: int) -> str:
        rng = self._rng
        one, other, third = rng.sample(NAMES, 3)
        kind = rng.random()
        if kind < 0.2:
            return f"{one}, {other} = ({other}, {one})"
        if kind < 0.3:
            return f"{one}, {other}, {third} = ({other}, {third}, {one})"
        if kind < 0.45:
            return f"{one} = {other}"
        if kind < 0.6:
            return f"{one} = {other} - 2 * {rng.choice(NAMES)}"
        if kind < 0.7 or depth == 0:
            return f"{one} = {other} -> Linear(4)"
        if kind < 0.85:
            return f"for i in 0..{rng.randrange(1, 4)} {{ {self.statements(depth - 1, 3)} }}"
        arms = [self.statements(depth - 1, 2) for _ in range(2)]
        return f"if first {{ {arms[0]} }} else {{ {arms[1]} }}"

    def statements(self, depth: int, most: int) -> str:
        count = self._rng.randrange(1, most + 1)
        return " ".join(self._statement(depth) for _ in range(count))


def random_text(rng: Random) -> str:
    """Return a network with one or two uses of a block of such statements."""
    body = _Writer(rng).statements(2, 5)
    uses = rng.choice(("true", "false", "true false", "false true true")).split()
    lines = "\n".join(f"  a, b, c = (a, b, c) -> u{i}: Mix({use})" for i, use in enumerate(uses))
    return (
        f"block Mix(first)(a, b, c) {{\n  {body}\n  return (a, b, c)\n}}\n"
        "network Net {\n  input a: float[N, 4]\n  input b: float[N, 4]\n  input c: float[N, 4]\n"
        f"{lines}\n  output result = (a, b, c) -> Concat(1)\n}}\n"
    )


def check_seed(seed: int) -> None:
    text = random_text(Random(seed))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made, graph, errors = built(text)
        assert graph is not None, (errors, text)
        for probes in (False, True):
            check_code(torch_source(made, graph, probes=probes).text, graph, probes=probes)


def test_random_exchanges() -> None:
    for seed in (*BROKEN, *range(40)):
        check_seed(seed)


@pytest.mark.slow
def test_seeded_exchanges() -> None:
    """All seeds are tried; those that fail are told."""
    assert not failures_of(check_seed, COUNT)
