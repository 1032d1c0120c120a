"""The same network said otherwise, where an edit finds no place in the user's text.

An alias becomes the network that it stands for, its arguments the defaults of the parameters; a
loop of the network's body becomes its turns, one after the other. Comments are kept. What comes of
that is not trusted: it must be the same network, and the edit in it what was planned.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from addnn_spec.compiler import Session
from addnn_spec.design.literals import Untraced, item_of_turn
from addnn_spec.design.patches import Patch, applied
from addnn_spec.design.texts import label_text
from addnn_spec.diagnostics import DiagnosticError
from addnn_spec.graph import Graph
from addnn_spec.loading import ParsedFile
from addnn_spec.network import Network
from addnn_spec.source import Source
from addnn_spec.syntax import ast
from addnn_spec.syntax.walk import walk


def reworded(network: Network, folder: Path | None) -> Iterator[Network]:
    """Yield the network's text in equivalent forms: as it is, without its alias, without its
    loops."""
    yield network
    for change in (_without_alias, _without_loops):
        text = change(network.session.file, network.name)
        if text is None:
            continue
        graph, said = network.graph, _arguments(network.session.file, network.name)
        given = {
            name: value
            for name, value in graph.arguments
            if name in graph.given and name not in said
        }
        source = Source(network.session.source.name, text)
        try:
            network = Network(Session(source, folder=folder), network.name, given)
        except DiagnosticError:
            return
        # Other words for the same network, or not at all.
        if _paths(network.graph) != _paths(graph):
            return
        yield network


def _paths(graph: Graph) -> list[tuple[str, object]]:
    """Return the network's own nodes, with the operators of those that are no blocks."""
    return [(name, node.op) for node in graph.nodes() for name in node.names() if not node.calls]


# -------------------------------------------------------------------------------------- an alias


def _of_alias(file: ParsedFile, name: str) -> tuple[ast.Alias, ast.Call, ast.Network] | None:
    """Return an alias, its call, and the network that it calls in the same file."""
    found = {one.name: one for one in file.tree.items if isinstance(one, ast.Network | ast.Alias)}
    alias = found.get(name)
    if not isinstance(alias, ast.Alias) or not isinstance(alias.value, ast.Call):
        return None
    callee = alias.value.callee
    network = found.get(callee.name) if isinstance(callee, ast.Name) else None
    return (alias, alias.value, network) if isinstance(network, ast.Network) else None


def _arguments(file: ParsedFile, name: str) -> dict[str, str]:
    """Return the text of each argument that an alias gives; nothing if the network is no alias."""
    found = _of_alias(file, name)
    if found is None:
        return {}
    _, call, network = found
    return {
        argument.name or network.params[place].name: argument.value.span.text
        for place, argument in enumerate(call.args or ())
    }


def _without_alias(file: ParsedFile, name: str) -> str | None:
    """Return the text with an alias replaced by the network that it calls; None if it calls none of
    this file."""
    found = _of_alias(file, name)
    if found is None:
        return None
    alias, _, network = found
    given = _arguments(file, name)
    text, start = file.source.text, network.span.start
    patches = [Patch(network.name_span.start, network.name_span.end, name)]
    patches += [
        Patch(one.span.start, one.span.end, f"{one.name} = {given[one.name]}")
        for one in network.params
        if one.name in given
    ]
    inner = [Patch(one.start - start, one.end - start, one.text) for one in patches]
    said = applied(network.span.text, inner)
    return applied(text, [Patch(alias.span.start, alias.span.end, said)])


# ----------------------------------------------------------------------------------------- loops


def _without_loops(file: ParsedFile, name: str) -> str | None:
    """Return the text in which the loops of a network's body are written out, turn by turn; None
    if it has none that go through lists."""
    network = next((one for one in file.tree.items if getattr(one, "name", "") == name), None)
    if not isinstance(network, ast.Network):
        return None
    patches = []
    for loop in network.body.items:
        if isinstance(loop, ast.For):
            try:
                turns = list(_turns(loop))
            except Untraced:
                continue
            patches.append(Patch(loop.span.start, loop.span.end, "\n".join(turns)))
    return applied(file.source.text, patches) if patches else None


def _turns(loop: ast.For) -> Iterator[str]:
    """Yield the text of each turn. Raises `Untraced` where the values are no literals."""
    targets = [one.name for one in loop.targets.items if isinstance(one, ast.Target)]
    shadowed = {one.name for one in walk(loop.body) if isinstance(one, ast.Target)}
    # A name that is given again inside is not the turn's: putting the value in its place would be
    # wrong.
    if len(targets) != len(loop.targets.items) or shadowed & set(targets):
        raise Untraced
    for turn in range(_count(loop)):
        values = {name: item_of_turn(loop, place, turn) for place, name in enumerate(targets)}
        if not all(isinstance(one, ast.Number | ast.Text | ast.Name) for one in values.values()):
            raise Untraced
        yield _turn(loop, values)


def _turn(loop: ast.For, values: dict[str, ast.Expr]) -> str:
    """Return the text of a body in which names are their values."""
    body = loop.body.span
    labels = {
        one.label.span for one in walk(loop.body) if isinstance(one, ast.Element) and one.label
    }
    patches = []
    for one in walk(loop.body):
        if isinstance(one, ast.Text):
            holes = [part for part in one.parts if not isinstance(part, str)]
            if holes and all(isinstance(part, ast.Name) and part.name in values for part in holes):
                said = "".join(_said(part, values) for part in one.parts)
                text = label_text(said) if one.span in labels else f'"{said}"'
                patches.append(Patch(one.span.start, one.span.end, text))
        elif isinstance(one, ast.Name | ast.Layer) and one.name in values:
            place = one.span if isinstance(one, ast.Name) else one.name_span
            patches.append(Patch(place.start, place.end, values[one.name].span.text))
    start = body.start + 1
    inner = [Patch(one.start - start, one.end - start, one.text) for one in patches]
    return applied(body.text[1:-1], inner).strip("\n")


def _said(part: str | ast.Expr, values: dict[str, ast.Expr]) -> str:
    return values[part.name].span.text.strip('"') if isinstance(part, ast.Name) else str(part)


def _count(loop: ast.For) -> int:
    given = loop.iterable
    if isinstance(given, ast.Call) and given.args:
        given = given.args[0].value
    if not isinstance(given, ast.ListExpr):
        raise Untraced
    return len(given.items)


__all__ = ["reworded"]
