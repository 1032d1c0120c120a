"""Every packaged network, narrowed at random and cut: its text is what was planned, and its weights
compute what the masked original computes.

Networks are run at the sizes of `SIZES`; those of more than `MOST` parameters, and those that draw
random numbers or take what no random input is, are written and checked, but not run.
"""

from __future__ import annotations

import random

import pytest

from addnn_spec.catalogue import entries
from addnn_spec.design.plan import Plan, start
from addnn_spec.diagnostics import DiagnosticError
from tests.design.oracle import calibrated, difference, inputs_of, random_keep

NAMES = [one.name for one in entries() if one.params is not None]
MOST = 30_000_000
SIZES = {"H": 64, "W": 64, "T": 8, "S": 8}
WIDE = {"InceptionV3": 96, "InceptionV4": 96, "InceptionResNetV2": 96, "Xception": 96}
"""Networks that need a larger image."""
RUN = [one.name for one in entries() if one.params is not None and one.params <= MOST]
UNWRITTEN = {one.name for one in entries() if one.family == "sequences"}
"""Layers over time that read several tensors are refused in words."""
QUICK = {"LeNet5", "ResNet20_cifar"}
SOME = [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in RUN]


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_random_widths_are_written_as_planned(name: str) -> None:
    plan = start(name)
    try:
        small = plan.narrow(random_keep(plan, 7))
    except DiagnosticError as error:
        told = error.diagnostics[0].message
        if name not in UNWRITTEN or "cannot be written out" not in told:
            raise
        return
    assert small.graph.name == name


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_a_cut_is_written_as_planned_or_refused_in_words(name: str) -> None:
    plan = start(name)
    paths = [item.path for item in plan.widths.unfolded.nodes if item.node.inputs]
    random.Random(name).shuffle(paths)
    for path in paths[:6]:
        told = _cut(plan, path)
        assert told == "E0620" or "head" in told


def _cut(plan: Plan, path: str) -> str:
    """Return the text of a cut, or the code of its refusal."""
    try:
        return plan.cut(path, classes=5).text
    except DiagnosticError as error:
        return error.diagnostics[0].code


@pytest.mark.parametrize("name", SOME)
def test_weights_are_the_masked_network(name: str) -> None:
    plan = start(name)
    keep = random_keep(plan, 11)
    if not keep:
        pytest.skip("no width of it may change")
    size = WIDE.get(name)
    inputs = inputs_of(plan.graph, SIZES | ({"H": size, "W": size} if size else {}))
    try:
        module = calibrated(plan, inputs)
    except (RuntimeError, IndexError) as error:
        pytest.skip(f"random inputs do not suit it: {error}")
    small = plan.narrow(keep)
    weights = small.apply(module.state_dict())
    assert difference(plan, small, weights, inputs, module) < 1e-12
