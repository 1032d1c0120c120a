"""The names of nodes in tables and drawings: `Linear`, `SwinBlock ×2`, `Linear → ReLU`."""

from __future__ import annotations

from addnn_spec.graph import Buffer, Graph, Parameter, Placeholder, WeightOf
from addnn_spec.ops.base import Operator

_BRACES = 2
"""So many braces in one another are looked into."""
_ELEMENTS = 3
"""Of more elements than these the first and the last are shown."""


def op_title(op: Operator | Graph | Placeholder | Parameter | Buffer | WeightOf) -> str:
    """Return an operator's or block's name; of a brace, which has none, what it holds."""
    return _title(op, _BRACES)


def repeated(name: str, times: int) -> str:
    """Return what stands so many times in a row: `Linear ×2`, `(Linear → ReLU) ×2`."""
    return f"{_grouped(name)} ×{times:,}" if times > 1 else name


def _title(op: object, braces: int) -> str:
    if isinstance(op, Graph):
        return op.name or _contents(op, braces)
    name = type(op).__name__
    return {"Placeholder": "Input", "WeightOf": "Weight"}.get(name, name)


def _contents(brace: Graph, braces: int) -> str:
    if brace.kind == "body" or not braces:
        return "{ … }"
    found: list[tuple[str, int]] = []
    for node in brace.nodes():
        if isinstance(node.op, Placeholder):
            continue
        name, times = _title(node.op, braces - 1), node.times
        if found and found[-1][0] == name:
            times += found.pop()[1]
        found.append((name, times))
    if len(found) == 1:
        return repeated(*found[0])
    parts = [repeated(name, times) if times > 1 else _grouped(name) for name, times in found]
    if len(parts) > _ELEMENTS:
        parts = [parts[0], "…", parts[-1]]
    return " → ".join(parts) or "{ }"


def _grouped(name: str) -> str:
    return f"({name})" if "→" in name or "×" in name else name
