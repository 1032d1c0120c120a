"""Applying operators: their inputs, their attributes, the types of their outputs."""

from __future__ import annotations

from typing import NoReturn

from msgspec.structs import replace
from pydantic import ValidationError

from addnn_spec.diagnostics import Label, Refusal
from addnn_spec.elaborate.argument_messages import (
    as_buffer,
    maker,
    refuse_attributes,
    refuse_inputs,
    refuse_operator,
    refuse_symbolic_weight,
)
from addnn_spec.elaborate.builder import FirstUse, ModuleValue, Tensor
from addnn_spec.elaborate.calls import called
from addnn_spec.elaborate.context import Context, Failed
from addnn_spec.elaborate.frame import Poison, Site, Value, is_partial
from addnn_spec.elaborate.tensor_limits import warn_oversized_weight
from addnn_spec.elaborate.terms import inexact
from addnn_spec.elaborate.torch_order import TorchOrder, by_position, torch_order
from addnn_spec.graph import OWN, Graph
from addnn_spec.ops.applied import Applied
from addnn_spec.ops.base import Operator, TensorType
from addnn_spec.passes.state_dict import operator_weights, weights_of
from addnn_spec.sizes import Size, SizeError, SymbolicSize
from addnn_spec.source import Span
from addnn_spec.values import LayerValue, key, kind_of, show


def flow_inputs(flow: Value) -> list[Value]:
    return list(flow) if isinstance(flow, tuple) else [flow]


def apply_operator(layer: LayerValue, target: type[Operator], flow: Value, site: Site) -> Value:
    ctx, builder, span = site.frame.ctx, site.frame.builder, site.span
    assert builder is not None
    if isinstance(flow, Poison):
        # The input is wrong already, and told; mistakes in the arguments can still be found.
        check_arguments(ctx, layer, target, span)
    inputs = operator_inputs(ctx, layer, target, flow, span)
    types = ctx.types(inputs)
    op, outputs = _checked(ctx, layer, target, inputs, types, span)
    applied = Applied(op, types)
    _warn_torch_order(ctx, layer, applied)
    ref = None
    if site.module is not None:
        ref = builder.module_ref(site.module)
        remember(ctx, site.module, FirstUse(op, types, (), span))
    naming = site.naming
    if naming.label == OWN and not any(applied.tensors()):
        naming = replace(naming, label=None)  # nothing to be named
    tensors = builder.add(op, inputs, outputs, span, naming, module=ref, written=layer.spans)
    return tensors[0] if len(tensors) == 1 and not target.lists_outputs else tensors


def _with_facts(ctx: Context, value: Value) -> Value:
    """Return an argument with the stated facts about its sizes put in."""
    if isinstance(value, SymbolicSize):
        return ctx.facts.normal(value)
    return tuple(_with_facts(ctx, item) for item in value) if isinstance(value, tuple) else value


def operator_inputs(
    ctx: Context, layer: LayerValue, target: type[Operator], flow: Value, span: Span
) -> list[Tensor | None]:
    """Return the tensors for an operator's inputs: those given by name, then what flows in."""
    given = _named_inputs(ctx, layer, target)
    flowing = flowing_tensors(ctx, layer, flow, span)
    if target.variadic:
        if not isinstance(flow, tuple):
            ctx.fail(
                "E0205",
                f"{layer.name} takes a list of tensors, and one tensor flows in",
                span,
                help=f"give a list: (a, b) -> {layer.name}",
            )
        return [*flowing, *(given.get(name) for name in target.input_names[1:])]
    return _distribute(ctx, layer, target, given, flowing, span)


def flowing_tensors(ctx: Context, layer: LayerValue, flow: Value, span: Span) -> list[Tensor]:
    """Return what flows into an operator: tensors, and nothing else."""
    tensors: list[Tensor] = []
    for value in flow_inputs(flow):
        if not isinstance(value, Tensor):
            ctx.fail("E0205", f"{layer.name} takes tensors, and {kind_of(value)} flows in", span)
        tensors.append(value)
    return tensors


def _named_inputs(
    ctx: Context, layer: LayerValue, target: type[Operator]
) -> dict[str, Tensor | None]:
    """Return the tensors for an operator's inputs that are given by name."""
    given: dict[str, Tensor | None] = {}
    for name, value in layer.given:
        if name not in target.input_names or isinstance(value, Poison):
            continue
        if value is not None and not isinstance(value, Tensor):
            ctx.fail(
                "E0206",
                f"{name} of {layer.name} is a tensor, not {kind_of(value)}",
                dict(layer.spans)[name],
                help=as_buffer(name, value),
            )
        given[name] = value
    return given


def _distribute(
    ctx: Context,
    layer: LayerValue,
    target: type[Operator],
    given: dict[str, Tensor | None],
    flowing: list[Tensor],
    span: Span,
) -> list[Tensor | None]:
    given = {name: value for name, value in given.items() if value is not None}
    names = target.input_names
    if len(flowing) == 1 and {"left", "right"} & {name for name, _ in layer.given}:
        names = names[:1]  # a tensor and a number
    free = [n for n in names if n not in given and n not in target.named_inputs]
    required = [name for name in free if name not in target.optional_inputs]
    if not len(required) <= len(flowing) <= len(free):
        refuse_inputs(ctx, layer, target, len(flowing), free, span)
    given |= dict(zip(free, flowing, strict=False))
    return [given.get(name) for name in names]


def _checked(
    ctx: Context,
    layer: LayerValue,
    target: type[Operator],
    inputs: list[Tensor | None],
    types: tuple[TensorType | None, ...],
    span: Span,
) -> tuple[Operator, tuple[TensorType, ...]]:
    """Return the operator with its attributes, and the types of its outputs; equal uses share
    it."""
    attributes = {
        name: _with_facts(ctx, value)
        for name, value in layer.given
        if name not in target.input_names
    }
    # The types decide inferred sizes, and each fact about sizes may decide what was open before.
    memo_key = (
        "op",
        target,
        tuple((name, key(value)) for name, value in attributes.items()),
        types,
        ctx.facts.version,
    )
    found = ctx.memo.get(memo_key) if ctx.memoise else None
    if found is None:
        found = _make_operator(ctx, layer, target, attributes, inputs, types, span)
        _check_weights(ctx, layer, Applied(found[0], types), inputs, span)
        ctx.memo[memo_key] = found
    op, outputs = found
    return op, outputs


def _make_operator(
    ctx: Context,
    layer: LayerValue,
    target: type[Operator],
    attributes: dict[str, Value],
    inputs: list[Tensor | None],
    types: tuple[TensorType | None, ...],
    span: Span,
) -> tuple[Operator, tuple[TensorType, ...]]:
    # What is no attribute is a size that is inferred, `in_channels`: stated, it is checked only.
    stated = {k: v for k, v in attributes.items() if k not in target.model_fields}
    fields = {k: v for k, v in attributes.items() if k in target.model_fields}
    op = construct(ctx, layer, target, fields, span, types)
    _check_stacked(ctx, layer, op, span)
    applied = Applied(op, types)
    try:
        outputs = applied.infer()
        applied.check_needs()
        _check_stated(ctx, layer, applied, stated, span)
        _check_required(ctx, layer, applied, span)
    except Refusal as error:
        torch = _torch_order(ctx, layer, applied) if error.about else None
        help = torch.help if torch else None
        # These are about a size of the input: the place to look is the operator that made it.
        size = applied.decisive() if error.code in ("E0303", "E0305") else None
        labels = maker(inputs[0], size) if size is not None and inputs[0] is not None else ()
        refuse_operator(ctx, layer, error, types, span, labels=labels, help=help)
    except SizeError as error:
        inexact(ctx, error, span)
    return op, tuple(ctx.normal(type) for type in outputs)


def _warn_torch_order(ctx: Context, layer: LayerValue, applied: Applied) -> None:
    """Warn (W0111) of arguments that are less unusual in torch's order: `Conv2d(3, 64, 3)`."""
    if not applied.unusual():
        return
    torch = _torch_order(ctx, layer, applied)
    if torch is None:
        return
    first, second, *_ = by_position(layer, type(applied.op))
    number = show(getattr(applied.op, second))
    ctx.report(
        "W0111",
        f"{layer.name} reads as in torch, with {torch.inferred} before {first}",
        dict(layer.spans)[first],
        f"this is {first}, and {number} is {second}",
        help=f"{torch.help}; or, if this is meant, {second} = {number}",
    )


def _torch_order(ctx: Context, layer: LayerValue, applied: Applied) -> TorchOrder | None:
    """Return an operator's arguments as torch orders them, where they are less unusual so."""
    target, places = type(applied.op), dict(layer.spans)
    fields = {
        name: called(ctx, value, places[name])
        for name, value in layer.given
        if name in places and name in target.model_fields
    }
    torch = torch_order(layer, target, fields, applied.types)
    try:
        if torch and Applied(torch.op, applied.types).unusual() < applied.unusual():
            return torch
    except Refusal:  # this order is not possible at all
        return torch
    return None


def check_arguments(
    ctx: Context, layer: LayerValue, target: type[Operator], span: Span
) -> NoReturn:
    """Tell what is wrong with an operator's arguments, where its input is not known."""
    _named_inputs(ctx, layer, target)
    fields = {name: value for name, value in layer.given if name in target.model_fields}
    construct(ctx, layer, target, fields, span)
    raise Failed


def construct(
    ctx: Context,
    layer: LayerValue,
    target: type[Operator],
    fields: dict[str, Value],
    span: Span,
    types: tuple[TensorType | None, ...] = (),
) -> Operator:
    """Return the operator, its attributes checked by its own types; of its inputs, if known,
    `types`.

    Where the layer is partial, only what is wrong with single attributes is told.
    """
    partial, places = is_partial(layer), dict(layer.spans)
    fields = {
        name: called(ctx, value, places.get(name, span))
        for name, value in fields.items()
        if not isinstance(value, Poison)
    }
    for name, value in fields.items():
        if isinstance(value, Tensor):
            ctx.fail(
                "E0206",
                f"{name} of {layer.name} is a value, and this is a tensor",
                places.get(name, span),
            )
    try:
        return target(**fields)
    except ValidationError as error:
        torch = torch_order(layer, target, fields, types)
        refuse_attributes(ctx, layer, error, fields, span, partial, torch.help if torch else None)
    except Refusal as error:
        if partial:
            raise Failed from None
        refuse_operator(ctx, layer, error, (), span)


def _check_stated(
    ctx: Context,
    layer: LayerValue,
    applied: Applied,
    stated: dict[str, Value],
    span: Span,
) -> None:
    """Check the sizes that the text states though they are inferred, such as `in_features`."""
    inferred = applied.inferred() if stated else {}
    spans = dict(layer.spans)
    for name, value in stated.items():
        place = spans.get(name, span)
        if isinstance(value, bool) or not isinstance(value, int | SymbolicSize):
            said = f"{name} of {layer.name} cannot be {show(value)}"
            ctx.fail("E0201", said, place, "it should be a whole number")
        if inferred[name] != value:
            size, what = show(inferred[name]), name.removeprefix("in_").removeprefix("num_")
            ctx.fail(
                "E0301",
                f"{layer.name} gets {size} {what}, not the {show(value)} that are stated"
                if what in ("features", "channels")
                else f"{layer.name} has {name} = {size} here, not the {show(value)} stated",
                place,
                f"its input here is {applied.types[0]}",
                help=f"leave {name} out: it is inferred",
            )


def _check_required(ctx: Context, layer: LayerValue, applied: Applied, span: Span) -> None:
    """Check the symbolic sizes that must not be above others: proved, or to be asserted."""
    for small, large in applied.requires():
        holds = _is_at_most(ctx, small, large, applied.types)
        if holds is None:
            ctx.fail(
                "E0211",
                f"{layer.name} needs {small} to be at most {large}, which is not known",
                span,
                help=f"state it before its use: assert {small} <= {large}",
            )
        if not holds:
            ctx.fail("E0303", f"{layer.name} needs {small} to be at most {large}", span)


def _is_at_most(
    ctx: Context, small: Size, large: Size, types: tuple[TensorType | None, ...]
) -> bool | None:
    """Tell whether `small <= large` where no size that flows in is 0; None if it is not known."""
    holds = ctx.facts.compare(small, "<=", large)
    if holds is None:
        sizes = [size for type in types if type is not None for size in type.shape]
        # A size is 0 only in a tensor without elements, where no layer needs to work.
        holds = ctx.facts.where_positive(sizes).compare(small, "<=", large)
    return holds


def _check_stacked(ctx: Context, layer: LayerValue, op: Operator, span: Span) -> None:
    """Refuse more layers in one operator than there may be nodes, before weights are listed."""
    if op.stacked > ctx.limits.nodes:
        ctx.fail(
            "E0503",
            f"{layer.name} would have {op.stacked:,} layers: each is a node, and "
            f"{ctx.limits.nodes:,} distinct ones are allowed",
            dict(layer.spans).get(op.stacks or "", span),
            help="give fewer layers, or raise the limit with --limit-nodes",
        )


def _check_weights(
    ctx: Context,
    layer: LayerValue,
    applied: Applied,
    inputs: list[Tensor | None],
    span: Span,
) -> None:
    """Refuse a weight with a symbolic size, and show what made it so."""
    for name, weight, _ in applied.tensors():
        warn_oversized_weight(f"the {name} of {layer.name}", *weight, ctx, span)
        for size in weight.shape:
            if isinstance(size, SymbolicSize):
                refuse_symbolic_weight(ctx, layer, f"a {name} of size", size, applied, inputs, span)
    for name, size in applied.symbolic().items():
        # An attribute of a function is evaluated in `forward`, where the size is known.
        if not applied.is_function(labelled=False):
            refuse_symbolic_weight(ctx, layer, f"{name} =", size, applied, inputs, span)


def remember(ctx: Context, module: ModuleValue, use: FirstUse) -> None:
    """Remember a module's first use, which decides the weights; later ones must ask for the
    same."""
    if module.first is None:
        module.first = use
        return
    first, now = _weight_shapes(module.first), _weight_shapes(use)
    if first != now:
        name = next(n for n in {**first, **now} if first.get(n) != now.get(n))
        ctx.fail(
            "E0407",
            f"module {module.name} would need other weights here",
            use.span,
            f"{name} is {_shape(now.get(name))} here",
            labels=(Label(module.first.span, f"and {_shape(first.get(name))} here"),),
            help="all uses of a module share one set of weights: give them inputs of one width",
        )


def _weight_shapes(use: FirstUse) -> dict[str, tuple[Size, ...]]:
    """Return the weights of an operator or graph, by path, with their shapes."""
    if isinstance(use.op, Operator):
        found = {name: tuple(w.shape) for name, w in operator_weights(use.applied)}
        for argument, graph in use.layers:
            found |= {f"{argument}.{n}": s for n, s in _graph_weights(graph).items()}
        return found
    return _graph_weights(use.op)


def _graph_weights(graph: Graph) -> dict[str, tuple[Size, ...]]:
    return {name: tuple(weight.shape) for name, weight in weights_of(graph).items()}


def _shape(shape: tuple[Size, ...] | None) -> str:
    return "missing" if shape is None else f"[{', '.join(str(size) for size in shape)}]"
