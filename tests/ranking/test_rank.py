"""Ranking, end to end and on runs made by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from addnn_spec import load, rank
from addnn_spec.cli import rank as rank_command
from addnn_spec.cli import run as command
from addnn_spec.compiler import Session
from addnn_spec.diagnostics import DiagnosticError
from addnn_spec.probes.nodes import graph_nodes, select
from addnn_spec.ranking.models import read_models
from addnn_spec.ranking.order import BY, placed
from addnn_spec.ranking.prediction_guarantee import network_classes
from addnn_spec.ranking.ranking_record import Ranked, Ranking, Subset
from addnn_spec.reading import decode
from addnn_spec.runtime.probing import Measured, Prober
from addnn_spec.runtime.run_record import IntervalRecord
from tests.cli.test_json import valid
from tests.report.runs import hits, node, run

DATA = ["--data", "digits[:400]", "--test", "digits[400:800]", "--samples", "100"]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("x -> c: Conv2d(4, 3) -> f: Flatten -> Linear(8) -> ReLU -> Dropout -> Linear(2)", "f"),
        ("x -> c: Conv2d(4, 3) -> p: AdaptiveAvgPool2d(1) -> f: Flatten", "f"),
        ("x -> f: Flatten -> LayerNorm -> Linear(2) -> Softmax(1)", "f"),
        (
            "x -> c: Conv2d(4, 3) -> f: Flatten -> head: { Linear(8) -> ReLU -> Linear(2) }",
            "f",
        ),
    ],
)
def test_features_are_what_the_classifier_reads(body: str, expected: str) -> None:
    text = f"network Net {{\n  input x: float[N, 3, 8, 8]\n  output y = {body}\n}}\n"
    graph = Session(decode("net.net", text.encode())).graph("Net")
    assert graph is not None
    assert [n.label for n in select(graph_nodes(graph, {"N": 1}), ["features"])] == [expected]


def test_the_main_output_is_the_first_of_evaluation() -> None:
    graph = load("Digits").graph
    nodes = graph_nodes(graph, {"N": 1})
    assert [node.label for node in select(nodes, ["output"])] == ["fc2"]


def ranked(name: str, right: range) -> Ranked:
    return Ranked(name=name, node="f", run=run(node("f", 0, train=hits(right))))


def test_places_are_shared_within_the_error_of_the_first() -> None:
    # of 100 hits: 90 and 88 differ by .02 ± .014, 90 and 84 by .06 ± .0237
    found = placed([ranked("c", range(84)), ranked("b", range(88)), ranked("a", range(90))])
    assert [(r.name, r.place) for r in found] == [("a", 1), ("b", 1), ("c", 3)]


def test_the_best_subset_stands_first() -> None:
    """Algorithm 2: a best subset of 1.0 of a whole of .61 is before one of .81."""
    found = [
        ranked("whole", range(81)).model_copy(update={"subset": Subset(
            order=(0, 1), chosen=(0.7, 0.81), scored=(0.7, 0.8))}),
        ranked("part", range(61)).model_copy(update={"subset": Subset(
            order=(2, 0), chosen=(1.0, 0.9), scored=(0.9, 0.8))}),
    ]  # fmt: skip
    assert [r.name for r in placed(found, "subset")] == ["part", "whole"]
    assert [r.name for r in placed(found, "index")] == ["whole", "part"]
    with pytest.raises(DiagnosticError, match=r"E0607.*no subset"):
        placed([ranked("a", range(9))], "subset")
    with pytest.raises(DiagnosticError, match=r"E0607.*no index on test"):
        placed([ranked("a", range(9))], "test")
    with pytest.raises(DiagnosticError, match=r"E0607.*has no centre"):
        placed([ranked("a", range(9))], "centre")
    assert set(BY) == set(rank_command.BY)


def test_of_the_anti_index_less_is_better() -> None:
    """.1 and .5, each with an error of .02."""
    found = []
    for name, value in (("worse", 0.5), ("better", 0.1)):
        one = ranked(name, range(50))
        train = one.run.nodes[0].train
        assert train is not None
        error = IntervalRecord(error=0.02, low=value - 0.04, high=value + 0.04)
        more = {"values": {"anti2": value}, "intervals": {"anti2": error}}
        at = one.run.nodes[0].model_copy(update={"train": train.model_copy(update=more)})
        found.append(one.model_copy(update={"run": one.run.model_copy(update={"nodes": (at,)})}))
    assert [(r.name, r.place) for r in placed(found, "anti2")] == [("better", 1), ("worse", 2)]


def test_no_subset_is_told_before_anything_is_measured(tmp_path: Path) -> None:
    path = models(tmp_path, '[[model]]\nnet = "Digits"\n')
    output = tmp_path / "ranks.json"  # holds what is measured, as it comes
    with pytest.raises(DiagnosticError, match=r"E0607.*no subset"):
        rank(path, train="digits[:60]", by="subset", output=output)
    assert not output.exists()


def test_models_of_one_file_are_told_apart(tmp_path: Path) -> None:
    text = '[[model]]\nnet = "Digits"\n[[model]]\nnet = "Digits"\n[[model]]\nnet = "LeNet5"\n'
    assert [m.title for m in read_models(models(tmp_path, text))] == [
        "Digits 1", "Digits 2", "LeNet5"]  # fmt: skip


def test_raw_pixels_are_told() -> None:
    module = nn.Sequential(nn.Flatten(), nn.Linear(64, 8), nn.ReLU(), nn.Linear(8, 10))
    found = rank([{"net": module, "name": "dense", "node": None}], train="digits", samples=60)
    assert found.models[0].features == 64
    assert any("is its raw input" in note for note in found.models[0].run.notes)


def test_the_networks_classes() -> None:
    outputs = torch.eye(5)[[4, 0, 2]]
    assert network_classes(outputs, ["0", "2", "4"]).tolist() == [2, 0, 1]  # type: ignore[union-attr]
    assert network_classes(outputs, ["0", "2", "3"]).tolist() == [-1, 0, 1]  # type: ignore[union-attr]
    assert network_classes(outputs, ["a", "b"]) is None
    assert network_classes(torch.ones(3), ["0"]) is None


def models(folder: Path, text: str) -> Path:
    path = folder / "models.toml"
    path.write_text(text)
    return path


def test_the_models_file(tmp_path: Path) -> None:
    (tmp_path / "own.net").write_text("")
    path = models(
        tmp_path,
        '[[model]]\nnet = "own.net"\nweights = "w.pt"\nsize = 32\nmean = [0.5]\nstd = [0.2]\n'
        '[[model]]\nnet = "Digits"\nnode = "fc1"\n',
    )
    first, second = read_models(path)
    assert (first.net, first.weights) == (str(tmp_path / "own.net"), str(tmp_path / "w.pt"))
    assert (first.title, first.preparation.resize, first.preparation.crop) == ("own", 32, 32)
    assert (second.net, second.weights, second.node) == ("Digits", None, "fc1")


@pytest.mark.parametrize(
    "text", ["", "[[model]]\n", '[[model]]\nnet = "a"\nnot = 1\n', "[[model", 'model = "x"\n']
)
def test_what_is_no_models_file(text: str, tmp_path: Path) -> None:
    with pytest.raises(DiagnosticError) as caught:
        read_models(models(tmp_path, text))
    assert caught.value.diagnostics[0].code == "E0607"


def test_rank_end_to_end(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = models(
        tmp_path,
        '[[model]]\nnet = "Digits"\nname = "untrained"\n'
        '[[model]]\nnet = "Digits"\nname = "raw"\nnode = "image"\n',
    )
    assert command(["rank", str(path), *DATA, "--subset", "2"]) == 0
    shown = capsys.readouterr()
    assert "untrained: 128 features at flatten" in shown.err
    assert "centre SI" in shown.out and "m = 100, seed 0" in shown.out
    assert "raw: " in shown.out and "(chosen on it), test" in shown.out
    assert "untrained: no weights were given: fresh random parameters" in shown.out


def test_normalised_features_have_the_published_index(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Wine, z-scored: docs/indices.md, "Golden values"; all features chosen are the whole."""
    spec = tmp_path / "wine.net"
    spec.write_text("network Wine() { input x: float[N, 13] output y = x -> Linear(3) }")
    path = models(tmp_path, '[[model]]\nnet = "wine.net"\nnode = "x"\n')
    ranking = rank(path, train="wine", test="wine", subset=13, normalize=True)
    valid(ranking.text(), "rank")  # which is what --json prints
    (found,) = ranking.models
    index = found.on("train")
    assert index is not None and found.subset is not None
    assert round(index.value, 6) == 0.955056
    assert index.values["centre"] == pytest.approx(0.977528, abs=5e-7)
    assert round(found.subset.chosen[-1], 6) == round(found.subset.scored[-1], 6) == 0.955056
    assert command(["rank", str(path), "--data", "wine", "--normalize"]) == 0
    shown = capsys.readouterr().out
    assert "0.9551" in shown and "normalisation z-score" in shown


def test_a_stopped_ranking_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = '[[model]]\nnet = "Digits"\n[[model]]\nnet = "Digits"\nname = "raw"\nnode = "image"\n'
    path, output = models(tmp_path, text), tmp_path / "ranks.json"
    arguments = ["rank", str(path), *DATA, "--subset", "2", "-o", str(output)]
    original, measured = Prober._results, list[str]()

    def interrupted(self: Prober, label: str, rows: Any) -> Measured:
        if label == "image":
            raise KeyboardInterrupt
        measured.append(label)
        return original(self, label, rows)

    monkeypatch.setattr(Prober, "_results", interrupted)
    assert command(arguments) == 130
    (done,) = Ranking.model_validate_json(output.read_bytes()).models
    assert (done.name, done.node, done.place) == ("Digits", "flatten", 0)
    monkeypatch.setattr(Prober, "_results", original)
    assert command(arguments) == 0
    assert measured == ["flatten"]  # the second time it was taken over
    ranking = Ranking.model_validate_json(output.read_bytes())
    assert ranking.complete and [r.place for r in ranking.models] == [1, 2]
    fresh = rank(path, train=DATA[1], test=DATA[3], samples=100, subset=2)
    assert fresh.models == ranking.models


def test_live_modules_are_ranked(capsys: pytest.CaptureFixture[str]) -> None:
    """A module's node is found by what autograd says; the values are those of the spec's."""
    torch.manual_seed(0)
    module = load("Digits").build(probes=True)
    hooked = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
    found = rank(
        [{"net": module, "name": "taps"}, {"net": load("Digits"), "name": "spec"}, {"net": hooked}],
        train=DATA[1],
        test=DATA[3],
        samples=100,
    )
    by_name = {ranked.name: ranked for ranked in found.models}
    assert {name: r.node for name, r in by_name.items()} == {
        "taps": "flatten",
        "spec": "flatten",
        "Sequential": "0",
    }
    assert by_name["taps"].run.network.parameters == by_name["spec"].run.network.parameters
    frame = found.to_frame()
    index = by_name["taps"].on("train")
    assert index is not None and frame.loc["taps", "train_hard1"] == index.value
    assert "centre SI" in str(found)


def test_a_subset_needs_test_data(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = models(tmp_path, '[[model]]\nnet = "Digits"\nnode = "image"\n')
    assert command(["rank", str(path), "--data", "digits[:100]", "--subset", "1"]) == 2
    assert "error[E0612]" in capsys.readouterr().err


def test_the_preparation_is_the_models_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = models(tmp_path, '[[model]]\nnet = "Digits"\n')
    assert command(["rank", str(path), *DATA, "--mean", "0.5"]) == 2
    assert "--mean is each model's own" in capsys.readouterr().err


def blobs(folder: Path, right: bool) -> Path:
    """Two clusters 10 apart, each 0.1 wide, in the corner pixel; one sample of the wrong side."""
    x = np.zeros((40, 1, 8, 8), dtype=np.float32)
    y = np.arange(40) % 2
    x[:, 0, 0, 0] = np.where(y, 10.0, 0.0) + np.linspace(0, 0.1, 40)
    test = x + 0.001
    labels = y.copy()
    if not right:
        labels[0] = 1
    path = folder / "blobs.npz"
    np.savez(path, x_train=x, y_train=labels, x_test=test, y_test=y)
    return path


def test_confidence_where_all_is_separated(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = blobs(tmp_path, right=True)
    arguments = ["confidence", "Digits", "--data", str(path)]
    assert command([*arguments, "--gamma", "4"]) == 0
    shown = capsys.readouterr().out
    assert "at image, 64 values, γ = 4 in its units" in shown
    assert "guaranteed: the prediction of 40 of 40" in shown
    assert "the network predicts the same class for" in shown
    output = tmp_path / "certain.json"
    assert command([*arguments, "--gamma", "4", "-o", str(output)]) == 0
    found = json.loads(output.read_text())
    assert (found["node"], found["right"], found["holds"]) == ("image", 1.0, [True] * 40)
    assert found["predicted"] == [str(n % 2) for n in range(40)]
    capsys.readouterr()
    assert command([*arguments, "--gamma", "20"]) == 0  # beyond the margin, not a false guarantee
    assert "guaranteed: the prediction of 0 of 40" in capsys.readouterr().out


def test_confidence_without_a_guarantee(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = blobs(tmp_path, right=False)
    assert command(["confidence", "Digits", "--data", str(path), "--gamma", "0.1"]) == 0
    shown = capsys.readouterr().out
    assert (
        "no guarantee that it is right: the Separation Index is" in shown
        and "guaranteed:" not in shown
    )
    assert shown.splitlines()[-1].startswith("no weights were given: fresh random parameters")


def test_confidence_without_test_data(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Two clusters 0.1 wide, nearest samples of one class 0.1 / 39 · 2 apart, classes 9.9 + …"""
    x = np.load(blobs(tmp_path, right=True))["x_train"]
    path, y = tmp_path / "train.npz", np.arange(40) % 2
    np.savez(path, x=x, y=y)
    points = x[:, 0, 0, 0]
    apart = np.abs(points[:, None] - points[None, :]) + np.where(np.eye(40), np.inf, 0)
    within = np.where(y[:, None] == y, apart, np.inf).min(axis=1).max()
    between = np.where(y[:, None] != y, apart, np.inf).min()
    arguments = ["confidence", "Digits", "--data", str(path), "--json"]
    for gamma, holds in (("4", True), ("20", False)):
        assert command([*arguments, "--gamma", gamma]) == 0
        found = valid(capsys.readouterr().out, "confidence")
        assert found["holds"] == [holds]
        assert found["within"] == [pytest.approx(within, rel=1e-5)]
        assert found["between"] == [pytest.approx(between, rel=1e-5)]
        assert found["margins"] == [pytest.approx((between - within) / 2, rel=1e-5)]
    assert command([*arguments[:-1], "--gamma", "4"]) == 0
    assert "guaranteed: γ below" in capsys.readouterr().out


def test_confidence_of_targets(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Points on a line with their place for a target: by hand, |y − y_1*| + α over all in reach."""
    path = tmp_path / "data.npz"
    places = np.array([0.0, 1.0, 3.0, 6.0, 10.0])
    tests = np.array([0.4, 1.6, 4.0, 7.0, 12.0])
    x, other = (np.zeros((5, 1, 8, 8), dtype=np.float32) for _ in range(2))
    x[:, 0, 0, 0], other[:, 0, 0, 0] = places, tests
    np.savez(path, x_train=x, y_train=places, x_test=other, y_test=tests)
    arguments = ["confidence", "Digits", "--data", str(path), "--gamma", "0.6"]
    assert command([*arguments, "--json", "--order", "1"]) == 0
    found = valid(capsys.readouterr().out, "confidence")
    alpha = [min(abs(a - b) for b in places if b != a) for a in places]
    for test, bound, error in zip(tests, found["bounds"], found["errors"], strict=True):
        nearest = min(places, key=lambda place: abs(place - test))
        reach = abs(nearest - test) + 2 * 0.6
        inside = [n for n, place in enumerate(places) if abs(place - test) <= reach]
        assert bound == pytest.approx(max(abs(nearest - places[n]) + alpha[n] for n in inside))
        assert error == pytest.approx(abs(nearest - test), rel=1e-6)
    assert command(arguments) == 0
    assert "bounds for an error up to γ" in capsys.readouterr().out
    np.savez(path, x=x, y=places)
    assert command(arguments) == 2
    assert "is of test samples" in capsys.readouterr().err


def test_confidence_where_some_are_on_the_wrong_side(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = blobs(tmp_path, right=False)
    arguments = ["confidence", "Digits", "--data", str(path), "--gamma", "0.1", "--order", "3"]
    assert command([*arguments, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    data = np.load(path)
    train, test, labels = data["x_train"], data["x_test"], data["y_train"]
    rows, references = test.reshape(40, 1, -1).astype(float), train.reshape(1, 40, -1)
    apart = np.sqrt(((rows - references) ** 2).sum(axis=2))
    order = apart.argsort(axis=1, kind="stable")
    sorted_labels = labels[order]
    near = np.take_along_axis(apart, order, axis=1)
    other = np.where(labels == sorted_labels[:, :1], np.inf, apart).min(axis=1)
    margins = (other - near[:, 0]) / 2
    assert found["own_margins"] == pytest.approx(margins.tolist())
    safe = found["safety"]
    assert safe["at_gamma"] == (margins > 0.1).mean()
    for name, share in (("50 %", 0.5), ("90 %", 0.9), ("99 %", 0.99)):
        below = safe["below"][name]
        assert (margins >= below - 1e-12).mean() >= share > (margins > below + 1e-12).mean()
    right = sorted_labels[:, 0] == data["y_test"]
    assert found["safe_and_right"] == (right & (margins > 0.1)).mean()
    for r, one in enumerate(found["by_order"], 1):
        agree = (sorted_labels[:, :r] == sorted_labels[:, :1]).all(axis=1)
        by_order = np.where(agree, (near[:, r] - near[:, 0]) / 2, 0.0)
        assert one["agree"] == agree.mean()
        assert one["at_gamma"] == (by_order > 0.1).mean()
        assert one["below"]["50 %"] == pytest.approx(np.sort(by_order)[::-1][19])
    assert command(arguments) == 0
    shown = capsys.readouterr().out
    assert "an error up to γ changes no prediction of" in shown
    assert "no guarantee that it is right" in shown
