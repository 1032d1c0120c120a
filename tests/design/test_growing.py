"""Forward learning on scikit-learn's digits, local losses, and the depth that is found."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from addnn_spec import load
from addnn_spec.cli import run
from addnn_spec.design import kept_values
from addnn_spec.design.compressing import train_head
from addnn_spec.design.forward_rules import (
    centres,
    forward_forward,
    labelled,
    learn_clusters,
    wrong_labels,
)
from addnn_spec.design.growing import Growing, Local, _Job, blocks_of, grow
from addnn_spec.design.plan import start
from addnn_spec.design.refit import patches
from addnn_spec.design.repeats import turns_of
from addnn_spec.design.sample_parts import read_parts
from addnn_spec.design.separating import (
    local_triplet,
    similarity,
    soft_separation,
    soft_share,
    soft_smoothness,
    squared_distances,
)
from addnn_spec.design.training import Recipe, hits, predict, silent
from addnn_spec.diagnostics import DiagnosticError
from addnn_spec.indices import separation_index
from addnn_spec.source import Source
from addnn_spec.syntax.printer import format_source

NET = """block ConvBn(width) {
  return x -> conv: Conv2d(width, 3, padding = 1, bias = false) -> bn: BatchNorm2d -> relu: ReLU
}

network Small {
  input image: float[N, 1, 8, 8]
  output logits = image
    -> stem: ConvBn(8)
    -> stage: repeat 2 { ConvBn(8) }
    -> MaxPool2d(2)
    -> Flatten -> fc: Linear(10)
}
"""


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    path = tmp_path / "net.net"
    path.write_text(NET)
    return path


def _samples(seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    y = torch.randint(3, (40,), generator=generator)
    x = torch.randn(40, 6, generator=generator, dtype=torch.float64)
    return x + 0.7 * y[:, None], y


@pytest.mark.parametrize("temperature", [0.01, 0.1])
def test_the_soft_share_is_off_the_index_by_no_more_than_its_bound(temperature: float) -> None:
    for seed in range(4):
        x, y = _samples(seed)
        share = soft_share(x, y, temperature)
        index = separation_index(x.numpy(), y.numpy()).value
        apart = squared_distances(x).fill_diagonal_(torch.inf).sort(dim=1).values
        gap = apart[:, 1] - apart[:, 0]
        bound = float(((len(x) - 1) * torch.exp(-gap / temperature)).clamp(max=1).mean())
        assert abs(float(share.mean()) - index) <= bound + 1e-12


@pytest.mark.parametrize("loss", [soft_separation, local_triplet, soft_smoothness])
def test_losses_are_blind_to_scale_and_have_their_gradients(loss: object) -> None:
    x, y = _samples(1)
    assert callable(loss)
    torch.testing.assert_close(loss(x, y), loss(100 * x, y))
    x.requires_grad_()
    (gradient,) = torch.autograd.grad(loss(x, y), x)
    moved = x.detach() - 1e-3 * gradient / gradient.norm()
    assert loss(moved, y) < loss(x.detach(), y)


def test_the_gradient_of_soft_separation_is_the_difference_quotient() -> None:
    x, y = _samples(2)
    apart = squared_distances(x[:12]).requires_grad_()
    torch.autograd.gradcheck(lambda d: soft_separation(d, y[:12], 0.3, squared=True), (apart,))


def test_separated_classes_cost_nothing_and_mixed_ones_much() -> None:
    y = torch.arange(30) % 3
    apart = torch.nn.functional.one_hot(y, 3).double()
    apart = apart + 1e-3 * torch.randn(30, 3, generator=torch.Generator().manual_seed(0))
    mixed = apart.roll(1, 0)[torch.randperm(30, generator=torch.Generator().manual_seed(3))]
    for loss in (soft_separation, local_triplet):
        assert float(loss(apart, y)) < 0.01 < 0.15 < float(loss(mixed, y))
    assert float(similarity(apart, y, 3)) < 0.01 < 0.1 < float(similarity(mixed, y, 3))


def test_turns_are_added_and_left_out(spec: Path) -> None:
    plan = start(spec)
    assert turns_of(plan.graph, "stage") == (2, True)
    assert "stage: repeat 5 { ConvBn(8) }" in plan.repeated("stage", 5).text
    assert "stage: repeat 1 { ConvBn(8) }" in plan.repeated("stage", 1).text
    with pytest.raises(DiagnosticError, match="cannot have 0 turns"):
        plan.repeated("stage", 0)
    with pytest.raises(DiagnosticError, match="no node layer9") as raised:
        plan.repeated("layer9", 3)
    assert raised.value.diagnostics[0].help == "there are stem, stage"
    told = r"features cannot have 7 turns: the last would give \[N, 128, .*, and gives \[N, 512, "
    with pytest.raises(DiagnosticError, match=told):
        start("VGG16").repeated("features", 7)


def test_blocks_are_the_elements_of_the_main_chain(spec: Path) -> None:
    blocks, head = blocks_of(load(spec).graph)
    assert [(one.name, one.gives) for one in blocks] == [
        ("stem", "stem.relu"),
        ("stage.0", "stage.0.relu"),
        ("stage.1", "maxpool2d"),
    ]
    assert head == "fc"


def test_skips_over_a_border_are_refused() -> None:
    with pytest.raises(DiagnosticError, match="does not read what stands before it"):
        blocks_of(load("UNet").graph)


def test_a_network_grows_as_deep_as_the_index_asks_for(
    spec: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "grown.net"
    command = [
        "grow", str(spec), "--data", "digits", "--epochs", "3", "--max-repeat", "stage=4",
        "-o", str(out),
    ]  # fmt: skip
    assert run(command) == 0, capsys.readouterr().err
    record = json.loads((tmp_path / "grown.design.json").read_text())
    turns = record["turns"]["stage"]
    assert 1 <= turns <= 4
    assert f"stage: repeat {turns} {{ ConvBn(8) }}" in out.read_text()
    load(out).build(tmp_path / "grown.safetensors")
    assert record["accuracy"] > 0.85
    assert [one["block"] for one in record["curve"]][:2] == ["stem", "stage.0"]
    assert "by backpropagation" in capsys.readouterr().out


def test_blocks_before_the_one_that_learns_stand_still(spec: Path) -> None:
    plan = start(spec)
    parts = read_parts(plan.graph, "digits")
    job = _Job(plan, parts, Growing(recipe=Recipe(epochs=2, batch=256)), silent)
    blocks, _ = blocks_of(plan.graph)
    job._train(blocks[0])
    before = {key: value.clone() for key, value in job.module.state_dict().items()}
    rows = 0

    def count(_: torch.nn.Module, given: tuple[torch.Tensor, ...]) -> None:
        nonlocal rows
        rows += len(given[0])

    job.module.get_submodule("stem").register_forward_pre_hook(count)
    job._train(blocks[1])
    assert rows < 1.2 * len(parts.fit)  # once, and one for each batch
    changed = {
        key for key, value in job.module.state_dict().items() if not value.equal(before[key])
    }
    assert changed
    assert all(key.startswith("stage.0.") for key in changed)


def test_values_that_are_kept_teach_what_values_computed_anew_teach(
    spec: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    how = Growing(recipe=Recipe(epochs=1), max_repeat={"stage": 3}, control=False)
    x, y = load_digits(return_X_y=True)
    digits = (x[:500].reshape(-1, 1, 8, 8).astype(np.float32) / 16, y[:500])
    kept = grow(start(spec), digits, how=how)
    monkeypatch.setattr(kept_values, "KEPT", 0)
    anew = grow(start(spec), digits, how=how)
    assert [one.cross for one in kept.record.curve] == [one.cross for one in anew.record.curve]
    for key, value in anew.module.state_dict().items():
        torch.testing.assert_close(kept.module.state_dict()[key], value)


class Probed(torch.nn.Module):
    """As an emitted file has it."""

    def tap(self, name: str, value: torch.Tensor) -> torch.Tensor:
        return value


class Net(Probed):
    """Two layers whose values have a row for each sample, one that has two, and a shape that has
    the input's number of samples."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(8, 8)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        x = self.tap("first", self.layer(image))
        x = self.tap("second", self.layer(x))
        x = self.tap("halves", x.reshape(-1, 4))
        return self.tap("whole", x.reshape(len(image), -1))


def test_values_are_kept_that_have_a_row_for_each_sample_and_where_all_is_the_same() -> None:
    x, module = torch.rand(20, 8), Net()
    held = kept_values.KeptValues(x, "cpu")
    first = module.layer(x).detach()
    held.move(module, "first", "second")
    assert held.start == "first"
    torch.testing.assert_close(held.values, first)
    with held.reader(module, "second") as read:
        torch.testing.assert_close(read(held.values[3:9]), module.layer(first[3:9]))
    held.move(module, "second", "halves")
    assert held.start == "second"
    torch.testing.assert_close(held.values, module.layer(first).detach())
    for border, path in (("second", "whole"), ("halves", "whole")):
        held.move(module, border, path)
        assert held.start == ""
        assert held.values is x


def test_a_head_learns_from_values_of_any_scale(spec: Path) -> None:
    """A loss that is blind to scale may leave values that hardly differ beside their mean."""
    plan = start(spec)
    parts = read_parts(plan.graph, "digits")
    torch.manual_seed(0)
    module = plan.network.build().eval()
    state = module.state_dict()
    norm = "stage.1.bn"
    state[f"{norm}.weight"] *= 1e-3
    state[f"{norm}.bias"] += 1
    kept = {key for key in state if not key.startswith("fc.")}
    before = {key: state[key].clone() for key in kept}
    recipe = Recipe(epochs=10)
    train_head(module, kept, parts, recipe, silent)
    made = hits(predict(module, parts.judge.x), parts.judge.y, parts.task)
    assert float(made.mean()) > 0.75
    assert all(module.state_dict()[key].equal(value) for key, value in before.items())


def test_what_is_stopped_ends_behind_the_last_block_that_has_learned(spec: Path) -> None:
    def stop(share: float, what: str) -> None:
        if what == "learning stage.1":
            raise KeyboardInterrupt

    told: list[str] = []
    how = Growing(recipe=Recipe(epochs=1, batch=256), control=False)
    made = grow(start(spec), "digits", how=how, progress=stop, tell=told.append)
    assert told[0].startswith("about ")
    assert made.record.notes == ("stopped early: it ends behind stage.0",)
    assert "stage: { ConvBn(8) }" in made.plan.text
    assert "head: Linear(" in made.plan.text
    assert made.record.accuracy > 0.6


@pytest.mark.parametrize(("rule", "least"), [("forward-forward", 0.4), ("k-means", 0.8)])
def test_rules_with_a_step_of_their_own_learn(
    spec: Path, tmp_path: Path, rule: Local, least: float
) -> None:
    head, _, network = NET.partition("network Small")
    (tmp_path / "units.net").write_text(head)
    whole = f'from "units.net" import ConvBn\n\nnetwork Small{network}'
    spec.write_text(f"{whole}\nnetwork Other{network}")
    how = Growing(rule, Recipe(epochs=1, batch=128), control=False)
    made = grow(start(load(spec, network="Small")), "digits", how=how)
    assert made.plan.text == format_source(Source("net.net", NET))  # alone in its file
    assert made.record.loss == rule
    assert made.record.accuracy > least


def test_a_sample_carries_its_label_and_a_wrong_one_is_never_its_own() -> None:
    x, y = torch.rand(50, 1, 4, 4) + 1, torch.arange(50) % 3
    rows = labelled(x, y, 3).flatten(1)
    assert rows[:, :3].argmax(1).equal(y)
    assert (rows[:, :3].count_nonzero(1) == 1).all()
    assert rows[:, 3:].equal(x.flatten(1)[:, 3:])
    other = wrong_labels(y, 3, torch.Generator().manual_seed(0))
    assert not (other == y).any()
    assert set(other.tolist()) == {0, 1, 2}


def test_forward_forward_is_small_where_the_right_is_large_and_the_wrong_small() -> None:
    large, small = torch.full((4, 5), 3.0), torch.zeros(4, 5)
    assert float(forward_forward(large, small)) == pytest.approx(0.31360, abs=1e-4)
    assert float(forward_forward(small, large)) > 9


def test_centres_are_those_of_clusters_and_layers_get_them() -> None:
    generator = torch.Generator().manual_seed(0)
    wanted = torch.nn.functional.normalize(
        torch.randn(4, 6, generator=generator, dtype=torch.float64), dim=1
    )
    rows = wanted.repeat(30, 1) + 0.02 * torch.randn(
        120, 6, generator=generator, dtype=torch.float64
    )
    found = min(
        (centres(rows, 4, torch.Generator().manual_seed(seed)) for seed in range(5)),
        key=lambda c: float((1 - (rows @ c.T).amax(1)).sum()),
    )
    assert float((found @ wanted.T).amax(0).min()) > 0.999
    conv = torch.nn.Conv2d(2, 5, 3, padding=1)
    x = torch.randn(7, 2, 6, 6, generator=generator)
    pieces = patches(conv, x)
    weight = conv.weight.detach().flatten(1)
    assert conv.bias is not None
    made = (pieces @ weight.T + conv.bias).view(7, 36, 5).transpose(1, 2).reshape(7, 5, 6, 6)
    torch.testing.assert_close(made, conv(x))
    assert learn_clusters(conv, x, generator)
    torch.testing.assert_close(conv.weight.flatten(1).norm(dim=1), torch.ones(5))
    assert not learn_clusters(torch.nn.BatchNorm2d(2), x, generator)
