"""The goldens were written by hand, in the manner of rustc that the language reference shows."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from addnn_spec.diagnostics import Diagnostic, Label
from addnn_spec.diagnostics.render import render_text
from addnn_spec.source import Source, Span


def at(source: Source, text: str, said: str = "") -> Label:
    start = source.text.index(text)
    return Label(Span(source, start, start + len(text)), said)


RESNET = Source(
    "specs/resnet.net",
    "\n" * 30 + "  output logits = x -> Flatten -> fc: Linear(classes, in_features = 512)\n",
)
MAIN = Source(
    "main.net",
    'from "heads.net" import Head\n'
    "let a = 1\n"
    "let b = 2\n"
    "let a = 3\n"
    "\n"
    "\n"
    "network N {\n"
    "\tx -> 卷: Head(4) -> ReLU\n"
    "}\n",
)
HEADS = Source("heads.net", "block Head(n) { Linear(n) }\n")


def test_the_example_of_the_language_reference() -> None:
    diagnostic = Diagnostic(
        "E0301",
        "Linear gets 2048 features, not the 512 that are stated",
        at(RESNET, "in_features = 512", "its input here is [N, 2048]"),
        notes=("in network ResNet50, at fc",),
        help="leave in_features out: it is inferred",
    )
    assert render_text([diagnostic]) == (
        "error[E0301]: Linear gets 2048 features, not the 512 that are stated\n"
        "  --> specs/resnet.net:31:55\n"
        "   |\n"
        "31 |   output logits = x -> Flatten -> fc: Linear(classes, in_features = 512)\n"
        "   |                                                       ^^^^^^^^^^^^^^^^^"
        " its input here is [N, 2048]\n"
        "   |\n"
        "   = in network ResNet50, at fc\n"
        "   = help: leave in_features out: it is inferred\n"
    )


def test_two_places_with_one_line_between() -> None:
    again = at(MAIN, "a = 3", "again")
    first = at(MAIN, "a = 1", "first here")
    diagnostic = Diagnostic("E0103", "a is defined twice", again, (first,))
    assert render_text([diagnostic]) == (
        "error[E0103]: a is defined twice\n"
        " --> main.net:4:5\n"
        "  |\n"
        "2 | let a = 1\n"
        "  |     ----- first here\n"
        "3 | let b = 2\n"
        "4 | let a = 3\n"
        "  |     ^^^^^ again\n"
    )


def test_distant_lines_several_labels_on_one_and_another_file() -> None:
    labels = (
        at(MAIN, "Head(4)", "called here"),
        at(MAIN, "x", "from here"),
        at(MAIN, "卷"),
        at(HEADS, "Linear(n)", "made here"),
        at(MAIN, "b = 2", "with this"),
    )
    diagnostic = Diagnostic("W0101", "too much", at(MAIN, "ReLU", "this"), labels, ("a note",))
    assert render_text([diagnostic]) == (
        "warning[W0101]: too much\n"
        " --> main.net:8:21\n"
        "  |\n"
        "3 | let b = 2\n"
        "  |     ----- with this\n"
        "...\n"
        "8 |     x -> 卷: Head(4) -> ReLU\n"
        "  |     -    --  -------    ^^^^ this\n"
        "  |     |        |\n"
        "  |     |        called here\n"
        "  |     from here\n"
        "  |\n"
        " ::: heads.net:1:17\n"
        "  |\n"
        "1 | block Head(n) { Linear(n) }\n"
        "  |                 --------- made here\n"
        "  |\n"
        "  = a note\n"
    )


def test_without_a_place() -> None:
    diagnostic = Diagnostic("E0601", "a.net cannot be read", notes=("one",), help="look")
    assert render_text([diagnostic]) == (
        "error[E0601]: a.net cannot be read\n  = one\n  = help: look\n"
    )


def test_a_place_in_an_empty_file_has_no_excerpt() -> None:
    label = Label(Span(Source("empty.net", ""), 0, 0))
    assert render_text([Diagnostic("E0409", "there is no network", label, help="write one")]) == (
        "error[E0409]: there is no network\n --> empty.net:1:1\n  |\n  = help: write one\n"
    )


def test_an_empty_line_stands_between_two() -> None:
    two = [Diagnostic("E0601", "one"), Diagnostic("N0101", "two")]
    assert render_text(two) == "error[E0601]: one\n\nnote[N0101]: two\n"


def test_nothing_is_nothing() -> None:
    assert render_text([]) == ""


@pytest.mark.parametrize(
    ("text", "start", "row"),
    [
        ("let a = [1,\n  2]\n", 8, "  |         ^^^"),  # of several lines, the first
        ("let a", 5, "  |      ^"),  # the end of the file
        ("let a\nb", 5, "  |      ^"),  # the end of a line
    ],
)
def test_spans_over_and_at_line_ends(text: str, start: int, row: str) -> None:
    span = Span(Source("a.net", text), start, len(text))
    assert render_text([Diagnostic("E0003", "m", Label(span))]).splitlines()[4] == row


@pytest.mark.parametrize(
    ("character", "shown"),
    [
        ("\t", "    "),
        ("\x1b", "␛"),
        ("\x7f", "␡"),
        ("\x85", "<U+0085>"),
        ("\u2028", "<U+2028>"),
        ("\u202e", "<U+202E>"),
        ("\ud800", "<U+D800>"),
        ("\u00a0", "<U+00A0>"),
        ("\u0301", "\u0301"),
        ("卷", "卷"),
    ],
)
def test_the_caret_stays_below_whatever_comes_before(character: str, shown: str) -> None:
    source = Source("a.net", f"a{character} BAD")
    columns = {"卷": 2, "\u0301": 0}.get(character, len(shown))
    lines = render_text([Diagnostic("E0101", "m", at(source, "BAD"))]).splitlines()
    assert lines[3] == f"1 | a{shown} BAD"
    assert lines[4] == "  | " + " " * (1 + columns + 1) + "^^^"


def test_messages_notes_and_names_cannot_reach_the_terminal() -> None:
    bad = "\x1b[31m\n\u202e"
    label = Label(Span(Source(bad, "abc"), 0, 1), bad)
    text = render_text([Diagnostic("E0101", bad, label, (label,), (bad,), bad)])
    assert not re.search("[\x00-\x09\x0b-\x1f\u202e]", text)
    assert text.count("\n") == 10


@pytest.mark.parametrize("where", [0, 150, 500_000, 999_997])
def test_a_long_line_is_cut_around_its_place(where: int) -> None:
    line = "卷" * where + "BAD" + "x" * (999_997 - where)
    shown = render_text([Diagnostic("E0101", "m", at(Source("a.net", line), "BAD", "here"))])
    excerpt, carets = shown.splitlines()[3:5]
    assert len(shown.encode()) < 2_000
    assert len(excerpt.removeprefix("1 | ")) <= 200
    before = excerpt[: excerpt.index("BAD")]
    assert len(before) + before.count("卷") == carets.index("^^^")


def test_a_long_message_is_cut_in_its_middle() -> None:
    shown = render_text([Diagnostic("E0101", "a" * 10_000 + "end")])
    assert len(shown) < 1_100
    assert shown.endswith("end\n")


@given(st.text(max_size=300), st.data())
def test_any_place_of_any_text_can_be_shown(text: str, data: st.DataObject) -> None:
    source = Source("a.net", text)
    offsets = st.integers(0, len(text))
    spans = [sorted((data.draw(offsets), data.draw(offsets))) for _ in range(3)]
    primary, *others = (Label(Span(source, *span), "said") for span in spans)
    shown = render_text([Diagnostic("E0101", "m", primary, tuple(others))])
    assert shown.startswith("error[E0101]: m\n")
    assert all(line.isprintable() for line in shown.splitlines())
    assert "^" in shown or not text


def test_colours_add_escapes_and_nothing_else() -> None:
    diagnostic = Diagnostic(
        "E0103", "twice", at(MAIN, "a = 3", "again"), (at(MAIN, "a = 1", "first"),), ("n",), "h"
    )
    colored = render_text([diagnostic], color=True)
    assert colored.startswith("\x1b[1;31merror[E0103]\x1b[0m: twice\n")
    assert "= \x1b[35m3\x1b[39;49;00m" in colored  # lines of a spec have its own colours
    assert re.sub("\x1b\\[[0-9;]*m", "", colored) == render_text([diagnostic])
