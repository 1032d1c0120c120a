"""Networks as ONNX files: learned tensors where a constant might stand, in every mode."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import pytest
import torch

from addnn_spec.network import Network
from addnn_spec.runtime.onnx import export_onnx
from tests.support import session

HEADS = "input x: float[2, 2, 6, 4]\n"
ROWS = "input x: float[2, 6, 8]\n"
MASK = "parameter m: [6, 6] = normal(0.02)\n"
LEARNED = {
    "an encoder's mask": ROWS
    + MASK
    + "output y = x -> TransformerEncoderLayer(2, 16, src_mask = m)",
    "a decoder's masks": ROWS
    + MASK
    + "output y = (x, x) -> TransformerDecoderLayer(2, 16, tgt_mask = m, memory_mask = m)",
    "an attention's mask": ROWS
    + MASK
    + "y, _ = (x, x, x) -> a: MultiheadAttention(2, attn_mask = m)\noutput y",
    "a function's mask": HEADS
    + MASK
    + "output y = (x, x, x) -> ScaledDotProductAttention(attn_mask = m)",
    "a tied weight": ROWS
    + "parameter w: [4, 8] = normal(1.0)\noutput y = x -> Linear(4, weight = w)",
    "one of two values": ROWS + "parameter w: [8] = normal(1.0)\noutput y = (x > 0, x, w) -> Where",
}


@pytest.mark.filterwarnings("ignore:Exporting a model while it is in training")
@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")
@pytest.mark.parametrize("gradients", [pytest.param(True, marks=pytest.mark.slow), False])
@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=pytest.mark.slow if i else ()) for i, n in enumerate(LEARNED)]
)
def test_learned_tensors_are_exported(name: str, gradients: bool, tmp_path: Path) -> None:
    body = LEARNED[name]
    found = session(f"network Net {{\n{body}\n}}")
    module = Network(found, "Net").build()
    x = torch.rand(2, 2, 6, 4) if body.startswith(HEADS) else torch.rand(2, 6, 8)
    for training in (True, False):
        module.train(training)
        file = tmp_path / "net.onnx"
        with torch.set_grad_enabled(gradients):
            export_onnx(module, [x], file)
        assert module.training is training
        assert all(parameter.requires_grad for parameter in module.parameters())
    run = import_module("onnxruntime").InferenceSession(file, providers=["CPUExecutionProvider"])
    (y,) = run.run(None, {run.get_inputs()[0].name: x.numpy()})
    torch.testing.assert_close(torch.from_numpy(y), module(x), rtol=1e-4, atol=1e-5)
