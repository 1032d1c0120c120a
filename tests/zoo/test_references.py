"""Packaged networks against their references."""

from __future__ import annotations

import pytest

from tests.zoo.prove import prove
from tests.zoo.references import REFERENCES


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.slow if reference.slow else ())
        for name, reference in REFERENCES.items()
    ],
)
def test_it_is_the_reference(name: str) -> None:
    prove(name, REFERENCES[name])
