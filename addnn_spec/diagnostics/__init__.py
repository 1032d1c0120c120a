"""Mistakes in a spec, with their places: the type, the collector, near names.

The renderers are in `addnn_spec.diagnostics.render`, imported only when there is something to show.
"""

from addnn_spec.diagnostics.collector import Collector
from addnn_spec.diagnostics.diagnostic_code import DiagnosticCode
from addnn_spec.diagnostics.model import Diagnostic, DiagnosticError, Label, Refusal, Severity
from addnn_spec.diagnostics.near_names import did_you_mean, near

__all__ = [
    "Collector",
    "Diagnostic",
    "DiagnosticCode",
    "DiagnosticError",
    "Label",
    "Refusal",
    "Severity",
    "did_you_mean",
    "near",
]
