"""Each network learns: on one small batch of real data its loss falls by half within 200 steps."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from addnn_spec import load
from addnn_spec.catalogue import entries
from tests.support import seldom
from tests.zoo.lessons import LESSONS, Inputs, Lesson

STEPS = 200
RATE = 0.01
"""Of Adam, for all of them."""
FAMILIES = {"generative", "graphs", "metric", "sequences"}


def test_every_network_has_a_lesson() -> None:
    """Aliases that only have other sizes share one; what needs a head is learned with it."""
    sizes = {"ViT_B_16", "ViT_B_32", "ViT_L_16"}
    templates = {"AngularEmbedding", "LuongSeq2Seq"}
    known = {entry.name for entry in entries() if entry.family in FAMILIES}
    assert set(LESSONS) == known - sizes - templates


def measured(lesson: Lesson, module: nn.Module, inputs: Inputs) -> float:
    """The loss, with the same chance each time."""
    torch.manual_seed(1)
    with torch.no_grad():
        return lesson.loss(module, inputs).item()


@pytest.mark.parametrize(
    "name",
    seldom([name for name, lesson in LESSONS.items() if not lesson.slow], 10)
    + [pytest.param(name, marks=pytest.mark.slow) for name, at in LESSONS.items() if at.slow],
)
def test_its_loss_falls_by_half(name: str) -> None:
    lesson = LESSONS[name]
    torch.manual_seed(0)
    module = load(name, **lesson.settings).build().train()
    inputs = lesson.inputs()
    before = measured(lesson, module, inputs)
    optimiser = torch.optim.Adam(module.parameters(), lr=RATE)
    for step in range(STEPS):
        optimiser.zero_grad()
        if lesson.objective is None:
            loss = lesson.loss(module, inputs)
        else:
            loss = lesson.objective(module, inputs, step)
        torch.autograd.backward(loss)
        optimiser.step()
    after = measured(lesson, module, inputs)
    print(f"{name}: {before:.3f} to {after:.3f}")
    assert 0 <= after < before / 2
