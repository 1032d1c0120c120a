"""The figures in the head comments of the packaged specs.

    # GoogLeNet: 6,624,904 parameters, 1,498,376,192 MACs, depth 22; as torchvision.googlenet

Parameters, MACs and depth are of what evaluation needs, batch 1, at the default sizes. After a
semicolon may stand `in training 6,379,984 and 5,079,040 more` (parameters, MACs), then `as` and the
reference that the network is held against, `with` what is changed there, and how weights load that
do not as they are; or `by its equations`.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import NamedTuple

import pytest

from addnn_spec.catalogue import entries
from addnn_spec.compiler import Session
from addnn_spec.passes.memory import at
from addnn_spec.passes.summary import summarize
from addnn_spec.resources import folder
from tests.support import seldom
from tests.zoo.elsewhere import ELSEWHERE
from tests.zoo.prove import unchanged
from tests.zoo.references import REFERENCES

SPECS = folder("specs")
FILES = sorted(path.relative_to(SPECS).as_posix() for path in SPECS.rglob("*.net"))
LINE = re.compile(
    r"^# (?P<name>\w+): (?P<params>[\d,]+) parameters, (?P<macs>[\d,]+) MACs, depth (?P<depth>\d+)"
    r"(?:; in training (?P<more_params>[\d,]+) and (?P<more_macs>[\d,]+) more)?"
    r"(?:; (?:as|by) (?P<reference>its equations|[^\s;]+)"
    r"(?: (?P<change>with [^;\n]+))?(?:; (?P<weights>[^;\n]+))?)?$",
    re.MULTILINE,
)


class Figures(NamedTuple):
    params: int
    macs: int
    depth: int
    more_params: int
    more_macs: int


def stated(path: Path) -> tuple[dict[str, Figures], dict[str, str | None]]:
    """The figures that a file's comments state, and the references, by network."""
    figures, references = {}, {}
    for found in LINE.finditer(path.read_text(encoding="utf-8")):
        figures[found["name"]] = Figures(
            *(
                int((found[field] or "0").replace(",", ""))
                for field in ("params", "macs", "depth", "more_params", "more_macs")
            )
        )
        references[found["name"]] = found["reference"]
    return figures, references


@pytest.mark.parametrize("file", seldom(FILES, 3))
def test_figures_are_right(file: str) -> None:
    session = Session(SPECS / file, name=file)
    computed = {}
    for name in session.networks:
        if session.needs(name):
            continue
        graph = session.graph(name)
        assert graph is not None, [str(d) for d in session.collector.diagnostics]
        summary = summarize(graph)
        at_one = {"N": 1}
        computed[name] = Figures(
            summary.total.params,
            at(summary.total.macs, at_one),
            summary.depth,
            summary.training.params,
            at(summary.training.macs, at_one),
        )
    assert not session.collector.diagnostics, [str(d) for d in session.collector.diagnostics]
    assert stated(SPECS / file)[0] == computed


def test_head_comments_stand_alone() -> None:
    """One that touches a block would be its docstring."""
    heads = {
        file: (SPECS / file).read_text(encoding="utf-8").partition("\n\n")[0] for file in FILES
    }
    touching = [f for f, head in heads.items() if any(x[0] != "#" for x in head.splitlines())]
    assert touching == []


@pytest.mark.parametrize("file", FILES)
def test_references_are_named(file: str) -> None:
    """A network says what it is held against, and is held against what it says."""
    for name, reference in stated(SPECS / file)[1].items():
        known = REFERENCES.get(name)
        assert reference == (known.name if known else ELSEWHERE.get(name)), name


def test_changed_references_and_their_weights_are_told() -> None:
    """What the tests exchange in a reference, and by which key map its weights load."""
    told = {entry.name: (entry.change, entry.weights) for entry in entries() if entry.reference}
    for name in told.keys() & REFERENCES.keys():
        reference = REFERENCES[name]
        weights = f"keys {reference.keys}" if reference.keys else None
        if weights is None and reference.weights is not unchanged:
            weights = "renamed"
        assert told[name] == (reference.change or None, weights), name
    assert sum(change is not None for change, _ in told.values()) == 14


PRINTED = re.compile(r"^(?P<number>[\d.,]+)(?P<unit> [MB])?(?P<macs> MACs)?$")
DOCS = Path(__file__).parents[2] / "docs"
UNITS = {None: 1, " M": 10**6, " B": 10**9}


def test_gaps_to_the_papers_are_told() -> None:
    """Where a paper is off by over 2 % and not by rounding, docs/zoo_figures.toml has a note."""
    figures = tomllib.loads((DOCS / "zoo_figures.toml").read_text(encoding="utf-8"))
    ours = {entry.name: entry for entry in entries()}
    untold, compared = [], 0
    for name, row in figures["networks"].items():
        for printed in row.get("paper", "").split(", "):
            found = PRINTED.match(printed)
            if found is None:
                continue
            compared += 1
            built = ours[name].macs if found["macs"] else ours[name].params
            assert built is not None
            theirs = float(found["number"].replace(",", "")) * UNITS[found["unit"]]
            rounding = 0.5 * UNITS[found["unit"]] / 10 ** len(found["number"].partition(".")[2])
            if abs(built - theirs) > max(0.02 * theirs, rounding) and "note" not in row:
                untold.append(f"{name}: {printed}, not {built:,}")
    assert untold == []
    assert compared > 60
