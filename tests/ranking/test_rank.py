"""Ranking, end to end and on runs made by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from addnn_spec import load
from addnn_spec.cli import run as command
from addnn_spec.compiler import Session
from addnn_spec.diagnostics import DiagnosticError
from addnn_spec.probes.nodes import graph_nodes
from addnn_spec.ranking.certainty import network_classes
from addnn_spec.ranking.feature_node import feature_node, output_node
from addnn_spec.ranking.models import Model, read_models
from addnn_spec.ranking.rank import Ranked, intervals, placed
from addnn_spec.reading import decode
from addnn_spec.runtime.record import IndexRecord, pack, standard_error
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
    assert feature_node(graph, graph_nodes(graph, {"N": 1})).label == expected


def test_the_main_output_is_the_first_of_evaluation() -> None:
    graph = load("Digits").graph
    nodes = graph_nodes(graph, {"N": 1})
    assert output_node(graph, nodes).label == "fc2"


def ranked(name: str, right: range) -> Ranked:
    return Ranked(Model(net=name, name=name), "f", run(node("f", 0, train=hits(right))))


def test_places_are_shared_within_the_error_of_the_first() -> None:
    # of 100 hits: 90 and 88 differ by .02 ± .014, 90 and 84 by .06 ± .0237
    found = placed([ranked("c", range(84)), ranked("b", range(88)), ranked("a", range(90))])
    assert [(r.model.name, r.place) for r in found] == [("a", 1), ("b", 1), ("c", 3)]


def test_errors_are_those_of_the_samples() -> None:
    """Of neighbours' hits by sample, for two neighbours each."""
    pairs = np.array([(1, 1)] * 5 + [(1, 0)] * 3 + [(0, 1)] * 2 + [(0, 0)] * 6, dtype=float)
    each = {
        "hard1": pairs[:, 0], "hard2": pairs.prod(axis=1), "soft2": pairs.mean(axis=1),
        "anti2": (1 - pairs).prod(axis=1),
    }  # fmt: skip
    text, encoding = pack(each["hard1"])
    record = IndexRecord(
        index="separation", m=16, values={name: float(v.mean()) for name, v in each.items()},
        standard_error=standard_error(each["hard1"]), per_sample=text, encoding=encoding,
    )  # fmt: skip
    for name, (value, error) in intervals(record).items():
        assert value == pytest.approx(each[name].mean())
        assert error == pytest.approx(each[name].std(ddof=1) / 4)


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
    assert command([*arguments, "--gamma", "20"]) == 0  # beyond the margin, not a false guarantee
    assert "guaranteed: the prediction of 0 of 40" in capsys.readouterr().out


def test_confidence_without_a_guarantee(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = blobs(tmp_path, right=False)
    assert command(["confidence", "Digits", "--data", str(path), "--gamma", "0.1"]) == 0
    shown = capsys.readouterr().out
    assert "no guarantee: the Separation Index is" in shown and "guaranteed:" not in shown


def test_confidence_of_targets(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "data.npz"
    x = np.zeros((20, 1, 8, 8), dtype=np.float32)
    np.savez(path, x_train=x, y_train=np.linspace(0, 1, 20), x_test=x, y_test=np.linspace(0, 1, 20))
    assert command(["confidence", "Digits", "--data", str(path), "--gamma", "1"]) == 2
    assert "E0612" in capsys.readouterr().err
