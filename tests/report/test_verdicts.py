"""Verdicts on runs made by hand; the errors worked out on paper."""

from __future__ import annotations

import math

import numpy as np
import pytest

from addnn_spec.report.dataflow import flow, trunk
from addnn_spec.report.verdicts import Verdict, paired, verdicts
from addnn_spec.runtime.run_record import RunRecord
from tests.report.runs import hits, index, node, run


def words(of: RunRecord, label: str, before: str, split: str = "train") -> list[str]:
    return [
        v.word
        for v in verdicts(of)
        if (v.node, v.before, v.split) == (label, before, split) and v.word != "settles"
    ]


def test_the_error_of_gained_and_lost_hits() -> None:
    # b = 7 gained, c = 3 lost, m = 10: D = .4, and √(10 − 16/10)/10 = √8.4/10
    before = np.array([0.0] * 7 + [1.0] * 3)
    found = paired(before, 1.0 - before)
    assert found.value == pytest.approx(0.4)
    assert found.error == pytest.approx(math.sqrt(8.4) / 10, rel=1e-12)
    assert found.word == "no change measured"  # .4 < 2 × .29


def test_targets_are_paired_without_the_undefined() -> None:
    # d = .1, .3: mean .2, √(.1 − .16/2)/2 = √.02/2
    found = paired(np.array([0.5, 0.2, math.nan, 0.1]), np.array([0.6, 0.5, 0.3, math.nan]))
    assert found.m == 2 and found.value == pytest.approx(0.2)
    assert found.error == pytest.approx(math.sqrt(0.02) / 2)


def test_equal_nodes_have_no_difference() -> None:
    found = paired(np.ones(5), np.ones(5))
    assert (found.value, found.error, found.word) == (0.0, 0.0, "no change measured")


def test_other_samples_are_not_paired() -> None:
    with pytest.raises(ValueError, match="4 samples cannot be paired with 5"):
        paired(np.ones(4), np.ones(5))


@pytest.mark.parametrize(
    ("gained", "word"),
    # m = 100, none lost: D = g/100, 2S = 2√(g − g²/100)/100. g = 3: .03 < .0341; g = 4: .04 > .0392
    [(3, "no change measured"), (4, "rises")],
)
def test_two_errors_decide(gained: int, word: str) -> None:
    made = run(
        node("x", 0, train=hits(range(50))),
        node("a", 1, ["x"], train=hits(range(50 + gained))),
    )
    assert words(made, "a", "x")[-1] == word


def test_falls() -> None:
    made = run(
        node("x", 0, train=hits(range(50))),
        node("a", 1, ["x"], train=hits(range(40))),
        node("b", 2, ["a"], train=hits(range(60))),
    )
    assert words(made, "a", "x") == ["falls"]
    assert words(made, "b", "a") == ["rises"]


def branches() -> RunRecord:
    """x → (a, b) → sum → out; b is much worse than a, though computed after it."""
    return run(
        node("x", 0, train=hits(range(50))),
        node("a", 1, ["x"], train=hits(range(80))),
        node("b", 2, ["x"], train=hits(range(10))),
        node("sum", 3, ["a", "b"], kind="merge", train=hits(range(90))),
        node("out", 4, ["sum"], train=hits(range(90))),
    )


def test_ends_of_parallel_branches_are_never_compared() -> None:
    made = branches()
    compared = {frozenset((v.node, v.before)) for v in verdicts(made)}
    assert frozenset(("a", "b")) not in compared
    assert words(made, "sum", "a") == ["rises"] and words(made, "sum", "b") == ["rises"]
    assert trunk(made) == ("x", "sum", "out")


def test_it_settles_on_the_trunk_only() -> None:
    (found,) = [v for v in verdicts(branches()) if v.word == "settles"]
    assert (found.node, found.before) == ("sum", "out")
    assert "no change measured at m = 100" in found.text and "useless" not in found.text


def dense(test: int, cross: int, *, is_dense: bool = True) -> list[Verdict]:
    made = run(
        node("x", 0, train=hits(range(50)), test=hits(range(50)), cross=hits(range(50))),
        node(
            "fc", 1, ["x"], dense=is_dense, train=hits(range(90)), test=hits(range(test)),
            cross=hits(range(cross)),
        ),
    )  # fmt: skip
    return [v for v in verdicts(made) if v.word == "memorises"]


def test_it_memorises_where_only_train_rises() -> None:
    (found,) = dense(50, 52)
    assert (found.node, found.before) == ("fc", "x")
    assert not dense(60, 50) and not dense(50, 60) and not dense(50, 50, is_dense=False)


def test_without_test_data_nothing_is_said_of_memorising() -> None:
    made = run(
        node("x", 0, train=hits(range(50))),
        node("fc", 1, ["x"], dense=True, train=hits(range(90))),
    )
    assert all(v.word != "memorises" for v in verdicts(made))


def test_what_leaves_a_block_leaves_it_as_the_blocks_value() -> None:
    made = run(
        node("x", 0, train=hits(range(50))),
        node("b.conv", 1, ["x"], train=hits(range(50))),
        node("b", 2, ["b.conv"], kind="block", train=hits(range(60))),
        node("fc", 3, ["b.conv"], train=hits(range(60))),
    )
    assert flow(made)["fc"] == ("b",)
    assert flow(made)["b"] == ("b.conv",)
    assert words(made, "fc", "b") == ["no change measured"]
    assert trunk(made) == ("x", "b.conv", "b", "fc")


def test_targets_have_verdicts_too() -> None:
    low, high = [0.5, 0.6] * 20, [0.7, 0.8] * 19 + [0.9, 0.4]
    made = run(node("x", 0, train=index(low)), node("a", 1, ["x"], train=index(high)), classes=())
    assert words(made, "a", "x")[-1] == "rises"


def test_no_nodes() -> None:
    assert verdicts(run()) == ()
