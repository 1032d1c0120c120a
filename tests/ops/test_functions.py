"""Activations, dropout, padding, resizing, distances: what the registry's test cannot see."""

from __future__ import annotations

import math

import pytest
import torch
from pydantic import ValidationError
from torch.nn import functional

from addnn_spec.diagnostics import Refusal
from addnn_spec.ops.activation import (
    CELU,
    GLU,
    Clamp,
    Exp,
    Hardtanh,
    LeakyReLU,
    Normalize,
    PReLU,
    ReLU,
    RReLU,
    Softmax,
    Softmax2d,
    Step,
)
from addnn_spec.ops.base import Operator, TensorType, Weight
from addnn_spec.ops.distance import CosineSimilarity, PairwiseDistance
from addnn_spec.ops.dropout import Dropout2d, StochasticDepth
from addnn_spec.ops.fold import Fold, Unfold
from addnn_spec.ops.padding import CircularPad1d, Pad, ReflectionPad1d, ZeroPad2d
from addnn_spec.ops.reduction import Std, Var
from addnn_spec.ops.upsampling import (
    ChannelShuffle,
    Interpolate,
    PixelShuffle,
    PixelUnshuffle,
    Upsample,
    ZeroInsertion2d,
)
from addnn_spec.sizes import SymbolicSize, evaluate
from addnn_spec.sizes.symbolic import Symbol
from tests.ops.harness import build, outputs_of, run
from tests.oracles import torchvision

MAP = TensorType("float", (2, 6, 4, 5))
VECTOR = TensorType("float", (4, 7))
INTS = TensorType("int", (4, 7))
S = SymbolicSize.of(Symbol("S", 5))


def code_of(operator: Operator, *inputs: TensorType) -> str:
    with pytest.raises(Refusal) as caught:
        outputs_of(operator, inputs)
    return caught.value.code


# --- activations ----------------------------------------------------------------------------------


def test_step_fires_at_zero() -> None:
    kind = TensorType("float", (3,))
    x = torch.tensor([-0.5, 0.0, 2.0], dtype=torch.float64)
    assert run(Step(), (kind,), (x,), None)[0].tolist() == [0.0, 1.0, 1.0]
    assert run(Step(values=0.5), (kind,), (x,), None)[0].tolist() == [0.0, 0.5, 1.0]


def test_prelu_has_one_weight_or_one_for_each_channel() -> None:
    assert PReLU().weights(MAP) == {"weight": Weight((1,))}
    assert PReLU(num_parameters="channels").weights(MAP) == {"weight": Weight((6,))}
    assert code_of(PReLU(num_parameters=5), MAP) == "E0301"


def test_errors_of_activations() -> None:
    assert code_of(GLU(), VECTOR) == "E0305"
    assert code_of(GLU(), TensorType("float", (2, S))) == "E0305"
    assert code_of(Softmax(dim=2), VECTOR) == "E0306"
    assert code_of(Softmax2d(), VECTOR) == "E0302"
    assert code_of(Normalize(dim=-3), VECTOR) == "E0306"
    assert code_of(Clamp(), VECTOR) == "E0202"
    assert code_of(Hardtanh(min_val=1.0), VECTOR) == "E0201"
    assert code_of(RReLU(lower=0.5), VECTOR) == "E0201"
    assert code_of(CELU(alpha=0.0), VECTOR) == "E0201"
    assert code_of(ReLU(), TensorType("bool", (2,))) == "E0307"
    assert code_of(LeakyReLU(), INTS) == "E0307"


@pytest.mark.parametrize("value", [True, "0.1", math.nan, math.inf])
def test_slopes_are_finite_numbers(value: object) -> None:
    with pytest.raises(ValidationError):
        LeakyReLU.model_validate({"negative_slope": value})


def test_functions_of_integers_are_floats() -> None:
    assert outputs_of(Exp(), (INTS,))[0].dtype == "float"
    assert outputs_of(Clamp(min=0, max=1), (INTS,))[0].dtype == "int"
    assert outputs_of(Clamp(min=0.5), (INTS,))[0].dtype == "float"


def test_costs_are_one_an_element() -> None:
    assert ReLU().flops(MAP) == {"elementwise": 240}
    assert GLU(dim=1).flops(MAP) == {"elementwise": 120}


# --- dropout --------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["batch", "row"])
@pytest.mark.parametrize("p", [0.0, 0.3, 1.0])
def test_stochastic_depth_is_torchvisions(mode: str, p: float) -> None:
    operator = StochasticDepth.model_validate({"p": p, "mode": mode})
    module = build(operator, (MAP,))
    assert module is not None
    x = torch.randn(2, 6, 4, 5)
    assert module(x) is x
    module.train()
    reference = torchvision().ops.StochasticDepth(p, mode).train()
    for seed in range(8):
        torch.manual_seed(seed)
        ours = module(x)
        torch.manual_seed(seed)
        torch.testing.assert_close(ours, reference(x))


def test_errors_of_dropout() -> None:
    assert code_of(Dropout2d(), TensorType("float", (2, 3, 4))) == "E0302"
    with pytest.raises(ValidationError):
        Dropout2d(p=1.5)


# --- padding --------------------------------------------------------------------------------------


def test_pad_up_to_a_multiple_of_a_symbolic_size() -> None:
    pad = Pad(pad=(0, (7 - S % 7) % 7))
    (output,) = outputs_of(pad, (TensorType("float", (1, S)),))
    for size in range(1, 30):
        assert evaluate(output.shape[1], {"S": size}) == -(-size // 7) * 7


def test_errors_of_padding() -> None:
    line = TensorType("float", (1, 2, 5))
    assert code_of(ReflectionPad1d(padding=5), line) == "E0304"
    assert outputs_of(ReflectionPad1d(padding=4), (line,))[0].shape == (1, 2, 13)
    assert code_of(CircularPad1d(padding=6), line) == "E0304"
    assert outputs_of(CircularPad1d(padding=5), (line,))[0].shape == (1, 2, 15)
    assert code_of(ZeroPad2d(padding=(-2, -3, 0, 0)), MAP) == "E0304"
    assert code_of(Pad(pad=(1,)), VECTOR) == "E0201"
    assert code_of(Pad(pad=(0,) * 6), VECTOR) == "E0302"
    assert code_of(Pad(pad=(1, 1), mode="reflect"), MAP) == "E0201"
    assert code_of(Pad(pad=(1, 1), mode="circular", value=2), line) == "E0201"
    assert code_of(Pad(pad=(1, 1), value=0.5), INTS) == "E0201"


# --- resizing -------------------------------------------------------------------------------------


def test_sizes_after_scaling_are_torchs() -> None:
    for factor in (0.5, 0.3, 0.7, 1.1, 1.25, 1.7, 2.3, 2, 3, 2.0):
        for size in range(4, 30):
            x = TensorType("float", (1, 1, size))
            expected = functional.interpolate(torch.zeros(1, 1, size), scale_factor=factor).shape
            assert outputs_of(Upsample(scale_factor=factor), (x,))[0].shape == expected
    for factor in (0.5, 1.25, 3):
        x = TensorType("float", (1, 1, S))
        (scaled,) = outputs_of(Upsample(scale_factor=factor), (x,))
        for size in range(2, 40):
            assert evaluate(scaled.shape[2], {"S": size}) == math.floor(size * factor)


def test_errors_of_resizing() -> None:
    assert code_of(Upsample(), MAP) == "E0202"
    assert code_of(Upsample(size=3, scale_factor=2), MAP) == "E0201"
    assert code_of(Upsample(scale_factor=0.1), MAP) == "E0304"
    assert code_of(Upsample(scale_factor=2, mode="linear"), MAP) == "E0302"
    assert code_of(Upsample(scale_factor=2, align_corners=True), MAP) == "E0201"
    assert code_of(Upsample(size=(3, 4, 5)), MAP) == "E0302"
    assert code_of(Interpolate(scale_factor=0.3), TensorType("float", (1, 1, S))) == "E0308"
    assert code_of(Interpolate(size=3, antialias=True), MAP) == "E0201"
    assert code_of(Upsample(scale_factor=2), VECTOR) == "E0302"
    assert code_of(PixelShuffle(upscale_factor=2), MAP) == "E0305"
    assert code_of(PixelUnshuffle(downscale_factor=2), MAP) == "E0305"
    assert code_of(ChannelShuffle(groups=4), MAP) == "E0305"


def test_channel_shuffle_deals_out() -> None:
    kind = TensorType("float", (1, 6, 1))
    x = torch.arange(6.0).reshape(1, 6, 1)
    (output,) = run(ChannelShuffle(groups=3), (kind,), (x,), None)
    assert output.flatten().tolist() == [0, 2, 4, 1, 3, 5]


def test_zero_insertion() -> None:
    operator = ZeroInsertion2d(stride=(2, 3))
    x = torch.randn(2, 6, 4, 5, dtype=torch.float64)
    (output,) = run(operator, (MAP,), (x,), build(operator, (MAP,)))
    expected = torch.zeros(2, 6, 8, 15, dtype=torch.float64)
    expected[:, :, ::2, ::3] = x
    torch.testing.assert_close(output, expected)


# --- folds and distances --------------------------------------------------------------------------


def test_errors_of_folds() -> None:
    assert code_of(Unfold(kernel_size=9), MAP) == "E0304"
    columns = TensorType("float", (2, 12, 9))
    assert code_of(Fold(output_size=6, kernel_size=5), columns) == "E0305"
    assert code_of(Fold(output_size=5, kernel_size=2, stride=2), columns) == "E0303"


def test_distances_broadcast_or_refuse() -> None:
    assert code_of(PairwiseDistance(), VECTOR, TensorType("float", (4, 6))) == "E0303"
    assert code_of(PairwiseDistance(), VECTOR, TensorType("float", (S, 7))) == "E0303"
    assert code_of(CosineSimilarity(dim=2), VECTOR, VECTOR) == "E0306"
    assert code_of(CosineSimilarity(), VECTOR, INTS) == "E0307"


# --- reductions -----------------------------------------------------------------------------------


def test_a_spread_that_would_be_nan_is_refused() -> None:
    assert code_of(Var(dim=1), TensorType("float", (4, 1))) == "E0304"
    assert code_of(Std(correction=120), TensorType("float", (2, 3, 4, 5))) == "E0304"
    assert outputs_of(Var(dim=1, correction=0), (TensorType("float", (4, 1)),))
