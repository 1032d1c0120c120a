"""Giving arguments to layers: by position, by name, a brace; what is given waits in the layer."""

from __future__ import annotations

from addnn_spec.elaborate.argument_messages import (
    begins_with,
    check_name,
    refuse_tensor,
    refuse_too_many,
)
from addnn_spec.elaborate.context import Context, Failed
from addnn_spec.elaborate.frame import POISON, Frame, Poison, Value, is_flow, positional_names
from addnn_spec.elaborate.terms import evaluate
from addnn_spec.source import Span
from addnn_spec.syntax import ast
from addnn_spec.values import Brace, LayerValue


def give(
    layer: LayerValue,
    args: tuple[ast.Argument, ...],
    body: ast.Body | None,
    frame: Frame,
) -> LayerValue:
    """Return the layer with these arguments added. A wrong one is `POISON`, under the name `""` if
    it belongs to no parameter. Arguments that are collected into a list `dims` have the places
    `dims` (that of the first), `dims.0`, `dims.1` …"""
    given, spans = dict(layer.given), dict(layer.spans)
    fresh: dict[str, ast.Argument] = {}
    open_names = [name for name in positional_names(layer) if name not in given]
    gather = _gathering(layer)
    collected: list[Value] = []
    places: list[Span] = []
    for arg in args:
        value = _evaluated(arg, frame)
        try:
            name = _placed(frame.ctx, layer, arg, value, open_names, fresh)
        except Failed:
            frame.ctx.pass_over()
            if arg.name is None:  # too many: what the others are for is in doubt
                return LayerValue(layer.target, (("", POISON),))
            given[""] = POISON
            continue
        if name == gather and arg.name is None:
            # torch takes `Permute(0, 2, 1)` and `Permute((0, 2, 1))`: here, too, a lone item is the
            # list.
            collected.append(value)
            value = collected[0] if len(collected) == 1 else tuple(collected)
            if any(isinstance(one, Poison) for one in collected):
                value = POISON
            places.append(arg.span)
        fresh[name] = arg
        given[name], spans[name] = value, spans.get(name, arg.span)
    if len(places) > 1:  # of the items of a list, each its own
        spans |= {f"{gather}.{item}": place for item, place in enumerate(places)}
    if body is not None:
        name = _body_argument(frame.ctx, layer, open_names, body)
        given[name] = LayerValue(Brace(body, frame.env))
        spans[name] = body.span
    return LayerValue(layer.target, tuple(given.items()), tuple(spans.items()))


def _evaluated(arg: ast.Argument, frame: Frame) -> Value:
    try:
        return evaluate(arg.value, frame)
    except Failed:
        frame.ctx.pass_over()
        return POISON


def _placed(
    ctx: Context,
    layer: LayerValue,
    arg: ast.Argument,
    value: Value,
    open_names: list[str],
    fresh: dict[str, ast.Argument],
) -> str:
    """Return the name of the parameter that an argument is for; it is taken out of `open_names`."""
    if arg.name is None:
        target = layer.target
        if value != () and is_flow(value) and isinstance(target, type):
            refuse_tensor(ctx, layer, target, arg, value)
        if open_names:
            return open_names.pop(0)
        return _gathering(layer) or refuse_too_many(ctx, layer, arg)
    if arg.name in fresh:
        help = begins_with(layer) if fresh[arg.name].name is None else None
        ctx.fail("E0204", f"{arg.name} is given twice", arg.span, help=help)
    check_name(ctx, layer, arg.name, arg)
    if arg.name in open_names:
        open_names.remove(arg.name)
    return arg.name


def _gathering(layer: LayerValue) -> str | None:
    target = layer.target
    return getattr(target, "collect", None) if isinstance(target, type) else None


def _body_argument(ctx: Context, layer: LayerValue, open_names: list[str], body: ast.Body) -> str:
    target = layer.target
    if isinstance(target, type):
        if target.layers:
            return target.layers[-1]
    elif open_names:
        return open_names[0]
    ctx.fail(
        "E0203",
        f"{layer.name} takes no layer in braces",
        body.span,
        help="separate two elements with ->",
    )
