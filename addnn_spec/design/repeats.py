"""The edit that gives a labelled repeat another number of turns."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import partial

from addnn_spec.design.edits import Edit, Slices, keys_of, no_node
from addnn_spec.design.validation import Planned, planned
from addnn_spec.design.writing import TextChanges
from addnn_spec.diagnostics import Refusal
from addnn_spec.graph import Graph, Node, Placeholder
from addnn_spec.passes.unfold import Unfolded
from addnn_spec.passes.widths import Widths


def turns_of(graph: Graph, path: str) -> tuple[int, bool]:
    """Return how many turns a labelled repeat has, and whether the last gives what it takes.

    Raises `Refusal` (E0620) where there is no such repeat.
    """
    turns = _turns(graph, path)
    last = turns[-1]
    given = None if last.inputs[0] is None else _scope(graph, path).type_of(last.inputs[0])
    return len(turns), last.times > 1 or (given,) == last.outputs


def _scope(graph: Graph, path: str) -> Graph:
    found = next((inner for name, inner in _scopes(graph, "") if name == path), None)
    if found is None:
        raise no_node(path, [name for name, _ in _scopes(graph, "")])
    return found


def _turns(graph: Graph, path: str) -> list[Node]:
    """Return the node of each turn."""
    nodes = [n for n in _scope(graph, path).nodes() if not isinstance(n.op, Placeholder)]
    names = [name for node in nodes for name in node.names()]
    last = nodes[-1] if nodes else None
    one = last is not None and [ref is not None for ref in last.inputs] == [True]
    if last is None or not one or names != [str(n) for n in range(len(names))]:
        raise Refusal("E0620", f"{path} is no repeat whose turns each read the one before")
    return [node for node in nodes for _ in node.names()]


def _scopes(graph: Graph, prefix: str) -> Iterator[tuple[str, Graph]]:
    for node in graph.nodes():
        if node.calls is not None:
            for name in node.names():
                yield f"{prefix}{name}", node.calls
                yield from _scopes(node.calls, f"{prefix}{name}.")


def turns_edit(graph: Graph, widths: Widths, path: str, turns: int) -> Edit:
    """Return the edit. Raises `Refusal` (E0620) where the turns cannot be so many."""
    count, keeps = turns_of(graph, path)
    if turns < 1 or (turns > count and not keeps):
        raise Refusal(
            "E0620",
            f"{path} cannot have {turns} turns",
            help="a turn that is added must give what it takes, and one stays",
        )
    given = _turns(graph, path)
    if turns < count and given[turns - 1].outputs != given[-1].outputs:
        ends = [f"[{', '.join(map(str, given[n].outputs[0].shape))}]" for n in (turns - 1, -1)]
        raise Refusal(
            "E0620",
            f"{path} cannot have {turns} turns: the last would give {ends[0]}, and gives {ends[1]}",
            help=f"a cut behind {path}.{turns - 1} ends the network there",
        )
    before = {item.path for item in widths.unfolded.nodes}
    gone = [f"{path}.{turn}" for turn in range(turns, count)]
    kept = {one for one in before if not _is_of(one, gone)}
    slices: Slices = {key: () for key in keys_of(graph) if not _is_of(key, gone)}
    old = planned(widths.unfolded, graph.facts).nodes
    held = partial(_check, old=old, path=path, turns=(count, turns), kept=kept)
    return Edit(TextChanges(turns={path: turns}), slices, held)


def _is_of(path: str, scopes: Iterable[str]) -> bool:
    return any(path == scope or path.startswith(f"{scope}.") for scope in scopes)


def _check(
    edited: Graph,
    unfolded: Unfolded,
    old: Mapping[str, Planned],
    path: str,
    turns: tuple[int, int],
    kept: set[str],
) -> None:
    """Check the new text: turns that stay are unchanged but for the tensor that leaves the last
    one, and added turns are equal to the last."""
    count, now = turns
    new = planned(unfolded, edited.facts).nodes
    last, end = f"{path}.{count - 1}", f"{path}.{now - 1}"
    like = {name: node for name, node in old.items() if _is_of(name, [last])}

    def moved(node: Planned) -> Planned:
        """Return a node that reads the new last turn where it read the old one."""
        return node._replace(
            inputs=tuple(
                (one[0].replace(last, end, 1), one[1])
                if one is not None and _is_of(one[0], [last])
                else one
                for one in node.inputs
            )
        )

    wanted = {name: old[name] if _is_of(name, [path]) else moved(old[name]) for name in kept}
    for turn in range(count, now):
        here = f"{path}.{turn}"
        for name, node in like.items():
            owner = node.owner.replace(last, here, 1)
            # What an added turn reads is a matter of the turns before it, and is not compared.
            wanted[name.replace(last, here, 1)] = node._replace(inputs=(), owner=owner)
    added = [f"{path}.{turn}" for turn in range(count, now)]
    found = {
        name: node._replace(inputs=()) if _is_of(name, added) else node
        for name, node in new.items()
    }
    if found != wanted:
        raise Refusal("E0621", "the text that was written is not what was planned: other turns")
