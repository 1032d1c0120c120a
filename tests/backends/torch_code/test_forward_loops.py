"""Loops of the text are loops of the code where their turns are the same, with the same results.

With probes every turn is written out: the two files must have the same weights and outputs.
"""

from __future__ import annotations

from random import Random

import pytest
import torch

from addnn_spec.backends.torch_code import emit
from addnn_spec.graph import Graph
from addnn_spec.network import load
from tests.backends.torch_code.emitted import built, inputs_of, tensors
from tests.benchmarks.bench_emission import SPECS, code_lines
from tests.support import graph_of

UNITS = """
block Unit(width, k = 1) { return x -> a: Linear(k * width) -> Tanh -> b: Linear(width) }
block Two(width) { return x -> a: Linear(width), x -> b: Linear(width) }
block Join(width)(x, y) { return (x -> a: Linear(width)) + (y -> b: Linear(width)) }
block Swap(width)(x, y) { return x -> a: Linear(width), y -> b: Linear(width) }
"""


def network(body: str, inputs: str = "input x: float[N, 8]") -> str:
    return f"{UNITS}\nnetwork Test {{\n  {inputs}\n  {body}\n}}"


def same_as_written_out(graph: Graph) -> str:
    """Assert that the file computes what its turns, written out, compute; returns its text."""
    torch.manual_seed(0)
    rolled, plain = built(graph).eval(), built(graph, probes=True).eval()
    assert list(rolled.state_dict()) == list(plain.state_dict())
    plain.load_state_dict(rolled.state_dict())
    inputs = inputs_of(graph)
    with torch.no_grad():
        pairs = zip(tensors(rolled(*inputs)), tensors(plain(*inputs)), strict=True)
        for one, two in pairs:
            torch.testing.assert_close(one, two)
    return emit(graph).text


LOOPS = {
    "one tensor": (
        'for i in 0..4 { x = x -> "units.{i}": Unit(8) }\noutput y = x',
        ["nn.ModuleList(Unit(8, 8) for _ in range(4))", "for unit in self.units:", "x = unit(x)"],
    ),
    "two turns": (
        'for i in 0..2 { x = x -> "units.{i}": Unit(8) }\noutput y = x',
        ["for unit in self.units:"],
    ),
    "what the variable says": (
        'for i in 0..4 { x = x -> "units.{i}": Unit(8, 2 ** i + 1) }\noutput y = x',
        ["nn.ModuleList(Unit(8, 8, k=2**i + 1) for i in range(4))"],
    ),
    "values of a list": (
        (
            "for i, (k, w) in enumerate([(1, 8), (3, 8), (5, 8)]) {\n"
            'x = x -> "units.{i}": Unit(w, k) }\noutput y = x'
        ),
        ["Unit(8, w, k=k) for k, w in ((1, 8), (3, 8), (5, 8))"],
    ),
    "two tensors": (
        'a = x\nb = x\nfor i in 0..3 { a, b = (a, b) -> "swaps.{i}": Swap(8) }\noutput y = a + b',
        ["for swap in self.swaps:", "a, b = swap(a, b)"],
    ),
    "collected": (
        (
            'ys = []\nfor i in 0..3 { x, s = x -> "twos.{i}": Two(8)\n ys = ys + [s] }\n'
            "output y = (x, ys -> Stack -> Sum(0)) -> Concat"
        ),
        ["ys: list[Tensor] = []", "x, s = two(x)", "ys.append(s)", "torch.stack(ys)"],
    ),
    "collected, among others": (
        (
            'ys = []\nfor i in 0..3 { x, s = x -> "twos.{i}": Two(8)\n ys = ys + [s] }\n'
            "output y = [x] + ys -> Concat"
        ),
        ["ys.append(s)", "torch.cat((x, *ys), dim=1)"],
    ),
    "two lists of modules": (
        (
            'for i in 0..3 { h = x -> "norms.{i}": LayerNorm\n'
            ' x = x + (h -> "units.{i}": Unit(8)) }\noutput y = x'
        ),
        ["for norm, unit in zip(self.norms, self.units, strict=True):"],
    ),
    "a tensor from around": (
        'for i in 0..3 { x = (x, z) -> "joins.{i}": Join(8) }\noutput y = x + z',
        ["for join in self.joins:", "join(x, z)"],
    ),
    "two that were exchanged": (
        (
            "b = x -> l: Linear(8)\na = x -> m: Linear(8)\na, b = (b, a)\n"
            'for i in 0..3 { a, b = (a, b) -> "swaps.{i}": Swap(8) }\noutput y = a - b'
        ),
        ["a, b = b, a", "a, b = swap(a, b)"],
    ),
    "two of one name": (
        (
            "a = x -> l: Linear(8)\np = x -> m: Linear(8)\nb = p\n"
            'for i in 0..3 { p = a -> "f.{i}": Unit(8)\na = p\np = b -> "g.{i}": Unit(8)\nb = p }\n'
            "output y = a - 2 * b"
        ),
        ["p_2 = p", "p = layer(p)", "p_2 = layer_2(p_2)"],
    ),
    "items of an input": (
        'for i in 0..3 { x = (x, w[i]) -> "joins.{i}": Join(8) }\noutput y = x',
        ["for i, join in enumerate(self.joins):", "w[i]"],
    ),
    "an input that is read afterwards": (
        'h = x\nfor i in 0..3 { h = h -> "units.{i}": Unit(8) }\noutput y = h + x',
        ["h: Tensor = x", "for unit in self.units:", "h = unit(h)"],
    ),
}
INPUTS = "input x: float[N, 8]\ninput z: float[N, 8]\ninput w: float[3, N, 8]"


@pytest.mark.parametrize("name", LOOPS)
def test_turns_that_are_the_same_are_a_loop(name: str) -> None:
    body, said = LOOPS[name]
    inputs = "\n".join(i for i in INPUTS.split("\n") if i.split()[1][0] in body.replace("w)", ""))
    source = same_as_written_out(graph_of(network(body, inputs)))
    for part in said:
        assert part in source, source


def test_a_list_keeps_its_variable() -> None:
    """A type checker takes a variable for what it was first: a list is no tensor later."""
    body = (
        'ys = []\nfor i in 0..3 { x, s = x -> "twos.{i}": Two(8)\n ys = ys + [s] }\n'
        "ys = ys -> Stack -> Sum(0)\noutput y = x + ys"
    )
    source = same_as_written_out(graph_of(network(body)))
    assert "ys_list: list[Tensor] = []" in source and "ys = torch.stack(ys_list)" in source


WRITTEN_OUT = {
    "one turn is read": (
        'ys = []\nfor i in 0..3 { x = x -> "units.{i}": Unit(8)\n ys = ys + [x] }\n'
        "output y = x + ys[0]"
    ),
    "the last turn is another": (
        'for i in 0..3 { x = x -> "units.{i}": Unit(8)\n if i < 2 { x = x -> Tanh } }\noutput y = x'
    ),
    "the turn before the last": (
        "a = x\nb = x\n"
        'for i in 0..4 { c = (a, b) -> "joins.{i}": Join(8)\n a = b\n b = c }\noutput y = b'
    ),
    "another child in the scope": (
        'for i in 0..3 { x = x -> "units.{i}": Unit(8) }\n'
        'output y = x -> "units.a.0": Linear(8) -> "units.a.1": Linear(8)'
    ),
    "no loop of the text": (
        'output y = x -> "units.0": Unit(8) -> "units.1": Unit(8) -> "units.2": Unit(8)'
    ),
}


@pytest.mark.parametrize("name", WRITTEN_OUT)
def test_other_turns_are_written_out(name: str) -> None:
    source = same_as_written_out(graph_of(network(WRITTEN_OUT[name])))
    assert "\n        for " not in source


def test_a_block_has_its_loop_too() -> None:
    source = same_as_written_out(
        graph_of(
            UNITS
            + 'block Deep(depth) { for i in 0..depth { x = x -> "units.{i}": Unit(8, i + 1) }\n'
            + "return x }\nnetwork Test { input x: float[N, 8]\n"
            + "output y = x -> a: Deep(3) -> b: Deep(3) }"
        )
    )
    assert "Unit(in_features, 8, k=i + 1) for i in range(depth)" in source or (
        "for i in range(3)" in source
    ), source


def test_wavenet_is_short() -> None:
    """Twenty layers that differ in a dilation, each with an output that the head collects."""
    source = load(str(SPECS / "wavenet.net")).source()
    assert "nn.ModuleList(Residual(32, 2 ** (i % 10), 64) for i in range(20))" in source
    assert code_lines(source) <= 60
    same_as_written_out(load(str(SPECS / "wavenet.net"), channels=8, layers=3).graph)


def test_a_decoder_with_a_cache_is_as_long_whatever_its_depth() -> None:
    deep, shallow = (load(str(SPECS / "decoder.net"), layers=n).source() for n in (32, 2))
    assert "for i, layer in enumerate(self.layers):" in deep and "past[i]" in deep
    assert code_lines(deep) == code_lines(shallow)
    same_as_written_out(load(str(SPECS / "decoder.net"), layers=3).graph)


def test_the_length_does_not_grow_with_the_turns() -> None:
    body = 'for i in 0..%d { x, s = x -> "twos.{i}": Two(8)\n x = x + s }\noutput y = x'
    short, long = (emit(graph_of(network(body % turns))).text for turns in (2, 32))
    assert short.count("\n") == long.count("\n")


def random_loop(random: Random, turns: str = "") -> str:
    """Return statements of a loop over tensors of one shape, some carried and some collected."""
    names, lines = ["x", "a", "b"], ["a = x -> Tanh", "b = x"]
    made: list[str] = []
    turns = turns or str(random.choice([2, 3, 4]))
    body: list[str] = []
    for number in range(random.randint(1, 4)):
        target = random.choice(["x", "a", "b", f"t{number}"])
        one, two = (random.choice([*names, *made]) for _ in range(2))
        layer = random.choice(
            [
                f'{one} -> "u.{{i}}": Unit(8, i + 1)' if number == 0 else f"{one} + {two}",
                f'({one}, {two}) -> "j{number}.{{i}}": Join(8)',
                f"{one} * {two} -> Tanh",
                f"{one} -> Sigmoid",
                f'{one} -> "v{number}.{{i}}": Linear(8)',
            ]
        )
        body.append(f"{target} = {layer}")
        if target.startswith("t"):
            made.append(target)
    if random.random() < 0.5:
        lines.append("ys = []")
        body.append(f"ys = ys + [{random.choice([*names, *made])}]")
        lines.append(f"for i in 0..{turns} {{ {' ; '.join(body)} }}".replace(" ; ", "\n"))
        lines.append("c = ys -> Stack -> Sum(0)")
        names.append("c")
    else:
        lines.append(f"for i in 0..{turns} {{ {' ; '.join(body)} }}".replace(" ; ", "\n"))
    return "\n".join([*lines, f"output y = {' + '.join(names)}"])


def check(seed: int) -> bool:
    """Hold one random loop against its turns written out; returns whether it is a loop."""
    body = random_loop(Random(seed))
    return "\n        for " in same_as_written_out(graph_of(network(body)))


def test_random_loops() -> None:
    loops = [check(seed) for seed in range(60)]
    assert sum(loops) > 20


@pytest.mark.slow
def test_many_random_loops() -> None:
    for seed in range(60, 3_000):
        check(seed)
