"""Drafts that differ in taken arms are one body that does in each use what its draft does."""

from __future__ import annotations

from addnn_spec.backends.torch_code.arms import MOST_FLAGS, body_of
from addnn_spec.backends.torch_code.body import Branch, ClassBody, Guard, structures
from addnn_spec.backends.torch_code.class_draft import ChildDraft, Draft, DraftStep
from addnn_spec.backends.torch_code.parameters import Arm
from addnn_spec.backends.torch_code.tree import Leaf, Name, Spanned, Tree, Value, When, walk
from addnn_spec.backends.torch_code.vectors import ABSENT
from addnn_spec.graph import Graph
from addnn_spec.ops.base import TensorType
from addnn_spec.ops.code import Arg, Call
from addnn_spec.source import Source, Span
from tests.support import graph_of

TEXT = "abcdefgh"
SOURCE = Source("test.net", TEXT)
TYPE = TensorType("float", (4, 8))


def graph() -> Graph:
    return graph_of("network Test { input x: float[4, 8] output y = x -> ReLU }")


def place(letter: str) -> Span:
    return Span(SOURCE, TEXT.index(letter), TEXT.index(letter) + 1)


def draft(*steps: str, children: dict[str, Tree] | None = None) -> Draft:
    """`b:ax` is a step `b` at its place in the text, that reads `a` and the input; so is `b` of
    what was made before. The last is the output."""
    made = Draft(graph(), inputs=[("x", TYPE)])
    values = {"x": 0}
    for number, step in enumerate(steps, 1):
        name, _, reads = step.partition(":")
        read = [values[letter] for letter in reads] or [number - 1]
        tree = Call(name, tuple(Arg(Value(value)) for value in read))
        made.steps.append(DraftStep(name, tree, (number,), (TYPE,), place(name), ("",)))
        values[name] = number
    made.outputs = [Value(len(steps))]
    for path, child in (children or {}).items():
        made.children.append(ChildDraft(path, child, place(path[0])))
    return made


def no_reason(arm: Arm) -> Tree | None:
    return None


def merged(*drafts: Draft) -> ClassBody | None:
    return body_of(structures(drafts, probes=False), False, no_reason)


def done(*drafts: Draft) -> tuple[ClassBody, list[str]]:
    body = merged(*drafts)
    assert body is not None
    return body, [computed(body, use) for use in range(len(drafts))]


def computed(body: ClassBody, use: int) -> str:
    """What the body's output is in a use, as calls of calls."""
    values = {0: "x"}

    def run(step: DraftStep) -> None:
        read = [values[node.index] for node in walk(step.tree) if isinstance(node, Value)]
        values[step.outputs[0]] = f"{step.name}({', '.join(read)})"

    for item in body.items:
        if isinstance(item, DraftStep):
            run(item)
            continue
        taken = body.flags[item.flag].values[use]
        for step in item.then if taken else item.orelse:
            run(step)
        joined = {j.value: values[(j.then if taken else j.orelse).index] for j in item.joins}
        values |= joined
    (output,) = body.outputs
    assert isinstance(output, Value)
    return values[output.index]


def test_a_step_that_some_lack_is_a_branch_that_ends_in_a_join() -> None:
    body, results = done(draft("a", "b", "c"), draft("a", "c"), draft("a", "b", "c"))
    first, branch, last = body.items
    assert isinstance(first, DraftStep)
    assert isinstance(branch, Branch)
    assert isinstance(last, DraftStep)
    assert ([step.name for step in branch.then], branch.orelse) == (["b"], [])
    assert len(branch.joins) == 1
    assert results == ["c(b(a(x)))", "c(b(a(x)))", "c(a(x))"]


def test_two_arms_are_one_branch() -> None:
    body, results = done(draft("a", "b", "d"), draft("a", "c", "d"))
    (branch,) = (item for item in body.items if isinstance(item, Branch))
    assert [step.name for step in branch.then] == ["b"]
    assert [step.name for step in branch.orelse] == ["c"]
    assert [flag.values for flag in body.flags] == [(True, False)]
    assert results == ["d(b(a(x)))", "d(c(a(x)))"]


def test_what_is_read_around_the_arms_and_given_out_of_them_is_joined() -> None:
    _, results = done(draft("a", "b:a", "c:ax", "d:cb"), draft("a", "c:ax", "d:ca"))
    assert results == ["d(c(a(x), x), b(a(x)))", "d(c(a(x), x), a(x))"]
    _, results = done(draft("a", "b"), draft("a"))
    assert results == ["b(a(x))", "a(x)"]


def test_two_conditions_are_two_flags_and_more_are_no_body() -> None:
    _, results = done(draft("a", "b", "c", "d"), draft("a", "c", "d"), draft("a", "b", "d"))
    assert results == ["d(c(b(a(x))))", "d(c(a(x)))", "d(b(a(x)))"]
    one_each = [draft("a", letter, "h") for letter in "bcd"]
    assert len(one_each) == MOST_FLAGS + 1
    assert merged(draft("a", "h"), *one_each) is None


def test_arms_that_the_same_uses_take_hang_each_on_its_own_condition() -> None:
    drafts = [draft("a", "b", "c", "d", "e"), draft("a", "c", "e")]
    asked: list[tuple[bool, ...]] = []

    def reason(arm: Arm) -> Tree | None:
        asked.append(arm.values)
        (origin,) = arm.places
        assert isinstance(origin, Span)
        return Name(f"has_{origin.text}")

    groups = structures(drafts, probes=False)
    said, unsaid = body_of(groups, False, reason), body_of(groups, False, no_reason)
    assert said is not None
    assert unsaid is not None
    assert asked == [(True, False), (True, False)]
    assert [flag.places for flag in said.flags] == [(place("b"),), (place("d"),)]
    assert [flag.places for flag in unsaid.flags] == [(place("b"), place("d"))]
    for body in (said, unsaid):
        assert [computed(body, use) for use in (0, 1)] == ["e(d(c(b(a(x)))))", "e(c(a(x)))"]


def test_a_child_that_some_lack_has_a_guard_and_names_the_flag() -> None:
    def made(size: int) -> Tree:
        return Call("nn.Linear", (Arg(Leaf(size, "size")),))

    body, _ = done(
        draft("a", "b", children={"conv": made(16), "downsample": made(3)}),
        draft("a", children={"conv": made(32)}),
    )
    assert [(c.path, guard) for c, guard in body.children] == [
        ("conv", None),
        ("downsample", Guard(0, True)),
    ]
    assert [flag.name for flag in body.flags] == ["downsample"]
    assert [column.vector for column in body.columns] == [(16, 32), (3, ABSENT)]


def test_a_sequential_whose_elements_differ_has_what_some_lack_under_a_flag() -> None:
    def sequential(*names: str) -> Tree:
        calls = (Spanned(Call(f"nn.{name}"), place(name[0].lower())) for name in names)
        return Call("nn.Sequential", tuple(map(Arg, calls)))

    body, _ = done(
        draft("a", children={"f": sequential("Bilinear", "CELU", "ELU")}),
        draft("a", children={"f": sequential("Bilinear", "ELU")}),
    )
    ((child, guard),) = body.children
    (when,) = (node for node in walk(child.tree) if isinstance(node, When))
    assert guard is None
    assert body.flags[when.flag].values == (True, False)
    assert when.present
    assert [n.fn for n in walk(when.value) if isinstance(n, Call)] == ["nn.CELU"]


def test_what_is_no_arm_of_an_if_is_no_branch() -> None:
    assert merged(draft("a", "b", "b"), draft("a", "b")) is None  # turns of a loop
    other = draft("a")
    other.inputs = [("z", TYPE)]
    assert merged(draft("a", "b"), other) is None
