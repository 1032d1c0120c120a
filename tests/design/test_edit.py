"""`addnn edit`: from text to text, and with weights from weights to weights."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch
from click.shell_completion import ShellComplete
from safetensors.torch import save_file

from addnn_spec import load
from addnn_spec.cli import run
from addnn_spec.cli.app import addnn

TEXT = """network Net(classes = 10) {
  input image: float[N, 1, 8, 8]
  # what learns
  output logits = image
    -> stage: repeat 2 { Conv2d(8, 3, padding = 1) }
    -> conv: Conv2d(12, 3) -> ReLU
    -> Flatten -> fc: Linear(classes)
}
"""


@pytest.fixture
def spec(tmp_path: Path) -> str:
    path = tmp_path / "net.net"
    path.write_text(TEXT)
    return str(path)


def test_the_new_text_is_printed_with_its_figures(
    spec: str, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["edit", spec, "--turns", "stage=3", "--narrow", "conv=0.5", "--dry"]
    command += ["--replace", "relu=GELU", "--insert", "stage=norm: BatchNorm2d"]
    assert run(command) == 0
    before = 80 + 584 + 876 + 4330
    after = 80 + 2 * 584 + 16 + 438 + 2170
    macs = (64 * 72 + 64 * 576 + 36 * 864 + 4320, 64 * 72 + 2 * 64 * 576 + 36 * 432 + 2160)
    told = capsys.readouterr().out
    assert told == (
        f"# parameters: {before:,} → {after:,} ({after / before - 1:+.0%})\n"
        f"# MACs: {macs[0]:,} → {macs[1]:,} ({macs[1] / macs[0] - 1:+.0%})\n\n"
        + TEXT.replace("repeat 2", "repeat 3")
        .replace("padding = 1) }", "padding = 1) } -> norm: BatchNorm2d")
        .replace("Conv2d(12", "Conv2d(6")
        .replace("-> ReLU", "-> relu: GELU")
    )


def test_a_dry_run_needs_no_torch(spec: str) -> None:
    import subprocess

    code = (
        "import sys; from addnn_spec.cli import run\n"
        f"status = run(['edit', {spec!r}, '--cut', 'conv', '--widen', 'stage.*=16', '--dry'])\n"
        "sys.exit(status or 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "stage: repeat 2 { Conv2d(16, 3, padding = 1) }" in done.stdout
    assert "-> head: Linear(classes)" in done.stdout


def test_weights_come_along_and_a_wider_network_computes_what_it_did(
    spec: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old = load(spec).build().eval()
    weights = tmp_path / "net.safetensors"
    save_file(old.state_dict(), weights)
    out = tmp_path / "wide.net"
    command = ["edit", spec, "--weights", str(weights), "--widen", "*=1.5", "-o", str(out)]
    assert run(command) == 0
    assert "stage: repeat 2 { Conv2d(12" in out.read_text()
    new = load(out).build(tmp_path / "wide.safetensors").eval()
    x = torch.randn(3, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(new(x), old(x))
    assert run(command) == 2
    assert "stands already" in capsys.readouterr().err


def test_the_channels_of_the_largest_weights_stay_and_what_is_new_is_told(
    spec: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state = load(spec).build().state_dict()
    state["conv.weight"] = torch.zeros(12, 8, 3, 3)
    for channel, size in ((7, 3.0), (2, 2.0), (9, 1.0)):
        state["conv.weight"][channel] = size
    save_file(state, tmp_path / "net.safetensors")
    out = tmp_path / "small.net"
    command = ["edit", spec, "--weights", str(tmp_path / "net.safetensors"), "-o", str(out)]
    assert run([*command, "--cut", "conv", "--narrow", "conv=3"]) == 0
    told = capsys.readouterr().out
    assert "new weights: head.weight, head.bias" in told
    new = load(out).build(tmp_path / "small.safetensors").state_dict()
    assert new["conv.weight"][:, 0, 0, 0].tolist() == [2.0, 3.0, 1.0]


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (["--narrow", "nothing=3"], "no width that may change is nothing's"),
        (["--narrow", "fc=3"], "the width of fc must stay: it is an output of the network"),
        (["--narrow", "conv=20"], "conv has 12 channels, 20 cannot be kept"),
        (["--widen", "conv=4"], "conv has 12 channels, 4 are fewer"),
        (["--narrow", "conv=many"], "--narrow: many is no size, and no share"),
        (["--narrow", "conv=9.9e999"], "--narrow: 9.9e999 is no size, and no share"),
        (["--widen", "conv=1000000000000"], "conv cannot have 1,000,000,000,000 channels: 100,000"),
        (["--turns", "stage=1000000000000"], "stage cannot have 1,000,000,000,000 turns: 10,000"),
        (["--turns", f"stage={'9' * 5000}"], "is no number of turns"),
        (["--narrow", "conv"], "conv is not CLASS=SIZE"),
        (["--turns", "stage=some"], "some is no number of turns"),
        (["--turns", "conv=2"], "there is no node conv"),
        (["--replace", "relu=GELU("], "what was given has an error: expected"),
        (["--insert", "relu=GELU"], "GELU has no label"),
        ([], "say what shall change"),
    ],
)
def test_what_cannot_be_done_is_told(
    spec: str, asked: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["edit", spec, *asked, "--dry"]) == 2
    assert told in capsys.readouterr().err


def test_shells_complete_nodes(spec: str) -> None:
    shell = ShellComplete(addnn, {}, "addnn", "_ADDNN_COMPLETE")
    found = [one.value for one in shell.get_completions(["edit", spec, "--cut"], "st")]
    assert found == ["stage", "stage.0", "stage.1"]
    found = [one.value for one in shell.get_completions(["edit", spec, "--narrow"], "co")]
    assert found == ["conv="]


def test_a_cut_takes_another_number_of_classes(
    spec: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also where the network's own output is no row of classes."""
    assert run(["edit", spec, "--cut", "stage", "--classes", "3", "--dry"]) == 0
    assert "-> head: Linear(3)\n" in capsys.readouterr().out
    assert run(["edit", "UNet", "--cut", "up1", "--dry"]) == 2
    assert "the number of classes" in capsys.readouterr().err
    assert run(["edit", "UNet", "--cut", "up1", "--classes", "3", "--dry"]) == 0
    assert "-> head: Linear(3)\n" in capsys.readouterr().out


def test_a_node_is_found_by_the_end_of_its_path(
    spec: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["edit", "BERT", "--turns", "layers=6", "--dry"]) == 2
    assert (
        "there is no node layers\n  = help: did you mean encoder.layer?" in capsys.readouterr().err
    )
