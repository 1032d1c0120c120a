"""What gives a name at a place of a text; each answer is read off the text by hand."""

from __future__ import annotations

import pytest

from addnn_spec.diagnostics import Collector
from addnn_spec.source import Source
from addnn_spec.syntax import ast
from addnn_spec.syntax.bindings import Bindings
from addnn_spec.syntax.parser import parse

CASES = {
    "a parameter": ("return x -> Linear(@w)", ["w"]),
    "a let hides a parameter": ("let w = 8\n return x -> Linear(@w)", ["let w = 8"]),
    "a let reads what was before it": ("let w = 2 * @w\n return x", ["w"]),
    "the last let counts": (
        "let w = 8\n let w = 9\n return x -> Linear(@w)",
        ["let w = 9"],
    ),
    "equal lets are two": ("let w = 8\n y = x -> Linear(@w)\n let w = 8\n return y", ["let w = 8"]),
    "a let in a brace": (
        "let w = 8\n return x -> { let w = 9\n return x -> Linear(@w) }",
        ["let w = 9"],
    ),
    "a brace keeps its names": (
        "let w = 8\n return x -> { let w = 9\n return x -> Linear(w) } -> Linear(@w)",
        ["let w = 8"],
    ),
    "a brace reads what is around it": ("let w = 8\n return x -> { Linear(@w) }", ["let w = 8"]),
    "an arm's own let": (
        "if deep { let w = 8\n x = x -> Linear(@w) }\n return x",
        ["let w = 8"],
    ),
    "an arm that may not run": (
        "if deep { let w = 8 }\n return x -> Linear(@w)",
        ["let w = 8", "w"],
    ),
    "one of two arms": (
        "if deep { let w = 8 } else { let w = 9 }\n return x -> Linear(@w)",
        ["let w = 9", "let w = 8", "w"],
    ),
    "after an arm, given anew": (
        "if deep { let w = 8 }\n let w = 9\n return x -> Linear(@w)",
        ["let w = 9"],
    ),
    "the other arm": (
        "if deep { let w = 8 } else { x = x -> Linear(@w) }\n return x",
        ["w"],
    ),
    "an arm within an arm": (
        "if deep { if deep { let w = 8 } } else { x = x -> Linear(@w) }\n return x",
        ["w"],
    ),
    "after an arm within an arm": (
        "if deep { if deep { let w = 8 }\n x = x -> Linear(@w) }\n return x",
        ["let w = 8", "w"],
    ),
    "a loop's name": ("for w in [8, 9] { x = x -> Linear(@w) }\n return x", ["for w in [8, 9]"]),
    "what a loop goes through": ("for w in [@w, 9] { x = x -> Linear(w) }\n return x", ["w"]),
    "a loop's name outlives it": (
        "for w in [8, 9] { x = x -> ReLU }\n return x -> Linear(@w)",
        ["for w in [8, 9]", "w"],
    ),
    "the turn before": (
        "for i in 0..2 { let w = 2 * @w\n x = x -> Linear(w) }\n return x",
        ["let w = 2 * w", "w"],
    ),
    "a let of the same turn": (
        "for i in 0..2 { let w = 8\n x = x -> Linear(@w)\n let w = 9 }\n return x",
        ["let w = 8"],
    ),
    "a brace in a loop": (
        "for i in 0..2 { x = x -> { let w = 8\n return x -> Linear(w) } -> Linear(@w) }\n return x",
        ["w"],
    ),
    "a loop of a chain keeps its names": (
        "return x -> for w in [8, 9] { Linear(w) } -> Linear(@w)",
        ["w"],
    ),
    "a loop of a chain": ("return x -> for w in [8, 9] { Linear(@w) }", ["for w in [8, 9]"]),
    "a lone loop in a brace is one of a chain": (
        "return x -> { for w in [8, 9] { Linear(@w) } }",
        ["for w in [8, 9]"],
    ),
    "a repeat's number": ("return x -> repeat 2 as w { Linear(@w) }", ["repeat 2 as w"]),
    "a repeat's count": ("return x -> repeat @w as w { Linear(w) }", ["w"]),
    "an item of a comprehension": ("let n = [@w for w in [8, 9]]\n return x", ["for w in [8, 9]"]),
    "a comprehension's list": ("let n = [w for w in [@w, 9]]\n return x", ["w"]),
    "a comprehension's condition": (
        "let n = [w for w in [8, 9] if @w > 8]\n return x",
        ["for w in [8, 9] if w > 8"],
    ),
    "a name for an item's": (
        "let n = [@w for w in [[8], [9]] for w in w]\n return x",
        ["for w in w"],
    ),
    "a comprehension's second list": (
        "let n = [w for w in [[8], [9]] for w in @w]\n return x",
        ["for w in [[8], [9]]"],
    ),
    "after a comprehension": ("let n = [w for w in [8]]\n return x -> Linear(@w)", ["w"]),
    "a tensor": ("w = x -> ReLU\n return @w", ["w = x -> ReLU"]),
    "a brace in a layer's argument": (
        "return x -> TimeDistributed { let w = 8\n return x -> Linear(@w) }",
        ["let w = 8"],
    ),
    "a weight": ("parameter w: [8]\n return x + @w", ["parameter w: [8]"]),
    "nothing": ("return x -> Linear(@v)", []),
}


@pytest.mark.parametrize(("text", "expected"), CASES.values(), ids=CASES)
def test_what_gives_a_name(text: str, expected: list[str]) -> None:
    whole = f"block B(w, deep = true) {{\n {text}\n}}\n"
    place = whole.index("@")
    collector = Collector()
    file = parse(Source("x.net", whole.replace("@", "")), collector)
    collector.raise_errors()
    (block,) = file.items
    assert isinstance(block, ast.Block)
    name = whole[place + 1]
    found = Bindings(block).at(name, place)
    assert [one.span.text.partition(" {")[0] for one in found] == expected


def test_an_input() -> None:
    file = parse(Source("x.net", "block B(w)(a, b) { return a + b }"), Collector())
    (block,) = file.items
    assert isinstance(block, ast.Block)
    (found,) = Bindings(block).at("b", block.span.end - 3)
    assert isinstance(found, ast.Param)
    assert found.name == "b"
