"""What the parser makes of texts: trees, places, and never an exception."""

from __future__ import annotations

import gc
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from addnn_spec.diagnostics import Collector
from addnn_spec.diagnostics.render import render_text
from addnn_spec.reading import decode
from addnn_spec.source import Source
from addnn_spec.syntax import ast
from addnn_spec.syntax.node import SyntaxNode
from addnn_spec.syntax.parser import parse
from tests.support import in_time

SAMPLES = sorted((Path(__file__).parents[1] / "samples").rglob("*.net"))


def read(text: str) -> ast.File:
    collector = Collector()
    file = parse(Source("x.net", text), collector)
    collector.raise_errors()
    return file


def value(text: str) -> ast.Expr:
    """What `let a = text` gives."""
    (item,) = read(f"let a = {text}").items
    assert isinstance(item, ast.Let)
    return item.value


def body(text: str) -> ast.Body:
    (item,) = read(f"block A {text}").items
    assert isinstance(item, ast.Block)
    return item.body


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_samples_have_no_errors(path: Path) -> None:
    assert read(path.read_text(encoding="utf-8")).items


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("{}", "empty"),
        ("{ A }", "chain"),
        ("{ a: A }", "chain"),
        ("{ if a { } -> B }", "chain"),
        ("{ repeat 2 { A } }", "chain"),
        ("{ { A } }", "chain"),
        ("{ if a { } }", "lone"),
        ("{ for i in 0..2 { } }", "lone"),
        ("{ if a { } if b { } }", "statements"),
        ("{ return x }", "statements"),
        ("{ a: [N] = x }", "statements"),
    ],
)
def test_kinds_of_body(text: str, kind: str) -> None:
    assert body(text).kind == kind


def shape(node: ast.Expr) -> str:
    """An expression in prefix form, by hand to compare with."""
    match node:
        case ast.Name():
            return node.name
        case ast.Number():
            return node.text
        case ast.Binary():
            return f"({node.op} {shape(node.left)} {shape(node.right)})"
        case ast.Unary():
            return f"({node.op} {shape(node.value)})"
        case ast.Paren():
            return f"[{shape(node.inner)}]"
        case ast.Conditional():
            return f"(if {shape(node.condition)} {shape(node.then)} {shape(node.otherwise)})"
        case ast.Attribute():
            return f"{shape(node.value)}.{node.name}"
    raise AssertionError(node)


@pytest.mark.parametrize(
    ("text", "expected"),
    [  # as Python groups them
        ("a + b * c", "(+ a (* b c))"),
        ("a - b - c", "(- (- a b) c)"),
        ("a / b * c // d", "(// (* (/ a b) c) d)"),
        ("-a ** 2", "(- (** a 2))"),
        ("a ** -b ** c", "(** a (- (** b c)))"),
        ("2 ** 3 ** 4", "(** 2 (** 3 4))"),
        ("not a == b and c or d", "(or (and (not (== a b)) c) d)"),
        ("a not in b", "(not in a b)"),
        ("a @ b + c", "(+ (@ a b) c)"),
        ("- -a", "(- (- a))"),
        ("not not a", "(not (not a))"),
        ("if a then b else if c then d else e", "(if a b (if c d e))"),
        ("if a then b else c + d", "(if a b (+ c d))"),
        ("a.b.c * d", "(* a.b.c d)"),
        ("(a + b) * c", "(* [(+ a b)] c)"),
    ],
)
def test_precedence(text: str, expected: str) -> None:
    assert shape(value(text)) == expected


def test_arrows_bind_loosest() -> None:
    chain = value("if a then b else c + d -> E(1) -> f: { G }")
    assert isinstance(chain, ast.Chain)
    assert isinstance(chain.head, ast.Conditional)
    assert [type(element.core) for element in chain.elements] == [ast.Layer, ast.Body]


def test_layers_with_braces() -> None:
    call = value("F(act = TimeDistributed { A -> B }, G(2) { })")
    assert isinstance(call, ast.Call)
    assert call.args is not None
    first, second = (arg.value for arg in call.args)
    assert isinstance(first, ast.Call)
    assert first.args is None
    assert first.body is not None
    assert first.body.kind == "chain"
    assert isinstance(second, ast.Call)
    assert second.args is not None
    assert second.body is not None


def test_spans() -> None:
    text = 'block A {\n  y = x -> "l{i + 1}": Conv2d(64, bias = a.b[0]) # c\n  return y + x * 2\n}'
    seen = {}
    todo: list[object] = [*read(text).items]
    while todo:
        node = todo.pop()
        for name in type(node).fields if isinstance(node, SyntaxNode) else ():
            part = getattr(node, name)
            if name == "span":
                seen[type(node).__name__, part.text] = part.position
            todo += part if isinstance(part, tuple) else [part]
    assert seen["Binary", "i + 1"] == (2, 15)
    assert seen["Text", '"l{i + 1}"'] == (2, 12)
    assert seen["Element", '"l{i + 1}": Conv2d(64, bias = a.b[0])'] == (2, 12)
    assert seen["Argument", "bias = a.b[0]"] == (2, 35)
    assert seen["Attribute", "a.b"] == (2, 42)
    assert seen["Binary", "y + x * 2"] == (3, 10)
    assert seen["Block", text] == (1, 1)


def test_strings() -> None:
    assert value('"a{i}b"') == ast.Text(("a", value("i"), "b"), value("i").span)
    assert value('"{{{i}}}"') == ast.Text(("{", value("i"), "}"), value("i").span)
    assert value('""') == ast.Text((), value("i").span)
    (item,) = body('{ assert a, "{{no hole}} {i}" }').items
    assert isinstance(item, ast.Assert)
    assert item.message == ast.Text(("{no hole} ", value("i")), value("i").span)


def test_numbers() -> None:
    assert [value(t) for t in ("1", "0.5", "1e3", "999999999999999999")] == [
        ast.Number(number, text, value("i").span)
        for number, text in [(1, "1"), (0.5, "0.5"), (1000.0, "1e3"), (10**18 - 1, "9" * 18)]
    ]


@pytest.mark.parametrize("path", SAMPLES[:5], ids=lambda path: path.stem)
def test_line_ends_and_byte_order_marks_make_no_difference(path: Path) -> None:
    data = path.read_bytes()
    windows = b"\xef\xbb\xbf" + data.replace(b"\n", b"\r\n")
    collector = Collector()
    files = [parse(decode("x.net", one), collector) for one in (data, windows)]
    assert files[0] == files[1]
    assert files[0].comments == files[1].comments
    assert collector.diagnostics == ()


def test_comments_are_kept() -> None:
    file = read("# a\nlet b = 1 # c\n#")
    assert [(c.text, c.span.position) for c in file.comments] == [
        ("# a", (1, 1)), ("# c", (2, 11)), ("#", (3, 1)),
    ]  # fmt: skip


def test_garbage_collection_is_as_before() -> None:
    gc.disable()
    try:
        read("let a = 1")
        assert not gc.isenabled()
    finally:
        gc.enable()
    read("let a = 1")
    assert gc.isenabled()


def test_lark_is_not_imported() -> None:
    program = "import sys, addnn_spec.syntax.printer; sys.exit('lark' in sys.modules)"
    root = Path(__file__).parents[2]
    subprocess.run([sys.executable, "-c", program], check=True, cwd=root)


_PIECES = [
    *"(){}[]:=,.+-*/%@<>!#\"\\;'$&é×\0\n\n  ",
    "->", "..", "**", "==", "block ", "network ", "let ", "if ", "else ", "for ", "in ", "repeat ",
    "return ", "input ", "output ", "fn ", "from ", "import ", "x", "Conv2d", "64", "0.5", "1e",
    "when training", "not ", "and ", "then ", "module ", "parameter ", "assert ", "none",
    '"a{i}"', "\n  y = ",
]  # fmt: skip


def _never_raises(seed: int, count: int) -> None:
    choose = random.Random(seed)
    texts = [path.read_text(encoding="utf-8") for path in SAMPLES]
    for number in range(count):
        if number % 2:
            text = "".join(choose.choices(_PIECES, k=choose.randint(0, 60)))
        else:
            text = choose.choice(texts)
            for _ in range(choose.randint(1, 4)):
                at = choose.randrange(len(text))
                text = text[:at] + choose.choice(_PIECES) + text[at + choose.randint(0, 8) :]
        collector = Collector()
        file = parse(Source("x.net", text), collector)
        assert file.items or collector.has_errors or not text.strip() or "#" in text, text
        for diagnostic in collector.errors:
            assert diagnostic.message, text
        if number % 50 == 0:
            assert len(render_text(collector.diagnostics)) < 100_000


def test_random_texts() -> None:
    _never_raises(seed=1, count=600)


@pytest.mark.slow
def test_many_random_texts() -> None:
    _never_raises(seed=2, count=100_000)


@pytest.mark.parametrize(
    "unit",
    [
        "}",
        *(
            pytest.param(unit, marks=pytest.mark.slow)
            for unit in (
                "let a = b + 1\n",
                "# comment\n",
                "$",
                "(",
                ")",
                '"',
                "block ",
                "x ",
                "let a = (\n",
            )
        ),
    ],
)
def test_a_megabyte_ends_soon(unit: str) -> None:
    """Any 1 MB of text, sound or not: the whole compiler has 5 s at the default limits."""
    text = unit * (1_000_000 // len(unit))
    start = time.process_time()
    parse(Source("x.net", text), Collector())
    assert in_time(time.process_time() - start, 5)


def test_nodes_are_frozen_and_equal_by_what_is_written() -> None:
    (one,), (other,) = read("let a = [1, x]").items, read("let  a = [1,x]  # c").items
    assert one == other
    assert hash(one) == hash(other)
    assert one != read("let a = [2, x]").items[0]
    with pytest.raises(AttributeError, match="frozen"):
        one.span = other.span  # type: ignore[misc]
    with pytest.raises(ValueError, match="shorter"):
        ast.Name("x")  # type: ignore[call-arg]
