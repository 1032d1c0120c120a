"""Classes as lines of Python: comments, docstrings, arms, and what the constructor writes."""

from __future__ import annotations

import pytest

from addnn_spec.backends.torch_code.body import Guard
from addnn_spec.backends.torch_code.class_draft import ChildDraft, Run
from addnn_spec.backends.torch_code.classes import ClassCode
from addnn_spec.backends.torch_code.code_text import WIDTH
from addnn_spec.backends.torch_code.paths import Paths
from addnn_spec.backends.torch_code.tree import Choice, Name, Tree, When
from addnn_spec.backends.torch_code.writer import Arms, ClassWriter, comment, condition, docstring
from addnn_spec.ops.code import Arg, Call, Infix
from addnn_spec.source import Source, Span
from tests.support import graph_of

SPAN = Span(Source("test.net", "abc"), 0, 1)
P, Q = Name("p"), Name("q")
LINEAR = Call("nn.Linear", (Arg(8), Arg(Name("n"))))
RELU = Call("nn.ReLU")


def test_a_comment_is_one_line_without_control_characters() -> None:
    assert comment("a\n b\t\x00c\u2028d  e") == "a b c d e"


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("", []),
        ("One line.", ['    """One line."""']),
        ('A "word" \\n.', ['    """A \'word\' \\\\n."""']),
        ("First.\n\nSecond.", ['    """First.', "", "    Second.", '    """']),
        ("\n\nFirst.", ['    """First."""']),
    ],
)
def test_a_docstring(text: str, lines: list[str]) -> None:
    assert [line.text for line in docstring(text, 1)] == lines


def test_a_long_docstring_is_filled_anew() -> None:
    rows = [line.text for line in docstring("word " * 60, 2)]
    assert all(len(row) <= WIDTH for row in rows)
    assert " ".join(rows).replace('"', "").split() == ["word"] * 60


def texts(lines: object) -> list[str]:
    return [line.text for line in lines]  # type: ignore[attr-defined]


def test_a_condition_may_be_long() -> None:
    assert texts(condition(Infix(">", P, 3), 1)) == ["    if p > 3:"]
    long = Infix("and", Name("a" * 50), Name("b" * 50))
    assert texts(condition(long, 0)) == ["if (", f"    {'a' * 50}", f"    and {'b' * 50}", "):"]


def test_an_arm_is_opened_once_and_followed_by_its_other() -> None:
    arms = Arms([P, Infix("==", Q, 1)])
    assert texts(arms.opened(Guard(0, True), 1)) == ["    if p:"]
    assert arms.opened(Guard(0, True), 1) == []
    assert texts(arms.opened(Guard(0, False), 1)) == ["    else:"]
    assert texts(arms.opened(Guard(1, False), 1)) == ["    if q != 1:"]
    arms.close()
    assert texts(arms.opened(Guard(1, False), 1)) == ["    if q != 1:"]
    assert texts(arms.opened(Guard(0, True), 1)) == ["    if p:"]


def written(
    *children: tuple[ChildDraft, Guard | None], flags: list[Tree] | None = None, **more: object
) -> list[str]:
    """The lines of a constructor, less `def` and `super().__init__()`."""
    graph = graph_of("network Test { input x: float[4, 8] output y = x -> ReLU }")
    code = ClassCode("Test", "", graph, network=False, children=list(children), flags=flags or [])
    for name, value in more.items():
        setattr(code, name, value)
    code.paths = Paths(child for child, _ in children)
    lines = texts(ClassWriter(code, probes=False)._constructor())
    return [line.removeprefix(" " * 8) for line in lines[2:]]


def child(path: str, tree: Tree = LINEAR, **more: object) -> ChildDraft:
    return ChildDraft(path, tree, SPAN, **more)  # type: ignore[arg-type]


def test_a_child_is_an_attribute() -> None:
    assert written((child("a"), None)) == ["self.a = nn.Linear(8, n)"]


def test_what_fills_a_child_comes_after_it() -> None:
    fill = Call("nn.init.zeros_", (Arg(Name("self.a.bias")),))
    assert written((child("a", inits=(fill,)), None)) == [
        "self.a = nn.Linear(8, n)",
        "nn.init.zeros_(self.a.bias)",
    ]


def test_tensors_are_registered_or_assigned() -> None:
    table = Call("torch.zeros", (Arg(3),))
    assert written(
        (child("b", table, tensor="buffer"), None),
        (child("_like", table, tensor="buffer", saved=False), None),
        (child("w", Call("nn.Parameter", (Arg(table),)), tensor="parameter"), None),
    ) == [
        'self.register_buffer("b", torch.zeros(3))',
        'self.register_buffer("_like", torch.zeros(3), persistent=False)',
        "self.w = nn.Parameter(torch.zeros(3))",
    ]


def test_children_of_a_run_are_added_in_a_loop() -> None:
    assert written((child("linear_2", run=Run("linear_", 2, 6)), None)) == [
        "for i in range(2, 6):",
        '    self.add_module(f"linear_{i}", nn.Linear(8, n))',
    ]


@pytest.mark.parametrize(
    ("test", "line"),
    [
        (P, "self.a = nn.Linear(8, n) if p else None"),
        (Infix(">", P, 3), "self.a = nn.Linear(8, n) if p > 3 else None"),
        (Choice(P, Q, False), "self.a = nn.Linear(8, n) if (p if q else False) else None"),
    ],
)
def test_a_child_that_some_uses_lack_is_none(test: Tree, line: str) -> None:
    assert written((child("a"), Guard(0, True)), flags=[test]) == [line]


def test_a_long_one_is_made_in_an_arm() -> None:
    long = Call("nn.Sequential", tuple(Arg(LINEAR) for _ in range(5)))
    assert written((child("a", long), Guard(0, True)), flags=[P])[:3] == [
        "self.a: nn.Module | None = None",
        "if p:",
        "    self.a = nn.Sequential(",
    ]


def test_a_child_that_is_made_in_two_ways_has_two_arms() -> None:
    lines = written((child("a", RELU), Guard(0, False)), (child("a"), Guard(0, True)), flags=[P])
    assert lines == [
        "self.a: nn.Module",
        "if p:",
        "    self.a = nn.Linear(8, n)",
        "else:",
        "    self.a = nn.ReLU()",
    ]


def test_elements_that_some_lack_are_put_into_a_list() -> None:
    some = Call("nn.Sequential", (Arg(LINEAR), Arg(When(0, True, RELU)), Arg(LINEAR)))
    assert written((child("a", some), None), flags=[P]) == [
        "a: list[nn.Module] = [nn.Linear(8, n)]",
        "if p:",
        "    a.append(nn.ReLU())",
        "a.append(nn.Linear(8, n))",
        "self.a = nn.Sequential(*a)",
    ]


def test_the_head_resolves_defaults_and_lets_first() -> None:
    head: list[tuple[str, Tree, bool]] = [
        ("hidden", Infix("*", 4, Name("n")), True),
        ("half", Infix("//", Name("n"), 2), False),
    ]
    lines = written(
        (child("a"), None),
        head=head,
        parameters=["n: int", "hidden: int | None = None"],
        stored={"n": "n", "a": "a_value"},
    )
    assert lines == [
        "if hidden is None:",
        "    hidden = 4 * n",
        "half = n // 2",
        "self.n = n",
        "self.a_value = a",
        "self.a = nn.Linear(8, n)",
    ]


def test_a_class_without_children_and_parameters_has_no_constructor() -> None:
    assert written() == []


def test_a_long_signature_is_one_parameter_a_line() -> None:
    graph = graph_of("network Test { input x: float[4, 8] output y = x -> ReLU }")
    names = [f"parameter_{number}: int" for number in range(8)]
    code = ClassCode("Test", "", graph, network=False, parameters=names)
    lines = texts(ClassWriter(code, probes=False)._constructor())
    assert lines[0] == "    def __init__("
    assert lines[1:10] == [f"        {name}," for name in ["self", *names]]
    assert lines[10] == "    ) -> None:"
