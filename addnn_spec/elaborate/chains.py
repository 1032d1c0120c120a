"""Chains: elements, braces, `repeat`, `for` and `if` between arrows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from addnn_spec.diagnostics import Label, near
from addnn_spec.elaborate.base import (
    POISON,
    Failed,
    Frame,
    Poison,
    Site,
    Value,
    flatten,
    is_flow,
    rebuild,
    structure,
)
from addnn_spec.elaborate.blocks import Blocks, Built
from addnn_spec.elaborate.builder import Builder, ModuleValue, Naming, Tensor
from addnn_spec.elaborate.expansion import elements, is_chain, refuse_bomb
from addnn_spec.elaborate.hidden import part_of, readings, same
from addnn_spec.elaborate.names import forbidden, free_name, well_formed
from addnn_spec.elaborate.scope import Binding, Env
from addnn_spec.elaborate.unlabelled import warn_unlabelled
from addnn_spec.graph import OWN, Kind, Placeholder, Ref
from addnn_spec.ops import index
from addnn_spec.source import Span
from addnn_spec.syntax import ast
from addnn_spec.syntax.findings import MAX_NAME
from addnn_spec.syntax.walk import names_read
from addnn_spec.values import Brace, Builtin, Function, LayerValue, kind_of, show


class Chains(Blocks):
    """Runs what stands between arrows."""

    def run_chain(self, chain: ast.Chain, frame: Frame) -> Value:
        try:
            flow = self.evaluate(chain.head, frame)
        except Failed:
            self.ctx.pass_over()
            flow = POISON
        if isinstance(flow, LayerValue):
            self._no_flow(flow, chain.head.span, "a chain begins with a tensor: x -> layer")
            raise Failed  # the arrow may be meant the other way round
        if not isinstance(flow, Poison) and not is_flow(flow):
            self._no_flow(flow, chain.head.span)
            flow = POISON
        return self._run_elements(chain.elements, flow, frame, placed=False)

    def _no_flow(self, value: Value, span: Span, help: str | None = None) -> None:
        if isinstance(value, tuple) and any(item is None for item in value):
            help = "none is no tensor: leave it out, and give the inputs after it by name"
        self.ctx.report("E0206", f"{kind_of(value)} cannot flow into a layer", span, help=help)

    def _run_elements(
        self, elements: tuple[ast.Element, ...], flow: Value, frame: Frame, placed: bool
    ) -> Value:
        """What comes out of elements in a row.

        What comes out of one that fails is `POISON`. It flows on, so that mistakes in the arguments
        of the elements after it are told too; then all of it fails.
        """
        for element in elements:
            try:
                flow = self.run_element(element, flow, frame, placed)
            except Failed:
                self.ctx.pass_over()
                flow = POISON
                if placed and frame.builder is not None:
                    frame.builder.place += 1  # those after it keep their numbers
        if isinstance(flow, Poison):
            raise Failed
        return flow

    def run_element(self, element: ast.Element, flow: Value, frame: Frame, placed: bool) -> Value:
        """What comes out of one element; `placed`: it takes a place in a numbered chain."""
        label = None if element.label is None else self.label(element.label, frame)
        core = element.core
        if isinstance(core, ast.Layer):
            return self._run_layer(core, label, flow, frame, placed)
        if isinstance(core, ast.Body):
            return self.apply_brace(core, flow, Site(frame, Naming(label, "", placed), core.span))
        if isinstance(core, ast.If):
            return self._run_if(core, label, flow, frame, placed)
        turns = self._turns(core, frame)
        if isinstance(flow, Poison):
            turns = turns[:1]
        if label is None or label == OWN:
            naming = Naming(label, "", placed)
            return self._run_turns(core, turns, flow, frame, naming)
        refuse_bomb(core, len(turns), frame.env, self.ctx, labelled=True)
        return self._run_labelled(core, turns, flow, frame, Naming(label, "", placed))

    def label(self, text: ast.Text, frame: Frame) -> str:
        """A label's text, checked: it becomes an attribute and a key of the weights."""
        label = self.text(text, frame)
        if label == OWN:
            return label
        if len(label) > MAX_NAME:
            self.ctx.fail(
                "E0406",
                f"a label has at most {MAX_NAME} characters, and this one {len(label):,}",
                text.span,
            )
        if not well_formed(label):
            self.ctx.fail(
                "E0406",
                f'"{label}" cannot be a label',
                text.span,
                help="a label is made of ASCII characters, with dots between scopes",
            )
        for part in label.split("."):
            reason = forbidden(part)
            if reason is not None:
                self.ctx.fail(
                    "E0404", f"a node cannot be called {part}", text.span, reason,
                    help=f"call it {free_name(part)}",
                )  # fmt: skip
        return label

    def _run_layer(
        self, core: ast.Layer, label: str | None, flow: Value, frame: Frame, placed: bool
    ) -> Value:
        value = self.lookup(core.name, core.name_span, frame.env)
        if isinstance(value, ModuleValue):
            if core.args is not None or core.body is not None:
                self.ctx.fail(
                    "E0203",
                    f"{core.name} is a module, complete as it is",
                    core.span,
                    help=f"write -> {core.name} alone",
                )
            return self.apply_module(
                value, flow, Site(frame, Naming(label, core.name, placed), core.span)
            )
        if value is None:
            return flow
        if not isinstance(value, LayerValue):
            self._not_a_layer(core, value)
        base = core.name if self._is_parameter(core.name, frame.env) else value.name
        if core.args is not None or core.body is not None:
            value = self.give(value, core.args or (), core.body, frame)
        naming = Naming(label, base or core.name, placed)
        return self.apply(value, flow, Site(frame, naming, core.span))

    @staticmethod
    def _is_parameter(name: str, env: Env) -> bool:
        found = env.find(name)
        return found is not None and found.origin != "file"

    def _not_a_layer(self, core: ast.Layer, value: Value) -> None:
        help = None
        if isinstance(value, Tensor):
            help = f"data flows into layers; to combine tensors, write x + {core.name}"
        elif isinstance(value, Function | Builtin):
            help = "a function works on compile-time values; write it as f(x)"
        elif isinstance(value, str) and (close := near(value, index())):
            help = f"a layer has no quotes: {close[0]}"
        self.ctx.fail(
            "E0108", f"{core.name} is {kind_of(value)}, not a layer", core.span, help=help
        )

    # --- braces ---------------------------------------------------------------------------------
    def apply_brace(self, body: ast.Body, flow: Value, site: Site) -> Value:
        """A brace: a scope of its own where it has a label, or statements and a place in a
        numbered chain; else written out."""
        frame, naming = site.frame, site.naming
        labelled = naming.label not in (None, OWN)
        numbered = naming.label is None and naming.placed and body.kind == "statements"
        if labelled or numbered:
            assert frame.builder is not None
            name = frame.builder.name_of_next(naming)
            built = self.build_brace(body, flow, frame.env, name, site.span)
            return self.call_graph(built, [flow], site)
        return self.run_brace(body, flow, frame, naming.placed)

    def run_brace(self, body: ast.Body, flow: Value, frame: Frame, placed: bool) -> Value:
        """The elements or statements of a brace, in the graph at hand; `x` is what flows in."""
        self._warn_hidden(body, flow, frame.env)
        return self._run_inside(body, flow, frame, placed)

    def _run_inside(self, body: ast.Body, flow: Value, frame: Frame, placed: bool) -> Value:
        inner = frame.inner()
        around = frame.env.find("x") if is_chain(body) else None
        inner.env.names["x"] = Binding(flow, None, "flow", around)
        if body.kind == "empty":
            return flow
        if body.kind == "statements":
            value = self.run_brace_statements(body, inner)
            if isinstance(value, Poison):
                raise Failed
            return value
        return self._run_elements(elements(body), flow, inner, placed)

    def _warn_hidden(self, body: ast.Body, flow: Value, around: Env) -> None:
        """Warn (W0105) of a brace that reads another `x` than the text around it would."""
        outer = around.find("x")
        if outer is None:
            return
        if outer.origin in ("input", "let"):
            if outer.span is not None and not same(outer.value, flow) and "x" in names_read(body):
                self._tell_hidden(body.span, "", outer.span)
        elif is_chain(body) and not isinstance(flow, Poison):
            self._warn_readings(body, flow, outer)

    def _warn_readings(self, body: ast.Body, flow: Value, outer: Binding | None) -> None:
        """The same for elements: all braces of elements around them are looked through."""
        key = "readings", id(body)
        if key not in self.ctx.memo:
            self.ctx.memo[key] = readings(body)
        while self.ctx.memo[key] and outer is not None:
            for reading in self.ctx.memo[key]:
                inside, around = (part_of(value, reading.parts) for value in (flow, outer.value))
                if not isinstance(outer.value, Poison) and not same(inside, around):
                    sizes = f"{show(inside)} here, {show(around)} around the brace"
                    tensors = is_flow(inside) or is_flow(around)
                    self._tell_hidden(reading.place.span, "" if tensors else sizes, outer.span)
                    return
            outer = outer.around

    def _tell_hidden(self, span: Span, note: str, outer: Span | None) -> None:
        labels: tuple[Label, ...] = ()
        help = (
            "if that is meant, say { return x -> … }; if the outer one is, name it before the chain"
        )
        if outer is not None:
            labels = (Label(outer, "this x is hidden in the brace"),)
            help = "give the outer one another name"
        message = "x is what flows into this brace, not the x around it"
        self.ctx.report("W0105", message, span, note, labels=labels, help=help)

    def build_brace(
        self,
        body: ast.Body,
        flow: Value,
        env: Env,
        label: str,
        span: Span,
        *,
        lone: bool = False,
    ) -> Built:
        """The graph of a labelled brace, made once for equal surroundings."""
        self._warn_hidden(body, flow, env)
        kind: Kind = "body" if body.kind == "statements" else "chain"
        memo_key = ("brace", id(body), *self._surroundings(body, flow, env))
        builder = Builder(self.ctx, kind, "", body.span, numbered=kind == "chain", lone=lone)
        return self.memoised(
            memo_key, lambda: self._elaborate_brace(builder, body, flow, env, label, span)
        )

    def _surroundings(self, body: Any, flow: Value, env: Env) -> tuple[Any, ...]:
        """What a brace can depend on: the types that flow in, and the values it reads."""
        read = []
        for name in sorted(names_read(body)):
            found = env.find(name)
            if found is not None and name != "x":
                read.append((name, self.ctx.key(found.value, body.span)))
        types = (structure(flow), self._types(flow))
        return (types, tuple(read), self.ctx.facts.version)

    def _elaborate_brace(
        self, builder: Builder, body: ast.Body, flow: Value, env: Env, label: str, span: Span
    ) -> Built:
        frame = Frame(builder, env)
        with self.ctx.use(label, span):
            inside = self.place(builder, "x", flow, span)
            try:
                value = self._run_inside(body, inside, frame, placed=True)
            except Failed:
                return Built(None, None)
        return self.finish(builder, value)

    def apply_brace_value(self, brace: Brace, flow: Value, site: Site) -> Value:
        """A brace that was given as a layer: a scope of its own, unless its label is `_`."""
        if site.naming.label == OWN:
            around = Frame(site.frame.builder, brace.env)
            return self.run_brace(brace.body, flow, around, site.naming.placed)
        naming = replace(site.naming, base=site.naming.base or "layer")
        assert site.frame.builder is not None
        name = site.frame.builder.name_of_next(naming, site.module)
        built = self.build_brace(brace.body, flow, brace.env, name, site.span)
        return self.call_graph(built, [flow], replace(site, naming=naming))

    # --- if -------------------------------------------------------------------------------------
    def choose(self, statement: ast.If, frame: Frame) -> ast.Body | None:
        """The arm of an `if` that is taken, or None."""
        chosen: ast.If | ast.Body | None = statement
        while isinstance(chosen, ast.If):
            holds = self.truth(self.evaluate(chosen.condition, frame), chosen.condition.span)
            chosen = chosen.then if holds else chosen.otherwise
        return chosen

    def _run_if(
        self, core: ast.If, label: str | None, flow: Value, frame: Frame, placed: bool
    ) -> Value:
        body = self.choose(core, frame)
        if body is None:
            return flow
        return self.apply_brace(body, flow, Site(frame, Naming(label, "", placed), core.span))

    # --- repeat and for -------------------------------------------------------------------------
    def _turns(self, core: ast.Repeat | ast.For, frame: Frame) -> Any:
        """The turns' values: a `range` for a repeat, the list's items for a `for`."""
        if isinstance(core, ast.For):
            return self.turns(core.iterable, frame)
        count = self.evaluate(core.count, frame)
        self.known(count, core.count.span, "repeat")
        if not isinstance(count, int) or isinstance(count, bool) or count < 0:
            words = f"{count}" if isinstance(count, int | float) else kind_of(count)
            self.ctx.fail(
                "E0207", f"repeat takes a whole number of turns, not {words}", core.count.span
            )
        return range(count)

    def _turn_frame(self, core: ast.Repeat | ast.For, value: Value, frame: Frame) -> Frame:
        inner = frame.inner(repeated=True)
        if isinstance(core, ast.For):
            self.bind(core.targets, value, inner, "loop")
        elif core.index is not None:
            inner.env.bind(core.index.name, value, core.index.span, "loop")
        return inner

    @staticmethod
    def _reads_turn(core: ast.Repeat | ast.For) -> bool:
        if isinstance(core, ast.For):
            return True
        return core.index is not None and core.index.name in names_read(core.body)

    def _run_turns(
        self, core: ast.Repeat | ast.For, turns: Any, flow: Value, frame: Frame, naming: Naming
    ) -> Value:
        """The turns, written out in the graph at hand: braces without a label, or with `_`."""
        builder = frame.builder
        assert builder is not None
        refuse_bomb(core, len(turns), frame.env, self.ctx)
        first = len(builder.entries)

        def turn(_: int, flow: Value, inner: Frame) -> Value:
            return self.apply_brace(core.body, flow, Site(inner, naming, core.span))

        flow = self._in_turn(core, turns, flow, frame, turn)
        repeats = isinstance(core, ast.Repeat) and len(turns) > 1
        if repeats and not (naming.placed or frame.repeated):
            warn_unlabelled(builder, first, self.ctx, core.span)
        return flow

    def _in_turn(
        self,
        core: ast.Repeat | ast.For,
        turns: Any,
        flow: Value,
        frame: Frame,
        turn: Callable[[int, Value, Frame], Value],
    ) -> Value:
        """What comes out of the last turn. Equal turns in a row are one node with `times`.

        A turn can join a run if it is one node that leads from what flows in to what flows out:
        then nothing else reads what flows between turns.
        """
        builder = frame.builder
        assert builder is not None
        first = len(builder.entries)
        for k, value in enumerate(turns):
            self.ctx.step(core.span)
            before = len(builder.entries)
            result = turn(k, flow, self._turn_frame(core, value, frame))
            if len(builder.entries) == before + 1 and self._is_link(builder, flow, result):
                length = builder.entries[-1].times
                if before > first and builder.merge_run():
                    result = self._of_last(builder, result)
                if self._repeats(core, flow, result):
                    builder.lengthen_run((len(turns) - k - 1) * length)
                    return result
            flow = result
        return flow

    @staticmethod
    def _of_last(builder: Builder, result: Value) -> Value:
        """The value of a run, after its last turn joined it."""
        last = len(builder.entries) - 1
        tensors = tuple(
            Tensor(builder, tensor.ref._replace(node=last), tensor.type)
            for tensor in flatten(result)
        )
        return rebuild(structure(result), tensors)

    def _repeats(self, core: ast.Repeat | ast.For, flow: Value, result: Value) -> bool:
        """Whether all turns from here on are equal: nothing that a turn reads changes any more."""
        return (
            self.ctx.memoise  # without, every turn is elaborated, to compare with
            and not self._reads_turn(core)
            and structure(flow) == structure(result)
            and self._types(flow) == self._types(result)
        )

    @staticmethod
    def _is_link(builder: Builder, flow: Value, result: Value) -> bool:
        """Whether the last entry takes what flows in as its first inputs, and nowhere else, and
        gives what flows out: only then is a run of it the turns one after another. Where a tensor
        flows in twice, no order of the inputs can be told."""
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
        self,
        core: ast.Repeat | ast.For,
        turns: Any,
        flow: Value,
        frame: Frame,
        naming: Naming,
    ) -> Value:
        """A labelled loop: a graph of its own, with a node or a scope for each turn."""
        if not turns:
            return flow
        memo_key = (
            "loop", id(core), len(turns),
            self.ctx.key(tuple(turns), core.span) if isinstance(core, ast.For) else None,
            *self._surroundings(core, flow, frame.env),
        )  # fmt: skip
        built = self.memoised(
            memo_key, lambda: self._elaborate_loop(core, turns, flow, frame.env, naming.label or "")
        )
        return self.call_graph(built, [flow], Site(frame, naming, core.span))

    def _elaborate_loop(
        self, core: ast.Repeat | ast.For, turns: Any, flow: Value, env: Env, label: str
    ) -> Built:
        builder = Builder(self.ctx, "repeat", "", core.span, numbered=True)

        def turn(k: int, flow: Value, inner: Frame) -> Value:
            builder.place = k
            return self._turn(core, flow, inner, k)

        with self.ctx.use(label, core.span):
            value = self.place(builder, "x", flow, core.span)
            try:
                value = self._in_turn(core, turns, value, Frame(builder, env), turn)
            except Failed:
                return Built(None, None)
        return self.finish(builder, value)

    def _turn(self, core: ast.Repeat | ast.For, flow: Value, frame: Frame, k: int) -> Value:
        """Turn `k` of a labelled loop: the one element that it is, or a scope."""
        lone = _is_one_element(core.body)
        built = self.build_brace(core.body, flow, frame.env, str(k), core.span, lone=lone)
        if built.single:
            return self._hoist(built, flow, frame)
        return self.call_graph(built, [flow], Site(frame, Naming(None, "turn", True), core.span))

    def _hoist(self, built: Built, flow: Value, frame: Frame) -> Value:
        """Put the only node of a turn's graph into the graph of the loop."""
        builder = frame.builder
        assert builder is not None and built.graph is not None and built.shape is not None
        graph = built.graph
        outer = dict(zip(graph.inputs, [*flatten(flow), *built.captured], strict=True))
        node = next(node for node in graph.nodes() if not isinstance(node.op, Placeholder))
        ports = dict(zip(graph.module_ports, built.ported, strict=True))

        def module(ref: Any) -> Any:
            return None if ref is None else builder.module_ref(ports[ref.name])

        made = builder.add(
            node.op,
            [None if ref is None else outer[ref.node] for ref in node.inputs],
            node.outputs,
            node.span,
            Naming(None, "turn", True),
            module=module(node.module),
            bound_modules=tuple(module(ref) for ref in node.bound_modules),
            layers=node.layers,
        )
        outputs = tuple(
            made[output.refs[0].port]
            if output.refs[0].node == node.id
            else outer[output.refs[0].node]
            for output in graph.outputs
        )
        return rebuild(built.shape, outputs)


def _is_one_element(body: ast.Body | ast.If | None) -> bool:
    """Whether a body is one element without a label: as a turn, it takes the turn's name."""
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
