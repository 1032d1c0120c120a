"""Parts that are not trained."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import nn

from addnn_spec.diagnostics import Refusal
from addnn_spec.runtime.freeze import Trainable, count_trainable, freeze_parameters


def net() -> Any:
    """Two stages, each a convolution and a norm, and a layer behind them."""
    torch.manual_seed(0)
    found = nn.Sequential()
    found.add_module("layer1", nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2)))
    found.add_module("layer2", nn.Sequential(nn.Conv2d(2, 2, 3), nn.BatchNorm2d(2, affine=False)))
    found.add_module("head", nn.Conv2d(2, 1, 1))
    return found


def test_numbers_of_learned_values() -> None:
    # layer1: 2·1·9 + 2 + 2 + 2 = 24; layer2: 2·2·9 + 2 = 38; head: 2 + 1 = 3
    module = net()
    assert count_trainable(module) == Trainable(65, 0)
    assert freeze_parameters(module, "layer1.*") == Trainable(41, 24)


def test_a_shared_parameter_counts_once() -> None:
    module = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    module[1].weight = module[0].weight
    assert count_trainable(module) == Trainable(8, 0)


@pytest.mark.parametrize("copied", [False, True])
def test_frozen_norms_keep_their_statistics(copied: bool) -> None:
    module = net()
    freeze_parameters(module, "layer[1-2].*")
    if copied:
        module = copy.deepcopy(module)
    module.train()
    assert module.training and module.head.training and module.layer1.training
    before = {name: value.clone() for name, value in module.named_buffers()}
    module(torch.randn(4, 1, 8, 8) + 3)
    after = dict(module.named_buffers())
    assert len(before) == 6
    assert all(torch.equal(value, after[name]) for name, value in before.items())


def test_other_norms_learn_on() -> None:
    module = net()
    freeze_parameters(module, "layer1.*")
    module.train()
    module(torch.randn(4, 1, 8, 8) + 3)
    assert int(module.layer1[1].num_batches_tracked) == 0
    assert int(module.layer2[1].num_batches_tracked) == 1


def test_only_what_matches_is_frozen() -> None:
    module = net()
    freeze_parameters(module, "layer1.0.*")
    trained = {name for name, value in module.named_parameters() if value.requires_grad}
    assert trained == {
        "layer1.1.weight", "layer1.1.bias", "layer2.0.weight", "layer2.0.bias", "head.weight",
        "head.bias",
    }  # fmt: skip
    assert type(module.layer1[1]) is nn.BatchNorm2d


def test_a_frozen_norm_is_still_a_norm_with_the_same_keys() -> None:
    module = net()
    keys = list(module.state_dict())
    freeze_parameters(module, "layer1.*")
    freeze_parameters(module, "layer1.*")
    assert isinstance(module.layer1[1], nn.BatchNorm2d)
    assert type(module.layer1[1]).__mro__[1] is nn.BatchNorm2d
    assert list(module.state_dict()) == keys


def test_training_changes_nothing_that_is_frozen() -> None:
    module = net()
    freeze_parameters(module, "layer1.*")
    frozen = {n: v.clone() for n, v in module.state_dict().items() if n.startswith("layer1.")}
    optimizer = torch.optim.SGD([p for p in module.parameters() if p.requires_grad], lr=0.1)
    module.train()
    for _ in range(3):
        optimizer.zero_grad()
        module(torch.randn(4, 1, 8, 8)).square().mean().backward()
        optimizer.step()
    after = module.state_dict()
    assert all(torch.equal(value, after[name]) for name, value in frozen.items())


def test_a_pattern_that_matches_nothing() -> None:
    with pytest.raises(Refusal, match="no parameter has a name like stage1") as raised:
        freeze_parameters(net(), "stage1.*")
    assert raised.value.code == "E0607"
    assert raised.value.help == "there are layer1, layer2, head"
