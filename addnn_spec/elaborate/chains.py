"""Chains: elements, braces, and `if` between arrows."""

from __future__ import annotations

from collections.abc import Hashable
from typing import NoReturn

from msgspec.structs import replace

from addnn_spec.diagnostics import Label, near
from addnn_spec.elaborate.arguments import give
from addnn_spec.elaborate.blocks import (
    Built,
    apply_module,
    call_graph,
    finish,
    memoised,
    normal_types,
    place_inputs,
)
from addnn_spec.elaborate.builder import Builder, ModuleValue, Naming, Tensor
from addnn_spec.elaborate.context import Context, Failed
from addnn_spec.elaborate.frame import POISON, Frame, Poison, Site, Value, is_flow, structure
from addnn_spec.elaborate.hidden_names import part_of, readings, same
from addnn_spec.elaborate.loop_cost import elements, is_chain
from addnn_spec.elaborate.module_names import forbidden, free_name, well_formed
from addnn_spec.elaborate.scope import Binding, Env
from addnn_spec.elaborate.terms import evaluate, lookup, string, truth
from addnn_spec.graph import OWN, Kind
from addnn_spec.ops import index
from addnn_spec.source import Span
from addnn_spec.syntax import ast
from addnn_spec.syntax.syntax_errors import MAX_NAME
from addnn_spec.syntax.walk import names_read, walk
from addnn_spec.values import Brace, BraceText, Builtin, Function, LayerValue, kind_of, show


def run_chain(chain: ast.Chain, frame: Frame) -> Value:
    try:
        flow = evaluate(chain.head, frame)
    except Failed:
        frame.ctx.pass_over()
        flow = POISON
    if isinstance(flow, LayerValue):
        _no_flow(frame.ctx, flow, chain.head.span, "a chain begins with a tensor: x -> layer")
        raise Failed  # the arrow may be meant the other way round
    if not isinstance(flow, Poison) and not is_flow(flow):
        _no_flow(frame.ctx, flow, chain.head.span)
        flow = POISON
    return _run_elements(chain.elements, flow, frame, placed=False)


def _no_flow(ctx: Context, value: Value, span: Span, help: str | None = None) -> None:
    if isinstance(value, tuple) and any(item is None for item in value):
        help = "none is no tensor: leave it out, and give the inputs after it by name"
    ctx.report("E0206", f"{kind_of(value)} cannot flow into a layer", span, help=help)


def _run_elements(
    elements: tuple[ast.Element, ...], flow: Value, frame: Frame, placed: bool
) -> Value:
    """Return what comes out of elements in a row.

    What comes out of one that fails is `POISON`. It flows on, so that mistakes in the arguments
    of the elements after it are told too; then all of it fails.
    """
    for element in elements:
        before = flow
        try:
            flow = run_element(element, flow, frame, placed)
        except Failed:
            frame.ctx.pass_over()
            flow = POISON
            if placed and frame.builder is not None:
                frame.builder.place += 1  # those after it keep their numbers
        if frame.ctx.watch is not None:
            frame.ctx.watch.step(element.span, before, flow)
    # Only now: all elements have had their chance to tell what is wrong.
    if isinstance(flow, Poison):
        raise Failed
    return flow


def run_element(element: ast.Element, flow: Value, frame: Frame, placed: bool) -> Value:
    """Return what comes out of one element; `placed`: it takes a place in a numbered chain."""
    label = None if element.label is None else read_label(element.label, frame)
    core = element.core
    if isinstance(core, ast.Layer):
        return _run_layer(core, label, flow, frame, placed)
    site = Site(frame, Naming(label, "", placed), core.span)
    if isinstance(core, ast.Body):
        return apply_brace(core, flow, site)
    if isinstance(core, ast.If):
        body = choose_arm(core, frame)
        return flow if body is None else apply_brace(body, flow, site)
    return frame.ctx.rules.run_loop(core, flow, site)


def read_label(text: ast.Text, frame: Frame) -> str:
    """Return a label's text, checked: it becomes an attribute and a key of the weights."""
    label = string(text, frame)
    if label == OWN:
        return label
    if len(label) > MAX_NAME:
        frame.ctx.fail(
            "E0406",
            f"a label has at most {MAX_NAME} characters, and this one {len(label):,}",
            text.span,
        )
    if not well_formed(label) and text.span.text != label:  # a bare word was told of by the lexer
        frame.ctx.fail(
            "E0406",
            f'"{label}" cannot be a label',
            text.span,
            help="a label is made of ASCII characters, with dots between scopes",
        )
    for part in label.split("."):
        reason = forbidden(part)
        if reason is not None:
            frame.ctx.fail(
                "E0404", f"a node cannot be called {part}", text.span, reason,
                help=f"call it {free_name(part)}",
            )  # fmt: skip
    return label


def _run_layer(
    core: ast.Layer, label: str | None, flow: Value, frame: Frame, placed: bool
) -> Value:
    ctx = frame.ctx
    value = lookup(ctx, core.name, core.name_span, frame.env)
    if isinstance(value, ModuleValue):
        if core.args is not None or core.body is not None:
            ctx.fail(
                "E0203",
                f"{core.name} is a module, complete as it is",
                core.span,
                help=f"write -> {core.name} alone",
            )
        return apply_module(value, flow, Site(frame, Naming(label, core.name, placed), core.span))
    # A layer parameter that is `none` leaves out the element.
    if value is None:
        return flow
    if not isinstance(value, LayerValue):
        _not_a_layer(ctx, core, value)
    # A layer that is a parameter (`norm`) is named after it, whatever layer a use gives.
    base = core.name if _is_parameter(core.name, frame.env) else value.name
    if core.args is not None or core.body is not None:
        value = give(value, core.args or (), core.body, frame)
    naming = Naming(label, base or core.name, placed)
    return ctx.rules.apply(value, flow, Site(frame, naming, core.span))


def _is_parameter(name: str, env: Env) -> bool:
    found = env.find(name)
    return found is not None and found.origin != "file"


def _not_a_layer(ctx: Context, core: ast.Layer, value: Value) -> NoReturn:
    help = None
    if isinstance(value, Tensor):
        help = f"data flows into layers; to combine tensors, write x + {core.name}"
    elif isinstance(value, Function | Builtin):
        help = "a function works on compile-time values; write it as f(x)"
    elif isinstance(value, str) and (close := near(value, index())):
        help = f"a layer has no quotes: {close[0]}"
    ctx.fail("E0108", f"{core.name} is {kind_of(value)}, not a layer", core.span, help=help)


def apply_brace(body: ast.Body, flow: Value, site: Site) -> Value:
    """Apply a brace: a scope of its own where it has a label, or statements and a place in a
    numbered chain; else written out."""
    frame, naming = site.frame, site.naming
    labelled = naming.label not in (None, OWN)
    numbered = naming.label is None and naming.placed and body.kind == "statements"
    if labelled or numbered:
        assert frame.builder is not None
        name = frame.builder.name_of_next(naming)
        built = build_brace(site.frame.ctx, body, flow, frame.env, name, site.span)
        return call_graph(built, [flow], site)
    return run_brace(body, flow, frame, naming.placed)


def run_brace(body: ast.Body, flow: Value, frame: Frame, placed: bool) -> Value:
    """Run the elements or statements of a brace in the graph at hand; `x` is what flows in."""
    _warn_hidden(frame.ctx, body, flow, frame.env)
    return _run_inside(body, flow, frame.inner(), placed)


def _run_inside(body: ast.Body, flow: Value, inner: Frame, placed: bool) -> Value:
    around = inner.env.find("x") if is_chain(body) else None
    inner.env.names["x"] = Binding(flow, None, "flow", around)
    if body.kind == "empty":
        return flow
    if body.kind == "statements":
        value = inner.ctx.rules.run_statements(body, inner)
        if isinstance(value, Poison):
            raise Failed
        return value
    return _run_elements(elements(body), flow, inner, placed)


def _warn_hidden(ctx: Context, body: ast.Body, flow: Value, around: Env) -> None:
    """Warn (W0105) of a brace that reads another `x` than the text around it would."""
    outer = around.find("x")
    if outer is None:
        return
    if outer.origin in ("input", "let"):
        if outer.span is not None and not same(outer.value, flow) and "x" in names_read(body):
            _tell_hidden(ctx, body.span, "", outer.span)
    elif is_chain(body) and not isinstance(flow, Poison):
        _warn_readings(ctx, body, flow, outer)


def _warn_readings(ctx: Context, body: ast.Body, flow: Value, outer: Binding | None) -> None:
    """Warn of the same for elements: all braces of elements around them are looked through."""
    # Found once: a block's body is gone through for each use that differs.
    key = "readings", id(body)
    if key not in ctx.memo:
        ctx.memo[key] = readings(body)
    while ctx.memo[key] and outer is not None:
        for reading in ctx.memo[key]:
            inside, around = (part_of(value, reading.parts) for value in (flow, outer.value))
            if not isinstance(outer.value, Poison) and not same(inside, around):
                sizes = f"{show(inside)} here, {show(around)} around the brace"
                tensors = is_flow(inside) or is_flow(around)
                _tell_hidden(ctx, reading.place.span, "" if tensors else sizes, outer.span)
                return
        outer = outer.around


def _tell_hidden(ctx: Context, span: Span, note: str, outer: Span | None) -> None:
    labels: tuple[Label, ...] = ()
    help = "if that is meant, say { return x -> … }; if the outer one is, name it before the chain"
    if outer is not None:
        labels = (Label(outer, "this x is hidden in the brace"),)
        help = "give the outer one another name"
    message = "x is what flows into this brace, not the x around it"
    ctx.report("W0105", message, span, note, labels=labels, help=help)


def build_brace(
    ctx: Context,
    body: ast.Body,
    flow: Value,
    env: Env,
    label: str,
    span: Span,
    *,
    lone: bool = False,
) -> Built:
    """Return the graph of a labelled brace, made once for equal surroundings."""
    _warn_hidden(ctx, body, flow, env)
    kind: Kind = "body" if body.kind == "statements" else "chain"
    memo_key = ("brace", id(body), *surroundings(ctx, body, flow, env))
    builder = Builder(ctx, kind, "", body.span, numbered=kind == "chain", lone=lone)
    return memoised(
        ctx, memo_key, lambda: _elaborate_brace(ctx, builder, body, flow, env, label, span)
    )


def finish_brace(
    builder: Builder, value: Value, node: ast.Body | ast.Repeat | ast.For, env: Env
) -> Built:
    """Seal a brace: it keeps its text, and the values that this reads of the text around it."""
    built = finish(builder, value)
    if built.graph is not None:
        places: dict[str, Span] = {}
        for one in walk(node):
            if isinstance(one, ast.Name):
                places.setdefault(one.name, one.span)
        read = [(name, found) for name in places if (found := env.find(name)) is not None]
        given = tuple((name, found.value) for name, found in read if _is_given(found))
        written = tuple((name, places[name]) for name, _ in given)
        built.graph.arguments = given
        built.graph.brace = BraceText(node, env.file, written)
    return built


def _is_given(found: Binding) -> bool:
    """Return True for what a brace reads as a block reads its parameters: no layers, no tensors."""
    return found.origin in ("let", "parameter", "loop") and _is_plain(found.value)


def _is_plain(value: Value) -> bool:
    if isinstance(value, tuple):
        return all(map(_is_plain, value))
    return value is None or isinstance(value, bool | int | float | str)


def surroundings(
    ctx: Context, body: ast.Body | ast.Repeat | ast.For, flow: Value, env: Env
) -> tuple[Hashable, ...]:
    """Return what a brace can depend on: the types that flow in, and the values it reads."""
    read = []
    for name in sorted(names_read(body)):
        found = env.find(name)
        if found is not None and name != "x":
            read.append((name, ctx.key(found.value, body.span)))
    # Of `x` only the types matter: which tensor flows in is an input of the graph.
    types = (structure(flow), normal_types(ctx, flow))
    return (types, tuple(read), ctx.facts.version)


def _elaborate_brace(
    ctx: Context, builder: Builder, body: ast.Body, flow: Value, env: Env, label: str, span: Span
) -> Built:
    frame = Frame(ctx, builder, Env(env))
    with ctx.use(label, span):
        inside = place_inputs(ctx, builder, "x", flow, span)
        try:
            value = _run_inside(body, inside, frame, placed=True)
        except Failed:
            return Built(None, None)
    built = finish_brace(builder, value, body, env)
    if built.graph is not None:
        built.graph.lets = frame.env.values("let")
    return built


def apply_brace_value(brace: Brace, flow: Value, site: Site) -> Value:
    """Apply a brace that was given as a layer: a scope of its own, unless its label is `_`."""
    if site.naming.label == OWN:
        around = Frame(site.frame.ctx, site.frame.builder, brace.env)
        return run_brace(brace.body, flow, around, site.naming.placed)
    naming = replace(site.naming, base=site.naming.base or "layer")
    assert site.frame.builder is not None
    name = site.frame.builder.name_of_next(naming, site.module)
    built = build_brace(site.frame.ctx, brace.body, flow, brace.env, name, site.span)
    return call_graph(built, [flow], replace(site, naming=naming))


def choose_arm(statement: ast.If, frame: Frame) -> ast.Body | None:
    """Return the arm of an `if` that is taken, or None."""
    chosen: ast.If | ast.Body | None = statement
    while isinstance(chosen, ast.If):
        holds = truth(frame.ctx, evaluate(chosen.condition, frame), chosen.condition.span)
        chosen = chosen.then if holds else chosen.otherwise
    return chosen
