"""An operator's rules are asked of the types that it was elaborated with, and of no others."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path

import addnn_spec
from addnn_spec.ops.applied import Applied
from addnn_spec.ops.base import HigherOperator

PACKAGE = Path(addnn_spec.__file__).parent
RULES = {
    name
    for name, value in inspect.getmembers(HigherOperator, inspect.isfunction)
    if "inputs" in inspect.signature(value).parameters
}
ELABORATION = {"infer", "layer_inputs", "infer_layer"}
"""What elaboration alone asks: it gives the types that all others ask of."""


def test_rules_are_asked_through_applied() -> None:
    assert len(RULES) > 12
    assert {name for name in RULES - ELABORATION if not hasattr(Applied, name)} == {
        "weights",
        "buffers",
        "mixed",
    }, "the first two are in `tensors`, the last in `reach`"
    asked = []
    for path in PACKAGE.rglob("*.py"):
        folder = path.relative_to(PACKAGE).parts[0]
        allowed = ELABORATION if folder == "elaborate" else set()
        if folder != "ops":
            asked += [(path.name, name) for name in _asked(path) if name not in allowed]
    assert asked == []


def _asked(path: Path) -> list[str]:
    """The rules that a file asks of inputs."""
    return [
        node.func.attr
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
        if node.func.attr in RULES and any(isinstance(arg, ast.Starred) for arg in node.args)
    ]
