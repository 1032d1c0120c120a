"""Names that expressions and loops give to values: comprehensions, targets."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext

from addnn_spec.elaborate import numbers
from addnn_spec.elaborate.builder import Tensor
from addnn_spec.elaborate.frame import POISON, Frame, Value
from addnn_spec.elaborate.loop_cost import refuse_bomb
from addnn_spec.elaborate.scope import Origin
from addnn_spec.elaborate.terms import evaluate, truth
from addnn_spec.syntax import ast
from addnn_spec.values import kind_of


def comprehension(expr: ast.Comprehension, frame: Frame) -> Value:
    made: list[Value] = []
    _clauses(expr, 0, frame.inner(), made)
    return tuple(made)


def _clauses(expr: ast.Comprehension, depth: int, frame: Frame, made: list[Value]) -> None:
    if depth == len(expr.clauses):
        frame.ctx.step(expr.span)
        made.append(evaluate(expr.item, frame))
        return
    clause = expr.clauses[depth]
    turns = items_of(clause.iterable, frame)
    if depth == 0 and clause.condition is None:
        refuse_bomb(expr, len(turns), frame.env, frame.ctx)
    with _in_turns(clause, turns, frame) as counted:
        for _, item in counted:
            inner = frame.inner()
            bind(clause.targets, item, inner, "loop")
            if clause.condition is None or truth(
                frame.ctx, evaluate(clause.condition, inner), clause.condition.span
            ):
                _clauses(expr, depth + 1, inner, made)


def _in_turns(
    clause: ast.Clause, turns: tuple[Value, ...], frame: Frame
) -> AbstractContextManager[Iterator[tuple[int, Value]]]:
    """Return a context that gives the turns of a comprehension with their numbers; nodes that are
    made in it are recorded as of their turn."""
    if frame.builder is None:
        return nullcontext(enumerate(turns))
    return frame.builder.in_turns(clause.span, turns)


def items_of(iterable: ast.Expr, frame: Frame) -> tuple[Value, ...]:
    """Return the items of a list, each charged as a step."""
    value = evaluate(iterable, frame)
    if not isinstance(value, tuple):
        frame.ctx.fail(
            "E0207",
            f"for goes through a list, not {kind_of(value)}",
            iterable.span,
            help="write 0..n to count" if numbers.is_size(value) else None,
        )
    frame.ctx.step(iterable.span, len(value))
    return value


def bind(targets: ast.Targets, value: Value, frame: Frame, origin: Origin) -> None:
    """Give names to a value; several names take the items of a list."""
    items = targets.items
    if len(items) == 1:
        _bind_one(items[0], value, frame, origin)
        return
    if not isinstance(value, tuple) or len(value) != len(items):
        has = f"a list of {len(value)}" if isinstance(value, tuple) else kind_of(value)
        help = "use _ for what is not wanted" if isinstance(value, tuple) else None
        if help is None and origin == "loop" and len(items) == 2:
            help = "to number the items, go through enumerate(…)"
        frame.ctx.fail("E0209", f"{len(items)} names for {has}", targets.span, help=help)
    for item, part in zip(items, value, strict=True):
        _bind_one(item, part, frame, origin)


def _bind_one(item: ast.Target | ast.Targets, value: Value, frame: Frame, origin: Origin) -> None:
    if isinstance(item, ast.Targets):
        bind(item, value, frame, origin)
    else:
        frame.bind(item.name, value, item.span, origin)
        if origin == "tensor" and isinstance(value, Tensor):
            value.call(item.name)


def bind_poison(targets: ast.Targets, frame: Frame) -> None:
    """Bind the names of a statement that failed: whatever reads them stays silent."""
    for item in targets.items:
        if isinstance(item, ast.Targets):
            bind_poison(item, frame)
        else:
            frame.env.bind(item.name, POISON, item.span, "tensor")
