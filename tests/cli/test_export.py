"""`addnn export`: ONNX files that another program runs."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from addnn_spec import load, loads
from addnn_spec.diagnostics import DiagnosticError
from tests.cli.conftest import Addnn


@pytest.mark.slow
def test_a_trained_network_of_an_open_batch(addnn: Addnn, tmp_path: Path) -> None:
    torch.manual_seed(0)
    module = load("Digits").build().eval()
    save_file(module.state_dict(), tmp_path / "digits.safetensors")
    ended = addnn("export", "Digits", "--weights", "digits.safetensors", "--onnx", "digits.onnx",
                  "--dynamic", "N")  # fmt: skip
    assert (ended.code, ended.err) == (0, "")
    run = import_module("onnxruntime").InferenceSession(
        tmp_path / "digits.onnx", providers=["CPUExecutionProvider"]
    )
    for batch in (1, 3):
        x = torch.rand(batch, 1, 8, 8)
        (y,) = run.run(None, {run.get_inputs()[0].name: x.numpy()})
        np.testing.assert_allclose(y, module(x).detach().numpy(), rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_integers_and_sizes_from_python(tmp_path: Path) -> None:
    text = """network Net {
      input x: int[N, T = 5]
      output y = x -> Embedding(7, 4) -> Mean(dim = 1) -> Linear(2)
    }"""
    network = loads(text)
    network.export_onnx(tmp_path / "net.onnx", T=6)
    run = import_module("onnxruntime").InferenceSession(
        tmp_path / "net.onnx", providers=["CPUExecutionProvider"]
    )
    (given,) = run.get_inputs()
    assert (given.shape, given.type) == ([1, 6], "tensor(int64)")
    with pytest.raises(DiagnosticError, match="E0602"):
        network.export_onnx(tmp_path / "nowhere" / "net.onnx")


def test_what_is_refused(addnn: Addnn) -> None:
    assert addnn("export", "LeNet5").code == 2
    assert addnn("export", "LeNet5", "--onnx", "-").code == 2
    ended = addnn("export", "AlexNet", "--onnx", "a.onnx", "--dynamic", "X")
    assert ended.code == 2 and "AlexNet has no symbolic size X" in ended.err
    assert not Path("a.onnx").exists()
