"""What is particular to attention: the costs' table, the causal mask, values by hand, refusals."""

from __future__ import annotations

import pytest
import torch

from addnn_spec.diagnostics import Refusal
from addnn_spec.ops.applied import Applied
from addnn_spec.ops.attention import MultiheadAttention, ScaledDotProductAttention
from addnn_spec.ops.base import TensorType
from addnn_spec.ops.code import Arg, Invoke
from tests.ops.harness import Interpreter, build, float64, run

X = TensorType("float", (2, 5, 8))
MEMORY = TensorType("float", (2, 7, 8))
SELF = (X, X, X, None, None)


def test_macs_of_the_costs_table() -> None:
    x = TensorType("float", (2, 50, 256))
    macs = MultiheadAttention(num_heads=8).macs(x, x, x)
    assert macs == 28_774_400
    assert macs == 2 * (4 * 50 * 256**2 + 2 * 50**2 * 256)


def by_hand(
    module: torch.nn.Module, x: torch.Tensor, heads: int, allowed: torch.Tensor
) -> torch.Tensor:
    """Self-attention in plain loops over items and heads, from the paper's formula."""
    weight, bias = module.get_parameter("in_proj_weight"), module.get_parameter("in_proj_bias")
    q, k, v = (x @ weight.T + bias).chunk(3, dim=-1)
    width = x.shape[-1] // heads
    rows = []
    for item in range(x.shape[0]):
        parts = []
        for head in range(heads):
            own = slice(head * width, (head + 1) * width)
            scores = q[item, :, own] @ k[item, :, own].T / width**0.5
            scores = scores.masked_fill(~allowed, -torch.inf)
            parts.append(scores.softmax(-1) @ v[item, :, own])
        rows.append(torch.cat(parts, dim=-1))
    out = torch.stack(rows)
    return out @ module.get_parameter("out_proj.weight").T + module.get_parameter("out_proj.bias")


@pytest.mark.parametrize("causal", [False, True])
def test_values_by_hand(causal: bool) -> None:
    layer = MultiheadAttention(num_heads=2, is_causal=causal)
    module = build(layer, SELF)
    assert module is not None
    with float64():
        x = torch.randn(2, 5, 8)
    allowed = torch.tensor([[j <= i or not causal for j in range(5)] for i in range(5)])
    y, weights = run(layer, SELF, (x, x, x, None, None), module)
    torch.testing.assert_close(y, by_hand(module, x, 2, allowed), rtol=1e-9, atol=1e-12)
    assert ((weights == 0) == ~allowed).all()


@pytest.mark.parametrize("extra", [False, True])
def test_unused_weights_change_nothing(extra: bool) -> None:
    """`need_weights=False` takes another path in torch, with is_causal as a hint."""
    layer = MultiheadAttention(num_heads=2, is_causal=True, add_bias_kv=extra)
    module = build(layer, SELF)
    with float64():
        x = torch.randn(2, 5, 8)
    with_weights, _ = run(layer, SELF, (x, x, x, None, None), module)
    interpreter = Interpreter(layer, (x, x, x, None, None))
    interpreter.own = module
    call = layer.call(*SELF)
    assert isinstance(call, Invoke)
    unused = layer.unused_outputs[1]
    assert unused == Arg(value=False, name="need_weights", default=True)
    without, nothing = interpreter.evaluate(Invoke((*call.args, unused)))
    assert nothing is None
    torch.testing.assert_close(without, with_weights, rtol=1e-9, atol=1e-12)


def test_dropout_acts_in_training_only() -> None:
    layer = ScaledDotProductAttention(dropout_p=0.5)
    module = build(layer, (X, X, X, None))
    assert module is not None
    with float64():
        x = torch.randn(2, 5, 8)
    (first,) = run(layer, (X, X, X, None), (x, x, x, None), module)
    (plain,) = run(ScaledDotProductAttention(), (X, X, X, None), (x, x, x, None), None)
    torch.testing.assert_close(first, plain)
    module.train()
    (dropped,) = run(layer, (X, X, X, None), (x, x, x, None), module)
    assert not torch.allclose(dropped, plain)


@pytest.mark.parametrize(
    ("layer", "inputs", "code"),
    [
        (MultiheadAttention(num_heads=3), SELF, "E0305"),
        (MultiheadAttention(num_heads=2), (X, MEMORY, X, None, None), "E0303"),
        (MultiheadAttention(num_heads=2), (X, X, TensorType("float", (2, 8)), None, None), "E0302"),
        (
            MultiheadAttention(num_heads=2),
            (X, X, X, TensorType("bool", (2, 6)), None),
            "E0303",
        ),
        (
            MultiheadAttention(num_heads=2, is_causal=True),
            (X, X, X, None, TensorType("bool", (5, 5))),
            "E0201",
        ),
        (
            MultiheadAttention(num_heads=2),
            (X, X, X, TensorType("bool", (2, 5)), TensorType("float", (5, 5))),
            "E0307",
        ),
        (ScaledDotProductAttention(), (X, MEMORY, X, None), "E0303"),
        (ScaledDotProductAttention(), (X, TensorType("float", (2, 5, 6)), X, None), "E0303"),
        (ScaledDotProductAttention(), (X, X, X, TensorType("int", (5, 5))), "E0307"),
        (ScaledDotProductAttention(), (X, X, X, TensorType("float", (4, 5))), "E0303"),
        (ScaledDotProductAttention(is_causal=True), (X, X, X, TensorType("bool", (5, 5))), "E0201"),
        (
            ScaledDotProductAttention(enable_gqa=True),
            (TensorType("float", (2, 4, 5, 8)), *(2 * [TensorType("float", (2, 3, 5, 8))]), None),
            "E0305",
        ),
    ],
)
def test_refusals(
    layer: MultiheadAttention | ScaledDotProductAttention,
    inputs: tuple[TensorType | None, ...],
    code: str,
) -> None:
    with pytest.raises(Refusal) as caught:
        Applied(layer, inputs).infer()
    assert caught.value.code == code
