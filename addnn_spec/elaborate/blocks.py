"""Applying layers: blocks and networks, made into graphs once for equal uses; modules."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, replace
from typing import Any

from addnn_spec.diagnostics import Label
from addnn_spec.elaborate.base import (
    POISON,
    Failed,
    Frame,
    Poison,
    Site,
    Structure,
    Value,
    flatten,
    is_flow,
    is_partial,
    rebuild,
    structure,
    types_of,
)
from addnn_spec.elaborate.builder import Builder, FirstUse, ModuleValue, Tensor
from addnn_spec.elaborate.operators import Operators
from addnn_spec.elaborate.scope import Env
from addnn_spec.graph import OWN, Graph, Output, Written
from addnn_spec.ops.base import TensorType
from addnn_spec.source import Span
from addnn_spec.syntax import ast
from addnn_spec.syntax.walk import walk
from addnn_spec.values import Brace, Definition, LayerValue, kind_of


@dataclass(frozen=True, slots=True)
class Built:
    """A block or brace made into a graph; shared by all uses with the same key.

    `shape` says how the graph's outputs make up the value; None if it could not be made.
    """

    graph: Graph | None
    shape: Structure | None
    captured: tuple[Tensor, ...] = ()
    ported: tuple[ModuleValue, ...] = ()
    single: bool = False
    """It is a chain of one unlabelled element: as a turn, it is that element."""


class Blocks(Operators):
    """Applies layers of every kind."""

    def apply(self, layer: LayerValue, flow: Value, site: Site) -> Value:
        if site.frame.builder is None:
            self.ctx.fail("E0206", "tensors exist in networks and blocks only", site.span)
        if is_partial(layer):
            flow = POISON
        if site.naming.label == OWN and site.module is not None:  # its weights are elsewhere
            site = replace(site, naming=replace(site.naming, label=None))
        if isinstance(layer.target, Brace):
            return self.apply_brace_value(layer.target, flow, site)
        if isinstance(layer.target, Definition):
            return self._apply_definition(layer, layer.target, flow, site)
        if layer.target.layers:
            return self.apply_higher(layer, flow, site)
        return self.apply_operator(layer, layer.target, flow, site)

    # --- modules --------------------------------------------------------------------------------
    def apply_module(self, module: ModuleValue, flow: Value, site: Site) -> Value:
        """One more use of a module's weights."""
        try:
            return self.apply(module.layer, flow, replace(site, module=module))
        except Failed:
            module.unknown = True
            raise

    # --- blocks ---------------------------------------------------------------------------------
    def _apply_definition(
        self, layer: LayerValue, target: Definition, flow: Value, site: Site
    ) -> Value:
        if not isinstance(flow, Poison) and not is_flow(flow):
            self.ctx.fail("E0206", f"{target.name} takes tensors, not {kind_of(flow)}", site.span)
        self._check_depth(target, site.span)
        inputs = self._block_inputs(layer, target, flow, site.span)
        if site.naming.label == OWN:
            return self._written_out(layer, target, inputs, site.frame, site.span)
        assert site.frame.builder is not None
        name = site.frame.builder.name_of_next(site.naming, site.module)
        built = self._build_block(layer, target, inputs, name, site.span)
        return self.call_graph(built, list(inputs.values()), site, layer.spans)

    def _check_depth(self, target: Definition, span: Span) -> None:
        if len(self.ctx.uses) >= self.ctx.limits.calls:
            self.ctx.uses, uses = [], self.ctx.uses
            try:
                self.ctx.fail(
                    "E0505",
                    f"blocks are used inside one another more than {self.ctx.limits.calls} deep",
                    span,
                    f"{target.name} is one too many",
                )
            finally:
                self.ctx.uses = uses

    def _block_inputs(
        self, layer: LayerValue, target: Definition, flow: Value, span: Span
    ) -> dict[str, Value]:
        """A value for each input of a block that is given: by name, or flowing in."""
        node = target.node
        if isinstance(flow, Poison):
            return self._unknown_inputs(node)
        if isinstance(node, ast.Network):
            flowing = self.flow_inputs(flow)
            names = _network_inputs(node, len(flowing))
            return dict(zip(names, flowing, strict=True))
        if node.inputs is None:
            return {"x": flow}
        names = [param.name for param in node.inputs]
        given = {name: value for name, value in layer.given if name in names and value is not None}
        self._check_given_inputs(layer, given)
        free = [param for param in node.inputs if param.name not in dict(layer.given)]
        if not free and flow == ():
            return given
        if len([p for p in free if p.default is None]) <= 1 and len(free) == 1:
            given[free[0].name] = flow
            return {name: given[name] for name in names if name in given}
        flowing = self.flow_inputs(flow)
        required = sum(1 for param in free if param.default is None)
        if not required <= len(flowing) <= len(free):
            wanted = f"{required}" if required == len(free) else f"{required} to {len(free)}"
            self.ctx.fail(
                "E0205",
                f"{target.name} takes {wanted} inputs here, and {len(flowing)} flow in",
                span,
                labels=(Label(node.name_span, f"inputs: {', '.join(names)}"),),
            )
        given |= {p.name: value for p, value in zip(free, flowing, strict=False)}
        return {name: given[name] for name in names if name in given}

    @staticmethod
    def _unknown_inputs(node: ast.Block | ast.Network) -> dict[str, Value]:
        if isinstance(node, ast.Network):
            raise Failed  # it is looked at by itself
        names = ["x"] if node.inputs is None else [param.name for param in node.inputs]
        return dict.fromkeys(names, POISON)

    def _check_given_inputs(self, layer: LayerValue, given: dict[str, Value]) -> None:
        for name, value in given.items():
            if not is_flow(value):
                self.ctx.fail(
                    "E0206",
                    f"{name} of {layer.name} is a tensor, not {kind_of(value)}",
                    dict(layer.spans)[name],
                )

    def _build_block(
        self,
        layer: LayerValue,
        target: Definition,
        inputs: dict[str, Value],
        name: str,
        span: Span,
    ) -> Built:
        params = {n: v for n, v in layer.given if n not in self._inputs(layer)}
        memo_key = (
            "block",
            id(target.node),
            id(target.env),
            tuple((name, self.ctx.key(value, span)) for name, value in params.items()),
            tuple((name, structure(value), self._types(value)) for name, value in inputs.items()),
            self.ctx.facts.version,
        )
        return self.memoised(
            memo_key, lambda: self._elaborate_block(layer, target, params, inputs, name, span)
        )

    def _types(self, value: Value) -> tuple[TensorType, ...]:
        return tuple(self.ctx.normal(type) for type in types_of(value))

    def memoised(self, memo_key: Hashable, build: Any) -> Built:
        """What `build` gives, made once for each key."""
        found = self.ctx.memo.get(memo_key) if self.ctx.memoise else None
        if found is None:
            found = build()
            self.ctx.memo[memo_key] = found
        built: Built = found
        return built

    def _elaborate_block(
        self,
        layer: LayerValue,
        target: Definition,
        params: dict[str, Any],
        inputs: dict[str, Value],
        name: str,
        span: Span,
    ) -> Built:
        builder = Builder(self.ctx, "block", target.name, target.node.span)
        frame = Frame(builder, Env(target.env))
        with self.ctx.use(name, span):
            arguments = self.bind_params(layer, target, params, frame, span)
            given = {name: self.place(builder, name, value, span) for name, value in inputs.items()}
            value = self.run_definition(target, given, frame)
        built = self.finish(builder, value, arguments)
        if built.graph is not None:
            built.graph.definition = target
            built.graph.given = frozenset(params)
            built.graph.lets = frame.env.values("let")
        return built

    def place(self, builder: Builder, name: str, value: Value, span: Span) -> Value:
        """Placeholders for the tensors of an input."""
        if isinstance(value, Poison):
            return value
        tensors = list(flatten(value))
        names = [name] if len(tensors) == 1 else [f"{name}_{i}" for i in range(len(tensors))]
        made = tuple(
            builder.placeholder(n, self.ctx.normal(tensor.type), span)
            for n, tensor in zip(names, tensors, strict=True)
        )
        builder.around |= {new.ref: old for new, old in zip(made, tensors, strict=True)}
        return rebuild(structure(value), made)

    def bind_params(
        self,
        layer: LayerValue,
        target: Definition,
        params: dict[str, Any],
        frame: Frame,
        span: Span,
    ) -> tuple[tuple[str, Any], ...]:
        """Give a block's parameters their values; a default may read earlier ones."""
        spans = dict(layer.spans)
        partial = is_partial(layer)
        bound: list[tuple[str, Any]] = []
        for param in target.node.params:
            if param.name in params:
                value = params[param.name]
                if isinstance(value, Tensor):
                    self.ctx.fail(
                        "E0206",
                        f"{param.name} of {target.name} is a value, and this is a tensor",
                        spans.get(param.name, span),
                        help="tensors flow in by the arrow, or as a named input of the block",
                    )
            elif partial:
                value = POISON
            elif param.default is not None:
                value = self.evaluate(param.default, frame)
            else:
                self.ctx.fail(
                    "E0202",
                    f"{target.name} needs {param.name}",
                    span,
                    labels=(Label(param.span, "declared here"),),
                )
            frame.env.bind(param.name, value, param.span, "parameter")
            bound.append((param.name, value))
        return tuple(bound)

    def finish(
        self, builder: Builder, value: Value, arguments: tuple[tuple[str, Any], ...] = ()
    ) -> Built:
        """Seal a builder whose value is known."""
        if isinstance(value, Poison):
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
            and len(list(graph.nodes())) == len(graph.inputs) + 1
        )
        return Built(
            graph, structure(value), builder.kept_captures(graph), tuple(builder.ported), single
        )

    def call_graph(
        self, built: Built, inputs: list[Value], site: Site, written: Written = ()
    ) -> Value:
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
            self.remember(site.module, FirstUse(built.graph, types, (), site.span))
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
        self,
        layer: LayerValue,
        target: Definition,
        inputs: dict[str, Value],
        frame: Frame,
        span: Span,
    ) -> Value:
        """`_: Block`: the block's nodes become nodes of the graph around it."""
        params = {n: v for n, v in layer.given if n not in self._inputs(layer)}
        builder = frame.builder
        assert builder is not None
        inner = Frame(builder, Env(target.env))
        with self.ctx.use("", span), builder.writing_out(target, layer.spans, inputs, span):
            self.bind_params(layer, target, params, inner, span)
            value = self.run_definition(target, inputs, inner)
        if isinstance(value, Poison):
            raise Failed
        return value


def _network_inputs(node: ast.Network, count: int) -> list[str]:
    """Names for what flows into a network that stands as a block: those of its inputs."""
    declared = [
        found.target.name
        for found in walk(node.body)
        if isinstance(found, ast.Input) and not found.training
    ]
    if len(declared) == count == len(set(declared)):
        return declared
    return [f"input_{i}" for i in range(count)]
