"""The extension of VS Code: what it says of the language is what the grammar says."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from addnn_spec.lsp.configuration import Configuration
from addnn_spec.syntax.parse_table import load_table

FOLDER = Path(__file__).parents[2] / "editors" / "vscode"


def _json(name: str) -> Any:
    return json.loads((FOLDER / name).read_text(encoding="utf-8"))


def test_the_words_of_the_textmate_grammar_are_those_of_the_language() -> None:
    patterns = _json("syntaxes/addnn.tmLanguage.json")["repository"]["keywords"]["patterns"]
    groups = [re.fullmatch(r"\\b\(\?:([a-z|]+)\)\\b", pattern["match"]) for pattern in patterns]
    words = [word for group in groups if group for word in group[1].split("|")]
    assert len(words) == len(set(words))
    assert set(words) == set(load_table().keywords)


def test_the_settings_of_the_extension_are_those_of_the_server() -> None:
    settings = _json("package.json")["contributes"]["configuration"]["properties"]
    known = {name.removeprefix("addnn.") for name in settings} - {"path"}
    assert known == set(Configuration.__dataclass_fields__)
    assert all(settings[f"addnn.{name}"]["default"] is None for name in known)


def test_the_snippets_are_specs() -> None:
    from addnn_spec.diagnostics import Collector
    from addnn_spec.source import Source
    from addnn_spec.syntax.parser import parse

    for snippet in _json("snippets/addnn.json").values():
        body = snippet["body"]
        text = "\n".join(body) if isinstance(body, list) else body
        text = re.sub(r"\$\{\d+:([^{}]*)\}", r"\1", text).replace("$0", "ReLU")
        text = re.sub(r"\$\d", "a", text)
        if not text.startswith(("network", "block", "from")):
            text = f"block B {{ return x -> {text} }}"
        collector = Collector()
        parse(Source("snippet.net", text), collector)
        assert not collector.has_errors, text
