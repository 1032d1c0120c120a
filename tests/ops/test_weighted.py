"""Initialisation and parametrisation of weights, and tying."""

from __future__ import annotations

import math

import pytest
import torch
from pydantic import ValidationError
from torch.nn import functional

from addnn_spec.diagnostics import Refusal
from addnn_spec.ops.base import TensorType
from addnn_spec.ops.code import Arg, Call, Own
from addnn_spec.ops.convolution import Conv2d, ConvTranspose2d
from addnn_spec.ops.embedding import Embedding, EmbeddingBag
from addnn_spec.ops.init import INITS, Init, check_fits, constant, init_code, make_init
from addnn_spec.ops.linear import Bilinear, Linear
from addnn_spec.ops.normalization import BatchNorm2d
from addnn_spec.ops.recurrent import LSTM
from tests.ops.harness import Interpreter, build, float64, run

MAP = TensorType("float", (2, 4, 9, 9))
VECTOR = TensorType("float", (2, 8))


def test_one_number_is_the_deviation() -> None:
    assert make_init("normal", (0.02,), {}) == make_init("normal", (), {"std": 0.02})
    assert make_init("trunc_normal", (0.02,), {}).args == (("std", 0.02),)
    assert make_init("normal", (1, 0.5), {}).args == (("mean", 1), ("std", 0.5))


def test_code_is_torchs_call() -> None:
    init = make_init("kaiming_normal", (), {"mode": "fan_out", "nonlinearity": "relu"})
    assert init_code(init, Own("weight")) == Call(
        "nn.init.kaiming_normal_",
        (
            Arg(Own("weight")),
            Arg("fan_out", "mode", "fan_in"),
            Arg("relu", "nonlinearity", "leaky_relu"),
        ),
    )
    assert init_code(constant(0), Own("bias")) == Call(
        "nn.init.constant_", (Arg(Own("bias")), Arg(0))
    )


@pytest.mark.parametrize("name", INITS)
def test_every_initialiser_runs_in_torch(name: str) -> None:
    required = [0.5 for parameter in INITS[name].parameters if parameter.default is None]
    init = make_init(name, required, {})
    shape = {"dirac": (4, 4, 3)}.get(name, (4, 4))
    check_fits(init, shape)
    tensor = torch.full(shape, 7.0)
    interpreter = Interpreter(Linear(out_features=1))
    interpreter.own = tensor
    interpreter.evaluate(init_code(init, Own()))
    assert not (tensor == 7.0).any()


@pytest.mark.parametrize(
    ("name", "args", "kwargs", "code"),
    [
        ("normol", (), {}, "E0201"),
        ("constant", (), {}, "E0202"),
        ("normal", (), {"sigma": 1.0}, "E0201"),
        ("normal", (0.02,), {"std": 1.0}, "E0201"),
        ("normal", (-1.0,), {}, "E0201"),
        ("normal", (True,), {}, "E0201"),
        ("normal", (math.nan,), {}, "E0201"),
        ("zeros", (1,), {}, "E0201"),
        ("uniform", (2.0, 1.0), {}, "E0201"),
        ("uniform", (2.0,), {}, "E0201"),
        ("sparse", (1.5,), {}, "E0201"),
        ("dirac", (0,), {}, "E0201"),
        ("kaiming_normal", (), {"mode": "fan"}, "E0201"),
    ],
)
def test_wrong_initialisers(
    name: str, args: tuple[float, ...], kwargs: dict[str, float], code: str
) -> None:
    with pytest.raises(Refusal) as caught:
        make_init(name, args, kwargs)
    assert caught.value.code == code


def test_misspelt_initialiser_is_guessed() -> None:
    with pytest.raises(Refusal) as caught:
        make_init("xavier_unifrom", (), {})
    assert caught.value.help == "did you mean xavier_uniform?"


def test_initialiser_must_fit_the_rank() -> None:
    layer = Linear(out_features=3, bias_init=Init("xavier_uniform"))
    with pytest.raises(Refusal) as caught:
        layer.infer(VECTOR)
    assert (caught.value.code, caught.value.about) == ("E0302", "bias_init")


def test_initialiser_without_a_tensor() -> None:
    with pytest.raises(Refusal) as caught:
        Linear(out_features=3, bias=False, bias_init=constant(0)).infer(VECTOR)
    assert (caught.value.code, caught.value.about) == ("E0201", "bias_init")
    with pytest.raises(Refusal):
        BatchNorm2d(affine=False, weight_init=constant(0)).infer(MAP)


def test_number_and_name_are_initialisers() -> None:
    layer = Conv2d.model_validate(
        {"out_channels": 6, "kernel_size": 3, "weight_init": "ones", "bias_init": 0.5}
    )
    module = build(layer, (MAP,))
    assert module is not None
    assert (module.get_parameter("weight") == 1).all()
    assert (module.get_parameter("bias") == 0.5).all()


def test_recurrent_initialisers_reach_every_tensor() -> None:
    layer = LSTM(
        hidden_size=4, num_layers=2, proj_size=2, weight_init=constant(2), bias_init=constant(3)
    )
    module = build(layer, (TensorType("float", (2, 7, 5)),))
    assert module is not None
    for name, parameter in module.named_parameters():
        assert (parameter == (3 if name.startswith("bias") else 2)).all(), name


@pytest.mark.parametrize("option", ["weight_norm", "spectral_norm", "weight_standardization"])
def test_parametrized_weight_takes_its_initial_value(option: str) -> None:
    layer = Conv2d.model_validate(
        {"out_channels": 6, "kernel_size": 3, option: True, "weight_init": constant(0.25)}
    )
    module = build(layer, (MAP,))
    assert module is not None
    original = module.weight
    if option != "weight_norm":
        original = module.get_parameter("parametrizations.weight.original")
    assert isinstance(original, torch.Tensor)
    torch.testing.assert_close(original, torch.full((6, 4, 3, 3), 0.25, dtype=torch.float64))


def test_standardized_weight_has_mean_0_and_variance_1() -> None:
    layer = Conv2d(out_channels=6, kernel_size=3, weight_standardization=True)
    module = build(layer, (MAP,))
    assert module is not None
    weight = module.weight
    assert isinstance(weight, torch.Tensor)
    zero = torch.zeros(6, dtype=torch.float64)
    torch.testing.assert_close(weight.mean((1, 2, 3)), zero, rtol=0, atol=1e-12)
    # A fan-in of 36 gives torch's default weights a variance of 1/108: eps shifts it by 1e-3.
    torch.testing.assert_close(weight.var((1, 2, 3), correction=0), zero + 1, rtol=5e-3, atol=0)


def test_spectral_norm_of_a_transposed_convolution_counts_by_output() -> None:
    layer = ConvTranspose2d(out_channels=6, kernel_size=3, spectral_norm=True)
    sizes = [buffer.shape for buffer in layer.buffers(MAP).values()]
    assert sizes == [(6,), (4 * 3 * 3,)]


def test_options_exclude_one_another() -> None:
    with pytest.raises(Refusal) as caught:
        Linear(out_features=3, weight_norm=True, spectral_norm=True).infer(VECTOR)
    assert (caught.value.code, caught.value.about) == ("E0201", "spectral_norm")


def test_tied_linear_owns_no_weight() -> None:
    tied = TensorType("float", (3, 8))
    assert Linear(out_features=3, bias=False).weights(VECTOR, tied) == {}
    layer = Linear(out_features=3)
    assert list(layer.weights(VECTOR, tied)) == ["bias"]
    assert layer.macs(VECTOR, tied) == 2 * 8 * 3
    with float64():
        x, weight = torch.randn(2, 8), torch.randn(3, 8)
    module = build(layer, (VECTOR, tied))
    assert module is not None
    (y,) = run(layer, (VECTOR, tied), (x, weight), module)
    expected = functional.linear(x, weight, module.get_parameter("bias"))
    torch.testing.assert_close(y, expected, rtol=0, atol=0)


@pytest.mark.parametrize(
    ("layer", "inputs", "code"),
    [
        (Linear(out_features=3), (VECTOR, TensorType("float", (8, 3))), "E0303"),
        (Linear(out_features=3), (VECTOR, TensorType("float", (3,))), "E0302"),
        (Linear(out_features=3, weight_norm=True), (VECTOR, TensorType("float", (3, 8))), "E0201"),
        (Linear(out_features=3), (TensorType("int", (2, 8)),), "E0307"),
        (Linear(out_features=3), (TensorType("float", ()),), "E0302"),
        (Bilinear(out_features=3), (VECTOR, TensorType("float", (3, 8))), "E0303"),
        (Embedding(num_embeddings=9, embedding_dim=4), (VECTOR,), "E0307"),
        (
            Embedding(num_embeddings=9, embedding_dim=4, padding_idx=9),
            (TensorType("int", (2,)),),
            "E0201",
        ),
        (
            Embedding(num_embeddings=9, embedding_dim=4),
            (TensorType("int", (2,)), TensorType("float", (4, 9))),
            "E0303",
        ),
        (
            EmbeddingBag(num_embeddings=9, embedding_dim=4),
            (TensorType("int", (2, 5)), TensorType("float", (2, 5))),
            "E0201",
        ),
    ],
)
def test_refusals(
    layer: Linear | Bilinear | Embedding | EmbeddingBag, inputs: tuple[TensorType, ...], code: str
) -> None:
    with pytest.raises(Refusal) as caught:
        layer.infer(*inputs)
    assert caught.value.code == code


def test_padding_row_is_zero_also_after_initialisation_by_torch() -> None:
    layer = Embedding(num_embeddings=9, embedding_dim=4, padding_idx=-2)
    module = build(layer, (TensorType("int", (2,)),))
    assert module is not None
    assert (module.get_parameter("weight")[7] == 0).all()


@pytest.mark.parametrize("value", [True, 0, -4, "64", 6.0])
def test_strict_counts(value: object) -> None:
    with pytest.raises(ValidationError):
        Linear.model_validate({"out_features": value})


def test_bilinear_macs_by_a_loop() -> None:
    first, second = TensorType("float", (2, 3)), TensorType("float", (2, 5))
    count = 0
    for _ in range(2 * 4):  # every item and output
        for _ in range(5):
            count += 3  # the row of A times the first input
            count += 1  # and that times the second's element
    assert Bilinear(out_features=4).macs(first, second) == count
