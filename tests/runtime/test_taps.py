"""Reading values leaves the network as it was, to the bit."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from addnn_spec import load
from addnn_spec.diagnostics import Refusal
from addnn_spec.runtime.taps import Taps, first_tensor, is_probed, trial, untouched


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(inplace=True), nn.Dropout(), nn.Flatten()
    )


def ignore(key: str, call: int, value: Tensor) -> None:
    pass


@pytest.mark.parametrize("mode", ["eval", "train"])
def test_everything_is_left_as_it_was(mode: str) -> None:
    module = network()
    module.get_submodule("1").eval()  # one submodule in another mode than the rest
    modes = [part.training for part in module.modules()]
    before = copy.deepcopy(module.state_dict())
    x = torch.randn(4, 1, 8, 8)
    module(x).sum().backward()
    gradients = [p.grad.clone() for p in module.parameters() if p.grad is not None]
    before = copy.deepcopy(module.state_dict())
    state = torch.get_rng_state()
    backend: Any = torch.backends.cudnn
    precision = backend.conv.fp32_precision
    trial(Taps(module, ignore), [x], mode)
    assert torch.equal(torch.get_rng_state(), state)
    assert [part.training for part in module.modules()] == modes
    assert all(torch.equal(v, before[k]) for k, v in module.state_dict().items())
    assert all(
        p.grad is not None and torch.equal(p.grad, g)
        for p, g in zip(module.parameters(), gradients, strict=True)
    )
    assert backend.conv.fp32_precision == precision
    assert all(not part._forward_hooks for part in module.modules())


def test_the_output_is_the_same_with_taps_and_without() -> None:
    plain, tapped = (load("Digits").build(probes=p) for p in (False, True))
    tapped.load_state_dict(plain.state_dict())
    x = torch.rand(3, 1, 8, 8)
    with untouched(plain), untouched(tapped):
        expected = plain(x)
        with Taps(tapped, ignore).installed():
            assert torch.equal(tapped(x), expected)
        assert torch.equal(tapped(x), expected)
    assert "tap" not in vars(tapped)


def test_hooks_see_submodules_in_order_before_later_changes_in_place() -> None:
    module, seen = network(), []
    taps = Taps(module, lambda key, call, value: seen.append((key, call, float(value.min()))))
    trial(taps, [torch.randn(4, 1, 8, 8)])
    assert [key for key, _, _ in seen] == ["input", "0", "1", "2", "3", "4", ""]
    assert seen[2][2] < 0 <= seen[3][2]


def test_uses_of_a_shared_module_are_counted_in_each_pass() -> None:
    shared = nn.Linear(3, 3)
    module, seen = nn.Sequential(shared, nn.ReLU(), shared), []
    taps = Taps(module, lambda key, call, value: seen.append((key, call)))
    for _ in range(2):
        trial(taps, [torch.rand(2, 3)])
    assert [item for item in seen if item[0] == "0"] == [("0", 0), ("0", 1)] * 2


def test_an_emitted_module_is_told_from_others() -> None:
    assert is_probed(load("Digits").build(probes=True))
    assert not is_probed(load("Digits").build())


def test_the_first_tensor_of_nested_values() -> None:
    output, state = torch.zeros(1), torch.ones(1)
    assert first_tensor((output, (state, state))) is output
    assert first_tensor((None, [state])) is state
    assert first_tensor("text") is None


def test_a_network_that_does_not_run_is_refused_and_put_back() -> None:
    module = network()
    with pytest.raises(Refusal, match="does not run") as caught:
        trial(Taps(module, ignore), [torch.rand(2, 7)])
    assert caught.value.code == "E0617"
    assert module.training
