"""A network of a session as PyTorch source, with a head that says what it was made from."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256
from typing import TYPE_CHECKING

from addnn_spec import __version__
from addnn_spec.backends.torch_code import EmittedSource, FileHeader, emit
from addnn_spec.deep_recursion import deep_recursion
from addnn_spec.graph import Graph
from addnn_spec.passes.costs import count_costs
from addnn_spec.passes.memory import at

if TYPE_CHECKING:
    from addnn_spec.compiler import Session


def torch_source(
    session: Session, graph: Graph, *, probes: bool = False, options: Iterable[str] = ()
) -> EmittedSource:
    """Return the PyTorch source of a network. The same spec and options give the same bytes.

    `options` are what else shaped the network (`--set depth=18`), for the file's head. Raises
    `DiagnosticError` (E0701) for what has no PyTorch source.
    """
    source = session.source
    costs = count_costs(graph).main
    header = FileHeader(
        spec=_file_name(source.name),
        hash=sha256(source.text.encode("utf-8")).hexdigest(),
        version=__version__,
        options=(*options, *(["--probes"] if probes else [])),
        parameters=costs.total.params,
        macs=at(costs.total.macs, None),
    )
    with deep_recursion():
        return emit(graph, session.variants(graph), probes=probes, header=header)


def _file_name(shown: str) -> str:
    """Return the last part of a path, since folders of the user's machine do not belong in the
    file."""
    return shown.replace("\\", "/").rsplit("/", 1)[-1]
