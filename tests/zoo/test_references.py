"""Packaged networks against their references."""

from __future__ import annotations

import pytest

from addnn_spec.catalogue import entries
from tests.zoo.prove import prove
from tests.zoo.references import REFERENCES

DEEP = {"PreActResNet110", "PyramidNet110_a270"}
"""They take ten seconds: no quick ones."""


def firsts_of_some_specs() -> set[str]:
    """Return the first network of each twentieth file: its others are made of the same blocks."""
    files = {entry.name: entry.file for entry in entries()}
    quick = [n for n, reference in REFERENCES.items() if not reference.slow and n not in DEEP]
    firsts = {files[name]: name for name in reversed(quick)}
    return {firsts[file] for file in sorted(firsts)[::20]}


FIRSTS = firsts_of_some_specs()


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=() if name in FIRSTS else pytest.mark.slow) for name in REFERENCES],
)
def test_it_is_the_reference(name: str) -> None:
    prove(name, REFERENCES[name])
