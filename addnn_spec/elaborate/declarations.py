"""Statements that declare weights: `module`, `parameter` and `buffer`."""

from __future__ import annotations

from collections.abc import Hashable

from addnn_spec.diagnostics import Refusal
from addnn_spec.elaborate import numbers
from addnn_spec.elaborate.arguments import give
from addnn_spec.elaborate.builder import ModuleValue, Naming
from addnn_spec.elaborate.calls import called
from addnn_spec.elaborate.chains import read_label
from addnn_spec.elaborate.context import Context
from addnn_spec.elaborate.frame import Frame, Value
from addnn_spec.elaborate.module_names import forbidden, free_field
from addnn_spec.elaborate.terms import evaluate, for_all, lookup
from addnn_spec.graph import OWN, Buffer, Numbers, Parameter
from addnn_spec.ops.base import TensorType
from addnn_spec.ops.init import Init, check_fits, is_finite, make_init
from addnn_spec.sizes import Size, SymbolicSize
from addnn_spec.source import Span
from addnn_spec.syntax import ast
from addnn_spec.syntax.walk import names_read
from addnn_spec.values import Brace, Builtin, Function, LayerValue, kind_of, show


def sizes_of(shape: ast.Shape, frame: Frame) -> tuple[Size, ...]:
    return for_all(frame.ctx, shape.dims, lambda dim: size_of(dim, frame))


def size_of(dim: ast.Dim, frame: Frame) -> Size:
    """Return the value of a size in a shape."""
    value = evaluate(dim.value, frame)
    # `/` on numbers gives floats, as in Python: `width / 2` is a size if it is whole.
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if not numbers.is_size(value):
        frame.ctx.fail("E0207", f"a size is a whole number, not {show(value)}", dim.span)
    if isinstance(value, int) and value < 1:
        frame.ctx.fail("E0304", f"a size is at least 1, not {value}", dim.span)
    return frame.ctx.facts.normal(value)


def check_field(ctx: Context, name: str, span: Span, output: bool = False) -> None:
    """Refuse a name of an input or output that Python cannot have; an output's becomes a field of a
    named tuple."""
    reason = forbidden(name)
    if output and name in ("count", "index"):
        reason = f"every tuple has an attribute {name}"
    if reason is not None:
        ctx.fail(
            "E0404", f"this cannot be called {name}", span, reason,
            help=f"call it {free_field(name)}",
        )  # fmt: skip


def declare_module(statement: ast.Module, frame: Frame) -> None:
    ctx = frame.ctx
    element, builder = statement.element, frame.builder
    assert builder is not None
    name = statement.target.name
    label = name if element.label is None else _weight_key(element.label, frame)
    if element.label is None:
        check_field(ctx, name, statement.target.span)
    core = element.core
    if isinstance(core, ast.Body):
        layer: Value = LayerValue(Brace(core, frame.env))
    elif isinstance(core, ast.Layer):
        layer = lookup(ctx, core.name, core.name_span, frame.env)
        if isinstance(layer, LayerValue) and (core.args is not None or core.body is not None):
            layer = give(layer, core.args or (), core.body, frame)
    else:
        ctx.fail(
            "E0405", "a module is one layer", core.span,
            help="put the loop in braces: module m = { repeat n { … } }",
        )  # fmt: skip
    if not isinstance(layer, LayerValue):
        ctx.fail("E0108", f"{kind_of(layer)} is not a layer", core.span)
    module = ModuleValue(builder, label, layer, statement.target.span)
    builder.modules.append(module)
    frame.env.bind(name, module, statement.target.span, "module")


def _weight_key(label: ast.Text, frame: Frame) -> str:
    key = read_label(label, frame)
    if key == OWN:
        frame.ctx.fail(
            "E0404", "_ is the label of an element only", label.span,
            help="give it a name: it is the key of the weights",
        )  # fmt: skip
    return key


def declare_parameter(statement: ast.Parameter, frame: Frame) -> None:
    name = _weight_key(statement.label, frame)
    shape = sizes_of(statement.shape, frame)
    _known_shape(frame.ctx, shape, "parameter", name, statement.shape.span)
    value = None if statement.value is None else evaluate(statement.value, frame)
    init = _initialiser(frame.ctx, value, statement)
    if init is not None:
        _check_fits(frame.ctx, init, shape, statement)
    _declare_weight(name, Parameter(init), TensorType("float", shape), statement, frame)


def _initialiser(ctx: Context, value: Value, statement: ast.Parameter) -> Init | None:
    value = called(ctx, value, statement.span)
    if value is None or isinstance(value, Init):
        return value
    if numbers.is_number(value):
        try:
            return make_init("constant", (value,), {})
        except Refusal as error:
            ctx.fail(error.code, error.message, statement.span)
    assert statement.value is not None
    ctx.fail(
        "E0207",
        f"a parameter begins as a number or an initialiser, not {kind_of(value)}",
        statement.value.span,
        help="for example = 0 or = normal(0.02)",
    )


def _check_fits(
    ctx: Context, init: Init, shape: tuple[Size, ...], statement: ast.Parameter
) -> None:
    try:
        check_fits(init, shape)
    except Refusal as error:
        ctx.fail(error.code, error.message, statement.shape.span, help=error.help)


def _known_shape(ctx: Context, shape: tuple[Size, ...], what: str, name: str, span: Span) -> None:
    for size in shape:
        if isinstance(size, SymbolicSize):
            ctx.fail(
                "E0310",
                f"the {what} {name} would have the size {size}, which is symbolic",
                span,
                help="a learned tensor's size is fixed: fix the size in the input's shape, "
                "or declare the largest and slice it",
            )


def _declare_weight(
    name: str,
    op: Parameter | Buffer,
    type: TensorType,
    statement: ast.Parameter | ast.Buffer,
    frame: Frame,
) -> None:
    assert frame.builder is not None
    written = [(str(i), dim.value.span) for i, dim in enumerate(statement.shape.dims)]
    if statement.value is not None:
        name_of_value = "values" if isinstance(statement, ast.Buffer) else "init"
        written.append((name_of_value, statement.value.span))
    tensor = frame.builder.add(
        op, (), (type,), statement.span, Naming(name, name), written=tuple(written)
    )[0]
    given = statement.target
    if given is not None:
        frame.env.bind(given.name, tensor, given.span, "tensor")
    elif name.isidentifier():
        frame.env.bind(name, tensor, statement.span, "tensor")


def declare_buffer(statement: ast.Buffer, frame: Frame) -> None:
    name = _weight_key(statement.label, frame)
    shape = sizes_of(statement.shape, frame)
    _known_shape(frame.ctx, shape, "buffer", name, statement.shape.span)
    # Swin's relative positions, thousands of numbers, are the same in every block of a stage.
    memo, key = frame.ctx.memo, _buffer_key(statement, shape, frame)
    if key is None or key not in memo:
        values = _buffer_values(statement, shape, frame)
        if key is not None:
            memo[key] = values
    else:
        values = memo[key]
    type = TensorType(statement.dtype, shape)
    _declare_weight(name, Buffer(values), type, statement, frame)


def _buffer_values(statement: ast.Buffer, shape: tuple[Size, ...], frame: Frame) -> Numbers:
    value = evaluate(statement.value, frame)
    if isinstance(value, int | float):  # one number for all
        return _buffer_element(frame.ctx, value, statement)
    return _buffer_elements(frame.ctx, value, shape, statement)


def _buffer_key(statement: ast.Buffer, shape: tuple[Size, ...], frame: Frame) -> Hashable | None:
    """Return a key of what the values of a buffer depend on: many layers have equal ones, which are
    long. None if they depend on more than numbers, strings and functions."""
    read = [(name, frame.env.find(name)) for name in sorted(names_read(statement.value))]
    bound = [(name, binding.value) for name, binding in read if binding is not None]
    if not all(value is None or isinstance(value, _PLAIN) for _, value in bound):
        return None
    span = statement.value.span
    names = tuple((name, frame.ctx.key(value, span)) for name, value in bound)
    return ("buffer", id(statement), shape, names)


def _buffer_elements(
    ctx: Context, value: Value, shape: tuple[Size, ...], statement: ast.Buffer
) -> Numbers:
    """Return the nested values of a buffer, as many as its shape says."""
    if not shape:
        return _buffer_element(ctx, value, statement)
    if not isinstance(value, tuple) or len(value) != shape[0]:
        has = f"{len(value)} items" if isinstance(value, tuple) else kind_of(value)
        ctx.fail(
            "E0309", f"the values have {has} where the shape says {shape[0]}",
            statement.value.span,
        )  # fmt: skip
    return tuple(_buffer_elements(ctx, item, shape[1:], statement) for item in value)


def _buffer_element(ctx: Context, value: Value, statement: ast.Buffer) -> float | int | bool:
    """Return one value of a buffer, as its element type has it: nothing is rounded or converted."""
    holds = _HOLDS[statement.dtype]
    if statement.dtype == "bool":
        if isinstance(value, bool):
            return value
    elif numbers.is_number(value):
        assert isinstance(value, int | float)
        if statement.dtype == "float" and is_finite(value):
            return float(value)
        if statement.dtype == "int" and value == int(value) and -(2**63) <= value < 2**63:
            return int(value)
        shown = show(value)
        ctx.fail("E0207", f"this buffer holds {holds}, not {shown}", statement.value.span)
    ctx.fail("E0207", f"this buffer holds {holds}, not {kind_of(value)}", statement.value.span)


_PLAIN = (int, float, str, Function, Builtin)
_HOLDS = {
    "float": "numbers within the range of floats",
    "int": "whole numbers of 64 bits",
    "bool": "true and false",
}
