"""The packaged networks in other types of floats: one type throughout, and the same results."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from addnn_spec import load
from tests.backends.torch_code.test_dtypes import OneType
from tests.zoo.lessons import LESSONS
from tests.zoo.prove import tensors
from tests.zoo.test_emitted_all import NETWORKS, on_meta_with_inputs

QUICK = {"LeNet5", "GoogLeNet", "MobileNetV3_Small", "CBAMResNet50", "PoolingKinds"}
CHOOSES = {"Seq2Seq_LuongHard"}
"""Networks that look at one place only, which a small change moves."""
REFUSED = {
    ("PoolingKinds", torch.bfloat16): "Unsupported dtype BFloat16",
    ("PoolingKinds", torch.float16): "ComplexHalf support is experimental",
}
"""What torch says, also without a device: there is no Fourier transform of such numbers."""
TOLERANCES = {torch.float64: 1e-5, torch.bfloat16: 0.05, torch.float16: 0.01}
DTYPES = [torch.float64, torch.bfloat16, torch.float16]
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


def converted(inputs: Any, dtype: torch.dtype) -> list[Tensor]:
    return [x.to(dtype) if x.is_floating_point() else x for x in inputs]


def close(one: Tensor, other: Tensor, tolerance: float) -> None:
    scale = other.abs().max().item() if other.numel() else 0.0
    torch.testing.assert_close(
        one, other, rtol=tolerance, atol=tolerance * scale, check_dtype=False
    )


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("name", LESSONS)
def test_lessons(name: str, dtype: torch.dtype) -> None:
    lesson = LESSONS[name]
    torch.manual_seed(0)
    module = load(name, **lesson.settings).build().eval().to(DEVICE)
    inputs = [x.to(DEVICE) for x in lesson.inputs()]
    with torch.no_grad():
        torch.manual_seed(1)
        full = list(tensors(module(*inputs)))
        module, given = module.to(dtype), converted(inputs, dtype)
        torch.manual_seed(1)
        made = list(tensors(module(*given)))
        if dtype == torch.float64:  # half as exact somewhere, it would be so in the end
            with OneType(dtype):
                module(*given)
                module.train()(*given)
    for one, other in zip(made, full, strict=True):
        if other.is_floating_point():
            assert one.dtype == dtype
            if name not in CHOOSES:
                close(one, other, TOLERANCES[dtype])


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in NETWORKS],
)
def test_every_network_computes_in_one_type(name: str, dtype: torch.dtype) -> None:
    module, inputs = on_meta_with_inputs(name)
    module, given = module.to(dtype), converted(inputs, dtype)
    with torch.no_grad():
        if (name, dtype) in REFUSED:
            with pytest.raises((RuntimeError, UserWarning), match=REFUSED[name, dtype]):
                module(*given)
            return
        if dtype == torch.float64:
            with OneType(dtype):
                made = list(tensors(module(*given)))
        else:
            made = list(tensors(module(*given)))
    assert all(x.dtype == dtype for x in made if x.is_floating_point())
