"""Names given anew in arms, loops and braces: the text tells what each layer reads.

What elaboration made of a layer must be among what its name may stand for by the text; and a
network whose widths are halved is written, whatever gives them.
"""

from __future__ import annotations

import itertools
from random import Random

import pytest

from addnn_spec import loads
from addnn_spec.design.plan import start
from addnn_spec.diagnostics import Refusal
from addnn_spec.graph import Graph, Node
from addnn_spec.syntax import ast
from addnn_spec.syntax.bindings import Bindings
from addnn_spec.syntax.walk import walk
from tests.property.seeds import count_of, failures_of

COUNT = count_of(2_000)
NAMES = ("u", "v", "w")


class _Writer:
    """Writes statements that give and read three names; each number is another one."""

    def __init__(self, rng: Random) -> None:
        self._rng = rng
        self._numbers = itertools.count(4, 2)

    def _value(self) -> str:
        rng = self._rng
        return str(next(self._numbers)) if rng.random() < 0.7 else rng.choice(NAMES)

    def _layer(self, source: str = "x") -> str:
        return f"{source} -> Conv2d({self._rng.choice(NAMES)}, 1)"

    def _statement(self, depth: int) -> str:
        rng = self._rng
        kind, name = rng.random(), rng.choice(NAMES)
        if kind < 0.4:
            return f"let {name} = {self._value()}"
        if kind < 0.7 or depth == 0:
            return f"x = {self._layer()}"
        inside = self.statements(depth - 1, 3)
        if kind < 0.8:
            items = ", ".join(self._value() for _ in range(2))
            return f"for {name} in [{items}] {{ x = x -> {{ {inside} return {self._layer()} }} }}"
        if kind < 0.9:
            condition = rng.choice(("deep", "not deep"))
            other = self.statements(depth - 1, 2)
            return f"if {condition} {{ {inside} }} else {{ {other} }}"
        return f"x = x -> {{ {inside} return {self._layer()} }}"

    def statements(self, depth: int, most: int) -> str:
        count = self._rng.randrange(1, most + 1)
        return "\n".join(self._statement(depth) for _ in range(count))


def random_text(rng: Random) -> str:
    """Return a network of such statements."""
    writer = _Writer(rng)
    body = writer.statements(2, 7)
    return (
        "network Net(u = 101, v = 103, deep = true) {\n  input x: float[N, 3, 4, 4]\n"
        f"  let w = 107\n{body}\n  output y = {writer._layer()} -> last: Conv2d(2, 1)\n}}\n"
    )


def _layers(graph: Graph) -> list[Node]:
    inner = [one for node in graph.nodes() for _, one in node.called]
    return [*graph.nodes(), *(node for one in inner for node in _layers(one))]


def _possible(name: str, offset: int, bindings: Bindings, seen: frozenset[int]) -> set[int]:
    """Return the numbers that a name may stand for."""
    found: set[int] = set()
    for by in bindings.at(name, offset):
        if id(by) in seen:
            continue
        if isinstance(by, ast.Param):
            values: tuple[object, ...] = (by.default,)
        elif isinstance(by, ast.Let):
            values = (by.value,)
        else:
            assert isinstance(by, ast.For)
            assert isinstance(by.iterable, ast.ListExpr)
            values = by.iterable.items
        for value in values:
            if isinstance(value, ast.Number):
                found.add(int(value.value))
            else:
                assert isinstance(value, ast.Name)
                found |= _possible(value.name, value.span.start, bindings, seen | {id(by)})
    return found


def check(seed: int) -> None:
    text = random_text(Random(seed))
    graph = loads(text).graph
    assert graph.definition is not None
    network = graph.definition.node
    bindings = Bindings(network)
    made: dict[tuple[int, int], set[int]] = {}
    for node in _layers(graph):
        made.setdefault((node.span.start, node.span.end), set()).add(
            getattr(node.op, "out_channels", 0)
        )
    for layer in walk(network):
        if isinstance(layer, ast.Layer) and layer.name == "Conv2d" and layer.args:
            value = layer.args[0].value
            found = made.get((layer.span.start, layer.span.end), set())
            if isinstance(value, ast.Name):
                possible = _possible(value.name, value.span.start, bindings, frozenset())
                assert found <= possible, f"{layer.span.text}: {found}, {possible}"
    plan = start(loads(text))
    half = {c.number: range(c.size // 2) for c in plan.widths.classes if not c.frozen}
    if half:
        plan.narrow(half)
    one = Random(seed).choice(sorted(half)) if half else None
    if one is not None:
        try:
            plan.narrow({one: range(3)})
        except Refusal as refusal:
            raise AssertionError(refusal) from refusal


@pytest.mark.parametrize("seed", range(12))
def test_the_text_tells_what_gives_a_name(seed: int) -> None:
    check(seed)


@pytest.mark.slow
def test_so_it_is_for_many_networks() -> None:
    assert failures_of(check, COUNT) == {}
