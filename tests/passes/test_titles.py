"""What a brace is called in tables and drawings: what it holds."""

from __future__ import annotations

import pytest

from addnn_spec.backends.dot import dot_text
from addnn_spec.backends.picture import DrawOptions
from addnn_spec.passes.summary import summarize
from addnn_spec.passes.titles import repeated
from tests.support import graph_of

NET = """
block Unit(width) {{ return x -> fc: Linear(width) -> ReLU }}
network Net {{
  input x: float[N, 8]
  output y = x -> part: {}
}}
"""


@pytest.mark.parametrize(
    ("brace", "title"),
    [
        ("repeat 4 { Unit(8) }", "Unit ×4"),
        ("for width in [8, 9, 9] { Unit(width) }", "Unit ×3"),
        ("repeat 2 { Linear(8) -> ReLU }", "(Linear → ReLU) ×2"),
        ("repeat 2 { repeat 3 { Unit(8) } -> ReLU }", "(Unit ×3 → ReLU) ×2"),
        ("repeat 2 { turn: repeat 3 { Unit(8) } }", "{ … } ×2"),
        ("{ Linear(8) }", "Linear"),
        ("{ Linear(8) -> ReLU -> Linear(9) }", "Linear → ReLU → Linear"),
        ("{ Linear(8) -> ReLU -> Linear(9) -> Sigmoid }", "Linear → … → Sigmoid"),
        ("{ inner: { Linear(8) -> ReLU } -> Tanh }", "(Linear → ReLU) → Tanh"),
        ("{ a: { b: { c: { Linear(8) } } } }", "{ … }"),
        ("{ y = x -> Linear(8)\n return x + y }", "{ … }"),
        ("for act in [ReLU, Tanh, Tanh] { act }", "ReLU → Tanh ×2"),
    ],
)
def test_a_brace_is_called_what_it_holds(brace: str, title: str) -> None:
    graph = graph_of(NET.format(brace))
    assert [row.op for row in summarize(graph).rows if row.path == "part"] == [title]
    assert f'label="{title}\\npart' in dot_text(graph, DrawOptions(depth=0)).replace(" · ", "")


def test_what_is_repeated_is_set_apart() -> None:
    assert [repeated(name, 3) for name in ("Unit", "Unit ×2", "A → B", "{ … }")] == [
        "Unit ×3",
        "(Unit ×2) ×3",
        "(A → B) ×3",
        "{ … } ×3",
    ]
    assert repeated("Unit", 1_000) == "Unit ×1,000"
