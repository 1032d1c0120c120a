"""The lexer for Pygments: every spec, the grammar's words, code within strings."""

from __future__ import annotations

from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
from pygments.token import Error, Keyword, Name, Number, Operator, String, Whitespace

from addnn_spec.highlighting import NetLexer, in_colour, reserved
from addnn_spec.resources import folder
from addnn_spec.syntax.parse_table import load_table

SAMPLES = Path(__file__).parent / "samples"
LEXER = NetLexer(stripnl=False, ensurenl=False)


def tokens(text: str) -> list[tuple[object, str]]:
    return [(kind, part) for kind, part in LEXER.get_tokens(text) if kind is not Whitespace]


def test_every_spec_is_read_without_an_error_token() -> None:
    files = [*folder("specs").rglob("*.net"), *SAMPLES.rglob("*.net")]
    assert len(files) > 90
    for file in files:
        text = file.read_text(encoding="utf-8")
        found = list(LEXER.get_tokens(text))
        assert "".join(part for _, part in found) == text
        assert not [part for kind, part in found if kind in Error], file


def test_the_reserved_words_are_the_grammar_s() -> None:
    words = set(load_table().keywords)
    assert reserved() == words
    for word in words:
        ((kind, part),) = tokens(word)
        assert part == word and (kind in Keyword or kind in Operator.Word)
    assert tokens("inputs") == [(Name, "inputs")]


def test_what_stands_in_braces_in_a_string_is_code() -> None:
    assert tokens('"layer{i + 1}_{{x}}": Conv2d') == [
        (String, '"'), (String, "layer"), (String.Interpol, "{"), (Name, "i"), (Operator, "+"),
        (Number, "1"), (String.Interpol, "}"), (String, "_"), (String.Escape, "{{"), (String, "x"),
        (String.Escape, "}}"), (String, '"'), (tokens(":")[0][0], ":"), (Name.Class, "Conv2d"),
    ]  # fmt: skip


@pytest.mark.parametrize("text", ['"{', '"a\nnetwork', "§ $", '"{a"', "network", "1..4"])
def test_any_text_is_read_whole(text: str) -> None:
    assert "".join(part for _, part in LEXER.get_tokens(text)) == text


def test_colours_leave_the_text_as_it_is() -> None:
    shown = in_colour("network Net { x = y -> Linear(3) }")
    assert "\x1b[34mnetwork\x1b[39;49;00m " in shown
    import re

    assert re.sub("\x1b\\[[0-9;]*m", "", shown) == "network Net { x = y -> Linear(3) }"


def test_the_entry_point_names_the_lexer() -> None:
    import tomllib

    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]
    point = project["entry-points"]["pygments.lexers"]["addnn"]
    assert EntryPoint("addnn", point, "pygments.lexers").load() is NetLexer
