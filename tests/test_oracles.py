from __future__ import annotations

from tests.oracles import torchvision


def test_torchvision_loads_and_is_the_one_we_know() -> None:
    model = torchvision().models.resnet18()
    assert sum(p.numel() for p in model.parameters()) == 11_689_512  # as its page states
