"""Bodies of blocks and networks, statement by statement."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from msgspec.structs import replace

from addnn_spec.diagnostics import Label
from addnn_spec.elaborate import numbers
from addnn_spec.elaborate.builder import ModuleValue, Tensor
from addnn_spec.elaborate.chains import choose_arm, run_brace
from addnn_spec.elaborate.context import Context, Failed
from addnn_spec.elaborate.declarations import (
    check_field,
    declare_buffer,
    declare_module,
    declare_parameter,
    size_of,
    sizes_of,
)
from addnn_spec.elaborate.expressions import bind, items_of
from addnn_spec.elaborate.frame import (
    POISON,
    Frame,
    GivenOutput,
    Interface,
    Poison,
    Value,
    flatten,
    is_flow,
)
from addnn_spec.elaborate.loop_cost import refuse_bomb
from addnn_spec.elaborate.terms import evaluate, evaluate_all, for_all, lookup, string, truth
from addnn_spec.graph import Assertion
from addnn_spec.ops.base import TensorType
from addnn_spec.sizes import Fact, Size, SizeError, Symbol, SymbolicSize, source
from addnn_spec.source import Span
from addnn_spec.syntax import ast
from addnn_spec.syntax.walk import names_given, walk
from addnn_spec.values import Definition, Function, LayerValue, kind_of, show

interface: Interface | None = None


# --- bodies ---------------------------------------------------------------------------------------
def run_definition(target: Definition, given: dict[str, Value], frame: Frame) -> Value:
    node = target.node
    if isinstance(node, ast.Network):
        return _run_inner_network(target, list(given.values()), frame)
    if node.inputs is None:
        frame.env.bind("x", given["x"], None, "flow")
    else:
        _bind_inputs(node, given, frame)
    try:
        return _body_value(node, frame)
    except Failed:
        return POISON


def _body_value(node: ast.Block, frame: Frame) -> Value:
    body = node.body
    if body.kind in ("chain", "empty"):
        if node.inputs is not None and body.kind == "chain":
            _missing_return(frame.ctx, node)
        return run_brace(body, frame.env.names["x"].value, frame, placed=False)
    value = run_statements(body, frame)
    if value is None:
        _missing_return(frame.ctx, node)
    return value


def _missing_return(ctx: Context, node: ast.Block) -> None:
    ctx.fail(
        "E0401",
        f"block {node.name} returns nothing",
        node.name_span,
        help="end its body with return and what flows out",
    )


def _bind_inputs(node: ast.Block, given: dict[str, Value], frame: Frame) -> None:
    for param in node.inputs or ():
        if param.name in given:
            value = given[param.name]
        elif param.default is not None:
            value = evaluate(param.default, frame)
            if isinstance(value, Tensor):
                value.call(param.name)
        else:
            frame.ctx.fail("E0205", f"{node.name} needs its input {param.name}", param.span)
        frame.bind(param.name, value, param.span, "parameter")


def run_brace_statements(body: ast.Body, frame: Frame) -> Value:
    value = run_statements(body, frame)
    if value is None:
        frame.ctx.fail(
            "E0401",
            "this brace returns nothing",
            body.span,
            help="end its statements with return and what flows out",
        )
    return value


def run_statements(body: ast.Body, frame: Frame) -> Value:
    """Elaborate statements, and return the value of their `return`, or None without one."""
    for statement in body.items:
        try:
            value = _RUN[type(statement)](statement, frame)
        except Failed:
            frame.ctx.pass_over()
            value = _recover(statement, frame)
        if value is not None:
            return value
    return None


def _recover(statement: ast.Statement | ast.Element, frame: Frame) -> Value:
    """Bind the names of a failed statement to `POISON`, so that nobody reports on them again."""
    if isinstance(statement, ast.Assert):
        _forget(frame)
        return None
    if isinstance(statement, ast.Return | ast.Output) and frame.interface is None:
        return POISON
    if isinstance(statement, ast.Return):
        assert frame.interface is not None
        frame.interface.complete = False
        return None
    # Names of all arms, since it is not known which would have been taken.
    inside = walk(statement) if isinstance(statement, ast.If | ast.For) else (statement,)
    for node in inside:
        for name, span in names_given(node):
            frame.env.bind(name, POISON, span, "tensor")
    if frame.interface is not None:
        if isinstance(statement, ast.If | ast.For):
            frame.interface.complete = False
        elif isinstance(statement, ast.Output):
            name = statement.target.name
            frame.interface.outputs.append(
                GivenOutput(name, POISON, statement.training, statement.span)
            )
    return None


def _forget(frame: Frame) -> None:
    """Make all names unknown after an assertion that fails, since what follows relies on it."""
    for binding in frame.env.names.values():
        binding.value = POISON
    if frame.interface is not None:
        frame.interface.complete = False


# --- names ----------------------------------------------------------------------------------------
def _run_let(statement: ast.Let, frame: Frame) -> None:
    value = evaluate(statement.value, frame)
    if any(True for _ in flatten(value)) or isinstance(value, ModuleValue):
        frame.ctx.fail(
            "E0206",
            "let names compile-time values, and this is a tensor",
            statement.value.span,
            help="leave let out: y = …",
        )
    bind(statement.targets, value, frame, "let")


def _run_bind(statement: ast.Bind, frame: Frame) -> None:
    values = evaluate_all(statement.values, frame)
    for value, expr in zip(values, statement.values, strict=True):
        _must_flow(frame.ctx, value, expr.span)
    bind(statement.targets, values[0] if len(values) == 1 else values, frame, "tensor")


def _must_flow(ctx: Context, value: Value, span: Span, what: str = "= names") -> None:
    if is_flow(value):
        return
    help = None
    if isinstance(value, LayerValue):
        help = f"data flows in with an arrow: x -> {value.name}(…)"
    elif what == "= names":
        help = "name a compile-time value with let: let n = …"
    message = f"{what} a tensor or a list of tensors, and this is {kind_of(value)}"
    ctx.fail("E0206", message, span, help=help)


def _run_typed(statement: ast.Typed, frame: Frame) -> None:
    value = evaluate(statement.value, frame)
    _must_flow(frame.ctx, value, statement.value.span)
    _check_shape(value, statement.shape, frame, statement.value.span)
    frame.bind(statement.target.name, value, statement.target.span, "tensor")
    if isinstance(value, Tensor):
        value.call(statement.target.name)


def _check_shape(value: Value, shape: ast.Shape, frame: Frame, span: Span) -> None:
    ctx = frame.ctx
    if not isinstance(value, Tensor):
        ctx.fail("E0309", "a shape is stated for one tensor, and this is a list", span)
    type = ctx.normal(value.type)
    stated = sizes_of(shape, frame)
    if len(stated) != type.rank:
        ctx.fail(
            "E0309",
            f"the shape has {type.rank} sizes, not the {len(stated)} that are stated",
            shape.span,
            f"it is {type}",
        )
    for dim, wanted, size in zip(shape.dims, stated, type.shape, strict=True):
        if not ctx.facts.equal(size, wanted):
            help = None
            if ctx.facts.compare(size, "==", wanted) is None:
                fact = f"{source(size)} == {source(wanted)}"
                help = f"if they are always equal, state it first: assert {fact}"
            ctx.fail(
                "E0309",
                f"this size is {size}, not {wanted}",
                dim.span,
                f"the shape is {type}",
                help=help,
            )


# --- inputs and outputs ---------------------------------------------------------------------------
def _network_only(statement: ast.Input | ast.Output, what: str, frame: Frame) -> Interface:
    if frame.interface is None:
        frame.ctx.fail(
            "E0405",
            f"{what} stands in a network, not in a block",
            statement.span,
            help="a block ends with return and what flows out"
            if what == "output"
            else "a block's input is x; several stand after its name: block B()(a, b) { … }",
        )
    return frame.interface


def _run_input(statement: ast.Input, frame: Frame) -> None:
    interface = _network_only(statement, "input", frame)
    name = statement.target.name
    check_field(frame.ctx, name, statement.target.span)
    if name in interface.inputs:
        frame.ctx.fail(
            "E0403", f"two inputs are called {name}", statement.target.span,
            labels=(Label(interface.inputs[name], "the first one"),),
        )  # fmt: skip
    interface.inputs[name] = statement.span
    if interface.given is not None:
        _take_input(interface, statement, frame)
        return
    sizes = for_all(frame.ctx, statement.shape.dims, lambda dim: _declare_size(dim, frame))
    assert frame.builder is not None
    type = TensorType(statement.dtype, sizes)
    tensor = frame.builder.placeholder(name, type, statement.span, training=statement.training)
    _bind_input(name, tensor, statement, frame)


def _bind_input(name: str, value: Value, statement: ast.Input, frame: Frame) -> None:
    frame.bind(name, value, statement.target.span, "input")


def _declare_size(dim: ast.Dim, frame: Frame) -> Size:
    """Return a size of an input: a new symbolic size, or a value."""
    if not isinstance(dim.value, ast.Name) or _is_value(dim.value.name, frame):
        if dim.default is not None:
            _not_a_new_size(dim, frame)
        return size_of(dim, frame)
    default = 1 if dim.default is None else evaluate(dim.default, frame)
    if not isinstance(default, int) or isinstance(default, bool) or default < 1:
        frame.ctx.fail(
            "E0207",
            f"the default of a size is a whole number from 1, not {show(default)}",
            dim.span,
        )
    # The first input that names a size declares it; from the next on it is a value.
    symbol = Symbol(dim.value.name, default)
    frame.ctx.sizes[symbol] = dim.span
    size = SymbolicSize.of(symbol)
    frame.env.bind(dim.value.name, size, dim.value.span, "parameter")
    return size


def _is_value(name: str, frame: Frame) -> bool:
    """Return True if a name in a shape has a value; a block's or network's name can be a new
    size."""
    found = frame.env.find(name)
    return found is not None and not isinstance(found.value, LayerValue | Function)


def _not_a_new_size(dim: ast.Dim, frame: Frame) -> None:
    name = dim.value.name if isinstance(dim.value, ast.Name) else ""
    found = frame.env.find(name)
    if found is not None and isinstance(found.value, SymbolicSize):
        return
    labels = (Label(found.span, "given here"),) if found and found.span else ()
    frame.ctx.fail(
        "E0102",
        f"{name or 'this size'} has a value already and cannot be a symbolic size"
        if name
        else "only a name can be a symbolic size",
        dim.span,
        labels=labels,
        help="choose another name for the size",
    )


def _take_input(interface: Interface, statement: ast.Input, frame: Frame) -> None:
    """Take an input of a network that stands as a block: what flows in, checked."""
    given = interface.given
    assert given is not None
    name = statement.target.name
    if statement.training:
        frame.env.bind(name, POISON, statement.target.span, "input")
        return
    if interface.taken >= len(given):
        frame.ctx.fail("E0205", f"nothing flows into the input {name}", statement.span)
    value = given[interface.taken]
    interface.taken += 1
    if not isinstance(value, Tensor):
        frame.ctx.fail("E0205", f"a list flows into the input {name}", statement.span)
    _match_input(value.type, statement, frame)
    _bind_input(name, value, statement, frame)


def _match_input(type: TensorType, statement: ast.Input, frame: Frame) -> None:
    dims = statement.shape.dims
    if type.rank != len(dims) or type.dtype != statement.dtype:
        frame.ctx.fail(
            "E0312",
            f"the input {statement.target.name} gets {type.dtype}{type}",
            statement.span,
            "it is declared so",
        )
    for dim, size in zip(dims, type.shape, strict=True):
        name = dim.value.name if isinstance(dim.value, ast.Name) else None
        if name is not None and not _is_value(name, frame):
            frame.env.bind(name, size, dim.span, "parameter")
        elif not frame.ctx.facts.equal(size_of(dim, frame), size):
            frame.ctx.fail(
                "E0312",
                f"the input {statement.target.name} gets a size of {size} here, "
                f"not {size_of(dim, frame)}",
                dim.span,
                f"what flows in is {type}",
            )


def _run_output(statement: ast.Output, frame: Frame) -> None:
    ctx = frame.ctx
    interface = _network_only(statement, "output", frame)
    name = statement.target.name
    check_field(ctx, name, statement.target.span, output=True)
    for other in interface.outputs:
        if other.name == name:
            ctx.fail(
                "E0403", f"two outputs are called {name}", statement.target.span,
                labels=(Label(other.span, "the first one"),),
            )  # fmt: skip
    # A network that stands as a block has no training outputs of its own.
    if interface.given is not None and statement.training:
        return
    if statement.value is None:
        value = lookup(ctx, name, statement.target.span, frame.env)
        span = statement.target.span
    else:
        value, span = evaluate(statement.value, frame), statement.value.span
    _must_flow(ctx, value, span, "an output is")
    if _has_empty(value):
        ctx.fail("E0206", f"the output {name} is an empty list", span)
    if statement.shape is not None:
        _check_shape(value, statement.shape, frame, span)
    interface.outputs.append(GivenOutput(name, value, statement.training, statement.span))
    frame.bind(name, value, statement.target.span, "tensor")
    if isinstance(value, Tensor):
        value.call(name)


def _run_return(statement: ast.Return, frame: Frame) -> Value:
    if frame.interface is not None:
        frame.ctx.fail(
            "E0405", "return stands in a block; a network says output", statement.span,
            help="output y = …",
        )  # fmt: skip
    values = evaluate_all(statement.values, frame)
    for value, expr in zip(values, statement.values, strict=True):
        _must_flow(frame.ctx, value, expr.span, "return gives")
    return values[0] if len(values) == 1 else values


def _run_inner_network(target: Definition, given: list[Value], frame: Frame) -> Value:
    """Run a network that stands where a block may: without its training outputs."""
    interface = Interface(given)
    run_statements(target.node.body, replace(frame, interface=interface))
    if interface.taken < len(given):
        frame.ctx.fail(
            "E0205",
            f"{target.name} takes {interface.taken} inputs, and {len(given)} flow in",
            target.node.name_span,
        )
    values = tuple(output.value for output in interface.outputs)
    known = not any(isinstance(value, Poison) for value in values)
    if not (values and known and interface.complete):
        return POISON
    return values[0] if len(values) == 1 else values


# --- if, for, assert ------------------------------------------------------------------------------
def _run_if_statement(statement: ast.If, frame: Frame) -> Value:
    body = choose_arm(statement, frame)
    return None if body is None else _run_nested(body, frame)


def _run_for_statement(statement: ast.For, frame: Frame) -> Value:
    turns = items_of(statement.iterable, frame)
    refuse_bomb(statement, len(turns), frame.env, frame.ctx)
    assert frame.builder is not None
    with frame.builder.in_turns(statement.span, turns) as counted:
        for _, item in counted:
            bind(statement.targets, item, frame, "loop")
            value = _run_nested(statement.body, frame)
            if value is not None:
                return value
    return None


def _run_nested(body: ast.Body, frame: Frame) -> Value:
    if body.kind == "chain":
        frame.ctx.fail(
            "E0405",
            "elements here do nothing: no data flows into them",
            body.span,
            help="name what flows in and out: y = x -> …",
        )
    return run_statements(body, frame)


def _run_assert(statement: ast.Assert, frame: Frame) -> None:
    message = "" if statement.message is None else string(statement.message, frame)
    parts = list(_conditions(statement.condition))
    for condition in parts:
        span = statement.span if len(parts) == 1 else condition.span
        _hold(condition, message, span, frame)


def _hold(condition: ast.Expr, message: str, span: Span, frame: Frame) -> None:
    """Check a condition, or state it of symbolic sizes."""
    sides = ""
    if isinstance(condition, ast.Binary) and condition.op in ("==", "!=", "<", "<=", ">", ">="):
        left = evaluate(condition.left, frame)
        right = evaluate(condition.right, frame)
        if isinstance(left, SymbolicSize) or isinstance(right, SymbolicSize):
            _assume(frame.ctx, left, condition.op, right, message, span)
            return
        if not (is_flow(left) or is_flow(right)):
            sides = f"{show(left)} {condition.op} {show(right)}"
    value = evaluate(condition, frame)
    if not truth(frame.ctx, value, condition.span):
        shown = f": {message}" if message else ""
        note = (
            f"that is {sides}"
            if len(sides) <= _SHOWN and sides not in ("", condition.span.text)
            else ""
        )
        frame.ctx.fail("E0212", f"this does not hold{shown}", span, note)


def _assume(ctx: Context, left: Value, op: str, right: Value, message: str, span: Span) -> None:
    if not (numbers.is_size(left) and numbers.is_size(right)):
        ctx.fail("E0207", "a size is compared with a whole number", span)
    answer = ctx.facts.compare(left, op, right)
    if answer is False:
        ctx.fail("E0212", f"this never holds{': ' + message if message else ''}", span)
    try:
        if answer is None:
            ctx.facts.assume(left, op, right)
    except SizeError as error:
        ctx.fail("E0212", str(error), span)
    # What is proved already needs no check when the network runs.
    if answer is None:
        ctx.assertions.append(Assertion(Fact(left, op, right), message, span))


_SHOWN = 80
"""The two sides of a comparison are shown if they take no more characters."""


def _has_empty(value: Value) -> bool:
    """Return True if a list of tensors is empty, or one in it."""
    return isinstance(value, tuple) and (not value or any(map(_has_empty, value)))


def _conditions(condition: ast.Expr) -> Iterator[ast.Expr]:
    """Yield what `and` joins, and brackets hold, from left to right."""
    waiting = [condition]
    while waiting:
        expr = waiting.pop()
        if isinstance(expr, ast.Paren):
            waiting.append(expr.inner)
        elif isinstance(expr, ast.Binary) and expr.op == "and":
            waiting += [expr.right, expr.left]
        else:
            yield expr


_RUN: dict[type, Callable[[Any, Frame], Value]] = {
    ast.Let: _run_let,
    ast.Bind: _run_bind,
    ast.Typed: _run_typed,
    ast.Input: _run_input,
    ast.Output: _run_output,
    ast.Return: _run_return,
    ast.Module: declare_module,
    ast.Parameter: declare_parameter,
    ast.Buffer: declare_buffer,
    ast.If: _run_if_statement,
    ast.For: _run_for_statement,
    ast.Assert: _run_assert,
}
