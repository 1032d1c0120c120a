"""Library blocks that no reference implementation shows, against their definitions."""

from __future__ import annotations

import functools
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import relu

from addnn_spec import load
from addnn_spec.backends.torch_code import emit
from tests.zoo.prove import build, difference


@functools.cache
def module(name: str) -> nn.Module:
    """A packaged network in evaluation mode, with random weights and statistics."""
    network = build(emit(load(name).graph).text, name).double()
    torch.manual_seed(0)
    with torch.no_grad():
        for key, tensor in network.state_dict().items():
            if tensor.is_floating_point():
                positive = key.endswith("running_var")
                tensor.uniform_(0.5, 1.5) if positive else tensor.normal_(0, 0.3)
    return network


def part(network: str, path: str) -> nn.Module:
    return module(network).get_submodule(path)


def image(channels: int) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(2, channels, 8, 8, generator=generator, dtype=torch.float64)


def check(found: Tensor, expected: Tensor) -> None:
    assert difference([expected], [found]) < 1e-12


Layer = Callable[[Tensor], Tensor]


def original(x: Tensor, c1: Layer, b1: Layer, c2: Layer, b2: Layer) -> Tensor:
    return relu(x + b2(c2(relu(b1(c1(x))))))


def bn_after_addition(x: Tensor, c1: Layer, b1: Layer, c2: Layer, b2: Layer) -> Tensor:
    return relu(b2(x + c2(relu(b1(c1(x))))))


def relu_before_addition(x: Tensor, c1: Layer, b1: Layer, c2: Layer, b2: Layer) -> Tensor:
    return x + relu(b2(c2(relu(b1(c1(x))))))


def relu_only(x: Tensor, c1: Layer, b1: Layer, c2: Layer, b2: Layer) -> Tensor:
    return x + b2(c2(relu(b1(c1(relu(x))))))


def full(x: Tensor, c1: Layer, b1: Layer, c2: Layer, b2: Layer) -> Tensor:
    return x + c2(relu(b2(c1(relu(b1(x))))))


KINDS = [original, bn_after_addition, relu_before_addition, relu_only, full]


@pytest.mark.parametrize(("name", "kind"), list(zip("abcde", KINDS, strict=True)))
def test_residual_block_by_its_figure(name: str, kind: Callable[..., Tensor]) -> None:
    block = part("ResidualKinds", name)
    layers = [block.get_submodule(name) for name in ("conv1", "bn1", "conv2", "bn2")]
    x = image(16)
    check(block(x), kind(x, *layers))
    others = [difference([kind(x, *layers)], [other(x, *layers)]) for other in KINDS]
    assert sorted(others)[1] > 0.01, "the kinds cannot be told apart"


def test_scse_adds_what_both_gates_let_through() -> None:
    block = part("SCSEUNet", "down1.scse")
    w = block.state_dict()
    x = image(64)
    squeezed = x.mean(dim=(2, 3))
    hidden = relu(squeezed @ w["cse.fc1.weight"].flatten(1).T + w["cse.fc1.bias"])
    assert hidden.shape == (2, 32)
    channels = torch.sigmoid(hidden @ w["cse.fc2.weight"].flatten(1).T + w["cse.fc2.bias"])
    places = torch.einsum("nchw,c->nhw", x, w["sse.conv.weight"].flatten()) + w["sse.conv.bias"]
    expected = x * channels[:, :, None, None] + x * torch.sigmoid(places)[:, None]
    check(block(x), expected)


def test_competitive_se_looks_at_residual_and_skip() -> None:
    block = part("CMPE_SE_WRN28_10", "layer1.0.se")
    w = block.state_dict()
    residual, skip = image(160), image(160).flip(0).cos()
    pair = torch.stack((residual.mean(dim=(2, 3)), skip.mean(dim=(2, 3))), dim=2)
    kernels = w["conv.weight"].flatten()
    assert kernels.shape == (10,)
    views = pair[:, None] * kernels[:, None, None]  # a 1×1 convolution of one channel
    scale = w["bn.weight"] / (w["bn.running_var"] + 1e-5).sqrt()
    views = (views - w["bn.running_mean"][:, None, None]) * scale[:, None, None]
    seen = (views + w["bn.bias"][:, None, None]).mean(dim=1).flatten(1)
    gate = torch.sigmoid(relu(seen @ w["fc1.weight"].T) @ w["fc2.weight"].T)
    check(block(residual, skip), residual * gate[:, :, None, None])


def test_channel_boosting_adds_features_to_the_image() -> None:
    network = module("ChannelBoostedCNN")
    x = torch.cat([image(3)] * 16).reshape(2, 3, 32, 32)
    seen: list[Tensor] = []
    handle = network.get_submodule("conv1").register_forward_pre_hook(
        lambda _, inputs: seen.append(inputs[0])
    )
    network(x)
    handle.remove()
    features = [part("ChannelBoostedCNN", f"auxiliary{i}")(x) for i in (1, 2)]
    assert all(map.shape == (2, 16, 32, 32) for map in features)
    check(seen[0], torch.cat((x, *features), dim=1))
