"""A network as it is shown beside its text: its drawing, its PyTorch source."""

from __future__ import annotations

from addnn_spec.backends.drawing import draw
from addnn_spec.backends.torch_source import torch_source
from addnn_spec.compiler import Session
from addnn_spec.diagnostics import DiagnosticError, Refusal
from addnn_spec.graph import Graph
from addnn_spec.lsp.analysis import Analysis


def drawing(analysis: Analysis, network: str) -> str:
    """Return a network's drawing as SVG. Raises `DiagnosticError` where there is none."""
    return draw(_graph(analysis, network)[1])


def pytorch(analysis: Analysis, network: str) -> str:
    """Return a network's PyTorch source. Raises `DiagnosticError` where there is none."""
    return torch_source(*_graph(analysis, network)).text


def _graph(analysis: Analysis, network: str) -> tuple[Session, Graph]:
    session, graph = analysis.session, analysis.graph(network)
    if session is None or graph is None:
        errors = [d for d in analysis.diagnostics if d.severity == "error"]
        if errors:
            raise DiagnosticError(*errors)
        raise Refusal("E0110", f"there is no network {network} that needs no arguments")
    return session, graph
