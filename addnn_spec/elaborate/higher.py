"""Operators that take a layer: its graph is made here, for the types that the operator gives it."""

from __future__ import annotations

from addnn_spec.elaborate.base import POISON, Failed, Frame, Poison, Site, Value, flatten
from addnn_spec.elaborate.blocks import Built
from addnn_spec.elaborate.builder import Builder, FirstUse, Naming, Tensor
from addnn_spec.elaborate.scope import Env
from addnn_spec.elaborate.statements import Statements
from addnn_spec.graph import OWN, Graph, Ref
from addnn_spec.ops.base import HigherOperator, OperatorError, TensorType
from addnn_spec.source import Span
from addnn_spec.syntax import ast
from addnn_spec.values import Brace, Definition, LayerValue, kind_of

_STAND_IN = Ref(-1)


class Higher(Statements):
    """Applies operators that have a layer for an argument (`Scan`, `TimeDistributed`)."""

    def apply_higher(self, layer: LayerValue, flow: Value, site: Site) -> Value:
        target, frame, span = layer.target, site.frame, site.span
        if site.naming.label == OWN:
            self.ctx.fail(
                "E0406",
                f"{layer.name} holds another layer, and cannot be its scope's own",
                span,
                help="give it a label, or none",
            )
        assert isinstance(target, type) and issubclass(target, HigherOperator)
        argument = target.layers[0]
        inner = self._layer_argument(layer, argument, span)
        if isinstance(flow, Poison):
            self._check_layer(inner, argument, site)
            self.check_arguments(layer, target, span)
        fields = {n: v for n, v in layer.given if n in target.model_fields and n != argument}
        op = self.construct(layer, target, fields | {argument: _attribute(inner)}, span)
        assert isinstance(op, HigherOperator)
        flowing = self._tensors(layer, flow, span)
        try:
            given = op.layer_inputs(*(self.ctx.normal(t.type) for t in flowing))
        except OperatorError as error:
            self.operator_error(layer, error, tuple(t.type for t in flowing), span)
        states = self._initial_states(op, inner, given, flowing, frame, span)
        types = [*given, *(self.ctx.normal(t.type) for t in states)]
        built = self._build_layer(inner, argument, self._stand_ins(types, frame), site)
        return self._add(layer, op, argument, [*flowing, *states], built, site)

    def _check_layer(self, inner: LayerValue, argument: str, site: Site) -> None:
        """Tell what is wrong within the layer, where what flows into it is not known."""
        try:
            self._build_layer(inner, argument, POISON, site)
        except Failed:
            self.ctx.pass_over()

    def _layer_argument(self, layer: LayerValue, argument: str, span: Span) -> LayerValue:
        inner = dict(layer.given).get(argument)
        if isinstance(inner, Poison):
            raise Failed
        if inner is None:
            self.ctx.fail("E0202", f"{layer.name} needs {argument}, a layer", span)
        if not isinstance(inner, LayerValue):
            self.ctx.fail(
                "E0201",
                f"{argument} of {layer.name} is a layer, not {kind_of(inner)}",
                dict(layer.spans).get(argument, span),
            )
        return inner

    def _tensors(self, layer: LayerValue, flow: Value, span: Span) -> list[Tensor]:
        flowing = self.flow_inputs(flow)
        for value in flowing:
            if not isinstance(value, Tensor):
                self.ctx.fail(
                    "E0205", f"{layer.name} takes tensors, and {kind_of(value)} flows in", span
                )
        return flowing

    def _initial_states(
        self,
        op: HigherOperator,
        inner: LayerValue,
        given: tuple[TensorType, ...],
        flowing: list[Tensor],
        frame: Frame,
        span: Span,
    ) -> list[Tensor]:
        """States that do not flow in begin as the cell's defaults, made before the first step."""
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
        env = Frame(frame.builder, Env(target.env))
        self.bind_params(inner, target, dict(inner.given), env, span)
        for param, type in zip(names, given, strict=False):
            env.env.bind(param.name, Tensor(frame.builder, flowing[0].ref, type), None, "flow")
        states: list[Tensor] = []
        for param in missing:
            if param.default is None:
                self.ctx.fail(
                    "E0205",
                    f"{node.name} needs its state {param.name}",
                    span,
                    help=f"let it flow in, or give it a default: {param.name} = Zeros([…])",
                )
            value = self.evaluate(param.default, env)
            if not isinstance(value, Tensor):
                self.ctx.fail("E0206", f"the state {param.name} is a tensor", param.span)
            value.call(param.name)
            env.env.bind(param.name, value, None, "flow")
            states.append(value)
        return states

    @staticmethod
    def _stand_ins(types: list[TensorType], frame: Frame) -> Value:
        """Tensors of these types, which nothing makes: the operator will."""
        assert frame.builder is not None
        standing = tuple(Tensor(frame.builder, _STAND_IN, type) for type in types)
        return standing[0] if len(standing) == 1 else standing

    def _build_layer(self, inner: LayerValue, argument: str, flow: Value, site: Site) -> Built:
        """The graph of the layer for what flows into it."""
        assert site.frame.builder is not None
        name = site.frame.builder.name_of_next(site.naming, site.module)
        with self.ctx.use(name, site.span):
            return self._layer_graph(inner, argument, flow, site.span)

    def _layer_graph(self, inner: LayerValue, argument: str, flow: Value, span: Span) -> Built:
        target = inner.target
        if isinstance(target, Brace):
            return self.build_brace(target.body, flow, target.env, argument, span)
        if isinstance(target, Definition):
            inputs = self._block_inputs(inner, target, flow, span)
            besides = {name for name, _ in inner.given}
            ordered = sorted(inputs.items(), key=lambda item: item[0] in besides)
            return self._build_block(inner, target, dict(ordered), argument, span)
        return self._wrap_operator(inner, flow, span)

    def _wrap_operator(self, inner: LayerValue, flow: Value, span: Span) -> Built:
        """A lone operator as the layer: a graph of one node, which takes the argument's scope."""
        builder = Builder(self.ctx, "chain", "", span)
        inside = self.place(builder, "x", flow, span)
        value = self.apply(
            inner, inside, Site(Frame(builder, Env()), Naming(None, inner.name), span)
        )
        return self.finish(builder, value)

    def _add(
        self,
        layer: LayerValue,
        op: HigherOperator,
        argument: str,
        inputs: list[Tensor],
        built: Built,
        site: Site,
    ) -> Value:
        if built.graph is None or built.shape is None:
            raise Failed
        builder, span = site.frame.builder, site.span
        assert builder is not None
        graph = built.graph
        tensors = [*inputs, *self._besides(layer, argument, built)]
        types = tuple(self.ctx.normal(t.type) for t in tensors)
        given = tuple(graph.type_of(output.refs[0]) for output in graph.outputs)
        try:
            result = op.infer_layer(given, *types[: len(inputs)])
        except OperatorError as error:
            self.operator_error(layer, error, types, span)
        outputs = tuple(self.ctx.normal(type) for type in result)
        layers: tuple[tuple[str, Graph], ...] = ((argument, graph),)
        ref = None
        if site.module is not None:
            ref = builder.module_ref(site.module)
            self.remember(site.module, FirstUse(op, types, layers, span))
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

    @staticmethod
    def _besides(layer: LayerValue, argument: str, built: Built) -> list[Tensor]:
        """Tensors the layer has besides what the operator gives it: the same at each step."""
        inner: LayerValue = dict(layer.given)[argument]
        named = [tensor for _, value in inner.given for tensor in flatten(value)]
        return [*named, *built.captured]


def _attribute(inner: LayerValue) -> LayerValue:
    """The layer as the operator keeps it: its tensors are inputs of the node."""
    given = tuple((name, value) for name, value in inner.given if not tuple(flatten(value)))
    return LayerValue(inner.target, given, inner.spans)
