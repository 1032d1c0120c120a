"""Functions of the language as functions of the emitted file."""

from __future__ import annotations

from addnn_spec.backends.torch_code.text import flat, layout
from addnn_spec.backends.torch_code.translation import Function
from addnn_spec.backends.torch_code.tree import walk
from addnn_spec.backends.torch_code.vectors import annotation
from addnn_spec.ops.code import REQUIRED, Call, Support


def written(function: Function) -> Support:
    """Write a function's definition, with those that it calls; its types are what it was given."""
    parameters = []
    for (name, default), seen in zip(function.parameters, function.seen, strict=False):
        value = "" if default is REQUIRED else f" = {flat(default)}"
        parameters.append(f"{name}: {annotation(tuple(seen))}{value}")
    head = (
        f"def {function.name}({', '.join(parameters)}) -> {annotation(tuple(function.seen[-1]))}:"
    )
    lines = [head, *(line.text for line in layout(function.tree, 1, "return "))]
    called = {node.fn for node in walk(function.tree) if isinstance(node, Call)}
    needs = tuple(
        written(function.functions[name]) for name in called if name in function.functions
    )
    return Support(function.name, "\n".join(lines), needs)
