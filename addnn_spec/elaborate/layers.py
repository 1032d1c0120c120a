"""Applying layers of every kind: operators, blocks, braces, and operators that hold a layer."""

from __future__ import annotations

from msgspec.structs import replace

from addnn_spec.diagnostics import Refusal
from addnn_spec.elaborate.argument_messages import refuse_operator
from addnn_spec.elaborate.blocks import (
    Built,
    apply_definition,
    bind_params,
    block_inputs,
    build_block,
    finish,
    place_inputs,
)
from addnn_spec.elaborate.builder import Builder, FirstUse, Naming, Tensor
from addnn_spec.elaborate.chains import apply_brace_value, build_brace
from addnn_spec.elaborate.context import Context, Failed
from addnn_spec.elaborate.frame import POISON, Frame, Poison, Site, Value, flatten, is_partial
from addnn_spec.elaborate.operators import (
    apply_operator,
    check_arguments,
    construct,
    flowing_tensors,
    remember,
)
from addnn_spec.elaborate.scope import Env
from addnn_spec.elaborate.terms import evaluate
from addnn_spec.graph import OWN, Graph, Ref
from addnn_spec.ops.base import HigherOperator, TensorType
from addnn_spec.source import Span
from addnn_spec.syntax import ast
from addnn_spec.values import Brace, Definition, LayerValue, kind_of


def apply(layer: LayerValue, flow: Value, site: Site) -> Value:
    """Apply a layer of any kind to what flows in."""
    if site.frame.builder is None:
        site.frame.ctx.fail("E0206", "tensors exist in networks and blocks only", site.span)
    if is_partial(layer):
        # What follows then tells what is wrong with the other arguments, and applies nothing.
        flow = POISON
    if site.naming.label == OWN and site.module is not None:  # its weights are elsewhere
        site = replace(site, naming=replace(site.naming, label=None))
    if isinstance(layer.target, Brace):
        return apply_brace_value(layer.target, flow, site)
    if isinstance(layer.target, Definition):
        return apply_definition(layer, layer.target, flow, site)
    if layer.target.layers:
        return apply_higher(layer, flow, site)
    return apply_operator(layer, layer.target, flow, site)


# No node has this number, so a search for what made a size ends here.
_STAND_IN = Ref(-1)


def apply_higher(layer: LayerValue, flow: Value, site: Site) -> Value:
    """Apply an operator that has a layer for an argument (`Scan`, `TimeDistributed`)."""
    ctx = site.frame.ctx
    target, frame, span = layer.target, site.frame, site.span
    if site.naming.label == OWN:
        ctx.fail(
            "E0406",
            f"{layer.name} holds another layer, and cannot be its scope's own",
            span,
            help="give it a label, or none",
        )
    assert isinstance(target, type) and issubclass(target, HigherOperator)
    argument = target.layers[0]
    inner = _layer_argument(ctx, layer, argument, span)
    if isinstance(flow, Poison):
        _check_layer(inner, argument, site)
        check_arguments(ctx, layer, target, span)
    fields = {n: v for n, v in layer.given if n in target.model_fields and n != argument}
    op = construct(ctx, layer, target, fields | {argument: _attribute(inner)}, span)
    assert isinstance(op, HigherOperator)
    flowing = flowing_tensors(ctx, layer, flow, span)
    try:
        given = op.layer_inputs(*(ctx.normal(t.type) for t in flowing))
    except Refusal as error:
        refuse_operator(ctx, layer, error, tuple(t.type for t in flowing), span)
    # Made in the graph around, once, and not at each step.
    states = _initial_states(op, inner, given, flowing, frame, span)
    types = [*given, *(ctx.normal(t.type) for t in states)]
    built = _build_layer(inner, argument, _stand_ins(types, frame), site)
    return _add_node(layer, op, argument, [*flowing, *states], built, site)


def _check_layer(inner: LayerValue, argument: str, site: Site) -> None:
    """Tell what is wrong within the layer, where what flows into it is not known."""
    try:
        _build_layer(inner, argument, POISON, site)
    except Failed:
        site.frame.ctx.pass_over()


def _layer_argument(ctx: Context, layer: LayerValue, argument: str, span: Span) -> LayerValue:
    inner = dict(layer.given).get(argument)
    if isinstance(inner, Poison):
        raise Failed
    if inner is None:
        ctx.fail("E0202", f"{layer.name} needs {argument}, a layer", span)
    if not isinstance(inner, LayerValue):
        ctx.fail(
            "E0201",
            f"{argument} of {layer.name} is a layer, not {kind_of(inner)}",
            dict(layer.spans).get(argument, span),
        )
    return inner


def _initial_states(
    op: HigherOperator,
    inner: LayerValue,
    given: tuple[TensorType, ...],
    flowing: list[Tensor],
    frame: Frame,
    span: Span,
) -> list[Tensor]:
    """Make the states that do not flow in: the defaults of the cell's inputs."""
    target = inner.target
    if not op.has_states or not isinstance(target, Definition):
        return []
    node = target.node
    if not isinstance(node, ast.Block) or node.inputs is None:
        return []
    bound = dict(inner.given)
    names = [param for param in node.inputs if param.name not in bound]
    missing = names[len(given) :]
    if not missing:
        return []
    assert frame.builder is not None
    env = Frame(frame.ctx, frame.builder, Env(target.env))
    bind_params(inner, target, dict(inner.given), env, span)
    for param, type in zip(names, given, strict=False):
        # A default reads sizes of what a step gets: the type is that of a step, though only the
        # whole sequence is there yet.
        env.env.bind(param.name, Tensor(frame.builder, flowing[0].ref, type), None, "flow")
    states: list[Tensor] = []
    for param in missing:
        if param.default is None:
            frame.ctx.fail(
                "E0205",
                f"{node.name} needs its state {param.name}",
                span,
                help=f"let it flow in, or give it a default: {param.name} = Zeros([…])",
            )
        value = evaluate(param.default, env)
        if not isinstance(value, Tensor):
            frame.ctx.fail("E0206", f"the state {param.name} is a tensor", param.span)
        value.call(param.name)
        env.env.bind(param.name, value, None, "flow")
        states.append(value)
    return states


def _stand_ins(types: list[TensorType], frame: Frame) -> Value:
    """Return tensors of these types without a node: the operator hands them to its layer."""
    assert frame.builder is not None
    standing = tuple(Tensor(frame.builder, _STAND_IN, type) for type in types)
    return standing[0] if len(standing) == 1 else standing


def _build_layer(inner: LayerValue, argument: str, flow: Value, site: Site) -> Built:
    """Return the graph of the layer for what flows into it."""
    assert site.frame.builder is not None
    name = site.frame.builder.name_of_next(site.naming, site.module)
    with site.frame.ctx.use(name, site.span):
        return _layer_graph(site.frame.ctx, inner, argument, flow, site.span)


def _layer_graph(ctx: Context, inner: LayerValue, argument: str, flow: Value, span: Span) -> Built:
    target = inner.target
    if isinstance(target, Brace):
        return build_brace(ctx, target.body, flow, target.env, argument, span)
    if isinstance(target, Definition):
        inputs = block_inputs(ctx, inner, target, flow, span)
        # First what the operator hands in at each step, then what is given by name: the order in
        # which `_besides` appends them.
        besides = {name for name, _ in inner.given}
        ordered = sorted(inputs.items(), key=lambda item: item[0] in besides)
        return build_block(ctx, inner, target, dict(ordered), argument, span)
    return _wrap_operator(ctx, inner, flow, span)


def _wrap_operator(ctx: Context, inner: LayerValue, flow: Value, span: Span) -> Built:
    """Make a graph of one node for a lone operator as the layer; the node has the argument's
    scope."""
    builder = Builder(ctx, "chain", "", span)
    inside = place_inputs(ctx, builder, "x", flow, span)
    value = apply(inner, inside, Site(Frame(ctx, builder, Env()), Naming(None, inner.name), span))
    return finish(builder, value)


def _add_node(
    layer: LayerValue,
    op: HigherOperator,
    argument: str,
    inputs: list[Tensor],
    built: Built,
    site: Site,
) -> Value:
    ctx = site.frame.ctx
    if built.graph is None or built.shape is None:
        raise Failed
    builder, span = site.frame.builder, site.span
    assert builder is not None
    graph = built.graph
    tensors = [*inputs, *_besides(layer, argument, built)]
    types = tuple(ctx.normal(t.type) for t in tensors)
    given = tuple(graph.type_of(output.refs[0]) for output in graph.outputs)
    try:
        result = op.infer_layer(given, *types[: len(inputs)])
    except Refusal as error:
        refuse_operator(ctx, layer, error, types, span)
    outputs = tuple(ctx.normal(type) for type in result)
    layers: tuple[tuple[str, Graph], ...] = ((argument, graph),)
    ref = None
    if site.module is not None:
        ref = builder.module_ref(site.module)
        remember(ctx, site.module, FirstUse(op, types, layers, span))
    bound = tuple(builder.module_ref(m) for m in built.ported)
    made = builder.add(
        op,
        tensors,
        outputs,
        span,
        site.naming,
        module=ref,
        bound_modules=bound,
        layers=layers,
        written=layer.spans,
    )
    return made[0] if len(made) == 1 else made


def _besides(layer: LayerValue, argument: str, built: Built) -> list[Tensor]:
    """Return the tensors that the layer reads besides what the operator gives it at each step."""
    inner = dict(layer.given)[argument]
    assert isinstance(inner, LayerValue)
    named = [tensor for _, value in inner.given for tensor in flatten(value)]
    return [*named, *built.captured]


def _attribute(inner: LayerValue) -> LayerValue:
    """Return the layer as the operator keeps it: its tensors are inputs of the node."""
    given = tuple((name, value) for name, value in inner.given if not tuple(flatten(value)))
    return LayerValue(inner.target, given, inner.spans)
