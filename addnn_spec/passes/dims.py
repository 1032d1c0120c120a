"""The symbolic sizes of a network, and whether values for them are possible."""

from __future__ import annotations

from collections.abc import Mapping

from addnn_spec.diagnostics import Diagnostic, DiagnosticError, Label, near
from addnn_spec.graph import Graph
from addnn_spec.passes.minimum import needed_sizes, serves_training_nodes
from addnn_spec.sizes import Symbol, symbols


def symbolic_sizes(graph: Graph) -> dict[str, Symbol]:
    """Return the symbolic sizes that a network's inputs name, in order of first mention."""
    found: dict[str, Symbol] = {}
    for id in graph.inputs:
        for output in graph.node(id).outputs:
            for size in output.shape:
                for symbol in symbols(size):
                    found.setdefault(symbol.name, symbol)
    return found


def check_dims(graph: Graph, dims: Mapping[str, int]) -> None:
    """Make sure that a network's symbolic sizes can have these values.

    Raises `DiagnosticError`: E0218 for a name that is no symbolic size, E0304 for a value below the
    least at which torch runs every layer of evaluation, E0314 where an assertion is broken.
    """
    if not dims:
        return
    known = symbolic_sizes(graph)
    found = [_unknown(graph, name, known) for name in dims if name not in known]
    if found:
        raise DiagnosticError(*found)
    least = needed_sizes(graph)
    for name, value in dims.items():
        minimum = max(1, least.sizes.get(name, 1))
        if value < minimum:
            message = (
                f"{name} = {value} is too small for {graph.name}: it must be {minimum} or more"
            )
            found.append(Diagnostic("E0304", message))
    values = _values(graph, dims)
    for condition in least.conditions:
        if not condition.holds(values):
            given = ", ".join(f"{s.name} = {values[s.name]}" for s in condition.symbols)
            message = f"{given} is too small for {graph.name}: {condition} must hold"
            found.append(Diagnostic("E0304", message))
    found += _broken_assertions(graph, dims)
    if found:
        raise DiagnosticError(*found)


def trainable(graph: Graph, dims: Mapping[str, int]) -> bool:
    """Return True if the sizes are large enough for what only training needs."""
    return serves_training_nodes(graph, _values(graph, dims))


def _values(graph: Graph, dims: Mapping[str, int]) -> dict[str, int]:
    """Return the symbolic sizes' values: their defaults, or what is asked for."""
    return {name: symbol.default for name, symbol in symbolic_sizes(graph).items()} | dict(dims)


def _unknown(graph: Graph, name: str, known: Mapping[str, Symbol]) -> Diagnostic:
    close = near(name, known)
    has = f"its symbolic sizes are {', '.join(known)}" if known else "it has none"
    return Diagnostic(
        "E0218",
        f"{graph.name} has no symbolic size {name}",
        help=f"did you mean {close[0]}?" if close else has,
    )


def _broken_assertions(graph: Graph, dims: Mapping[str, int]) -> list[Diagnostic]:
    found = []
    for stated in graph.assertions:
        fact = stated.fact
        values = {symbol.name: dims.get(symbol.name, symbol.default) for symbol in fact.symbols}
        if not fact.holds(values):
            left, right = fact.sides(values)
            given = ", ".join(f"{name} = {value}" for name, value in dims.items())
            why = f": {stated.message}" if stated.message else ""
            label = Label(stated.span, f"{left} {fact.op} {right}")
            found.append(Diagnostic("E0314", f"this does not hold at {given}{why}", label))
    return found
