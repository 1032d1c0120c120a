"""The stand-in for a GPU takes and refuses what CUDA does."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from tests.elsewhere import CPU, GPU, OTHER, elsewhere

REFUSED: dict[str, Callable[[Tensor, Tensor, Tensor], object]] = {
    "a sum": lambda here, there, index: here + there,
    "a sum in place": lambda here, there, index: here.add_(there),
    "a scalar of the other into one here": lambda here, there, index: here[0, 0].add_(there[0, 0]),
    "a product": lambda here, there, index: there @ here.T,
    "a result": lambda here, there, index: torch.mm(there, there.T, out=here[:, :2]),
    "a list": lambda here, there, index: torch.cat([here, there]),
    "a condition": lambda here, there, index: torch.where(there > 0, there, here),
    "an index of the GPU's": lambda here, there, index: here[index.to(GPU)],
    "an index of another GPU": lambda here, there, index: there[index.to(OTHER)],
    "an index to select": lambda here, there, index: there.index_select(0, index),
    "values at an index": lambda here, there, index: there.__setitem__(index, here),
    "numpy": lambda here, there, index: there.numpy(),
    "a layer": lambda here, there, index: nn.Linear(3, 2)(there),
    "a generator": lambda here, there, index: torch.rand(
        2, device=GPU, generator=torch.Generator()
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_mixes_devices_is_refused(name: str) -> None:
    with elsewhere(), pytest.raises((RuntimeError, TypeError), match=r"device|can't convert"):
        REFUSED[name](torch.rand(2, 3), torch.rand(2, 3).to(GPU), torch.tensor([1, 0]))


def test_what_cuda_takes_of_the_cpu() -> None:
    with elsewhere():
        here = torch.rand(2, 3)
        there = here.to("cuda")
        assert (there * torch.tensor(2.0)).device == GPU
        assert torch.equal(there[torch.tensor([1, 0])].cpu(), here[[1, 0]])
        there[0] = here[1]
        there.copy_(there.cpu())
        assert torch.equal(there.cpu()[0], here[1]) and not torch.equal(here[0], here[1])
        assert there.sum(dim=0).device == torch.zeros(2, device=GPU).device == GPU
        layer = nn.Linear(3, 2).to(OTHER)
        layer(torch.rand(1, 3, device=OTHER)).sum().backward()
        assert layer.weight.grad is not None
        assert layer.weight.grad.device == OTHER
        assert layer.to(CPU).weight.device == CPU


def test_liberties_change_sums_and_equal_places_alone() -> None:
    values = torch.randn(50, 999, dtype=torch.float64)
    with elsewhere(free=True):
        there = values.to(GPU)
        several, one = there.sum(dim=1), there[:1].sum(dim=1)
        torch.testing.assert_close(several.cpu(), values.sum(dim=1))
        assert not torch.equal(several[:1], one)
        assert there.long().sort(dim=0).values.tolist() == values.long().sort(dim=0).values.tolist()
        assert torch.zeros(3, device=GPU).argsort().tolist() == [2, 1, 0]
        assert torch.zeros(3, device=GPU).argsort(stable=True).tolist() == [0, 1, 2]
