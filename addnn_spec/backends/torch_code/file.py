"""The emitted file: its head, imports, support definitions and classes."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from addnn_spec.backends.torch_code.class_draft import Emission
from addnn_spec.backends.torch_code.class_plan import ClassPlan, Planner
from addnn_spec.backends.torch_code.classes import ClassCode, resolve
from addnn_spec.backends.torch_code.code_text import WIDTH, CodeLine, flat, layout
from addnn_spec.backends.torch_code.origins import size_origins
from addnn_spec.backends.torch_code.paths import SCOPE
from addnn_spec.backends.torch_code.translation import FileFunction
from addnn_spec.backends.torch_code.tree import is_literal, walk
from addnn_spec.backends.torch_code.variants import Variants
from addnn_spec.backends.torch_code.vectors import annotation
from addnn_spec.backends.torch_code.writer import ClassWriter, comment
from addnn_spec.graph import Graph
from addnn_spec.ops.code import REQUIRED, Call, Support
from addnn_spec.source import Span

_PROBED = Support(
    "Probed",
    '''\
class Probed(nn.Module):
    """A module whose values pass `tap`, which a probe may replace."""

    def tap(self, name: str, value: Tapping) -> Tapping:
        return value
''',
)

_TAPPED = Support(
    "Tapped",
    '''\
class Tapped(Probed, nn.Sequential):
    """A Sequential that taps every child."""

    def forward(self, x: Tensor) -> Tensor:
        for name, module in self.named_children():
            x = self.tap(name, module(x))
        return x
''',
    (_PROBED,),
)


@dataclass(frozen=True, slots=True)
class FileHeader:
    """What the file's docstring says of its origin: names and figures, no path and no date."""

    spec: str = ""
    """The spec's file name."""
    hash: str = ""
    """The SHA-256 of the spec's text."""
    version: str = ""
    """The compiler's version."""
    options: tuple[str, ...] = ()
    """The options that shaped the file, as on the command line."""
    parameters: int | None = None
    macs: int | None = None
    """At batch 1 and the default sizes."""


@dataclass(frozen=True, slots=True)
class EmittedSource:
    """The emitted source, and the places of the spec behind its lines."""

    text: str
    network: str
    """The name of the network's class."""
    lines_of: Mapping[int, tuple[Span, ...]] = field(repr=False)
    """The places of the spec behind each line, counted from 1; a line of no place is left out."""
    unsaid: tuple[tuple[str, str], ...] = ()
    """Classes with their constructor parameters that the text does not give."""


def emit(
    graph: Graph,
    variants: Sequence[Graph] = (),
    *,
    probes: bool = False,
    header: FileHeader | None = None,
) -> EmittedSource:
    """Return the PyTorch source of a network. The same graph and options give the same bytes.

    `variants` are the network with other numbers for parameters that are left open: those that the
    classes can say are parameters of the network's class.

    Raises:
        Refusal: a weight's size, or a size that no tensor in scope has, would be needed.
    """
    try:
        emission, classes = _classes(graph, variants, probes)
    finally:
        size_origins.cache_clear()  # it holds the graphs
    body: list[CodeLine] = []
    for code in classes:
        body += [CodeLine(""), CodeLine(""), *ClassWriter(code, probes).lines()]
    for function in emission.functions.values():
        emission.need(_definition(function))
    support_lines = _support(body, emission)
    lines = [*_head(graph, header or FileHeader()), *support_lines, *body]
    lines = _with_imports(lines)
    text = "\n".join(line.text for line in lines) + "\n"
    return EmittedSource(
        text,
        classes[-1].name,
        {number: line.spans for number, line in enumerate(lines, 1) if line.spans},
        tuple((code.name, name) for code in classes for name in code.unsaid),
    )


def _classes(
    graph: Graph, variants: Sequence[Graph], probes: bool
) -> tuple[Emission, Sequence[ClassCode]]:
    """Return the classes of a network, with those of its variants that they can say."""
    while True:
        # That a class cannot express a variant is found only when it is resolved. By then the
        # variant has left its traces in other classes: all begins anew without it.
        emission = Emission(probes, graph.facts)
        emission.need(SCOPE, _PROBED, _TAPPED)
        said = Variants(graph, variants)

        def made(plan: ClassPlan, network: bool, emission: Emission = emission) -> ClassCode:
            return resolve(plan, network, emission)

        classes: Sequence[ClassCode] = Planner(graph, emission, made, said).plan()
        if not said.unsaid:
            return emission, classes
        variants = [variant for variant in variants if variant not in said.unsaid]


def _head(graph: Graph, header: FileHeader) -> list[CodeLine]:
    origin = f", compiled from {header.spec}" if header.spec else ""
    by = f" by addnn-spec {header.version}" if header.version else ""
    rows = [f"{graph.name}{origin}{by}."]
    facts = []
    for id, name in zip(graph.inputs, graph.input_names, strict=True):
        type = graph.node(id).outputs[0]
        facts.append(f"{name}: {type.dtype}{type}")
    if facts:
        rows.append(f"Inputs: {', '.join(facts)}.")
    if header.parameters is not None:
        rows.append(f"Parameters: {header.parameters:,}.")
    if header.macs is not None:
        rows.append(f"Multiply-accumulates: {header.macs:,}.")
    if header.options:
        rows.append(f"Options: {' '.join(header.options)}.")
    if header.hash:
        rows.append(f"SHA-256 of the spec: {header.hash}")
    wrapped = [part for row in rows for part in _wrapped(row)]
    first, *rest = [row.replace("\\", "\\\\").replace('"', "'") for row in wrapped]
    if not rest:
        return [CodeLine(f'"""{first}"""', prose=True)]
    return [CodeLine(row, prose=True) for row in (f'"""{first}', "", *rest, '"""')]


def _wrapped(text: str) -> list[str]:
    rows = [""]
    for word in comment(text).split(" "):
        if len(rows[-1]) + 1 + len(word) > WIDTH - 4 and rows[-1]:
            rows.append("")
        rows[-1] = f"{rows[-1]} {word}" if rows[-1] else word
    return rows


def _support(body: Sequence[CodeLine], emission: Emission) -> list[CodeLine]:
    """Return the definitions that the classes name, each after those that it needs."""
    # Whether a definition is needed is read off the code that was written, where it may have been
    # simplified away. Docstrings do not count: they may use the word for something else.
    words = {word for line in body if not line.prose for word in re.findall(r"\w+", line.text)}
    chosen: dict[str, Support] = {}

    def choose(support: Support) -> None:
        for needed in support.needs:
            choose(needed)
        chosen.setdefault(support.name, support)

    for name, support in emission.support.items():
        if name in words:
            choose(support)
    lines: list[CodeLine] = []
    for support in chosen.values():
        lines += [CodeLine(""), CodeLine("")]
        lines += [CodeLine(row) for row in support.source.rstrip("\n").split("\n")]
    return lines


def _with_imports(lines: Sequence[CodeLine]) -> list[CodeLine]:
    """Return the lines with the imports that they use after the docstring."""
    text = "\n".join(line.text for line in lines if not line.prose)
    # The imports stand right behind the docstring.
    end = next(place for place, line in enumerate(lines) if not line.prose)

    def used(name: str) -> bool:
        return re.search(rf"\b{name}\b", text) is not None

    typing = [name for name in ("Literal", "NamedTuple") if used(name)]
    typing = [*(["Any"] if used(r"tuple\[Any") else []), *typing]
    if used("Tapping"):
        typing.append("TypeVar")
    standard = ["import math"] if used("math") else []
    standard += ["from collections import OrderedDict"] if used("OrderedDict") else []
    standard += ["from collections.abc import Callable"] if used("Callable") else []
    standard += ["from itertools import pairwise"] if used("pairwise") else []
    standard += [f"from typing import {', '.join(typing)}"] if typing else []
    torch = ["import torch"] if re.search(r"\btorch\.", text) else []
    functional = ["import torch.nn.functional as F"] if re.search(r"\bF\.", text) else []
    torch = [*torch, *functional, "from torch import Tensor, nn"]
    rows = ["", "from __future__ import annotations", ""]
    rows += [*standard, ""] if standard else []
    rows += torch
    if "TypeVar" in typing:
        rows += ["", 'Tapping = TypeVar("Tapping")']
    return [*lines[:end], *(CodeLine(row) for row in rows), *lines[end:]]


def _definition(function: FileFunction) -> Support:
    """Write a function's definition, with those that it calls; its types are what it was given."""
    parameters = []
    for (name, default), seen in zip(function.parameters, function.seen, strict=False):
        value = "" if default is REQUIRED else f" = {flat(default)}"
        known = (default,) if is_literal(default) else ()
        parameters.append(f"{name}: {annotation((*seen, *known))}{value}")
    head = (
        f"def {function.name}({', '.join(parameters)}) -> {annotation(tuple(function.seen[-1]))}:"
    )
    lines = [head, *(line.text for line in layout(function.tree, 1, "return "))]
    called = {node.fn for node in walk(function.tree) if isinstance(node, Call)}
    needs = tuple(
        _definition(function.functions[name]) for name in called if name in function.functions
    )
    return Support(function.name, "\n".join(lines), needs)
