"""The page and the pictures, parsed again: what stands in them, and what must not."""

from __future__ import annotations

import re
from base64 import b64encode
from hashlib import sha256
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from addnn_spec.cli import run as command
from addnn_spec.report.figure import page_figure
from addnn_spec.report.page import page
from addnn_spec.report.paper import plot
from addnn_spec.report.rows import table
from addnn_spec.report.scale import scale
from addnn_spec.runtime.run_record import CkaRecord, MeasureRecord, RunRecord
from tests.report.runs import hits, index, node, run

SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = "</text></svg><script>alert(1)</script>\"'&{{ 7 * 7 }}$x$\x00\x1b[31m"


def sample(name: str = "Net", path: str = "fc") -> RunRecord:
    rate = {"classification_rate": MeasureRecord(value=0.7, recipe="two dense layers")}
    return run(
        node("x", 0, train=hits(range(50)), test=hits(range(55)), cross=hits(range(50))),
        node("b.conv", 1, ["x"], operator="Conv2d", macs=1000, measures=rate,
             train=hits(range(60)), test=hits(range(58)), cross=hits(range(57))),
        node("b.skip", 2, ["x"], operator="Conv2d", macs=500,
             train=hits(range(40)), test=hits(range(40)), cross=hits(range(41))),
        node("b.sum", 3, ["b.conv", "b.skip"], kind="merge", operator="add", measures=rate,
             train=hits(range(80)), test=hits(range(78)), cross=hits(range(77))),
        node("b", 4, ["b.sum"], kind="block", operator="Block", as_above="b.sum"),
        node(path, 5, ["b.sum"], dense=True, block="", operator=name,
             train=hits(range(99)), test=hits(range(78)), cross=hits(range(77))),
        network={"name": name, "spec": f"{name}.net"},
        classes=("left", path),
        notes=(f"note of {name}",),
    )  # fmt: skip


class Parsed(HTMLParser):
    VOID = frozenset(["meta", "link", "br", "img", "hr"])

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.stack: list[str] = []
        self.texts: dict[str, list[str]] = {}
        self.feed(text)
        self.close()
        assert not self.stack

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.stack.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.stack.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.stack:
            self.texts.setdefault(self.stack[-1], []).append(data)


def test_the_page_refers_to_nothing_outside() -> None:
    text = page([sample(), sample("Other")])
    parsed = Parsed(text)
    for tag, attributes in parsed.tags:
        assert tag not in ("link", "img", "iframe", "object", "base", "image", "use")
        assert not {"src", "href", "xlink:href", "srcset", "data", "action"} & attributes.keys()
        assert not any(name.startswith("on") for name in attributes)
    assert not re.search(r"url\(|@import|import\(|fetch\(", text)
    assert set(re.findall(r"https?://[^\"'<> ]+", text)) == {"http://www.w3.org/2000/svg"}


def test_the_policy_lets_this_script_run_and_no_other() -> None:
    parsed = Parsed(page([sample()]))
    (script,) = parsed.texts["script"]
    digest = b64encode(sha256(script.encode()).digest()).decode()
    (policy,) = [a["content"] for t, a in parsed.tags if t == "meta" and "http-equiv" in a]
    assert policy == (
        f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"
    )


def test_hostile_names_are_text() -> None:
    made = sample(HOSTILE, HOSTILE)
    text = page([made])
    parsed = Parsed(text)
    assert [tag for tag, _ in parsed.tags].count("script") == 1
    assert "alert(1)" in "".join(parsed.texts["h1"]) and "{{ 7 * 7 }}" in parsed.texts["h1"][0]
    assert "\x00" not in text and "\x1b" not in text
    root = ET.fromstring(page_figure(made))
    assert not root.findall(f".//{SVG}script")
    assert any("alert(1)" in "".join(title.itertext()) for title in root.iter(f"{SVG}title"))


def rows_of(text: str) -> list[ET.Element]:
    root = ET.fromstring(text)
    return [g for g in root.iter(f"{SVG}g") if (g.get("class") or "").split()[:1] == ["row"]]


def test_a_closed_block_is_one_row_with_its_value() -> None:
    made = sample()
    shown = table(made)
    assert [row.label for row in shown.rows] == ["x", "b", "b.conv", "b.skip", "b.sum", "b", "fc"]
    block = shown.rows[1]
    assert block.is_group and block.values.label == "b.sum"
    assert [row.groups for row in shown.rows] == [(), (), (1,), (1,), (1,), (1,), ()]
    assert [row.label for row in shown.visible({1})] == ["x", "b", "fc"]
    assert shown.standing_for(3, {1}) == 1
    seen = [
        sum("hidden" not in (row.get("class") or "") for row in rows_of(page_figure(made, depth)))
        for depth in (0, 1, None)
    ]
    assert seen == [3, 7, 7]


def test_blocks_used_twice_are_two_rows() -> None:
    made = run(
        node("x", 0, train=hits(range(50))),
        node("e.conv", 1, ["x"], train=hits(range(50))),
        node("fc", 2, ["e.conv"], train=hits(range(50))),
        node("e.conv", 3, ["fc"], call=1, train=hits(range(50))),
    )
    assert [row.label for row in table(made).rows] == ["x", "e", "e.conv", "fc", "e", "e.conv#2"]


def test_curves_follow_the_flow_not_the_order() -> None:
    """The branches b.conv and b.skip both start at x; no line joins the one to the other."""
    edges = set(table(sample()).edges)
    assert edges == {(0, 2, True), (0, 3, True), (2, 4, False), (3, 4, True), (4, 5, True),
                     (5, 6, True)}  # fmt: skip


def test_edges_of_a_closed_block_are_drawn_once() -> None:
    """Both branches start at x: from x to the closed block there is one line."""
    found = table(sample()).visible_edges({1})
    assert sorted(found.values()) == [(0, 1), (1, 6)]
    assert table(sample()).rows[1].macs == 1500


def test_the_axis_holds_what_is_shown() -> None:
    found = scale(sample())
    assert found.low <= 0.3 and found.high == 1.0 and found.ticks[0] == found.low
    assert found.place(found.low) == 0.0 and found.place(2.0) == 1.0
    near_one = run(
        node("x", 0, train=hits(range(98))),
        node("a", 1, ["x"], train=hits(range(99))),
    )
    assert scale(near_one).low >= 0.9 and not scale(near_one).holds(0.5)
    assert "◂ chance 0.5" in page_figure(near_one)


def test_lines_differ_without_colour() -> None:
    root = ET.fromstring(page_figure(sample()))
    dashes = {p.get("stroke-dasharray") for p in root.iter(f"{SVG}path") if p.get("stroke-width")}
    assert {None, "6 3", "1.5 3"} <= dashes


def test_the_fully_connected_zone_is_shaded() -> None:
    root = ET.fromstring(page_figure(sample(), 0))
    shades = [g for g in root.iter(f"{SVG}g") if g.get("class") == "shade"]
    assert len(shades) == 1


def test_runs_of_targets_and_runs_without_values() -> None:
    smooth = run(
        node("x", 0, train=index([0.5, 0.6] * 20)),
        node("a", 1, ["x"], train=index([0.7, 0.8] * 20)),
        classes=(),
    )
    stopped = run(node("x", 0), node("a", 1, ["x"]))
    assert "Smoothness Index (linear), m = 40" in page_figure(smooth)
    for made in (smooth, stopped, run()):
        Parsed(page([made]))
        ET.fromstring(page_figure(made))


def test_the_same_run_gives_the_same_bytes() -> None:
    assert page([sample()]) == page([sample()])


def test_plot_draws_on_a_given_axis() -> None:
    from matplotlib.figure import Figure

    ax = Figure().subplots()
    assert plot(sample(), ax, depth=0) is ax
    assert [label.get_text() for label in ax.get_yticklabels()] == ["x  Linear", "b", "fc  Net"]
    xs = [np.asarray(line.get_xdata()).tolist() for line in ax.get_lines()]
    assert [0.5, 0.8, 0.99] in xs  # train at x, at the block's end, at fc


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = tmp_path / "run.json"
    source.write_text(sample().text())
    files = {kind: tmp_path / f"out.{kind}" for kind in ("html", "svg", "pdf")}
    options = [word for kind, path in files.items() for word in (f"--{kind}", str(path))]
    assert command(["report", str(source), str(source), *options]) == 0
    assert files["html"].read_text().count("<section>") == 2
    ET.parse(files["svg"])
    assert files["pdf"].read_bytes().startswith(b"%PDF")
    assert command(["report", str(source)]) == 0
    assert "fc memorises" in capsys.readouterr().out


def test_what_is_no_run_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = tmp_path / "run.json"
    source.write_text("{}")
    assert command(["report", str(source)]) == 2
    assert "error[E0607]" in capsys.readouterr().err
    assert command(["report", str(tmp_path / "none.json")]) == 2
    assert "error[E0601]" in capsys.readouterr().err


def test_class_separation_of_each_split() -> None:
    shown = page([sample()])
    for legend in ("train", "test, same m", "cross"):
        assert f"Class separation, {legend}" in shown


def test_cka_is_a_heat_map_where_it_was_measured() -> None:
    nodes = ("x", "b.conv")
    values = ((1.0, 0.75), (0.75, None))
    measured = sample().model_copy(update={"cka": CkaRecord(nodes=nodes, values=values)})
    shown = page([measured])
    assert "Linear CKA, train" in shown and "White is 0.7" in shown
    assert "b.conv at x: 0.7500" in shown and "b.conv at b.conv: no value" in shown
    assert "CKA" not in page([sample()])


def test_other_measures_are_columns_beside_the_rows() -> None:
    """Each to four digits on a bar, its share of the column's largest; no column without one."""
    name = f"nc1 {HOSTILE}"
    made = run(
        node("x", 0, train=hits(range(50)), measures={name: MeasureRecord(value=40.0)}),
        node("a", 1, ["x"], train=hits(range(60)),
             measures={name: MeasureRecord(value=10.0, recipe="by hand"),
                       "linear_probe": MeasureRecord(value=0.5, train=0.75)}),
    )  # fmt: skip
    first, second = rows_of(page_figure(made))
    texts = ["".join(t.itertext()) for t in second.iter(f"{SVG}text")]
    assert texts[-3:] == ["10.00", "0.5000", "aLinear"]
    bars = [g.findall(f"{SVG}rect[@fill='#dcdcdc']") for g in (first, second)]
    nc1 = [float(row[0].get("width") or 0) for row in bars]
    assert nc1[1] / nc1[0] == pytest.approx(1 / 4, abs=1e-3)
    assert [len(row) for row in bars] == [1, 2]
    shown = page([made])
    assert "linear_probe: 0.5000 (train 0.7500)" in shown and ": by hand" in shown
    assert [tag for tag, _ in Parsed(shown).tags].count("script") == 1
    assert "trained on train, told of test" in shown
    bare = made.model_copy(update={"nodes": tuple(
        n.model_copy(update={"measures": {}}) for n in made.nodes)})  # fmt: skip
    assert "other measures" not in page([bare]) and "#dcdcdc" not in page_figure(bare)


def test_an_unfinished_run_says_so() -> None:
    stopped = sample().model_copy(update={"complete": False})
    assert "unfinished" in page([stopped])
    assert "unfinished" not in page([sample()])
