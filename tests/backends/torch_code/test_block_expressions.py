"""Each expression of the language at each place of a block: the class says it, and means it.

A block reads its parameter `p` in an expression: as an argument of a layer, in a `let` that is read
twice, in a condition, among the values of a buffer, as an argument of another block, in `forward`.
Its uses give `p` two values, or both the same one; and then the class is asked for a third, which
no use gives. It must be what the spec with the third value is.
"""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from addnn_spec.backends.torch_code import emit
from addnn_spec.compiler import Session
from addnn_spec.graph import Graph
from addnn_spec.passes.state_dict import weights_of
from addnn_spec.runtime.build import import_source
from addnn_spec.sizes import defaults
from addnn_spec.source import Source
from tests.interpreter import evaluate


class Form(NamedTuple):
    """An expression of `p`, and the arguments that uses give: two, and one that none gives."""

    expr: str
    given: tuple[str, str, str]
    least: str = ""
    """In a condition the value is compared with it: for one of the first two it is not above."""


class Kind(NamedTuple):
    """What an expression gives: the forms of it, and the bodies of blocks that read it as `E`."""

    input: str
    places: dict[str, str]
    forms: dict[str, Form]


FILE = """
let base = 2
let table = [7, 4, 5]
let rows = [[1, 2], [2, 1], [3, 1]]
fn doubled(v) = 2 * v
fn rounded(v, by = 4) = max(by, int(v + by / 2) // by * by)
fn total(ws) = sum([w for w in ws])
fn pair(v) = [v, v + 1]
fn scaled(v, by = 0.5) = v * by
fn large(v) = v > 4
block Wide(q) { return x -> l: Linear(q) -> m: Linear(2) }
block Leaky(q) { return x -> l: Linear(2) -> m: LeakyReLU(q) }
block Biased(q) { return x -> l: Linear(2, bias = q) }
block Window(q) { return x -> c: Conv2d(2, q) -> if q == [3, 4] { d: Conv2d(2, 1) } }
"""
"""What the expressions read besides, and the blocks that are given them."""

_INTS = ("3", "5", "8")
_PAIRS = ("[2, 7]", "[4, 3]", "[5, 9]")
_LISTS = ("[2, 3]", "[4, 2, 1, 3]", "[6, 2, 5]")
_WORDS = ('"a"', '"bcd"', '"ef"')
_FLAGS = ("true", "false", "true")
_FLOATS = ("0.5", "0.25", "2.5")

SIZES = Kind(
    "float[N, 8]",
    {
        "layer": "return x -> l: Linear(E) -> m: Linear(3)",
        "let": "let v = E return x -> l: Linear(v) -> m: Linear(v + 1)",
        "condition": "return x -> if (E) > LEAST { l: Linear(3) }",
        "buffer": "buffer b: int[2] = [E, 1] y = x -> l: Linear(2) return y * b",
        "block": "return x -> i: Wide(E)",
        "forward": "y = x -> l: Linear(2 * (E)) return y -> Reshape(-1, E, 2)",
    },
    {
        "name": Form("p", _INTS, "3"),
        "product": Form("3 * p", _INTS, "9"),
        "sum": Form("p + 2", _INTS, "5"),
        "difference": Form("p - 1", _INTS, "2"),
        "sign": Form("-p + 20", _INTS, "15"),
        "whole division": Form("p * 7 // 2", _INTS, "10"),
        "remainder": Form("p % 4 + 2", _INTS, "3"),
        "power": Form("p ** 2", _INTS, "9"),
        "division": Form("int(p / 2) + 1", _INTS, "2"),
        "parentheses": Form("(p + 1) * 2", _INTS, "8"),
        "conditional": Form("if p > 4 then p else 2 * p", _INTS, "5"),
        "and": Form("if p > 4 and p < 8 then 2 else p", _INTS, "2"),
        "or": Form("if p < 4 or p == 8 then 2 else p", _INTS, "2"),
        "not": Form("if not p == 3 then 2 else p", _INTS, "2"),
        "unequal": Form("if p != 3 then 2 else p", _INTS, "2"),
        "in a list": Form("if p in [3, 8] then 2 else p", _INTS, "2"),
        "not in a list": Form("if p not in [3, 9] then 2 else p", _INTS, "2"),
        "in a range": Form("if p in range(4) then 2 else p", _INTS, "2"),
        "item of a list": Form("[p, 1][0]", _INTS, "3"),
        "item by the parameter": Form("[7, 4, 9][p % 3]", _INTS, "7"),
        "item of a parameter": Form("p[0] + 1", _PAIRS, "3"),
        "last item": Form("p[-1]", _PAIRS, "3"),
        "item of a part": Form("p[1:][0]", _PAIRS, "3"),
        "item from the end": Form("p[::-1][0]", _PAIRS, "3"),
        "length of a part": Form("len(p[1:]) + 1", _LISTS, "2"),
        "sum of a part": Form("sum(p[:2])", _LISTS, "5"),
        "part up to": Form("sum(p[: p[0]])", ("[1, 3]", "[2, 4]", "[1, 5]"), "1"),
        "length": Form("len(p)", _LISTS, "2"),
        "length of a string": Form("len(p)", _WORDS, "1"),
        "sum of a list": Form("sum(p)", _LISTS, "5"),
        "sum of items": Form("sum([p, 2, 1])", _INTS, "6"),
        "sum of a comprehension": Form("sum([2 * w for w in p])", _LISTS, "10"),
        "sum of a range": Form("sum(range(p))", _INTS, "3"),
        "sum under a condition": Form("sum([w for w in p if w > 1])", _LISTS, "5"),
        "two clauses": Form("sum([a * b for a in p for b in p])", _PAIRS, "49"),
        "list in a list": Form("sum([sum([a * b for a in p]) for b in p])", _PAIRS, "49"),
        "to and not with": Form("sum([i for i in 0..p])", _INTS, "3"),
        "least of two": Form("min(p, 4)", _INTS, "3"),
        "greatest of two": Form("max(p, 4)", _INTS, "4"),
        "least of a list": Form("min(p)", _PAIRS, "2"),
        "greatest of a list": Form("max(p)", _PAIRS, "4"),
        "zip": Form("sum([a * b for a, b in zip(p, [1, 2])])", _PAIRS, "10"),
        "length of a zip": Form("len(zip(p, p)) + 1", _LISTS, "3"),
        "enumerate": Form("sum([i * w for i, w in enumerate(p, 1)])", _PAIRS, "10"),
        "enumerated zip": Form("sum([i * a * b for i, (a, b) in enumerate(zip(p, p))])",
                               _PAIRS, "9"),
        "reversed": Form("reversed(p)[0]", _PAIRS, "3"),
        "enumerate reversed": Form("sum([i * w for i, w in enumerate(reversed(p))])", _PAIRS, "2"),
        "linspace": Form("int(linspace(1, p, 3)[1])", _INTS, "2"),
        "absolute": Form("abs(2 - p)", _INTS, "1"),
        "round": Form("round(p * 1.3)", _INTS, "4"),
        "floor": Form("floor(p / 2)", _INTS, "1"),
        "ceil": Form("ceil(p / 2)", _INTS, "2"),
        "int": Form("int(p * 1.7)", _INTS, "5"),
        "root": Form("int(sqrt(p)) + 1", ("4", "9", "17"), "3"),
        "logarithm": Form("int(log(p)) + 1", ("3", "9", "60"), "2"),
        "binary logarithm": Form("int(log2(p))", ("2", "5", "8"), "1"),
        "float": Form("int(float(p) / 2) + 1", _INTS, "2"),
        "function": Form("rounded(p)", ("3", "7", "11"), "4"),
        "function with a keyword": Form("rounded(p, by = 3)", _INTS, "3"),
        "function of a function": Form("rounded(doubled(p))", _INTS, "8"),
        "function of a list": Form("total(p)", _PAIRS, "7"),
        "function of a comprehension": Form("total([w + 1 for w in p])", _PAIRS, "9"),
        "item of a function": Form("pair(p)[1]", _INTS, "4"),
        "constant of the file": Form("base * p", _INTS, "6"),
        "item of the file's list": Form("table[p % 3]", _INTS, "5"),
        "item of the file's rows": Form("rows[p][0]", ("0", "1", "2"), "1"),
        "size of the input": Form("x.features + p", _INTS, "11"),
        "size by its place": Form("x.shape[-1] + p", _INTS, "11"),
        "size in a list": Form("[x.shape[1], p][1]", _INTS, "3"),
        "size in a function": Form("rounded(x.features + p)", ("3", "7", "11"), "12"),
        "flag": Form("if p then 3 else 5", _FLAGS, "3"),
        "flag is false": Form("if p == false then 3 else 5", _FLAGS, "3"),
        "string": Form('if p == "a" then 3 else 5', _WORDS, "3"),
        "joined strings": Form('len(p + "xy")', _WORDS, "3"),
        "string with a hole": Form('len("a{p}")', _WORDS, "2"),
        "list repeated": Form("len([0] * p)", _INTS, "3"),
        "lists joined": Form("sum(p + [1])", _PAIRS, "8"),
        "comprehension joined": Form("sum([2 * w for w in p] + [1])", _PAIRS, "15"),
        "lists compared": Form("if p == [2, 7] then 3 else p[0]", _PAIRS, "3"),
        "comprehension compared": Form("if [2 * w for w in p] == [4, 14] then 3 else p[0]",
                                       _PAIRS, "3"),
        "range compared": Form("if range(p) == [0, 1, 2] then 3 else p", _INTS, "3"),
        "list of lists": Form("p[1][0]", ("[[1], [2]]", "[[3], [4]]", "[[5], [6]]"), "2"),
        "none": Form("if p == none then 3 else p", ("5", "none", "8"), "3"),
        "no none": Form("if p != none then p else 3", ("5", "none", "8"), "3"),
    },
)  # fmt: skip

FLOATS = Kind(
    "float[N, 8]",
    {
        "layer": "return x -> l: Linear(4) -> m: LeakyReLU(E)",
        "let": "let v = E return x -> l: Linear(4) -> m: LeakyReLU(v) -> ELU(v + 0.5)",
        "condition": "return x -> if (E) > LEAST { l: Linear(3) }",
        "buffer": "buffer b: float[2] = [E, 1] y = x -> l: Linear(2) return y * b",
        "block": "return x -> i: Leaky(E)",
        "forward": "y = x -> l: Linear(2) return y * (E)",
    },
    {
        "name": Form("p", _FLOATS, "0.25"),
        "product": Form("0.1 * p", _FLOATS, "0.03"),
        "division": Form("p / 2", _INTS, "1.5"),
        "exact division": Form("12 * p / 4", _INTS, "9"),
        "part of one": Form("1 / p", _INTS, "0.2"),
        "whole division": Form("p // 0.2", _FLOATS, "1"),
        "remainder": Form("p % 0.3", _FLOATS, "0.21"),
        "power": Form("p ** 0.5", _INTS, "2"),
        "negative power": Form("2 ** -p", _INTS, "0.1"),
        "root": Form("1 / sqrt(p)", _INTS, "0.5"),
        "logarithm": Form("log(p)", _INTS, "1.2"),
        "rounded": Form("round(p * 10) / 10", ("0.32", "0.11", "0.77"), "0.2"),
        "of two": Form("max(p, 0.3)", _FLOATS, "0.3"),
        "last of linspace": Form("linspace(0, p, 5)[-1]", _FLOATS, "0.25"),
        "item of linspace": Form("linspace(0.1, p, 5)[2]", _FLOATS, "0.2"),
        "as many of linspace": Form("linspace(0, 1, p)[1]", ("3", "5", "9"), "0.25"),
        "schedule": Form("[0.1 * i for i in range(p)][p - 1]", ("3", "4", "5"), "0.2"),
        "function": Form("scaled(p)", _FLOATS, "0.2"),
        "function with a keyword": Form("scaled(p, by = 3)", _FLOATS, "0.9"),
        "conditional": Form("if p > 4 then 0.5 else 0.25", _INTS, "0.3"),
        "none": Form("if p == none then 0.25 else p", ("0.5", "none", "2.5"), "0.3"),
    },
)

TRUTHS = Kind(
    "float[N, 8]",
    {
        "layer": "return x -> l: Linear(3, bias = E)",
        "let": "let v = E return x -> l: Linear(3, bias = v) -> m: Linear(2, bias = v)",
        "condition": "return x -> if (E) { l: Linear(3) }",
        "buffer": "buffer b: bool[2] = [E, true] y = x -> l: Linear(2) return y * b",
        "block": "return x -> i: Biased(E)",
        "forward": "y = x -> l: Linear(2) return if (E) then y else (y * 2)",
    },
    {
        "name": Form("p", _FLAGS),
        "not": Form("not p", _FLAGS),
        "greater": Form("p > 4", _INTS),
        "equal": Form("p == 3", _INTS),
        "equal strings": Form('p == "a"', _WORDS),
        "equal lists": Form("p == [2, 7]", _PAIRS),
        "is none": Form("p == none", ("none", "3", "4")),
        "is not none": Form("p != none", ("none", "3", "4")),
        "in": Form("p in [3, 8]", _INTS),
        "not in": Form("p not in [3, 8]", _INTS),
        "in a string": Form('p in "abc"', _WORDS),
        "and": Form("p > 2 and p < 4", _INTS),
        "or": Form("p < 4 or p == 8", _INTS),
        "even": Form("p % 2 == 0", ("2", "3", "8")),
        "long": Form("len(p) > 2", _LISTS),
        "function": Form("large(p)", _INTS),
        "conditional": Form("if p > 4 then true else p == 3", ("5", "4", "3")),
        "there": Form("p == none or p > 4", ("none", "3", "8")),
    },
)

WINDOWS = Kind(
    "float[N, 1, 24, 24]",
    {
        "layer": "return x -> c: Conv2d(2, E)",
        "let": "let v = E return x -> c: Conv2d(2, v) -> d: Conv2d(1, v)",
        "condition": "return x -> if (E) == LEAST { c: Conv2d(2, 1) }",
        "buffer": "buffer b: float[2] = E y = x -> c: Conv2d(2, 23) return y * b",
        "block": "return x -> i: Window(E)",
        "forward": "return x -> c: Conv2d(2, 1) -> AvgPool2d(E)",
    },
    {
        "name": Form("p", ("[2, 3]", "[3, 4]", "[4, 1]"), "[2, 3]"),
        "item": Form("[p, 2]", _INTS, "[3, 2]"),
        "items": Form("[p, p + 1]", _INTS, "[3, 4]"),
        "repeated": Form("[p] * 2", _INTS, "[3, 3]"),
        "joined": Form("[p] + [2]", _INTS, "[3, 2]"),
        "list joined": Form("p + [2]", ("[3]", "[5]", "[4]"), "[3, 2]"),
        "comprehension": Form("[p + k for k in [0, 1]]", _INTS, "[3, 4]"),
        "of a list": Form("[w + 1 for w in p]", ("[2, 3]", "[3, 4]", "[4, 1]"), "[3, 4]"),
        "comprehension joined": Form("[k * p for k in [1]] + [2]", _INTS, "[3, 2]"),
        "part": Form("p[:2]", ("[2, 3, 1]", "[3, 4, 1]", "[4, 1, 1]"), "[2, 3]"),
        "reversed": Form("reversed(p)", ("[2, 3]", "[4, 3]", "[1, 4]"), "[3, 2]"),
        "range": Form("range(p, p + 2)", _INTS, "[3, 4]"),
        "zip": Form("[max(a, b) for a, b in zip(p, [2, 1])]",
                    ("[1, 3]", "[3, 4]", "[1, 1]"), "[2, 3]"),
        "conditional": Form("if p > 4 then [p, 2] else [2, p]", _INTS, "[2, 3]"),
        "function": Form("pair(p)", _INTS, "[3, 4]"),
        "row of the file's": Form("rows[p]", ("0", "1", "2"), "[1, 2]"),
        "row": Form("p[1]", ("[[1], [2, 3]]", "[[1], [3, 4]]", "[[1], [4, 1]]"), "[2, 3]"),
        "linspace": Form("[int(w) for w in linspace(2, p, 2)]", _INTS, "[2, 3]"),
    },
)  # fmt: skip

KINDS = {"size": SIZES, "float": FLOATS, "truth": TRUTHS, "window": WINDOWS}
LETS = {
    "two names": "let a, b = p return x -> l: Linear(a + b) -> m: Linear(b)",
    "names in brackets": "let (a, b), c = [p, 2] return x -> l: Linear(a + b) -> m: Linear(b * c)",
    "names of a list that is written": "let a, b = [p[0], 2 * p[1]] return x -> l: Linear(a * b)",
    "names of a comprehension": "let a, b = [2 * w for w in p] return x -> l: Linear(a + b)",
    "names of a part": "let a = p[1:] return x -> l: Linear(a[0])",
    "a let of a let": "let a = p[0] let b = a + 1 return x -> l: Linear(b) -> m: Linear(a)",
    "a let of a size": "let c = x.features return x -> l: Linear(c + p[0]) -> m: Linear(c)",
    "a name that is given again": "let a = p[0] let a = a + 1 return x -> l: Linear(a)",
    "a let in an arm": "let a = 2 if p[0] > 3 { let a = p[0] } return x -> l: Linear(a)",
    "a let in a loop": "let n = 1 for w in p { let n = n + w } return x -> l: Linear(n)",
    "a size of what was made": "y = x -> l: Linear(p[0]) return y -> m: Linear(y.features + 1)",
    "a size of what flows": "return x -> l: Linear(p[0]) -> { return x -> m: Linear(x.features) }",
}
"""Bodies that give names to what they read of `p`, a list of two."""

TABLE = "what all uses have of a table is a number: which row says less"
WORDS = "a string that is put together is no size, word or number: labels are the structure"
GIVEN = "a name that is given several times is none of a class"
MADE = "what is asked of a tensor that the block makes is not followed to what made it"
SYMBOLIC = {
    "an exact division": "assert x.height % 12 == 0 y = x -> c: Conv2d(2, 1) "
    "return y -> Reshape(-1, 2, p, x.height / p, 24)",
    "a whole division": "return (x -> c: Conv2d(2, 1))[:, :, : x.height // p]",
    "a part": "assert x.height >= 16 return (x -> c: Conv2d(2, 1))[:, :, p : x.height - 1]",
    "a product": "y = x -> c: Conv2d(p, 1) return y -> Reshape(-1, p * x.height, 24)",
    "a let": "assert x.height >= 16 let h = x.height - p return (x -> c: Conv2d(2, 1))[:, :, h:]",
    "a function": "assert x.height >= 16 "
    "return (x -> c: Conv2d(2, 1))[:, :, : doubled(p) + x.height // 4]",
    "a sum": "assert x.height >= 16 return (x -> c: Conv2d(2, 1))[:, :, : sum([x.height // 2, p])]",
    "a remainder": "return (x -> c: Conv2d(2, 1))[:, :, x.height % p :]",
}
"""Bodies that read a size which is known only when the network runs."""

LOST = {
    ("size: item of the file's rows", True): TABLE,
    ("size: list of lists", True): TABLE,
    ("size: string with a hole", False): WORDS,
    ("size: string with a hole", True): WORDS,
    ("a name that is given again", False): GIVEN,
    ("a name that is given again", True): GIVEN,
    ("a let in an arm", True): GIVEN,
    ("a let in a loop", False): GIVEN,
    ("a let in a loop", True): GIVEN,
    ("a size of what was made", False): MADE,
    ("a size of what was made", True): MADE,
    ("a size of what flows", True): MADE,
}
"""What the class does not say, where uses differ (False) or agree, and why.

It computes what it should in its uses; a new parameter or a number stands for what the text says.
"""
ARMS = {("size", "condition"), ("float", "condition"), ("truth", "condition"), ("truth", "forward"),
        ("window", "condition"), ("window", "block")}  # fmt: skip
"""Where uses that agree all take one arm: the class has no other."""


class Lost(Exception):
    """The class does not say what the text says."""


def named(place: str) -> str:
    """Name the block for a place."""
    return f"At{re.sub('[^a-z]', '', place).capitalize()}"


def text_of(kind: Kind, form: Form, places: Mapping[str, str], uses: Sequence[str]) -> str:
    """Write a block for each place, and a network of so many uses of each."""
    lines = [f"  input x: {kind.input}"]
    blocks = []
    for place, body in places.items():
        written = re.sub(r"\bE\b", lambda _: form.expr, body).replace("LEAST", form.least)
        blocks.append(f"block {named(place)}(p) {{ {written} }}")
        for number, given in enumerate(uses):
            label = f"{named(place).lower()}{number}"
            lines.append(f"  output {label} = x -> {label}: {named(place)}({given})")
    return "\n".join([FILE, *blocks, "network Test {", *lines, "}"])


def graph_of(text: str) -> Graph:
    session = Session(Source("test.net", text))
    graph = session.graph("Test")
    assert graph is not None, [error.message for error in session.collector.errors]
    return graph


def check(graph: Graph, results: Mapping[str, Tensor], state: Mapping[str, Tensor], x: Any) -> None:
    """Compare what modules made with what the interpreter makes of the same weights."""
    kinds = {torch.float64: "float", torch.int64: "int", torch.bool: "bool"}
    types = {key: (tuple(value.shape), kinds[value.dtype]) for key, value in state.items()}
    wanted = {key: (tuple(own.shape), own.dtype) for key, own in weights_of(graph).items()}
    assert types == wanted
    arrays = {key: value.numpy() for key, value in state.items()}
    for name, value in evaluate(graph, arrays, {"x": x.numpy()}).outputs.items():
        np.testing.assert_allclose(results[name].detach().numpy(), value, rtol=1e-6, err_msg=name)


def python_value(text: str) -> Any:
    """Return a value of the language as Python has it."""
    for theirs, own in (("true", "True"), ("false", "False"), ("none", "None")):
        text = text.replace(theirs, own)
    return ast.literal_eval(text.replace("[", "(").replace("]", ",)"))


def fill(module: nn.Module) -> nn.Module:
    """Give the parameters random numbers, and buffers none."""
    for parameter in module.parameters():
        nn.init.normal_(parameter)
    return module


def made_of(module: ModuleType, place: str, given: Any) -> nn.Module:
    """Make a block's class with an argument; fail if it asks for more than the text does."""
    kind = getattr(module, named(place))
    names = list(inspect.signature(kind.__init__).parameters)[1:]
    sizes = {"in_features": 8, "in_channels": 1, "c": 8}
    if "p" not in names or not set(names) <= {"p", *sizes}:
        raise Lost(f"{named(place)}({', '.join(names)})")
    made: nn.Module = kind(**{n: given if n == "p" else sizes[n] for n in names}).double().eval()
    return fill(made)


def lost(kind: Kind, form: Form, places: Mapping[str, str], *, alike: bool) -> dict[str, str]:
    """Tell the places that the class does not say, with what it says instead."""
    torch.manual_seed(0)
    first, second, third = form.given
    graph = graph_of(text_of(kind, form, places, (first, first if alike else second)))
    emitted = emit(graph).text
    module: Any = import_source(emitted, "Test")
    network: Any = fill(module.Test().double().eval())
    sizes = [defaults(size) for size in graph.node(graph.inputs[0]).outputs[0].shape]
    x = torch.rand(sizes, dtype=torch.float64)
    check(graph, network(x)._asdict(), network.state_dict(), x)
    found = {}
    for place, body in places.items():
        other = graph_of(text_of(kind, form, {place: body}, (third,)))
        label = f"{named(place).lower()}0"
        try:
            made = made_of(module, place, python_value(third))
            state = {f"{label}.{key}": value for key, value in made.state_dict().items()}
            check(other, {label: made(x)}, state, x)
        except (Lost, AssertionError, RuntimeError) as error:
            found[place] = f"{error}\n{emitted}"
    return found


def cases() -> list[Any]:
    return [
        pytest.param(name, form, id=f"{name}: {form}")
        for name, kind in KINDS.items()
        for form in kind.forms
    ]


ALIKE = pytest.mark.parametrize("alike", [False, True], ids=["differ", "agree"])


@ALIKE
@pytest.mark.parametrize(("name", "form"), cases())
def test_a_class_says_what_the_text_says(name: str, form: str, alike: bool) -> None:
    kind = KINDS[name]
    places = {p: body for p, body in kind.places.items() if not alike or (name, p) not in ARMS}
    found = lost(kind, kind.forms[form], places, alike=alike)
    assert bool(found) is ((f"{name}: {form}", alike) in LOST), "\n".join(found.values())


@ALIKE
@pytest.mark.parametrize("let", LETS)
def test_a_let_is_what_the_text_says(let: str, alike: bool) -> None:
    found = lost(SIZES, Form("", ("[2, 7]", "[4, 3]", "[5, 6]")), {let: LETS[let]}, alike=alike)
    assert bool(found) is ((let, alike) in LOST), "\n".join(found.values())


@ALIKE
@pytest.mark.parametrize("place", SYMBOLIC)
def test_a_size_of_a_run_is_what_the_text_says(place: str, alike: bool) -> None:
    kind = Kind("float[N, 1, H = 24, 24]", {}, {})
    found = lost(kind, Form("", ("2", "3", "4")), {place: SYMBOLIC[place]}, alike=alike)
    assert not found, "\n".join(found.values())
