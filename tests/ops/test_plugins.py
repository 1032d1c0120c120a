"""Operators of a user's own: one class, made known by the caller."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from addnn_spec.ops import _registered, register
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


def test_a_module_without_operators_is_refused() -> None:
    before = dict(_registered)
    with pytest.raises(ValueError, match="defines no operator"):
        register("json")
    assert before == _registered
