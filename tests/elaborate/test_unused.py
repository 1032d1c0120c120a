"""Every way in which a name can be used counts as a use; and what is not used is told."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import pytest

from addnn_spec.compiler import Session, check_text
from addnn_spec.source import Source

UNUSED = {"W0101", "W0102", "W0106", "W0108", "N0101"}


def _unused(text: str) -> list[str]:
    found = check_text(text)
    assert not any(d.severity == "error" for d in found), [d.message for d in found]
    return [d.code for d in found if d.code in UNUSED]


# --- values: `v` is a number --------------------------------------------------------------------
READS = (
    "let used = v\n y = x -> Linear(used)",
    "let used = [v, 1]\n y = x -> Linear(used[0])",
    "let used = [8][v - 8]\n y = x -> Linear(used)",
    "let used = [8, 8, 8, 8, 8, 8, 8, 8, 8][:v]\n y = x -> Linear(used[0])",
    "let used = [i for i in [v]]\n y = x -> Linear(used[0])",
    "let used = [v for i in [1]]\n y = x -> Linear(used[0])",
    "let used = [i for i in [8] if i == v]\n y = x -> Linear(used[0])",
    "let used = if v > 1 then 8 else 9\n y = x -> Linear(used)",
    "let used = if x.rank > 1 then v else 9\n y = x -> Linear(used)",
    'let used = "{v}"\n y = x -> "l{used}": Linear(8)',
    "let used = -v\n y = x -> Linear(-used)",
    "let used = max(1, v)\n y = x -> Linear(used)",
    "let used = (v)\n y = x -> Linear(used)",
    "let used = Linear(v)\n y = x -> used",
    "y = x -> Linear(v)",
    "y = x -> Linear(out_features = v)",
    'y = x -> "l{v}": Linear(8)',
    'y = x -> "l{v}": { Linear(8) }',
    "y = x -> repeat v { ReLU }",
    "y = x -> if v > 1 { ReLU }",
    "y = x -> if x.rank > 5 { Tanh } else if v > 1 { ReLU }",
    "y = x -> for i in 0..v { ReLU }",
    "y = x -> for i, w in enumerate([v]) { Linear(w + i) }",
    "y = x -> { ReLU -> Linear(v) }",
    "y = x -> { return x -> Linear(v) }",
    "y = x -> TimeDistributed { Linear(v) }",
    "y = x -> TimeDistributed(Linear(v))",
    "y = x -> g: Grow(v)",
    "y = x -> g: Grow(width = v)",
    "y = x -> Linear(twice(v))",
    "y = x + v",
    "y = x[:, :, :v]",
    "y: [2, 3, v] = x -> Linear(8)",
    "assert v > 0\n y = x -> ReLU",
    'assert x.rank > 0, "v is {v}"\n y = x -> ReLU',
    "if v > 0 { y = x -> ReLU }",
    "y = x\n for i in 0..v { y = y -> ReLU }",
    "parameter p: [v] = 0\n y = (x -> Linear(8)) + p",
    "parameter p: [8] = v\n y = (x -> Linear(8)) + p",
    "parameter p: [8] = uniform(0, v)\n y = (x -> Linear(8)) + p",
    "buffer p: int[v] = 0\n y = (x -> Linear(8)) + p",
    "buffer p: int[8] = v\n y = (x -> Linear(8)) + p",
    "buffer p: int[8] = [v for i in 0..8]\n y = (x -> Linear(8)) + p",
    "module m = Linear(v)\n y = x -> m",
    'module m = "m{v}": Linear(8)\n y = x -> m',
    "y = x -> Linear(8, weight_init = normal(v))",
    "y = x -> ReLU\n let a, b = [v, 1]\n y = y -> Linear(a + b)",
    "let w = v\n let v = 9\n y = x -> Linear(v + w)",
)  # fmt: skip
HEAD = "fn twice(n) = 2 * n\nblock Grow(width) { return x -> Linear(width) }\n"
NETWORK = (
    "network Net { input i: float[2, 3, 16] output o = i -> %s -> Grow(8) -> Linear(twice(2)) }"
)
GIVES = {
    "a let": "block B { let v = 8 BODY\n return y }\n" + NETWORK % "B",
    "a parameter": "block B(v) { BODY\n return y }\n" + NETWORK % "B(8)",
    "a network's parameter": "network Net(v = 8) { input x: float[2, 3, 16] BODY\n"
    " output o = y -> Grow(8) -> Linear(twice(2)) }",
}


@pytest.mark.parametrize("given", GIVES)
def test_a_value_that_is_read_is_used(given: str) -> None:
    for body in READS:
        text = HEAD + GIVES[given].replace("BODY", body)
        assert _unused(text) == [], text
    assert _unused(HEAD + GIVES[given].replace("BODY", "y = x -> ReLU")) != []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("fn f(a, b = a) = b", []),
        ("fn f(a, b = [a for i in 0..2]) = b[0]", []),
        ('fn f(a) = "{a}"', []),
        ("fn f(a) = [b for b in [1] if b > a][0]", []),
        ("fn f(a) = if a > 1 then 1 else 2", []),
        ("fn f(a) = 1", ["W0106"]),
        ("fn f(_a) = 1", []),
        ("block B()(a, b) { return a }", ["W0102"]),
        ("block B()(a, b = a) { return b }", []),
        ("block B()(a, b = Zeros([a.channels])) { return b }", []),
        ("block B(n, m = n) { return x -> Linear(m) }", []),
        ("block B(n, m = n) { return x -> Linear(n) }", ["W0106"]),
    ],
)
def test_parameters_and_inputs(text: str, expected: list[str]) -> None:
    assert _unused(text) == expected


# --- blocks and imports: `B` is a block ---------------------------------------------------------
USES = (
    "NET -> B }",
    "NET -> b: B }",
    "NET -> B() }",
    "NET -> repeat 2 { B } }",
    "NET -> a: { B -> ReLU } }",
    "NET -> if i.rank > 1 { B } else { ReLU } }",
    "NET -> for layer in [B, ReLU] { layer } }",
    "NET -> TimeDistributed(B) }",
    "NET -> TimeDistributed { B } }",
    "let blocks = [B]\nNET -> for layer in blocks { layer } }",
    "let blocks = [[1, B], [2, ReLU]]\nNET -> for _, layer in blocks { layer } }",
    "let first, second = [B, ReLU]\nNET -> first -> second }",
    "let one = B\nlet two = [one, one]\nNET -> for layer in two { layer } }",
    "let chosen = if 1 > 0 then B else ReLU\nNET -> chosen }",
    "fn pick(n) = if n > 0 then B else ReLU\nNET -> Use(pick(1)) }",
    "fn all() = [B]\nNET -> for layer in all() { layer } }",
    "fn name(f = B) = f\nNET -> Use(name()) }",
    "block Other(layer = B) { return x -> layer }\nNET -> Other }",
    "block Other { return x -> B }\nNET -> Other }",
    "block Other { let inner = [B] return x -> for l in inner { l } }\nNET -> Other }",
    "block Other { module m = B return x -> m }\nNET -> Other }",
    "NET -> Use(B) }",
    "NET -> Use(layer = B) }",
    "NET -> for layer in [l for l in [B] if true] { layer } }",
    "NET\n output p = [o -> B for k in 0..2] }",
    "network Net(layer = B) { input i: float[2, 3, 8] output o = i -> layer }",
    "network Open(layer) { input i: float[2, 3, 8] output o = i -> layer }\nnetwork Net = Open(B)",
    "block Open(layer) { return x -> layer }\nlet nets = [Open(B)]\nNET -> for n in nets { n } }",
    "NET -> Scan(Cell(B)) }",
)
NET = "network Net { input i: float[2, 3, 8] output o = i"
BESIDE = (
    "block Use(layer) { return x -> layer }\n"
    "block Cell(layer)(x, h = Zeros([2, 8])) { return x -> layer, h }\n"
    "network All { input i: float[2, 3, 8] output o = i -> Use(ReLU) -> Scan(Cell(ReLU)) }\n"
).replace(" -> Scan(Cell(ReLU))", "\n a, b = i -> Scan(Cell(ReLU)) output c = a output d = b")


def _text(use: str) -> str:
    text = use.replace("NET", NET)
    return text.replace(
        "output o = i -> Scan(Cell(B))", "o, s = i -> Scan(Cell(B)) output o output s"
    )


@pytest.mark.parametrize("use", USES)
def test_a_block_that_is_named_is_used(use: str) -> None:
    text = BESIDE + "block B { return x -> ReLU }\n" + _text(use)
    assert _unused(text) == []


@pytest.mark.parametrize("use", USES)
def test_an_import_that_is_named_is_used(use: str, tmp_path: Path) -> None:
    (tmp_path / "parts.net").write_text("block B { return x -> ReLU }\n", encoding="utf-8")
    main = tmp_path / "main.net"
    main.write_text('from "parts.net" import B\n' + BESIDE + _text(use), encoding="utf-8")
    found = Session(main, name="main.net").check()
    assert [d.code for d in found if d.severity == "error" or d.code in UNUSED] == []


def test_what_nothing_uses_in_an_imported_file_is_not_told(tmp_path: Path) -> None:
    block = "block B { return x -> ReLU }\n"
    (tmp_path / "parts.net").write_text(f"{BESIDE}{block}{NET} -> ReLU }}", encoding="utf-8")
    text = f'from "parts.net" import Net as Other\n{block}network Own = Other\n'
    assert [d.code for d in Session(Source("main.net", text), folder=tmp_path).check()] == ["N0101"]


def test_what_only_the_unused_uses_is_unused() -> None:
    unused = ("block B { return x -> ReLU }", "block A { return x -> B }", "let list = [B]")
    for first, second in product(unused, repeat=2):
        if first != second:
            rest = {"block B { return x -> ReLU }", first, second}
            text = "\n".join(sorted(rest, key=unused.index)) + f"\n{NET} -> ReLU }}"
            assert set(_unused(text)) == {"N0101"}, text
