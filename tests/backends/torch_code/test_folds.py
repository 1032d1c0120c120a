"""A `for` of modules is one loop of one class, however often each use runs through it."""

from __future__ import annotations

from random import Random

import pytest

from addnn_spec.backends.torch_code import emit
from tests.backends.torch_code.emitted import body_of, built, classes, source_of
from tests.backends.torch_code.test_forward_loops import UNITS, random_loop, same_as_written_out
from tests.backends.torch_code.test_turns import check, flat
from tests.support import graph_of


def network(block: str, *uses: str) -> str:
    outputs = " ".join(f"output y{place} = x -> u{place}: {use}" for place, use in enumerate(uses))
    return f"{UNITS}{block}\nnetwork Net {{ input x: float[2, 8] {outputs} }}"


def one_class(block: str, *uses: str) -> str:
    """Assert that the uses are one class, whatever their order; returns its text on one line."""
    texts = [network(block, *order) for order in (uses, uses[::-1])]
    for text in texts:
        check(text)
    own = [source_of(text).partition("class B(")[2].partition("\n\nclass ")[0] for text in texts]
    assert own[0] == own[1]
    assert not any(name.startswith("B2") for name in classes(source_of(texts[0])))
    return flat(own[0])


FOLDED = {
    "a block": (
        'block B(n) { for i in 0..n { x = x -> "layers.{i}": Unit(8, i + 1) } return x }',
        ("B(2)", "B(4)", "B(1)"),
        (
            "nn.ModuleList(Unit(in_features, 8, k=i + 1) for i in range(n))",
            "for layer in self.layers: x = layer(x)",
        ),
    ),
    "an operator, and what a turn does besides": (
        'block B(n) { for i in 0..n { x = x -> ReLU -> "l.{i}": Linear(8) -> Tanh } return x }',
        ("B(2)", "B(4)", "B(1)"),
        (
            "nn.ModuleList(nn.Linear(in_features, 8) for _ in range(n))",
            "for layer in self.l: x = torch.tanh(layer(F.relu(x)))",
        ),
    ),
    "a list of widths": (
        'block B(ws) { for i, w in enumerate(ws) { x = x -> "layers.{i}": Unit(w) } return x }',
        ("B([5, 4])", "B([3, 6, 2])", "B([7])"),
        ("nn.ModuleList(Unit(in_features, w) for in_features, w in pairwise((in_features, *ws)))",),
    ),
    "a list the other way round": (
        (
            "block B(ws) { for i, w in enumerate(reversed(ws)) "
            '{ x = x -> "layers.{i}": Unit(w) } return x }'
        ),
        ("B([5, 4])", "B([3, 6, 2])"),
        ("for in_features, w in pairwise((in_features, *reversed(ws)))",),
    ),
    "two lists side by side": (
        (
            "block B(ws, ks) { for i, (w, k) in enumerate(zip(ws, ks)) "
            '{ x = x -> "layers.{i}": Unit(w, k) } return x }'
        ),
        ("B([5, 4], [1, 2])", "B([3, 6, 2], [2, 1, 3])"),
        (
            "Unit(in_features, w, k=k) for (in_features, w), k in",
            "in zip(pairwise((in_features, *ws)), ks, strict=True)",
        ),
    ),
    "what turns collect": (
        (
            'block B(ws) { ys = [] for i, w in enumerate(ws) { x, s = x -> "twos.{i}": Two(w) '
            "ys = ys + [s] } return ys -> Concat }"
        ),
        ("B([5, 4])", "B([3, 6, 2])", "B([7])"),
        (
            "ys: list[Tensor] = [] for two in self.twos: x, s = two(x)",
            "ys.append(s) return torch.cat(ys, dim=1)",
        ),
    ),
    "what turns collect, among others": (
        (
            'block B(n) { ys = [x] for i in 0..n { x, s = x -> "twos.{i}": Two(8) '
            "ys = ys + [s] } return ys + [x] -> Concat }"
        ),
        ("B(2)", "B(1)", "B(3)"),
        ("x_2, s = two(x_2)", "torch.cat((x, *ys, x_2), dim=1)"),
    ),
    "two tensors": (
        (
            "block B(n) { a = x b = x -> Tanh "
            'for i in 0..n { a, b = (a, b) -> "swaps.{i}": Swap(8) } return a - b }'
        ),
        ("B(3)", "B(1)", "B(2)"),
        ("for swap in self.swaps: a, b = swap(a, b)",),
    ),
    "a tensor from around": (
        (
            "block B(n) { z = x -> Tanh "
            'for i in 0..n { x = (x, z) -> "joins.{i}": Join(8) } return x + z }'
        ),
        ("B(3)", "B(1)", "B(2)"),
        ("for join in self.joins: x = join(x, z)",),
    ),
    "loops after one another": (
        (
            'block B(n, m) { for i in 0..n { x = x -> "a.{i}": Linear(8) -> Tanh } '
            'for i in 0..m { x = x -> "b.{i}": Unit(8) } return x }'
        ),
        ("B(2, 3)", "B(3, 2)", "B(1, 3)", "B(1, 1)"),
        ("for _ in range(n)", "for _ in range(m)", "for layer in self.b"),
    ),
    "labels with dots": (
        (
            'block B(n) { for i in 0..n { x = x -> "enc.layers.{i}": Unit(8) } '
            'return x -> "enc.norm": LayerNorm }'
        ),
        ("B(2)", "B(3)"),
        (
            '"layers": nn.ModuleList(Unit(in_features, 8) for _ in range(n))',
            'for layer in self.enc["layers"].children(): x = layer(x)',
        ),
    ),
    "stages of blocks": (
        (
            'block C(n) { for i in 0..n { x = x -> "units.{i}": Unit(8) } return x }\n'
            'block B(ns) { for i, n in enumerate(ns) { x = x -> "stages.{i}": C(n) } return x }'
        ),
        ("B([2, 3])", "B([1, 2, 4])"),
        ("nn.ModuleList(C(in_features, n) for n in ns)",),
    ),
    "an arm that some take": (
        (
            'block B(n, last = false) { for i in 0..n { x = x -> "units.{i}": Unit(8) } '
            "return x -> if last { Tanh -> fc: Linear(3) } }"
        ),
        ("B(2)", "B(4)", "B(1, true)", "B(3, true)"),
        ("self.fc = nn.Linear(8, 3) if last else None", "for unit in self.units"),
    ),
}


@pytest.mark.parametrize("name", FOLDED)
def test_uses_of_two_depths_are_one_class(name: str) -> None:
    block, uses, said = FOLDED[name]
    source = one_class(block, *uses)
    for part in said:
        assert part in source, source


def test_items_of_an_input_are_counted() -> None:
    block = 'block B(n)(x, w) { for i in 0..n { x = (x, w[i]) -> "joins.{i}": Join(8) } return x }'
    text = (
        f"{UNITS}{block}\nnetwork Net {{ input x: float[2, 8] input w: float[4, 2, 8] "
        "output y = (x, w) -> a: B(2) output z = (x, w) -> b: B(4) }"
    )
    source = flat(same_as_written_out(graph_of(text)))
    assert "for i, join in enumerate(self.joins): x = join(x, w[i])" in source
    assert "class B2(" not in source


def test_uses_that_are_given_other_numbers_of_tensors() -> None:
    block = "block B(ps)(x) { for p in ps { x = x + p } return x -> fc: Linear(8) }"
    uses = "a: B([x]) -> b: B([x, x -> Tanh])"
    check(f"{block}\nnetwork Net {{ input x: float[2, 8] output y = x -> {uses} }}")


def test_a_use_with_other_turns_leaves_the_class_as_it_is() -> None:
    block = (
        'block B(n, more = false) { for i in 0..n { h = x -> "units.{i}": Unit(8) '
        "x = if more then x + h else h } return x }"
    )
    first, both = (
        network(block, *uses) for uses in (("B(2)", "B(3)"), ("B(2)", "B(3)", "B(2, true)"))
    )
    check(both)
    assert classes(source_of(both)) == ["Unit", "B", "B2", "Net"]
    assert body_of(source_of(both), "B") == body_of(source_of(first), "B")


def test_a_loop_that_some_lack_is_of_another_class() -> None:
    block = (
        'block B(n) { for i in 0..n { x = x -> "units.{i}": Unit(8) } return x -> fc: Linear(8) }'
    )
    text = network(block, "B(2)", "B(0)", "B(3)")
    check(text)
    assert classes(source_of(text)) == ["Unit", "B", "B2", "Net"]


def test_turns_that_no_text_says_are_written_out() -> None:
    """What grows is not said by the variable."""
    block = 'block B(n) { for i in 0..n { x = (x, x -> "units.{i}": Unit(2)) -> Concat } return x }'
    text = network(block, "B(2)", "B(3)")
    assert "Unit(in_features + 2, 2)" in check(text)
    assert classes(source_of(text)) == ["Unit", "B", "B2", "Net"]


def test_with_probes_turns_are_written_out() -> None:
    block, uses, _ = FOLDED["a block"]
    graph = graph_of(network(block, *uses))
    assert list(built(graph).state_dict()) == list(built(graph, probes=True).state_dict())
    assert len(classes(emit(graph, probes=True).text)) > len(classes(emit(graph).text))


def check_random(seed: int) -> bool:
    """Hold a random loop of three depths against its turns written out; tell if it is one class."""
    body = random_loop(Random(seed), "n").replace("output y =", "return")
    text = network(f"block B(n) {{ {body} }}", "B(2)", "B(3)", "B(4)", "B(1)")
    source = same_as_written_out(graph_of(text))
    return "class B2(" not in source


def test_random_loops_of_several_depths() -> None:
    assert sum(check_random(seed) for seed in range(15)) > 3


@pytest.mark.slow
def test_many_random_loops_of_several_depths() -> None:
    for seed in range(15, 2_000):
        check_random(seed)
