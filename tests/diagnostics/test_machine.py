from __future__ import annotations

import json

import pytest

from addnn_spec.diagnostics import Diagnostic, Label
from addnn_spec.diagnostics.render import FORMATS, render, render_github
from addnn_spec.source import Source, Span

SOURCE = Source("specs/a b.net", "let a = 1\nlet a =\n  2\n")
TWICE = Diagnostic(
    "E0103",
    "a is defined twice",
    Label(Span(SOURCE, 14, 21), "again"),
    (Label(Span(SOURCE, 4, 9), "first here"),),
    ("a note",),
    "rename one",
)
UNREADABLE = Diagnostic("E0601", "b.net cannot be read")
UNUSED = Diagnostic("W0101", "a is never used", Label(Span(SOURCE, 4, 5)))


def test_concise() -> None:
    assert render([TWICE, UNREADABLE, UNUSED], "concise") == (
        "specs/a b.net:2:5: error[E0103] a is defined twice\n"
        "error[E0601] b.net cannot be read\n"
        "specs/a b.net:1:5: warning[W0101] a is never used\n"
    )


def test_json() -> None:
    twice, unreadable = json.loads(render([TWICE, UNREADABLE], "json"))["diagnostics"]
    place = {"file": "specs/a b.net", "line": 2, "column": 5, "end_line": 3, "end_column": 4}
    first = {"file": "specs/a b.net", "line": 1, "column": 5, "end_line": 1, "end_column": 10}
    assert twice == {
        "code": "E0103",
        "severity": "error",
        "message": "a is defined twice",
        "location": {**place, "text": "again"},
        "labels": [{**first, "text": "first here"}],
        "notes": ["a note"],
        "help": "rename one",
    }
    assert (unreadable["location"], unreadable["help"]) == (None, None)


def test_github() -> None:
    assert render([TWICE, UNREADABLE, UNUSED], "github") == (
        "::error title=addnn E0103,file=specs/a b.net,line=2,col=5,endLine=3,endColumn=4"
        "::a is defined twice%0Aagain%0Aa note%0Ahelp: rename one\n"
        "::error title=addnn E0601::b.net cannot be read\n"
        "::warning title=addnn W0101,file=specs/a b.net,line=1,col=5,endLine=1,endColumn=6"
        "::a is never used\n"
    )


def test_a_text_cannot_start_another_github_command() -> None:
    label = Label(Span(Source("a,b:c%\n::stop.net", "x"), 0, 1))
    shown = render_github([Diagnostic("N0101", "100%\r\n::set-output name=a::b", label)])
    assert shown == (
        "::notice title=addnn N0101,file=a%2Cb%3Ac%25␊%3A%3Astop.net,line=1,col=1,"
        "endLine=1,endColumn=2::100%25␍␊::set-output name=a::b\n"
    )


def test_sarif() -> None:
    log = json.loads(render([TWICE, UNREADABLE, UNUSED], "sarif"))
    assert log["version"] == "2.1.0"
    (run,) = log["runs"]
    assert run["columnKind"] == "unicodeCodePoints"
    rules = run["tool"]["driver"]["rules"]
    assert [rule["id"] for rule in rules] == ["E0103", "E0601", "W0101"]
    twice, unreadable, unused = run["results"]
    assert [rules[r["ruleIndex"]]["id"] for r in run["results"]] == ["E0103", "E0601", "W0101"]
    assert (twice["level"], unused["level"]) == ("error", "warning")
    assert twice["locations"] == [
        {
            "physicalLocation": {
                "artifactLocation": {"uri": "specs/a%20b.net"},
                "region": {"startLine": 2, "startColumn": 5, "endLine": 3, "endColumn": 4},
            }
        }
    ]
    (related,) = twice["relatedLocations"]
    assert related["message"] == {"text": "first here"}
    assert "locations" not in unreadable


@pytest.mark.parametrize("output_format", FORMATS)
def test_no_findings(output_format: str) -> None:
    (expected,) = [f for f in FORMATS if f == output_format]
    shown = render([], expected)
    if expected == "sarif":
        assert json.loads(shown)["runs"][0]["results"] == []
    elif expected == "json":
        assert json.loads(shown)["diagnostics"] == []
    else:
        assert shown == ""
