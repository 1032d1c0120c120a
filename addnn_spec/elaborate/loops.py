"""Loops between arrows, `repeat` and `for`: equal turns in a row become one node."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from addnn_spec.elaborate.blocks import (
    Built,
    call_graph,
    memoised,
    normal_types,
    place_inputs,
)
from addnn_spec.elaborate.builder import Builder, Naming, Tensor
from addnn_spec.elaborate.chains import apply_brace, build_brace, finish_brace, surroundings
from addnn_spec.elaborate.context import Context, Failed
from addnn_spec.elaborate.expressions import bind, items_of
from addnn_spec.elaborate.frame import Frame, Poison, Site, Value, flatten, rebuild, structure
from addnn_spec.elaborate.loop_cost import elements, refuse_bomb
from addnn_spec.elaborate.scope import Env
from addnn_spec.elaborate.terms import check_known, evaluate
from addnn_spec.elaborate.unlabelled_repeats import warn_unlabelled
from addnn_spec.graph import OWN, ModuleRef, Placeholder, Ref
from addnn_spec.syntax import ast
from addnn_spec.syntax.walk import names_read
from addnn_spec.values import kind_of


def run_loop(core: ast.Repeat | ast.For, flow: Value, site: Site) -> Value:
    """Return what flows out of a loop: its turns are written out, or are a graph if it has a
    label."""
    frame, naming = site.frame, site.naming
    turns = _turns_of(core, frame)
    if isinstance(flow, Poison):
        # Nothing is known of what flows: one turn tells all that is wrong, the others would repeat
        # it.
        turns = turns[:1]
    if naming.label is None or naming.label == OWN:
        return _run_turns(core, turns, flow, frame, naming)
    refuse_bomb(core, len(turns), frame.env, frame.ctx, labelled=True)
    return _run_labelled(core, turns, flow, frame, naming)


def _turns_of(core: ast.Repeat | ast.For, frame: Frame) -> Sequence[Value]:
    """Return the turns' values: a `range` for a repeat, the list's items for a `for`."""
    if isinstance(core, ast.For):
        return items_of(core.iterable, frame)
    count = evaluate(core.count, frame)
    check_known(frame.ctx, count, core.count.span, "repeat")
    if not isinstance(count, int) or isinstance(count, bool) or count < 0:
        words = f"{count}" if isinstance(count, int | float) else kind_of(count)
        frame.ctx.fail(
            "E0207", f"repeat takes a whole number of turns, not {words}", core.count.span
        )
    return range(count)


def _turn_frame(core: ast.Repeat | ast.For, value: Value, frame: Frame) -> Frame:
    inner = frame.inner(repeated=True)
    if isinstance(core, ast.For):
        bind(core.targets, value, inner, "loop")
    elif core.index is not None:
        inner.env.bind(core.index.name, value, core.index.span, "loop")
    return inner


def _reads_its_turn(core: ast.Repeat | ast.For) -> bool:
    if isinstance(core, ast.For):
        return True
    return core.index is not None and core.index.name in names_read(core.body)


def _run_turns(
    core: ast.Repeat | ast.For, turns: Sequence[Value], flow: Value, frame: Frame, naming: Naming
) -> Value:
    """Write the turns out in the graph at hand: braces without a label, or with `_`."""
    builder = frame.builder
    assert builder is not None
    refuse_bomb(core, len(turns), frame.env, frame.ctx)
    first = len(builder.entries)

    def turn(_: int, flow: Value, inner: Frame) -> Value:
        return apply_brace(core.body, flow, Site(inner, naming, core.span))

    flow = _in_turn(core, turns, flow, frame, turn)
    repeats = isinstance(core, ast.Repeat) and len(turns) > 1
    if repeats and not (naming.placed or frame.repeated):
        warn_unlabelled(builder, first, frame.ctx, core.span)
    return flow


def _in_turn(
    core: ast.Repeat | ast.For,
    turns: Sequence[Value],
    flow: Value,
    frame: Frame,
    turn: Callable[[int, Value, Frame], Value],
) -> Value:
    """Return what comes out of the last turn. Equal turns in a row are one node with `times`.

    A turn can join a run if it is one node that leads from what flows in to what flows out:
    then nothing else reads what flows between turns.
    """
    builder = frame.builder
    assert builder is not None
    # Runs must not reach back before the loop.
    first = len(builder.entries)
    with builder.in_turns(core.span, turns) as counted:
        for k, value in counted:
            frame.ctx.step(core.span)
            before = len(builder.entries)
            result = turn(k, flow, _turn_frame(core, value, frame))
            if len(builder.entries) == before + 1 and _is_link(builder, flow, result):
                length = builder.entries[-1].times
                if before > first and builder.merge_run():
                    result = _of_last(builder, result)
                # All further turns equal this one: ten thousand cost what the first ones cost.
                if _repeats(frame.ctx, core, flow, result):
                    builder.lengthen_run((len(turns) - k - 1) * length)
                    return result
            flow = result
    return flow


def _of_last(builder: Builder, result: Value) -> Value:
    """Return the value of a run, after its last turn joined it."""
    last = len(builder.entries) - 1
    tensors = tuple(
        Tensor(builder, tensor.ref._replace(node=last), tensor.type) for tensor in flatten(result)
    )
    return rebuild(structure(result), tensors)


def _repeats(ctx: Context, core: ast.Repeat | ast.For, flow: Value, result: Value) -> bool:
    """Return True if all turns from here on are equal, since nothing that a turn reads changes any
    more."""
    return (
        ctx.memoise  # without, every turn is elaborated, to compare with
        and not _reads_its_turn(core)
        and structure(flow) == structure(result)
        and normal_types(ctx, flow) == normal_types(ctx, result)
    )


def _is_link(builder: Builder, flow: Value, result: Value) -> bool:
    """Return True if the last entry reads what flows in and gives what flows out.

    What flows in must be its first inputs, in order, each once: only then are equal entries in a
    row the turns one after another.
    """
    entry = builder.entries[-1]
    last = len(builder.entries) - 1
    into = tuple(builder.known(tensor) for tensor in flatten(flow))
    out = tuple(tensor.ref for tensor in flatten(result) if tensor.builder is builder)
    n = len(into)
    return (
        not entry.labelled
        and entry.inputs[:n] == into
        and len(set(into)) == n
        and not set(into) & set(entry.inputs[n:])
        and out == tuple(Ref(last, port) for port in range(len(entry.outputs)))
    )


def _run_labelled(
    core: ast.Repeat | ast.For,
    turns: Sequence[Value],
    flow: Value,
    frame: Frame,
    naming: Naming,
) -> Value:
    """Run a labelled loop: a graph of its own, with a node or a scope for each turn."""
    ctx = frame.ctx
    if not turns:
        return flow
    memo_key = (
        "loop", id(core), len(turns),
        ctx.key(tuple(turns), core.span) if isinstance(core, ast.For) else None,
        *surroundings(ctx, core, flow, frame.env),
    )  # fmt: skip
    built = memoised(
        ctx,
        memo_key,
        lambda: _elaborate_loop(ctx, core, turns, flow, frame.env, naming.label or ""),
    )
    return call_graph(built, [flow], Site(frame, naming, core.span))


def _elaborate_loop(
    ctx: Context,
    core: ast.Repeat | ast.For,
    turns: Sequence[Value],
    flow: Value,
    env: Env,
    label: str,
) -> Built:
    builder = Builder(ctx, "repeat", "", core.span, numbered=True)

    def turn(k: int, flow: Value, inner: Frame) -> Value:
        # A turn that adds no node must not shift the numbers of the turns after it.
        builder.place = k
        return _run_turn(core, flow, inner, k)

    with ctx.use(label, core.span):
        value = place_inputs(ctx, builder, "x", flow, core.span)
        try:
            value = _in_turn(core, turns, value, Frame(ctx, builder, env), turn)
        except Failed:
            return Built(None, None)
    return finish_brace(builder, value, core, env)


def _run_turn(core: ast.Repeat | ast.For, flow: Value, frame: Frame, k: int) -> Value:
    """Add turn `k` of a labelled loop: the one element that it is, or a scope."""
    # Told beforehand, since the builder gives names as it goes; `single` tells how it came out.
    lone = _is_one_element(core.body)
    built = build_brace(frame.ctx, core.body, flow, frame.env, str(k), core.span, lone=lone)
    if built.single:
        return _hoist(built, flow, frame)
    return call_graph(built, [flow], Site(frame, Naming(None, "turn", True), core.span))


def _hoist(built: Built, flow: Value, frame: Frame) -> Value:
    """Put the only node of a turn's graph into the graph of the loop."""
    builder = frame.builder
    assert builder is not None and built.graph is not None and built.shape is not None
    graph = built.graph
    outer = dict(zip(graph.inputs, [*flatten(flow), *built.captured], strict=True))
    node = next(node for node in graph.nodes() if not isinstance(node.op, Placeholder))
    ports = dict(zip(graph.module_ports, built.ported, strict=True))

    def module(ref: ModuleRef) -> ModuleRef:
        return builder.module_ref(ports[ref.name])

    made = builder.add(
        node.op,
        [None if ref is None else outer[ref.node] for ref in node.inputs],
        node.outputs,
        node.span,
        Naming(None, "turn", True),
        module=None if node.module is None else module(node.module),
        bound_modules=tuple(module(ref) for ref in node.bound_modules),
        layers=node.layers,
        written=node.written,
    )
    outputs = tuple(
        made[output.refs[0].port] if output.refs[0].node == node.id else outer[output.refs[0].node]
        for output in graph.outputs
    )
    return rebuild(built.shape, outputs)


def _is_one_element(body: ast.Body | ast.If | None) -> bool:
    """Return True if a body is one element without a label: as a turn, it takes the turn's name."""
    if isinstance(body, ast.If):
        return _is_one_element(body.then) and _is_one_element(body.otherwise or body.then)
    if body is None or body.kind in ("statements", "empty"):
        return False
    (first, *others) = elements(body)
    if others or first.label is not None:
        return False
    if isinstance(first.core, ast.Body):
        return first.core.kind == "statements" or _is_one_element(first.core)
    return isinstance(first.core, ast.Layer) or (
        isinstance(first.core, ast.If) and _is_one_element(first.core)
    )
