"""Steps become statements: calls within calls where that reads well, and no copies."""

from __future__ import annotations

import pytest

from addnn_spec.backends.torch_code.body import Branch, Join
from addnn_spec.backends.torch_code.class_draft import DraftStep, Pattern
from addnn_spec.backends.torch_code.code_text import flat
from addnn_spec.backends.torch_code.forward import (
    Assign,
    Fork,
    pattern_text,
    statements,
    use_counts,
    without_copies,
)
from addnn_spec.backends.torch_code.tree import Name, Tree, Value, rewrite
from addnn_spec.ops.base import TensorType
from addnn_spec.ops.code import Arg, Call
from addnn_spec.source import Source, Span

SPAN = Span(Source("test.net", "x"), 0, 1)
NARROW, WIDE = TensorType("float", (4, 8)), TensorType("float", (4, 16))


def step(
    output: int,
    fn: str,
    *reads: int,
    name: str = "",
    heavy: bool = False,
    composite: bool = False,
    type: TensorType = NARROW,
) -> DraftStep:
    tree = Call(fn, tuple(Arg(Value(value)) for value in reads))
    made = (output,), (type,)
    return DraftStep(fn, tree, *made, SPAN, (name,), heavy=heavy, composite=composite)


def text(tree: Tree) -> str:
    return flat(rewrite(tree, lambda t: Name(f"v{t.index}") if isinstance(t, Value) else None))


def lines(*steps: DraftStep, outputs: tuple[int, ...] = (), probes: bool = False) -> list[str]:
    last = outputs or steps[-1].outputs
    made = statements(steps, list(map(Value, last)), {}, lambda tree: tree, probes)
    assigns = [statement for statement in made if isinstance(statement, Assign)]
    return [f"v{assign.step.outputs[0]} = {text(assign.tree)}" for assign in assigns]


def test_what_only_the_next_step_reads_is_written_in_it_three_calls_deep() -> None:
    assert lines(step(1, "f", 0), step(2, "g", 1), step(3, "h", 2)) == ["v3 = h(g(f(v0)))"]
    four = [step(number, "fghk"[number - 1], number - 1) for number in range(1, 5)]
    assert lines(*four) == ["v3 = h(g(f(v0)))", "v4 = k(v3)"]
    assert lines(step(1, "f", 0), step(2, "g", 0), step(3, "add", 1, 2)) == [
        "v3 = add(f(v0), g(v0))"
    ]


def test_what_is_computed_first_stays_first() -> None:
    steps = (step(1, "f", 0), step(2, "g", 0), step(3, "sub", 2, 1))
    assert lines(*steps) == ["v1 = f(v0)", "v2 = g(v0)", "v3 = sub(v2, v1)"]


def test_what_is_read_twice_or_has_a_name_is_a_statement() -> None:
    apart = ["v1 = f(v0)", "v2 = g(v1)"]
    assert lines(step(1, "f", 0), step(2, "g", 1), outputs=(2, 1)) == apart
    assert lines(step(1, "f", 0, name="a"), step(2, "g", 1)) == apart
    assert lines(step(1, "f", 0), step(2, "g", 1), probes=True) == [
        'v1 = self.tap("f", f(v0))',
        'v2 = self.tap("g", g(v1))',
    ]


def test_a_statement_has_one_product_of_matrices_and_is_no_longer_than_a_line() -> None:
    heavy = (step(1, "conv", 0, heavy=True), step(2, "relu", 1), step(3, "conv", 2, heavy=True))
    assert lines(*heavy) == ["v2 = relu(conv(v0))", "v3 = conv(v2)"]
    wordy = "f" * 70
    assert lines(step(1, wordy, 0), step(2, "g", 1)) == [f"v1 = {wordy}(v0)", "v2 = g(v1)"]
    # Where not both of what it reads fit in, the nearest does.
    assert lines(step(1, wordy, 0), step(2, "g", 0), step(3, "add", 1, 2)) == [
        f"v1 = {wordy}(v0)",
        "v3 = add(v1, g(v0))",
    ]


@pytest.mark.parametrize(
    ("type", "expected"),
    [(NARROW, ["v2 = pool(block(v0))"]), (WIDE, ["v1 = block(v0)", "v2 = pool(v1)"])],
)
def test_a_blocks_call_stays_in_sight_where_the_shape_changes(
    type: TensorType, expected: list[str]
) -> None:
    assert lines(step(1, "block", 0, composite=True, type=type), step(2, "pool", 1)) == expected


def test_a_branch_is_a_fork_of_statements_and_its_joins_are_read() -> None:
    join = Join(3, Value(2), Value(0))
    branch = Branch(0, [step(1, "f", 0), step(2, "g", 1)], [], [join])
    items: list[DraftStep | Branch] = [branch, step(4, "add", 3, 3)]
    assert use_counts(items, [Value(4)]) == {0: 2, 1: 1, 2: 1, 3: 2, 4: 1}
    fork, last = statements(items, [Value(4)], {0: Name("flag")}, lambda tree: tree, False)
    assert isinstance(fork, Fork)
    assert isinstance(last, Assign)
    assert (fork.test, fork.joins, fork.orelse) == (Name("flag"), [join], [])
    assert [text(assign.tree) for assign in fork.then] == ["g(f(v0))"]


def test_no_statement_is_a_copy() -> None:
    copy = Assign(step(1, "identity", 0), Value(0), ())
    again = Assign(step(2, "identity", 1), Value(1), ())
    read = Assign(step(3, "f", 2), Call("f", (Arg(Value(2)),)), ())
    fork = Fork(Name("flag"), joins=[Join(4, Value(3), Value(1))])
    kept, outputs = without_copies([copy, again, read, fork], [Value(2), Value(4)])
    assert kept == [read, fork]
    assert text(read.tree) == "f(v0)"
    assert fork.joins == [Join(4, Value(3), Value(0))]
    assert outputs == [Value(0), Value(4)]


@pytest.mark.parametrize(
    ("pattern", "names", "expected"),
    [
        ((0, (1, 2)), ["y", "h", "c"], "y, (h, c)"),
        ((0, (1, 2)), ["y", "_", "_"], "y, _"),
        ((None, 0), ["y"], "_, y"),
        ((0,), ["y"], "(y,)"),
        ((0, (1,)), ["y", "h"], "y, (h,)"),
    ],
)
def test_targets_unpack_as_the_value_is_nested(
    pattern: Pattern, names: list[str], expected: str
) -> None:
    assert pattern_text(pattern, names) == expected
