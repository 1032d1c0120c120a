"""Differences between two networks: nodes, shapes, costs, and the keys of the state dict."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from addnn_spec.graph import Graph
from addnn_spec.ops.base import Operator
from addnn_spec.passes.memory import at
from addnn_spec.passes.state_dict import weights_of
from addnn_spec.passes.summary import flat_cost, to_json
from addnn_spec.passes.titles import op_title
from addnn_spec.passes.unfold import MAX_FLAT_NODES, FlatNode, FlatTensor, unfold
from addnn_spec.values import show

_TOTALS = (
    "total_params",
    "total_macs",
    "total_flops",
    "training_params",
    "training_macs",
    "activation_bytes",
    "activation_bytes_sum",
)


@dataclass(frozen=True, slots=True)
class Changes:
    """Entries by name: added, lost, and changed ones with what they were and are."""

    added: Mapping[str, Any]
    lost: Mapping[str, Any]
    changed: Mapping[str, tuple[Any, Any]]

    @property
    def any(self) -> bool:
        return bool(self.added or self.lost or self.changed)

    def as_data(self, changed: str) -> dict[str, Any]:
        return {
            "added": dict(self.added),
            "lost": dict(self.lost),
            changed: {name: {"old": a, "new": b} for name, (a, b) in self.changed.items()},
        }


@dataclass(frozen=True, slots=True)
class NetworkDifference:
    """What differs between two networks. `totals` has every total of the summary, before and
    after."""

    old: str
    new: str
    totals: Mapping[str, tuple[int, int]]
    nodes: Changes
    state_dict: Changes

    @property
    def any(self) -> bool:
        """True if anything differs but the networks' names."""
        return self.nodes.any or self.state_dict.any or any(a != b for a, b in self.totals.values())

    def as_data(self) -> dict[str, Any]:
        """Return the difference as plain data."""
        return {
            "old": self.old,
            "new": self.new,
            "totals": {name: {"old": a, "new": b} for name, (a, b) in self.totals.items()},
            "nodes": self.nodes.as_data("changed"),
            "state_dict": self.state_dict.as_data("reshaped"),
        }


def compare(
    old: Graph, new: Graph, dims: Mapping[str, int] | None = None, *, limit: int = MAX_FLAT_NODES
) -> NetworkDifference:
    """Return what differs, at the default sizes or at `dims`.

    Raises `DiagnosticError` where a network has too many nodes to list, or where
    it cannot have these sizes.
    """
    before, after = to_json(old, dims, limit=limit), to_json(new, dims, limit=limit)
    return NetworkDifference(
        old.name,
        new.name,
        {name: (before[name], after[name]) for name in _TOTALS},
        _changes(_nodes(old, dims, limit), _nodes(new, dims, limit)),
        _changes(_keys(old), _keys(new)),
    )


def _nodes(graph: Graph, dims: Mapping[str, int] | None, limit: int) -> dict[str, dict[str, Any]]:
    """Return each node by path: its operator with attributes, its inputs' origins, its figures."""
    nodes = unfold(graph, limit=limit).nodes
    found = {}
    for item in nodes:
        op, cost = item.node.op, flat_cost(item)
        given = op.given().items() if isinstance(op, Operator) else ()
        found[item.path] = {
            "op": op_title(item.node.op),
            "attributes": {name: show(value) for name, value in given},
            "inputs": [_origin(nodes, value) for value in item.inputs if value is not None],
            "output_shapes": [[at(s, dims) for s in t.shape] for t in item.node.outputs],
            "params": cost.params,
            "macs": at(cost.macs, dims),
        }
    return found


def _origin(nodes: tuple[FlatNode, ...], value: FlatTensor) -> str:
    """Return where a tensor comes from: a node's path, and which output if it has several."""
    source = nodes[value.source]
    return source.path if len(source.node.outputs) == 1 else f"{source.path}[{value.port}]"


def _keys(graph: Graph) -> dict[str, list[int]]:
    """Return the shapes of the state dict's tensors, by key."""
    return {
        key: [at(size, None) for size in entry.shape] for key, entry in weights_of(graph).items()
    }


def _changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> Changes:
    return Changes(
        {name: value for name, value in new.items() if name not in old},
        {name: value for name, value in old.items() if name not in new},
        {name: (old[name], new[name]) for name in old if name in new and old[name] != new[name]},
    )


def difference_text(found: NetworkDifference) -> str:
    """Return the difference for people: `+` added, `-` lost, `~` changed."""
    lines = [f"{found.old} → {found.new}", ""]
    if not found.any:
        return "\n".join([*lines, "no difference"]) + "\n"
    width = max(len(name) for name in found.totals)
    for name, (before, after) in found.totals.items():
        if before or after:
            lines.append(f"{name:{width}}  {_step(before, after)}")
    lines += _section("nodes", found.nodes, _node, _node_change)
    lines += _section("state_dict", found.state_dict, str, lambda a, b: f"{a} → {b}")
    return "\n".join(lines) + "\n"


def _step(before: int, after: int) -> str:
    if before == after:
        return f"{before:,}"
    return f"{before:,} → {after:,} ({after - before:+,})"


def _section(
    title: str,
    changes: Changes,
    show: Callable[[Any], str],
    show_change: Callable[[Any, Any], str],
) -> list[str]:
    if not changes.any:
        return []
    counts = f"{len(changes.added)} added, {len(changes.lost)} lost, {len(changes.changed)} changed"
    lines = ["", f"{title}: {counts}"]
    for sign, told in (
        ("-", {name: show(value) for name, value in changes.lost.items()}),
        ("~", {name: show_change(*pair) for name, pair in changes.changed.items()}),
        ("+", {name: show(value) for name, value in changes.added.items()}),
    ):
        lines += [f"  {sign} {name}  {text}" for name, text in _folded(told)]
    return lines


_NUMBERED = re.compile(r"(?P<head>(?:[^.]+\.)*?)(?P<number>0|[1-9]\d*)\.(?P<rest>.+)")


def _folded(told: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield names with their texts. Numbered blocks in a row with equal texts are one:
    `layer3.(6…22).conv1`, ×17."""
    blocks: list[tuple[str, int, dict[str, str]]] = []
    """What names begin with, the number behind it (-1 for none), and what is told by the rest."""
    for name, text in told.items():
        match = _NUMBERED.fullmatch(name)
        head, number, rest = (
            (match["head"], int(match["number"]), match["rest"]) if match else (name, -1, "")
        )
        if not blocks or blocks[-1][:2] != (head, number):
            blocks.append((head, number, {}))
        blocks[-1][2][rest] = text
    runs: list[list[tuple[str, int, dict[str, str]]]] = []
    for block in blocks:
        before = runs[-1][-1] if runs else None
        # Only blocks that differ in the same way are folded, so nothing is told of one that is not
        # so.
        if before and before[0] == block[0] and block[1] == before[1] + 1 and before[2] == block[2]:
            runs[-1].append(block)
        else:
            runs.append([block])
    for run in runs:
        (head, first, content), last = run[0], run[-1][1]
        place = f"{first}" if len(run) == 1 else f"({first}…{last})"
        for rest, text in content.items():
            name = head if first < 0 else f"{head}{place}.{rest}"
            yield name, text if len(run) == 1 else f"{text}, ×{len(run)}"


def _node(node: Mapping[str, Any]) -> str:
    shapes = ", ".join(str(shape) for shape in node["output_shapes"])
    return f"{node['op']} {shapes}"


def _node_change(before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    """Return the changed figures of a node, each before and after; of its attributes only the
    changed ones."""
    parts = []
    for name in before:
        a, b = before[name], after[name]
        if isinstance(a, dict):
            changed = [key for key in {**a, **b} if a.get(key) != b.get(key)]
            parts += [f"{key} {a.get(key, '–')} → {b.get(key, '–')}" for key in changed]
        elif a != b:
            parts.append(f"{_WORDS.get(name, name)} {_shown(a)} → {_shown(b)}")
    return "; ".join(parts)


_WORDS = {"op": "operator", "output_shapes": "shape", "macs": "MACs"}


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(str(item) for item in value)
    return f"{value:,}" if isinstance(value, int) else str(value)
