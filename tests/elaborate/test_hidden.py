"""`x` in braces: an element in a brace means what it means outside, or W0105 is told."""

from __future__ import annotations

from itertools import product

import pytest

from addnn_spec.compiler import check_text
from addnn_spec.graph import Graph
from addnn_spec.passes.unfold import unfold
from tests.support import graph_of

ONCE = (
    "{ % }", "if w > 0 { % }", "if w < 0 { ReLU } else { % }", "repeat 1 { % }", "{ { % } }",
    "for _ in [0] { % }", "if w > 0 { repeat 1 { % } }", "a: { % }", "a: repeat 1 { % }",
    "a: { b: { % } }", "a: for _ in [0] { if w > 0 { % } }",
)  # fmt: skip
TWICE = (
    "repeat 2 { % }", "for _ in [0, 1] { % }", "a: repeat 2 { % }", "a: for _ in [0, 1] { % }",
    "{ repeat 2 { % } }", "a: repeat 2 { if w > 0 { % } }",
)  # fmt: skip
ELEMENTS = (
    "Conv2d(x.channels, 1)", "Conv2d(x.channels // 2, 1)", "Conv2d(x.shape[1] + w, 1)",
    "Conv2d(x.shape[-1], 1)", "Conv2d(x.rank, 1)", "Conv2d(w, 1)",
    "Conv2d(sum([n for n in x.shape[1:]]), 1)", "Conv2d(sum([x for x in [4, 4]]), 1)",
    "if x.channels > 0 { Conv2d(8, 1) }",
)  # fmt: skip
BEFORE = ("", "Conv2d(4, 1) -> ", "Conv2d(8, 5) -> ")


def _net(chain: str) -> str:
    return (
        f"block B(w) {{ return x -> {chain} }}\n"
        "network Net { input image: float[2, 4, 16, 16] output y = image -> B(8) }"
    )


def _layers(text: str) -> list[object]:
    """The operators of a network with their outputs, without what they are called."""
    nodes = [item.node for item in unfold(graph_of(text)).nodes]
    return [(node.op, node.outputs) for node in nodes if not isinstance(node.op, Graph)]


@pytest.mark.parametrize("brace", ONCE + TWICE)
def test_an_element_in_a_brace_means_what_it_means_outside_or_warns(brace: str) -> None:
    turns = 1 if brace in ONCE else 2
    for before, element in product(BEFORE, ELEMENTS):
        inside = _net(before + brace.replace("%", element))
        outside = _net(before + " -> ".join([element] * turns))
        found = check_text(inside)
        assert not any(d.severity == "error" for d in found), inside
        warned = any(d.code == "W0105" for d in found)
        alike = _layers(inside) == _layers(outside)
        assert warned or alike, inside
        if element != "if x.channels > 0 { Conv2d(8, 1) }":  # another size, the same answer
            assert not (warned and alike), inside


def _warned(chain: str) -> list[tuple[str, str]]:
    """What the warnings of a block's chain point at, and what they say of it."""
    found = [d.primary for d in check_text(_net(chain)) if d.code == "W0105"]
    return [(label.span.text, label.text) for label in found if label is not None]


@pytest.mark.parametrize(
    ("chain", "expected"),
    [
        ("Conv2d(8, 1) -> if w > 0 { Conv2d(x.channels, 1) }",
         [("x.channels", "8 here, 4 around the brace")]),
        ("Conv2d(8, 3) -> a: { Conv2d(1, 1, bias = x.shape == x.shape) }",
         [("x.shape", "[2, 8, 14, 14] here, [2, 4, 16, 16] around the brace")]),
        # one place a brace, the first; one for all turns
        ("Conv2d(8, 1) -> { Conv2d(x.channels, 1) -> Conv2d(x.channels, 1) }",
         [("x.channels", "8 here, 4 around the brace")]),
        ("Conv2d(8, 1) -> r: repeat 5 { Conv2d(x.channels + 1, 1) }",
         [("x.channels", "8 here, 4 around the brace")]),
        # a whole tensor
        ("Flatten(2) -> a: { MultiheadAttention(2, key = x, value = x) }",
         [("x", "")]),
        # in statements `x` is what flows in, as in a block
        ("Conv2d(8, 1) -> if w > 0 { return x -> Conv2d(x.channels, 1) }", []),
        ("Conv2d(8, 1) -> { y = x -> ReLU return x + y }", []),
        # the header of an `if` reads the x around; so do the arguments beside it
        ("Conv2d(8, 1) -> if x.channels == 4 { ReLU } -> Conv2d(x.channels, 1)", []),
        # what flows in first is x itself
        ("a: { b: { MultiheadAttention(2, key = x, value = x) } }", []),
        # a layer's own brace
        ("Conv2d(8, 1) -> TimeDistributed { Linear(x.features) }", []),
        ("Flatten(2) -> TimeDistributed { Linear(x.rank) }",
         [("x.rank", "2 here, 4 around the brace")]),
    ],
)  # fmt: skip
def test_what_is_warned_of(chain: str, expected: list[tuple[str, str]]) -> None:
    assert _warned(chain) == expected


def test_each_use_of_an_equal_brace_is_looked_at() -> None:
    text = (
        "block B(w) { return x -> first: Conv2d(w, 1) -> a: { Conv2d(x.channels, 1) } }\n"
        "network Net { input image: float[2, 4, 16, 16] "
        "output y = image -> b: B(8) -> c: B(8) -> d: B(4) -> e: B(4) }"
    )
    notes = [d.notes[0] for d in check_text(text) if d.code == "W0105"]
    assert notes == ["in network Net, at b, and 1 more use"]


def test_an_input_x_that_flows_into_the_brace_is_not_hidden() -> None:
    text = "network Net { input x: float[2, 4] output y = x -> a: { return x * (x -> Sigmoid) } }"
    assert check_text(text) == []
