"""Applying operators: their inputs, their attributes, the types of their outputs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NoReturn

from pydantic import ValidationError

from addnn_spec.diagnostics import Label
from addnn_spec.elaborate.arguments import Arguments
from addnn_spec.elaborate.base import Failed, Poison, Site, Value, is_partial
from addnn_spec.elaborate.builder import FirstUse, ModuleValue, Tensor
from addnn_spec.elaborate.capacity import warn_oversized_weight
from addnn_spec.elaborate.origin import Origin, size_origin
from addnn_spec.elaborate.torch_order import TorchOrder, by_position, torch_order
from addnn_spec.graph import OWN, Graph
from addnn_spec.ops import index
from addnn_spec.ops.applied import Applied
from addnn_spec.ops.base import Operator, OperatorError, TensorType
from addnn_spec.passes.weights import operator_weights, weights_of
from addnn_spec.sizes import Size, SizeError, SymbolicSize
from addnn_spec.source import Span
from addnn_spec.values import LayerValue, key, kind_of, show


class Operators(Arguments):
    """Applies operators to what flows in."""

    def flow_inputs(self, flow: Value) -> list[Value]:
        return list(flow) if isinstance(flow, tuple) else [flow]

    def apply_operator(
        self, layer: LayerValue, target: type[Operator], flow: Value, site: Site
    ) -> Value:
        builder, span = site.frame.builder, site.span
        assert builder is not None
        if isinstance(flow, Poison):
            self.check_arguments(layer, target, span)
        inputs = self.operator_inputs(layer, target, flow, span)
        types = self.ctx.types(inputs)
        op, outputs = self._operator(layer, target, inputs, types, span)
        self._warn_torch_order(layer, op, types)
        ref = None
        if site.module is not None:
            ref = builder.module_ref(site.module)
            self.remember(site.module, FirstUse(op, types, (), span))
        naming = site.naming
        if naming.label == OWN and not any(Applied(op, types).tensors()):
            naming = replace(naming, label=None)  # nothing to be named
        tensors = builder.add(op, inputs, outputs, span, naming, module=ref, written=layer.spans)
        return tensors[0] if len(tensors) == 1 and not target.lists_outputs else tensors

    def _with_facts(self, value: Any) -> Any:
        """An argument with the stated facts about its sizes put in."""
        if isinstance(value, SymbolicSize):
            return self.ctx.facts.normal(value)
        return tuple(map(self._with_facts, value)) if isinstance(value, tuple) else value

    def operator_inputs(
        self, layer: LayerValue, target: type[Operator], flow: Value, span: Span
    ) -> list[Tensor | None]:
        """The tensors for an operator's inputs: those given by name, then what flows in."""
        given = self._named_inputs(layer, target)
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

    def _named_inputs(self, layer: LayerValue, target: type[Operator]) -> dict[str, Value]:
        given = {name: value for name, value in layer.given if name in target.input_names}
        for name, value in given.items():
            if value is not None and not isinstance(value, Tensor | Poison):
                self.ctx.fail(
                    "E0206",
                    f"{name} of {layer.name} is a tensor, not {kind_of(value)}",
                    dict(layer.spans)[name],
                    help=_as_buffer(name, value),
                )
        return given

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
            required = [name for name in free if name not in optional]
            help = f"give them as ({', '.join(required)}) -> {layer.name}"
            help += f"; {' and '.join(optional)} may follow" if optional else ""
        tensors = "tensor" if wanted == "1" else "tensors"
        self.ctx.fail(
            "E0205", f"{layer.name} takes {wanted} {tensors}, and {flows}", span, help=help
        )

    def _operator(
        self,
        layer: LayerValue,
        target: type[Operator],
        inputs: list[Tensor | None],
        types: tuple[TensorType | None, ...],
        span: Span,
    ) -> tuple[Operator, tuple[TensorType, ...]]:
        """The operator with its attributes, and the types of its outputs; equal uses share it."""
        attributes = {
            name: self._with_facts(value)
            for name, value in layer.given
            if name not in target.input_names
        }
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
            self._check_weights(layer, Applied(found[0], types), inputs, span)
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
        op = self.construct(layer, target, fields, span, types)
        self._check_stacked(layer, op, span)
        try:
            result = op.infer(*types)
            outputs = result if isinstance(result, tuple) else (result,)
            applied = Applied(op, types)
            applied.check_needs()
            self._check_stated(layer, applied, stated, span)
            self._check_required(layer, applied, span)
        except OperatorError as error:
            torch = self._torch_order(layer, op, types) if error.argument else None
            self.operator_error(layer, error, types, span, help=torch.help if torch else None)
        except SizeError as error:
            self.inexact(error, span)
        return op, tuple(self.ctx.normal(type) for type in outputs)

    def _warn_torch_order(self, layer: LayerValue, op: Operator, types: tuple[Any, ...]) -> None:
        """Warn (W0111) of arguments that are less unusual in torch's order: `Conv2d(3, 64, 3)`."""
        if not op.unusual(*types):
            return
        torch = self._torch_order(layer, op, types)
        if torch is None:
            return
        first, second, *_ = by_position(layer, type(op))
        number = show(getattr(op, second))
        self.ctx.report(
            "W0111",
            f"{layer.name} reads as in torch, with {torch.inferred} before {first}",
            dict(layer.spans)[first],
            f"this is {first}, and {number} is {second}",
            help=f"{torch.help}; or, if this is meant, {second} = {number}",
        )

    def _torch_order(
        self, layer: LayerValue, op: Operator, types: tuple[Any, ...]
    ) -> TorchOrder | None:
        """An operator's arguments as torch orders them, where they are less unusual so."""
        places = dict(layer.spans)
        fields = {
            name: self.called(value, places[name])
            for name, value in layer.given
            if name in places and name in type(op).model_fields
        }
        torch = torch_order(layer, type(op), fields, types)
        try:
            return torch if torch and torch.op.unusual(*types) < op.unusual(*types) else None
        except OperatorError:  # this order is not possible at all
            return torch

    def check_arguments(self, layer: LayerValue, target: type[Operator], span: Span) -> NoReturn:
        """Tell what is wrong with an operator's arguments, where its input is not known."""
        self._named_inputs(layer, target)
        fields = {name: value for name, value in layer.given if name in target.model_fields}
        self.construct(layer, target, fields, span)
        raise Failed

    def construct(
        self,
        layer: LayerValue,
        target: type[Operator],
        fields: dict[str, Any],
        span: Span,
        types: tuple[Any, ...] = (),
    ) -> Operator:
        """The operator, its attributes checked by its own types; of its inputs, if known, `types`.

        Where the layer is partial, only what is wrong with single attributes is told.
        """
        partial, places = is_partial(layer), dict(layer.spans)
        fields = {
            name: self.called(value, places.get(name, span))
            for name, value in fields.items()
            if not isinstance(value, Poison)
        }
        for name, value in fields.items():
            if isinstance(value, Tensor):
                self.ctx.fail(
                    "E0206",
                    f"{name} of {layer.name} is a value, and this is a tensor",
                    places.get(name, span),
                )
        try:
            return target(**fields)
        except ValidationError as error:
            torch = torch_order(layer, target, fields, types)
            self._attribute_errors(
                layer, error, fields, span, partial, torch.help if torch else None
            )
        except OperatorError as error:
            if partial:
                raise Failed from None
            self.operator_error(layer, error, (), span)

    def _attribute_errors(
        self,
        layer: LayerValue,
        error: ValidationError,
        fields: dict[str, Any],
        span: Span,
        partial: bool,
        help: str | None,
    ) -> NoReturn:
        spans = dict(layer.spans)
        found: dict[str, list[Any]] = {}
        for detail in error.errors(include_url=False, include_context=True):
            found.setdefault(str(detail["loc"][0]) if detail["loc"] else "", []).append(detail)
        for name, details in found.items():
            if partial and name not in fields:
                continue
            detail = _nearest(details, fields.get(name))
            place = spans.get(name, span)
            if name not in fields and detail["type"] == "missing":
                self.ctx.report("E0202", f"{layer.name} needs {name}", span, help=self._form(layer))
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
                    _in_words(detail), help=help or _torch_habit(name, fields, place),
                )  # fmt: skip
        raise Failed

    def operator_error(
        self,
        layer: LayerValue,
        error: OperatorError,
        types: tuple[Any, ...],
        span: Span,
        help: str | None = None,
    ) -> NoReturn:
        """Report what an operator found wrong, at the argument or input that it is about."""
        place = dict(layer.spans).get(error.argument or "", span)
        message, note = error.message, error.note
        given = [type for type in types if type is not None]
        if note.startswith("this is ") and note.removeprefix("this is ") in message:
            note = ""
        elif note.startswith("this is "):
            which = "input" if len(given) == 1 else self._input_name(layer, error.input or 0)
            note = f"its {which} here is {note.removeprefix('this is ')}"
        elif not note and given:
            note = "its input here is " if len(given) == 1 else "its inputs here: "
            note += ", ".join(str(type) for type in given)
        assert isinstance(layer.target, type)
        sign = layer.target.sign
        if sign and layer.name not in span.source.text[span.start : span.end]:
            message = message.replace(layer.name, sign, 1)
        help = help or error.help or _other_rank(layer.name, error, given)
        help = help or _channels_first(layer, error, given)
        inside = place.source is span.source and span.start <= place.start < span.end
        labels = () if inside else (Label(span, "used here"),)
        self.ctx.fail(error.code, message, place, note, labels=labels, help=help)

    @staticmethod
    def _input_name(layer: LayerValue, number: int) -> str:
        assert isinstance(layer.target, type)
        return f"input {number + 1}" if layer.target.variadic else layer.target.input_names[number]

    @staticmethod
    def _form(layer: LayerValue) -> str:
        """How an operator is called: the arguments that it needs."""
        assert isinstance(layer.target, type)
        fields = layer.target.model_fields
        needed = [name for name in layer.target.positional_fields() if fields[name].is_required()]
        return f"it is written {layer.name}({', '.join([*needed, '…'])})"

    def _check_stated(
        self,
        layer: LayerValue,
        applied: Applied,
        stated: dict[str, Any],
        span: Span,
    ) -> None:
        """Sizes that we infer may be stated; they are checked then."""
        inferred = applied.inferred() if stated else {}
        spans = dict(layer.spans)
        for name, value in stated.items():
            place = spans.get(name, span)
            if inferred[name] != value:
                size, what = show(inferred[name]), name.removeprefix("in_").removeprefix("num_")
                self.ctx.fail(
                    "E0301",
                    f"{layer.name} gets {size} {what}, not the {show(value)} that are stated"
                    if what in ("features", "channels")
                    else f"{layer.name} has {name} = {size} here, not the {show(value)} stated",
                    place,
                    f"its input here is {applied.types[0]}",
                    help=f"leave {name} out: it is inferred",
                )

    def _check_required(self, layer: LayerValue, applied: Applied, span: Span) -> None:
        """Symbolic sizes that must not be above others: proved, or to be asserted."""
        for small, large in applied.requires():
            holds = self._is_at_most(small, large, applied.types)
            if holds is None:
                self.ctx.fail(
                    "E0211",
                    f"{layer.name} needs {small} to be at most {large}, which is not known",
                    span,
                    help=f"state it before its use: assert {small} <= {large}",
                )
            if not holds:
                self.ctx.fail("E0303", f"{layer.name} needs {small} to be at most {large}", span)

    def _is_at_most(self, small: Size, large: Size, types: tuple[Any, ...]) -> bool | None:
        """Whether `small <= large`, where the tensors that flow in are none without elements."""
        holds = self.ctx.facts.compare(small, "<=", large)
        if holds is None:
            sizes = [size for type in types if type is not None for size in type.shape]
            holds = self.ctx.facts.where_positive(sizes).compare(small, "<=", large)
        return holds

    def _check_stacked(self, layer: LayerValue, op: Operator, span: Span) -> None:
        """Refuse more layers in one operator than there may be nodes, before weights are listed."""
        if op.stacked > self.ctx.limits.nodes:
            self.ctx.fail(
                "E0503",
                f"{layer.name} would have {op.stacked:,} layers: each is a node, and "
                f"{self.ctx.limits.nodes:,} distinct ones are allowed",
                dict(layer.spans).get(op.stacks or "", span),
                help="give fewer layers, or raise the limit with --limit-nodes",
            )

    def _check_weights(
        self,
        layer: LayerValue,
        applied: Applied,
        inputs: list[Tensor | None],
        span: Span,
    ) -> None:
        """No size of a weight may be symbolic; else what made it so is shown."""
        for name, weight, _ in applied.tensors():
            warn_oversized_weight(f"the {name} of {layer.name}", *weight, self.ctx, span)
            for size in weight.shape:
                if isinstance(size, SymbolicSize):
                    self._symbolic_weight(layer, f"a {name} of size", size, applied, inputs, span)
        for name, size in applied.symbolic().items():
            if not applied.is_function(labelled=False):
                self._symbolic_weight(layer, f"{name} =", size, applied, inputs, span)

    def _symbolic_weight(
        self,
        layer: LayerValue,
        what: str,
        size: SymbolicSize,
        applied: Applied,
        inputs: list[Tensor | None],
        span: Span,
    ) -> NoReturn:
        flowing = zip(inputs, applied.types, strict=True)
        tensor = next((t for t, type in flowing if t and type and size in type.shape), None)
        origin = None if tensor is None else size_origin(tensor, size)
        self.ctx.fail(
            "E0310",
            f"{layer.name} would need {what} {size}, which is symbolic",
            span,
            f"its input here is {applied.types[0]}" if applied.types and applied.types[0] else "",
            labels=() if origin is None else (Label(origin.span, _said(origin, size)),),
            help=_fixed_sizes(layer, applied, origin),
        )

    def remember(self, module: ModuleValue, use: FirstUse) -> None:
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


def _weight_shapes(use: FirstUse) -> dict[str, tuple[Any, ...]]:
    """The weights of an operator or graph, by path, with their shapes."""
    if isinstance(use.op, Operator):
        found = {name: tuple(w.shape) for name, w in operator_weights(use.applied)}
        for argument, graph in use.layers:
            found |= {f"{argument}.{n}": s for n, s in _graph_weights(graph).items()}
        return found
    return _graph_weights(use.op)


def _graph_weights(graph: Graph) -> dict[str, tuple[Any, ...]]:
    return {name: tuple(weight.shape) for name, weight in weights_of(graph).items()}


def _said(origin: Origin, size: SymbolicSize) -> str:
    return f"{size} is declared here" if origin.declared else f"{origin.name} makes it {size} here"


def _fixed_sizes(layer: LayerValue, applied: Applied, origin: Origin | None) -> str:
    """How a layer whose weights depend on a symbolic size gets one that does not."""
    image = applied.types[0] if applied.types else None
    if layer.name in ("LayerNorm", "RMSNorm") and image is not None and image.rank == 4:
        if isinstance(image.shape[1], int):
            return (
                f"{layer.name} is over the last dimension; over the channels: Permute(0, 2, 3, 1) "
                f"-> {layer.name} -> Permute(0, 3, 1, 2)"
            )
    if origin is None or origin.declared:
        return f"give the input fixed sizes, or put a mean over that dimension before {layer.name}"
    dims = origin.inputs[0].rank - 2
    pool = f"AdaptiveAvgPool{dims}d(1)" if dims in (1, 2, 3) else "a mean or an adaptive pool"
    return f"give the input fixed sizes, or put {pool} before {origin.name}"


def _other_rank(name: str, error: OperatorError, given: list[TensorType]) -> str | None:
    """`Conv1d` for `Conv2d`, where a tensor of another rank arrives."""
    if error.code != "E0302" or not name.endswith(("1d", "2d", "3d")) or len(given) != 1:
        return None
    other = f"{name[:-2]}{given[0].rank - 2}d"
    return f"for {given[0]} there is {other}" if other in index() else None


def _channels_first(layer: LayerValue, error: OperatorError, given: list[TensorType]) -> str | None:
    """`Conv2d(3, 64, 3)`, as in torch, where 64 is too large a kernel."""
    written, stride = dict(layer.given), dict(layer.spans).get("stride")
    width = written.get("out_channels")
    if error.argument != "kernel_size" or stride is None or "=" in stride.text:
        return None
    if width is None or not given or width == given[0].shape[1]:
        return None
    return f"if {width} is what the input has, leave it out: its channels are inferred"


def _torch_habit(name: str, fields: dict[str, Any], place: Span) -> str | None:
    """`Linear(8, 16)`, `BatchNorm2d(64)`, as in torch: an input's size, read as another thing."""
    value = fields.get(name)
    if isinstance(value, float) and "/" in place.text.replace("//", ""):
        return "// divides whole numbers, rounding down"
    if place.text.startswith(name):
        return None
    if name == "eps" and isinstance(value, int):
        return "the size of the input is inferred: leave it out"
    if name != "bias" or not isinstance(value, int):
        return None
    return f"the size of the input is inferred, and not given: write {value} alone"


def _nearest(details: list[Any], value: Any) -> Any:
    """What pydantic finds wrong by the type that fits a value best, of those it could have."""
    for detail in details:
        if isinstance(value, str) and detail["type"] == "literal_error":
            return detail
        if isinstance(value, tuple) and len(detail["loc"]) > 2:
            return detail
    return details[0]


_WORDS = {
    "Input should": "it should",
    "Value error, ": "",
    "a valid integer": "a whole number",
    "a valid number": "a number",
    "a valid boolean": "true or false",
    "a valid string": "a string",
    "a valid tuple": "a list",
}


def _in_words(detail: Any) -> str:
    """What pydantic says of a value, as a note beside it."""
    *_, last = detail["loc"] or ("",)
    if detail["type"] == "missing":
        return f"it has only {last} number{'s' if last != 1 else ''}"
    message = str(detail["msg"])
    if detail["type"] == "literal_error":
        message = message.replace("'", '"')
    for theirs, ours in _WORDS.items():
        message = message.replace(theirs, ours)
    if isinstance(last, int) and message.startswith("it "):
        return f"item {last} {message.removeprefix('it ')}"
    return message


def _as_buffer(name: str, value: Value) -> str | None:
    """How a list of numbers becomes the tensor that it was meant for."""
    if not isinstance(value, tuple) or not all(isinstance(v, int | float) for v in value):
        return None
    numbers = show(value) if len(value) <= _SHOWN else "[…]"
    whole = f" (or int[{len(value)}])" if all(isinstance(v, int) for v in value) else ""
    return f"a fixed tensor is declared: buffer {name}: float[{len(value)}]{whole} = {numbers}"


_SHOWN = 8
"""Numbers of a list that a message repeats."""


def _shape(shape: tuple[Any, ...] | None) -> str:
    return "missing" if shape is None else f"[{', '.join(str(size) for size in shape)}]"
