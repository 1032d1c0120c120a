"""Values get variables: the text's names, a name again once it is free, and never a wrong value."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

import pytest

from addnn_spec.backends.torch_code.body import Join
from addnn_spec.backends.torch_code.class_draft import DraftStep
from addnn_spec.backends.torch_code.code_text import flat
from addnn_spec.backends.torch_code.forward import Assign, Copy, Fork, ForStatement, Statement
from addnn_spec.backends.torch_code.forward_loops import Carried, Collected, Loop
from addnn_spec.backends.torch_code.tree import Dimension, Name, Tree, Value, walk
from addnn_spec.backends.torch_code.variables import Variables
from addnn_spec.ops.base import TensorType
from addnn_spec.ops.code import Arg, Call
from addnn_spec.source import Source, Span

SPAN = Span(Source("test.net", "x"), 0, 1)
TYPE = TensorType("float", (4, 8))


def assign(
    output: int | tuple[int, ...],
    fn: str,
    *reads: int | Tree,
    name: str = "",
    label: str = "",
) -> Assign:
    """`output = fn(…)`; an int that is read is a value."""
    outputs = output if isinstance(output, tuple) else (output,)
    tree = Call(fn, tuple(Arg(Value(r) if isinstance(r, int) else r) for r in reads))
    step = DraftStep(
        label or fn,
        tree,
        outputs,
        (TYPE,) * len(outputs),
        SPAN,
        (name, *("" for _ in outputs[1:])),
        labelled=bool(label),
        pattern=tuple(range(len(outputs))) if len(outputs) > 1 else None,
    )
    return Assign(step, tree, ())


def written(
    *statements: Statement,
    outputs: Sequence[int],
    inputs: Sequence[str] = ("x",),
    reserved: Sequence[str] = (),
    results: Sequence[str] = (),
) -> list[str]:
    """The lines over variables; `results` are what a network's outputs are called."""
    variables = Variables(inputs, statements, list(map(Value, outputs)), reserved, results)
    returned = variables.assign()
    return [*_lines(statements), "return " + ", ".join(map(flat, returned))]


def _lines(statements: Sequence[Statement | Copy]) -> list[str]:
    found: list[str] = []
    for statement in statements:
        if isinstance(statement, Assign):
            found.append(f"{statement.targets} = {flat(statement.tree)}")
        elif isinstance(statement, Copy):
            found.append(f"{statement.targets} = {statement.source}")
        elif isinstance(statement, ForStatement):
            found += [*_lines(statement.before), "for"]
            found += [f"  {line}" for line in _lines(statement.body)]
            found += [f"  {name}.append({made})" for name, made in statement.collected]
        else:
            found += [*_lines(statement.before), "if"]
            found += [f"  {x}" for x in _lines([*statement.then, *statement.then_copies])]
            orelse = _lines([*statement.orelse, *statement.else_copies])
            found += ["else", *(f"  {line}" for line in orelse)] if orelse else []
    return found


def test_a_name_of_the_text_reaches_back_to_what_flows_into_it() -> None:
    steps = assign(1, "f", 0), assign(2, "g", 1, name="skip"), assign(3, "add", 2, 0)
    assert written(*steps, outputs=[3]) == [
        "skip = f(x)",
        "skip = g(skip)",
        "y = add(skip, x)",
        "return y",
    ]


def test_a_network_keeps_its_inputs_and_the_way_to_an_output_is_x() -> None:
    steps = assign(1, "f", 0), assign(2, "g", 1), assign(3, "h", 2, name="logits")
    assert written(*steps, outputs=[3], inputs=["image"], results=["logits"]) == [
        "x = f(image)",
        "x = g(x)",
        "logits = h(x)",
        "return logits",
    ]


def test_what_has_a_name_hands_it_on_only_to_what_is_made_of_it_alone() -> None:
    first = assign(1, "f", 0, name="skip")
    assert written(first, assign(2, "g", 1), outputs=[2, 0])[1] == "skip = g(skip)"
    first = assign(1, "f", 0, name="skip")
    assert written(first, assign(2, "g", 1, 0), outputs=[2, 0])[1] == "y = g(skip, x)"
    first = assign(1, "f", 0, name="x")
    assert written(first, assign(2, "g", 1, 0), outputs=[2], inputs=["z"])[1] == "x = g(x, z)"


def test_what_is_still_read_keeps_its_variable_and_others_have_a_label_or_a_number() -> None:
    steps = [
        assign(1, "f", 0, label="encoder.conv1"),
        assign(2, "g", 0, label="stages.0"),
        assign(3, "h", 0),
        assign(4, "cat", 0, 1, 2, 3),
    ]
    assert written(*steps, outputs=[4]) == [
        "conv1 = f(x)",
        "y = g(x)",
        "y_2 = h(x)",
        "x = cat(x, conv1, y, y_2)",
        "return x",
    ]


def test_a_size_that_is_read_makes_nothing_of_the_tensor() -> None:
    size = Dimension(Value(0), 1)
    assert written(assign(1, "zeros", size), outputs=[1]) == ["y = zeros(x.shape[1])", "return y"]


def test_outputs_that_nobody_reads_have_no_name_and_taken_names_a_number() -> None:
    several = assign((1, 2), "lstm", 0, name="rows")
    assert written(several, outputs=[1], reserved=["rows"]) == [
        "rows_2, _ = lstm(x)",
        "return rows_2",
    ]


def test_an_arm_overwrites_what_is_not_read_again_and_a_copy_saves_what_is() -> None:
    def fork() -> Fork:
        return Fork(Name("flag"), [assign(1, "f", 0)], joins=[Join(2, Value(1), Value(0))])

    assert written(fork(), outputs=[2]) == ["if", "  x = f(x)", "return x"]
    assert written(fork(), assign(3, "add", 2, 0), outputs=[3]) == [
        "y = x",
        "if",
        "  y = f(x)",
        "y = add(y, x)",
        "return y",
    ]


def test_a_loop_has_one_variable_for_what_turns_hand_on_and_lists_for_what_they_make() -> None:
    loop = Loop({}, 3, False, [], [Carried(0, 1, 2)], [Collected(3, 2, "ys")], frozenset())
    turns = ForStatement(loop, [assign(2, "f", 1, 0)])
    assert written(turns, assign(4, "stack", 3), outputs=[4], inputs=["image"], results=["y"]) == [
        "x = image",
        "for",
        "  x = f(x, image)",
        "  ys.append(x)",
        "y = stack(ys)",
        "return y",
    ]


def test_a_loop_goes_on_with_the_variable_that_it_starts_from_but_for_a_networks_input() -> None:
    def turns() -> ForStatement:
        loop = Loop({}, 3, False, [], [Carried(0, 1, 2)], [], frozenset())
        return ForStatement(loop, [assign(2, "f", 1)])

    assert written(turns(), outputs=[2]) == ["for", "  x = f(x)", "return x"]
    assert written(turns(), outputs=[2], inputs=["image"], results=["y"]) == [
        "x = image",
        "for",
        "  x = f(x)",
        "return x",
    ]


def test_copies_that_are_made_at_once_lose_nothing() -> None:
    loop = Loop({}, 3, False, [], [Carried(1, 3, 5), Carried(2, 4, 6)], [], frozenset())
    turned = ForStatement(loop, [assign(5, "f", 3, name="b"), assign(6, "g", 4, name="a")])
    steps = assign(1, "h", 0, name="a"), assign(2, "k", 0, name="b")
    assert written(*steps, turned, outputs=[5, 6])[2:] == [
        "b, a = a, b",
        "for",
        "  b = f(b)",
        "  a = g(a)",
        "return b, a",
    ]


# --- against the values ---------------------------------------------------------------------------
NAMES = ("", "", "", "a", "b", "x", "y")


TURNS = 3


class Program:
    """Random steps, forks and loops, and what each value is whichever arms are taken."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.statements: list[Statement] = []
        self.count = 2
        scope = [0, 1]
        for _ in range(self.random.randint(1, 7)):
            kind = self.random.random()
            if kind < 0.35:
                scope += self._fork(scope)
            elif kind < 0.5:
                scope += self._loop(scope)
            else:
                scope.append(self._assign(scope, self.statements))
        self.outputs = self.random.sample(scope, k=self.random.randint(1, 2))
        self._drop_unread_joins()

    def _drop_unread_joins(self) -> None:
        """As a merged body has none."""
        read = set(self.outputs)
        for statement in reversed(self.statements):
            inner = [statement] if isinstance(statement, Assign) else []
            if isinstance(statement, Fork):
                statement.joins = [join for join in statement.joins if join.value in read]
                read |= {v.index for join in statement.joins for v in (join.then, join.orelse)}
                inner = [*statement.then, *statement.orelse]
            elif isinstance(statement, ForStatement):
                read |= {carried.start for carried in statement.loop.carried}
                inner = statement.body
            read |= {t.index for a in inner for t in walk(a.tree) if isinstance(t, Value)}

    def _value(self) -> int:
        self.count += 1
        return self.count - 1

    def _assign(
        self, scope: Sequence[int], into: list[Statement] | list[Assign], *reads: int
    ) -> int:
        value = self._value()
        reads = (*reads, *self.random.choices(scope, k=self.random.randint(1, 2)))
        into.append(assign(value, f"f{value}", *reads, name=self.random.choice(NAMES)))
        return value

    def _fork(self, scope: Sequence[int]) -> list[int]:
        fork, arms = Fork(Name("flag")), []
        for arm, fewest in ((fork.then, 1), (fork.orelse, 0)):
            inner = list(scope)
            for _ in range(self.random.randint(fewest, 2)):
                inner.append(self._assign(inner, arm))
            arms.append(inner)
        for then in self.random.sample(arms[0], k=self.random.randint(1, 2)):
            value = self._value()
            fork.joins.append(Join(value, Value(then), Value(self.random.choice(arms[1]))))
        self.statements.append(fork)
        return [join.value for join in fork.joins]

    def _loop(self, scope: Sequence[int]) -> list[int]:
        """Turns that hand on one or two tensors, and may collect what they make.

        What the turn before made is read until it is made anew: others are written out.
        """
        starts = self.random.choices(scope, k=self.random.randint(1, 2))
        before = [self._value() for _ in starts]
        steps = range(len(starts) + self.random.randint(0, 1))
        makers = self.random.sample(steps, k=len(starts))
        body, own = list[Assign](), list[int]()
        for step in steps:
            there = [value for value, at in zip(before, makers, strict=True) if step <= at]
            renewed = [value for value, at in zip(before, makers, strict=True) if step == at]
            own.append(self._assign([*scope, *own, *there], body, *renewed))
        made = [own[at] for at in makers]
        carried = list(map(Carried, starts, before, made))
        collected = []
        if self.random.random() < 0.4:
            collected.append(Collected(self._value(), self.random.choice(own), "ys"))
        loop = Loop({}, TURNS, False, [], carried, collected, frozenset())
        self.statements.append(ForStatement(loop, body))
        return [*made, *(found.value for found in collected)]

    def values(self, taken: bool) -> dict[object, str]:
        """Each value as the calls that made it."""
        found: dict[object, str] = {0: "x", 1: "z"}

        def run(step: Assign) -> None:
            read = [found[t.index] for t in walk(step.step.tree) if isinstance(t, Value)]
            found[step.step.outputs[0]] = f"{step.step.name}({', '.join(read)})"

        for statement in self.statements:
            if isinstance(statement, Fork):
                for inner in statement.then if taken else statement.orelse:
                    run(inner)
                for join in statement.joins:
                    found[join.value] = found[(join.then if taken else join.orelse).index]
            elif isinstance(statement, Assign):
                run(statement)
            else:
                loop = statement.loop
                given = [found[carried.start] for carried in loop.carried]
                lists: dict[int, list[str]] = {one.value: [] for one in loop.collected}
                for _ in range(TURNS):
                    found |= zip((carried.before for carried in loop.carried), given, strict=True)
                    for inner in statement.body:
                        run(inner)
                    given = [found[carried.made] for carried in loop.carried]
                    for one in loop.collected:
                        lists[one.value].append(found[one.made])
                found |= {value: str(items) for value, items in lists.items()}
        return found

    def variables(self, taken: bool) -> dict[str, str]:
        """What the variables hold in the end."""
        held = {"x": "x", "z": "z"}

        def run(parts: Sequence[Assign | Copy]) -> None:
            for part in parts:
                if isinstance(part, Copy):
                    copied = [held[source] for source in part.source.split(", ")]
                    held.update(zip(part.targets.split(", "), copied, strict=True))
                    continue
                read = [held[t.text] for t in walk(part.tree) if isinstance(t, Name)]
                held[part.targets] = f"{part.step.name}({', '.join(read)})"

        for statement in self.statements:
            if isinstance(statement, Fork):
                run(statement.before)
                run([*statement.then, *statement.then_copies] if taken else statement.orelse)
                run([] if taken else statement.else_copies)
            elif isinstance(statement, Assign):
                run([statement])
            else:
                run(statement.before)
                lists: dict[str, list[str]] = {name: [] for name, _ in statement.collected}
                for _ in range(TURNS):
                    run(statement.body)
                    for name, made in statement.collected:
                        lists[name].append(held[made])
                held |= {name: str(items) for name, items in lists.items()}
        return held


@pytest.mark.parametrize("results", [(), ("y",)])
def test_every_variable_holds_the_value_that_is_read_from_it(results: tuple[str, ...]) -> None:
    for seed in range(400):
        program = Program(seed)
        outputs = list(map(Value, program.outputs))
        names = Variables(["x", "z"], program.statements, outputs, (), results).assign()
        for taken in (True, False):
            values, held = program.values(taken), program.variables(taken)
            wanted = [values[output] for output in program.outputs]
            assert [held[flat(name)] for name in names] == wanted, (
                seed,
                _lines(program.statements),
            )
