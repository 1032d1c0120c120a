"""The emitted files of all packaged networks: clean, complete, exported, compiled as one graph."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from addnn_spec import load
from addnn_spec.catalogue import entries
from addnn_spec.passes.state_dict import weights_of
from addnn_spec.runtime.onnx import export_onnx
from tests.elsewhere import GPU, elsewhere
from tests.support import seldom
from tests.zoo.prove import Reference, build, difference, inputs_of, on_meta, tensors

ROOT = Path(__file__).parents[2]
NETWORKS = [entry.name for entry in entries() if entry.params is not None]
EXPORTED = {"LeNet5", "GoogLeNet", "MobileNetV3_Small", "GCN"}
"""Those that are exported, and moved to another device, at every run."""
COMPILED = ["LeNet5", "GAT"]
COMPILED_SELDOM = ["ResNet18", "GoogLeNet", "ShuffleNetV1_g3", "LSTMTagger_equations"]


@pytest.fixture(scope="module", params=[8, pytest.param(1, marks=pytest.mark.slow)])
def files(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The emitted files of packaged networks: of each eighth, or all."""
    folder = tmp_path_factory.mktemp("emitted")
    made = []
    for name in NETWORKS[:: request.param]:
        file = folder / f"{name}.py"
        file.write_text(load(name).source(), encoding="utf-8")
        made.append(file)
    return made


def on_meta_with_inputs(name: str) -> tuple[nn.Module, tuple[Tensor, ...]]:
    """A network in evaluation, and inputs of its native size for a batch of two; without values."""
    network = load(name)
    module = build(network.source(), network.graph.name, device="meta")
    random = inputs_of(network, Reference(name, lambda: module, batch=2), 0)
    return module, tuple(on_meta(tensor) for tensor in random)


def _checked(*command: str, files: list[Path]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", *command, *map(str, files)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_linter_finds_nothing(files: list[Path]) -> None:
    rules = ["--select", "E,F,I,UP,B", "--line-length", "100", "--target-version", "py311"]
    _checked("ruff", "check", "--isolated", "--no-cache", *rules, files=files)


def test_the_formatter_changes_nothing(files: list[Path]) -> None:
    options = ["--isolated", "--no-cache", "--line-length", "100"]
    _checked("ruff", "format", "--check", *options, files=files)


@pytest.mark.slow
def test_the_type_checker_finds_nothing(files: list[Path], tmp_path: Path) -> None:
    _checked("mypy", "--strict", "--config-file=", f"--cache-dir={tmp_path}", files=files)


@pytest.mark.parametrize("name", seldom(NETWORKS, 20))
def test_the_state_dict_is_what_the_summary_promises(name: str) -> None:
    module, _ = on_meta_with_inputs(name)
    promised = {key: tuple(entry.shape) for key, entry in weights_of(load(name).graph).items()}
    assert {key: tuple(value.shape) for key, value in module.state_dict().items()} == promised


@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.filterwarnings(  # of torch, on the lists that its own LSTM, GRU and RNN keep
    r"ignore:The tensor attributes? (self\S*_flat_weights\[\d+\](, )?)+ w\w+ assigned during export"
)
@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=() if name in EXPORTED else pytest.mark.slow) for name in NETWORKS],
)
def test_it_is_exported(name: str) -> None:
    module, inputs = on_meta_with_inputs(name)
    with torch.no_grad():
        program = torch.export.export(module, inputs)
        expected = tensors(module(*inputs))
    assert [t.shape for t in tensors(program.module()(*inputs))] == [t.shape for t in expected]


# recurrent layers ask whether cuDNN would take weights that call themselves a GPU's
@pytest.mark.filterwarnings("ignore:PyTorch was compiled without cuDNN")
@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=() if name in EXPORTED else pytest.mark.slow) for name in NETWORKS],
)
def test_all_of_it_lies_where_its_inputs_do(name: str) -> None:
    module, inputs = on_meta_with_inputs(name)
    with torch.no_grad(), elsewhere(values="meta"):
        outputs = tensors(module.to(GPU)(*(value.to(GPU) for value in inputs)))
        assert all(value.device == GPU for value in outputs)


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")
@pytest.mark.parametrize(
    "name", [*COMPILED, *(pytest.param(name, marks=pytest.mark.slow) for name in COMPILED_SELDOM)]
)
def test_it_compiles_without_a_break(name: str) -> None:
    module, inputs = on_meta_with_inputs(name)
    with torch.no_grad():
        compiled = torch.compile(module, fullgraph=True, backend="eager")(*inputs)
        expected = module(*inputs)
    assert [t.shape for t in tensors(compiled)] == [t.shape for t in tensors(expected)]


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")
@pytest.mark.parametrize(
    ("name", "dims"),
    [
        ("LeNet5", {}),
        pytest.param("ResNet18", {"H": 32, "W": 32}, marks=pytest.mark.slow),
        pytest.param("LSTMTagger", {}, marks=pytest.mark.slow),
        pytest.param("MobileNetV3_Small", {"H": 32, "W": 32}, marks=pytest.mark.slow),
        pytest.param("ShuffleNetV1_g3", {"H": 64, "W": 64}, marks=pytest.mark.slow),
        pytest.param("UNet_padded", {"H": 32, "W": 32}, marks=pytest.mark.slow),
        pytest.param("Seq2Seq_Luong", {"S": 6, "T": 5}, marks=pytest.mark.slow),
        pytest.param("ViT_B_16", {}, marks=pytest.mark.slow),
    ],
)
def test_onnxruntime_gives_the_same(name: str, dims: dict[str, int], tmp_path: Path) -> None:
    onnxruntime = import_module("onnxruntime")
    network = load(name)
    torch.manual_seed(0)
    module = build(network.source(), network.graph.name)
    random = inputs_of(network, Reference(name, lambda: module, dims=dims, batch=2), 0)
    inputs = tuple(t.float() if t.is_floating_point() else t for t in random)
    file = tmp_path / f"{name}.onnx"
    export_onnx(module, inputs, file)
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    fed = {
        given.name: value.numpy() for given, value in zip(session.get_inputs(), inputs, strict=True)
    }
    found = [torch.from_numpy(value) for value in session.run(None, fed)]
    with torch.no_grad():
        expected = tensors(module(*inputs))
    assert difference(expected, found) < 1e-5
    written = file.read_bytes()
    for path in (ROOT, Path(torch.__file__).parent, Path.home(), tmp_path):
        assert str(path).encode() not in written
    assert b"stack_trace" not in written
