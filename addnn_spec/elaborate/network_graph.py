"""From a network's definition and arguments to its graph."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext

from addnn_spec.diagnostics import Label
from addnn_spec.elaborate.blocks import bind_params
from addnn_spec.elaborate.builder import Builder
from addnn_spec.elaborate.context import Context, Stopped
from addnn_spec.elaborate.frame import Frame, GivenOutput, Interface, Poison, flatten
from addnn_spec.elaborate.module_names import forbidden_class
from addnn_spec.elaborate.scope import Env
from addnn_spec.elaborate.statements import run_statements
from addnn_spec.graph import Assertion, Graph, Output
from addnn_spec.passes.minimum import (
    Condition,
    Smallest,
    demands,
    misplaced,
    needed_sizes,
    with_stated,
)
from addnn_spec.sizes import Symbol, symbols
from addnn_spec.source import Span
from addnn_spec.values import Definition, LayerValue

_TRIED = 4_096  # values of a size, for one that agrees with what is asserted of it


def elaborate_network(name: str, layer: LayerValue, ctx: Context) -> Graph | None:
    """Return the graph of a network with its arguments given; None where it has errors.

    What is wrong is in `ctx.collector`.
    """
    ctx.network = name
    failures = ctx.collector.failures
    try:
        graph = _elaborate(layer, ctx)
        if graph is not None:
            graph.assertions = tuple(ctx.assertions)
            graph.facts = ctx.facts
            _settle_sizes(graph, ctx)
        else:
            # There is no graph to ask, but assertions about sizes can still be checked.
            _settle_defaults(Smallest({}), {}, ctx)
        _check_defaults(ctx)
    except Stopped:
        return None
    if graph is None or ctx.collector.failures > failures:
        return None
    _warn_dead(ctx)
    return graph


def _elaborate(layer: LayerValue, ctx: Context) -> Graph | None:
    target = layer.target
    assert isinstance(target, Definition)
    span = target.node.name_span
    reason = forbidden_class(ctx.network)
    if reason is not None:
        help = f"call it {ctx.network.capitalize()}Net"
        ctx.fail("E0404", f"a network cannot be called {ctx.network}", span, reason, help=help)
    interface = Interface(None)
    builder = Builder(ctx, "network", ctx.network, span)
    frame = Frame(ctx, builder, Env(target.env), interface)
    arguments = bind_params(layer, target, dict(layer.given), frame, span)
    with _alias(layer, target, ctx):
        run_statements(target.node.body, frame)
    outputs = _outputs(interface, builder, target)
    if outputs is None:
        builder.check_labels()
        return None
    graph = builder.seal(outputs, arguments)
    graph.definition = target
    graph.given = frozenset(dict(layer.given))
    graph.lets = frame.env.values("let")
    return graph


def _alias(layer: LayerValue, target: Definition, ctx: Context) -> AbstractContextManager[None]:
    """Return the use of a network that an alias in another file makes: the arguments that it
    gives."""
    places: list[Span] = [place for _, place in layer.spans]
    if not places or places[0].source is target.node.span.source:
        return nullcontext()
    return ctx.use("", places[0].to(places[-1]))


def _outputs(
    interface: Interface, builder: Builder, target: Definition
) -> tuple[Output, ...] | None:
    given, ctx = interface.outputs, builder.ctx
    if not interface.complete:
        return None
    if not any(not output.training for output in given):
        ctx.fail(
            "E0402",
            f"network {ctx.network} has no output" + (" but when training" if given else ""),
            target.node.name_span,
            help="name what it gives: output y = x"
            if not given
            else "an output that evaluation has, too, is written without `when training`",
        )
    if any(isinstance(output.value, Poison) for output in given):
        return None
    return tuple(_output(output, builder, ctx) for output in given)


def _output(given: GivenOutput, builder: Builder, ctx: Context) -> Output:
    refs = tuple(builder.use(tensor) for tensor in flatten(given.value))
    output = Output(given.name, refs, isinstance(given.value, tuple), given.training)
    for needed in () if given.training else builder.training_inputs(output):
        ctx.report(
            "E0408",
            f"the output {given.name} needs the input {needed.base}, which evaluation has not",
            given.span,
            labels=(Label(needed.span, "this exists in training only"),),
            help="say `when training` of the output, too, or not of the input",
        )
    return output


def _settle_sizes(graph: Graph, ctx: Context) -> None:
    """Tell where sizes break what layers ask of them; give symbolic sizes their defaults."""
    asked = demands(graph)
    for span, message in dict.fromkeys(misplaced(asked)):
        ctx.report("E0306", message, span)
    found = needed_sizes(graph, asked)
    _settle_defaults(found, with_stated(graph, found).sizes, ctx)


def _settle_defaults(found: Smallest, stated: Mapping[str, int], ctx: Context) -> None:
    """Give sizes without a default the smallest ones at which the network works: there costs are
    counted.

    `stated` are those with what the assertions say.
    """
    # A default of 1 cannot be told from none; the smallest size that works serves both.
    free = {symbol.name for symbol in ctx.sizes if symbol.default == 1}
    for symbol, span in ctx.sizes.items():
        minimum = found.sizes.get(symbol.name, 1)
        if symbol.name in free:
            symbol.default = _least_stated(symbol, stated.get(symbol.name, 1), ctx)
        elif symbol.default < minimum:
            message = f"{symbol.name} = {symbol.default} is too small: it must be {minimum} or more"
            ctx.report("E0304", message, span, "costs are counted here")
    for condition in found.conditions:
        _settle_condition(condition, free, ctx)


def _settle_condition(condition: Condition, free: set[str], ctx: Context) -> None:
    """Let sizes fulfil a joint condition: the last one without a default grows until it holds."""
    values = {symbol.name: symbol.default for symbol in ctx.sizes}
    if condition.holds(values):
        return
    # The last one declared: of H and W it is W, and the sizes before it keep what was chosen.
    for symbol in reversed(ctx.sizes):
        if symbol.name in free and symbol in condition.symbols:
            start = symbol.default
            for value in range(start, start + _TRIED):
                if condition.holds(values | {symbol.name: value}) and _is_stated(
                    symbol, value, ctx
                ):
                    symbol.default = value
                    return
    given = ", ".join(f"{symbol.name} = {values[symbol.name]}" for symbol in condition.symbols)
    span = next(span for symbol, span in ctx.sizes.items() if symbol in condition.symbols)
    ctx.report("E0304", f"{given} is too small: {condition} must hold", span)


def _least_stated(symbol: Symbol, minimum: int, ctx: Context) -> int:
    """Return the least value from `minimum` on that agrees with what is asserted of this size
    alone."""
    values = range(minimum, minimum + _TRIED)
    return next((value for value in values if _is_stated(symbol, value, ctx)), minimum)


def _is_stated(symbol: Symbol, value: int, ctx: Context) -> bool:
    """Return True if a value agrees with what is asserted of a size alone."""
    stated = [each.fact for each in ctx.assertions if each.fact.symbols == {symbol}]
    return all(fact.holds({symbol.name: value}) for fact in stated)


def _check_defaults(ctx: Context) -> None:
    """Check that what is asserted about sizes holds at their defaults, where costs are counted."""
    for stated in ctx.assertions:
        if not stated.fact.holds(_defaults(stated)):
            why = f": {stated.message}" if stated.message else ""
            ctx.report(
                "E0314",
                f"this does not hold at the default sizes{why}",
                stated.span,
                _at_defaults(stated),
            )


def _at_defaults(stated: Assertion) -> str:
    fact = stated.fact
    left, _ = fact.sides(_defaults(stated))
    given = ", ".join(f"{size.name} = {size.default}" for size in symbols(fact.left))
    return f"{fact.left} is {left} for {given}" if given else ""


def _defaults(stated: Assertion) -> dict[str, int]:
    return {symbol.name: symbol.default for symbol in stated.fact.symbols}


def _warn_dead(ctx: Context) -> None:
    """Warn of nodes that no output needs: they are not emitted and not counted."""
    for span, name in ctx.dead.items():
        if span not in ctx.live_spans:
            ctx.report(
                "W0103",
                f"no output needs {name}: it is left out",
                span,
                help="remove it, or let an output use it",
            )
