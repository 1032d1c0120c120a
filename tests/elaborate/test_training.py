"""What exists in training only."""

from __future__ import annotations

from addnn_spec.compiler import check_text
from addnn_spec.graph import Placeholder
from tests.support import codes, graph_of

_TEXT = """network Net {{
  input left: float[N, 8]
  input same: float[N, 8] when training
  a = left -> Linear(8)
  output y = {main}
  output loss = (a, same) -> MSELoss when training
}}"""


def test_an_input_of_training_is_needed_by_training_outputs_only() -> None:
    graph = graph_of(_TEXT.format(main="a"))
    inputs = {n.name: n.training for n in graph.nodes() if isinstance(n.op, Placeholder)}
    assert inputs == {"left": False, "same": True}


def test_evaluation_cannot_need_an_input_of_training() -> None:
    (found,) = check_text(_TEXT.format(main="a + (same -> ReLU)"))
    assert found.code == "E0408"
    assert found.primary is not None
    assert found.primary.span.position[0] == 5
    assert found.labels[0].span.position[0] == 3


def test_an_input_of_training_may_be_unused() -> None:
    text = "network Net { input x: float[N, 8]\n input t: int[N] when training\n output y = x }"
    assert codes(text) == ["W0102"]
    assert len(graph_of(text).inputs) == 2
