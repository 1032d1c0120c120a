"""The networks of metric learning: their losses by definition, in loops over pairs."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from importlib import import_module
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from tests.zoo.emitted import Parameters, assert_equations, emitted, emitted_text, random


def embedded(w: Parameters, image: Tensor, prefix: str = "embed.") -> Tensor:
    def convolved(x: Tensor, name: str) -> Tensor:
        weight, bias = w[f"{prefix}{name}.weight"], w[f"{prefix}{name}.bias"]
        return torch.relu(functional.conv2d(x, weight, bias, padding=1))

    x = functional.max_pool2d(convolved(image, "conv2d"), 2)
    x = convolved(x, "conv2d_2").mean((2, 3))
    return x @ w[f"{prefix}fc.weight"].T + w[f"{prefix}fc.bias"]


def images(seed: int, n: int = 4) -> Tensor:
    """Bright and dark ones, so that embeddings lie on both sides of the margins."""
    return random(n, 1, 28, 28, seed=seed) + 4 * random(n, 1, 1, 1, seed=10 * seed)


def small(name: str) -> nn.Module:
    """With weights that keep embeddings near one another."""
    module = emitted(name).train()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.mul_(0.1)
    return module


def test_siamese_draws_the_same_together_and_others_apart() -> None:
    left, right, same = images(1), images(2), torch.tensor([1.0, 0.0, 0.0, 1.0]).double()

    def equations(w: Parameters) -> tuple[Tensor, Tensor]:
        d = (embedded(w, left) - embedded(w, right) + 1e-6).square().sum(1).sqrt()
        apart = (1 - d).clamp(min=0)
        return d, (same * d**2 + (1 - same) * apart**2).mean()

    assert_equations(small("Siamese"), equations, left, right, same)


def unit(code: Tensor) -> Tensor:
    return code / code.square().sum(1, keepdim=True).sqrt()


def test_a_triplet_has_a_margin() -> None:
    anchor, positive, negative = (images(seed) for seed in (1, 2, 3))

    def equations(w: Parameters) -> tuple[Tensor, Tensor]:
        a, p, n = (unit(embedded(w, x)) for x in (anchor, positive, negative))
        near, far = ((a - other + 1e-6).square().sum(1).sqrt() for other in (p, n))
        return a, (near - far + 0.2).clamp(min=0).mean()

    assert_equations(small("Triplet"), equations, anchor, positive, negative)


@pytest.mark.parametrize("swap", [False, True])
@pytest.mark.parametrize("margin", [0.3, 2.0])
def test_a_triplet_loss_of_any_distance(swap: bool, margin: float) -> None:
    """As torch's, with the city-block distance."""
    module = emitted_text(
        f"""from "losses.net" import TripletMarginWithDistanceLoss
        network Loss {{
          input a: float[N, D]
          input p: float[N, D]
          input n: float[N, D]
          output loss = (a, p, n) -> TripletMarginWithDistanceLoss(
            PairwiseDistance(1, eps = 0.0), {margin}, swap = {str(swap).lower()},
          )
        }}"""
    )
    a, p, n = (random(6, 3, seed=seed) for seed in (1, 2, 3))
    reference = nn.TripletMarginWithDistanceLoss(
        distance_function=lambda x, y: (x - y).abs().sum(1), margin=margin, swap=swap
    )
    torch.testing.assert_close(module(a, p, n), reference(a, p, n), rtol=1e-12, atol=0)


def test_the_hardest_of_a_batch() -> None:
    image, labels = images(1, 6), torch.tensor([0, 1, 0, 1, 1, 0])

    def equations(w: Parameters) -> tuple[Tensor, Tensor]:
        code = unit(embedded(w, image))
        losses = []
        for i in range(6):
            apart = [(code[i] - code[j]).square().sum() for j in range(6)]
            near = [apart[j] for j in range(6) if labels[j] == labels[i] and j != i]
            far = [apart[j] for j in range(6) if labels[j] != labels[i]]
            losses.append(torch.stack(near).max().sqrt() - torch.stack(far).min().sqrt() + 0.2)
        return code, torch.stack(losses).clamp(min=0).mean()

    assert_equations(small("TripletBatchHard"), equations, image, labels)


def mined() -> tuple[Any, Any]:
    """pytorch-metric-learning's hard miner and triplet loss, over plain distances."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what it imports
        library = import_module("pytorch_metric_learning")
        names = ("distances", "losses", "miners", "reducers")
        distances, losses, miners, reducers = (
            import_module(f"{library.__name__}.{name}") for name in names
        )
    plain = distances.LpDistance(normalize_embeddings=False)
    loss = losses.TripletMarginLoss(margin=0.2, distance=plain, reducer=reducers.MeanReducer())
    return miners.BatchHardMiner(distance=plain), loss


def test_hard_triplets_are_the_librarys() -> None:
    image, labels = images(1, 6), torch.tensor([0, 1, 0, 1, 1, 0])
    code, loss = small("TripletBatchHard")(image, labels)
    miner, theirs = mined()
    expected = theirs(code, labels, miner(code, labels))
    torch.testing.assert_close(loss, expected, rtol=1e-9, atol=0)


def test_given_triplets_are_the_librarys() -> None:
    code, loss = small("Triplet")(*(images(seed) for seed in (1, 2, 3)))
    near, far = (small("Triplet").eval()(images(seed)) for seed in (2, 3))
    places = torch.arange(4)
    _, theirs = mined()
    expected = theirs(
        torch.cat((code, near, far)),
        torch.cat((places, places, places + 4)),
        (places, places + 4, places + 8),
    )
    torch.testing.assert_close(loss, expected, rtol=1e-5, atol=0)  # torch adds 1e-6 to differences


def test_a_softmax_over_directions() -> None:
    image, labels = images(1), torch.tensor([3, 1, 0, 9])

    def equations(w: Parameters) -> tuple[Tensor, ...]:
        code = embedded(w, image)
        logits = code @ w["head.weight"].T
        return code, logits, -torch.log_softmax(logits, 1)[range(4), labels].mean()

    assert_equations(small("SoftmaxEmbedding"), equations, image, labels)


def cosface(cosine: Tensor, code: Tensor, own: Tensor) -> Tensor:
    return 64 * (cosine - 0.35 * own)


def arcface(cosine: Tensor, code: Tensor, own: Tensor) -> Tensor:
    angle = torch.acos(cosine) + 0.5 * own
    over = cosine - 0.5 * math.sin(0.5)
    return 64 * torch.where(angle <= math.pi, torch.cos(angle), over)


def a_softmax(cosine: Tensor, code: Tensor, own: Tensor) -> Tensor:
    angle = torch.acos(cosine)
    k = (4 * angle / math.pi).floor()
    sign = 1 - 2 * (k % 2)
    steep = sign * torch.cos(4 * angle) - 2 * k
    length = code.square().sum(1, keepdim=True).sqrt()
    return length * torch.where(own > 0, steep, cosine)


@pytest.mark.parametrize(
    ("name", "with_margin"),
    [
        ("CosFaceEmbedding", cosface),
        ("ArcFaceEmbedding", arcface),
        ("ASoftmaxEmbedding", a_softmax),
    ],
)
def test_a_margin_in_training_only(name: str, with_margin: Callable[..., Tensor]) -> None:
    image, labels = images(1), torch.tensor([3, 1, 0, 9])
    own = functional.one_hot(labels, 10).double()

    def equations(w: Parameters) -> tuple[Tensor, ...]:
        code = embedded(w, image)
        cosine = unit(code) @ unit(w["head.weight"]).T
        moved = with_margin(cosine, code, own)
        plain = with_margin(cosine, code, torch.zeros_like(own))
        return code, plain, -torch.log_softmax(moved, 1)[range(4), labels].mean()

    assert_equations(small(name), equations, image, labels)
