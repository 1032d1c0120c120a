"""What no other implementation shows: LeNet-5 of 1998, the course's tables."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from addnn_spec import load
from tests.zoo.emitted import Parameters, assert_equations, emitted, random
from tests.zoo.prove import build

# The paper's table I, column by column: the maps of S2 that each map of C3 sees.
TABLE = (
    "#...###..####.##",
    "##...###..####.#",
    "###...###..#.###",
    ".###..####..#.##",
    "..###..####.##.#",
    "...###..####.###",
)


def squash(x: Tensor) -> Tensor:
    return 1.7159 * torch.tanh(2 / 3 * x)


def test_lenet_of_1998_by_its_definition() -> None:
    """C3 as a full convolution whose weights are zero where the table has no connection."""
    torch.manual_seed(0)
    module = build(load("LeNet5_1998").source(), "LeNet5_1998").double()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.normal_(0, 0.3)
    w = module.state_dict()
    image = torch.randn(2, 1, 32, 32, dtype=torch.float64)

    x = squash(functional.conv2d(image, w["c1.weight"], w["c1.bias"]))
    x = subsampled(x, w, "s2")
    kernel = torch.zeros(16, 6, 5, 5, dtype=torch.float64)
    for k in range(16):
        seen = [i for i in range(6) if TABLE[i][k] == "#"]
        kernel[k, seen] = w[f"c3.{k}.weight"][0]
    bias = torch.cat([w[f"c3.{k}.bias"] for k in range(16)])
    x = squash(functional.conv2d(x, kernel, bias))
    x = subsampled(x, w, "s4")
    x = squash(functional.conv2d(x, w["c5.weight"], w["c5.bias"])).flatten(1)
    x = squash(x @ w["f6.weight"].T + w["f6.bias"])
    codes = w["radialbasis.codes"]
    expected = ((x[:, None] - codes) ** 2).sum(dim=2)
    torch.testing.assert_close(module(image), expected, rtol=1e-9, atol=1e-9)

    assert set(codes.unique().tolist()) == {-1.0, 1.0}
    apart = (codes[:, None] != codes).sum(dim=2)
    assert min(apart[i, j].item() for i in range(10) for j in range(i)) >= 40  # of 84


SMALL_NETWORKS = {
    # convolutions (padding), linear layers
    "LeNet5": ({"conv1": 0, "conv2": 0}, ("fc3", "fc4", "fc5")),
    "LeNet5_example": ({"conv1": 1, "conv2": 0}, ("fc3", "fc4", "fc5")),
    "LeNet5_modern": ({"conv1": 0, "conv2": 0}, ("fc1", "fc2", "fc3")),
}


@pytest.mark.parametrize("name", SMALL_NETWORKS)
def test_lenets_of_today_by_their_definition(name: str) -> None:
    """Convolutions with ReLU and max pooling, then linear layers with ReLU between them."""
    convolutions, linears = SMALL_NETWORKS[name]
    channels, size = (1, 28) if name == "LeNet5_example" else (3 if name == "LeNet5" else 1, 32)
    image = random(2, channels, size, size)

    def equations(w: Parameters) -> Tensor:
        x = image
        for layer, padding in convolutions.items():
            x = functional.conv2d(x, w[f"{layer}.weight"], w[f"{layer}.bias"], padding=padding)
            x = functional.max_pool2d(x.relu(), 2)
        x = x.flatten(1)
        for layer in linears:
            x = (x if layer == linears[0] else x.relu()) @ w[f"{layer}.weight"].T
            x = x + w[f"{layer}.bias"]
        return x

    assert_equations(emitted(name), equations, image)


def subsampled(x: Tensor, w: dict[str, Tensor], name: str) -> Tensor:
    total = x[..., ::2, ::2] + x[..., 1::2, ::2] + x[..., ::2, 1::2] + x[..., 1::2, 1::2]
    return squash(total * w[f"{name}.coefficient"] + w[f"{name}.bias"])


@pytest.mark.parametrize(
    ("network", "rows"),
    [
        # (activation shape, parameters), as the course's exercise has them: 62,958 in all
        (
            "LeNet5",
            {
                "conv1": ((8, 28, 28), 608),
                "conv2": ((16, 10, 10), 3216),
                "fc3": ((120,), 48120),
                "fc4": ((84,), 10164),
                "fc5": ((10,), 850),
            },
        ),
        # By hand: the worked example's figures in all are 62,430 and 435,368 MACs.
        (
            "LeNet5_example",
            {
                "conv1": ((8, 28, 28), 80),
                "conv2": ((16, 10, 10), 3216),
                "fc3": ((120,), 48120),
                "fc4": ((84,), 10164),
                "fc5": ((10,), 850),
            },
        ),
    ],
)
def test_the_tables_of_the_course(
    network: str, rows: dict[str, tuple[tuple[int, ...], int]]
) -> None:
    summary = load(network).summary()
    found = {
        row.path: (row.outputs[0].shape[1:], row.cost.params)
        for row in summary.rows
        if row.cost.params
    }
    assert found == rows
