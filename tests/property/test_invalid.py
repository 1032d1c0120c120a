"""Networks with one mistake: exactly that one is reported, at its place."""

from __future__ import annotations

from random import Random

import pytest

from tests.property.mutations import MUTATIONS, mutated
from tests.property.networks import Maker
from tests.support import session


def broken(rule: str, seed: int) -> str:
    """A network that breaks a rule; seeds whose network has no tensor for it are passed over."""
    while True:
        rng = Random(seed)
        maker = Maker(rng, core=False)
        spec = maker.network()
        text = mutated(rng, spec, [(t.name, t.type) for t in maker.locals], rule)
        if text is not None:
            return text
        seed += 1_000_000


def check(rule: str, seed: int) -> None:
    text = broken(rule, seed)
    made = session(text)
    made.check()
    errors = made.collector.errors
    assert [error.code for error in errors] == [MUTATIONS[rule][0]], (seed, text)
    primary = errors[0].primary
    assert primary is not None
    line = primary.span.position[0]
    assert any(word in text.splitlines()[line - 1] for word in ("wrong", "assert")), (seed, text)


@pytest.mark.parametrize("rule", MUTATIONS)
def test_a_mistake_has_its_code_and_place(rule: str) -> None:
    for seed in range(4):
        check(rule, seed)


@pytest.mark.slow
@pytest.mark.parametrize("rule", MUTATIONS)
def test_many_mistakes(rule: str) -> None:
    for seed in range(200):
        check(rule, seed)
