"""Random well-typed networks against torch, numpy, and themselves.

`ADDNN_NETWORKS` is how many networks each check gets in the slow run; seeds count from
`ADDNN_SEED`, so a failure is reproduced by its number alone.
"""

from __future__ import annotations

import warnings
from random import Random

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.property.checks import CHECKS
from tests.property.networks import random_network
from tests.property.seeds import count_of, failures_of

COUNT = count_of(1_000)


BROKEN = (25, 31, 52, 78, 130, 266, 309, 334, 366, 448, 468, 517, 653, 654, 676, 696)
"""Seeds whose networks were once compiled wrongly."""
BROKEN_LAYERS = (900003, 1000175)
"""The same of networks with layers that are arguments."""


def check(name: str, rng: Random, seed: int = 0, *, core: bool, layers: bool = False) -> None:
    spec = random_network(rng, core=core or name == "outputs", layers=layers)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch has opinions on small inputs
        CHECKS[name](spec, Random(seed))


@pytest.mark.parametrize("name", CHECKS)
@given(rng=st.randoms(use_true_random=False))
@settings(
    max_examples=15,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink],
    suppress_health_check=list(HealthCheck),
)
def test_random_networks(name: str, rng: Random) -> None:
    check(name, rng, core=rng.random() < 0.5, layers=rng.random() < 0.7)


@pytest.mark.parametrize("name", CHECKS)
def test_networks_that_were_compiled_wrongly(name: str) -> None:
    for seed in BROKEN:
        check(name, Random(seed), seed, core=seed % 2 == 0)
    for seed in BROKEN_LAYERS:
        check(name, Random(seed), seed, core=seed % 2 == 0, layers=True)


@pytest.mark.slow
@pytest.mark.parametrize("name", CHECKS)
def test_seeded_networks(name: str) -> None:
    """All seeds are tried; those that fail are told."""
    assert not failures_of(
        lambda seed: check(name, Random(seed), seed, core=seed % 2 == 0, layers=seed % 4 > 1), COUNT
    )
