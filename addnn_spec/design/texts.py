"""How values, operators and chains of elements are written in the language."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import groupby
from typing import Any

from addnn_spec.diagnostics import Refusal
from addnn_spec.graph import run_name
from addnn_spec.ops.base import Operator
from addnn_spec.ops.indexing import IndexSlice
from addnn_spec.ops.init import Init
from addnn_spec.sizes import SymbolicSize, source
from addnn_spec.values import show

RESERVED = frozenset(
    """
    and as assert block buffer else false fn for from if import in input let module network none not
    or output parameter repeat return then true when x
    """.split()  # noqa: SIM905
)
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def base_name(name: str) -> str:
    last = name.rpartition(".")[2]
    head, first = run_name(last)
    return head.rstrip("_") or last if first > 1 and head.endswith("_") else last


def label_text(name: str) -> str:
    return name if _IDENTIFIER.fullmatch(name) and name not in RESERVED else f'"{name}"'


def operator_text(op: Operator, named: list[str]) -> str:
    """Return an operator with its attributes, as an element of a chain."""
    args: list[str] = []
    positional = [] if op.collect else [n for n in op.positional_fields() if n not in op.layers]
    place = 0
    for name in positional:
        if not type(op).model_fields[name].is_required():
            break
        args.append(value_text(getattr(op, name)))
        place += 1
    for name, value in op.given().items():
        if name not in positional[:place] and name not in op.layers:
            args.append(f"{name} = {value_text(value)}")
    args += named
    kind = type(op).__name__
    return f"{kind}({', '.join(args)})" if args else kind


def value_text(value: Any) -> str:
    """Return a value as the language writes it."""
    if isinstance(value, SymbolicSize):
        return source(value)
    if isinstance(value, tuple | list):
        return "[" + ", ".join(value_text(item) for item in value) + "]"
    if isinstance(value, str):
        return '"' + value.replace("{", "{{").replace("}", "}}") + '"'
    if isinstance(value, Init):
        args = ", ".join(f"{name} = {value_text(item)}" for name, item in value.args)
        return f"{value.name}({args})" if args else value.name
    if value is None or isinstance(value, bool | int | float):
        return show(value)
    raise Refusal("E0620", f"{show(value)} cannot be written as a value")


def as_elements(elements: list[tuple[str, str]]) -> str:
    """Return a chain's elements, each with the label that its place gives it anyway, in braces;
    equal ones in a row as a `repeat`."""
    cores = {core for _, core in elements}
    if len(elements) > 1 and len(cores) == 1 and all(label for label, _ in elements):
        core = elements[0][1]
        chain = core.startswith("{ ") or core == "{}"
        return f"repeat {len(elements)} {core if chain else '{ ' + core + ' }'}"
    return "{ " + " -> ".join(_runs(elements)) + " }"


def _runs(elements: list[tuple[str, str]]) -> Iterator[str]:
    for core, run in groupby(elements, lambda element: element[1]):
        rows = list(run)
        if core.startswith(("{ ", "{}", "repeat ")):  # without its label it would be written out
            yield from (f"{label}: {core}" for label, _ in rows)
        elif len(rows) > 1 and all(label for label, _ in rows):
            yield f"repeat {len(rows)} {{ {core} }}"
        else:
            yield from (core for _ in rows)


def index_text(item: object) -> str:
    """Return one index of `x[…]`."""
    if not isinstance(item, IndexSlice):
        return value_text(item)
    start, stop = ("" if end is None else value_text(end) for end in (item.start, item.stop))
    step = "" if item.step == 1 else f":{value_text(item.step)}"
    return f"{start}:{stop}{step}"


__all__ = [
    "RESERVED",
    "as_elements",
    "base_name",
    "index_text",
    "label_text",
    "operator_text",
    "value_text",
]
