"""Networks of one operator, in which one whole number of it, or one size of its input, is huge."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from types import UnionType
from typing import Annotated, Any, NamedTuple, Union, get_args, get_origin

from addnn_spec.ops import find, index
from addnn_spec.ops.base import HigherOperator, Operator, TensorType
from addnn_spec.values import show

AMOUNTS = (10**3, 9_999, 10**5, 10**6, 3 * 10**6, 2**31, 10**12, 10**17)
_NOT_CALLED = {"GetItem"}
"""Written as a sign."""


class Huge(NamedTuple):
    """What is huge, and a network for each amount."""

    place: str
    networks: tuple[str, ...]


def file_of(networks: Iterable[str]) -> str:
    """Networks as one file."""
    return "".join(
        text.replace("network Net", f"network Net{number}", 1)
        for number, text in enumerate(networks)
    )


def huge(operator: type[Operator]) -> Iterator[Huge]:
    """Each whole number of an operator's attributes, and each size of its inputs, made huge."""
    seen: set[str] = set()
    for example in operator.examples():
        given = example.operator.given() | _required(example.operator)
        types = example.inputs
        for place, change in _attributes(operator, given):
            if place not in seen:
                seen.add(place)
                texts = tuple(_text(operator, change(n), types) for n in AMOUNTS)
                yield Huge(f"{operator.__name__}: {place}", texts)
        for number, type in enumerate(types):
            for dim in range(0 if type is None else type.rank):
                place = f"input {number}, dimension {dim}"
                if place not in seen:
                    seen.add(place)
                    sized = [_sized(types, number, dim, n) for n in AMOUNTS]
                    texts = tuple(_text(operator, given, changed) for changed in sized)
                    yield Huge(f"{operator.__name__}: {place}", texts)


def _required(operator: Operator) -> dict[str, Any]:
    return {
        name: getattr(operator, name)
        for name, info in type(operator).model_fields.items()
        if info.is_required()
    }


def _attributes(operator: type[Operator], given: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Each attribute that takes a whole number, or a list of them, and how it is given one."""
    for name, info in operator.model_fields.items():
        kinds = set(_kinds(info.annotation))
        value = given.get(name)
        if int in kinds:
            yield name, lambda n, name=name: given | {name: n}
        if isinstance(value, tuple) and all(isinstance(part, int) for part in value):
            for place in range(len(value)):
                yield (
                    f"{name}[{place}]",
                    lambda n, name=name, value=value, place=place: (
                        given | {name: (*value[:place], n, *value[place + 1 :])}
                    ),
                )


def _kinds(annotation: Any) -> Iterator[Any]:
    origin = get_origin(annotation)
    if origin is Annotated:
        yield from _kinds(get_args(annotation)[0])
    elif origin in (Union, UnionType):
        for part in get_args(annotation):
            yield from _kinds(part)
    else:
        yield annotation


def _sized(
    types: tuple[TensorType | None, ...], number: int, dim: int, size: int
) -> tuple[TensorType | None, ...]:
    """The inputs, one size of one of them made huge; the same size elsewhere is made so, too."""
    type = types[number]
    assert type is not None
    shape = (*type.shape[:dim], size, *type.shape[dim + 1 :])
    return (*types[:number], type.with_shape(*shape), *types[number + 1 :])


def _text(
    operator: type[Operator], given: dict[str, Any], types: tuple[TensorType | None, ...]
) -> str:
    inputs, flow, named = [], [], []
    for number, type in enumerate(types):
        if type is None:
            continue
        tensor = f"t{number}"
        sizes = ", ".join(str(size) for size in type.shape)
        inputs.append(f"  input {tensor}: {type.dtype}[{sizes}]")
        name = "" if operator.variadic else operator.input_names[number]
        if name in operator.named_inputs or None in types[:number]:
            named.append(f"{name} = {tensor}")
        else:
            flow.append(tensor)
    attributes = [f"{name} = {show(value)}" for name, value in given.items()]
    value = f"{operator.__name__}({', '.join(attributes + named)})"
    if flow:
        one = len(flow) == 1 and not operator.variadic
        value = f"{flow[0] if one else '({})'.format(', '.join(flow))} -> {value}"
    lines = "\n".join(inputs)
    return f"network Net {{\n{lines}\n  y = {value}\n  output z = y\n}}\n"


def families() -> dict[str, list[type[Operator]]]:
    """The operators by family, but those that take a layer or are written as a sign."""
    found: dict[str, list[type[Operator]]] = {}
    for name, module in sorted(index().items()):
        operator = find(name)
        assert operator is not None
        if name not in _NOT_CALLED and not issubclass(operator, HigherOperator):
            found.setdefault(module.rpartition(".")[2], []).append(operator)
    return found


_STATEMENTS = {
    "steps of a Scan": (
        "block C()(s = Zeros([1, 2])) {{ return s, s }}\n",
        "output z = (Scan(C, steps = {n}))[0]",
    ),
    "a parameter": ("", "parameter p: [{n}] = 0\noutput z = p"),
    "a buffer": ("", "buffer p: int[{n}] = 0\noutput z = p"),
    "a default size": ("", "input a: float[H = {n}]\noutput z = a -> ReLU"),
    "a slice's end": ("", "input a: float[H, 3]\nassert H >= {n}\noutput z = a[:{n}]"),
    "a slice's step": ("", "input a: float[{n}, 3]\noutput z = a[::{n}]"),
    "a repeat": ("", "input a: float[1, 3]\noutput z = a -> r: repeat {n} {{ Linear(3) }}"),
    "a repeat without a label": ("", "input a: float[3, 3]\noutput z = a -> repeat {n} {{ ReLU }}"),
    "a range": ("", "let l = [i for i in 0..{n}]\noutput z = Zeros([len(l)])"),
    "range": ("", "let l = range({n})\noutput z = Zeros([len(l)])"),
    "linspace": ("", "let l = linspace(0, 1, {n})\noutput z = Zeros([len(l)])"),
    "a list": ("", "let l = [1] * {n}\noutput z = Zeros([len(l)])"),
    "a list of tensors": ("", "input a: float[1, 3]\noutput z = [a] * {n}"),
    "sum": ("", "input a: float[1, 3]\noutput z = sum([a] * {n})"),
    "a power": ("", "let n = 2 ** {n}\noutput z = Zeros([n % 2 + 1])"),
    "rounding": ("", "let n = round(0.5, {n})\noutput z = Zeros([int(n) + 1])"),
    "an index": ("", "let l = [1, 2][{n}]\noutput z = Zeros([l])"),
    "enumerate": ("", "let l = [i for i, _ in enumerate([1, 2], {n})]\noutput z = Zeros([l[0]])"),
}


def huge_statements() -> Iterator[Huge]:
    """Each whole number of the language itself, made huge."""
    for place, (before, body) in _STATEMENTS.items():
        texts = tuple(f"{before.format()}network Net {{\n{body.format(n=n)}\n}}\n" for n in AMOUNTS)
        yield Huge(place, texts)
