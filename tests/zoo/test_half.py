"""Networks with attention compute in half precision what they compute in full."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from addnn_spec import load
from tests.zoo.lessons import LESSONS
from tests.zoo.prove import tensors

MASKED = ["Seq2Seq_LuongLocal", "Seq2Seq_LuongPredictive", "GAT", "BERT", "GPT2", "Transformer"]


@pytest.mark.parametrize("name", MASKED)
def test_masks_are_kept_in_half_precision(name: str) -> None:
    lesson = LESSONS[name]
    torch.manual_seed(0)
    module = load(name, **lesson.settings).build().eval()
    inputs = lesson.inputs()
    with torch.no_grad():
        full = tensors(module(*inputs))
        module.half()
        halved = tensors(module(*map(_half, inputs)))
    for one, other in zip(full, halved, strict=True):
        assert other.dtype == torch.half
        torch.testing.assert_close(other.float(), one, rtol=0, atol=0.01 * one.abs().max().item())


def _half(tensor: Tensor) -> Tensor:
    return tensor.half() if tensor.is_floating_point() else tensor
