"""The language's functions on compile-time values. Sizes may be symbolic where that makes sense."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

from addnn_spec.diagnostics import Refusal
from addnn_spec.elaborate.numbers import arithmetic, finite, is_number, is_size
from addnn_spec.sizes import Facts, SymbolicSize
from addnn_spec.values import kind_of

if TYPE_CHECKING:
    from addnn_spec.elaborate.frame import Value

NAMES = (
    "abs", "ceil", "enumerate", "float", "floor", "int", "len", "linspace", "log", "log2", "max",
    "min", "range", "reversed", "round", "sqrt", "sum", "zip",
)  # fmt: skip


def call(name: str, args: tuple[Value, ...], facts: Facts) -> Value:
    """Return the value of `name(args)`; raises `Refusal`. `sum` of tensors is not done here."""
    low, high = _ARITY[name]
    if not low <= len(args) <= high:
        wanted = f"{low}" if low == high else f"{low} to {high}" if high < 99 else f"at least {low}"
        raise Refusal("E0203", f"{name} takes {wanted} argument(s), not {len(args)}")
    if name in _ON_SIZES:
        return _ON_SIZES[name](args, facts)
    return _FUNCTIONS[name](args)


def _list(name: str, value: Value) -> tuple[Value, ...]:
    if not isinstance(value, tuple):
        raise Refusal("E0207", f"{name} takes a list, not {kind_of(value)}")
    return value


def _number(name: str, value: Value) -> int | float:
    if not is_number(value):
        raise Refusal("E0207", f"{name} takes a number, not {kind_of(value)}")
    return value


def _whole(name: str, value: Value) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise Refusal("E0207", f"{name} takes whole numbers, not {kind_of(value)}")
    return value


def _extreme(name: str) -> Callable[[tuple[Value, ...], Facts], Value]:
    def run(args: tuple[Value, ...], facts: Facts) -> Value:
        items = _list(name, args[0]) if len(args) == 1 else args
        if not items:
            raise Refusal("E0207", f"{name} of an empty list")
        best = items[0]
        for item in items[1:]:
            if _wins(name, item, best, facts):
                best = item
        return best if is_size(best) else _number(name, best)

    return run


def _wins(name: str, item: Value, best: Value, facts: Facts) -> bool:
    if is_size(item) and is_size(best):
        op = "<=" if name == "max" else ">="
        keep = facts.compare(item, op, best)
        if keep is None:
            raise Refusal("E0211", f"which of {item} and {best} is larger is not known")
        return not keep
    first, second = _number(name, item), _number(name, best)
    return bool(first > second if name == "max" else first < second)


def _to_int(args: tuple[Value, ...]) -> Value:
    # A symbolic size is whole already.
    if isinstance(args[0], SymbolicSize):
        return args[0]
    if isinstance(args[0], bool):
        return int(args[0])
    return int(_number("int", args[0]))


def _rounding(name: str, rule: Callable[[float], int]) -> Callable[[tuple[Value, ...]], Value]:
    def run(args: tuple[Value, ...]) -> Value:
        return args[0] if isinstance(args[0], SymbolicSize) else rule(_number(name, args[0]))

    return run


def _sqrt(args: tuple[Value, ...]) -> Value:
    value = _number("sqrt", args[0])
    if value < 0:
        raise Refusal("E0207", "sqrt of a negative number")
    return math.sqrt(value)


def _logarithm(name: str, rule: Callable[[float], float]) -> Callable[[tuple[Value, ...]], Value]:
    def run(args: tuple[Value, ...]) -> Value:
        value = _number(name, args[0])
        if value <= 0:
            raise Refusal("E0207", f"{name} of a number that is not positive")
        return rule(value)

    return run


def _abs(args: tuple[Value, ...]) -> Value:
    return abs(_number("abs", args[0]))


def _len(args: tuple[Value, ...]) -> Value:
    if isinstance(args[0], str):
        return len(args[0])
    return len(_list("len", args[0]))


def _sum(args: tuple[Value, ...], facts: Facts) -> Value:
    total: Value = 0
    for item in _list("sum", args[0]):
        total = arithmetic("+", total, item, facts.exact_div)
    return total


def _range(args: tuple[Value, ...]) -> Value:
    numbers = [_whole("range", arg) for arg in args]
    if len(numbers) == 3 and numbers[2] == 0:
        raise Refusal("E0207", "range with a step of 0 never ends")
    span = range(*numbers)
    return _materialise("range", span)


def _materialise(name: str, span: range) -> tuple[int, ...]:
    """Return a range as a list; its length is checked by arithmetic before it is made."""
    if span and (span[-1] - span[0]) // span.step + 1 > 1_000_000:
        raise Refusal("E0504", f"this {name} has more than 1,000,000 numbers")
    return tuple(span)


def between(start: Value, stop: Value) -> tuple[int, ...]:
    """Return the list of `start..stop`."""
    return _materialise("range", range(_whole("..", start), _whole("..", stop)))


def _enumerate(args: tuple[Value, ...]) -> Value:
    start = _whole("enumerate", args[1]) if len(args) > 1 else 0
    return tuple((start + i, item) for i, item in enumerate(_list("enumerate", args[0])))


def _zip(args: tuple[Value, ...]) -> Value:
    lists = [_list("zip", arg) for arg in args]
    if len({len(items) for items in lists}) > 1:
        lengths = ", ".join(str(len(items)) for items in lists)
        raise Refusal("E0209", f"zip's lists differ in length: {lengths}")
    return tuple(zip(*lists, strict=True))


def _reversed(args: tuple[Value, ...]) -> Value:
    return tuple(reversed(_list("reversed", args[0])))


def _linspace(args: tuple[Value, ...]) -> Value:
    """Return `n` numbers from start to end, both included, as torch.linspace does."""
    start, end = _number("linspace", args[0]), _number("linspace", args[1])
    n = _whole("linspace", args[2])
    if not 0 <= n <= 1_000_000:
        raise Refusal("E0504", "linspace makes 0 to 1,000,000 numbers")
    if n == 1:
        return (float(start),)
    return tuple(start + (end - start) * i / (n - 1) for i in range(n))


def _float(args: tuple[Value, ...]) -> Value:
    try:
        return finite(float(_number("float", args[0])))
    except OverflowError:
        raise Refusal("E0210", "this number is too large for a float") from None


_ON_SIZES: dict[str, Callable[[tuple[Value, ...], Facts], Value]] = {
    "max": _extreme("max"),
    "min": _extreme("min"),
    "sum": _sum,
}
_FUNCTIONS: dict[str, Callable[[tuple[Value, ...]], Value]] = {
    "abs": _abs,
    "ceil": _rounding("ceil", math.ceil),
    "enumerate": _enumerate,
    "float": _float,
    "floor": _rounding("floor", math.floor),
    "int": _to_int,
    "len": _len,
    "linspace": _linspace,
    "log": _logarithm("log", math.log),
    "log2": _logarithm("log2", math.log2),
    "range": _range,
    "reversed": _reversed,
    "round": _rounding("round", round),
    "sqrt": _sqrt,
    "zip": _zip,
}
_ARITY = dict.fromkeys(NAMES, (1, 1)) | {
    "enumerate": (1, 2),
    "linspace": (3, 3),
    "max": (1, 99),
    "min": (1, 99),
    "range": (1, 3),
    "zip": (1, 99),
}

__all__ = ["NAMES", "between", "call"]
