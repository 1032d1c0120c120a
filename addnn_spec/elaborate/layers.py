"""Applying layers to what flows in: operators, blocks, networks, modules."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any, NoReturn

from pydantic import ValidationError

from addnn_spec.diagnostics import Label, near
from addnn_spec.elaborate.base import (
    Failed,
    Frame,
    Poison,
    Structure,
    Value,
    flatten,
    is_flow,
    rebuild,
    structure,
    types_of,
)
from addnn_spec.elaborate.builder import Builder, FirstUse, ModuleValue, Naming, Tensor
from addnn_spec.elaborate.expressions import Expressions
from addnn_spec.elaborate.scope import Env
from addnn_spec.graph import Graph, Output
from addnn_spec.ops.base import Operator, OperatorError, TensorType
from addnn_spec.passes.weights import operator_weights, weights_of
from addnn_spec.sizes import SizeError, SymbolicSize
from addnn_spec.source import Span
from addnn_spec.syntax import ast
from addnn_spec.values import Brace, Definition, LayerValue, key, kind_of, show


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


class Layers(Expressions):
    """Completes layers with their arguments and applies them."""

    # --- giving arguments -----------------------------------------------------------------------
    def give(
        self,
        layer: LayerValue,
        args: tuple[ast.Argument, ...],
        body: ast.Body | None,
        frame: Frame,
        span: Span,
    ) -> LayerValue:
        given, spans = dict(layer.given), dict(layer.spans)
        fresh: set[str] = set()
        open_names = [name for name in self._positional(layer) if name not in given]
        collected: list[Any] = []
        for arg in args:
            value = self.evaluate(arg.value, frame)
            name = arg.name
            gather = self._gather(layer)
            if name is None and not open_names:
                if gather is None:
                    self._too_many(layer, arg)
                collected.append(value)
                given[gather] = tuple(collected)
                continue
            if name is None:
                name = open_names.pop(0)
                if name == gather:
                    collected = [value]
            elif name in fresh:
                self.ctx.fail("E0204", f"{name} is given twice", arg.span)
            else:
                open_names = [other for other in open_names if other != name]
            self._check_name(layer, name, arg)
            fresh.add(name)
            given[name], spans[name] = value, arg.value.span
        if body is not None:
            name = self._body_argument(layer, open_names, body)
            given[name] = LayerValue(Brace(body, frame.env))
            spans[name] = body.span
        return LayerValue(layer.target, tuple(given.items()), tuple(spans.items()))

    @staticmethod
    def _gather(layer: LayerValue) -> str | None:
        target = layer.target
        return getattr(target, "collect", None) if isinstance(target, type) else None

    @staticmethod
    def _positional(layer: LayerValue) -> list[str]:
        if isinstance(layer.target, Brace):
            return []
        if isinstance(layer.target, Definition):
            return [param.name for param in layer.target.node.params]
        return list(layer.target.positional_fields())

    @staticmethod
    def _inputs(layer: LayerValue) -> tuple[str, ...]:
        if isinstance(layer.target, Brace):
            return ()
        if isinstance(layer.target, Definition):
            node = layer.target.node
            inputs = node.inputs if isinstance(node, ast.Block) else None
            return tuple(param.name for param in inputs or ())
        return layer.target.input_names

    def _too_many(self, layer: LayerValue, arg: ast.Argument) -> NoReturn:
        names = self._positional(layer)
        takes = f"takes {', '.join(names)}" if names else "takes no arguments"
        self.ctx.fail(
            "E0203", f"{layer.name or 'a brace'} gets too many arguments", arg.span, f"it {takes}"
        )

    def _check_name(self, layer: LayerValue, name: str, arg: ast.Argument) -> None:
        known = [*self._positional(layer), *self._inputs(layer)]
        if isinstance(layer.target, type):
            known += layer.target.keyword_only
        if name in known or (isinstance(layer.target, type) and arg.name in _INFERRED):
            return
        close = near(name, known)
        renamed = _OMITTED.get(name)
        self.ctx.fail(
            "E0203",
            f"{layer.name or 'a brace'} has no argument {name}",
            arg.span,
            help=renamed
            or (f"did you mean {close[0]}?" if close else None)
            or (f"it takes {', '.join(known)}" if known else "it takes none"),
        )

    def _body_argument(self, layer: LayerValue, open_names: list[str], body: ast.Body) -> str:
        target = layer.target
        if isinstance(target, type):
            if target.layers:
                return target.layers[-1]
        elif open_names:
            return open_names[0]
        self.ctx.fail(
            "E0203",
            f"{layer.name} takes no layer in braces",
            body.span,
            help="separate two elements with ->",
        )

    # --- applying -------------------------------------------------------------------------------
    def apply(
        self,
        layer: LayerValue,
        flow: Value,
        frame: Frame,
        naming: Naming,
        span: Span,
        module: ModuleValue | None = None,
    ) -> Value:
        if frame.builder is None:
            self.ctx.fail("E0206", "tensors exist in networks and blocks only", span)
        if isinstance(layer.target, Brace):
            return self.apply_brace_value(layer.target, flow, frame, naming, span, module)
        if isinstance(layer.target, Definition):
            return self._apply_definition(layer, layer.target, flow, frame, naming, span, module)
        if layer.target.layers:
            return self.apply_higher(layer, flow, frame, naming, span, module)
        return self._apply_operator(layer, layer.target, flow, frame, naming, span, module)

    def flow_inputs(self, flow: Value) -> list[Value]:
        return list(flow) if isinstance(flow, tuple) else [flow]

    # --- operators ------------------------------------------------------------------------------
    def _apply_operator(
        self,
        layer: LayerValue,
        target: type[Operator],
        flow: Value,
        frame: Frame,
        naming: Naming,
        span: Span,
        module: ModuleValue | None,
    ) -> Value:
        assert frame.builder is not None
        inputs = self.operator_inputs(layer, target, flow, span)
        types = tuple(None if t is None else self.normal(t.type) for t in inputs)
        op, outputs = self._operator(layer, target, types, span)
        ref = None
        if module is not None:
            ref = frame.builder.module_ref(module)
            self._remember(module, FirstUse(op, types, (), span))
        tensors = frame.builder.add(op, inputs, outputs, span, naming, module=ref)
        return tensors[0] if len(tensors) == 1 and not self._many(op) else tensors

    @staticmethod
    def _many(op: Operator) -> bool:
        """Whether an operator's outputs are a list, also when there is one (`Chunk(1)`)."""
        return bool(getattr(op, "lists_outputs", False))

    def normal(self, type: TensorType) -> TensorType:
        """A type with the stated facts about its sizes put in."""
        if all(isinstance(size, int) for size in type.shape):
            return type
        return TensorType(type.dtype, tuple(self.ctx.facts.normal(size) for size in type.shape))

    def operator_inputs(
        self, layer: LayerValue, target: type[Operator], flow: Value, span: Span
    ) -> list[Tensor | None]:
        """The tensors for an operator's inputs: those given by name, then what flows in."""
        given = {name: value for name, value in layer.given if name in target.input_names}
        spans = dict(layer.spans)
        for name, value in given.items():
            if value is not None and not isinstance(value, Tensor):
                self.ctx.fail(
                    "E0206",
                    f"{name} of {layer.name} is a tensor, not {kind_of(value)}",
                    spans[name],
                )
        flowing = self.flow_inputs(flow)
        for value in flowing:
            if not isinstance(value, Tensor):
                self.ctx.fail(
                    "E0205", f"{layer.name} takes tensors, and {kind_of(value)} flows in", span
                )
        if target.variadic:
            if not isinstance(flow, tuple):
                self.ctx.fail(
                    "E0205",
                    f"{layer.name} takes a list of tensors, and one tensor flows in",
                    span,
                    help=f"give a list: (a, b) -> {layer.name}",
                )
            return [*flowing, *(given.get(name) for name in target.input_names[1:])]
        return self._distribute(layer, target, given, flowing, span)

    def _distribute(
        self,
        layer: LayerValue,
        target: type[Operator],
        given: dict[str, Any],
        flowing: list[Value],
        span: Span,
    ) -> list[Tensor | None]:
        given = {name: value for name, value in given.items() if value is not None}
        names = target.input_names
        if len(flowing) == 1 and {"left", "right"} & {name for name, _ in layer.given}:
            names = names[:1]  # a tensor and a number
        free = [n for n in names if n not in given and n not in target.named_inputs]
        required = [name for name in free if name not in target.optional_inputs]
        if not len(required) <= len(flowing) <= len(free):
            self._wrong_inputs(layer, target, len(flowing), free, span)
        given |= dict(zip(free, flowing, strict=False))
        return [given.get(name) for name in names]

    def _wrong_inputs(
        self, layer: LayerValue, target: type[Operator], count: int, free: list[str], span: Span
    ) -> NoReturn:
        optional = [name for name in free if name in target.optional_inputs]
        need = len(free) - len(optional)
        wanted = f"{need}" if not optional else f"{need} to {len(free)}"
        flows = {0: "nothing flows in", 1: "one flows in"}.get(count, f"{count} flow in")
        help = None
        if count > 1 and need == 1:
            help = "name the outputs and take one: y, _ = …; or join them: (a, b) -> Concat"
        elif need > 1:
            help = f"give them as ({', '.join(free)}) -> {layer.name}"
        tensors = "tensor" if wanted == "1" else "tensors"
        self.ctx.fail(
            "E0205", f"{layer.name} takes {wanted} {tensors}, and {flows}", span, help=help
        )

    def _operator(
        self,
        layer: LayerValue,
        target: type[Operator],
        types: tuple[TensorType | None, ...],
        span: Span,
    ) -> tuple[Operator, tuple[TensorType, ...]]:
        """The operator with its attributes, and the types of its outputs; equal uses share it."""
        attributes = {name: value for name, value in layer.given if name not in target.input_names}
        memo_key = (
            "op",
            target,
            tuple((name, key(value)) for name, value in attributes.items()),
            types,
            self.ctx.facts.version,
        )
        found = self.ctx.memo.get(memo_key) if self.ctx.memoise else None
        if found is None:
            found = self._make_operator(layer, target, attributes, types, span)
            self.ctx.memo[memo_key] = found
        op, outputs = found
        return op, outputs

    def _make_operator(
        self,
        layer: LayerValue,
        target: type[Operator],
        attributes: dict[str, Any],
        types: tuple[Any, ...],
        span: Span,
    ) -> tuple[Operator, tuple[TensorType, ...]]:
        stated = {k: v for k, v in attributes.items() if k not in target.model_fields}
        fields = {k: v for k, v in attributes.items() if k in target.model_fields}
        op = self.construct(layer, target, fields, span)
        try:
            result = op.infer(*types)
            outputs = result if isinstance(result, tuple) else (result,)
            self._check_stated(layer, op, stated, types, span)
            self._check_required(layer, op, types, span)
            self._check_weights(layer, op, types, span)
        except OperatorError as error:
            self.operator_error(layer, error, types, span)
        except SizeError as error:
            self.ctx.fail("E0311", str(error), span)
        return op, tuple(self.normal(type) for type in outputs)

    def construct(
        self, layer: LayerValue, target: type[Operator], fields: dict[str, Any], span: Span
    ) -> Operator:
        """The operator, its attributes checked by its own types."""
        for name, value in fields.items():
            if any(isinstance(part, Poison) for part in (value,)):
                raise Failed
            if isinstance(value, Tensor):
                self.ctx.fail(
                    "E0206",
                    f"{name} of {layer.name} is a value, and this is a tensor",
                    dict(layer.spans).get(name, span),
                )
        try:
            return target(**fields)
        except ValidationError as error:
            self._attribute_errors(layer, error, fields, span)
        except OperatorError as error:
            self.operator_error(layer, error, (), span)

    def _attribute_errors(
        self, layer: LayerValue, error: ValidationError, fields: dict[str, Any], span: Span
    ) -> NoReturn:
        spans = dict(layer.spans)
        told: set[str] = set()
        for detail in error.errors(include_url=False, include_context=True):
            name = str(detail["loc"][0]) if detail["loc"] else ""
            if name in told:
                continue
            told.add(name)
            place = spans.get(name, span)
            if detail["type"] == "missing":
                self.ctx.report("E0202", f"{layer.name} needs {name}", span)
            elif isinstance(fields.get(name), SymbolicSize):
                self.ctx.report(
                    "E0308",
                    f"{name} of {layer.name} must be known at compile time, "
                    f"and {fields[name]} is symbolic",
                    place,
                )
            else:
                self.ctx.report(
                    "E0201", f"{name} of {layer.name} cannot be {show(fields.get(name))}", place,
                    _in_words(str(detail["msg"])),
                )  # fmt: skip
        raise Failed

    def operator_error(
        self, layer: LayerValue, error: OperatorError, types: tuple[Any, ...], span: Span
    ) -> NoReturn:
        """Report what an operator found wrong, at the argument or input that it is about."""
        place = dict(layer.spans).get(error.argument or "", span)
        note = error.note
        if not note and error.argument is None:
            shapes = [str(type) for type in types if type is not None]
            note = f"its input here is {shapes[0]}" if len(shapes) == 1 else ""
            note = note or (f"its inputs here are {', '.join(shapes)}" if shapes else "")
        self.ctx.fail(error.code, error.message, place, note, help=error.help)

    def _check_stated(
        self,
        layer: LayerValue,
        op: Operator,
        stated: dict[str, Any],
        types: tuple[Any, ...],
        span: Span,
    ) -> None:
        """Sizes that we infer may be stated; they are checked then."""
        inferred = op.inferred(*types) if stated else {}
        spans = dict(layer.spans)
        for name, value in stated.items():
            place = spans.get(name, span)
            if name not in inferred:
                close = near(name, [*type(op).model_fields, *inferred])
                self.ctx.fail(
                    "E0203", f"{layer.name} has no argument {name}", place,
                    help=f"did you mean {close[0]}?" if close else None,
                )  # fmt: skip
            if inferred[name] != value:
                what = name.removeprefix("in_").removeprefix("num_").replace("_", " ")
                self.ctx.fail(
                    "E0301",
                    f"{layer.name} gets {show(inferred[name])} {what}, "
                    f"not the {show(value)} that are stated",
                    place,
                    f"its input here is {types[0]}",
                    help=f"leave {name} out: it is inferred",
                )

    def _check_required(
        self, layer: LayerValue, op: Operator, types: tuple[Any, ...], span: Span
    ) -> None:
        """Symbolic sizes that must not be above others: proved, or to be asserted."""
        for small, large in op.requires(*types):
            holds = self.ctx.facts.compare(small, "<=", large)
            if holds is None:
                self.ctx.fail(
                    "E0211",
                    f"{layer.name} needs {small} to be at most {large}, which is not known",
                    span,
                    help=f"state it before its use: assert {small} <= {large}",
                )
            if not holds:
                self.ctx.fail("E0303", f"{layer.name} needs {small} to be at most {large}", span)

    def _check_weights(
        self, layer: LayerValue, op: Operator, types: tuple[Any, ...], span: Span
    ) -> None:
        for name, weight in (*op.weights(*types).items(), *op.buffers(*types).items()):
            for size in weight.shape:
                if isinstance(size, SymbolicSize):
                    self.ctx.fail(
                        "E0310",
                        f"{layer.name} would need a {name} of size {size}, which is symbolic",
                        span,
                        f"its input here is {types[0]}" if types and types[0] else "",
                        help=_SYMBOLIC_WEIGHT_HELP,
                    )

    # --- modules --------------------------------------------------------------------------------
    def apply_module(
        self, module: ModuleValue, flow: Value, frame: Frame, naming: Naming, span: Span
    ) -> Value:
        """One more use of a module's weights."""
        return self.apply(module.layer, flow, frame, naming, span, module)

    def _remember(self, module: ModuleValue, use: FirstUse) -> None:
        """The first use decides the weights; later ones must ask for the same."""
        if module.first is None:
            module.first = use
            return
        first, now = _weight_shapes(module.first), _weight_shapes(use)
        if first != now:
            name = next(n for n in {**first, **now} if first.get(n) != now.get(n))
            self.ctx.fail(
                "E0407",
                f"module {module.name} would need other weights here",
                use.span,
                f"{name} is {_shape(now.get(name))} here",
                labels=(Label(module.first.span, f"and {_shape(first.get(name))} here"),),
                help="all uses of a module share one set of weights: give them inputs of one width",
            )

    # --- blocks ---------------------------------------------------------------------------------
    def _apply_definition(
        self,
        layer: LayerValue,
        target: Definition,
        flow: Value,
        frame: Frame,
        naming: Naming,
        span: Span,
        module: ModuleValue | None,
    ) -> Value:
        if not is_flow(flow):
            self.ctx.fail("E0206", f"{target.name} takes tensors, not {kind_of(flow)}", span)
        self._check_depth(target, span)
        inputs = self._block_inputs(layer, target, flow, span)
        if naming.label == "_":
            return self._written_out(layer, target, inputs, frame, span)
        built = self._build_block(layer, target, inputs, naming, span)
        return self.call_graph(built, list(inputs.values()), frame, naming, span, module)

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
        if isinstance(node, ast.Network):
            return {str(i): value for i, value in enumerate(self.flow_inputs(flow))}
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
        naming: Naming,
        span: Span,
    ) -> Built:
        params = {n: v for n, v in layer.given if n not in self._inputs(layer)}
        memo_key = (
            "block",
            id(target.node),
            id(target.env),
            tuple((name, key(value)) for name, value in params.items()),
            tuple((name, structure(value), self._types(value)) for name, value in inputs.items()),
            self.ctx.facts.version,
        )
        return self.memoised(
            memo_key, lambda: self._elaborate_block(layer, target, params, inputs, naming, span)
        )

    def _types(self, value: Value) -> tuple[TensorType, ...]:
        return tuple(self.normal(type) for type in types_of(value))

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
        naming: Naming,
        span: Span,
    ) -> Built:
        builder = Builder(self.ctx, "block", target.name, target.node.span)
        frame = Frame(builder, Env(target.env))
        with self.ctx.use(naming.label or naming.base.lower(), span):
            arguments = self.bind_params(layer, target, params, frame, span)
            given = {name: self.place(builder, name, value, span) for name, value in inputs.items()}
            value = self.run_definition(target, given, frame)
        return self.finish(builder, value, arguments)

    def place(self, builder: Builder, name: str, value: Value, span: Span) -> Value:
        """Placeholders for the tensors of an input."""
        tensors = list(flatten(value))
        names = [name] if len(tensors) == 1 else [f"{name}_{i}" for i in range(len(tensors))]
        made = tuple(
            builder.placeholder(n, self.normal(tensor.type), span)
            for n, tensor in zip(names, tensors, strict=True)
        )
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
        return tuple((p.name, frame.env.names[p.name].value) for p in target.node.params)

    def finish(
        self, builder: Builder, value: Value, arguments: tuple[tuple[str, Any], ...] = ()
    ) -> Built:
        """Seal a builder whose value is known."""
        if isinstance(value, Poison):
            return Built(None, None)
        refs = tuple(Output("", (builder.use(tensor),)) for tensor in flatten(value))
        graph = builder.seal(refs, arguments)
        elements = [entry for entry in builder.entries if entry.placed]
        single = (
            builder.kind == "chain"
            and len(elements) == 1
            and not elements[0].labelled
            and len(list(graph.nodes())) == len(graph.inputs) + 1
        )
        return Built(
            graph, structure(value), builder.kept_captures(graph), tuple(builder.ported), single
        )

    def call_graph(
        self,
        built: Built,
        inputs: list[Value],
        frame: Frame,
        naming: Naming,
        span: Span,
        module: ModuleValue | None = None,
    ) -> Value:
        """Add the node that calls a graph."""
        if built.graph is None or built.shape is None:
            raise Failed
        assert frame.builder is not None
        tensors = [*flatten(tuple(inputs)), *built.captured]
        outputs = tuple(built.graph.type_of(output.refs[0]) for output in built.graph.outputs)
        ref = None
        if module is not None:
            ref = frame.builder.module_ref(module)
            self._remember(module, FirstUse(built.graph, tuple(t.type for t in tensors), (), span))
        bound = tuple(frame.builder.module_ref(m) for m in built.ported)
        made = frame.builder.add(
            built.graph, tensors, outputs, span, naming, module=ref, bound_modules=bound
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
        inner = Frame(frame.builder, Env(target.env))
        with self.ctx.use("", span):
            self.bind_params(layer, target, params, inner, span)
            value = self.run_definition(target, inputs, inner)
        if isinstance(value, Poison):
            raise Failed
        return value


def _weight_shapes(use: FirstUse) -> dict[str, tuple[Any, ...]]:
    """The weights of an operator or graph, by path, with their shapes."""
    if isinstance(use.op, Operator):
        found = {name: tuple(w.shape) for name, w in operator_weights(use.op, use.inputs)}
        for argument, graph in use.layers:
            found |= {f"{argument}.{n}": s for n, s in _graph_weights(graph).items()}
        return found
    return _graph_weights(use.op)


def _graph_weights(graph: Graph) -> dict[str, tuple[Any, ...]]:
    return {name: tuple(weight.shape) for name, weight in weights_of(graph).items()}


def _in_words(message: str) -> str:
    """What pydantic says of a value, as a note beside it."""
    return message.replace("Input should", "it should").replace("Value error, ", "")


def _shape(shape: tuple[Any, ...] | None) -> str:
    return "missing" if shape is None else f"[{', '.join(str(size) for size in shape)}]"


_INFERRED = {
    "in_channels", "in_features", "in1_features", "in2_features", "num_features", "num_channels",
    "normalized_shape", "embed_dim", "kdim", "vdim", "input_size",
}  # fmt: skip
_OMITTED = {
    "batch_first": "sequences are always batch-first: leave it out",
    "inplace": "leave it out: emitted code is never in place where it matters",
    "device": "leave it out: emitted modules move with .to(device)",
    "dtype": "leave it out: the input's element type is declared with the input",
}
_SYMBOLIC_WEIGHT_HELP = (
    "put an AdaptiveAvgPool or a mean before it, or fix the size in the input's shape"
)
