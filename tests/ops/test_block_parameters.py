"""Each argument of each operator as a parameter of a block: the class keeps it, and means it.

What is equal by chance in one use (`dim` and `index`, both 1; `bidirectional` and torch's own
`batch_first`) is not the same in the next one.
"""

from __future__ import annotations

import re
from typing import NamedTuple

import pytest

from addnn_spec import loads
from addnn_spec.diagnostics import Collector
from addnn_spec.ops import Operator
from addnn_spec.ops.base import Example
from addnn_spec.source import Source
from addnn_spec.syntax import ast
from addnn_spec.syntax.parser import parse
from addnn_spec.syntax.walk import walk
from tests.ops.texts import NAME, operators, written
from tests.support import seldom

STRUCTURE = {
    "bias_init", "dtype", "num_parameters", "spectral_norm", "weight_init", "weight_norm",
    "weight_standardization",
}  # fmt: skip
"""What decides which code there is, not a number in it."""
LOST = {
    ("Flip", "dims"),  # of one dimension: `x.flip(1)`
    ("IndexReduce", "dim"),  # -2 is counted from the front
    ("MultiheadAttention", "is_causal"),  # beside what is added to the keys: a mask of one's own
    ("Slice", "dim"),  # it decides where the colons are
}
SPREAD = re.compile(r".*Pad\dd|RoI.*|MultiScaleRoIAlign|SumPool2d|Split")
"""A number that stands for several: `padding = 2` is (2, 2)."""


class Case(NamedTuple):
    """An example in a block, whose arguments are the block's parameters."""

    text: str
    arguments: tuple[str, ...]
    """By their names in the text; of those by position, the value."""
    lists: tuple[bool, ...]


def in_a_block(kind: type[Operator], example: Example) -> Case | None:
    """Return an example as the use of a block; None where it gives nothing."""
    text = written(example, example.inputs).text
    (network,) = parse(Source("t.net", text), Collector()).items
    assert isinstance(network, ast.Network)
    given = [argument for layer in walk(network) for argument in _arguments(layer, kind)]
    inputs = re.findall(r"^ *input (\w+): .*$", text, re.MULTILINE)
    if not given or not inputs or "weight = x" in text:  # another layer's weight has its sizes
        return None
    values = [text[one.value.span.start : one.value.span.end] for one in given]
    body = text
    for number, one in reversed(list(enumerate(given))):
        body = f"{body[: one.value.span.start]}p{number}{body[one.value.span.end :]}"
    lines = [line.strip() for line in body.splitlines()[1:-1]]
    (result,) = [line for line in lines if not line.startswith("input")]
    single = re.fullmatch(r"output y = (.*)", result)
    if single:
        names, made = "y", f"return {single[1]}"
        outputs = "output y = y"
    else:
        several = re.match(r"([\w, ]+?) = (.*?)  output", result)
        assert several is not None
        names, made = several[1], f"{several[1]} = {several[2]}\n  return ({several[1]})"
        outputs = "  ".join(f"output o{name} = {name}" for name in names.split(", "))
    params = ", ".join(f"p{number}" for number in range(len(given)))
    flows = f"({', '.join(inputs)})" if len(inputs) > 1 else inputs[0]
    declared = "\n  ".join(line for line in lines if line.startswith("input"))
    names = "z" if single else names
    outputs = "output y = z" if single else outputs
    return Case(
        f"block B({params})({', '.join(inputs)}) {{\n  {made}\n}}\n"
        f"network {NAME} {{\n  {declared}\n  {names} = {flows} -> B({', '.join(values)})\n"
        f"  {outputs}\n}}\n",
        tuple(one.name or "" for one in given),
        tuple(isinstance(one.value, ast.ListExpr) for one in given),
    )


def _arguments(layer: object, kind: type[Operator]) -> list[ast.Argument]:
    """Return the arguments of the operator that are numbers, words and lists of them."""
    if isinstance(layer, ast.Layer):
        name, args = layer.name, layer.args
    elif isinstance(layer, ast.Call) and isinstance(layer.callee, ast.Name):
        name, args = layer.callee.name, layer.args
    else:
        return []
    tensors = re.compile(r"x\d")
    return [
        one
        for one in (args or ()) * (name == kind.__name__)
        if not isinstance(one.value, ast.Chain)
        and not any(isinstance(n, ast.Name) and tensors.fullmatch(n.name) for n in walk(one.value))
    ]


@pytest.mark.parametrize("kind", seldom(list(operators()), 6), ids=lambda kind: kind.__name__)
def test_a_parameter_stays_and_means_one_thing(kind: type[Operator]) -> None:
    for example in kind.examples():
        case = in_a_block(kind, example)
        if case is None:
            continue
        code = loads(case.text).source()
        found = re.search(
            r"(?:class B\(.*?def __init__|def b)\((.*?)\) ->(.*?)(?:\n\n\n|\Z)", code, re.DOTALL
        )
        assert found is not None, code
        for number, name in enumerate(case.arguments):
            if name in STRUCTURE or (kind.__name__, name) in LOST:
                continue
            here = re.compile(rf"\bp{number}\b")
            assert here.search(found[1]), f"{name} is lost in {case.text}\n{found[0]}"
            read = len(here.findall(found[2])) - 2 * found[2].count(f"self.p{number} = p{number}")
            if not case.lists[number] and not SPREAD.fullmatch(kind.__name__):
                assert read == 1, f"{name} stands for several in {case.text}\n{found[0]}"
