"""`Network.build`: what the runtime refuses comes out as diagnostics."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from addnn_spec import load
from addnn_spec.diagnostics import DiagnosticError
from addnn_spec.passes.summary import summarize
from addnn_spec.runtime.foreign_errors import WeightsNote
from addnn_spec.runtime.freeze import count_trainable
from tests.oracles import torchvision


def test_transfer_learning(tmp_path: Path) -> None:
    """The course's exercise: a pretrained body, kept; a new head, trained."""
    path = tmp_path / "pretrained.safetensors"
    pretrained = load("ResNet18").build()
    save_file(pretrained.state_dict(), path)

    with pytest.warns(WeightsNote, match="new, as initialised: fc$") as noted:
        module: Any = load("ResNet18", classes=10).build(path, freeze="layer[1-4].*", new_head=True)
    assert noted[0].filename == __file__  # the line that built it, none of ours
    assert module.fc.out_features == 10
    kept = pretrained.get_parameter("layer1.0.conv1.weight")
    assert torch.equal(module.layer1[0].conv1.weight, kept)
    module = copy.deepcopy(module).train()
    norms = {n: m.training for n, m in module.named_modules() if isinstance(m, nn.BatchNorm2d)}
    assert {name for name, training in norms.items() if training} == {"bn1"}


def test_the_summary_counts_as_frozen_what_the_module_freezes() -> None:
    network = load("ResNet18")
    counted = count_trainable(network.build(freeze="layer[1-3].*"))
    summary = summarize(network.graph, None, "layer[1-3].*")
    assert counted.frozen == summary.frozen
    assert sum(counted) == summary.total.params == 11_689_512


def test_a_faulty_file_is_not_loaded_also_where_the_network_does_not_need_it(
    tmp_path: Path,
) -> None:
    path = tmp_path / "a.net"
    network = "network A { input x: float[N, 8] output y = x -> Linear(2) }"
    path.write_text(f'from "../x.net" import B\n{network}', encoding="utf-8")
    with pytest.raises(DiagnosticError, match="E0103"):
        load(path)


def test_weights_of_another_network_are_a_diagnostic(tmp_path: Path) -> None:
    path = tmp_path / "other.safetensors"
    save_file(load("Digits").build().state_dict(), path)
    with pytest.raises(DiagnosticError) as raised:
        load("ResNet18").build(path)
    (found,) = raised.value.diagnostics
    assert found.code == "E0604"
    text = str(raised.value)
    assert "other.safetensors does not fit ResNet18" in text
    assert "missing: ResNet18 has it, other.safetensors does not" in text
    assert "left over: other.safetensors has it, ResNet18 does not" in text


@pytest.mark.parametrize(("given", "code"), [("none.safetensors", "E0601"), ("none.txt", "E0603")])
def test_files_that_cannot_be_read(given: str, code: str) -> None:
    with pytest.raises(DiagnosticError) as raised:
        load("Digits").build(given)
    assert raised.value.diagnostics[0].code == code


def test_torchvision_weights_load_as_they_are() -> None:
    torch.manual_seed(0)
    theirs = torchvision().models.resnet18(weights=None).eval()
    ours = load("ResNet18").build(theirs.state_dict()).eval()
    image = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(ours(image), theirs(image))
