"""Totals as polynomials in the symbolic sizes, at ten sizes each, are what the networks do then."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor

from addnn_spec import Network, load
from addnn_spec.passes.dims import symbolic_sizes
from addnn_spec.passes.formulas import formulas
from addnn_spec.passes.memory import at
from addnn_spec.passes.minimum import minimum_sizes
from tests.zoo.lessons import LESSONS
from tests.zoo.prove import build, counted

IMAGES = {
    "attention": "CBAMResNet50",
    "depth": "InceptionV3",
    "featuremap": "SEResNet50",
    "mobile": "MobileNetV2",
    "multipath": "DenseNet121",
    "searched": "NASNetAMobile",
    "spatial": "GoogLeNet",
    "width": "Xception",
}
"""A network of each family that takes images of any size."""
OFTEN = [name for name, lesson in LESSONS.items() if not lesson.slow][::8]


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=() if name in OFTEN else pytest.mark.slow) for name in LESSONS],
)
def test_of_sequences_generation_graphs_and_metric_learning(name: str) -> None:
    check(load(name, **LESSONS[name].settings), most=8)


@pytest.mark.slow
@pytest.mark.parametrize("family", IMAGES)
def test_of_images(family: str) -> None:
    check(load(IMAGES[family]), most=64)


def check(network: Network, most: int) -> None:
    """Sizes are the `most` least that work; torch counts on meta, recurrent layers, too."""
    module = build(network.source(), network.graph.name, device="meta")
    found = formulas(network.graph)["total_macs"]
    least = minimum_sizes(network.graph)
    chosen = random.Random(0)
    for _ in range(10):
        dims = {}
        for size in symbolic_sizes(network.graph):
            first = least.get(size, 1)
            dims[size] = chosen.randint(first, first + most - 1)
        inputs = list(zeros(network, dims))
        with without_fast_path():
            assert at(found, dims) == counted(partial(module, *inputs)), dims


def zeros(network: Network, dims: dict[str, int]) -> Iterator[Tensor]:
    """The inputs of evaluation, without values."""
    kinds: dict[str, Any] = {"int": torch.long, "float": torch.float32, "bool": torch.bool}
    for id in network.graph.inputs:
        node = network.graph.node(id)
        if not node.training:
            shape = [at(size, dims) for size in node.outputs[0].shape]
            yield torch.zeros(shape, dtype=kinds[str(node.outputs[0].dtype)], device="meta")


@contextmanager
def without_fast_path() -> Iterator[None]:
    """Attention in one operator is not counted by torch."""
    torch.backends.mha.set_fastpath_enabled(False)
    yield
    torch.backends.mha.set_fastpath_enabled(True)
