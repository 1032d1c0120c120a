"""What a shell completes of a network that stands on the command line already."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from itertools import islice
from typing import TYPE_CHECKING

import click
from click.shell_completion import CompletionItem

from addnn_spec.diagnostics import DiagnosticError

if TYPE_CHECKING:
    from addnn_spec.compiler import Session

_WORD = re.compile(r"[\w.+-]*")
"""What a shell takes as it stands."""
_MOST_NODES = 10_000
_Completion = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]


def _of_spec(names: Callable[[Session, str | None], Iterator[str]]) -> _Completion:
    """Return a completion by the names that the command's spec gives; by none where it is wrong."""

    def complete(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
        from addnn_spec.catalogue import open_spec  # when a shell asks, and not before

        # where an option lacks its value, the arguments are not taken in yet
        spec = ctx.params.get("spec") or next(iter(ctx.args), "-")
        if spec == "-":
            return []
        try:
            session, named = open_spec(spec)
            network = named or ctx.params.get("network")
            found = list(names(session, network))
        except (DiagnosticError, OSError):
            return []
        return [CompletionItem(name) for name in found if name.startswith(incomplete)]

    return complete


def _networks(session: Session, _: str | None) -> Iterator[str]:
    yield from session.networks


def _parameters(session: Session, network: str | None) -> Iterator[str]:
    from addnn_spec.catalogue import choose

    for param in session.parameters(choose(session, network)):
        default = "" if param.default is None else param.default.span.text
        yield f"{param.name}={default if _WORD.fullmatch(default) else ''}"


def _sizes(session: Session, network: str | None) -> Iterator[str]:
    from addnn_spec.catalogue import choose
    from addnn_spec.passes.dims import symbolic_sizes

    graph = session.graph(choose(session, network))
    if graph is not None:
        for name, symbol in symbolic_sizes(graph).items():
            yield f"{name}={symbol.default}"


def _nodes(session: Session, network: str | None) -> Iterator[str]:
    from addnn_spec.catalogue import choose
    from addnn_spec.graph import Graph, Placeholder

    def inside(graph: Graph, prefix: str) -> Iterator[str]:
        for node in graph.nodes():
            if not isinstance(node.op, Placeholder):
                for name in node.names():
                    yield f"{prefix}{name}"
                    if node.calls is not None:
                        yield from inside(node.calls, f"{prefix}{name}.")

    graph = session.graph(choose(session, network))
    if graph is not None:
        yield from islice(inside(graph, ""), _MOST_NODES)


def _node_values(session: Session, network: str | None) -> Iterator[str]:
    for name in _nodes(session, network):
        yield f"{name}="


complete_network = _of_spec(_networks)
complete_parameter = _of_spec(_parameters)
complete_size = _of_spec(_sizes)
complete_node = _of_spec(_nodes)
complete_node_value = _of_spec(_node_values)
