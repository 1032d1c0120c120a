"""Compression, end to end on scikit-learn's digits, and what its parts promise."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from addnn_spec import load
from addnn_spec.cli import run
from addnn_spec.design.budget import narrowed_counts, tied_counts
from addnn_spec.design.choosing import CRITERIA, choose, greedy_channels
from addnn_spec.design.compressing import Aim, compared, compress, size_of
from addnn_spec.design.compression_page import design_page
from addnn_spec.design.expected_sizes import counts_for, figures
from addnn_spec.design.plan import Plan, start
from addnn_spec.design.record import DesignRecord, Score
from addnn_spec.design.refit import layers_of, refit
from addnn_spec.design.sample_parts import Parts, read_parts
from addnn_spec.design.training import Recipe, augmented, hits, predict, recalibrate, train
from addnn_spec.diagnostics import DiagnosticError
from addnn_spec.indices import separation_index

NET = """block ConvBn(width) {
  return x -> conv: Conv2d(width, 3, padding = 1, bias = false) -> bn: BatchNorm2d -> relu: ReLU
}

network Small(classes = 10) {
  input image: float[N, 1, 8, 8]
  output logits = image
    -> stage1: repeat 2 { ConvBn(12) }
    -> MaxPool2d(2)
    -> stage2: repeat 2 { ConvBn(16) }
    -> Flatten -> fc1: Linear(32) -> ReLU -> fc2: Linear(classes)
}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a spec, small.net, and its weights, trained on digits."""
    where = tmp_path_factory.mktemp("design")
    (where / "net.net").write_text(NET)
    plan = start(where / "net.net")
    torch.manual_seed(0)
    module = plan.network.build()
    parts = read_parts(plan.graph, "digits")
    train(module, parts.fit.x, parts.fit.y, "classification", Recipe(epochs=4))
    save_file(module.state_dict(), where / "net.safetensors")
    return where


@pytest.fixture
def plan(folder: Path) -> Plan:
    return start(folder / "net.net")


@pytest.fixture(scope="module")
def parts(folder: Path) -> Parts:
    return read_parts(load(folder / "net.net").graph, "digits")


@pytest.fixture
def module(folder: Path, plan: Plan) -> nn.Module:
    return plan.network.build(folder / "net.safetensors").eval()


def test_parts_share_no_sample(parts: Parts) -> None:
    rows = [{one.numpy().tobytes() for one in part.x} for part in (parts.fit, parts.judge)]
    assert len(parts.fit) + len(parts.choose) + len(parts.judge) == 1797
    assert len(parts.judge) == 599
    assert len(rows[0] & rows[1]) <= 1  # digits has no pair of equal images to speak of


@pytest.mark.slow
def test_the_command_writes_four_files_and_never_over_them(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "small.net"
    command = [
        "compress", str(folder / "net.net"), "--weights", str(folder / "net.safetensors"),
        "--data", "digits", "--cut", "stage2", "--widths", "0.75", "--controls", "random",
        "-o", str(out),
    ]  # fmt: skip
    assert run(command) == 0, capsys.readouterr().err
    told = capsys.readouterr().out
    assert "this network: " in told
    assert "random channels, the same widths" in told
    small = load(out)
    assert "stage1: repeat 2 { ConvBn(9) }" in out.read_text()
    small.build(tmp_path / "small.safetensors")
    record = json.loads((tmp_path / "small.design.json").read_text())
    assert record["after"]["params"] == small.summary().total.params
    scores = {one["name"]: one["value"] for one in record["scores"]}
    assert scores["original"] > 0.9
    assert scores["fitted"] > 0.8
    assert "<script" not in (tmp_path / "small.html").read_text()
    assert set(load_file(tmp_path / "small.safetensors")) >= {"head.weight", "head.bias"}
    assert run(command) == 2
    assert "stands already" in capsys.readouterr().err


def test_the_command_does_what_its_options_say(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = [
        "compress", str(folder / "net.net"), "--weights", str(folder / "net.safetensors"),
        "--data", "digits", "--widths", "0.75", "--keep-form", "--no-refit", "--controls", "none",
        "--original-epochs", "3", "--epochs", "1", "--augment", "shift",
        "-o", str(tmp_path / "s.net"),
    ]  # fmt: skip
    assert run(command) == 0, capsys.readouterr().err
    told = capsys.readouterr()
    assert "about " in told.err
    assert "fine-tuned" in told.out
    assert "stage1: repeat 2 {" in (tmp_path / "s.net").read_text()
    record = json.loads((tmp_path / "s.design.json").read_text())
    assert record["recipes"]["fine-tuning"]["augment"] == "shift"


def test_a_dry_run_needs_neither_weights_nor_data(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["compress", str(folder / "net.net"), "--widths", "0.5", "--dry"]) == 0
    told = capsys.readouterr().out
    assert told.startswith("# parameters: 14,102 → ")
    assert "stage1: repeat 2 { ConvBn(6) }" in told


def test_an_assert_that_is_left_out_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = tmp_path / "net.net"
    spec.write_text(
        "network Net(width = 8) {\n  input x: float[N, 4]\n  assert width > 6\n"
        "  output y = x -> a: Linear(width) -> ReLU -> b: Linear(3)\n}\n"
    )
    assert run(["compress", str(spec), "--widths", "0.5", "--dry"]) == 0
    told = capsys.readouterr().out
    assert "# note: assert width > 6 no longer holds, and is left out\n" in told
    assert "width = 4" in told and "  assert" not in told


def test_figures_are_told_before_anything_is_written(plan: Plan) -> None:
    counts = counts_for(plan, 0.6)
    small = plan.narrow({number: range(count) for number, count in counts.items()})
    total = small.network.summary().total
    assert figures(plan, counts) == (total.params, total.macs)


@pytest.mark.parametrize("place", [0, 1])
def test_a_budget_is_kept_and_nearly_used(plan: Plan, place: int) -> None:
    counts = narrowed_counts(plan, None, *((0.4, None) if place == 0 else (None, 0.4)))
    share = figures(plan, counts)[place] / figures(plan)[place]
    assert 0.3 < share <= 0.4


def test_what_the_text_ties_gets_one_share(plan: Plan) -> None:
    names = {one.name: one.number for one in plan.widths.classes}
    counts = {names["stage1.0.conv"]: 3, names["stage1.1.conv"]: 6, names["fc1"]: 5}
    found = tied_counts(plan, counts)
    assert found == {names["stage1.0.conv"]: 6, names["stage1.1.conv"]: 6, names["fc1"]: 5}
    small = plan.narrow({number: range(count) for number, count in found.items()})
    assert "stage1: repeat 2 { ConvBn(6) }" in small.text


def test_fitting_never_fits_worse_than_cutting_alone(
    plan: Plan, module: nn.Module, parts: Parts
) -> None:
    counts = counts_for(plan, 0.5)
    keep = choose(plan, counts, "random", module, parts.fit.x, parts.fit.y, 3)
    small = plan.narrow(keep)
    narrowed = small.network.build()
    narrowed.load_state_dict(small.apply(module.state_dict()))
    x, chosen = parts.fit.x[:300], parts.choose
    raw = hits(predict(narrowed, chosen.x), chosen.y, "classification").mean()
    found = refit(module, narrowed, layers_of(plan, small), x)
    assert [one.path for one in found] == [
        "stage1.0.conv", "stage1.1.conv", "stage2.0.conv", "stage2.1.conv", "fc1", "fc2",
    ]  # fmt: skip
    assert all(one.after <= one.before + 1e-12 for one in found)
    assert found[1].after < 0.5 * found[1].before
    recalibrate(narrowed, x)
    right = hits(predict(narrowed, chosen.x), chosen.y, "classification").mean()
    assert right > raw + 0.3


def test_nothing_removed_is_fitted_to_itself(plan: Plan, module: nn.Module, parts: Parts) -> None:
    one = next(c for c in plan.widths.classes if c.name == "fc1")
    small = plan.narrow({one.number: range(31)})
    narrowed = small.network.build()
    narrowed.load_state_dict(small.apply(module.state_dict()))
    before = narrowed.get_submodule("stage2.0.conv").weight.clone()  # type: ignore[operator]
    refit(module, narrowed, layers_of(plan, small), parts.fit.x[:200])
    after = narrowed.get_submodule("stage2.0.conv").weight
    torch.testing.assert_close(after, before, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("by", CRITERIA)
def test_each_criterion_keeps_so_many(plan: Plan, module: nn.Module, parts: Parts, by: str) -> None:
    counts = {c.number: 3 for c in plan.widths.classes if c.name in ("stage2.1.conv", "fc1")}
    keep = choose(plan, counts, by, module, parts.fit.x[:100], parts.fit.y[:100], 0)  # type: ignore[arg-type]
    assert {number: len(set(rows)) for number, rows in keep.items()} == counts


def test_greedy_channels_have_the_index_that_is_told() -> None:
    generator = torch.Generator().manual_seed(1)
    values = torch.randn(60, 5, 4, generator=generator, dtype=torch.float64)
    y = torch.randint(3, (60,), generator=generator)
    values[:, 3] += y[:, None]
    order, reached = greedy_channels(values, y, 3)
    assert order[0] == 3
    for count in (1, 2, 3):
        rows = values[:, order[:count]].flatten(1)
        assert separation_index(rows.numpy(), y.numpy()).value == pytest.approx(reached[count - 1])


def test_a_verdict_says_what_the_samples_can_show() -> None:
    one, none = torch.ones(400), torch.zeros(400)
    few = one.clone()
    few[:4] = 0
    assert compared("a", one, one, 0.005).verdict == "no worse"
    assert compared("a", one, few, 0.005).verdict == "not shown"
    assert compared("a", one, none, 0.005).verdict == "worse"
    assert compared("a", one, few, 0.03).verdict == "no worse"
    assert compared("a", one, few, 0.005).least_margin == pytest.approx(0.01995, abs=1e-4)


def test_time_is_told_and_what_is_stopped_is_kept(
    folder: Path, plan: Plan, module: nn.Module
) -> None:
    told: list[str] = []

    def stop(share: float, what: str) -> None:
        if what == "fine-tuning" and share >= 0.5:
            raise KeyboardInterrupt

    aim = Aim(widths=0.5, recipe=Recipe(epochs=2), controls="random")
    made = compress(
        plan, folder / "net.safetensors", "digits", aim=aim, progress=stop, tell=told.append
    )
    assert told[0].startswith("about ")
    assert "Ctrl-C ends it, and keeps what is done" in told[0]
    assert made.record.notes == ("stopped early: what was to come is left out",)
    assert [one.name for one in made.record.scores][-1] == "fine-tuned"
    assert [one.name for one in made.record.comparisons] == ["this network"]
    assert not made.module.training


def test_images_are_moved_and_mirrored_and_keep_their_values() -> None:
    x = torch.arange(1.0, 257.0).view(1, 1, 16, 16).expand(64, 1, 16, 16)
    generator = torch.Generator().manual_seed(0)
    assert augmented(x, "none", generator) is x
    mirrored = augmented(x, "flip", generator)
    ways = {row.numpy().tobytes() for row in mirrored}
    assert ways == {x[0].numpy().tobytes(), x[0].flip(2).contiguous().numpy().tobytes()}
    moved = augmented(x, "shift", generator)
    for row in moved:
        value = row[0, 8, 8]  # well inside: it comes from two places away at most
        down, across = divmod(int(value) - 1, 16)
        assert abs(down - 8) <= 2 and abs(across - 8) <= 2
        wanted = torch.zeros(16, 16)
        source = x[0, 0]
        for r in range(16):
            for c in range(16):
                y, z = r + down - 8, c + across - 8
                if 0 <= y < 16 and 0 <= z < 16:
                    wanted[r, c] = source[y, z]
        assert torch.equal(row[0], wanted)
    assert len({row.numpy().tobytes() for row in moved}) > 8
    with pytest.raises(DiagnosticError, match="2-D"):
        augmented(torch.zeros(3, 4), "flip", generator)


@pytest.mark.parametrize("command", ["compress", "grow", "fuse"])
@pytest.mark.parametrize(
    ("sizes", "code", "told"),
    [
        ("8, 8", "E0612", "image takes samples of 1 x 8 x 8, and the data's are of 1 x 5 x 5"),
        ("H, W", "E0617", "the network does not run on these data"),
    ],
)
def test_samples_of_other_sizes_are_refused_in_words(
    sizes: str,
    code: str,
    told: str,
    command: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    text = """network Net {
  input image: float[N, 1, SIZES]
  output y = image -> conv: Conv2d(4, 7) -> AdaptiveAvgPool2d(1) -> Flatten -> a: Linear(4)
    -> fc: Linear(3)
}
"""
    spec, weights, data = (tmp_path / name for name in ("net.net", "net.safetensors", "data.npz"))
    spec.write_text(text.replace("SIZES", sizes))
    save_file(load(spec).build().state_dict(), weights)
    np.savez(data, x=np.zeros((30, 1, 5, 5), np.float32), y=np.arange(30) % 3)
    given = {
        "compress": [str(spec), "--weights", str(weights), "--widths", "0.5"],
        "grow": [str(spec)],
        "fuse": [str(spec), str(spec), *["--weights", str(weights)] * 2],
    }[command]
    assert run([command, *given, "--data", str(data), "-o", str(tmp_path / "new.net")]) == 2
    said = capsys.readouterr().err
    assert f"[{code}]" in said
    assert told in " ".join(said.split())


def test_the_page_marks_what_went(plan: Plan) -> None:
    small = plan.cut("stage2.0")
    classes = {one.number: one for one in small.widths.classes if one.name == "stage1.0.conv"}
    small = small.narrow({number: range(6) for number in classes})
    size = size_of(plan)
    record = DesignRecord(
        network="Small", source="net.net", weights=None, data=("digits",), task="classification",
        samples={"fit": 1, "choose": 1, "judge": 1}, seed=0, cut="stage2.0", by="bn",
        widths={"stage1.0.conv": (12, 6)}, margin=0.005, before=size, after=size_of(small),
        scores=(Score(name="original", value=0.9, error=0.1),), comparisons=(),
        index=(("stage1", 0.9, 0.8), ("stage2.0", 0.95, 0.9)),
    )  # fmt: skip
    page = design_page(record, plan, small)
    assert "12 → 6 channels" in page
    drawings = page.split("<svg")
    assert "gone" in drawings[1]
    assert "gone" not in drawings[2].split("</svg>")[0]
    assert 'class="cut"><td><code>stage2.0' in page
