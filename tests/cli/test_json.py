"""The JSON of every command is an object that its schema in docs/json describes, field by field."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from tests.cli.conftest import ROOT, Addnn

SCHEMAS = ROOT / "docs" / "json"
WRONG = "network N(a = 1) { input x: float[N, 3] output y = x -> Linear(0) -> Linear(bas = 1) }"
SHARED = """network N {
  input x: float[N, T = 5, 8]
  module fc = Linear(8)
  output y = x -> fc -> fc -> Dropout
  output z = y -> Linear(2) when training
}
"""


def valid(text: str, name: str) -> dict[str, Any]:
    schema = json.loads((SCHEMAS / f"{name}.schema.json").read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(schema)
    data: dict[str, Any] = json.loads(text)
    Draft202012Validator(schema).validate(data)
    return data


def test_check_and_what_stops_a_command(addnn: Addnn) -> None:
    assert valid(addnn("check", "LeNet5", "--json").out, "diagnostics")["diagnostics"] == []
    assert valid(addnn("check", "-", "--json", text=WRONG).out, "diagnostics")["diagnostics"]
    for words in (["summary", "LeNet6"], ["summary", "-"], ["diff", "LeNet5", "nowhere.net"]):
        ended = addnn(*words, "--output-format", "json", text=WRONG)
        assert valid(ended.err, "diagnostics")["diagnostics"]


@pytest.mark.parametrize("more", [(), ("--freeze", "fc"), ("--symbolic", "--dtype", "int8")])
def test_summary(addnn: Addnn, more: tuple[str, ...]) -> None:
    found = valid(addnn("summary", "-", "--json", *more, text=SHARED).out, "summary")
    assert ("symbolic" in found) == ("--symbolic" in more)


def test_diff(addnn: Addnn) -> None:
    Path("shared.net").write_text(SHARED)
    assert valid(addnn("diff", "shared.net", "LeNet5", "--json").out, "diff")["nodes"]["added"]
    text = SHARED.replace("T = 5, 8", "T = 5, 4").replace("Linear(8)", "Linear(4)")
    changed = valid(addnn("diff", "shared.net", "-", "--json", text=text).out, "diff")
    assert changed["nodes"]["changed"] and changed["state_dict"]["reshaped"]


def test_list(addnn: Addnn) -> None:
    assert len(valid(addnn("list", "--json").out, "list")["networks"]) > 100


def test_widths(addnn: Addnn) -> None:
    classes = valid(addnn("widths", "LeNet5", "--json").out, "widths")["classes"]
    assert any(one["frozen"] for one in classes) and any(not one["frozen"] for one in classes)


def test_every_schema_is_held() -> None:
    names = {path.name.removesuffix(".schema.json") for path in SCHEMAS.glob("*")}
    elsewhere = {"data-show", "data-clean"}  # tests/datasets/test_commands.py
    elsewhere |= {"rank", "confidence"}  # tests/ranking/test_rank.py
    assert names == {"diagnostics", "summary", "diff", "list", "widths"} | elsewhere


@pytest.mark.parametrize("path", sorted(SCHEMAS.glob("*")), ids=lambda path: path.name)
def test_no_schema_allows_fields_that_it_does_not_name(path: Path) -> None:
    def check(schema: Any) -> None:
        if isinstance(schema, dict):
            if schema.get("type") == "object":
                assert "additionalProperties" in schema, schema
                assert schema["additionalProperties"] not in (True, {}), schema
        for each in schema.values() if isinstance(schema, dict) else schema:
            if isinstance(each, dict | list):
                check(each)

    check(json.loads(path.read_text(encoding="utf-8")))
