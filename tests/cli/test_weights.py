"""`--weights` and `--keys`, in each command that has them, and in Python."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from addnn_spec import load, probe, rank
from addnn_spec.diagnostics import DiagnosticError
from addnn_spec.runtime.foreign_errors import WeightsNote
from tests.cli.conftest import Addnn

SPEC = """
network Small {
  input image: float[N, 64]
  output y = image -> fc1: Linear(8) -> ReLU -> fc2: Linear(10)
}
"""
KEYS = """
'body.layer{n}.*' = 'fc{n+1}.*'
'*.weight' = { transpose = true }
"""
RULES: Any = {"body.layer{n}.*": "fc{n+1}.*", "*.weight": {"transpose": True}}
DATA = "digits[:100]"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A spec, a key map, and a folder of published weights under other names, in a wrapper."""
    (tmp_path / "small.net").write_text(SPEC)
    (tmp_path / "keys.toml").write_text(KEYS)
    torch.manual_seed(7)
    module: Any = load(tmp_path / "small.net").build()
    state = {
        f"body.layer{int(key[2]) - 1}{key[3:]}": value.T if value.ndim == 2 else value
        for key, value in module.state_dict().items()
    }
    (tmp_path / "published").mkdir()
    torch.save({"state_dict": state}, tmp_path / "published" / "pytorch_model.bin")
    torch.save(module.state_dict(), tmp_path / "plain.pt")
    return tmp_path


def digest(run: Any) -> str:
    found: str = run["network"]["weights_sha256"]
    return found


@pytest.fixture
def expected(folder: Path) -> str:
    """The digest of the same weights, loaded as they are."""
    run = probe(load(folder / "small.net"), train=DATA, weights=folder / "plain.pt")
    return run.record.network.weights_sha256


def test_probe(addnn: Addnn, folder: Path, expected: str) -> None:
    ended = addnn("probe", "small.net", "--weights", "published", "--keys", "keys.toml",
                  "--data", DATA, "-o", "run.json")  # fmt: skip
    assert ended.code == 0
    assert digest(json.loads((folder / "run.json").read_text())) == expected
    assert "note: published: the weights stand in its 'state_dict'\n" in ended.err


def test_confidence(addnn: Addnn, folder: Path) -> None:
    def found(*how: str) -> Any:
        ended = addnn("confidence", "small.net", *how, "--data", DATA, "--gamma", "0.1", "--at",
                      "fc1", "--json")  # fmt: skip
        assert ended.code == 0, ended.err
        return json.loads(ended.out)

    mapped = found("--weights", "published", "--keys", "keys.toml")
    assert mapped == found("--weights", "plain.pt") | {"network": mapped.get("network")}
    assert mapped != found()


@pytest.mark.parametrize(
    "keys",
    ['"keys.toml"', '{ "body.layer{n}.*" = "fc{n+1}.*", "*.weight" = { transpose = true } }'],
)
def test_rank(addnn: Addnn, folder: Path, expected: str, keys: str) -> None:
    model = f'[[model]]\nnet = "small.net"\nweights = "published"\nkeys = {keys}\n'
    (folder / "models.toml").write_text(model)
    ended = addnn("rank", "models.toml", "--data", DATA, "--json")
    assert ended.code == 0, ended.err
    assert digest(json.loads(ended.out)["models"][0]["run"]) == expected


def test_python(folder: Path, expected: str) -> None:
    network = load(folder / "small.net")
    plain = network.build(folder / "plain.pt").state_dict()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", WeightsNote)
        how: Any = {"weights": folder / "published", "keys": RULES}
        mapped = network.build(how["weights"], keys=RULES).state_dict()
        assert all(torch.equal(plain[key], value) for key, value in mapped.items())
        run = probe(network, train=DATA, **how)
        assert run.record.network.weights_sha256 == expected
        net = {"net": str(folder / "small.net"), "weights": str(folder / "published")}
        ranking = rank([net | {"keys": RULES}], train=DATA)
    assert ranking.models[0].run.network.weights_sha256 == expected


def test_a_live_module_keeps_its_own(folder: Path) -> None:
    module: Any = nn.Sequential(nn.Flatten(), nn.Linear(64, 8))
    before = module[1].weight.clone()
    given = {"a.weight": torch.rand(64, 8), "a.bias": torch.rand(8)}
    keys: Any = {"a.*": "1.*", "*.weight": {"transpose": True}}
    run = probe(module, train=DATA, weights=given, keys=keys)
    assert torch.equal(module[1].weight, before)
    module.load_state_dict({"1.weight": given["a.weight"].T, "1.bias": given["a.bias"]})
    again = probe(module, train=DATA)
    assert run.record.network.weights_sha256 == again.record.network.weights_sha256


def test_a_key_map_without_weights(addnn: Addnn, folder: Path) -> None:
    ended = addnn("probe", "small.net", "--keys", "keys.toml", "--data", DATA)
    assert ended.code == 2
    assert "error[E0615]: there is a key map, and no weights for it" in ended.err
    with pytest.raises(DiagnosticError, match="E0615"):
        load(folder / "small.net").build(keys="gpt2")
    with pytest.raises(DiagnosticError, match="E0615"):
        probe(nn.Linear(64, 2), train=DATA, keys={"a": "b"})


def test_a_key_map_that_does_not_fit(addnn: Addnn, folder: Path) -> None:
    (folder / "keys.toml").write_text("'encoder.*' = '*'\n")
    ended = addnn(
        "probe", "small.net", "--weights", "published", "--keys", "keys.toml", "--data", DATA
    )
    assert ended.code == 2
    assert (
        "keys.toml has a pattern that matches nothing in pytorch_model.bin" in ended.err
        or "published" in ended.err
    )
