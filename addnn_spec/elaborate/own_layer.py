"""A scope's own layer, `_: LayerNorm`: what else cannot be in that scope."""

from __future__ import annotations

from addnn_spec.diagnostics import Label
from addnn_spec.elaborate.context import Context
from addnn_spec.ops.applied import Applied
from addnn_spec.passes.state_dict import attributes_of
from addnn_spec.source import Span


def check_own(applied: Applied, span: Span, taken: dict[str, Span], ctx: Context) -> None:
    """Report E0403 for the names of a scope that its own layer has; note the others as taken."""
    kind, attributes = type(applied.op).__name__, attributes_of(applied)
    for name in sorted(taken, key=lambda name: taken[name].start):
        first = name.partition(".")[0]
        if first in attributes:
            ctx.report(
                "E0403",
                f"{kind} has a {first} of its own, and is this scope's layer",
                taken[name],
                labels=(Label(span, "_ makes it so"),),
                help=f"choose another name than {first}",
            )
    for attribute in attributes:
        taken.setdefault(attribute, span)


def report_second(here: Span, there: Span, ctx: Context) -> None:
    """Report E0403 for two own layers of one scope; of one place, if it is built more than once."""
    ctx.report(
        "E0403",
        "a scope has one layer of its own, and this is a second one",
        here,
        labels=() if here == there else (Label(there, "_ makes this one so"),),
        help="give it a label, or none",
    )
