"""Operators of a user's own: one class, made known by the caller."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from addnn_spec.backends.torch_code import emit
from addnn_spec.ops import _registered, register
from addnn_spec.ops.base import Operator, TensorType
from addnn_spec.passes.summary import summarize
from tests.support import codes, graph_of, in_network

MODULE = '''
from collections.abc import Mapping
from typing import ClassVar
from addnn_spec.ops.base import Operator, TensorType, Weight

class Scale2(Operator):
    """x times a learned scale a channel."""
    torch_name: ClassVar[str | None] = "mine.Scale2"
    def weights(self, *inputs: TensorType) -> Mapping[str, Weight]:
        return {"weight": Weight((inputs[0].shape[1],))}
'''


def test_a_registered_operator_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine_ops.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr("addnn_spec.ops._registered", {})
    text = in_network("output y = x -> s: Scale2 -> Linear(2)")
    assert codes(text) == ["E0101"]
    assert register("mine_ops") == ("Scale2",)
    assert codes(text) == []
    assert graph_of(text).instances == 3
    sys.modules.pop("mine_ops")


def test_a_class_of_operations_that_there_is_not_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = "    def flops(self, *inputs):\n        return {'elementwice': inputs[0].numel}\n"
    (tmp_path / "wrong_ops.py").write_text(MODULE + wrong)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr("addnn_spec.ops._registered", {})
    register("wrong_ops")
    sys.modules.pop("wrong_ops")
    graph = graph_of(in_network("output y = x -> Scale2"))
    with pytest.raises(TypeError, match=r"Scale2\.flops has 'elementwice': the classes are elem"):
        summarize(graph)


def test_an_operator_with_a_layer_emits_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "layered_ops.py").write_text(HIGHER)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr("addnn_spec.ops._registered", {})
    register("layered_ops")
    sys.modules.pop("layered_ops")
    text = emit(graph_of(in_network("output y = x -> t: Twice(Linear(8), scale = 3)"))).text
    assert re.search(r"self\.t = Twice\(.*nn\.Linear\(8, 8\).*, scale=3\)", text)
    assert "class Twice(nn.Module):" in text


HIGHER = '''
from typing import Any
from addnn_spec.ops.base import HigherOperator
from addnn_spec.ops.code import Support

_TWICE = Support("Twice", "class Twice(nn.Module):\\n    ...\\n")

class Twice(HigherOperator):
    """Runs a layer twice."""
    layers = ("layer",)
    torch_name = ""
    layer: Any
    scale: int = 2
    @property
    def support(self):
        return (_TWICE,)
'''


class Blend(Operator):
    """Two tensors, weighed by a third where there is one."""

    def infer(
        self, input: TensorType, other: TensorType, weight: TensorType | None = None
    ) -> TensorType:
        return input if weight is None else weight


class Blends(Blend):
    """The same, but for its own costs."""


class Joined(Operator):
    """Any number of tensors."""

    input_names = ("tensors",)
    variadic = True

    def infer(self, *inputs: TensorType) -> TensorType:
        return inputs[-1]


def test_inputs_are_called_what_infer_calls_them() -> None:
    for kind in (Blend, Blends):
        assert kind.input_names == ("input", "other", "weight")
        assert kind.optional_inputs == ("weight",)
    assert Joined.input_names == ("tensors",)
    assert Operator.input_names == ("input",)


def test_the_example_of_the_docs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One class, and the whole way to the emitted code works."""
    page = Path(__file__).parents[2] / "docs" / "add-an-operator.md"
    code = page.read_text(encoding="utf-8").partition("```python\n")[2].partition("```")[0]
    (tmp_path / "softsign2.py").write_text(code, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr("addnn_spec.ops._registered", {})
    assert register("softsign2") == ("Softsign2",)
    graph = graph_of(in_network("output y = x -> s: Softsign2(eps = 0.1, weight_init = 0.5)"))
    text = emit(graph).text
    assert "self.s = nn.Softsign2(8, eps=0.1)" in text
    assert "nn.init.constant_(self.s.weight, 0.5)" in text
    assert summarize(graph).total.params == 8
    assert codes(in_network("output y = x[0] -> Softsign2")) == ["E0302"]
    sys.modules.pop("softsign2")


def test_a_module_without_operators_is_refused() -> None:
    before = dict(_registered)
    with pytest.raises(ValueError, match="defines no operator"):
        register("json")
    assert before == _registered
