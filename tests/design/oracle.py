"""What a narrowed network must compute: the original one, the removed channels not read.

Nothing of the slicing is trusted: the original's weights stay as they are but for the columns of
removed channels, which are 0 at every layer that reads them.
"""

from __future__ import annotations

import random
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from addnn_spec.design.plan import Plan
from addnn_spec.graph import Graph
from addnn_spec.passes.memory import at


def random_keep(plan: Plan, seed: int, least: float = 0.3) -> dict[int, list[int]]:
    """Return channels that stay, drawn for each class that may change."""
    drawn = random.Random(seed)
    return {
        one.number: sorted(
            drawn.sample(range(one.size), max(1, round(one.size * drawn.uniform(least, 1))))
        )
        for one in plan.widths.classes
        if not one.frozen
    }


def inputs_of(graph: Graph, dims: Mapping[str, int], seed: int = 0) -> list[Tensor]:
    """Return random inputs of a network in evaluation, two samples unless `dims` says N."""
    generator = torch.Generator().manual_seed(seed)
    found = []
    for id in graph.inputs:
        node = graph.node(id)
        if node.training:
            continue
        shape = [at(size, {"N": 2, **dims}) for size in node.outputs[0].shape]
        if node.outputs[0].dtype == "float":
            found.append(torch.randn(shape, generator=generator, dtype=torch.float64))
        else:
            found.append(torch.randint(0, 2, shape, generator=generator))
    return found


def calibrated(plan: Plan, inputs: list[Tensor], seed: int = 0) -> nn.Module:
    """Return the network with random weights, its norms' statistics those of the inputs."""
    torch.manual_seed(seed)
    module = plan.network.build().double()
    with torch.no_grad():
        for parameter in module.parameters():
            if parameter.dim() < 2:
                parameter.add_(0.2 * torch.randn_like(parameter))
    norms = [one for one in module.modules() if isinstance(one, nn.modules.batchnorm._BatchNorm)]
    for norm in norms:
        norm.momentum = None
    module.eval()  # what only training needs has no inputs here
    for norm in norms:
        norm.train()
    with torch.no_grad():
        module(*inputs)
    return module.eval()


def masked(plan: Plan, narrowed: Plan, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the original's weights with the columns of removed channels 0."""
    widths, found = plan.widths, dict(state)
    slices = narrowed.slices[-1]
    for item in widths.unfolded.nodes:
        rule = widths.rules.get(item.index)
        if rule is None or rule.does != "makes":
            continue
        key = f"{item.owner}.weight".replace("._.", ".")
        axis = rule.tensors["weight"].index("in")
        kept = slices[key][axis]
        if kept is not None:
            weight = torch.zeros_like(found[key])
            index = [slice(None)] * axis + [list(kept)]
            weight[tuple(index)] = state[key][tuple(index)]
            found[key] = weight
    return found


def outputs(module: nn.Module, inputs: list[Tensor]) -> list[Tensor]:
    with torch.no_grad():
        made = module(*inputs)
    flat: list[Tensor] = []
    waiting = [made]
    while waiting:
        one = waiting.pop(0)
        if isinstance(one, Tensor):
            flat.append(one)
        elif one is not None:
            waiting = [*one, *waiting]
    return flat


def difference(
    plan: Plan,
    narrowed: Plan,
    weights: Mapping[str, Tensor],
    inputs: list[Tensor],
    module: nn.Module,
) -> float:
    """Return by how much the narrowed network with these weights differs from the masked one, of
    what an output's largest value is (at least 1)."""
    small = narrowed.network.build().double().eval()
    small.load_state_dict(weights)
    state = {key: value.clone() for key, value in module.state_dict().items()}
    module.load_state_dict(masked(plan, narrowed, state))
    worst = 0.0
    for got, want in zip(outputs(small, inputs), outputs(module, inputs), strict=True):
        if want.numel():
            scale = max(1.0, float(want.abs().max()))
            worst = max(worst, float((got - want).abs().max()) / scale)
    module.load_state_dict(state)
    return worst
