"""The heads of metric learning against pytorch-metric-learning's, and by their definitions."""

from __future__ import annotations

import math
import warnings
from importlib import import_module
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from addnn_spec.diagnostics import Refusal
from addnn_spec.ops.base import Operator, TensorType
from addnn_spec.ops.margin import ArcFace, ASoftmax, CosFace
from tests.ops.harness import build

EMBEDDINGS, LABELS = TensorType("float", (6, 4)), TensorType("int", (6,))
HEADS: list[tuple[type[Operator], str, dict[str, Any], dict[str, Any]]] = [
    (CosFace, "CosFaceLoss", {"scale": 8.0, "margin": 0.35}, {}),
    (ArcFace, "ArcFaceLoss", {"scale": 8.0, "margin": 0.5}, {"margin": math.degrees(0.5)}),
    (ArcFace, "ArcFaceLoss", {"scale": 8.0, "margin": 2.5}, {"margin": math.degrees(2.5)}),
    (ASoftmax, "SphereFaceLoss", {"margin": 1}, {}),
    (ASoftmax, "SphereFaceLoss", {"margin": 2}, {}),
    (ASoftmax, "SphereFaceLoss", {"margin": 4}, {}),
]


def made(kind: type[Operator], options: dict[str, Any]) -> tuple[nn.Module, Tensor, Tensor]:
    """A head over three classes with a random weight, embeddings and labels."""
    module = build(kind.model_validate({"out_features": 3, **options}), (EMBEDDINGS, LABELS))
    assert module is not None
    torch.manual_seed(0)
    module.double()
    with torch.no_grad():
        for weight in module.parameters():
            weight.normal_()
    return module, torch.randn(6, 4, dtype=torch.float64), torch.tensor([0, 1, 2, 2, 1, 0])


@pytest.mark.parametrize(("kind", "name", "options", "other"), HEADS)
def test_losses_are_the_librarys(
    kind: type[Operator], name: str, options: dict[str, Any], other: dict[str, Any]
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        loss = getattr(import_module("pytorch_metric_learning.losses"), name)
        theirs = loss(num_classes=3, embedding_size=4, **(options | other)).double()
    module, x, labels = made(kind, options)
    (weight,) = module.parameters()
    theirs.W.data = weight.detach().T.clone()
    embeddings = x.clone().requires_grad_()
    ours = nn.functional.cross_entropy(module(embeddings, labels), labels)
    expected = theirs(embeddings, labels)
    torch.testing.assert_close(ours, expected, rtol=1e-9, atol=0)
    found = torch.autograd.grad(ours, [embeddings, weight])
    given = torch.autograd.grad(expected, [embeddings, theirs.W])
    torch.testing.assert_close(found[0], given[0], rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(found[1], given[1].T, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(("kind", "name", "options", "other"), HEADS)
def test_only_the_label_is_moved(
    kind: type[Operator], name: str, options: dict[str, Any], other: dict[str, Any]
) -> None:
    module, x, labels = made(kind, options)
    plain, moved = module(x), module(x, labels)
    (w,) = module.parameters()
    cosine = torch.stack([torch.cosine_similarity(x, row[None]) for row in w], 1)
    size = x.norm(dim=1, keepdim=True) if kind is ASoftmax else torch.tensor(8.0)
    torch.testing.assert_close(plain, size * cosine, rtol=1e-9, atol=1e-9)
    own = nn.functional.one_hot(labels, 3).bool()
    assert torch.equal(plain[~own], moved[~own])
    if options["margin"] != 1:
        assert (moved[own] < plain[own]).all()


def test_each_label_belongs_to_an_embedding() -> None:
    with pytest.raises(Refusal, match="number of labels"):
        CosFace(out_features=3).infer(EMBEDDINGS, TensorType("int", (5,)))
    with pytest.raises(Refusal, match="float"):
        ArcFace(out_features=3).infer(EMBEDDINGS, TensorType("float", (6,)))
