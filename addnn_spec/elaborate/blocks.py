"""Applying layers: blocks and networks, made into graphs once for equal uses; modules."""

from __future__ import annotations

from collections.abc import Callable, Hashable

from msgspec import Struct
from msgspec.structs import replace

from addnn_spec.diagnostics import Label
from addnn_spec.elaborate.builder import Builder, FirstUse, ModuleValue, Tensor
from addnn_spec.elaborate.context import Context, Failed
from addnn_spec.elaborate.frame import (
    POISON,
    Frame,
    Poison,
    Site,
    Structure,
    Value,
    flatten,
    input_names,
    is_flow,
    is_partial,
    rebuild,
    structure,
    types_of,
)
from addnn_spec.elaborate.operators import flow_inputs, remember
from addnn_spec.elaborate.scope import Env
from addnn_spec.elaborate.terms import evaluate
from addnn_spec.elaborate.watch import Watch
from addnn_spec.graph import OWN, Graph, Output, Written
from addnn_spec.ops.base import TensorType
from addnn_spec.source import Span
from addnn_spec.syntax import ast
from addnn_spec.syntax.walk import walk
from addnn_spec.values import Definition, LayerValue, kind_of


class Built(Struct, frozen=True):
    """A block or brace made into a graph; shared by all uses with the same key.

    `shape` says how the graph's outputs make up the value; None if it could not be made.
    """

    graph: Graph | None
    shape: Structure | None
    captured: tuple[Tensor, ...] = ()
    ported: tuple[ModuleValue, ...] = ()
    single: bool = False
    """It is a chain of one unlabelled element: as a turn, it is that element."""


def apply_module(module: ModuleValue, flow: Value, site: Site) -> Value:
    """Apply a module's layer once more, with the module's weights."""
    try:
        return site.frame.ctx.rules.apply(module.layer, flow, replace(site, module=module))
    except Failed:
        module.unknown = True
        raise


def apply_definition(layer: LayerValue, target: Definition, flow: Value, site: Site) -> Value:
    ctx = site.frame.ctx
    if not isinstance(flow, Poison) and not is_flow(flow):
        ctx.fail("E0206", f"{target.name} takes tensors, not {kind_of(flow)}", site.span)
    _check_depth(ctx, target, site.span)
    inputs = block_inputs(ctx, layer, target, flow, site.span)
    if site.naming.label == OWN:
        return _written_out(layer, target, inputs, site.frame, site.span)
    assert site.frame.builder is not None
    name = site.frame.builder.name_of_next(site.naming, site.module)
    built = build_block(ctx, layer, target, inputs, name, site.span)
    return call_graph(built, list(inputs.values()), site, layer.spans)


def _check_depth(ctx: Context, target: Definition, span: Span) -> None:
    if len(ctx.uses) >= ctx.limits.calls:
        # The error is told without the path to it, which has as many steps as the limit allows.
        ctx.uses, uses = [], ctx.uses
        try:
            ctx.fail(
                "E0505",
                f"blocks are used inside one another more than {ctx.limits.calls} deep",
                span,
                f"{target.name} is one too many",
            )
        finally:
            ctx.uses = uses


def block_inputs(
    ctx: Context, layer: LayerValue, target: Definition, flow: Value, span: Span
) -> dict[str, Value]:
    """Return a value for each input of a block that is given: by name, or flowing in."""
    node = target.node
    if isinstance(flow, Poison):
        return _unknown_inputs(node)
    if isinstance(node, ast.Network):
        flowing = flow_inputs(flow)
        names = _network_inputs(node, len(flowing))
        return dict(zip(names, flowing, strict=True))
    if node.inputs is None:
        return {"x": flow}
    names = [param.name for param in node.inputs]
    given: dict[str, Value] = {n: v for n, v in layer.given if n in names and v is not None}
    _check_given_inputs(ctx, layer, given)
    free = [param for param in node.inputs if param.name not in dict(layer.given)]
    if not free and flow == ():
        return given
    # The only input takes what flows as it is: a list is one value, which the block may go through.
    if len([p for p in free if p.default is None]) <= 1 and len(free) == 1:
        given[free[0].name] = flow
        return {name: given[name] for name in names if name in given}
    flowing = flow_inputs(flow)
    required = sum(1 for param in free if param.default is None)
    if not required <= len(flowing) <= len(free):
        wanted = f"{required}" if required == len(free) else f"{required} to {len(free)}"
        ctx.fail(
            "E0205",
            f"{target.name} takes {wanted} inputs here, and {len(flowing)} flow in",
            span,
            labels=(Label(node.name_span, f"inputs: {', '.join(names)}"),),
        )
    given |= {p.name: value for p, value in zip(free, flowing, strict=False)}
    return {name: given[name] for name in names if name in given}


def _unknown_inputs(node: ast.Block | ast.Network) -> dict[str, Value]:
    if isinstance(node, ast.Network):
        raise Failed  # it is looked at by itself
    names = ["x"] if node.inputs is None else [param.name for param in node.inputs]
    return dict.fromkeys(names, POISON)


def _check_given_inputs(ctx: Context, layer: LayerValue, given: dict[str, Value]) -> None:
    for name, value in given.items():
        if not is_flow(value):
            ctx.fail(
                "E0206",
                f"{name} of {layer.name} is a tensor, not {kind_of(value)}",
                dict(layer.spans)[name],
            )


def build_block(
    ctx: Context,
    layer: LayerValue,
    target: Definition,
    inputs: dict[str, Value],
    name: str,
    span: Span,
) -> Built:
    params = {n: v for n, v in layer.given if n not in input_names(layer)}
    # All that the graph can depend on. The syntax and the environment live as long as the memo, so
    # their ids are exact; each fact about sizes may decide what was open before.
    memo_key = (
        "block",
        id(target.node),
        id(target.env),
        tuple((name, ctx.key(value, span)) for name, value in params.items()),
        tuple((name, structure(value), normal_types(ctx, value)) for name, value in inputs.items()),
        ctx.facts.version,
    )
    built = memoised(
        ctx, memo_key, lambda: _elaborate_block(ctx, layer, target, params, inputs, name, span)
    )
    if ctx.watch is not None:
        ctx.watch.use(memo_key, target, ctx.path(name), span)
    return built


def normal_types(ctx: Context, value: Value) -> tuple[TensorType, ...]:
    return tuple(ctx.normal(type) for type in types_of(value))


def memoised(ctx: Context, memo_key: Hashable, build: Callable[[], Built]) -> Built:
    """Return what `build` gives, made once for each key."""
    found = ctx.memo.get(memo_key) if ctx.memoise else None
    if found is None:
        found = build() if ctx.watch is None else ctx.watch.inside(memo_key, build)
        ctx.memo[memo_key] = found
    built: Built = found
    if ctx.watch is not None:
        ctx.watch.enter(memo_key, built.graph)
    return built


def _elaborate_block(
    ctx: Context,
    layer: LayerValue,
    target: Definition,
    params: dict[str, Value],
    inputs: dict[str, Value],
    name: str,
    span: Span,
) -> Built:
    builder = Builder(ctx, "block", target.name, target.node.span)
    frame = Frame(ctx, builder, Env(target.env))
    with ctx.use(name, span):
        arguments = bind_params(layer, target, params, frame, span)
        given = {
            name: place_inputs(ctx, builder, name, value, span) for name, value in inputs.items()
        }
        value = ctx.rules.run_definition(target, given, frame)
    built = finish(builder, value, arguments)
    if built.graph is not None:
        built.graph.definition = target
        built.graph.given = frozenset(params)
        built.graph.lets = frame.env.values("let")
    return built


def place_inputs(ctx: Context, builder: Builder, name: str, value: Value, span: Span) -> Value:
    """Return the value of an input inside a graph: each of its tensors becomes a placeholder."""
    if isinstance(value, Poison):
        return value
    tensors = list(flatten(value))
    names = [name] if len(tensors) == 1 else [f"{name}_{i}" for i in range(len(tensors))]
    made = tuple(
        builder.placeholder(n, ctx.normal(tensor.type), span)
        for n, tensor in zip(names, tensors, strict=True)
    )
    # So that an error inside can name the operator outside that made a size.
    builder.around |= {new.ref: old for new, old in zip(made, tensors, strict=True)}
    return rebuild(structure(value), made)


def bind_params(
    layer: LayerValue,
    target: Definition,
    params: dict[str, Value],
    frame: Frame,
    span: Span,
) -> tuple[tuple[str, Value], ...]:
    """Give a block's parameters their values; a default may read earlier ones."""
    spans = dict(layer.spans)
    partial = is_partial(layer)
    bound: list[tuple[str, Value]] = []
    for param in target.node.params:
        if param.name in params:
            value = params[param.name]
            if isinstance(value, Tensor):
                frame.ctx.fail(
                    "E0206",
                    f"{param.name} of {target.name} is a value, and this is a tensor",
                    spans.get(param.name, span),
                    help="tensors flow in by the arrow, or as a named input of the block",
                )
        # Something was wrong with an argument: which parameters are missing cannot be told.
        elif partial:
            value = POISON
        elif param.default is not None:
            value = evaluate(param.default, frame)
        else:
            frame.ctx.fail(
                "E0202",
                f"{target.name} needs {param.name}",
                span,
                labels=(Label(param.span, "declared here"),),
            )
        frame.bind(param.name, value, param.span, "parameter")
        bound.append((param.name, value))
    return tuple(bound)


def finish(builder: Builder, value: Value, arguments: tuple[tuple[str, Value], ...] = ()) -> Built:
    """Seal the builder of a block whose returned value is known."""
    if isinstance(value, Poison):
        # There is no graph, but labels that clash are still worth telling.
        builder.check_labels()
        return Built(None, None)
    refs = tuple(Output("", (builder.use(tensor),)) for tensor in flatten(value))
    graph = builder.seal(refs, arguments)
    elements = [entry for entry in builder.entries if entry.placed]
    single = (
        builder.kind == "chain"
        and len(elements) == 1
        and not elements[0].labelled
        and elements[0].times == 1
        # A weight that the element declares would be a second node.
        and len(list(graph.nodes())) == len(graph.inputs) + 1
    )
    return Built(
        graph, structure(value), builder.kept_captures(graph), tuple(builder.ported), single
    )


def call_graph(built: Built, inputs: list[Value], site: Site, written: Written = ()) -> Value:
    """Add the node that calls a graph."""
    if built.graph is None or built.shape is None:
        raise Failed
    builder = site.frame.builder
    assert builder is not None
    tensors = [*flatten(tuple(inputs)), *built.captured]
    outputs = tuple(built.graph.type_of(output.refs[0]) for output in built.graph.outputs)
    ref = None
    if site.module is not None:
        ref = builder.module_ref(site.module)
        types = tuple(t.type for t in tensors)
        remember(site.frame.ctx, site.module, FirstUse(built.graph, types, (), site.span))
    bound = tuple(builder.module_ref(m) for m in built.ported)
    made = builder.add(
        built.graph,
        tensors,
        outputs,
        site.span,
        site.naming,
        module=ref,
        bound_modules=bound,
        written=written,
    )
    return rebuild(built.shape, made)


def _written_out(
    layer: LayerValue,
    target: Definition,
    inputs: dict[str, Value],
    frame: Frame,
    span: Span,
) -> Value:
    """Apply `_: Block`: the block's nodes become nodes of the graph around it."""
    params = {n: v for n, v in layer.given if n not in input_names(layer)}
    builder = frame.builder
    assert builder is not None
    inner = Frame(frame.ctx, builder, Env(target.env))

    def run() -> Value:
        with (
            frame.ctx.use("", span),
            builder.writing_out(target, layer.spans, inputs, span) as made,
        ):
            made.arguments.update(bind_params(layer, target, params, inner, span))
            return frame.ctx.rules.run_definition(target, inputs, inner)

    value = (
        run()
        if frame.ctx.watch is None
        else _watched(frame.ctx, frame.ctx.watch, target, span, run)
    )
    if isinstance(value, Poison):
        raise Failed
    return value


def _watched(
    ctx: Context, watch: Watch, target: Definition, span: Span, run: Callable[[], Value]
) -> Value:
    """Return the result of `run`; the nodes that it makes are recorded as a use of a block that is
    written out."""
    key = ("written out", len(watch.uses), span)
    value = watch.inside(key, run)
    watch.use(key, target, ctx.path(""), span)
    return value


def _network_inputs(node: ast.Network, count: int) -> list[str]:
    """Return names for what flows into a network that stands as a block: those of its inputs."""
    declared = [
        found.target.name
        for found in walk(node.body)
        if isinstance(found, ast.Input) and not found.training
    ]
    # An input in a loop or an `if` may stand once and be made several times, or never.
    if len(declared) == count == len(set(declared)):
        return declared
    return [f"input_{i}" for i in range(count)]
