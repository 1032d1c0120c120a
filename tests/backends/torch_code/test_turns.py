"""Loops of the text in Sequentials: over what the text goes through, in its own words."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch

from tests.backends.torch_code.emitted import built, classes, keys_of, source_of, tensors
from tests.interpreter import evaluate
from tests.support import graph_of

FILL = "block B(widths) { return x -> body: for w in widths { Linear(w) -> Tanh } }"


def network(block: str, *uses: str) -> str:
    outputs = " ".join(f"output y{place} = x -> u{place}: {use}" for place, use in enumerate(uses))
    return f"{block}\nnetwork Net {{ input x: float[2, 8] {outputs} }}"


def flat(source: str) -> str:
    """The source on one line, without the commas and blanks that lines need."""
    return re.sub(r",? ?([)\]])", r"\1", re.sub(r"([(\[]) ", r"\1", " ".join(source.split())))


def check(text: str) -> str:
    """Assert that the module has the graph's keys and computes what the interpreter computes."""
    graph = graph_of(text)
    torch.manual_seed(0)
    module = built(graph).double().eval()
    assert list(keys_of(graph)) == list(module.state_dict())
    weights = {name: tensor.numpy() for name, tensor in module.state_dict().items()}
    x = torch.rand(2, 8, dtype=torch.double)
    with torch.no_grad():
        found = list(tensors(module(x)))
    wanted = evaluate(graph, weights, {"x": x.numpy()}).outputs
    for ours, theirs in zip(found, wanted.values(), strict=True):
        np.testing.assert_allclose(ours.numpy(), theirs, rtol=1e-9, atol=1e-12)
    return flat(source_of(text))


@pytest.mark.parametrize(
    ("block", "uses", "written"),
    [
        (
            FILL,
            ("B([5, 4, 3])", "B([6, 2])", "B([7])"),
            (
                "*(nn.Sequential(nn.Linear(in_features, w), nn.Tanh()) "
                "for in_features, w in pairwise((in_features, *widths)))"
            ),
        ),
        (
            "block B(rates) { return x -> body: for r in rates { Dropout(r) -> Tanh } }",
            ("B([0.5, 0.25])", "B([0.1, 0.2, 0.3])"),
            "*(nn.Sequential(nn.Dropout(p=r), nn.Tanh()) for r in rates)",
        ),
        (
            (
                "block B(widths, rates) { return x -> body: for w, r in zip(widths, rates) "
                "{ Linear(w) -> Dropout(r) } }"
            ),
            ("B([5, 4], [0.5, 0.25])", "B([6], [0.1])"),
            (
                "*(nn.Sequential(nn.Linear(in_features, w), nn.Dropout(p=r)) "
                "for (in_features, w), r "
                "in zip(pairwise((in_features, *widths)), rates, strict=True))"
            ),
        ),
        (
            (
                "block B(widths) { return x -> body: for i, w in enumerate(widths, 1) "
                "{ Linear(w) -> Dropout(0.1 * i) } }"
            ),
            ("B([5, 4])", "B([6, 3, 2])"),
            (
                "*(nn.Sequential(nn.Linear(in_features, w), nn.Dropout(p=0.1 * i)) "
                "for i, (in_features, w) in enumerate(pairwise((in_features, *widths)), 1))"
            ),
        ),
        (
            (
                "block B(table) { return x -> body: for w, r in table "
                "{ Linear(w) -> Dropout(r) } }"
            ),
            ("B([(5, 0.5), (4, 0.25)])", "B([(6, 0.1)])"),
            (
                "*(nn.Sequential(nn.Linear(in_features, w), nn.Dropout(p=r)) "
                "for in_features, (w, r) in zip((in_features, *(w for w, _ in table)), table, "
                "strict=False))"
            ),
        ),
        (
            "block B(n) { return x -> body: { for i in 0..n { Linear(8 * n - i) -> Tanh } } }",
            ("B(2)", "B(3)"),
            (
                "*(layer for in_features, i in zip((in_features, *(8 * n - i for i in range(n))), "
                "range(n), strict=False) for layer in (nn.Linear(in_features, 8 * n - i), "
                "nn.Tanh()))"
            ),
        ),
        (
            "block B(width, n) { return x -> body: repeat n { Linear(width) -> Tanh } }",
            ("B(5, 2)", "B(8, 3)", "B(6, 4)"),
            (
                "nn.Sequential(nn.Sequential(nn.Linear(in_features, width), nn.Tanh()), "
                "*(nn.Sequential(nn.Linear(width, width), nn.Tanh()) for _ in range(n - 1)))"
            ),
        ),
        (
            (
                "block B(n) { return x -> body: repeat n as j "
                "{ Linear(if j == 0 then 4 else 6) -> Dropout(if j > 0 then 0.5 else 0.25) } }"
            ),
            ("B(3)", "B(5)"),
            None,
        ),
        (
            "block B(n) { return x -> body: { Tanh -> repeat n { Linear(8) } -> ReLU } }",
            ("B(2)", "B(4)"),
            (
                "nn.Sequential(nn.Tanh(), *(nn.Linear(in_features, 8) for _ in range(n)), "
                "nn.ReLU())"
            ),
        ),
    ],
)  # fmt: skip
def test_a_loop_goes_through_what_the_text_goes_through(
    block: str, uses: tuple[str, ...], written: str | None
) -> None:
    source = check(network(block, *uses))
    assert classes(source_of(network(block, *uses))) == ["B", "Net"]
    assert written is None or written in source


@pytest.mark.parametrize(
    ("chain", "written"),
    [
        (
            "for w in [5, 4, 3] { Linear(w) -> Tanh }",
            (
                "*(nn.Sequential(nn.Linear(in_features, w), nn.Tanh()) "
                "for in_features, w in pairwise((8, 5, 4, 3)))"
            ),
        ),
        (
            "{ for w in reversed([5, 4, 3]) { Linear(w) -> Tanh } -> Linear(2) }",
            (
                "nn.Sequential(*(layer for in_features, w in pairwise((8, 3, 4, 5)) "
                "for layer in (nn.Linear(in_features, w), nn.Tanh())), nn.Linear(5, 2))"
            ),
        ),
        (
            "for w, unread in zip([5, 4, 3], [1, 2, 3]) { Linear(w) }",
            "*(nn.Linear(in_features, w) for in_features, w in pairwise((8, 5, 4, 3)))",
        ),
        (
            "for w, r in [(5, 0.5), (4, 0.2), (3, 0.1)] { Linear(w) -> Dropout(r) }",
            (
                "*(nn.Sequential(nn.Linear(in_features, out_features), nn.Dropout(p=p)) "
                "for in_features, out_features, p in ((8, 5, 0.5), (5, 4, 0.2), (4, 3, 0.1)))"
            ),
        ),
        (
            "for w in [5, 4] { Linear(w) -> Tanh }",
            (
                "nn.Sequential(nn.Sequential(nn.Linear(8, 5), nn.Tanh()), "
                "nn.Sequential(nn.Linear(5, 4), nn.Tanh()))"
            ),
        ),
        ("for w in [5] { Linear(w) -> Tanh }", "(nn.Sequential(nn.Linear(8, 5), nn.Tanh()))"),
        ("repeat 2 { Linear(5) }", "nn.Sequential(nn.Linear(8, 5), nn.Linear(5, 5))"),
        (
            "repeat 3 { Linear(5) }",
            "nn.Sequential(nn.Linear(8, 5), *(nn.Linear(5, 5) for _ in range(2)))",
        ),
    ],
)  # fmt: skip
def test_numbers_are_what_a_loop_goes_through_where_it_is_shorter(chain: str, written: str) -> None:
    text = f"network Net {{ input x: float[2, 8] output y = x -> body: {chain} }}"
    assert written in check(text)


def test_a_loop_is_written_out_where_its_turns_are_other_code_in_a_use() -> None:
    block = (
        "block B(first) { return x -> body: { for i in 0..2 "
        "{ if first or i > 0 { ReLU } -> Linear(4) } } }"
    )
    source = check(network(block, "B(true)", "B(false)"))
    assert "if first:" in source
    assert " for " not in source


def test_a_variable_of_a_loop_hides_no_parameter() -> None:
    """The loop goes on from `in_features`, which its turns read, too."""
    block = (
        "block B(widths) { let before = x.features return x -> body: for w in widths "
        "{ Linear(w) -> Dropout(1 / before) } }"
    )
    source = check(network(block, "B([5, 4])", "B([6, 3, 2])"))
    assert "for in_features, w in pairwise((before, *widths))" in source


@pytest.mark.parametrize(
    ("block", "written"),
    [
        (
            (
                "block B(depth, width) { return x -> enc: repeat depth "
                "{ h = x -> Linear(width) return h + (h -> Tanh) } }"
            ),
            (
                "self.enc = nn.Sequential(Enc(in_features, width), "
                "*(Enc(width, width) for _ in range(depth - 1)))"
            ),
        ),
        (
            (
                "block B(depth, width) { pos = x -> Linear(width) h = x -> fc: Linear(width) "
                "h = h -> enc: repeat depth { y = (x, pos) -> Concat -> Linear(width) return y } "
                "return h }"
            ),
            "self.enc = nn.ModuleList(Enc(",
        ),
    ],
)
def test_a_block_of_two_depths_is_one_class(block: str, written: str) -> None:
    text = network(block, "B(2, 4)", "B(3, 6)")
    assert written in check(text)
    assert classes(source_of(text)) == ["Enc", "B", "Net"]


def test_a_loop_that_asks_which_turn_it_is_promises_no_turns_that_nobody_has() -> None:
    block = (
        "block B(n) { return x -> body: repeat n as j "
        "{ if j > 0 { ReLU } -> Linear(4) -> Linear(8) } }"
    )
    turn = "nn.Sequential(nn.Linear(in_features, 4), nn.Linear(4, 8))"
    alone = flat(source_of(network(block, "B(1)", "B(1)")))
    assert "def __init__(self, in_features: int) -> None:" in alone
    assert f"self.body = nn.Sequential({turn})" in alone
    source = source_of(network(block, "B(1)", "B(1)", "B(3)"))
    assert classes(source) == ["B", "Net"]
    assert f"body: list[nn.Module] = [{turn}] if with_sequential: body += [" in flat(source)
    check(network(block, "B(1)", "B(1)", "B(3)"))


def test_turns_that_differ_in_one_number_go_through_numbers() -> None:
    block = (
        "block B(n) { h = x -> s: for k in [6, 6] { _: { drop: Dropout } -> Linear(n) } "
        "return h -> Linear(n) }"
    )
    text = network(block, "B(5)", "B(4)")
    assert "for s_in_features in (8, n)" in check(text)
