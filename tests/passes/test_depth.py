"""Depth: as many layers as networks are named for, and as a walk of every node finds."""

from __future__ import annotations

from time import process_time

import pytest

from addnn_spec.network import load
from addnn_spec.ops.base import HigherOperator, Operator
from addnn_spec.passes.depth import depth
from addnn_spec.passes.summary import flat_cost
from addnn_spec.passes.unfold import unfold
from tests.support import graph_of

NAMED = {
    "LeNet5": 5,  # two convolutions and three fully connected layers
    "AlexNet": 8,
    "ZFNet": 8,
    "VGG11": 11,
    "VGG16": 16,
    "VGG19_bn": 19,
    "GoogLeNet": 22,  # "22 layers deep when counting only layers with parameters"
    "GoogLeNet_paper": 22,
    "ResNet18": 18,
    "ResNet50": 50,
    "ResNet152": 152,
    "ResNet50_v1": 50,
    "ResNet20_cifar": 20,
    "ResNet1202_cifar": 1202,
    "PreActResNet164": 164,
    "PreActResNet1001": 1001,
    "ResNeXt29_8x64d": 29,
    "ResNeXt101_32x8d": 101,
    "WideResNet50_2": 50,
    "PyramidNet200_a300": 200,
    "DenseNet121": 121,
    "DenseNet161": 161,
    "DenseNet201": 201,
    "DenseNetBC_250_24": 250,
    "UNet": 23,  # "in total the network has 23 convolutional layers"
    # The "depth" of MATLAB's table of pretrained networks: the most convolutions and fully
    # connected layers on a path.
    "InceptionV3": 48,
    "MobileNetV2": 53,
    "ShuffleNetV1_g1": 50,
    "Xception": 71,
    "EfficientNetB0": 82,
    # Otherwise than named: docs/costs.md.
    "DenseNet264": 2 * (6 + 12 + 64 + 48) + 5,
    "WRN28_10": 28 - 3 + 1,
    "WRN40_4": 40 - 3 + 1,
    "SEResNet50": 50 + 2 * 16,
    "SENet154": 154 + 2 * 50,
    "Highway19": 17 + 1,
    "ViT_B_16": 1 + 4 * 12 + 1,
    "BERT": 4 * 12 + 1,
    "Transformer": 4 * 6 + 4 + 5 * 6 + 1,
}


@pytest.mark.parametrize("name", NAMED)
def test_it_is_what_the_network_is_named_for(name: str) -> None:
    assert depth(load(name).graph) == NAMED[name]


def walked(name: str) -> int:
    """The longest path by every node, one after the other."""
    unfolded = unfold(load(name).graph)
    far: list[int] = []
    for item in unfolded.nodes:
        cost, op = flat_cost(item), item.node.op
        assert not isinstance(op, HigherOperator)
        weighted = isinstance(op, Operator) and cost.macs != 0 and (cost.params or item.use)
        before = max((far[value.source] for value in item.inputs if value is not None), default=0)
        far.append(before + (1 if weighted else 0))
    return max(far[value.source] for value in unfolded.outputs)


@pytest.mark.parametrize(
    "name",
    ["CBAMResNet50", "InceptionResNetV2", "NASNetAMobile", "DCGAN", "SSD300", "RegNetY_400MF"],
)
def test_it_is_the_longest_of_all_paths(name: str) -> None:
    assert depth(load(name).graph) == walked(name)


def of(text: str, head: str = "") -> int:
    return depth(graph_of(f"{head}\nnetwork Net {{ input x: float[N, 8]  {text} }}"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("output y = x -> ReLU", 0),
        ("output y = x -> Linear(8) -> BatchNorm1d -> PReLU -> Linear(2)", 2),
        ("output y = (x -> Linear(8) -> Linear(8)) + (x -> Linear(8))", 2),
        ("output y = x -> Linear(2)  output z = x -> Linear(8) -> Linear(2)", 2),
        ("output y = x -> Linear(2)  output z = y -> Linear(1) when training", 1),
        ("module m = Linear(8)  output y = x -> m -> m -> m", 3),
        ("y, h, c = x -> Unsqueeze(1) -> LSTM(4, num_layers = 3)  output z = y", 3),
        ("parameter w: [8, 2]  output y = x @ w", 1),
        ("parameter w: [2, 8]  output y = x @ (w -> Permute([1, 0]))", 1),
        ("output y = x @ (x -> Permute([1, 0]))", 0),
        ("output y = x -> Unsqueeze(1) -> TimeDistributed { Linear(8) -> Linear(2) }", 2),
        ("output y = x -> repeat 7 { Linear(8) -> Linear(8) }", 14),
    ],
)
def test_what_counts(text: str, expected: int) -> None:
    assert of(text) == expected


def test_two_ways_through_a_run_change_places() -> None:
    """Each turn puts a layer on one of two branches, then they cross: half of the layers."""
    block = "block Cross()(a, b) {\n  return b, a -> Linear(8)\n}"
    assert of("y, z = (x, x) -> repeat 100 { Cross }  output both = y + z", block) == 50


def test_a_long_run_costs_no_more_than_a_short_one() -> None:
    graph = graph_of(
        "network Net { input x: float[N, 8]  output y = x -> repeat 20000 { Linear(8) } }"
    )
    start = process_time()
    assert depth(graph) == 20_000
    assert process_time() - start < 0.1
