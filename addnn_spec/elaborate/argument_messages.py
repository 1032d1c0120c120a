"""What is wrong with what a layer is given, in the words of its user."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NoReturn

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from addnn_spec.diagnostics import Label, Refusal, near
from addnn_spec.elaborate.builder import Tensor
from addnn_spec.elaborate.context import Context, Failed
from addnn_spec.elaborate.frame import Value, input_names, positional_names
from addnn_spec.elaborate.origin import Origin, size_origin
from addnn_spec.ops import index
from addnn_spec.ops.applied import Applied
from addnn_spec.ops.base import Operator, TensorType
from addnn_spec.sizes import Size, SymbolicSize
from addnn_spec.source import Span
from addnn_spec.syntax import ast
from addnn_spec.values import LayerValue, show

_OMITTED = {
    "batch_first": "sequences are always batch-first: leave it out",
    "activation": "an activation is a layer of its own: … -> ReLU",
    "inplace": "leave it out: emitted code is never in place where it matters",
    "device": "leave it out: emitted modules move with .to(device)",
    "dtype": "leave it out: the input's element type is declared with the input",
}


_ELSEWHERE = {
    "filters": "out_channels", "units": "out_features", "rate": "p", "alpha": "negative_slope",
    "axis": "dim", "epsilon": "eps", "size": "kernel_size", "use_bias": "bias",
}  # fmt: skip
"""What other libraries call torch's arguments."""


_SHORT = 40
"""Characters of a value that a help repeats."""


def _akin(name: str, known: list[str]) -> list[str]:
    """Return the arguments that begin with a name, or that another library calls by it."""
    begins = [other for other in known if len(name) > 2 and other.startswith(name)]
    return begins or [other for other in known if _ELSEWHERE.get(name) == other]


def begins_with(layer: LayerValue) -> str | None:
    """Return what the arguments of an operator begin with, where torch's begin with inferred
    sizes."""
    if not isinstance(layer.target, type) or not layer.target.inferred_names:
        return None
    inferred, first = layer.target.inferred_names, layer.target.positional_fields()[0]
    are = "is" if len(inferred) == 1 else "are"
    return f"{' and '.join(inferred)} {are} inferred: arguments by position begin with {first}"


def refuse_tensor(
    ctx: Context, layer: LayerValue, target: type[Operator], arg: ast.Argument, value: Value
) -> NoReturn:
    """Refuse a tensor as an argument, `Linear(x, 10)`, as functions of torch are called."""
    listed = isinstance(value, tuple)
    flow = arg.span.text if len(arg.span.text) < _SHORT else "…"
    flow = f"(…, {flow})" if target.variadic and not listed else flow
    ctx.fail(
        "E0206",
        f"{layer.name} is given {'tensors' if listed else 'a tensor'} as an argument",
        arg.span,
        help=f"data flows in with an arrow: {flow} -> {layer.name}"
        + ("" if target.variadic else "(…)"),
    )


def refuse_too_many(ctx: Context, layer: LayerValue, arg: ast.Argument) -> NoReturn:
    names = positional_names(layer)
    takes = f"takes {', '.join(names)}" if names else "takes no arguments"
    ctx.fail(
        "E0203",
        f"{layer.name or 'a brace'} gets too many arguments",
        arg.span,
        f"it {takes}",
        help=begins_with(layer),
    )


def check_name(ctx: Context, layer: LayerValue, name: str, arg: ast.Argument) -> None:
    known = [*positional_names(layer), *input_names(layer)]
    inferred: tuple[str, ...] = ()
    if isinstance(layer.target, type):
        known += layer.target.keyword_only
        inferred = layer.target.inferred_names
    if name in known or name in inferred:
        return
    close = near(name, [*known, *inferred]) or _akin(name, known)
    renamed = _OMITTED.get(name)
    ctx.fail(
        "E0203",
        f"{layer.name or 'a brace'} has no argument {name}",
        arg.span,
        help=renamed
        or (f"did you mean {close[0]}?" if close else None)
        or (f"it takes {', '.join(known)}" if known else "it takes none"),
    )


def refuse_inputs(
    ctx: Context, layer: LayerValue, target: type[Operator], count: int, free: list[str], span: Span
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
    ctx.fail("E0205", f"{layer.name} takes {wanted} {tensors}, and {flows}", span, help=help)


def refuse_attributes(
    ctx: Context,
    layer: LayerValue,
    error: ValidationError,
    fields: Mapping[str, Value],
    span: Span,
    partial: bool,
    help: str | None,
) -> NoReturn:
    spans = dict(layer.spans)
    found: dict[str, list[ErrorDetails]] = {}
    for detail in error.errors(include_url=False, include_context=True):
        found.setdefault(str(detail["loc"][0]) if detail["loc"] else "", []).append(detail)
    for name, details in found.items():
        if partial and name not in fields:
            continue
        detail = _nearest(details, fields.get(name))
        item, value = _item(detail, fields.get(name))
        own = spans.get(f"{name}.{item}")
        place = own or spans.get(name, span)
        # pydantic reports all attributes together: the user gets one error for each, in its place.
        if name not in fields and detail["type"] == "missing":
            ctx.report("E0202", f"{layer.name} needs {name}", span, help=_form(layer))
        elif isinstance(fields.get(name), SymbolicSize):
            ctx.report(
                "E0308",
                f"{name} of {layer.name} must be known at compile time, "
                f"and {fields[name]} is symbolic",
                place,
            )
        else:
            ctx.report(
                "E0201", f"{name} of {layer.name} cannot be {show(fields.get(name))}", place,
                _in_words(detail, None if own else item),
                help=help or _torch_habit(name, value, place),
            )  # fmt: skip
    raise Failed


def refuse_operator(
    ctx: Context,
    layer: LayerValue,
    error: Refusal,
    types: tuple[TensorType | None, ...],
    span: Span,
    *,
    labels: tuple[Label, ...] = (),
    help: str | None = None,
) -> NoReturn:
    """Report what an operator found wrong, at the argument or input that it is about."""
    about = error.about if isinstance(error.about, str) else ""
    place = dict(layer.spans).get(about, span)
    message, note = error.message, error.note
    given = [type for type in types if type is not None]
    if note.startswith("this is ") and note.removeprefix("this is ") in message:
        note = ""
    elif note.startswith("this is "):
        which = "input" if len(given) == 1 else _input_name(layer, error.input)
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
    labels += () if inside else (Label(span, "used here"),)
    ctx.fail(error.code, message, place, note, labels=labels, help=help)


def maker(tensor: Tensor, size: Size) -> tuple[Label, ...]:
    """Return the operator that made a size of a tensor; none where that is declared."""
    origin = size_origin(tensor, size)
    if origin is None or origin.declared:
        return ()
    return (Label(origin.span, f"{origin.name} makes it {size} of {origin.inputs[0]}"),)


def _input_name(layer: LayerValue, number: int) -> str:
    assert isinstance(layer.target, type)
    return f"input {number + 1}" if layer.target.variadic else layer.target.input_names[number]


def _form(layer: LayerValue) -> str:
    """Return how an operator is called, with the arguments that it needs."""
    assert isinstance(layer.target, type)
    fields = layer.target.model_fields
    needed = [name for name in layer.target.positional_fields() if fields[name].is_required()]
    return f"it is written {layer.name}({', '.join([*needed, '…'])})"


def _other_rank(name: str, error: Refusal, given: list[TensorType]) -> str | None:
    """Suggest `Conv1d` for `Conv2d`, where a tensor of another rank arrives."""
    if error.code != "E0302" or not name.endswith(("1d", "2d", "3d")) or len(given) != 1:
        return None
    other = f"{name[:-2]}{given[0].rank - 2}d"
    return f"for {given[0]} there is {other}" if other in index() else None


def _channels_first(layer: LayerValue, error: Refusal, given: list[TensorType]) -> str | None:
    """Explain `Conv2d(3, 64, 3)`, as in torch, where 64 is too large a kernel."""
    written, stride = dict(layer.given), dict(layer.spans).get("stride")
    width = written.get("out_channels")
    if error.about != "kernel_size" or stride is None or "=" in stride.text:
        return None
    if width is None or not given or width == given[0].shape[1]:
        return None
    return f"if {width} is what the input has, leave it out: its channels are inferred"


def _torch_habit(name: str, value: Value, place: Span) -> str | None:
    """Explain `Linear(8, 16)`, as in torch, where the input's size is read as another argument."""
    if isinstance(value, float) and "/" in place.text.replace("//", ""):
        return "// divides whole numbers, rounding down"
    if place.text.startswith(name):
        return None
    if name == "eps" and isinstance(value, int):
        return "the size of the input is inferred: leave it out"
    if name != "bias" or not isinstance(value, int):
        return None
    return f"the size of the input is inferred, and not given: write {value} alone"


def _nearest(details: list[ErrorDetails], value: Value) -> ErrorDetails:
    """Return what pydantic finds wrong by that type of a union which fits the value best."""
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


def _item(detail: ErrorDetails, value: Value) -> tuple[int | None, Value]:
    """Return which item of a list is wrong, and that item; the value itself if it is no list."""
    for part in detail["loc"][1:]:
        if isinstance(part, int) and isinstance(value, tuple) and part < len(value):
            return part, value[part]
    return None, value


def _in_words(detail: ErrorDetails, item: int | None) -> str:
    """Return what pydantic says of a value, or of an item of a list, as a note beside it."""
    *_, last = detail["loc"] or ("",)
    if detail["type"] == "missing":
        return f"it has only {last} number{'s' if last != 1 else ''}"
    message = str(detail["msg"])
    if detail["type"] == "literal_error":
        message = message.replace("'", '"')
    for theirs, ours in _WORDS.items():
        message = message.replace(theirs, ours)
    if item is not None and message.startswith("it "):
        return f"item {item} {message.removeprefix('it ')}"
    return message


def as_buffer(name: str, value: Value) -> str | None:
    """Suggest the buffer that makes a tensor of a list of numbers."""
    if not isinstance(value, tuple) or not all(isinstance(v, int | float) for v in value):
        return None
    numbers = show(value) if len(value) <= _SHOWN else "[…]"
    whole = f" (or int[{len(value)}])" if all(isinstance(v, int) for v in value) else ""
    return f"a fixed tensor is declared: buffer {name}: float[{len(value)}]{whole} = {numbers}"


_SHOWN = 8
"""Numbers of a list that a message repeats."""


def refuse_symbolic_weight(
    ctx: Context,
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
    ctx.fail(
        "E0310",
        f"{layer.name} would need {what} {size}, which is symbolic",
        span,
        f"its input here is {applied.types[0]}" if applied.types and applied.types[0] else "",
        labels=() if origin is None else (Label(origin.span, _said(origin, size)),),
        help=_fixed_sizes(layer, applied, origin),
    )


def _said(origin: Origin, size: SymbolicSize) -> str:
    return f"{size} is declared here" if origin.declared else f"{origin.name} makes it {size} here"


def _fixed_sizes(layer: LayerValue, applied: Applied, origin: Origin | None) -> str:
    """Suggest what to change where a layer's weights depend on a symbolic size."""
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
