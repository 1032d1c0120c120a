"""Syntax errors: what is said, where, how often; each golden text was read by a person."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from addnn_spec.codes import CODES
from addnn_spec.diagnostics import Collector, Diagnostic
from addnn_spec.diagnostics.render import render_text
from addnn_spec.source import Source
from addnn_spec.syntax import ast
from addnn_spec.syntax.parser import parse
from tests.goldens import Golden
from tests.support import seldom

ERRORS = Path(__file__).parents[1] / "errors" / "syntax"


def found(text: str) -> tuple[Diagnostic, ...]:
    collector = Collector()
    parse(Source("x.net", text), collector)
    return collector.diagnostics


def names(text: str) -> list[str]:
    """The items that are read from a faulty text."""
    items = parse(Source("x.net", text), Collector()).items
    return [item.name for item in items if isinstance(item, ast.Block | ast.Network | ast.Fn)]


@pytest.mark.parametrize("path", sorted(ERRORS.glob("*.net")), ids=lambda path: path.stem)
def test_message(path: Path, golden: Golden) -> None:
    collector = Collector()
    parse(Source(path.name, path.read_text(encoding="utf-8")), collector)
    golden.check(path.with_suffix(".txt"), render_text(collector.diagnostics))
    assert {d.code for d in collector.diagnostics} <= set(CODES)


def test_messages_do_not_depend_on_the_hash_seed() -> None:
    program = (
        "import sys, pathlib\n"
        "from addnn_spec.source import Source\n"
        "from addnn_spec.diagnostics import Collector\n"
        "from addnn_spec.diagnostics.render import render_text\n"
        "from addnn_spec.syntax.parser import parse\n"
        "for path in sorted(pathlib.Path(sys.argv[1]).glob('*.net')):\n"
        "    collector = Collector()\n"
        "    parse(Source(path.name, path.read_text(encoding='utf-8')), collector)\n"
        "    sys.stdout.buffer.write(render_text(collector.diagnostics).encode())\n"
    )
    expected = b"".join(path.read_bytes() for path in sorted(ERRORS.glob("*.txt")))
    for seed in ("0", "1", "4711"):
        run = subprocess.run(
            [sys.executable, "-c", program, str(ERRORS)],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(ERRORS.parents[2])},
            capture_output=True,
            check=True,
        )
        assert run.stdout == expected


def test_one_mistake_is_one_error_and_the_rest_is_read() -> None:
    sound = "block B{} {{ y = x -> Conv2d(64, 3)\n  return y }}\n"
    faulty = "block F{} {{ y = x -> Conv2d(64 % , 3)\n  return y }}\n"
    text = "".join((faulty if i % 10 == 5 else sound).format(i) for i in range(100))
    assert len(found(text)) == 10
    assert len(names(text)) == 100


@pytest.mark.parametrize(
    ("text", "count"),
    [("(" * 101, 1), ("[" * 1000, 1), ("{" * 10**6, 1), ("f(" * 5000, 1), ("- " * 10**5, 1)],
)
def test_too_deep_brackets(text: str, count: int) -> None:
    assert [d.code for d in found(f"let a = {text}")] == ["E0502"] * count


@pytest.mark.parametrize("opening", ["(", "[", "f(", "-", "not ", "1 ** ", "if a then 1 else "])
def test_nesting_limit(opening: str) -> None:
    closing = {"(": ")", "[": "]", "f(": ")"}.get(opening, "")

    def codes(depth: int) -> list[str]:
        return [d.code for d in found(f"let a = {opening * depth}1{closing * depth}")]

    assert codes(99) == []
    assert codes(100) == []
    assert codes(101) == ["E0502"]


def test_nesting_of_bodies_and_else_if() -> None:
    def nested(depth: int) -> str:
        return "block A " + "{ a: " * depth + "{}" + "}" * depth

    def else_if(count: int) -> str:
        return f"block A {{ if a {{ }} {'else if b { } ' * count} return x }}"

    assert found(nested(98)) == ()
    assert [d.code for d in found(nested(101))] == ["E0502"]
    assert found(else_if(90)) == ()
    assert [d.code for d in found(else_if(200))] == ["E0502"]


def test_brackets_in_strings_and_comments_do_not_nest() -> None:
    assert found('let a = "' + "(" * 500 + '"  # ' + "{" * 500) == ()


@pytest.mark.parametrize("sign", seldom(["+", "*", "and", "or", "@"], 4))
def test_long_chains_of_operators(sign: str) -> None:
    assert found("let a = " + f" {sign} ".join(["b"] * 200)) == ()
    assert [d.code for d in found("let a = " + f" {sign} ".join(["b"] * 201))] == ["E0502"]
    assert [d.code for d in found("let a = " + f" {sign} ".join(["b"] * 10**5))] == ["E0502"]


def test_long_chains_of_attributes_and_elements() -> None:
    assert [d.code for d in found("let a = b" + ".c" * 201)] == ["E0502"]
    assert found("block A { return x" + " -> ReLU" * 10**4 + " }") == ()


def test_gives_up_after_fifty_errors() -> None:
    codes = [d.code for d in found("let = \n" * 1000)]
    assert len(codes) == 51
    assert codes[-1] == "E0015"


def test_rubbish_is_reported_once_per_character_up_to_the_limit() -> None:
    assert len(found("$" * 10**5)) == 51


def test_carriage_returns_and_nul_are_refused() -> None:
    assert [d.code for d in found("let a = 1 # c\r let b = 2")] == ["E0002"]
    assert [d.code for d in found("let a\0 = 1")] == ["E0002"]
