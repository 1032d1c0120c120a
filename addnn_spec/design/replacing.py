"""Edits that put something else in a node's place, or something new behind it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial

from addnn_spec.design.edits import Edit, Slices, keys_of, no_node
from addnn_spec.design.validation import Origin, Planned, not_planned, planned
from addnn_spec.design.writing import TextChanges
from addnn_spec.diagnostics import Refusal
from addnn_spec.graph import OWN, Graph, Node, Placeholder
from addnn_spec.passes.unfold import Unfolded, giver_of
from addnn_spec.passes.widths import Widths

_LABELLED = re.compile(r'\s*(?:(\w+)|"([^"]*)")\s*:\s')


def replace_edit(graph: Graph, widths: Widths, path: str, text: str) -> Edit:
    """Return the edit that writes `text` where a node was; its label stays.

    Raises `Refusal` (E0620) for a node that is no element of a chain.
    """
    node, _, name = _found(graph, path)
    if len([ref for ref in node.inputs if ref is not None]) != 1 or node.module is not None:
        raise Refusal("E0620", f"{path} is no element that reads one tensor, with its own weights")
    if len(node.outputs) != 1 or node.name == OWN:
        raise Refusal("E0620", f"{path} is not replaced: it gives several tensors, or has no label")
    gone = giver_of(node, path[: len(path) - len(name)], name)
    slices: Slices = {key: () for key in keys_of(graph) if not _within(key, path)}
    held = partial(_check, new=_New(path, gone), old=planned(widths.unfolded, graph.facts).nodes)
    return Edit(TextChanges(texts={path: text}), slices, held)


def insert_edit(graph: Graph, widths: Widths, path: str, text: str) -> Edit:
    """Return the edit that puts `text`, an element with a label, behind a node.

    Raises `Refusal` (E0620) where it has no label, or one that is taken.
    """
    node, inside, name = _found(graph, path)
    labelled = _LABELLED.match(text)
    if labelled is None:
        raise Refusal("E0620", f"{text} has no label", help="extra: Conv2d(16, 3, padding = 1)")
    label = labelled[1] or labelled[2]
    if len(node.outputs) != 1 or node.name == OWN:
        raise Refusal("E0620", f"{path} gives several tensors: insert behind what reads them")
    if any(label in one.names() for one in inside.nodes()):
        raise Refusal("E0620", f"there is a node {label} beside {path} already")
    prefix = path[: len(path) - len(name)]
    slices: Slices = dict.fromkeys(keys_of(graph), ())
    new = _New(f"{prefix}{label}", giver_of(node, prefix, name))
    held = partial(_check, new=new, old=planned(widths.unfolded, graph.facts).nodes)
    return Edit(TextChanges(inserted={path: text}), slices, held)


@dataclass(frozen=True, slots=True)
class _New:
    """The new nodes: where they are, and the old node whose readers now read them."""

    scope: str
    stands_for: str


def _found(graph: Graph, path: str, prefix: str = "") -> tuple[Node, Graph, str]:
    """Return the node at a path, the graph that it stands in, and its turn's name."""
    for node in graph.nodes():
        for name in node.names():
            here = f"{prefix}{name}"
            if here == path and not isinstance(node.op, Placeholder):
                return node, graph, name
            if node.calls is not None and path.startswith(f"{here}."):
                return _found(node.calls, path, f"{here}.")
    raise no_node(path, [f"{prefix}{name}" for node in graph.nodes() for name in node.names()])


def _within(path: str, scope: str) -> bool:
    return path == scope or path.startswith(f"{scope}.")


def _check(edited: Graph, unfolded: Unfolded, new: _New, old: Mapping[str, Planned]) -> None:
    """Check the new text: nodes that stay do what they did, and read what they read or what
    replaced it. Sizes may differ."""
    found = planned(unfolded, edited.facts)
    stays = {path: node for path, node in old.items() if not _within(path, new.scope)}
    around = _read_from_around(old, new)

    def now(origin: Origin | None) -> Origin | None:
        """Return a tensor as it was called before."""
        if origin is not None and _within(origin[0], new.scope):
            return new.stands_for, 0
        return origin

    for path, node in stays.items():
        here = found.nodes.get(path)
        if here is None:
            raise not_planned(f"{path} is missing")
        # Sizes behind what is new may differ: what a node gives is not compared.
        same = here._replace(inputs=tuple(map(now, here.inputs)), outputs=node.outputs)
        if same != node:
            raise not_planned(f"{path}: {same}, not {node}")
    extra = [path for path in found.nodes if path not in stays]
    if any(not _within(path, new.scope) for path in extra) or not extra:
        raise not_planned(f"{extra or 'nothing'} is new, not {new.scope}")
    for path in extra:
        for origin in found.nodes[path].inputs:
            if origin is not None and not _within(origin[0], new.scope) and origin not in around:
                raise not_planned(f"{path} reads {origin[0]}")


def _read_from_around(old: Mapping[str, Planned], new: _New) -> set[Origin]:
    """Return the tensors that may flow into the replacement: those that the replaced part read, if
    their readers are gone, else its output."""
    if not _within(new.stands_for, new.scope):
        return {(new.stands_for, 0)}
    inside: Iterable[Planned] = (n for path, n in old.items() if _within(path, new.scope))
    read = {origin for node in inside for origin in node.inputs if origin is not None}
    return {origin for origin in read if not _within(origin[0], new.scope)}


__all__ = ["insert_edit", "replace_edit"]
