"""Which uses share a class, what the classes are called, and what is a parameter of a network."""

from __future__ import annotations

import pytest
import torch

from addnn_spec.backends.torch_code import emit
from addnn_spec.backends.torch_code.variants import Variants
from addnn_spec.backends.torch_source import torch_source
from tests.backends.torch_code.emitted import built, classes, source_of
from tests.support import graph_of, session

INPUT = "input x: float[2, 3] "


_A = "block A { return x -> a: Linear(3) } "


@pytest.mark.parametrize(
    ("blocks", "chain", "found"),
    [
        # What is called comes first.
        (_A + "block B { return (x -> A) + x }", "b: B", ["A", "B"]),
        # Labels that count are called after the word.
        (
            "",
            """stage1: { a = x -> a: Linear(3) return a + x }
            -> stage2: { b = x -> b: Linear(3) return b * x }""",
            ["Stage", "Stage2"],
        ),
        # No other class has the network's name.
        ("block Test2 { return x -> a: Linear(3) }", "t: Test2", ["Test2"]),
        # Without weights: a function.
        ("block A { return x + (x -> ReLU) }", "A", []),
        # A plain chain is a Sequential; as a block it is a class of that name.
        ("", "seq: { Linear(3) -> ReLU }", []),
        ("block A { return x -> Linear(3) -> ReLU }", "a: A -> b: A", ["A"]),
        # A block that is given, and the block that it is given to.
        (_A + "block B(f) { return x + (x -> f: f) }", "b: B(A) -> c: B(Linear(3))", ["A", "B"]),
    ],
)
def test_each_definition_is_a_class_behind_what_it_calls(
    blocks: str, chain: str, found: list[str]
) -> None:
    source = source_of(f"{blocks} network Test {{ {INPUT} output y = x -> {chain} }}")
    assert classes(source) == [*found, "Test"], source


def test_a_structure_that_fits_no_class_begins_another() -> None:
    """Two outputs and one: what calls them is given other things."""
    source = source_of(
        "block Own(two) { y = x -> a: Linear(3) if two { return y, x } return y } "
        f"network Test {{ {INPUT} a, b = x -> u: Own(true) output y = (a + b) -> v: Own(false) }}"
    )
    assert [name for name in classes(source) if name.startswith("Own")] == ["Own", "Own2"]


def open_of(text: str, name: str = "Test") -> str:
    """The signature of the network's constructor."""
    made = session(text)
    graph = made.graph(name)
    assert graph is not None
    own = torch_source(made, graph).text.partition(f"class {name}(")[2]
    return own.partition("def __init__(self")[2].partition(")")[0].removeprefix(", ")


@pytest.mark.parametrize(
    ("params", "body", "signature"),
    [
        ("n = 4", "x -> a: Linear(n)", "n: int = 4"),
        ("n = 4, m = 5", "x -> a: Linear(m) -> b: Linear(n)", "n: int = 4, m: int = 5"),
        ("n = 4", "x -> a: Linear(2 * n + 1)", "n: int = 4"),
        ("p = 0.5", "x -> a: Linear(3) -> Dropout(p)", "p: float = 0.5"),
        ("n = 4, m = 4", "x -> a: Linear(n)", "n: int = 4"),  # nothing reads m
        ("n = 2", "x -> repeat n { Linear(3) }", ""),  # it shapes the network
        ("n = 4", "x -> { if n > 3 { a: Linear(3) } }", ""),
        ("n = 4", 'x -> "l{n}": Linear(3)', ""),
        ("n = 4", "x -> a: Linear(4)", ""),  # as large by chance
    ],
)
def test_a_network_is_open_in_numbers_that_do_not_shape_it(
    params: str, body: str, signature: str
) -> None:
    text = f"network Test({params}) {{ {INPUT} output y = {body} }}"
    assert open_of(text) == signature


def test_an_alias_gives_numbers_and_leaves_the_others_open() -> None:
    text = (
        f"network Own(n, m = 5) {{ {INPUT} output y = x -> a: Linear(n) -> b: Linear(m) }} "
        "network Test = Own(7)"
    )
    assert open_of(text) == "m: int = 5"


def test_variants_that_have_nothing_new_are_not_asked() -> None:
    def graph(width: int) -> object:
        return graph_of(f"network Test {{ {INPUT} output y = x -> a: Linear({width}) }}")

    network, other = graph(3), graph(4)
    found = Variants(network, [other])  # type: ignore[arg-type, list-item]
    assert found.graphs == [other]
    assert found.has(other) and not found.has(network)  # type: ignore[arg-type]
    assert not found.lost(other)  # type: ignore[arg-type]
    found.leave([other])  # type: ignore[list-item]
    assert found.lost(other)  # type: ignore[arg-type]
    assert found.unsaid == {other}


def test_the_file_imports_what_it_uses_and_tells_its_places() -> None:
    text = f"network Test {{\n  {INPUT}\n  output y = x -> a: Linear(3)\n}}"
    found = emit(graph_of(text))
    assert found.text.splitlines()[4:9] == [
        "",
        "from __future__ import annotations",
        "",
        "from torch import Tensor, nn",
        "",
    ]
    number = found.text.splitlines().index("        self.a = nn.Linear(3, 3)") + 1
    assert [span.text for span in found.lines_of[number]] == ["Linear(3)"]
    assert found.network == "Test"
    assert found.unsaid == ()


def test_levels_that_apply_what_they_are_given_twice_come_from_below() -> None:
    """Each level applies the next one twice: no module can be given, so each is a class."""
    text = (
        "block Level(n, below = none) { y = x -> a: Linear(n) "
        "if below != none { y = y -> b: below y = y -> c: below } return y } "
        f"network Test {{ {INPUT} output y = x -> top: Level(3, Level(4, Level(5))) }}"
    )
    module = built(graph_of(text))
    assert module(torch.zeros(2, 3)).shape == (2, 5)
    weights = {name: tuple(t.shape) for name, t in module.state_dict().items() if "weight" in name}
    assert weights == {
        "top.a.weight": (3, 3),
        "top.b.a.weight": (4, 3),
        "top.b.b.a.weight": (5, 4),
        "top.b.c.a.weight": (5, 5),
        "top.c.a.weight": (4, 5),
        "top.c.b.a.weight": (5, 4),
        "top.c.c.a.weight": (5, 5),
    }


def test_arguments_of_an_inner_network_that_only_look_equal_are_a_parameter() -> None:
    text = (
        f"network Inner(k = 3) {{ {INPUT} output y = x * k }} "
        f"network Test {{ {INPUT} output y = x -> u: Inner(2) -> v: Inner(2.0) }}"
    )
    source = source_of(text)
    assert "def __init__(self, k: float = 3) -> None:" in source
    assert "self.u = Inner(k=2)" in source and "self.v = Inner(k=2.0)" in source
