"""Statements on runs made by hand; what they need is worked out on paper."""

from __future__ import annotations

import pytest
from scipy import stats

from addnn_spec.report.dataflow import flow, trunk
from addnn_spec.report.settling import settling
from addnn_spec.report.verdicts import Verdict, statements, verdicts
from addnn_spec.runtime.run_record import RunRecord
from tests.report.runs import hits, index, node, run


def words(of: RunRecord, label: str, before: str, split: str = "train") -> list[str]:
    return [
        v.word
        for v in verdicts(of)
        if (v.node, v.before, v.split) == (label, before, split)
        and v.word not in ("settles", "peaks", "no peak")
    ]


@pytest.mark.parametrize(
    ("gained", "word"),
    # None lost, p = 2/2^g; of the whole and of the step: .02 for the first, .04 for the second.
    [(5, "no change measured"), (6, "rises alone"), (7, "rises")],
)
def test_steps_are_taken_together(gained: int, word: str) -> None:
    made = run(
        node("x", 0, train=hits(range(50))),
        node("a", 1, ["x"], train=hits(range(50 + gained))),
    )
    assert words(made, "a", "x")[-1] == word


def test_eleven_of_three_hundred_are_not_enough_for_sixty() -> None:
    """Of 57 steps, 11 gained and none lost hold alone: p is .001 or more, and .04/58 is less."""
    nodes = [node("n0", 0, train=hits(range(150), 300))]
    for n in range(1, 58):
        right = range(150 if n < 30 else 161)
        nodes.append(node(f"n{n}", n, [f"n{n - 1}"], train=hits(right, 300)))
    made = run(*nodes)
    (found,) = [v for v in statements(made).steps if v.word != "no change measured"]
    assert (found.node, found.word) == ("n30", "rises alone")
    assert "not together with all that is said" in found.text


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


def test_the_peak_is_named_on_the_trunk_only() -> None:
    peak, settled = [v for v in verdicts(branches()) if v.word in ("peaks", "settles")]
    assert (peak.node, settled.node) == ("sum", "sum")
    assert "one of sum, out" in peak.text and "behind it out raise it no more" in settled.text


def rows(*rights: int, dense: int = 99, m: int = 1000) -> RunRecord:
    """A chain of nodes with so many hits; those from `dense` on are fully connected."""
    return run(
        *(
            node(f"n{place}", place, [f"n{place - 1}"] if place else [], dense=place >= dense,
                 train=hits(range(right), m))
            for place, right in enumerate(rights)
        )
    )  # fmt: skip


def test_a_head_that_falls_does_not_hide_where_it_settles() -> None:
    """The last falls below what it reads; features are what the dense part reads."""
    made = rows(300, 600, 800, 805, 700, dense=4)
    found = settling(made, "train")
    assert found is not None
    assert (found.peak, found.first, found.level) == ("n3", "n2", ("n2", "n3"))
    assert (found.features, found.as_features, found.idle) == ("n3", ("n2", "n3"), ("n3", "n4"))


def test_among_equal_nodes_there_is_no_peak() -> None:
    made = rows(500, 505, 503, 502)
    (said,) = [v for v in verdicts(made) if v.word in ("peaks", "no peak", "settles")]
    assert said.word == "no peak" and said.node == "n1"


def test_pairs_for_the_peak_are_counted() -> None:
    """Of 3 nodes 3 pairs: p at most .01/3; 10 gained are 3.18 errors, of 20 degrees of freedom
    (p = .0047), 11 are 3.33 of 22 (.0030)."""
    assert settling(rows(500, 500, 510), "train").level == ("n0", "n1", "n2")  # type: ignore[union-attr]
    assert settling(rows(500, 500, 511), "train").level == ("n2",)  # type: ignore[union-attr]


def test_what_would_be_seen_is_told() -> None:
    """Of hits at least 8 must change for 2/2^8 < .04/4; 4.55 errors of 3 that do are 7.9."""
    found = statements(rows(500, 503, 506, 509))
    assert found.count == 4
    assert found.seen["train"] == 8 / 1000
    assert "4 changes were looked for at m = 1,000" in found.summary(1000)


def test_the_rise_that_would_be_seen_is_so_many_errors() -> None:
    """Of 2 changes: t of .99 of a step's degrees of freedom, and the normal quantile of .8."""
    (step,) = statements(rows(500, 600)).steps
    assert step.difference is not None
    reach = stats.t.ppf(0.99, int(step.difference.freedom)) + stats.norm.ppf(0.8)
    seen = statements(rows(500, 600)).seen["train"]
    assert seen == pytest.approx(reach * step.difference.error)


def dense(train: int, test: int, cross: int, *, is_dense: bool = True) -> list[Verdict]:
    made = run(
        node("x", 0, train=hits(range(500), 1000), test=hits(range(500), 1000),
             cross=hits(range(500), 1000)),
        node(
            "fc", 1, ["x"], dense=is_dense, train=hits(range(train), 1000),
            test=hits(range(test), 1000), cross=hits(range(cross), 1000),
        ),
    )  # fmt: skip
    return [v for v in verdicts(made) if v.word.startswith("memorises")]


def test_it_memorises_where_train_rises_by_more() -> None:
    (found,) = dense(700, 505, 505)
    assert (found.node, found.before, found.word) == ("fc", "x", "memorises")
    assert "by more than on test and across" in found.text
    assert dense(700, 560, 550)  # test and across rise, too, and by less
    assert not dense(700, 700, 505) and not dense(700, 505, 700)
    assert not dense(700, 505, 505, is_dense=False)


def test_the_difference_of_significances_is_no_memorising() -> None:
    """Train rises by 10, p = .002, test and across by 4, p = .125: they are within error."""
    assert not dense(510, 504, 504)
    assert not dense(500, 300, 300)  # train does not rise


def test_without_test_data_nothing_is_said_of_memorising() -> None:
    made = run(
        node("x", 0, train=hits(range(50))),
        node("fc", 1, ["x"], dense=True, train=hits(range(90))),
    )
    assert all(not v.word.startswith("memorises") for v in verdicts(made))


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
