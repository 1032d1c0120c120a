"""Channel classes against the groups of Torch-Pruning (DepGraph, Fang et al., CVPR 2023), which
finds them in the autograd graph of a module: the layers whose channels are pruned together.
"""

from __future__ import annotations

import warnings

import pytest
import torch
from torch import nn

from addnn_spec.design.plan import Plan, start

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import torch_pruning

NETWORKS = {
    "LeNet5": (1, 3, 32, 32), "ResNet18": (1, 3, 64, 64), "MobileNetV2": (1, 3, 64, 64),
    "VGG16": (1, 3, 32, 32), "ResNet50": (1, 3, 64, 64), "DenseNet121": (1, 3, 64, 64),
    "GoogLeNet": (1, 3, 64, 64), "InceptionV3": (1, 3, 96, 96),
}  # fmt: skip
QUICK = {"LeNet5", "ResNet18", "MobileNetV2"}
MAKES = (
    torch_pruning.prune_conv_out_channels,
    torch_pruning.prune_linear_out_channels,
)


def groups_of(plan: Plan, shape: tuple[int, ...]) -> set[frozenset[str]]:
    """Return the layers that make the channels of each group, by their paths."""
    module = plan.network.build().eval()
    paths = {layer: path for path, layer in module.named_modules()}
    graph = torch_pruning.DependencyGraph().build_dependency(module, torch.randn(shape))
    found = graph.get_all_groups(root_module_types=[nn.Conv2d, nn.Linear])
    makers = (
        {
            dep.target.module
            for dep, _ in group
            if dep.handler in MAKES and _makes(dep.target.module)
        }
        for group in found
    )
    return {frozenset(paths[layer] for layer in layers) for layers in makers}


def _makes(layer: nn.Module) -> bool:
    """Return False for a depthwise convolution: its channels are those that it is given."""
    return not isinstance(layer, nn.Conv2d) or layer.groups != layer.in_channels


@pytest.mark.parametrize(
    "name", [n if n in QUICK else pytest.param(n, marks=pytest.mark.slow) for n in NETWORKS]
)
def test_classes_are_the_groups_that_torch_pruning_finds(name: str) -> None:
    plan = start(name)
    theirs = groups_of(plan, NETWORKS[name])
    seen = frozenset[str]().union(*theirs)
    ours = {frozenset(one.makers) for one in plan.widths.classes}
    # An input's channels are no layer's, and heads for training alone do not run.
    assert {makers for makers in ours if makers & seen} == theirs
