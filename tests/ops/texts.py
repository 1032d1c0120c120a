"""The registry's examples as a user writes them: one network of one operator, as `.net` text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from addnn_spec.ops import Operator, find, index
from addnn_spec.ops.base import Example, TensorType
from addnn_spec.ops.indexing import GetItem, IndexSlice
from addnn_spec.sizes import Size, SymbolicSize, defaults
from addnn_spec.sizes.symbolic import Symbol
from addnn_spec.values import show
from tests.ops.harness import outputs_of

NAME = "Net"
Types = tuple[TensorType | None, ...]


class Written(NamedTuple):
    """An example with inputs of some types, as the text of a network."""

    example: Example
    types: Types
    text: str


def fixed(example: Example) -> Iterator[tuple[Types, str]]:
    """The inputs as they are."""
    yield example.inputs, ""


def shared_symbols(example: Example) -> Iterator[tuple[Types, str]]:
    """Each size in turn as a symbol, wherever that number stands."""
    for size in _sizes(example):
        yield _replaced(example, dict.fromkeys(_places(example, size), "S")), ""


def asserted_symbols(example: Example) -> Iterator[tuple[Types, str]]:
    """Each size that stands in several places in turn as so many symbols, asserted to be equal."""
    for places in _repeated(example):
        names = {place: f"S{number}" for number, place in enumerate(places)}
        first, *others = names.values()
        yield _replaced(example, names), "  ".join(f"assert {first} == {s}" for s in others)


def one_symbol(example: Example) -> Iterator[tuple[Types, str]]:
    """The variants of `asserted_symbols`, all places with one symbol."""
    for places in _repeated(example):
        yield _replaced(example, dict.fromkeys(places, "S")), ""


def _repeated(example: Example) -> Iterator[list[tuple[int, int]]]:
    found = (_places(example, size) for size in _sizes(example))
    return (places for places in found if len(places) > 1)


def _sizes(example: Example) -> list[int]:
    return sorted({defaults(size) for x in example.inputs if x for size in x.shape})


def _places(example: Example, size: int) -> list[tuple[int, int]]:
    return [
        (number, dim)
        for number, x in enumerate(example.inputs)
        if x
        for dim, own in enumerate(x.shape)
        if own == size
    ]


def _replaced(example: Example, names: dict[tuple[int, int], str]) -> Types:
    def size_at(place: tuple[int, int], size: Size) -> Size:
        name = names.get(place)
        return size if name is None else SymbolicSize.of(Symbol(name, defaults(size)))

    return tuple(
        x and x.with_shape(*(size_at((i, dim), size) for dim, size in enumerate(x.shape)))
        for i, x in enumerate(example.inputs)
    )


def written(example: Example, types: Types, stated: str = "", label: str = "") -> Written:
    """The example as a network called `NAME`, with `stated` assertions after its inputs.

    With a `label`, the operator has it where it stands in a chain.
    """
    inputs = [f"input x{i}: {x.dtype}{_shape(x)}" for i, x in enumerate(types) if x]
    value = expression(example.operator, types, label)
    outputs = len(outputs_of(example.operator, example.inputs))
    if outputs == 1 or example.operator.lists_outputs:
        result = f"output y = {value}"
    else:
        names = [f"y{number}" for number in range(outputs)]
        result = f"{', '.join(names)} = {value}  " + "  ".join(f"output o{n} = {n}" for n in names)
    body = "\n  ".join([*inputs, *([stated] if stated else []), result])
    return Written(example, types, f"network {NAME} {{\n  {body}\n}}\n")


def _shape(x: TensorType) -> str:
    sizes = (f"{s} = {defaults(s)}" if isinstance(s, SymbolicSize) else str(s) for s in x.shape)
    return f"[{', '.join(sizes)}]"


def expression(operator: Operator, types: Types, label: str = "") -> str:
    """The operator applied to `x0`, `x1`, …: by its sign where it has one."""
    kind = type(operator)
    if isinstance(operator, GetItem):
        return f"x0[{', '.join(_item(item) for item in operator.index)}]"
    given = operator.given()
    if kind.sign and kind.__name__ != "Neg":
        operands = [f"x{i}" for i, x in enumerate(types) if x]
        if "left" in given:
            operands.insert(0, show(given["left"]))
        if "right" in given:
            operands.append(show(given["right"]))
        return f" {kind.sign} ".join(operands)
    besides = len(kind.input_names) - 1
    flows, named = [f"x{i}" for i in range(len(types) - besides)], []
    if kind.variadic:
        last = range(len(types) - besides, len(types))
        named = [f"{n} = x{i}" for n, i in zip(kind.input_names[1:], last, strict=True)]
    else:
        missing = [i for i, x in enumerate(types) if x is None]
        through = [
            i
            for i, name in enumerate(kind.input_names[: len(types)])
            if types[i] and name not in kind.named_inputs and not (missing and i > missing[0])
        ]
        flows = [f"x{i}" for i in through]
        named = [
            f"{kind.input_names[i]} = x{i}" for i, x in enumerate(types) if x and i not in through
        ]
    arguments = ", ".join([*(f"{name} = {show(value)}" for name, value in given.items()), *named])
    call = f"{kind.__name__}({arguments})" if arguments else kind.__name__
    if not flows:
        return call
    call = f"{label}: {call}" if label else call
    return f"{flows[0] if len(flows) == 1 and not kind.variadic else _listed(flows)} -> {call}"


def _listed(names: Sequence[str]) -> str:
    return f"({', '.join(names)}{',' if len(names) == 1 else ''})"


def _item(item: int | SymbolicSize | IndexSlice) -> str:
    if not isinstance(item, IndexSlice):
        return str(item)
    start = "" if item.start is None else item.start
    stop = "" if item.stop is None else item.stop
    return f"{start}:{stop}" + (f":{item.step}" if item.step != 1 else "")


def operators() -> Iterator[type[Operator]]:
    """The operators of the registry whose examples are run: those that take no layer."""
    for name in index():
        kind = find(name)
        assert kind is not None
        if not kind.layers:
            yield kind
