"""A plan's figures before it is written: from the classes' sizes alone."""

from __future__ import annotations

from collections.abc import Mapping

from addnn_spec.design.narrowing import Narrowed
from addnn_spec.design.plan import Plan
from addnn_spec.ops.applied import Applied
from addnn_spec.ops.base import Operator
from addnn_spec.passes.memory import at


def counts_for(plan: Plan, ratio: float) -> dict[int, int]:
    """Return how many channels of each class stay at a ratio: at least one, rounded."""
    return {
        one.number: max(1, round(one.size * ratio))
        for one in plan.widths.classes
        if not one.frozen and one.readers
    }


def figures(plan: Plan, counts: Mapping[int, int] | None = None) -> tuple[int, int]:
    """Return parameters and MACs where so many channels of each class stay, in evaluation at the
    default sizes."""
    keep = {number: tuple(range(count)) for number, count in (counts or {}).items()}
    narrowed = Narrowed(plan.widths, keep)
    params: dict[str, int] = {}
    macs = 0
    for item in plan.widths.unfolded.nodes:
        op = item.node.op
        if item.training or not isinstance(op, Operator):
            continue
        types = [
            type if type is None or value is None else narrowed.type(value, type)
            for value, type in zip(item.inputs, item.node.types, strict=True)
        ]
        applied = Applied(narrowed.operator(item) or op, tuple(types))
        macs += at(applied.macs(), None)
        count = 0
        for _, weight, learned in applied.tensors():
            number = 1
            for size in weight.shape:
                number *= at(size, None)
            count += number if learned else 0
        # By owner, so that a shared module counts once.
        params[item.owner] = count
    return sum(params.values()), macs


__all__ = ["counts_for", "figures"]
