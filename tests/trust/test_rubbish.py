"""Changed and random texts, through the whole command: coded messages, never a traceback."""

from __future__ import annotations

import os
from pathlib import Path
from random import Random

import pytest

from tests.property.networks import random_network
from tests.trust.confined import Confined
from tests.trust.test_limits import PIECES, rubbish

SAMPLES = sorted((Path(__file__).parents[1] / "samples").rglob("*.net"))
COUNT = int(os.environ.get("ADDNN_RUBBISH", "10000"))


def text_of(rng: Random) -> bytes:
    kind = rng.randrange(8)
    if kind == 0:
        return " ".join(rng.choices(PIECES, k=rng.randint(0, 80))).encode()
    if kind == 1:
        return rng.randbytes(rng.randint(0, 200))
    if kind < 4 and SAMPLES:
        return rubbish(rng, rng.choice(SAMPLES).read_text(encoding="utf-8"))
    return rubbish(rng, random_network(rng).text())


def held(confined: Confined, seed: int) -> None:
    rng = Random(seed)
    data = text_of(rng)
    command = rng.choice(["check", "check", "compile", "summary", "fmt"])
    outcome = confined.run(command, "-", text=data)
    assert outcome.code in (0, 1, 2) and "Traceback" not in outcome.err, (seed, command, outcome)
    if outcome.code:
        assert outcome.codes, (seed, command, outcome.err)


def test_changed_texts(confined: Confined) -> None:
    for seed in range(100):
        held(confined, seed)


@pytest.mark.slow
def test_many_changed_texts(confined: Confined) -> None:
    for seed in range(COUNT):
        held(confined, seed)
