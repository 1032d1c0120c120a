"""Arms of an `if` that not all uses of a block take."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from addnn_spec.backends.torch_code import emit
from tests.backends.torch_code.emitted import (
    body_of,
    built,
    check_style,
    classes,
    keys_of,
    source_of,
)
from tests.backends.torch_code.test_turns import check, network
from tests.support import graph_of, in_network


def test_an_arm_that_some_uses_lack_is_an_if_as_in_the_text() -> None:
    text = (
        "block Unit(n, wide) { main = x -> a: Linear(n)\n"
        "  skip = x -> if wide { project: Linear(n) }\n  return main + skip -> ReLU }\n"
        + in_network("output y = x -> u: Unit(8, false) -> v: Unit(16, true) -> w: Unit(4, true)")
    )
    source = source_of(text)
    assert classes(source) == ["Unit", "Test"]
    assert "def __init__(self, in_features: int, n: int, wide: bool) -> None:" in source
    assert "self.project = nn.Linear(in_features, n) if wide else None" in source
    assert body_of(source, "Unit")[1:3] == [
        "skip = x",
        "if self.project is not None:\n    skip = self.project(x)",
    ]
    assert body_of(source, "Test", "__init__")[1:] == [
        "self.u = Unit(8, 8, False)",
        "self.v = Unit(8, 16, True)",
        "self.w = Unit(16, 4, True)",
    ]
    graph = graph_of(text)
    assert {k: tuple(v.shape) for k, v in built(graph).state_dict().items()} == keys_of(graph)


def test_both_arms_with_weights() -> None:
    text = (
        "block Unit(n, deep) { y = x -> if deep { a: Linear(n) -> Tanh -> b: Linear(n) }"
        " else { c: Linear(n) -> Dropout(0.5) }\n  return y * y }\n"
        + in_network("output y = x -> u: Unit(8, false) -> v: Unit(6, true) -> w: Unit(4, false)")
    )
    graph = graph_of(text)
    source = emit(graph).text
    assert classes(source) == ["Unit", "Test"]
    module = built(graph).eval()
    assert {k: tuple(v.shape) for k, v in module.state_dict().items()} == keys_of(graph)
    x = torch.randn(3, 8)
    u, v, w = (getattr(module, name) for name in "uvw")
    once = u.c(x) ** 2
    twice = v.b(torch.tanh(v.a(once))) ** 2
    assert torch.allclose(module(x), w.c(twice) ** 2)


def test_tensors_that_an_arm_exchanges_are_not_lost() -> None:
    text = (
        "block Own(first) { a = x -> h: Linear(8)\nb = a\n"
        "if first { a = a -> f: Linear(8) } else { b = a -> g: Linear(8) }\nreturn a, b }\n"
        "block Turned(turn) { a = x -> h: Linear(8)\nb = x -> k: Linear(8)\nc = a\n"
        "if turn { a, b, c = (b, a, c -> f: Linear(8)) }\nreturn a, b, c }\n"
        + in_network(
            "output p = x -> p: Own(true) output q = x -> q: Own(false) "
            "output t = x -> t: Turned(true) output u = x -> u: Turned(false)"
        )
    )
    source = source_of(text)
    assert sorted(classes(source)) == ["Own", "Test", "Turned"]
    module, x = built(graph_of(text)), torch.randn(3, 8)
    p, q, t, u = (getattr(module, name) for name in "pqtu")
    wanted = [
        (p.f(p.h(x)), p.h(x)),
        (q.h(x), q.g(q.h(x))),
        (t.k(x), t.h(x), t.f(t.h(x))),
        (u.h(x), u.k(x), u.h(x)),
    ]
    for part, values in zip((p, q, t, u), wanted, strict=True):
        for found, value in zip(part(x), values, strict=True):
            torch.testing.assert_close(found, value)


def test_two_ifs_and_their_order() -> None:
    text = (
        "block Unit(n, a, b) { y = x -> first: Linear(n) -> if a { g: Linear(n) -> ReLU }"
        " -> if b { h: Linear(n) -> Tanh }\n  return y }\n"
        + in_network(
            "output y = x -> u: Unit(8, true, true) -> v: Unit(9, true, false)"
            " -> w: Unit(10, false, true) -> z: Unit(11, false, false)"
        )
    )
    graph = graph_of(text)
    assert classes(emit(graph).text) == ["Unit", "Test"]
    module = built(graph)
    x = torch.randn(2, 8)
    u, v, w, z = (getattr(module, name) for name in "uvwz")
    expected = torch.tanh(u.h(torch.relu(u.g(u.first(x)))))
    expected = torch.relu(v.g(v.first(expected)))
    expected = z.first(torch.tanh(w.h(w.first(expected))))
    assert torch.allclose(module(x), expected)


OPTIONAL_ELEMENTS = (
    "block Own(n, a) { return x -> "
    '"0": Linear(n) -> if a { "1": Tanh -> "2": Linear(n) } }\n'
    "block Inner(n, a, b) { return x -> s: { if a { Linear(n) -> Tanh } -> Linear(n)"
    " -> if b { Sigmoid } else { ReLU -> Linear(n) } -> repeat 3 { Tanh } } }\n"
    + in_network(
        "output y = x -> a: Own(6, true) -> b: Own(5, false) -> c: Own(4, true)\n"
        "    -> d: Inner(8, true, false) -> e: Inner(7, false, true) -> f: Inner(6, true, true)"
    )
)


@pytest.mark.slow  # a type checker, twice
@pytest.mark.parametrize("probes", [False, True])
def test_elements_that_some_uses_lack_are_appended(probes: bool, tmp_path: Path) -> None:
    graph = graph_of(OPTIONAL_ELEMENTS)
    source = emit(graph, probes=probes).text
    check_style(tmp_path, source, types=True)
    assert [name for name in classes(source) if name not in ("Probed", "Tapped")] == [
        "Inner", "Own", "Test",
    ]  # fmt: skip
    assert "layers: list[nn.Module] = [nn.Linear(" in source
    assert "s: list[nn.Module] = []" in source and "s += [" in source
    module, x = built(graph, probes=probes), torch.randn(2, 8)
    assert {k: tuple(v.shape) for k, v in module.state_dict().items()} == keys_of(graph)
    linear = {path: part for path, part in module.named_modules() if isinstance(part, nn.Linear)}
    expected = linear["a.2"](torch.tanh(linear["a.0"](x)))
    expected = linear["c.2"](torch.tanh(linear["c.0"](linear["b.0"](expected))))
    expected = linear["d.s.2"](torch.tanh(linear["d.s.0"](expected)))
    expected = linear["d.s.4"](torch.relu(expected)).tanh().tanh().tanh()
    expected = torch.sigmoid(linear["e.s.0"](expected)).tanh().tanh().tanh()
    expected = linear["f.s.2"](torch.tanh(linear["f.s.0"](expected)))
    expected = torch.sigmoid(expected).tanh().tanh().tanh()
    assert torch.allclose(module(x), expected)


def test_structures_too_different_are_classes_of_their_own() -> None:
    text = (
        "block Unit(k) { return x -> if k == 0 { a: Linear(8) } -> if k == 1 { b: Linear(8) }"
        " -> if k == 2 { c: Linear(8) } -> ReLU }\n"
        + in_network("output y = x -> Unit(0) -> Unit(1) -> Unit(2) -> Unit(2)")
    )
    graph = graph_of(text)
    assert classes(emit(graph).text) == ["Unit", "Unit2", "Test"]
    assert keys_of(graph).keys() == built(graph).state_dict().keys()


def test_a_use_that_fits_no_class_leaves_those_before_it_as_they_are() -> None:
    text = (
        "block Unit(k) { return x -> if k == 0 { a: Linear(8) } -> if k == 1 { b: Linear(8) }"
        " -> if k == 2 { c: Linear(8) } -> ReLU }\n"
    )
    two = source_of(text + in_network("output y = x -> Unit(0) -> Unit(1)"))
    three = source_of(text + in_network("output y = x -> Unit(0) -> Unit(1) -> Unit(2) -> Unit(2)"))
    assert body_of(two, "Unit", "__init__") == body_of(three, "Unit", "__init__")
    assert body_of(two, "Unit") == body_of(three, "Unit")
    assert "Unit2(8)" in three


def test_arms_that_the_same_uses_take_hang_on_their_own_conditions() -> None:
    text = (
        "block Unit(n = 1, opt = none, p = false) { if n == 2 { x = x * 2 }\n"
        "  return x -> Linear(8) -> opt -> s: { if p { Tanh } else { ReLU } -> Sigmoid } }\n"
        + in_network("output y = x -> Unit(2) -> Unit(opt = Linear(8), p = true)")
    )
    source = source_of(text)
    assert classes(source) == ["Unit", "Test"]
    made = body_of(source, "Unit", "__init__")
    assert "self.opt = opt(8) if opt is not None else None" in made
    assert "if p:\n    s.append(nn.Tanh())\nelse:\n    s.append(nn.ReLU())" in made
    assert body_of(source, "Unit")[:3] == [
        "if self.n == 2:\n    x = x * 2",
        "x = self.linear(x)",
        "if self.opt is not None:\n    x = self.opt(x)",
    ]


def test_what_both_arms_make_alike_is_made_once() -> None:
    source = source_of(
        "block Own(k) { y = x -> if k > 2 { l: Linear(3) } else { l: Linear(3) -> Sigmoid } "
        "return y } network Test { input x: float[2, 3] output y = x -> a: Own(3) -> b: Own(1) }"
    )
    assert source.count("self.l = nn.Linear(") == 1
    assert "if k > 2" not in source.partition("def forward")[0]


def of_uses(block: str, *uses: str) -> str:
    """What is emitted of a block, in a network that has it so often."""
    lines = " ".join(f"output y{n} = x -> u{n}: Unit({use})" for n, use in enumerate(uses))
    return source_of(f"{block}\nnetwork Test {{ input x: float[N, 6] {lines} }}")


def test_what_only_an_if_behind_it_reads_hangs_on_that_and_on_its_own() -> None:
    block = (
        "block Unit(p = false, a = 3) { v = x if p { v = x -> Tanh }\n"
        "  if a > 3 { v = v * 2 } else { v = x -> Sigmoid } return x + v }"
    )
    uses = ("", "true, 5", "true, 2")
    for count in (2, 3):
        forward = body_of(of_uses(block, *uses[:count]), "Unit")
        own = "self.p" if count == 2 else "self.p and self.a > 3"
        assert f"if {own}:\n    v: Tensor = torch.tanh(x)" in forward, forward
        assert "if self.a > 3:\n    v = v * 2\nelse:\n    v = torch.sigmoid(x)" in forward


def test_what_is_made_by_two_ifs_one_in_the_other_is_asked_for_by_both() -> None:
    block = (
        "block Unit(p = false, q = false) { v = x\n"
        "  if p { if q { v = x -> Tanh } }\n  return x + v }"
    )
    source = of_uses(block, "", "true", "false, true", "true, true")
    assert "if self.p and self.q:\n    v = torch.tanh(x)" in body_of(source, "Unit")


def test_arms_come_in_the_order_of_the_text_whichever_use_is_first() -> None:
    block = (
        "block Unit(a = 3, p = false) { v = if a > 3 then (x -> ReLU) else x\n"
        "  v = if p then v else (x * 3)\n  return v -> Linear(6) }"
    )
    for uses in (("", "4, true"), ("4, true", "")):
        forward = body_of(of_uses(block, *uses), "Unit")
        (relu,) = (n for n, line in enumerate(forward) if "F.relu" in line)
        (mul,) = (n for n, line in enumerate(forward) if "x * 3" in line)
        assert relu < mul, forward
        assert "self.p" in forward[mul]


def test_a_literal_of_two_arms_is_that_of_each() -> None:
    block = (
        "block Unit(a = 3, p = false) { v = if p then x else (x * 3)\n"
        "  if a > 3 { v = v * 2 } else { v = v * 7 } return x + v }"
    )
    source = of_uses(block, "2, true", "", "5, true", "")
    assert "def __init__(self, a: int = 3, p: bool = False) -> None:" in source
    assert "if self.a > 3:\n    v = x * 2\nelse:\n    v = v * 7" in body_of(source, "Unit")


def test_a_child_of_two_ways_is_made_where_the_text_makes_each() -> None:
    block = (
        "block Unit(a = 3) { v = x -> if a > 3 { Linear(6) }\n"
        "  v = v -> mid: Linear(6) -> Linear(6, bias = false) return v }"
    )
    made = body_of(of_uses(block, "2", "4"), "Unit", "__init__")
    plain = "nn.Linear(6, 6, bias=False)"
    assert made[-4:] == [
        "self.linear: nn.Module",
        "if a > 3:\n    self.linear = nn.Linear(in_features, 6)",
        "self.mid = nn.Linear(in_features, 6)",
        f"if a <= 3:\n    self.linear = {plain}\nelse:\n    self.linear_2 = {plain}",
    ]


def test_an_optional_child_between_two_arms_ends_the_first() -> None:
    block = (
        "block Unit(q = false) { v = x - x if not q { v = v * 2 } else { v = v -> Linear(6) }\n"
        "  if q { v = v } else { v = v -> mid: Linear(6) } return v + x -> Linear(6) }"
    )
    made = body_of(of_uses(block, "true", "false"), "Unit", "__init__")
    plain = "nn.Linear(in_features, 6)"
    assert made[-4:] == [
        "self.linear: nn.Module",
        f"if q:\n    self.linear = {plain}",
        f"self.mid = {plain} if not q else None",
        "if q:\n    self.linear_2 = nn.Linear(6, 6)\nelse:\n    self.linear = nn.Linear(6, 6)",
    ]


@pytest.mark.parametrize(
    "body",
    [
        "v = x if not q { v = x -> Linear(3) -> Linear(6) } return v -> if p { Linear(6) }",
        "v = x if not q { v = x * 2 -> Tanh } w = v if p { w = x * 3 } return v + w",
        "v = x * 3 if q { v = -x } else { v = x * 2 } w = v if p { w = x * 3 } return w -> Tanh",
    ],
    ids=["a child of two arms", "a value that is read", "a value that is not"],
)
def test_arms_of_two_conditions_that_hold_by_turns(body: str) -> None:
    """What one arm makes is not there where another one is taken."""
    uses = ("B(false, false)", "B(true, true)")
    for order in (uses, uses[::-1]):
        check(network(f"block B(q, p) {{ {body} }}", *order))
