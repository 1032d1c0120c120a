"""Names, literals and operators: compile-time values, and tensors where an operand is one."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NoReturn, TypeVar

from addnn_spec.diagnostics import Refusal
from addnn_spec.elaborate import functions, numbers
from addnn_spec.elaborate.builder import Naming, Tensor
from addnn_spec.elaborate.context import Context, Failed
from addnn_spec.elaborate.frame import Frame, Poison, Site, Value
from addnn_spec.elaborate.scope import Env
from addnn_spec.ops import find, signs
from addnn_spec.ops.init import INITS
from addnn_spec.sizes import Size, SizeError, SymbolicSize, source
from addnn_spec.source import Span
from addnn_spec.syntax import ast
from addnn_spec.values import Builtin, LayerValue, kind_of, show

_T = TypeVar("_T")
_Item = TypeVar("_Item")


def evaluate(expr: ast.Expr, frame: Frame) -> Value:
    value = frame.ctx.rules.expressions[type(expr)](expr, frame)
    # What a name stands for was weighed where it was made.
    if type(value) in (tuple, LayerValue) and not isinstance(expr, ast.Name):
        frame.ctx.weigh(value, expr.span)
    if frame.ctx.watch is not None:
        frame.ctx.watch.see(expr.span, value)
    return value


def for_all(ctx: Context, items: Iterable[_Item], action: Callable[[_Item], _T]) -> tuple[_T, ...]:
    """Return what `action` gives for each item; where one fails, the others are tried all the
    same."""
    values: list[_T] = []
    failed = False
    for item in items:
        try:
            values.append(action(item))
        except Failed:
            ctx.pass_over()
            failed = True
    if failed:
        raise Failed
    return tuple(values)


def evaluate_all(exprs: Iterable[ast.Expr], frame: Frame) -> tuple[Value, ...]:
    return for_all(frame.ctx, exprs, lambda expr: evaluate(expr, frame))


def guarded(ctx: Context, span: Span, action: Callable[[], _T]) -> _T:
    """Do `action`; what it finds wrong with values or sizes is reported at `span`."""
    try:
        return action()
    except Refusal as problem:
        ctx.fail(problem.code, problem.message, span, help=problem.help)
    except SizeError as error:
        inexact(ctx, error, span)


def inexact(ctx: Context, error: SizeError, span: Span) -> NoReturn:
    """Report arithmetic on sizes that is not known to be exact, and what would make it so."""
    problem = numbers.inexact(error)
    ctx.fail(problem.code, problem.message, span, help=problem.help)


# --- names and literals ---------------------------------------------------------------------------
def _name(expr: ast.Name, frame: Frame) -> Value:
    return lookup(frame.ctx, expr.name, expr.span, frame.env)


def lookup(ctx: Context, name: str, span: Span, env: Env) -> Value:
    """Return what a name stands for: a given one, else a function, else an operator."""
    found = env.find(name)
    if found is not None:
        if isinstance(found.value, Poison):
            raise Failed
        return found.value
    if name in functions.NAMES or name in INITS:
        return Builtin(name)
    operator = find(name)
    if operator is not None:
        return LayerValue(operator)
    ctx.fail(
        "E0107",
        f"{name} has no value here",
        span,
        "it is given later only, or in an arm or a loop that was not taken",
        help=f"give {name} a value on every way that leads here",
    )


def _number(expr: ast.Number, frame: Frame) -> Value:
    return guarded(frame.ctx, expr.span, lambda: numbers.finite(expr.value))


def _constant(expr: ast.Constant, _: Frame) -> Value:
    return expr.value


def string(expr: ast.Text, frame: Frame) -> str:
    """Return a string with its `{expression}`s replaced by their values."""
    parts: list[str] = []
    for part in expr.parts:
        if isinstance(part, str):
            parts.append(part)
            continue
        value = evaluate(part, frame)
        if not isinstance(value, str | int | float):
            frame.ctx.fail(
                "E0207",
                f"a string can hold numbers and strings, not {kind_of(value)}",
                part.span,
            )
        parts.append(value if isinstance(value, str) else show(value))
    text = "".join(parts)
    frame.ctx.step(expr.span, len(text))
    return text


def _list(expr: ast.ListExpr | ast.TupleExpr, frame: Frame) -> Value:
    frame.ctx.step(expr.span, len(expr.items))
    return evaluate_all(expr.items, frame)


def _paren(expr: ast.Paren, frame: Frame) -> Value:
    return evaluate(expr.inner, frame)


def _range(expr: ast.Range, frame: Frame) -> Value:
    start, stop = evaluate(expr.start, frame), evaluate(expr.stop, frame)
    for value, part in ((start, expr.start), (stop, expr.stop)):
        check_known(frame.ctx, value, part.span, "a loop")
    turns = guarded(frame.ctx, expr.span, lambda: functions.between(start, stop))
    frame.ctx.step(expr.span, len(turns))
    return turns


# --- operators ------------------------------------------------------------------------------------
def _unary(expr: ast.Unary, frame: Frame) -> Value:
    value = evaluate(expr.value, frame)
    if isinstance(value, Tensor):
        name = "Neg" if expr.op == "-" else "Not"
        return tensor_operator(name, (value,), {}, frame, expr.span)
    if expr.op == "not":
        return not truth(frame.ctx, value, expr.value.span)
    if isinstance(value, SymbolicSize) or numbers.is_number(value):
        return -value
    frame.ctx.fail("E0207", f"- does not work on {kind_of(value)}", expr.span)


def _binary(expr: ast.Binary, frame: Frame) -> Value:
    if expr.op in ("and", "or"):
        return _logical(expr, frame)
    # Both, though the first may fail: each side's mistakes are told.
    left, right = evaluate_all((expr.left, expr.right), frame)
    return joined(expr, left, right, frame)


def joined(expr: ast.Binary, left: Value, right: Value, frame: Frame) -> Value:
    """Return the value of an operator whose operands are known."""
    ctx = frame.ctx
    if isinstance(left, Tensor) or isinstance(right, Tensor):
        if expr.op in ("==", "!=") and (left is None or right is None):
            return expr.op == "!="  # whether an optional input is given
        return _on_tensors(expr, left, right, frame)
    ctx.step(expr.span, _length(ctx, left))
    if expr.op in ("==", "!=", "<", "<=", ">", ">="):
        return _compare(ctx, expr, left, right)
    if expr.op in ("in", "not in"):
        return _contains(ctx, expr, left, right) is (expr.op == "in")
    return guarded(
        ctx,
        expr.span,
        lambda: numbers.arithmetic(expr.op, left, right, ctx.facts.exact_div),
    )


def _length(ctx: Context, value: Value) -> int:
    """Return how many steps it takes to go through a value."""
    return len(value) if isinstance(value, str) else ctx.extents.of(value).size


def _logical(expr: ast.Binary, frame: Frame) -> Value:
    left = evaluate(expr.left, frame)
    if not isinstance(left, Tensor):
        first = truth(frame.ctx, left, expr.left.span)
        if first is (expr.op == "or"):
            return first
        return truth(frame.ctx, evaluate(expr.right, frame), expr.right.span)
    return _on_tensors(expr, left, evaluate(expr.right, frame), frame)


def _on_tensors(expr: ast.Binary, left: Value, right: Value, frame: Frame) -> Value:
    operator = signs().get(expr.op)
    if operator is None:
        frame.ctx.fail("E0207", f"{expr.op} does not work on tensors", expr.op_span)
    for field, side, part in (("left", left, expr.left), ("right", right, expr.right)):
        is_number = isinstance(side, SymbolicSize) or numbers.is_number(side)
        if not isinstance(side, Tensor) and not (is_number and field in operator.model_fields):
            frame.ctx.fail(
                "E0207", f"{expr.op} does not work on a tensor and {kind_of(side)}", part.span
            )
    # A number is an attribute of the operator, under the name of the side where it stands.
    given: dict[str, Value] = {} if isinstance(left, Tensor) else {"left": left}
    given |= {} if isinstance(right, Tensor) else {"right": right}
    tensors = tuple(side for side in (left, right) if isinstance(side, Tensor))
    spans = tuple(
        (field, part.span)
        for field, part in (("left", expr.left), ("right", expr.right))
        if field in given
    )
    return tensor_operator(operator.__name__, tensors, given, frame, expr.span, spans)


def tensor_operator(
    name: str,
    tensors: tuple[Value, ...],
    given: dict[str, Value],
    frame: Frame,
    span: Span,
    spans: tuple[tuple[str, Span], ...] = (),
) -> Value:
    """Apply an operator that the language writes with a sign; `spans` are where numbers stand."""
    operator = find(name)
    assert operator is not None, name
    layer = LayerValue(operator, tuple(given.items()), spans)
    flow = tensors[0] if len(tensors) == 1 else tensors
    return frame.ctx.rules.apply(layer, flow, Site(frame, Naming(None, name), span))


def _compare(ctx: Context, expr: ast.Binary, left: Value, right: Value) -> bool:
    if isinstance(left, SymbolicSize) or isinstance(right, SymbolicSize):
        if numbers.is_size(left) and numbers.is_size(right):
            return _compare_sizes(ctx, expr, left, right)
    if expr.op in ("==", "!="):
        return numbers.equal(left, right) is (expr.op == "==")
    return guarded(ctx, expr.span, lambda: numbers.ordered(expr.op, left, right))


def _compare_sizes(ctx: Context, expr: ast.Binary, left: Size, right: Size) -> bool:
    answer = ctx.facts.compare(left, expr.op, right)
    if answer is None:
        ctx.fail(
            "E0211",
            f"whether {left} {expr.op} {right} is not known: the size is symbolic",
            expr.span,
            help=f"if it always holds, state it first: "
            f"assert {source(left)} {expr.op} {source(right)}",
        )
    return answer


def _contains(ctx: Context, expr: ast.Binary, left: Value, right: Value) -> bool:
    if isinstance(left, str) and isinstance(right, str):
        return left in right
    if not isinstance(right, tuple):
        ctx.fail("E0207", f"in takes a list, not {kind_of(right)}", expr.right.span)
    ctx.step(expr.span, _length(ctx, right))
    return any(numbers.equal(left, item) for item in right)


def truth(ctx: Context, value: Value, span: Span) -> bool:
    """Return the value of a condition, which must be known at compile time."""
    if isinstance(value, bool):
        return value
    if isinstance(value, Tensor):
        ctx.fail(
            "E0206",
            "a condition is decided at compile time, and this is a tensor",
            span,
            help="compare its shape, or use Where for a choice element by element",
        )
    ctx.fail(
        "E0207",
        f"a condition is true or false, not {kind_of(value)}",
        span,
        help="compare it: n > 0, value != none",
    )


def _conditional(expr: ast.Conditional, frame: Frame) -> Value:
    chosen = truth(frame.ctx, evaluate(expr.condition, frame), expr.condition.span)
    return evaluate(expr.then if chosen else expr.otherwise, frame)


def check_known(ctx: Context, value: Value, span: Span, what: str) -> None:
    """Refuse a symbolic size where a number must be known."""
    if isinstance(value, SymbolicSize):
        ctx.fail(
            "E0308",
            f"{what} needs a number that is known at compile time, and {value} is symbolic",
            span,
            help="fix the size in the input's shape, or make it a parameter of the network",
        )


RULES: dict[type[ast.Expr], Callable[[Any, Frame], Value]] = {
    ast.Name: _name,
    ast.Number: _number,
    ast.Text: string,
    ast.Constant: _constant,
    ast.ListExpr: _list,
    ast.TupleExpr: _list,
    ast.Paren: _paren,
    ast.Range: _range,
    ast.Unary: _unary,
    ast.Binary: _binary,
    ast.Conditional: _conditional,
}
