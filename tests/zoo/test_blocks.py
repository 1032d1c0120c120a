"""Library blocks that no reference implementation shows, against their definitions."""

from __future__ import annotations

import functools
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, max_pool2d, relu

from addnn_spec import load
from tests.zoo.emitted import Parameters, assert_equations, emitted_text, random
from tests.zoo.prove import build, difference


@functools.cache
def module(name: str) -> nn.Module:
    """A packaged network in evaluation mode, with random weights and statistics."""
    network = build(load(name).source(), name).double()
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


FULLY_CONNECTED = """
from "layers.net" import FullyConnected
network Connected {{ input x: float[N, 6] output y = x -> mlp: FullyConnected({arguments}) }}
"""


@pytest.mark.parametrize(
    ("arguments", "act", "depth"),
    [("[3]", relu, 1), ("[5, 3]", relu, 2), ("[5, 4, 3], Tanh", torch.tanh, 3)],
)
def test_fully_connected_layers_have_an_activation_between_them(
    arguments: str, act: Callable[[Tensor], Tensor], depth: int
) -> None:
    x = random(2, 6)

    def equations(w: Parameters) -> Tensor:
        y = x
        for k in range(1, depth + 1):
            y = y @ w[f"mlp.fc{k}.weight"].T + w[f"mlp.fc{k}.bias"]
            y = act(y) if k < depth else y
        return y

    assert_equations(emitted_text(FULLY_CONNECTED.format(arguments=arguments)), equations, x)


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


def kernels(name: str) -> tuple[nn.Module, dict[str, Tensor]]:
    """A kind of convolution without biases, and its weights by name."""
    block = part("ConvolutionKinds", name)
    with torch.no_grad():
        for key, tensor in block.named_parameters():
            if key.endswith("bias"):
                tensor.zero_()
    names = {key: value for key, value in block.state_dict().items() if key.endswith("weight")}
    return block, {key.removesuffix(".weight"): value for key, value in names.items()}


def flattened(w: dict[str, Tensor]) -> Tensor:
    lateral, vertical, horizontal = w["lateral"], w["vertical"], w["horizontal"]
    return torch.einsum("ocxy,osuy,otxv->ocuv", lateral, vertical, horizontal)


def spatially_separable(w: dict[str, Tensor]) -> Tensor:
    return torch.einsum("mcuy,omxv->ocuv", w["vertical"], w["horizontal"])


def cross_channel_spatial(w: dict[str, Tensor]) -> Tensor:
    cross, spatial = w["cross"], w["spatial"]
    width = spatial.shape[1]
    dense = torch.zeros(32, cross.shape[1], 3, 3, dtype=torch.float64)
    for o in range(32):
        for m in range(width):
            first = o // 8 * width
            dense[o] += cross[first + m, :, 0, 0, None, None] * spatial[o, m]
    return dense


def depthwise_separable(w: dict[str, Tensor]) -> Tensor:
    return w["pointwise"] * w["depthwise"].transpose(0, 1)


def shuffled_groups(w: dict[str, Tensor]) -> Tensor:
    weight = w["conv2d"]
    dense = torch.zeros(32, 32, 3, 3, dtype=torch.float64)
    for o in range(32):
        group, place = divmod(o, 8)
        dense[place * 4 + group, 8 * group : 8 * group + 8] = weight[o]
    return dense


@pytest.mark.parametrize(
    ("name", "channels", "dense"),
    [
        ("flattened", 16, flattened),
        ("separable", 32, spatially_separable),
        ("cross", 32, cross_channel_spatial),
        ("depthwise", 32, depthwise_separable),
        ("shuffled", 32, shuffled_groups),
    ],
)
def test_a_convolution_in_parts_is_one_whose_kernel_is_a_product(
    name: str, channels: int, dense: Callable[[dict[str, Tensor]], Tensor]
) -> None:
    block, weights = kernels(name)
    x = image(channels)
    check(block(x), conv2d(x, dense(weights), padding=1))


def test_tiles_take_turns() -> None:
    block, weights = kernels("tiled")
    x = random(2, 3, 32, 32)
    around = torch.zeros(2, 3, 34, 34, dtype=torch.float64)
    around[:, :, 1:33, 1:33] = x
    expected = torch.zeros(2, 16, 32, 32, dtype=torch.float64)
    for i in range(32):
        for j in range(32):
            kernel = weights[f"conv{i % 2}{j % 2}"]
            window = around[:, :, i : i + 3, j : j + 3]
            expected[:, :, i, j] = torch.einsum("ncuv,ocuv->no", window, kernel)
    check(block(x), expected)


def test_naive_inception_is_several_sizes_side_by_side() -> None:
    block = part("ConvolutionKinds", "inception")
    x = image(32)
    sizes = [block.get_submodule(f"conv{size}")(x) for size in (1, 3, 5)]
    assert [tuple(y.shape) for y in sizes] == [(2, 16, 8, 8)] * 3
    check(block(x), torch.cat((*sizes, max_pool2d(x, 3, 1, 1)), dim=1))


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
