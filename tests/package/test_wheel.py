"""The wheel in environments of strangers: what each extra brings, alone."""

from __future__ import annotations

import shutil
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.package.environments import ROOT, Environment, build, interpreter
from tests.package.first_minutes import commands, walk

pytestmark = pytest.mark.slow
PROBE = (
    "probe",
    "Digits",
    "--data",
    "d.npz",
    "--test",
    "d.npz[:50]",
    "--nodes",
    "fc1",
    "-o",
    "run.json",
)
DATA = """
import numpy as np
rng = np.random.default_rng(0)
np.savez("d.npz", X=rng.normal(size=(100, 1, 8, 8)).astype("float32"), y=np.arange(100) % 10)
"""
INDEX = """
import torch
from addnn_spec.indices import separation_index
assert float(separation_index(torch.tensor([[0.0], [1], [9], [8]]), [0, 0, 1, 1])) == 1
"""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return build(tmp_path_factory.mktemp("dist"))


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path
    shutil.rmtree(tmp_path)  # with torch an environment takes a gigabyte


def _extra(built: tuple[Path, Path], folder: Path, extra: str) -> Environment:
    return Environment.create(folder, f"{built[0]}[{extra}]")


@pytest.mark.parametrize("version", ["3.11", "3.12", "3.13"])
def test_alone(built: tuple[Path, Path], folder: Path, version: str) -> None:
    python = interpreter(version)
    if python is None:
        pytest.skip(f"there is no Python {version}")
    env = Environment.create(folder, str(built[0]), python)
    spec = env.work / "my.net"
    spec.write_text(env.addnn("show", "LeNet5"))
    assert env.addnn("check", "my.net", "ResNet50").startswith("no errors: ")
    assert "62,958" in env.addnn("summary", "my.net:LeNet5")
    assert env.addnn("fmt", "my.net", "--check") == ""
    assert "ShuffleNetV2_x1_0" in env.addnn("list", "shuffle")
    assert env.addnn("explain", "E0301").startswith("# E0301: ")
    assert env.addnn("explain", "Conv2d").startswith("## Conv2d\n")
    assert "class LeNet5(nn.Module):" in env.addnn("compile", "my.net:LeNet5")
    env.addnn("draw", "ResNet50", "-o", "net.dot")
    assert (env.work / "net.dot").read_text().startswith("digraph")
    assert "no difference" in env.addnn("diff", "my.net:LeNet5", "LeNet5")
    for words, extra in (
        (PROBE, "torch"), (("report", "run.json"), "report"), (("demo",), "data,report"),
        (("draw", "LeNet5", "-o", "net.svg"), "draw"), (("lsp",), "lsp"),
        (("export", "LeNet5", "--onnx", "net.onnx"), "onnx"),
    ):  # fmt: skip
        assert f"pip install 'addnn-spec[{extra}]'" in env.addnn(*words, code=2)
    for source in ("import addnn_spec.indices", "import addnn_spec; addnn_spec.probe",
                   "import addnn_spec; addnn_spec.load('LeNet5').build()"):  # fmt: skip
        assert "pip install 'addnn-spec[torch]'" in env.python(source, code=1)


def test_the_first_five_minutes(built: tuple[Path, Path], folder: Path) -> None:
    env = Environment.create(folder, str(built[0]))
    assert len(commands()) > 12
    assert walk(env) < 300
    assert "class MyNet(nn.Module):" in (env.work / "my_net.py").read_text()


def test_types_are_seen_by_a_stranger(built: tuple[Path, Path], folder: Path) -> None:
    env = Environment.create(folder, str(built[0]))
    env.install("mypy")
    (env.work / "stranger.py").write_text(
        'import addnn_spec\n\nnet = addnn_spec.load("LeNet5")\nname: str = net.name\n'
        "wrong: int = net.name\n"
    )
    ended = env.run("mypy", "--strict", "stranger.py")
    (told,) = (line for line in ended.text.splitlines() if "error" in line and ":" in line[:15])
    assert told.startswith("stranger.py:5: error: Incompatible types in assignment")


def test_torch(built: tuple[Path, Path], folder: Path) -> None:
    env = _extra(built, folder, "torch")
    env.python(DATA)
    assert "fc1" in env.addnn(*PROBE)
    env.python("import addnn_spec, torch; addnn_spec.load('LeNet5').build()")
    env.python(INDEX)
    missing = env.addnn("probe", "Digits", "--data", "digits", code=2)
    assert "pip install 'addnn-spec[data]'" in missing


def test_data(built: tuple[Path, Path], folder: Path) -> None:
    env = _extra(built, folder, "data")
    assert "fc1" in env.addnn("probe", "Digits", "--data", "digits[:200]", "--nodes", "fc1")
    env.python(
        "from PIL import Image; from pathlib import Path\n"
        "for i in range(12):\n"
        "    path = Path('images', 'ab'[i % 2], f'{i}.png'); path.parent.mkdir(parents=True, "
        "exist_ok=True)\n"
        "    Image.new('L', (8, 8), 20 * i).save(path)\n"
    )
    assert "fc1" in env.addnn("probe", "Digits", "--data", "images", "--nodes", "fc1")


def test_report(built: tuple[Path, Path], folder: Path) -> None:
    from addnn_spec import probe

    env = _extra(built, folder, "report")
    run = probe("Digits", train="digits[:200]", nodes=("fc1",))
    run.save(env.work / "run.json")
    written = ("--html", "a.html", "--svg", "a.svg", "--pdf", "a.pdf")
    env.addnn("report", "run.json", *written)
    assert (env.work / "a.pdf").read_bytes().startswith(b"%PDF")
    env.addnn("compare", "run.json", "run.json")


def test_draw(built: tuple[Path, Path], folder: Path) -> None:
    env = _extra(built, folder, "draw")
    env.addnn("draw", "ResNet50", "-o", "net.svg")
    assert "</svg>" in (env.work / "net.svg").read_text()


def test_onnx(built: tuple[Path, Path], folder: Path) -> None:
    env = _extra(built, folder, "onnx")
    env.addnn("export", "Digits", "--onnx", "digits.onnx", "--dynamic", "N")
    assert (env.work / "digits.onnx").stat().st_size > 100_000


def test_all(built: tuple[Path, Path], folder: Path) -> None:
    env = _extra(built, folder, "all")
    assert "accuracy on 360 digits" in env.addnn("demo", "--epochs", "2")


def test_the_sdist_makes_the_same_wheel(built: tuple[Path, Path], folder: Path) -> None:
    wheel, sdist = built
    with tarfile.open(sdist) as archive:
        archive.extractall(folder, filter="data")
    (source,) = folder.iterdir()
    env = Environment.create(folder / "env", str(source))
    assert env.addnn("--version").startswith("addnn ")
    assert "25,557,032" in env.addnn("summary", "ResNet50")
    installed = next(env.path.glob("lib/python*/site-packages/addnn_spec"))
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if name.startswith("addnn_spec/")}
    there = {path for path in installed.rglob("*") if path.is_file() and path.suffix != ".pyc"}
    assert {f"addnn_spec/{path.relative_to(installed).as_posix()}" for path in there} == names
    assert not [name for name in names if name.startswith("tests/")]


def test_the_checkout_is_not_what_runs(built: tuple[Path, Path], folder: Path) -> None:
    env = Environment.create(folder, str(built[0]))
    place = env.python("import addnn_spec; print(addnn_spec.__file__)")
    assert str(ROOT) not in place and str(env.path) in place


INITIALIZE = (
    '{"jsonrpc": "2.0", "id": 1, "method": "initialize", '
    '"params": {"processId": null, "rootUri": null, "capabilities": {}}}'
)


def test_lsp(built: tuple[Path, Path], folder: Path) -> None:
    env = _extra(built, folder, "lsp")
    assert "the protocol: pygls 2" in env.addnn("lsp", "--check-setup")
    asked = f"Content-Length: {len(INITIALIZE)}\r\n\r\n{INITIALIZE}"
    (env.work / "asked").write_bytes(asked.encode())
    assert '"inlayHintProvider"' in env.shell("addnn lsp < asked").text
