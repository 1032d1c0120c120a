"""Nothing that a text says becomes code: emitted source, drawings, JSON are taken apart again."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from addnn_spec.backends.torch_source import torch_source
from addnn_spec.compiler import Session
from addnn_spec.source import Source
from tests.support import seldom
from tests.trust.confined import Confined

MARK = "INJECTED"
PAYLOADS = [
    f'"; import os; {MARK}() #', f"'); {MARK}() #", f'""" + {MARK}() + """', f"\\n{MARK}()\\n",
    f"\\\\\\n{MARK}()", f"{{{{{MARK}()}}}}", f"</svg><script>{MARK}()</script>", f"%s%n {MARK}()",
    f'" ]; {MARK} [label="', f"<b>{MARK}</b>&amp;&lt;", f"${{{MARK}()}}", f"'''+{MARK}()+'''",
    f"\u2028{MARK}()", f"\u0085{MARK}()", f"\x0b{MARK}()", f"\x0c{MARK}()", f"\x1b]0;{MARK}\x07",
    "\\\\", f"\\u000a{MARK}()", f"*/ {MARK}() /*", f"#}}{MARK}{{#", f"\\x0a{MARK}()",
]  # fmt: skip


def quoted(payload: str) -> str:
    """The payload in a string of the language, escaped where it must be."""
    text = payload.replace("\\", "\\\\").replace('"', '\\"').replace("{", "{{").replace("}", "}}")
    return f'"{text}"'


def templates(payload: str) -> dict[str, str]:
    inline = payload.replace("\n", " ")
    body = "output y = x -> Conv2d(4, 1)"
    head = "input x: float[N, 3, H = 8, W = 8]"
    return {
        "comment": f"# {inline}\nnetwork Net {{ {head} # {inline}\n {body} }}",
        "doc": f"# {inline}\nblock B {{ # {inline}\n return x -> c: Conv2d(4, 1) # {inline}\n}}\n"
        f"network Net {{ {head} output y = x -> b: B }}",
        "assert": f"network Net {{ {head} assert H % 2 == 0, {quoted(payload)}\n {body} }}",
        "constant assert": f"network Net {{ {head} assert 1 == 1, {quoted(payload)}\n {body} }}",
        "argument": f"block B(n) {{ return x -> if n == {quoted(payload)} {{ Conv2d(4, 1) }} }}\n"
        f"network Net {{ {head} output y = x -> b: B({quoted(payload)}) }}",
        "label": f"network Net {{ {head} output y = x -> {quoted(payload)}: Conv2d(4, 1) }}",
        "label part": f"network Net {{ {head} output y = x -> a: {{ "
        f"{quoted('a.' + payload)}: Conv2d(4, 1) }} }}",
        "option": f"network Net {{ {head} "
        f"output y = x -> Conv2d(4, 1, padding_mode = {quoted(payload)}) }}",
        "import": f"from {quoted(payload)} import B\nnetwork Net {{ {head} {body} }}",
        "module": f"network Net {{ {head} module m = {quoted(payload)}: Conv2d(4, 1)\n"
        "output y = x -> m }",
    }


CASES = [
    pytest.param(place, payload, id=f"{place}-{number}")
    for number, payload in enumerate(PAYLOADS)
    for place in templates("")
]
CALLS = {"super", "range", "print", "len", "tuple"}


def identifiers(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.keyword | ast.arg):
            yield node.arg or ""
        elif isinstance(node, ast.alias):
            yield node.name


ALLOWED = (
    ast.Module, ast.Import, ast.ImportFrom, ast.alias, ast.ClassDef, ast.FunctionDef, ast.arguments,
    ast.arg, ast.Expr, ast.Call, ast.Name, ast.Attribute, ast.Constant, ast.Assign, ast.AnnAssign,
    ast.Return, ast.keyword, ast.Tuple, ast.Load, ast.Store, ast.BinOp, ast.operator, ast.Subscript,
    ast.If, ast.UnaryOp, ast.unaryop, ast.Compare, ast.cmpop, ast.GeneratorExp, ast.comprehension,
    ast.Starred, ast.List, ast.Dict, ast.For, ast.JoinedStr, ast.FormattedValue, ast.Raise,
    ast.Slice, ast.BoolOp, ast.boolop, ast.IfExp, ast.Assert, ast.ListComp,
)  # fmt: skip
"""All that emitted source for these texts consists of."""


@pytest.mark.parametrize(("place", "payload"), CASES)
def test_no_string_of_a_text_becomes_python(place: str, payload: str) -> None:
    session = Session(Source(f"{payload}.net", templates(payload)[place]))
    graph = session.graph("Net") if session.networks else None
    if graph is None or session.collector.has_errors:
        assert session.collector.has_errors
        return
    for probes in (False, True):
        text = torch_source(session, graph, probes=probes, options=[f"--set a={payload}"]).text
        tree = ast.parse(text)
        assert all(isinstance(node, ALLOWED) for node in ast.walk(tree))
        assert not any(MARK in name for name in identifiers(tree))
        assert all(ord(c) >= 32 or c == "\n" for c in text) and not re.search("[\x7f-\x9f]", text)
        assert "\u2028" not in text and "\u2029" not in text


DRAWN = ("doc", "assert", "argument", "label")


@pytest.mark.parametrize(("place", "payload"), [case for case in CASES if case.values[0] in DRAWN])
def test_a_drawing_has_no_further_elements(
    confined: Confined, tmp_path: Path, place: str, payload: str
) -> None:
    text = templates(payload)[place]
    path = tmp_path / "d.dot"
    outcome = confined.run("draw", "-", "-o", str(path), text=text)
    assert outcome.code in (0, 1, 2) and "Traceback" not in outcome.err
    assert "\x1b" not in outcome.err + outcome.out
    if outcome.code:
        return
    dot = path.read_text(encoding="utf-8")
    bare = re.sub(r'"(?:\\.|[^"\\])*"', '""', dot, flags=re.DOTALL)
    bare = re.sub(r"<<.*?>>", "<>", bare, flags=re.DOTALL)
    assert MARK not in bare


@pytest.mark.parametrize("payload", seldom(PAYLOADS, 2))
def test_json_stays_json(confined: Confined, payload: str) -> None:
    for place in ("doc", "label", "import"):
        text = templates(payload)[place]
        for form in ("json", "sarif"):
            outcome = confined.run("check", "-", "--output-format", form, text=text)
            assert "Traceback" not in outcome.err
            json.loads(outcome.out)
        shown = confined.run("check", "-", "--output-format", "github", text=text).out
        assert all(not line or line.startswith("::") for line in shown.splitlines())


def test_a_drawing_is_well_formed_xml(confined: Confined, tmp_path: Path) -> None:
    path = tmp_path / "d.svg"
    for payload in PAYLOADS[:3]:
        outcome = confined.run(
            "draw", "-", "-o", str(path), "--stdin-filename", payload,
            text=templates(payload)["comment"],
        )  # fmt: skip
        if outcome.code == 0:
            root = ET.fromstring(path.read_text(encoding="utf-8"))
            assert not any(element.tag.endswith("script") for element in root.iter())
