"""What is particular to normalisations: training statistics' buffers, refusals."""

from __future__ import annotations

import pytest

from addnn_spec.diagnostics import Refusal
from addnn_spec.ops.base import TensorType
from addnn_spec.ops.normalization import (
    BatchNorm1d,
    BatchNorm2d,
    GroupNorm,
    InstanceNorm2d,
    LayerNorm,
    LocalResponseNorm,
    RMSNorm,
)

MAP = TensorType("float", (2, 6, 4, 5))
Norm = BatchNorm1d | BatchNorm2d | GroupNorm | InstanceNorm2d | LayerNorm | RMSNorm


def test_cost_is_two_an_element() -> None:
    assert BatchNorm2d().flops(MAP) == {"norm": 2 * 2 * 6 * 4 * 5}
    assert LocalResponseNorm(size=5).flops(MAP) == {"norm": 2 * 2 * 6 * 4 * 5}


def test_defaults_are_torchs() -> None:
    assert list(BatchNorm2d().buffers(MAP)) == [
        "running_mean",
        "running_var",
        "num_batches_tracked",
    ]
    assert not InstanceNorm2d().buffers(MAP)
    assert not InstanceNorm2d().weights(MAP)


@pytest.mark.parametrize(
    ("layer", "x", "code"),
    [
        (BatchNorm2d(), TensorType("float", (2, 6)), "E0302"),
        (BatchNorm1d(), MAP, "E0302"),
        (BatchNorm2d(), TensorType("int", MAP.shape), "E0307"),
        (GroupNorm(num_groups=4), MAP, "E0305"),
        (LayerNorm(normalized_shape=(4, 6)), MAP, "E0301"),
        (LayerNorm(normalized_shape=4), MAP, "E0301"),
        (LayerNorm(normalized_shape=()), MAP, "E0201"),
        (RMSNorm(normalized_shape=(1, 2, 6, 4, 5)), MAP, "E0302"),
        (LayerNorm(), TensorType("float", ()), "E0302"),
    ],
)
def test_refusals(layer: Norm, x: TensorType, code: str) -> None:
    with pytest.raises(Refusal) as caught:
        layer.infer(x)
    assert caught.value.code == code
