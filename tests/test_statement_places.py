"""Every kind of statement, and of expression, is known at each place that asks for its kind.

CONTRIBUTING lists the places. A kind that one of them lacks fails here, under the place's name.
"""

from __future__ import annotations

from typing import Any, NamedTuple, get_args

import pytest

from addnn_spec.backends.torch_code.readings import BlockText
from addnn_spec.backends.torch_code.translation import Functions, Translator
from addnn_spec.compiler import _SHAPING
from addnn_spec.diagnostics import Collector
from addnn_spec.elaborate.item_names import Survey
from addnn_spec.elaborate.loop_cost import Forecast
from addnn_spec.elaborate.rules import RULES, begin
from addnn_spec.elaborate.scope import Env
from addnn_spec.elaborate.statements import _RUN
from addnn_spec.limits import Limits
from addnn_spec.lsp.symbols import NameTable
from addnn_spec.source import Source
from addnn_spec.syntax import ast
from addnn_spec.syntax.bindings import Bindings
from addnn_spec.syntax.parser import parse
from addnn_spec.syntax.walk import walk
from addnn_spec.values import Definition
from tests.support import codes


class Example(NamedTuple):
    """A statement of a kind, and what it should be known for."""

    text: str
    gives: tuple[str, ...] = ()
    work: int = 0
    """The nodes that a turn makes at least which has it."""


STATEMENTS: dict[type, Example] = {
    ast.Let: Example("let a, (b, c) = (1, (2, 3))", ("a", "b", "c")),
    ast.Bind: Example("a, b = (x -> ReLU, x -> GELU)", ("a", "b"), work=2),
    ast.Typed: Example("a: [2, 3] = x -> ReLU", ("a",), work=1),
    ast.Return: Example("return x -> ReLU", work=1),
    ast.Input: Example("input a: float[2, 3]", ("a",)),
    ast.Output: Example("output a = x -> ReLU", ("a",), work=1),
    ast.Module: Example("module a = m: ReLU", ("a",)),
    ast.Parameter: Example('parameter a = "w.a": [2, 3]', ("a",)),
    ast.Buffer: Example("buffer a: float[3] = [1, 2, 3]", ("a",)),
    ast.If: Example("if k > 2 { a = x -> ReLU }", ("a",)),
    ast.For: Example("for i in 0..2 { a = x -> ReLU }", ("i", "a"), work=2),
    ast.Assert: Example('assert k > 2, "too few"'),
}

EXPRESSIONS: dict[type, str] = {
    ast.Name: "k",
    ast.Number: "3",
    ast.Text: '"a"',
    ast.Constant: "true",
    ast.ListExpr: "[k, 3]",
    ast.TupleExpr: "(k, 3)",
    ast.Paren: "(k)",
    ast.Comprehension: "[i for i in [k, 3]]",
    ast.Range: "[i for i in 0..k]",
    ast.Attribute: "x.features",
    ast.Subscript: "x.shape[1]",
    ast.Call: "max(k, 3)",
    ast.Unary: "-k",
    ast.Binary: "k + 3",
    ast.Conditional: "if k > 2 then 3 else 4",
    ast.Chain: "x -> ReLU",
}
_PYTHON = sorted({*EXPRESSIONS} - {ast.Chain}, key=lambda kind: kind.__name__)
"""What is written in Python; a chain makes nodes, and is drafted."""


def _file(body: str) -> ast.File:
    collector = Collector()
    found = parse(Source("test.net", f"block Own(k) {{\n{body}\nreturn x\n}}"), collector)
    assert not collector.diagnostics, [d.message for d in collector.diagnostics]
    return found


def _block(body: str) -> ast.Block:
    (block,) = _file(body).items
    assert isinstance(block, ast.Block)
    return block


def test_there_is_an_example_of_each_kind() -> None:
    """Who adds a kind adds an example: so all tests here ask for it."""
    assert set(STATEMENTS) == set(get_args(ast.Statement)), "STATEMENTS of this test"
    assert set(EXPRESSIONS) == set(get_args(ast.Expr)), "EXPRESSIONS of this test"
    for kind, example in STATEMENTS.items():
        assert type(_block(example.text).body.items[0]) is kind


def test_each_statement_is_run() -> None:
    assert set(_RUN) >= set(STATEMENTS), "_RUN in elaborate/statements.py"


def test_each_expression_is_evaluated() -> None:
    """A range stands in the header of a loop only, and is no value."""
    known = set(RULES.expressions)
    assert known >= {*EXPRESSIONS} - {ast.Range}, "expressions in elaborate/rules.py"


@pytest.mark.parametrize("kind", STATEMENTS)
def test_its_names_are_found(kind: type) -> None:
    example = STATEMENTS[kind]
    file = _file(example.text)
    (block,) = file.items
    assert isinstance(block, ast.Block)
    after = block.span.source.text.rindex("return")
    own = {"k", "x"}
    assert Survey(block).names == {"k", *example.gives}, "_KINDS in elaborate/item_names.py"
    given = {symbol.name for symbol in NameTable(file).visible(after) if symbol.body is block}
    assert given - own == set(example.gives), "lsp/symbols.py"
    bound = {name for name in example.gives if Bindings(block).at(name, after)}
    assert bound == set(example.gives), "syntax/bindings.py"


@pytest.mark.parametrize("kind", STATEMENTS)
def test_what_it_reads_is_found(kind: type) -> None:
    """A name that is wrong is told once, and leads somewhere in the editor."""
    example = STATEMENTS[kind]
    for old, new in (
        ("x ->", "other ->"),
        ("k >", "other >"),
        ("3]", "2 * other]"),
        ("m: ReLU", "m: other"),
    ):
        text = example.text.replace(old, new)
        if text != example.text:
            table = NameTable(_file(text))
            assert "other" in table.free.values(), "lsp/symbols.py"
            return
    assert kind is ast.Let


@pytest.mark.parametrize("outer", ["if 1 / 0 > k {{ {} }}", "for i in 0..(1 / 0) {{ {} }}"])
@pytest.mark.parametrize("kind", [kind for kind in STATEMENTS if STATEMENTS[kind].gives])
def test_what_a_failed_arm_gives_is_not_told_of_again(kind: type, outer: str) -> None:
    if kind in (ast.Input, ast.Output):
        return  # they stand in no arm
    name = STATEMENTS[kind].gives[-1]
    read = f"x -> {name}" if kind is ast.Module else f"(x, {name}) -> Add"
    text = (
        f"block Own(k) {{\n{outer.format(STATEMENTS[kind].text)}\nreturn {read}\n}}\n"
        "network Net { input x: float[2, 3] output y = x -> Own(3) }"
    )
    errors = [code for code in codes(text) if code.startswith("E")]
    assert errors == ["E0213"], "_recover in elaborate/statements.py, by names_given"


@pytest.mark.parametrize("kind", STATEMENTS)
def test_what_a_loop_of_it_takes_is_reckoned(kind: type) -> None:
    example = STATEMENTS[kind]
    loop = _block(f"for j in 0..9 {{\n{example.text}\n}}").body.items[0]
    assert isinstance(loop, ast.For)
    turn = Forecast(loop, Env(), begin(Collector(), Limits())).turn()
    assert turn.nodes == example.work, "_statement in elaborate/loop_cost.py"


def _fields(kind: Any) -> dict[str, str]:
    return {name: str(found) for name, found in kind.__annotations__.items()}


@pytest.mark.parametrize("kind", STATEMENTS)
def test_what_holds_statements_is_known_as_such(kind: type) -> None:
    """A kind with a body decides what a network is made of, and is said in emitted code."""
    if not any("Body" in found for found in _fields(kind).values()):
        return
    assert kind in _SHAPING, "_SHAPING in compiler.py"
    block = _block(STATEMENTS[kind].text)
    inner = next(node for node in walk(block.body.items[0]) if isinstance(node, ast.Chain))
    text = BlockText(Definition(block, Env()), {"x": 2}, Functions())
    around = [*text.conditions(inner.span), *text.loops(inner.span)]
    assert around, "_around or loops in backends/torch_code/readings.py"


@pytest.mark.parametrize("kind", _PYTHON)
def test_each_expression_is_written_in_python(kind: type) -> None:
    block = _block(f"let a = {EXPRESSIONS[kind]}")
    let = block.body.items[0]
    assert isinstance(let, ast.Let)
    assert kind in map(type, walk(let.value))
    text = BlockText(Definition(block, Env()), {"x": 2}, Functions())
    found = Translator(text, "/").translate(let.value)
    assert found is not None, "_RULES in backends/torch_code/translation.py"
