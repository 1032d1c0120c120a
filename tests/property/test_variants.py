"""Blocks whose uses differ share a class, or do not: each use computes what is its own.

`ADDNN_NETWORKS` and `ADDNN_SEED` count the random ones (`seeds.py`).
"""

from __future__ import annotations

import warnings
from random import Random

import pytest

from tests.property.checks import CHECKS
from tests.property.networks import Spec
from tests.property.seeds import count_of, failures_of
from tests.property.types import Sym, Type
from tests.property.variants import random_variants

NAMES = ("torch", "outputs", "probes", "memo")
FEW = 15
COUNT = count_of(1_000)

COMPILED_WRONGLY = {
    "a tensor that outlives the branch it is from": (
        "v = x if q { v = x + x -> Linear(6) } h = v -> c: { y = x -> Tanh return y + v } "
        "return v + h"
    ),
    "a variable that the arm reads before it is written": (
        "v = if q then x else (x * 3) w = if p then v else (v * 3) return w + x"
    ),
    "a child made in two ways, and one after it that only some have": (
        "if q { y = x -> part: Linear(6) } else { y = x -> part: LayerNorm } "
        "return y -> if q { tail: Linear(6) }"
    ),
    "a label with dots that only some have": 'return x -> if q { "deep.a": Linear(6) } -> Tanh',
}


def check(name: str, spec: Spec, seed: int) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch has opinions on small inputs
        CHECKS[name](spec, Random(seed))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("body", COMPILED_WRONGLY.values(), ids=COMPILED_WRONGLY.keys())
def test_variants_that_were_compiled_wrongly(name: str, body: str) -> None:
    for uses in (
        "First -> First(true) -> First(true, false)",
        "First(true) -> First -> First(true, false)",
    ):
        inputs = [("x", Type((Sym("N", 2), 6)))]
        block = f"block First(q = false, p = q) {{ {body} }}"
        check(name, Spec([block], inputs, [f"output y = x -> {uses}"], {"N": 2}), 0)


@pytest.mark.parametrize("name", NAMES)
def test_random_variants(name: str) -> None:
    for seed in range(FEW):
        check(name, random_variants(Random(seed)), seed)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_seeded_variants(name: str) -> None:
    """All seeds are tried; those that fail are told."""
    assert not failures_of(lambda seed: check(name, random_variants(Random(seed)), seed), COUNT)
