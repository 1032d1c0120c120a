"""What elaboration does with each kind of expression and layer: the table of all its modules."""

from __future__ import annotations

from addnn_spec.diagnostics import Collector
from addnn_spec.elaborate import terms
from addnn_spec.elaborate.calls import call
from addnn_spec.elaborate.chains import run_chain
from addnn_spec.elaborate.context import Context
from addnn_spec.elaborate.expressions import comprehension
from addnn_spec.elaborate.frame import Rules
from addnn_spec.elaborate.layers import apply
from addnn_spec.elaborate.loops import run_loop
from addnn_spec.elaborate.parts import attribute, subscript
from addnn_spec.elaborate.statements import run_brace_statements, run_definition
from addnn_spec.elaborate.watch import Watch
from addnn_spec.limits import Limits
from addnn_spec.syntax import ast

RULES = Rules(
    expressions=terms.RULES
    | {
        ast.Attribute: attribute,
        ast.Subscript: subscript,
        ast.Comprehension: comprehension,
        ast.Call: call,
        ast.Chain: run_chain,
    },
    apply=apply,
    run_loop=run_loop,
    run_definition=run_definition,
    run_statements=run_brace_statements,
)


def begin(
    collector: Collector, limits: Limits, *, memoise: bool = True, watch: Watch | None = None
) -> Context:
    """Return what an elaboration shares, at its beginning."""
    return Context(collector, RULES, limits, memoise=memoise, watch=watch)
