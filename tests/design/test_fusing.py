"""Fusion of two networks that each see half of a digit, and what its text and weights promise."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from addnn_spec import load
from addnn_spec.cli import run
from addnn_spec.cli.fuse import _SHOWN, _told
from addnn_spec.design.fusing import Fused, Fusing, fuse
from addnn_spec.design.fusion import fused, places
from addnn_spec.design.plan import Plan, start
from addnn_spec.design.sample_parts import read_parts
from addnn_spec.design.training import Recipe, train
from addnn_spec.diagnostics import DiagnosticError
from addnn_spec.indices import cross_separation_index
from addnn_spec.passes.state_dict import weights_of

NET = """# One half of a digit.
block ConvBn(width) {{
  return x -> conv: Conv2d(width, 3, padding = 1, bias = false) -> bn: BatchNorm2d -> relu: ReLU
}}

network {name}(classes = 10) {{
  input image: float[N, 1, 8, 8]
  output logits = image[:, :, {rows}]
    -> stage1: ConvBn(8)
    -> stage2: repeat 2 {{ ConvBn(12) }}
    -> Flatten -> fc1: Linear(24) -> ReLU -> fc2: Linear(classes)
}}
"""
HALVES = {"upper": ("Upper", ":4"), "lower": ("Lower", "4:")}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two specs, upper.net and lower.net, and their weights, trained on digits."""
    where = tmp_path_factory.mktemp("fusion")
    torch.manual_seed(0)
    for file, (name, rows) in HALVES.items():
        (where / f"{file}.net").write_text(NET.format(name=name, rows=rows))
        plan = start(where / f"{file}.net")
        module, parts = plan.network.build(), read_parts(plan.graph, "digits")
        train(module, parts.fit.x, parts.fit.y, "classification", Recipe(epochs=5))
        save_file(module.state_dict(), where / f"{file}.safetensors")
    return where


@pytest.fixture(scope="module")
def plans(folder: Path) -> tuple[Plan, Plan]:
    return start(folder / "upper.net"), start(folder / "lower.net")


@pytest.fixture(scope="module")
def made(folder: Path, plans: tuple[Plan, Plan]) -> Fused:
    weights = (folder / "upper.safetensors", folder / "lower.safetensors")
    return fuse(plans, weights, "digits", how=Fusing(control=False))


def refused(act: object) -> str:
    with pytest.raises(DiagnosticError) as caught:
        act()  # type: ignore[operator]
    assert caught.value.diagnostics[0].code == "E0620"
    return caught.value.diagnostics[0].message


def test_places_are_the_elements_with_weights_but_for_the_head(plans: tuple[Plan, Plan]) -> None:
    assert places(plans[0]) == ["stage1", "stage2", "relu"]
    assert places(start("ResNet18"))[2:] == ["layer1", "layer2", "layer3", "avgpool"]


def test_the_text_is_one_file_with_both_parts(plans: tuple[Plan, Plan]) -> None:
    found = fused(*plans, ("stage2", "stage1"), scales=(0.5, 0.25))
    assert found.text.count("block ConvBn(width)") == 1
    assert "buffer a_scale: float[] = 0.5" in found.text
    assert "(a * a_scale, b * b_scale) -> Concat -> head: Linear(10)" in found.text
    keys = set(weights_of(found.plan.graph)) - {"head.weight", "head.bias", "a_scale", "b_scale"}
    upper = {f"a.{key}" for key in weights_of(plans[0].graph) if not key.startswith("fc")}
    assert {key for key in keys if key.startswith("a.")} == upper
    assert all(key.startswith("b.stage1.") for key in keys - upper)


def test_blocks_of_one_name_that_differ_are_not_mixed(
    plans: tuple[Plan, Plan], tmp_path: Path
) -> None:
    text = NET.format(name="Other", rows=":4").replace("padding = 1, bias", "padding = 1, bias")
    other = tmp_path / "other.net"
    other.write_text(text.replace("bias = false", "bias = true"))
    found = fused(plans[0], start(other), ("stage1", "stage1"))
    keys = weights_of(found.plan.graph)
    assert "b.stage1.conv.bias" in keys
    assert "a.stage1.conv.bias" not in keys


@pytest.mark.parametrize(
    ("a", "b", "at"),
    [
        ("ResNet18", "ResNet50", ("layer4", "layer3")),
        ("ResNet18", "ResNet18", ("layer2.0", "layer4")),
        ("GoogLeNet", "MobileNetV2", ("inception5b", "features.3")),
    ],
)
def test_packaged_networks_are_fused_as_planned(a: str, b: str, at: tuple[str, str]) -> None:
    found = fused(start(a), start(b), at)
    assert found.plan.graph.name == f"{a}_{b}"


def test_what_cannot_be_fused_is_refused(plans: tuple[Plan, Plan]) -> None:
    assert "and ResNet18 float[N, 3," in refused(
        lambda: fused(plans[0], start("ResNet18"), ("stage1", "layer1"))
    )
    few = Plan(load("ResNet18", classes=10))
    assert "has 1000 outputs" in refused(
        lambda: fused(start("ResNet18"), few, ("layer1", "layer1"))
    )
    assert "has 2 inputs" in refused(lambda: fused(start("Transformer"), few, ("x", "layer1")))
    assert "no node stage7" in refused(lambda: fused(*plans, ("stage1", "stage7")))


def test_parts_give_what_they_gave_alone(plans: tuple[Plan, Plan], made: Fused) -> None:
    parts = read_parts(plans[0].graph, "digits")
    state = made.module.state_dict()
    for place, part in enumerate("ab"):
        cut = plans[place].cut(made.record.nodes[place])
        alone = cut.network.build().eval()
        own = {k[2:]: v for k, v in state.items() if k.startswith(f"{part}.")}
        alone.load_state_dict(own, strict=False)
        scale = getattr(made.module, f"{part}_scale")
        given: list[torch.Tensor] = []
        alone.get_submodule("head").register_forward_pre_hook(lambda _, x, g=given: g.append(x[0]))
        alone(parts.judge.x[:5])
        whole: list[torch.Tensor] = []
        handle = made.module.get_submodule("head").register_forward_pre_hook(
            lambda _, x, w=whole: w.append(x[0])
        )
        made.module(parts.judge.x[:5])
        handle.remove()
        width = given[0].shape[1]
        shown = whole[0][:, :width] if part == "a" else whole[0][:, -width:]
        assert torch.equal(shown, given[0] * scale)


def test_the_index_of_what_both_give_is_what_was_told(
    plans: tuple[Plan, Plan], made: Fused
) -> None:
    parts = read_parts(plans[0].graph, "digits")
    given: list[torch.Tensor] = []
    head = made.module.get_submodule("head")
    handle = head.register_forward_pre_hook(lambda _, x: given.append(x[0]))
    fit, choose = parts.fit.first(1000), parts.choose
    for part in (fit, choose):
        made.module(part.x)
    handle.remove()
    near, asked = (one.detach().double().numpy() for one in given)
    found = cross_separation_index(near, fit.y.numpy(), asked, choose.y.numpy())
    chosen = next(one for one in made.record.pairs if (one.a, one.b) == made.record.nodes)
    assert float(found) == chosen.cross


def test_the_fused_network_is_better_than_each_and_than_their_mean(made: Fused) -> None:
    """All values of a part have a variance of 1 in sum, so each has little: a head that learned
    from that as it is would be .04 above the mean of probabilities, not .09."""
    scores = {one.name: one.value for one in made.record.scores}
    assert scores["fused"] > max(scores["a alone"], scores["b alone"]) + 0.01
    assert scores["fused"] > scores["mean of probabilities"] + 0.06


def test_of_pairs_that_tie_the_cheapest_is_taken(made: Fused) -> None:
    best = made.record.pairs[0]
    tied = [pair for pair in made.record.pairs if pair.ties]
    assert best in tied
    assert made.record.pairs == tuple(sorted(made.record.pairs, key=lambda p: -p.cross))
    cheapest = min(tied, key=lambda pair: pair.macs)
    assert made.record.nodes == (cheapest.a, cheapest.b)


def test_the_pair_that_is_taken_is_told_however_far_behind(made: Fused) -> None:
    pairs = sorted(made.record.pairs, key=lambda pair: (pair.a, pair.b) == made.record.nodes)
    last = replace(made, record=made.record.model_copy(update={"pairs": tuple(pairs)}))
    rows = _told(last)[1 : 2 + _SHOWN]
    assert len(pairs) > _SHOWN
    assert [row.endswith("  taken") for row in rows] == [*[False] * _SHOWN, True]
    assert rows[-1].startswith(" + ".join(made.record.nodes))


def test_the_command_writes_three_files(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "fused.net"
    command = ["fuse", str(folder / "upper.net"), str(folder / "lower.net")]
    for file in HALVES:
        command += ["--weights", str(folder / f"{file}.safetensors")]
    command += ["--data", "digits", "--nodes", "stage2,stage2", "-o", str(out)]
    assert run(command) == 0, capsys.readouterr().err
    told = capsys.readouterr().out
    assert "mean of probabilities" in told
    assert "fused: " in told
    load(out).build(tmp_path / "fused.safetensors")
    assert set(load_file(tmp_path / "fused.safetensors")) >= {"a_scale", "b_scale", "head.weight"}
    record = json.loads((tmp_path / "fused.design.json").read_text())
    assert record["nodes"] == ["stage2", "stage2"]
    assert run(command) == 2
    assert "stands already" in capsys.readouterr().err


def test_a_dry_run_prints_the_text(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["fuse", str(folder / "upper.net"), str(folder / "lower.net"), "--dry"]
    assert run([*command, "--nodes", "stage1,stage2"]) == 0
    told = capsys.readouterr().out
    assert "network Upper_Lower" in told
    one, other = (
        load(folder / name).costs.main.total.params for name in ("upper.net", "lower.net")
    )
    assert told.startswith(f"# parameters: {one:,} and {other:,} → ")
    assert run(command) == 2
    assert "--dry takes --nodes" in capsys.readouterr().err
