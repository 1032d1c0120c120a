"""Changed and random texts, through the whole command: coded messages, never a traceback.

`ADDNN_RUBBISH` is how many texts the slow run tries; seeds count from `ADDNN_SEED`, so a failure is
reproduced by its number alone.
"""

from __future__ import annotations

import os
from pathlib import Path
from random import Random

import pytest

from tests.property.networks import random_network
from tests.trust.confined import MEMORY, Confined
from tests.trust.test_limits import PIECES, rubbish

SAMPLES = sorted((Path(__file__).parents[1] / "samples").rglob("*.net"))
COUNT = int(os.environ.get("ADDNN_RUBBISH", "10000"))
FIRST = int(os.environ.get("ADDNN_SEED", "0"))
COMMANDS = ["check", "check", "compile", "summary", "fmt", "draw"]


def text_of(rng: Random) -> bytes:
    kind = rng.randrange(8)
    if kind == 0:
        return " ".join(rng.choices(PIECES, k=rng.randint(0, 80))).encode()
    if kind == 1:
        return rng.randbytes(rng.randint(0, 200))
    if kind < 4 and SAMPLES:
        return rubbish(rng, rng.choice(SAMPLES).read_text(encoding="utf-8"))
    return rubbish(rng, random_network(rng).text())


def fault(confined: Confined, seed: int) -> str | None:
    """What went wrong with the text of this seed, if anything."""
    rng = Random(seed)
    data = text_of(rng)
    command = rng.choice(COMMANDS)
    output = ["-o", os.devnull] if command == "draw" else []
    outcome = confined.run(command, "-", *output, text=data)
    if outcome.code not in (0, 1, 2) or "Traceback" in outcome.err or outcome.growth > MEMORY:
        return f"{command}: {outcome.code}, {outcome.growth:,} bytes, {outcome.err[-400:]}"
    return None if outcome.code == 0 or outcome.codes else f"{command}: no code: {outcome.err}"


def test_changed_texts(confined: Confined) -> None:
    assert not {seed: told for seed in range(100) if (told := fault(confined, seed))}


@pytest.mark.slow
def test_many_changed_texts(confined: Confined) -> None:
    """All seeds are tried; those that fail are told."""
    seeds = range(FIRST, FIRST + COUNT)
    assert not {seed: told for seed in seeds if (told := fault(confined, seed))}
