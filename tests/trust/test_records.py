"""`run.json` edited by hand: each edit ends in a clear error, or in an output."""

from __future__ import annotations

import copy
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from addnn_spec.cli import run as addnn
from addnn_spec.diagnostics import DiagnosticError, Refusal
from addnn_spec.probes.comparing import compare_runs, compared_text
from addnn_spec.probes.probe_run import ProbeRun
from addnn_spec.probes.run import probe
from addnn_spec.ranking.rank import rank
from addnn_spec.ranking.ranking_record import read_ranking
from addnn_spec.report.figure import page_figure
from addnn_spec.report.page import page
from addnn_spec.report.verdicts import verdicts
from addnn_spec.runtime.run_record import RunRecord, read_run
from tests.report.runs import hits, node, run
from tests.support import in_time

NETWORK = """network Net {
  input x: float[N, 4]
  output y = x -> body: { fc: Linear(3) -> ReLU -> Identity } -> head: Linear(2)
}"""
OPTIONS: dict[str, dict[str, Any]] = {
    "classes": {"measures": ["classification_rate", "nc1", "cka"], "order": 3},
    "targets": {},
    "sketch": {"sketch": 2, "nodes": ["x", "output"]},
}
"""Kinds of runs, and how they are taken."""


@cache
def text_of(kind: str, folder: Path) -> str:
    """The JSON of a run with train and test of a kind."""
    spec = folder / "net.net"
    spec.write_text(NETWORK)
    x = np.random.default_rng(0).normal(size=(24, 4)).astype(np.float32)
    y: np.ndarray = x[:, 0] if kind == "targets" else np.arange(24) % 3
    options = {"nodes": "all", **OPTIONS[kind]}
    return probe(spec, train=(x[:12], y[:12]), test=(x[12:], y[12:]), **options).record.text()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("runs")


def places(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """The places of all fields and items."""
    parts = value.items() if isinstance(value, dict) else enumerate(value)
    for key, part in parts:
        yield (*path, key)
        if isinstance(part, dict | list):
            yield from places(part, (*path, key))


def shown(path: Path, before: RunRecord) -> str:
    """What is said of a file: a code, or "shown" where each output can be made."""
    try:
        found = read_run(path)
    except Refusal as error:
        return error.code if error.notes else f"{error.message}: and no place"
    for pair in ((found, before), (before, found), (found, found)):
        try:
            compared_text(*pair, compare_runs(*pair))
        except DiagnosticError as error:
            if error.diagnostics[0].code != "E0613":
                raise
    made = ProbeRun(found)
    for output in (str, repr, ProbeRun.rows, ProbeRun.to_latex, ProbeRun.cite, ProbeRun.to_frame):
        output(made)
    verdicts(found)
    page([found, before])
    page_figure(found)
    return "shown"


NUMBERS = st.sampled_from(
    [0, 1, 2, -1, 7, 2**31, 2**63, 10**30, 0.5, 1.5, -0.5, 1e-320, 1e308, -1e308]
)
TEXTS = st.sampled_from(
    ["", "x", "head", "body", "body.fc", "x#2", "\x1b[2J", "<b>", "/w==", "bits"]
)
ANYTHING = st.one_of(NUMBERS, TEXTS, st.none(), st.booleans(), st.just([]), st.just({}))


def at(record: Any, path: Iterable[str | int]) -> Any:
    for key in path:
        record = record[key]
    return record


@st.composite
def edits(draw: st.DrawFn, whole: Any) -> Any:
    """A record with one or two of its fields or items edited, taken out, repeated, or swapped."""
    record = copy.deepcopy(whole)
    for _ in range(draw(st.integers(1, 2))):
        found = list(places(record))
        path = found[draw(st.integers(0, len(found) - 1))]
        holder = at(record, path[:-1])
        key, way = path[-1], draw(st.sampled_from(["new", "new", "near", "out", "twice", "other"]))
        value = holder[key]
        if way == "out":
            del holder[key]
        elif way == "twice" and isinstance(holder, list):
            holder.append(copy.deepcopy(value))
        elif way == "near" and isinstance(value, int | float):
            holder[key] = value + draw(st.sampled_from([1, -1, 0.25]))
        elif way == "other":
            every = list(places(whole))
            other = every[draw(st.integers(0, len(every) - 1))]
            source = record
            for step in other:
                source = (
                    source[step] if not isinstance(source, str | int | float | None) else source
                )
            holder[key] = copy.deepcopy(source)
        else:
            holder[key] = draw(ANYTHING)
    return record


def check_edits(kind: str, folder: Path, examples: int) -> None:
    path = folder / f"{kind}.json"
    path.write_text(text_of(kind, folder))
    before = read_run(path)
    assert shown(path, before) == "shown"
    whole = json.loads(path.read_text())

    @settings(max_examples=examples, suppress_health_check=list(HealthCheck))
    @given(edits(whole))
    def each(record: Any) -> None:
        edited = folder / "edited.json"
        edited.write_text(json.dumps(record))
        assert shown(edited, before) in ("shown", "E0607")

    each()


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("kind", OPTIONS)
def test_edited_runs(kind: str, folder: Path) -> None:
    check_edits(kind, folder, 25)


@pytest.mark.slow
@pytest.mark.parametrize("kind", OPTIONS)
def test_many_edited_runs(kind: str, folder: Path) -> None:
    check_edits(kind, folder, 5_000)


def others(value: Any) -> tuple[Any, ...]:
    """Values of the same type."""
    if isinstance(value, bool):
        return (not value,)
    if isinstance(value, int):
        return 0, -1, 10**30
    if isinstance(value, float):
        return -1.0, 1e308
    if isinstance(value, str):
        return "", "\x1b[2Jx"
    return ((), None) if isinstance(value, list) else ({}, None)


@pytest.mark.parametrize("share", [4, pytest.param(1, marks=pytest.mark.slow)])
def test_each_field_that_is_edited(share: int, folder: Path, tmp_path: Path) -> None:
    """Every field or each fourth, of items that are alike the last, as its type allows."""
    text = text_of("classes", folder)
    before, whole = RunRecord.model_validate_json(text), json.loads(text)
    fields = {tuple("*" if isinstance(key, int) else key for key in p): p for p in places(whole)}
    outcomes: Counter[str] = Counter()
    assert len(fields) > 80
    for path in list(fields.values())[::share]:
        record = copy.deepcopy(whole)
        holder = at(record, path[:-1])
        for new in others(holder[path[-1]]):
            holder[path[-1]] = new
            edited = tmp_path / "run.json"
            edited.write_text(json.dumps(record))
            outcomes[shown(edited, before)] += 1
    assert set(outcomes) == {"shown", "E0607"}


HEAD = ("nodes", "head")
BROKEN: dict[str, tuple[tuple[str, ...], Any]] = {
    "samples of train": (("data", "train", "m"), 5),
    "samples of test": (("data", "test", "m"), 5),
    "no test": (("data", "test"), None),
    "task": (("data", "task"), "regression"),
    "classes": (("data", "classes"), ["a"]),
    "counts": (("data", "train", "counts"), [1]),
    "no nodes": (("nodes",), []),
    "a path twice": ((*HEAD, "path"), "x"),
    "above itself": ((*HEAD, "as_above"), "head"),
    "above nothing": ((*HEAD, "as_above"), "nowhere"),
    "no base64": ((*HEAD, "train", "per_sample"), "?"),
    "few samples": ((*HEAD, "train", "per_sample"), "AA=="),
    "other samples": ((*HEAD, "train", "per_sample"), "AAA="),
    "encoding": ((*HEAD, "train", "encoding"), "float64"),
    "no values": ((*HEAD, "train", "values"), {}),
    "value": ((*HEAD, "train", "values", "hard1"), 0.123),
    "higher value": ((*HEAD, "train", "values", "hard2"), 1e300),
    "standard error": ((*HEAD, "train", "intervals", "hard1", "error"), 1e300),
    "interval": ((*HEAD, "train", "intervals", "hard1", "high"), -1.0),
    "no interval": ((*HEAD, "train", "intervals"), {}),
    "neighbours": ((*HEAD, "train", "neighbours"), "AAAA"),
    "no labels": (("data", "train", "labels"), ""),
    "groups": (("data", "train", "groups"), "////////"),
    "kind of index": ((*HEAD, "train", "index"), "smoothness"),
    "samples of an index": ((*HEAD, "train", "m"), 4),
    "undefined": ((*HEAD, "train", "undefined"), 3),
    "tied": ((*HEAD, "train", "tied"), 99),
    "exact": ((*HEAD, "train", "exact"), False),
    "shares of classes": ((*HEAD, "train", "classes"), [0.5]),
    "test alone": ((*HEAD, "train"), None),
    "cka's values": (("cka", "values"), [[1.0]]),
    "cka's nodes": (("cka", "nodes"), ["nowhere"]),
    "rate": ((*HEAD, "measures", "classification_rate", "value"), 1e308),
    "versions": (("versions",), {}),
    "chance": (("chance", "train"), 2.0),
    "blocks": ((*HEAD, "block"), ".".join("b" * 3_000)),
    "below 0": ((*HEAD, "parameters"), -1),
    "beyond 64 bits": ((*HEAD, "macs"), 10**400),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_does_not_belong_together(name: str, folder: Path, tmp_path: Path) -> None:
    keys, value = BROKEN[name]
    record = json.loads(text_of("classes", folder))
    head = next(n for n, part in enumerate(record["nodes"]) if part["path"] == "head")
    path = [head if key == "head" else key for key in keys]
    at(record, path[:-1])[path[-1]] = value
    edited = tmp_path / "run.json"
    edited.write_text(json.dumps(record))
    with pytest.raises(Refusal, match="contradicts itself") as caught:
        read_run(edited)
    assert caught.value.code == "E0607"


@pytest.mark.parametrize("depth", [30, 900])
def test_many_blocks_are_shown_in_time(depth: int) -> None:
    """As many as are read, one within the other, and as many nodes (3,000 took 8 minutes)."""
    path = ".".join("b" * depth)
    made = [node("x", 0)]
    for place in range(1, depth):
        made.append(node(f"{path}.n{place}", place, [made[-1].label], block=path[: 2 * place - 1]))
    record = run(*made)
    started = process_time()
    page_figure(record)
    verdicts(record)
    assert in_time(process_time() - started, 5)


def test_a_ranking_whose_run_contradicts_itself_is_not_gone_on_with(tmp_path: Path) -> None:
    spec, ranks = tmp_path / "net.net", tmp_path / "ranks.json"
    spec.write_text(NETWORK)
    x, y = np.random.default_rng(0).normal(size=(24, 4)), np.arange(24) % 3
    given: dict[str, Any] = {"train": (x[:12], y[:12]), "test": (x[12:], y[12:]), "subset": 2}
    rank([{"net": str(spec), "node": "head"}], **given, output=ranks)
    assert read_ranking(ranks) is not None
    for place, value in (
        (("node",), "nowhere"),
        (("subset", "chosen"), []),
        (("subset", "order"), [0]),
        (("run", "data", "train", "m"), 5),
    ):
        ranking = json.loads(ranks.read_text())
        at(ranking["models"][0], place[:-1])[place[-1]] = value
        edited = tmp_path / "edited.json"
        edited.write_text(json.dumps(ranking))
        assert read_ranking(edited) is None


def test_names_of_a_run_reach_no_terminal_as_they_are(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    each = [hits(range(n)) for n in (10, 90)]
    names = ("\x1b[2J", "\x1b]0;title\x07")
    made = run(*(node(x, n, names[:n], train=each[n]) for n, x in enumerate(names)))
    path = tmp_path / "run.json"
    record = json.loads(made.text())
    record["network"]["name"] = "\x1b[31mred"
    path.write_text(json.dumps(record))
    for command in (("report", path), ("compare", path, path)):
        assert addnn([str(word) for word in command]) == 0
        out = capfd.readouterr().out
        assert not {"\x1b", "\x07"} & set(out)
