"""Patterns of paths: what they open, and that one which names nothing is an error."""

from __future__ import annotations

import pytest

from addnn_spec.diagnostics import DiagnosticError
from addnn_spec.network import load
from addnn_spec.passes.opened_paths import opened_paths
from tests.support import graph_of

NET = """
block Unit(width) { return x -> fc: Linear(width) -> ReLU }
network Net {
  input x: float[N, 4, 8]
  output y = x -> first: { turns: repeat 3 { Unit(16) } }
    -> "last[1]": { "a.b": Linear(8) -> Tanh } -> rnn: TimeDistributed { Linear(2) -> ReLU }
}
"""
UNIT = {"first.turns.1", "first.turns.1.fc", "first.turns.1.relu"}


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("x", {"x"}),
        ("first.turns.1", {"first", "first.turns", *UNIT}),
        ("first.turns.1.*", {"first", "first.turns", *UNIT}),
        ("*.1.fc", {"first", "first.turns", *UNIT} - {"first.turns.1.relu"}),
        (
            "first.turns.[1-9]",
            {"first", "first.turns", *UNIT} | {n.replace("1", "2") for n in UNIT},
        ),
        ("last[1]", {"last[1]", "last[1].a", "last[1].a.b", "last[1].1"}),
        ("rnn", {"rnn", "rnn.layer", "rnn.layer.0", "rnn.layer.1"}),
        ("rnn.layer.0", {"rnn", "rnn.layer", "rnn.layer.0"}),
    ],
)
def test_what_a_pattern_opens(pattern: str, expected: set[str]) -> None:
    assert opened_paths(graph_of(NET), [pattern]) == expected


def test_what_holds_a_node_needs_no_star() -> None:
    graph = graph_of(NET)
    assert opened_paths(graph, ["first"]) == opened_paths(graph, ["first.*"])
    assert opened_paths(graph, []) == set()


@pytest.mark.parametrize(
    ("pattern", "help"),
    [
        ("frist", "did you mean first?"),
        ("first.trns.*", "did you mean first.turns?"),
        ("first.turns.3", "did you mean first.turns.2 or first.turns.1 or first.turns.0?"),
        ("nosuch", "there are x, first, last[1], rnn"),
        ("*.nosuch", "there are x, first, last[1], rnn"),
    ],
)
def test_a_pattern_that_names_nothing_is_an_error(pattern: str, help: str) -> None:
    with pytest.raises(DiagnosticError) as caught:
        opened_paths(graph_of(NET), ["first", pattern])
    (found,) = caught.value.diagnostics
    assert (found.code, found.message, found.help) == ("E0607", f"no node is like {pattern}", help)


def test_what_is_frozen_is_named_by_a_key_or_what_holds_it() -> None:
    net = load("LeNet5")
    assert net.summary(freeze="fc3").frozen == 400 * 120 + 120
    assert net.summary(freeze="fc3.weight").frozen == 400 * 120
    assert net.summary(freeze="conv*").frozen == net.summary(freeze="conv[12].*").frozen
    with pytest.raises(DiagnosticError) as caught:
        net.summary(freeze="fc33")
    (found,) = caught.value.diagnostics
    assert (found.code, found.help) == ("E0607", "did you mean fc3?")
