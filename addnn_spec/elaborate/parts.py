"""Parts of values: attributes and items, of tensors, modules and lists."""

from __future__ import annotations

from collections.abc import Iterator

from addnn_spec.diagnostics import Label, near
from addnn_spec.elaborate import numbers
from addnn_spec.elaborate.builder import ModuleValue, Naming, Tensor
from addnn_spec.elaborate.context import Context, Failed
from addnn_spec.elaborate.frame import Frame, Poison, Value, is_flow
from addnn_spec.elaborate.terms import evaluate, tensor_operator
from addnn_spec.graph import WeightOf
from addnn_spec.ops import index
from addnn_spec.ops.base import TensorType
from addnn_spec.passes.state_dict import operator_weights
from addnn_spec.source import Span
from addnn_spec.syntax import ast
from addnn_spec.values import kind_of

DIMENSIONS = {"channels": 1, "length": 1, "features": -1, "height": -2, "width": -1}


def attribute(expr: ast.Attribute, frame: Frame) -> Value:
    value = evaluate(expr.value, frame)
    if isinstance(value, Tensor):
        return _tensor_attribute(frame.ctx, value.type, expr)
    if isinstance(value, ModuleValue):
        return _module_weight(value, expr, frame)
    tensors = isinstance(value, tuple) and value and is_flow(value)
    what = "a list of tensors" if tensors else kind_of(value)
    frame.ctx.fail("E0109", f"{what} has no .{expr.name}", expr.name_span)


def _tensor_attribute(ctx: Context, type: TensorType, expr: ast.Attribute) -> Value:
    if expr.name == "shape":
        return type.shape
    if expr.name == "rank":
        return type.rank
    if expr.name in DIMENSIONS:
        dim = DIMENSIONS[expr.name]
        wanted = dim + 1 if dim >= 0 else -dim
        if type.rank < wanted:
            ctx.fail("E0302", f"a tensor of shape {type} has no {expr.name}", expr.name_span)
        return type.shape[dim]
    ctx.fail("E0109", f"a tensor has no .{expr.name}", expr.name_span, help=_in_place_of(expr.name))


def _module_weight(module: ModuleValue, expr: ast.Attribute, frame: Frame) -> Value:
    first = module.first
    if first is None and module.unknown:
        raise Failed
    if first is None or frame.builder is None:
        frame.ctx.fail(
            "E0107",
            f"the weights of {module.name} are not known before data flows into it",
            expr.span,
            labels=(Label(module.span, "what first flows into it decides their sizes"),),
            help=f"let data flow first: … -> {module.name}, and read "
            f"{module.name}.{expr.name} below that",
        )
    weights = dict(operator_weights(first.applied))
    if expr.name not in weights:
        close = ", ".join(weights) or "none of its own"
        frame.ctx.fail(
            "E0109", f"{module.name} has no weight {expr.name}", expr.name_span,
            help=f"its weights: {close}",
        )  # fmt: skip
    shape, dtype, _ = weights[expr.name]
    return frame.builder.add(
        WeightOf(expr.name),
        (),
        (TensorType(dtype, shape),),
        expr.span,
        Naming(None, f"{module.name.rpartition('.')[2]}_{expr.name}"),
        module=frame.builder.module_ref(module),
    )[0]


def subscript(expr: ast.Subscript, frame: Frame) -> Value:
    ctx = frame.ctx
    value = evaluate(expr.value, frame)
    items = [_index(item, frame) for item in expr.items]
    if isinstance(value, Tensor):
        return _tensor_item(value, items, frame, expr)
    if not isinstance(value, tuple | str):
        ctx.fail("E0207", f"{kind_of(value)} has no items", expr.value.span)
    if len(items) != 1:
        ctx.fail("E0208", "a list takes one index", expr.span)
    index = items[0]
    if isinstance(index, slice):
        _known_slice(ctx, index, expr.items[0].span)
        return value[index]
    if not isinstance(index, int) or isinstance(index, bool):
        ctx.fail("E0208", f"an index is a whole number, not {kind_of(index)}", expr.span)
    if not -len(value) <= index < len(value):
        ctx.fail(
            "E0208",
            f"there is no item {index}",
            expr.items[0].span,
            f"the list has {len(value)}",
        )
    item = value[index]
    if isinstance(item, Poison):
        raise Failed
    return item


def _index(item: ast.Expr | ast.Slice, frame: Frame) -> Value | slice:
    if not isinstance(item, ast.Slice):
        return evaluate(item, frame)
    parts = (item.start, item.stop, item.step)
    bounds = [None if part is None else evaluate(part, frame) for part in parts]
    for bound in bounds:
        if bound is not None and not numbers.is_size(bound):
            frame.ctx.fail("E0208", f"a slice has whole numbers, not {kind_of(bound)}", item.span)
    if item.step is not None and not (isinstance(bounds[2], int) and bounds[2] != 0):
        frame.ctx.fail("E0208", f"a slice cannot have a step of {bounds[2]}", item.step.span)
    return slice(*bounds)


def _known_slice(ctx: Context, index: slice, span: Span) -> None:
    """E0208 for a list's slice with a symbolic size."""
    for bound in (index.start, index.stop):
        if bound is not None and not isinstance(bound, int):
            ctx.fail("E0208", f"a list is cut at known places, not at {bound}", span)


def _tensor_item(
    value: Tensor, items: list[Value | slice], frame: Frame, expr: ast.Subscript
) -> Value:
    from addnn_spec.ops.indexing import IndexSlice

    for item, written in zip(items, expr.items, strict=True):
        if isinstance(item, slice) and item.step is not None and item.step < 0:
            frame.ctx.fail(
                "E0208", "a tensor's slice has a step of at least 1, in torch too",
                written.span, help="-> Flip(dim) turns a dimension round",
            )  # fmt: skip
    index = tuple(
        IndexSlice(item.start, item.stop, item.step or 1) if isinstance(item, slice) else item
        for item in items
    )
    spans = tuple(_numbers_of(expr))
    return tensor_operator("GetItem", (value,), {"index": index}, frame, expr.span, spans)


def _numbers_of(expr: ast.Subscript) -> Iterator[tuple[str, Span]]:
    """Yield where each number of an index stands, in order."""
    for place, item in enumerate(expr.items):
        parts = (item.start, item.stop, item.step) if isinstance(item, ast.Slice) else (item,)
        for number, part in enumerate(parts):
            if part is not None:
                yield f"index.{place}.{number}", part.span


def _in_place_of(name: str) -> str:
    """Return what the language has in the place of a tensor's attribute or method in torch."""
    names = ("shape", "rank", *DIMENSIONS)
    known = _METHODS.get(name) or next(iter(near(name, names)), None)
    if known is not None:
        return f"did you mean {known}?"
    plain = name.replace("_", "")
    layer = next((other for other in index() if other.lower() == plain), None)
    if layer is not None:
        return f"a layer stands behind an arrow: … -> {layer}"
    return f"it has {', '.join(names)}"


_METHODS = {"size": "shape[…]", "dim": "rank", "ndim": "rank", "view": "… -> Reshape",
            "reshape": "… -> Reshape", "T": "… -> Transpose", "cat": "… -> Concat"}  # fmt: skip
