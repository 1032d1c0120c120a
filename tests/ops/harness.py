"""Runs what an operator emits in live torch: its code trees are interpreted, never printed.

`build` makes the module, `run` calls it on tensors of an example's input types. Sizes are concrete
here; floats are float64, so that two forms of one operator can be compared to the last bits.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import reduce
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from addnn_spec.ops import Operator, find, index
from addnn_spec.ops.applied import Applied
from addnn_spec.ops.base import Example, TensorType
from addnn_spec.ops.code import (
    Arg,
    Call,
    Code,
    FloatType,
    In,
    Infix,
    Invoke,
    Item,
    Method,
    Own,
    Prefix,
    Seq,
    Slice,
    Support,
)
from addnn_spec.sizes import Size, SymbolicSize, defaults

DTYPES = {"float": torch.float64, "int": torch.int64, "bool": torch.bool}
INFIX: dict[str, Callable[[Any, Any], Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "//": operator.floordiv,
    "%": operator.mod,
    "**": operator.pow,
    "@": operator.matmul,
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "&": operator.and_,
    "|": operator.or_,
    "^": operator.xor,
}
PREFIX: dict[str, Callable[[Any], Any]] = {"-": operator.neg, "~": operator.invert}
ROOTS: dict[str, Any] = {"torch": torch, "nn": nn, "F": functional, "math": math}


def all_examples() -> Iterator[tuple[str, Example]]:
    """Every example of every operator, with a name for the test. Layer arguments are not run."""
    for name in index():
        kind = find(name)
        assert kind is not None
        if kind.layers:
            continue
        for number, example in enumerate(kind.examples()):
            yield f"{name}-{number}", example


@contextmanager
def float64() -> Iterator[None]:
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def value_of(size: Size) -> int:
    """A size at its symbols' defaults."""
    return defaults(size)


def tensor_of(kind: TensorType, device: str = "cpu") -> Tensor:
    """Random floats, small integers, or booleans of this type."""
    shape = tuple(value_of(size) for size in kind.shape)
    if kind.dtype == "float":
        return torch.randn(shape, dtype=torch.float64, device=device)
    if kind.dtype == "int":
        return torch.randint(1, 3, shape, device=device)
    return torch.rand(shape, device=device) > 0.5


WITHIN_0_AND_1 = {"BCELoss", "GaussianNLLLoss", "MultiScaleRoIAlign", "RoIAlign", "RoIPool"}
"""Operators that take no other floats: probabilities, variances, numbers of images."""


def tensors_of(example: Example, device: str = "cpu") -> list[Tensor | None]:
    torch.manual_seed(7)
    tensors = [None if kind is None else tensor_of(kind, device) for kind in example.inputs]
    if type(example.operator).__name__ not in WITHIN_0_AND_1:
        return tensors
    return [x.sigmoid() if x is not None and x.is_floating_point() else x for x in tensors]


def support_names(supports: Sequence[Support]) -> dict[str, Any]:
    """The definitions that an operator needs in the emitted file. The sources are our constants."""
    names: dict[str, Any] = {"torch": torch, "nn": nn, "Tensor": Tensor, "F": functional}
    names |= {"math": math, "slice": slice, "float": float}

    def define(support: Support) -> None:
        for needed in support.needs:
            define(needed)
        if support.name not in names:
            exec(support.source, names)

    for support in supports:
        define(support)
    return names


class Interpreter:
    """Evaluates a code tree over input tensors and, where it has one, the operator's module."""

    def __init__(self, operator: Operator, inputs: Sequence[Tensor | None] = ()) -> None:
        self.names = support_names(operator.support)
        self.inputs = inputs
        self.own: Any = None

    def evaluate(self, code: Any) -> Any:
        match code:
            case In(number):
                return self.inputs[number]
            case FloatType():
                return DTYPES["float"]
            case Call(name, args):
                return self._call(self._resolve(name), args)
            case Method(value, name, args):
                return self._call(getattr(self.evaluate(value), name), args)
            case Invoke(args):
                return self._call(self.own, args)
            case Own(name):
                return reduce(getattr, name.split("."), self.own) if name else self.own
            case Slice(start, stop, step):
                return slice(*map(self.evaluate, (start, stop, step)))
            case Infix() | Prefix() | Item() | Seq():
                return self._expression(code)
        return self._literal(code)

    def _expression(self, code: Infix | Prefix | Item | Seq) -> Any:
        match code:
            case Infix(op, left, right):
                return INFIX[op](self.evaluate(left), self.evaluate(right))
            case Prefix(op, value):
                return PREFIX[op](self.evaluate(value))
            case Item(value, index):
                parts = tuple(self.evaluate(part) for part in index)
                return self.evaluate(value)[parts if len(parts) > 1 else parts[0]]
            case Seq(items, brackets):
                values = [self.evaluate(item) for item in items]
                return values if brackets else tuple(values)

    def _literal(self, code: Any) -> Any:
        if isinstance(code, SymbolicSize):
            return value_of(code)
        if isinstance(code, tuple):
            return tuple(self.evaluate(item) for item in code)
        if code is None or isinstance(code, bool | int | float | str):
            return code
        raise TypeError(f"not code: {code!r}")

    def _call(self, function: Any, args: Sequence[Arg]) -> Any:
        positional = [self.evaluate(arg.value) for arg in args if arg.name is None]
        named = {arg.name: self.evaluate(arg.value) for arg in args if arg.name is not None}
        return function(*positional, **named)

    def _resolve(self, name: str) -> Any:
        root, *rest = name.split(".")
        start = ROOTS[root] if root in ROOTS and rest else self.names[root]
        return reduce(getattr, rest, start)


def build(operator: Operator, inputs: Sequence[TensorType | None]) -> nn.Module | None:
    """The operator's module in evaluation mode, initialised; None where it has none."""
    code = operator.constructor(*inputs)
    if code is None:
        return None
    interpreter = Interpreter(operator)
    torch.manual_seed(11)
    with float64():
        module: nn.Module = interpreter.evaluate(code)
        interpreter.own = module
        for statement in operator.initialize(*inputs):
            interpreter.evaluate(statement)
    return module.eval()


def flat(value: Any, result: tuple[Any, ...] | None) -> tuple[Tensor, ...]:
    """The outputs of a call in the operator's order, from the nested value that torch returns."""
    if result is None:
        return tuple(value) if isinstance(value, tuple | list) else (value,)
    found: dict[int, Tensor] = {}

    def take(part: Any, places: Any) -> None:
        if isinstance(places, tuple):
            for item, place in zip(part, places, strict=True):
                take(item, place)
        elif places is not None:
            found[places] = part

    take(value, result)
    return tuple(found[place] for place in sorted(found))


def run(
    operator: Operator,
    inputs: Sequence[TensorType | None],
    tensors: Sequence[Tensor | None],
    module: nn.Module | None,
) -> tuple[Tensor, ...]:
    """The outputs of the module, or of the functional form where `module` is None."""
    interpreter = Interpreter(operator, tensors)
    interpreter.own = module
    if module is None:
        code: Code = operator.functional(*inputs)
        assert code is not None, f"{type(operator).__name__} has neither form"
    else:
        code = operator.call(*inputs)
    torch.manual_seed(13)
    with float64():
        value = interpreter.evaluate(code)
    return flat(value, operator.result)


def outputs_of(operator: Operator, inputs: Sequence[TensorType | None]) -> tuple[TensorType, ...]:
    """The inferred types, as a tuple; raises for needs that are not met, too."""
    types = operator.infer(*inputs)
    Applied(operator, tuple(inputs)).check_needs()
    return (types,) if isinstance(types, TensorType) else types


def counted_macs(example: Example) -> int:
    """Multiply-accumulates by torch's own counter: on meta, else on the CPU."""
    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        try:
            return _count(example, "meta")
        except (NotImplementedError, RuntimeError):
            return _count(example, "cpu")
    finally:
        torch.backends.mha.set_fastpath_enabled(before)


def _count(example: Example, device: str) -> int:
    module = build(example.operator, example.inputs)
    if module is not None:
        module = module.to(device)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        run(example.operator, example.inputs, tensors_of(example, device), module)
    flops: int = counter.get_total_flops()
    assert flops % 2 == 0
    return flops // 2
