"""Calls: of functions, of initialisers, of layers with arguments."""

from __future__ import annotations

from collections.abc import Sequence

from addnn_spec.diagnostics import Label, Refusal
from addnn_spec.elaborate import functions
from addnn_spec.elaborate.arguments import give
from addnn_spec.elaborate.builder import ModuleValue, Naming, Tensor
from addnn_spec.elaborate.context import Context, Failed
from addnn_spec.elaborate.frame import (
    POISON,
    Frame,
    Poison,
    Site,
    Value,
    flatten,
    is_flow,
    is_partial,
)
from addnn_spec.elaborate.scope import Env
from addnn_spec.elaborate.terms import evaluate, evaluate_all, guarded, joined, tensor_operator
from addnn_spec.ops.init import INITS, Init, make_init
from addnn_spec.sizes import SizeError, SymbolicSize, source
from addnn_spec.source import Span
from addnn_spec.syntax import ast
from addnn_spec.values import Builtin, Function, LayerValue, kind_of


def call(expr: ast.Call, frame: Frame) -> Value:
    callee = evaluate(expr.callee, frame)
    if isinstance(callee, Builtin):
        return _call_builtin(callee.name, expr, frame)
    if isinstance(callee, Function):
        return _call_function(callee, expr, frame)
    if isinstance(callee, LayerValue):
        layer = give(callee, expr.args or (), expr.body, frame)
        if is_partial(layer):
            raise Failed
        return as_source(layer, frame, expr.span)
    help = None
    if isinstance(callee, Tensor | ModuleValue):
        help = "data flows into a layer with an arrow: x -> layer"
    frame.ctx.fail("E0207", f"{kind_of(callee)} cannot be called", expr.callee.span, help=help)


def as_source(layer: LayerValue, frame: Frame, span: Span) -> Value:
    """Make the tensor of an operator without inputs where it stands; other layers stay values."""
    target = layer.target
    if isinstance(target, type) and not target.input_names and not target.variadic:
        if frame.builder is None:
            frame.ctx.fail("E0206", f"{layer.name} makes a tensor: use it in a network", span)
        return frame.ctx.rules.apply(layer, (), Site(frame, Naming(None, layer.name), span))
    return layer


def call_arguments(expr: ast.Call, frame: Frame) -> tuple[list[Value], dict[str, Value]]:
    """Return the arguments of a function, positional and by name."""
    positional: list[Value] = []
    named: dict[str, Value] = {}
    args = expr.args or ()
    values = evaluate_all((arg.value for arg in args), frame)
    for arg, value in zip(args, values, strict=True):
        if arg.name is None:
            positional.append(value)
        elif arg.name in named:
            frame.ctx.fail("E0204", f"{arg.name} is given twice", arg.span)
        else:
            named[arg.name] = value
    if expr.body is not None:
        frame.ctx.fail("E0203", "a function takes no braces", expr.body.span)
    return positional, named


def initialiser(
    ctx: Context, name: str, positional: Sequence[Value], named: dict[str, Value], span: Span
) -> Init:
    """Return an initialiser of `torch.nn.init` with its arguments."""
    try:
        return make_init(name, tuple(positional), named)
    except Refusal as error:
        ctx.fail(error.code, error.message, span, help=error.help)


def called(ctx: Context, value: Value, span: Span) -> Value:
    """Call an initialiser that is only named, `xavier_uniform`, without arguments."""
    if isinstance(value, Builtin) and value.name in INITS:
        return initialiser(ctx, value.name, (), {}, span)
    return value


def _call_builtin(name: str, expr: ast.Call, frame: Frame) -> Value:
    ctx = frame.ctx
    args = expr.args or ()
    ratio = args[0].value if len(args) == 1 and args[0].name is None else None
    # The division is looked at before it is done: of a symbolic size it has no value to round.
    if name in ("ceil", "floor", "int") and isinstance(ratio, ast.Binary) and ratio.op == "/":
        positional, named = [_ratio(name, ratio, frame)], dict[str, Value]()
    else:
        positional, named = call_arguments(expr, frame)
    if name in INITS:
        return initialiser(ctx, name, positional, named, expr.span)
    if named:
        ctx.fail("E0203", f"{name} takes no arguments by name", expr.span)
    if name == "sum" and len(positional) == 1 and isinstance(positional[0], tuple):
        items = positional[0]
        if items and any(isinstance(item, Tensor) for item in flatten(items)):
            return _sum_tensors(items, frame, expr.span)
    # A function of the language goes through its lists: each item counts as a step.
    ctx.step(expr.span, sum(len(a) for a in positional if isinstance(a, tuple)) + 1)
    return guarded(ctx, expr.span, lambda: functions.call(name, tuple(positional), ctx.facts))


def _ratio(name: str, ratio: ast.Binary, frame: Frame) -> Value:
    """Return what `ceil` rounds; E0311 for `ceil(H / 2)`: `//` rounds a size, and `/` is exact."""
    top, bottom = evaluate_all((ratio.left, ratio.right), frame)
    if isinstance(top, SymbolicSize) and type(bottom) is int and bottom > 1:
        try:
            frame.ctx.facts.exact_div(top, bottom)
        except SizeError as error:
            size = source(top + bottom - 1 if name == "ceil" else top)
            size = f"({size})" if " " in size else size
            help = f"a size is rounded by //: {size} // {bottom}"
            frame.ctx.fail("E0311", error.message, ratio.span, help=help)
    return joined(ratio, top, bottom, frame)


def _sum_tensors(items: tuple[Value, ...], frame: Frame, span: Span) -> Value:
    if not all(map(is_flow, items)):
        frame.ctx.fail("E0207", "sum takes tensors or numbers, not both", span)
    total = items[0]
    for item in items[1:]:
        total = tensor_operator("Add", (total, item), {}, frame, span)
    return total


def _call_function(function: Function, expr: ast.Call, frame: Frame) -> Value:
    ctx = frame.ctx
    positional, named = call_arguments(expr, frame)
    node = function.node
    names = [param.name for param in node.params]
    if len(positional) > len(names):
        ctx.fail(
            "E0203",
            f"{node.name} takes {len(names)} arguments, not {len(positional)}",
            expr.span,
        )
    given = dict(zip(names, positional, strict=False))
    for name, value in named.items():
        if name not in names or name in given:
            twice = name in given
            ctx.fail(
                "E0204" if twice else "E0203",
                f"{name} is {'given twice' if twice else 'unknown'} in the call of {node.name}",
                expr.span,
            )
        given[name] = value
    ctx.step(expr.span)
    memo_key = (
        "fn",
        id(node),
        tuple((name, ctx.key(value, expr.span)) for name, value in given.items()),
    )
    if memo_key not in ctx.memo:
        if ctx.depth >= ctx.limits.calls:
            ctx.fail(
                "E0505",
                f"functions call one another more than {ctx.limits.calls} deep",
                expr.span,
            )
        ctx.depth += 1
        try:
            ctx.memo[memo_key] = _run_function(ctx, function, given, expr)
        except Failed:
            # Its mistakes are told once; further calls with these arguments fail in silence.
            ctx.memo[memo_key] = POISON
        finally:
            ctx.depth -= 1
    made: Value = ctx.memo[memo_key]
    if isinstance(made, Poison):
        raise Failed
    return made


def _run_function(
    ctx: Context, function: Function, given: dict[str, Value], expr: ast.Call
) -> Value:
    inner = Frame(ctx, None, Env(function.env))
    for param in function.node.params:
        if param.name in given:
            value = given[param.name]
        elif param.default is not None:
            value = evaluate(param.default, inner)
        else:
            ctx.fail(
                "E0202",
                f"{function.node.name} needs {param.name}",
                expr.span,
                labels=(Label(param.span, "declared here"),),
            )
        inner.env.bind(param.name, value, param.span, "parameter")
    with ctx.use("", expr.span):
        return evaluate(function.node.value, inner)
