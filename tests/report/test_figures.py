"""Figures for a paper: what stands in them, and what does not."""

from __future__ import annotations

import json
import sys
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
import pytest
import torch
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from torch import nn

from addnn_spec import IndexHistory
from addnn_spec.cli import run as command
from addnn_spec.diagnostics import DiagnosticError
from addnn_spec.report.figures import Curves, What, caption, panels, put_together, saved
from addnn_spec.report.heat import class_heats
from addnn_spec.runtime.run_record import CkaRecord, MeasureRecord, RunRecord
from tests.report.runs import hits, node, run
from tests.report.test_picture import HOSTILE, sample


def _figure(made: RunRecord, what: What = "curves", **more: Any) -> Figure:
    figure = put_together(panels([made], what, **more))
    FigureCanvasAgg(figure)
    return figure


def _texts(figure: Figure) -> list[str]:
    return [text.get_text() for ax in figure.axes for text in [
        *ax.texts, ax.title, ax.xaxis.label, ax.yaxis.label, *ax.get_xticklabels(),
        *ax.get_yticklabels()]]  # fmt: skip


def _lines(ax: Axes) -> list[tuple[list[float], list[float]]]:
    """The curves' pieces: lines of two points."""
    found = [(line.get_xdata(), line.get_ydata()) for line in ax.get_lines()]
    return [
        (np.asarray(x, float).tolist(), np.asarray(y, float).tolist())
        for x, y in found
        if len(np.asarray(x)) == 2 and len(set(np.asarray(x))) + len(set(np.asarray(y))) > 2
    ]


def _chain(count: int) -> RunRecord:
    nodes = [node("image", 0, train=hits(range(50)), test=hits(range(55)))]
    for place in range(1, count):
        nodes.append(
            node(f"layer{place // 9 + 1}.{place}.conv", place, [nodes[-1].path],
                 train=hits(range(50 + place // 2)), test=hits(range(55)))
        )  # fmt: skip
    return run(*nodes)


# --- curves ---------------------------------------------------------------------------------------
def test_no_line_skips_across_others() -> None:
    """Of the branches b.conv and b.skip, both of x, that which does not follow x has a curve of its
    own; nodes are 0 x, 1 b.conv, 2 b.skip, 3 b.sum, 4 fc."""
    (ax,) = _figure(sample(), across=True).axes
    joined = {tuple(x) for x, _ in _lines(ax)}
    assert (0.0, 1.0) in joined and (2.0, 3.0) in joined and (3.0, 4.0) in joined
    assert (1.0, 2.0) not in joined and all(b - a == 1 for a, b in joined)


def test_values_stand_at_their_nodes() -> None:
    train = [0.5, 0.6, 0.4, 0.8, 0.99]
    for across in (True, False):
        (ax,) = _figure(sample(), across=across).axes
        points = [
            (np.asarray(line.get_xdata()).tolist(), np.asarray(line.get_ydata()).tolist())
            for line in ax.get_lines()
            if line.get_linestyle() == "None" and line.get_marker() == "o"
        ]
        (found,) = [p for p in points if len(p[0]) == 5]
        assert found == (([0, 1, 2, 3, 4], train) if across else (train, [0, 1, 2, 3, 4]))


def test_the_rate_of_train_and_of_test() -> None:
    made = run(*(
        node(name, place, before, train=hits(range(50)),
             measures={"classification_rate": MeasureRecord(value=0.6, train=0.9)})
        for place, (name, before) in enumerate([("x", []), ("a", ["x"])])
    ))  # fmt: skip
    (ax,) = _figure(made, across=True).axes
    assert {0.6, 0.9} <= {y[0] for _, y in _lines(ax) if y[0] == y[1]}
    assert ax.get_ylim()[1] >= 0.9
    legend = ax.get_legend()
    assert legend is not None
    assert {"rate, test", "rate, train"} <= {text.get_text() for text in legend.get_texts()}


def test_a_closed_block_is_one_node() -> None:
    assert [row.label for row in Curves(sample(), 0).rows] == ["x", "b", "fc"]
    assert [row.label for row in Curves(sample()).rows] == ["x", "b.conv", "b.skip", "b.sum", "fc"]


@pytest.mark.parametrize("across", [True, False])
def test_names_of_sixty_nodes_do_not_crowd(across: bool) -> None:
    figure = _figure(_chain(60), across=across, depth=9)
    (ax,) = figure.axes
    labels = ax.get_xticklabels() if across else ax.get_yticklabels()
    renderer = figure.canvas.get_renderer()  # type: ignore[attr-defined]
    boxes = [label.get_window_extent(renderer) for label in labels]
    assert len(boxes) == 60
    assert not any(a.overlaps(b) for a, b in pairwise(boxes))
    wide, high = figure.get_size_inches() * figure.dpi
    assert all(box.x0 >= 0 and box.y0 >= 0 and box.x1 <= wide and box.y1 <= high for box in boxes)


def test_no_hash_stands_in_a_figure_and_all_do_in_the_caption() -> None:
    made = sample()
    for what in ("curves", "whole"):
        assert not any("0" * 12 in text for text in _texts(_figure(made, what)))
    told = caption([made])
    assert "train SHA-256: " + "0" * 64 in told and "Net.net" in told
    assert told.startswith("Net. Separation Index by node on train (solid)")


# --- heat maps ------------------------------------------------------------------------------------
def test_one_value_is_white_in_all_splits() -> None:
    """The lowest class separation is at b.skip: of the second half of 100 none is right."""
    heats = class_heats(sample())
    assert [heat.low for heat in heats] == [0.0, 0.0, 0.0]
    high = run(node("x", 0, train=hits(range(95)), test=hits(range(80)), cross=hits(range(99))))
    lowest = min(value for heat in class_heats(high) for row in heat.values for value in row
                 if value is not None)  # fmt: skip
    assert lowest == 0.6 and {heat.low for heat in class_heats(high)} == {0.6}
    images = [ax.images[0] for ax in _figure(high, "classes").axes]
    assert {image.norm.vmin for image in images} == {0.6} and len(images) == 4


def test_cka() -> None:
    nodes = ("x", "b.conv")
    cka = CkaRecord(nodes=nodes, values=((1.0, 0.75), (0.75, None)))
    figure = _figure(sample().model_copy(update={"cka": cka}), "cka")
    assert "Linear CKA, train" in [ax.get_title(loc="left") for ax in figure.axes]
    assert panels([sample()], "cka") == []


# --- files ----------------------------------------------------------------------------------------
def test_files_of_every_kind_and_of_several_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = tmp_path / "run.json"
    source.write_text(sample().text())
    files = {kind: tmp_path / f"out.{kind}" for kind in ("svg", "pdf", "png", "caption")}
    options = [word for kind, path in files.items() for word in (f"--{kind}", str(path))]
    assert command(["report", str(source), str(source), "--across", *options]) == 0
    ET.parse(files["svg"])
    assert files["png"].read_bytes()[:4] == b"\x89PNG"
    assert files["pdf"].read_bytes().count(b"/Type /Page ") == 2
    assert files["caption"].read_text().count("SHA-256") >= 4
    first = files["svg"].read_bytes()
    assert command(["report", str(source), str(source), "--across", *options]) == 0
    assert files["svg"].read_bytes() == first
    assert command(["report", str(source), "--figure", "cka", "--svg", str(files["svg"])]) == 2
    assert "error[E0607]: there is nothing to show" in capsys.readouterr().err


def test_hostile_names_are_text() -> None:
    for what in ("classes", "whole"):
        root = ET.fromstring(saved(panels([sample(HOSTILE, HOSTILE)], what), "svg"))
        assert not [one for one in root.iter() if one.tag.endswith("script")]


def test_runs_without_values() -> None:
    for made in (run(node("x", 0), node("a", 1, ["x"])), run()):
        for what in ("curves", "epochs"):
            assert saved(panels([made], what), "png")


# --- by epoch -------------------------------------------------------------------------------------
def _epoch(right: int) -> RunRecord:
    return run(
        node("x", 0, train=hits(range(50)), test=hits(range(50))),
        node("a", 1, ["x"], train=hits(range(right)), test=hits(range(60))),
    )


def test_a_small_multiple_for_each_layer(tmp_path: Path) -> None:
    runs = [_epoch(60), _epoch(80), _epoch(97)]
    figure = put_together(panels(runs, "epochs", epochs=[2, 4, 6]))
    assert [ax.get_title() for ax in figure.axes] == ["x", "a"]
    train = figure.axes[1].get_lines()[0]
    assert np.asarray(train.get_xdata()).tolist() == [2, 4, 6]
    assert np.asarray(train.get_ydata()).tolist() == [0.6, 0.8, 0.97]
    assert len({ax.get_ylim() for ax in figure.axes}) == 1


def test_runs_of_other_samples_are_no_epochs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = tmp_path / "run1.json", tmp_path / "run2.json"
    one = _epoch(60)
    first.write_text(one.text())
    train = one.data.train.model_copy(update={"sha256": "1" * 64})
    data = one.data.model_copy(update={"train": train})
    second.write_text(one.model_copy(update={"data": data}).text())
    given = ["--figure", "epochs", "--svg", str(tmp_path / "e.svg")]
    assert command(["report", str(first), str(second), *given]) == 2
    assert "the training samples are others" in capsys.readouterr().err
    assert command(["report", str(first), str(first), *given]) == 0


def test_epochs_are_counted_in_whole_numbers() -> None:
    figure = put_together(panels([_epoch(60), _epoch(80)], "epochs"))
    assert all(tick == int(tick) for tick in figure.axes[0].get_xticks())


def test_the_history_of_a_loop(tmp_path: Path) -> None:
    torch.manual_seed(0)
    x = torch.randn(60, 4)
    y = (x[:, 0] > 0).long()
    module = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 2))
    optimizer = torch.optim.Adam(module.parameters(), lr=0.05)
    history = IndexHistory((x, y), folder=tmp_path / "epochs", every=2, samples=40)
    for _ in range(4):
        optimizer.zero_grad()
        nn.functional.cross_entropy(module(x), y).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        before = [p.clone() for p in module.parameters()]
        found = history(module)
        assert (found is not None) == (history.epoch % 2 == 0)
        assert all(torch.equal(a, b) for a, b in zip(before, module.parameters(), strict=True))
        assert module.training
    assert list(history.runs) == [2, 4]
    files = sorted((tmp_path / "epochs").iterdir())
    assert [path.name for path in files] == ["epoch-0002.json", "epoch-0004.json"]
    assert json.loads(files[0].read_text())["network"]["name"] == "Sequential"
    assert len(history.figure().axes) >= 3
    out = tmp_path / "epochs.png"
    assert command(["report", *map(str, files), "--figure", "epochs", "--png", str(out)]) == 0
    assert out.read_bytes()[:4] == b"\x89PNG"


def test_the_history_in_lightning(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lightning is no package of the tests: what stands for it has its base class alone."""
    x = torch.randn(30, 3)
    history = IndexHistory((x, (x[:, 0] > 0).long()), samples=20)
    with pytest.raises(DiagnosticError, match="needs lightning"):
        history.lightning()
    stand_in, inner = ModuleType("lightning"), ModuleType("lightning.pytorch")
    inner.Callback = type("Callback", (), {})  # type: ignore[attr-defined]
    stand_in.__spec__ = inner.__spec__ = torch.__spec__
    monkeypatch.setitem(sys.modules, "lightning", stand_in)
    monkeypatch.setitem(sys.modules, "lightning.pytorch", inner)
    callback = history.lightning()
    assert isinstance(callback, inner.Callback)
    callback.on_train_epoch_end(None, nn.Linear(3, 2))
    assert list(history.runs) == [1]


def test_a_history_without_epochs() -> None:
    with pytest.raises(DiagnosticError, match="every is a number of epochs"):
        IndexHistory("digits", every=0)
    with pytest.raises(DiagnosticError, match="no epoch"):
        IndexHistory("digits").figure()
