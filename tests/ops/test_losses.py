"""Losses, sampling and encodings, held against their papers' formulas in plain Python."""

from __future__ import annotations

import math

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from addnn_spec.diagnostics import Refusal
from addnn_spec.ops.base import Operator, TensorType
from addnn_spec.ops.classification import (
    AdaptiveLogSoftmaxWithLoss,
    BCELoss,
    BCEWithLogitsLoss,
    CrossEntropyLoss,
    MultiLabelSoftMarginLoss,
    NLLLoss,
)
from addnn_spec.ops.encoding import PositionalEncoding, RotaryEmbedding
from addnn_spec.ops.loss import (
    ContrastiveLoss,
    CosineEmbeddingLoss,
    CTCLoss,
    MSELoss,
    TripletMarginLoss,
)
from addnn_spec.ops.sampling import GaussianSample, GumbelSoftmax
from addnn_spec.sizes import SymbolicSize
from addnn_spec.sizes.symbolic import Symbol
from tests.ops.harness import build, outputs_of, run
from tests.zoo.emitted import emitted_text

COLUMN = TensorType("float", (4,))
MATRIX = TensorType("float", (4, 5))


def code_of(operator: Operator, *inputs: TensorType | None) -> str:
    with pytest.raises(Refusal) as caught:
        outputs_of(operator, inputs)
    return caught.value.code


def test_contrastive_loss_is_hadsells_with_one_for_the_same() -> None:
    distances, same = [0.5, 1.5, 0.2, 3.0], [1.0, 1.0, 0.0, 0.0]
    margin = 2.0
    terms = [
        s * d**2 + (1 - s) * max(0.0, margin - d) ** 2 for d, s in zip(distances, same, strict=True)
    ]
    assert terms == pytest.approx([0.25, 2.25, 3.24, 0.0])
    tensors = (torch.tensor(distances), torch.tensor(same))
    for reduction, expected in (("mean", [sum(terms) / 4]), ("sum", [sum(terms)]), ("none", terms)):
        loss = ContrastiveLoss.model_validate({"margin": margin, "reduction": reduction})
        (output,) = run(loss, (COLUMN, COLUMN), tensors, build(loss, (COLUMN, COLUMN)))
        assert output.flatten().tolist() == pytest.approx(expected)


def test_losses_never_broadcast() -> None:
    # torch gives [4, 4] differences of [4] and [4, 1], with a warning at most
    assert code_of(MSELoss(), COLUMN, TensorType("float", (4, 1))) == "E0303"
    assert code_of(BCELoss(), COLUMN, TensorType("float", (5,))) == "E0303"
    assert code_of(MSELoss(), COLUMN, TensorType("int", (4,))) == "E0307"
    assert code_of(TripletMarginLoss(), MATRIX, MATRIX, TensorType("float", (1, 5))) == "E0303"
    assert code_of(ContrastiveLoss(), COLUMN, TensorType("float", (4, 1))) == "E0303"
    assert code_of(CosineEmbeddingLoss(), MATRIX, MATRIX, MATRIX) == "E0303"


def test_errors_of_classification_losses() -> None:
    labels = TensorType("int", (4,))
    assert code_of(CrossEntropyLoss(), MATRIX, TensorType("int", (4, 5))) == "E0303"
    assert code_of(CrossEntropyLoss(), MATRIX, COLUMN) == "E0303"
    assert code_of(CrossEntropyLoss(), COLUMN, labels) == "E0302"
    assert code_of(NLLLoss(), MATRIX, COLUMN) == "E0307"
    batch = TensorType("int", (SymbolicSize.of(Symbol("N")),))
    assert code_of(CrossEntropyLoss(), MATRIX, batch) == "E0303"
    sequence = TensorType("float", (4, 6, 5))
    two = TensorType("int", (4, 2))
    assert code_of(CTCLoss(blank=5), sequence, two, labels, labels) == "E0201"


def test_gaussian_sample_is_the_mean_in_evaluation() -> None:
    kind = TensorType("float", (20000,))
    mu = torch.full((20000,), 3.0)
    logvar = torch.full((20000,), math.log(4.0))
    module = build(GaussianSample(), (kind, kind))
    assert module is not None
    assert module(mu, logvar) is mu
    module.train()
    torch.manual_seed(0)
    sample = module(mu, logvar)
    assert sample.mean().item() == pytest.approx(3.0, abs=0.06)
    assert sample.std().item() == pytest.approx(2.0, abs=0.06)


def test_gumbel_softmax_is_one_hot_when_hard() -> None:
    kind = TensorType("float", (2, 3))
    x = torch.tensor([[0.0, 2.0, 1.0], [5.0, 0.0, 1.0]], requires_grad=True)
    module = build(GumbelSoftmax(hard=True), (kind,))
    assert module is not None
    assert module(x).tolist() == [[0, 1, 0], [1, 0, 0]]
    module.train()
    drawn = module(x)
    assert drawn.sum(-1).tolist() == pytest.approx([1.0, 1.0])
    (drawn * torch.arange(3)).sum().backward()
    assert x.grad is not None
    assert x.grad.abs().sum() > 0


@pytest.mark.parametrize("features", [8, 5])
def test_positional_encoding_is_vaswanis(features: int) -> None:
    kind = TensorType("float", (1, 7, features))
    zeros = torch.zeros(1, 7, features, dtype=torch.float64)
    operator = PositionalEncoding()
    (output,) = run(operator, (kind,), (zeros,), build(operator, (kind,)))
    for t in range(7):
        for k in range(features):
            angle = t / 10000 ** (k // 2 * 2 / features)
            wave = math.cos(angle) if k % 2 else math.sin(angle)
            assert output[0, t, k].item() == pytest.approx(wave, abs=1e-12)


def test_rotary_embedding_turns_pairs() -> None:
    kind = TensorType("float", (1, 5, 6))
    x = torch.randn(1, 5, 6, dtype=torch.float64)
    operator = RotaryEmbedding()
    (output,) = run(operator, (kind,), (x,), build(operator, (kind,)))
    for t in range(5):
        for i in range(3):
            pair = complex(*x[0, t, 2 * i : 2 * i + 2].tolist())
            angle = t / 10000 ** (2 * i / 6)
            turned = pair * complex(math.cos(angle), math.sin(angle))
            assert complex(*output[0, t, 2 * i : 2 * i + 2].tolist()) == pytest.approx(turned)
    assert code_of(RotaryEmbedding(), TensorType("float", (1, 5, 7))) == "E0305"


def test_weights_of_classes_have_their_shape() -> None:
    labels, four = TensorType("int", (4,)), TensorType("float", (4,))
    assert code_of(CrossEntropyLoss(), MATRIX, labels, four) == "E0303"
    assert code_of(CrossEntropyLoss(), MATRIX, labels, TensorType("int", (5,))) == "E0307"
    assert code_of(BCELoss(), MATRIX, MATRIX, four) == "E0303"
    assert code_of(BCEWithLogitsLoss(), COLUMN, COLUMN, None, MATRIX) == "E0303"
    assert code_of(MultiLabelSoftMarginLoss(), MATRIX, MATRIX, four) == "E0303"


def test_a_mean_over_weighted_classes_is_over_their_weights() -> None:
    """`−Σ w_y log p_y / Σ w_y`, through a network whose weights are a buffer."""
    network = emitted_text(
        """network Weighted {
          input x: float[N, 3]
          input label: int[N] when training
          buffer rare: [3] = [1, 2, 5]
          output y = x
          output loss = (x, label) -> CrossEntropyLoss(weight = rare) when training
          output named = (x, label) -> named: CrossEntropyLoss(weight = rare) when training
        }"""
    ).train()
    logits = torch.tensor([[0.5, 1.0, -1.0], [0.0, 2.0, 0.25]], dtype=torch.float64)
    _, loss, named = network(logits, torch.tensor([2, 0]))
    found = [-row[label] + row.exp().sum().log() for row, label in zip(logits, (2, 0), strict=True)]
    assert loss.item() == pytest.approx((5 * found[0] + found[1]).item() / 6, rel=1e-12)
    assert named.item() == pytest.approx(loss.item(), rel=1e-12)


def test_adaptive_softmax_counts_the_costliest_labels() -> None:
    x, target = TensorType("float", (4, 8)), TensorType("int", (4,))
    operator = AdaptiveLogSoftmaxWithLoss(n_classes=12, cutoffs=(1, 4), div_value=2.0)
    module = build(operator, (x, target))
    assert module is not None
    costs = []
    for label in (0, 2, 8):
        with FlopCounterMode(display=False) as counter:
            module(torch.randn(4, 8, dtype=torch.float64), torch.full((4,), label))
        costs.append(counter.get_total_flops() // 2)
    assert operator.macs(x, target) == max(costs) == costs[1] > costs[2] > costs[0]
    for cutoffs in ((), (4, 4), (4, 12)):
        wrong = AdaptiveLogSoftmaxWithLoss(n_classes=12, cutoffs=cutoffs)
        assert code_of(wrong, x, target) == "E0201"
    assert code_of(AdaptiveLogSoftmaxWithLoss(n_classes=12, cutoffs=(2, 4)), x, target) == "E0304"
